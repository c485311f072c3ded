"""The general path from bytes to messages. Refuses with DecodeError, never with anything else.

Inside this module the texts of errors begin with the path from the message that is being read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import DecodeError
from .declaration import FieldedMessage
from .fields import FIXED, LENGTH, MAX_DEPTH, Field
from .scan import read_span, read_tag, read_varint, skip

M = TypeVar("M", bound=FieldedMessage)

Read = Callable[[bytes, int, int], tuple[Any, int]]
"""From bytes, a position and an end to the value there and the position behind it."""

Reader = Callable[["Draft", bytes, int, int, int], int]
"""Reads one field into a draft that is nested so deep; returns the position behind it."""


class Draft:
    """A message that is being read.

    A message inside it stays a draft until the outermost one ends: its field may come again, and
    the two are then one message in pieces, whose unknown fields add up without a copy each time.
    `lenient` is whether required fields that do not come are zero, as far as they can be.
    """

    __slots__ = ("lenient", "message", "parts", "unknown")

    def __init__(self, message: FieldedMessage, lenient: bool = False) -> None:
        self.message = message
        self.lenient = lenient
        self.unknown: bytearray | None = None
        self.parts: dict[str, Draft] | None = None

    def finish(self) -> None:
        """Put everything into place; DecodeError if a required field never came."""
        message = self.message
        if self.unknown is not None:
            message._unknown_fields += bytes(self.unknown)  # pyright: ignore[reportPrivateUsage] - betterproto's name
        if self.parts is not None:
            for name, part in self.parts.items():
                try:
                    part.finish()
                except DecodeError as error:
                    raise DecodeError(f".{name}{error}") from None
                setattr(message, name, part.message)
        if self.lenient:
            fill(message)
        for field in type(message).required_fields:
            if getattr(message, field.name) is None:
                raise DecodeError(f": required field {field.name} ({field.number}) is missing")


def fill(message: FieldedMessage) -> None:
    """Set required fields that are absent to zero: 0, false, "" or the member of an enum that is 0.

    A message has no zero, and neither has an enum without such a member (a side of a trade): these
    stay absent.
    """
    cls = type(message)
    for field in cls.required_fields:
        if getattr(message, field.name) is None:
            if field.kind == "enum":
                zero = cls.class_of(field)._value2member_map_.get(0)
            else:
                zero = _ZEROS.get(field.kind, None if field.kind == "message" else 0)
            setattr(message, field.name, zero)


_ZEROS: dict[str, Any] = {"bool": False, "string": "", "bytes": b"", "double": 0.0, "float": 0.0}


def decode_span(
    cls: type[M], data: bytes, pos: int, end: int, depth: int = 0, *, lenient: bool = False
) -> M:
    """The general path for `data[pos:end]`; DecodeError for anything but a whole message.

    `lenient` takes a required field that is missing for zero, see `fill`.
    """
    message = cls.blank()
    merge_span(message, data, pos, end, depth, lenient=lenient)
    return message


def merge_span(
    message: FieldedMessage,
    data: bytes,
    pos: int,
    end: int,
    depth: int = 0,
    *,
    lenient: bool = False,
) -> None:
    """Read `data[pos:end]` into `message` as protobuf merges: scalars replaced, lists extended.

    Raises DecodeError; the message may then have some of the fields.
    """
    draft = Draft(message, lenient)
    try:
        _read(draft, data, pos, end, depth)
        draft.finish()
    except DecodeError as error:
        raise DecodeError(f"{type(message).__name__}{error}") from None
    except RecursionError:
        raise DecodeError(f"{type(message).__name__}: the caller's stack is full") from None


def _read(draft: Draft, data: bytes, pos: int, end: int, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DecodeError(f": nested more than {MAX_DEPTH} deep")
    readers = _readers(type(draft.message))
    while pos < end:
        start = pos
        tag = data[pos]
        if 8 <= tag < 128:
            pos += 1
        else:
            tag, pos = read_tag(data, pos, end)
        known = readers.get(tag)
        if known is not None:
            try:
                pos = known[1](draft, data, pos, end, depth)
            except DecodeError as error:
                raise DecodeError(f".{known[0]}{error}") from None
        else:
            pos = skip(data, pos, end, tag, depth)
            if draft.unknown is None:
                draft.unknown = bytearray()
            draft.unknown += data[start:pos]


def _readers(cls: type[FieldedMessage]) -> dict[int, tuple[str, Reader]]:
    """Tag → the attribute of the field and what reads it; made on first use."""
    readers: dict[int, tuple[str, Reader]] | None = cls.__dict__.get("general_readers")
    if readers is None:
        readers = {}
        for field in cls.message_fields:
            tag = field.number << 3 | field.wire_type
            if field.kind == "message":
                readers[tag] = field.name, _message_reader(cls, field)
                continue
            read = _scalar_read(cls, field)
            if not field.repeated:
                readers[tag] = field.name, _scalar_reader(field.name, read)
                continue
            readers[tag] = field.name, _list_reader(field.name, read)
            if field.wire_type != LENGTH:  # packed or not, both are accepted
                packed_tag = field.number << 3 | LENGTH
                readers[packed_tag] = field.name, _packed_reader(field.name, read)
        cls.general_readers = readers
    return readers


# --- one field ------------------------------------------------------------------------------------


def _scalar_reader(name: str, read: Read) -> Reader:
    def reader(draft: Draft, data: bytes, pos: int, end: int, depth: int) -> int:
        value, pos = read(data, pos, end)
        setattr(draft.message, name, value)
        return pos

    return reader


def _list_reader(name: str, read: Read) -> Reader:
    def reader(draft: Draft, data: bytes, pos: int, end: int, depth: int) -> int:
        value, pos = read(data, pos, end)
        getattr(draft.message, name).append(value)
        return pos

    return reader


def _packed_reader(name: str, read: Read) -> Reader:
    def reader(draft: Draft, data: bytes, pos: int, end: int, depth: int) -> int:
        pos, after = read_span(data, pos, end)
        values = getattr(draft.message, name)
        while pos < after:
            value, pos = read(data, pos, after)
            values.append(value)
        return pos

    return reader


def _message_reader(cls: type[FieldedMessage], field: Field) -> Reader:
    name, part_class = field.name, cls.class_of(field)

    def read_one_more(draft: Draft, data: bytes, pos: int, end: int, depth: int) -> int:
        pos, after = read_span(data, pos, end)
        part = Draft(part_class.blank(), draft.lenient)
        items = getattr(draft.message, name)
        try:
            _read(part, data, pos, after, depth + 1)
            part.finish()
        except DecodeError as error:
            raise DecodeError(f"[{len(items)}]{error}") from None
        items.append(part.message)
        return after

    def read_piece(draft: Draft, data: bytes, pos: int, end: int, depth: int) -> int:
        pos, after = read_span(data, pos, end)
        if draft.parts is None:
            draft.parts = {}
        part = draft.parts.get(name)
        if part is None:
            before = getattr(draft.message, name)
            message = part_class.blank() if before is None else before
            part = draft.parts[name] = Draft(message, draft.lenient)
        _read(part, data, pos, after, depth + 1)
        return after

    return read_one_more if field.repeated else read_piece


# --- one value ------------------------------------------------------------------------------------


def _scalar_read(cls: type[FieldedMessage], field: Field) -> Read:
    if field.kind in FIXED:
        return _fixed_read(field.kind)
    if field.kind == "enum":
        return _enum_read(cls.class_of(field))
    return _READ[field.kind]


def _fixed_read(kind: str) -> Read:
    unpack, size = FIXED[kind].unpack_from, FIXED[kind].size

    def read(data: bytes, pos: int, end: int) -> tuple[Any, int]:
        if pos + size > end:
            raise DecodeError(f": {size} bytes expected at byte {pos}, {end - pos} are left")
        return unpack(data, pos)[0], pos + size

    return read


def _enum_read(enum: Any) -> Read:
    known = enum._value2member_map_  # far quicker than calling the enum

    def read(data: bytes, pos: int, end: int) -> tuple[Any, int]:
        value, pos = _read_int32(data, pos, end)
        member = known.get(value)
        return (enum(value) if member is None else member), pos

    return read


def _varint_read(convert: Callable[[int], Any]) -> Read:
    def read(data: bytes, pos: int, end: int) -> tuple[Any, int]:
        if pos < end and (byte := data[pos]) < 128:
            return convert(byte), pos + 1
        raw, pos = read_varint(data, pos, end)
        return convert(raw), pos

    return read


def _signed(bits: int) -> Callable[[int], int]:
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)
    return lambda raw: ((raw & mask) ^ sign) - sign


def _zigzag(bits: int) -> Callable[[int], int]:
    mask = (1 << bits) - 1
    return lambda raw: ((raw & mask) >> 1) ^ -(raw & 1)


def _read_string(data: bytes, pos: int, end: int) -> tuple[Any, int]:
    begin, after = read_span(data, pos, end)
    try:
        return str(data[begin:after], "utf-8"), after
    except UnicodeDecodeError as error:
        at = begin + error.start
        raise DecodeError(f": not UTF-8 at byte {at}: {error.reason}") from None


def _read_bytes(data: bytes, pos: int, end: int) -> tuple[Any, int]:
    begin, after = read_span(data, pos, end)
    return data[begin:after], after


_read_int32 = _varint_read(_signed(32))

_READ: dict[str, Read] = {
    "int32": _read_int32,
    "int64": _varint_read(_signed(64)),
    "uint32": _varint_read(lambda raw: raw & 0xFFFFFFFF),
    "uint64": read_varint,
    "sint32": _varint_read(_zigzag(32)),
    "sint64": _varint_read(_zigzag(64)),
    "bool": _varint_read(lambda raw: raw != 0),
    "string": _read_string,
    "bytes": _read_bytes,
}
