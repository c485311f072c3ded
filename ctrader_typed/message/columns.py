"""From the bytes of an answer that is a list of rows (bars, ticks) straight to columns of numbers.

No object is made for a row. Three ways give the same: compiled, with numpy, and in plain Python;
whatever is not as every server writes it goes through messages, which also explains errors.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, TypeVar

from ..errors import DecodeError
from .choice import may_be_compiled
from .column_layout import Layout
from .declaration import FieldedMessage
from .fields import VARINT, Field
from .scan import read_tag, skip
from .straight import Irregular

M = TypeVar("M", bound=FieldedMessage)
M_co = TypeVar("M_co", bound=FieldedMessage, covariant=True)

_ROWS = "ctrader_typed.message.rows"

MANY = 1 << 13
"""Bytes from which numpy is worth its calls, and its import."""


@dataclass(frozen=True, slots=True)
class Columns(Generic[M_co]):
    """An answer whose rows are columns.

    `reply` is the message with an empty list instead of the rows. `columns` has an `array('q')` for
    each field of a row, by the name of its attribute, all of the same length: raw numbers of the
    wire, and 0 where a row lacks an optional field. Fields of a row that the schema does not know
    are lost.
    """

    reply: M_co
    columns: Mapping[str, array[int]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> array[int]:
        return self.columns[name]


Way = Callable[[Layout, bytes, int], "tuple[list[array[int]], int]"]
"""From where the rows begin to their columns and where they end; may raise Irregular."""

_layouts: dict[type, Layout | None] = {}


def layout_of(cls: type[FieldedMessage]) -> Layout | None:
    """How the answers of a class are laid out; None if they are no list of rows of numbers."""
    if cls not in _layouts:
        _layouts[cls] = _layout(cls)
    return _layouts[cls]


def _layout(cls: type[FieldedMessage]) -> Layout | None:
    lists = [f for f in cls.message_fields if f.repeated]
    if len(lists) != 1 or lists[0].kind != "message" or lists[0].number > 15:
        return None
    fields: tuple[Field, ...] = cls.class_of(lists[0]).message_fields
    plain = all(
        f.wire_type == VARINT and not f.repeated and f.kind[0] != "s" and f.number <= 15
        for f in fields
    )
    return Layout(lists[0], fields) if plain and fields else None


def decode_columns(cls: type[M], data: bytes, decode: Callable[[type[M], bytes], M]) -> Columns[M]:
    """Read one message of type `cls`, which has a layout, with its rows as columns.

    `decode` reads a message in the usual way. Raises DecodeError, as it does, and where a number
    does not fit in a column of signed 64 bits.
    """
    layout = layout_of(cls)
    if layout is None:
        raise TypeError(f"{cls.__name__} is no answer with rows of numbers")
    for way in (compiled, with_numpy, plainly):
        done = by_way(way, layout, cls, data, decode)
        if done is not None:
            return done
    return transposed(cls, decode(cls, data))


def by_way(
    way: Way, layout: Layout, cls: type[M], data: bytes, decode: Callable[[type[M], bytes], M]
) -> Columns[M] | None:
    """One way to do it; None where the bytes are not straightforward."""
    try:
        start = _first_row(data, layout.tag)
        columns, end = way(layout, data, start)
        reply = decode(cls, data[:start] + data[end:])
    except (Irregular, DecodeError, IndexError):
        return None
    return None if getattr(reply, layout.attribute) else _named(layout, reply, columns)


def transposed(cls: type[M], reply: M) -> Columns[M]:
    """The columns of a message that was read in the usual way; its list of rows is emptied.

    Raises DecodeError where a number does not fit.
    """
    layout = layout_of(cls)
    assert layout is not None, "asked before"
    rows = getattr(reply, layout.attribute)
    columns: list[array[int]] = []
    for field in layout.fields:
        values = [getattr(row, field.name) or 0 for row in rows]
        try:
            columns.append(array("q", values))
        except OverflowError:
            at = next(i for i, value in enumerate(values) if value >> 63)
            raise DecodeError(
                f"{cls.__name__}.{layout.attribute}[{at}].{field.name}: {values[at]} does not fit "
                "in a column of signed 64-bit numbers"
            ) from None
    setattr(reply, layout.attribute, [])
    return _named(layout, reply, columns)


def _named(layout: Layout, reply: M, columns: list[array[int]]) -> Columns[M]:
    return Columns(reply, {f.name: c for f, c in zip(layout.fields, columns, strict=True)})


def _first_row(data: bytes, row_tag: int) -> int:
    """Where the first row begins; the end if there is none."""
    pos, end = 0, len(data)
    while pos < end and data[pos] != row_tag:
        tag, pos = read_tag(data, pos, end)
        pos = skip(data, pos, end, tag, 0)
    return pos


def compiled(layout: Layout, data: bytes, start: int) -> tuple[list[array[int]], int]:
    """In C, where that is built and wanted."""
    read_rows = _compiled_rows()
    if read_rows is None:
        raise Irregular
    return read_rows(layout, data, start)


def prepare() -> None:
    """Import what reads columns here: it takes 100 ms, which are missing where a loop runs."""
    if _compiled_rows() is None:
        with suppress(ImportError):
            import_module(".numpy_columns", __package__)


@functools.cache
def _compiled_rows() -> Way | None:
    if not may_be_compiled(_ROWS):
        return None
    read_rows: Way = import_module(_ROWS).read_rows
    return read_rows


def with_numpy(layout: Layout, data: bytes, start: int) -> tuple[list[array[int]], int]:
    """All varints at once, of answers that are long enough."""
    if len(data) - start < MANY:
        raise Irregular
    try:
        from .numpy_columns import read_rows  # noqa: PLC0415 - an extra, and 100 ms of import
    except ImportError:
        raise Irregular from None
    return read_rows(layout, data, start)


def plainly(layout: Layout, data: bytes, start: int) -> tuple[list[array[int]], int]:
    """A regular expression cuts the rows into varints; a number that came before is looked up."""
    tag, end, size = layout.tag, start, len(data)
    while end < size and data[end] == tag:
        end += 2 + data[end + 1]
    if end == start:
        return [array("q") for _ in layout.fields], start
    rows = layout.row.findall(data, start, end)
    # Each row is as long as it says, and together they are all that is there.
    if sum(2 + len(row[1]) for row in rows) != end - start:
        raise Irregular
    lengths, bodies, *columns = zip(*rows, strict=True)
    if list(map(len, bodies)) != list(b"".join(lengths)):
        raise Irregular
    numbers = {limits: _Numbers(*limits) for limits in layout.limits}
    return [
        array("q", map(numbers[limits].__getitem__, column))
        for column, limits in zip(columns, layout.limits, strict=True)
    ], end


class _Numbers(dict[bytes, int]):
    """Varint → number within limits. Most of the numbers of a column come again and again."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__({b"": 0})
        self._low = low
        self._high = high

    def __missing__(self, varint: bytes) -> int:
        value = 0
        for byte in reversed(varint):
            value = value << 7 | byte & 127
        if len(varint) == 10:
            value &= (1 << 64) - 1
            value -= value >> 63 << 64
        if not self._low <= value <= self._high:
            raise Irregular
        self[varint] = value
        return value
