"""What is in a file of a store: rows of each part, and the spans that are complete.

The file says all of it itself: the spans stand in its metadata, written with the rows at once.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import compress
from operator import add, ne, sub
from pathlib import Path
from typing import Any

from ...errors import StoreDamaged
from .. import parquet
from ..arrow import arrow_table, decimals
from ..bars import Bars
from ..columns import Column
from ..merge_ticks import merge_ticks
from ..ticks import Side, Ticks
from .series import PartitionKey, Series
from .spans import Span

_KEY = b"ctrader_typed"
_VERSION = 1
_NAMES = (None, "bid", "ask", "both")


@dataclass(slots=True)
class Content:
    """The rows of a file by part, and of which spans they are complete."""

    digits: int
    tables: dict[PartitionKey, Bars | Ticks]
    covered: dict[PartitionKey, list[Span]]


def empty(series: Series, digits: int) -> Content:
    """What is in a file that is not there."""
    tables: dict[PartitionKey, Bars | Ticks] = {
        part: series.empty(part, digits) for part in series.parts
    }
    return Content(digits, tables, {part: [] for part in series.parts})


def write(path: Path, series: Series, content: Content) -> None:
    """Write a file anew. Raises OSError, MissingLibrary."""
    table = _bars_table(content) if series.period is not None else _ticks_table(content)
    said: dict[str, Any] = {
        "version": _VERSION,
        "symbol": series.symbol_id,
        "series": str(series.period or "ticks"),
        "digits": content.digits,
        "covered": content.covered,
    }
    if isinstance(bars := content.tables.get("bars"), Bars) and bars.repaired:
        said["repaired"] = list(bars.repaired_times)
    table = table.replace_schema_metadata({_KEY: json.dumps(said)})
    parquet.write(table, str(path), dictionaries=["spread", "repeated"])


def read(path: Path, series: Series) -> Content:
    """What is in a file. Raises OSError, and StoreDamaged for one of something else."""
    with _as_written(path):
        file = _opened(path)
        content, table = _said(file, series), file.read()
        if series.period is not None:
            columns = [_integers(table[name]) for name in table.column_names]
            bars = Bars(series.symbol_id, series.period, content.digits, *columns)
            said = json.loads(file.schema_arrow.metadata[_KEY])
            content.tables["bars"] = bars.marked(said.get("repaired", ()))
        else:
            for side, (time, price) in _sides(table).items():
                content.tables[side] = Ticks(series.symbol_id, content.digits, side, time, price)
    return content


def read_covered(path: Path, series: Series) -> Content:
    """The same without the rows: a few kB of the file."""
    with _as_written(path):
        return _said(_opened(path), series)


@contextmanager
def _as_written(path: Path) -> Generator[None]:
    """Around the reading of a file: what a damaged one raises is StoreDamaged."""
    try:
        yield
    except (KeyError, TypeError, ValueError, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's word: no right to read it, no such file
        raise StoreDamaged(
            f"{path} is not as a store writes it ({type(error).__name__}: {error}): "
            "delete it, and what was in it is downloaded again"
        ) from error


def _opened(path: Path) -> Any:
    return parquet.parquet().ParquetFile(str(path), page_checksum_verification=True)


def _said(file: Any, series: Series) -> Content:
    said = json.loads(file.schema_arrow.metadata[_KEY])
    if said["version"] != _VERSION:
        raise ValueError(f"version {said['version']}")
    if (said["symbol"], said["series"]) != (series.symbol_id, str(series.period or "ticks")):
        raise ValueError(f"{said['series']} of symbol {said['symbol']}")
    content = empty(series, int(said["digits"]))
    content.covered = {
        part: [(start, end) for start, end in said["covered"][part]] for part in series.parts
    }
    return content


# --- bars ---


def _bars_table(content: Content) -> Any:
    bars = content.tables["bars"]
    return arrow_table(bars, bars.columns, "decimal")


def _integers(chunks: Any) -> array[int]:
    """The 64-bit numbers of a column: of timestamps, of integers, or of decimals before the point
    is set; 0 where there is none.
    """
    values = chunks.combine_chunks()
    width = values.type.bit_width // 64
    numbers = array("q")
    data = values.fill_null(0) if values.null_count else values
    if len(data):
        first = data.offset * width * 8
        raw = memoryview(data.buffers()[1])[first : first + len(data) * width * 8]
        numbers.frombytes(raw)
    return numbers[::width]


# --- ticks ---


def _ticks_table(content: Content) -> Any:
    """A row for each change, with the last known bid and the spread.

    `ask_alone` has the ask where no bid is known, and `repeated` the sides that the server sent
    again though they did not change: both hardly ever have anything, and keep what is written
    exact. A spread is much smaller than an ask.
    """
    arrow: Any = import_module("pyarrow")
    bids, asks = content.tables["bid"], content.tables["ask"]
    assert isinstance(bids, Ticks)
    assert isinstance(asks, Ticks)
    found = merge_ticks((bids.time, bids.price), (asks.time, asks.price))
    time, bid, ask, moved = found
    rows, no_bid, no_ask = len(time), found.rows_before(1), found.rows_before(2)
    unknown = max(no_bid, no_ask)
    spread = array("q", bytes(8 * unknown)) + array("q", map(sub, ask[unknown:], bid[unknown:]))
    alone = decimals(Column("ask_alone", "price", ask[:no_bid]))
    again = _repeated(bid, ask, moved, no_bid, no_ask)
    names = arrow.nulls(rows, arrow.string())
    if any(again):
        names = arrow.array([_NAMES[each] for each in again], arrow.string())
    return arrow.table(
        {
            "time": arrow.Array.from_buffers(
                arrow.timestamp("ms", "UTC"), rows, [None, arrow.py_buffer(time)]
            ),
            "bid": decimals(Column("bid", "price", bid, no_bid)),
            "spread": decimals(Column("spread", "price", spread, unknown)),
            "ask_alone": arrow.concat_arrays([alone, arrow.nulls(rows - no_bid, alone.type)]),
            "repeated": names,
        }
    )


def _changed(prices: Sequence[int], unknown: int) -> bytearray:
    """A 1 for each row in which a price has changed; the first known one has."""
    flags = bytearray(min(unknown, len(prices)))
    known = prices[unknown:]
    if len(known):
        flags.append(1)
        flags.extend(map(ne, known[1:], known))
    return flags


def _repeated(bid: array[int], ask: array[int], moved: bytes, no_bid: int, no_ask: int) -> bytes:
    """What was sent again in each row though it has not changed."""
    changes = zip(_changed(bid, no_bid), _changed(ask, no_ask), moved, strict=True)
    return bytes(now & ~(of_bid | of_ask << 1) for of_bid, of_ask, now in changes)


def _sides(table: Any) -> dict[Side, tuple[array[int], array[int]]]:
    time, bid, spread, alone = (
        _integers(table[name]) for name in ("time", "bid", "spread", "ask_alone")
    )
    no_bid = table["bid"].null_count
    no_ask = 0 if no_bid else table["spread"].null_count
    ask = alone[:no_bid] + array("q", map(add, bid[no_bid:], spread[no_bid:]))
    of_bid, of_ask = _changed(bid, no_bid), _changed(ask, no_ask)
    repeated = table["repeated"]
    if repeated.null_count < len(time):
        for row in (
            import_module("pyarrow.compute").indices_nonzero(repeated.is_valid()).to_pylist()
        ):
            name = repeated[row].as_py()
            of_bid[row] |= name in {"bid", "both"}
            of_ask[row] |= name in {"ask", "both"}
    return {
        "bid": (array("q", compress(time, of_bid)), array("q", compress(bid, of_bid))),
        "ask": (array("q", compress(time, of_ask)), array("q", compress(ask, of_ask))),
    }
