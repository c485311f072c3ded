"""Ticks out of files: CSV, Parquet, recorded sessions. Knows no market; what it reads becomes a
TickList.

A table has the columns `time`, `symbol`, `bid` and `ask`. A time is ms since the Unix epoch, or
ISO 8601 (UTC unless it says otherwise); a symbol a name or an id of the catalogue; prices are as
people write them, and an empty one did not change. The column `symbol` may be missing if the
caller names the symbol.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path
from typing import Any

from ctrader_typed.proto import ProtoOASpotEvent

from ...recordings.session_file import Session
from .instruments import Instruments
from .prices import Tick, TickList, to_price


class TickFileError(ValueError):
    """A file of ticks that cannot be read; the text names the file, the row and what is wrong."""


def read_csv(path: str | Path, catalogue: Instruments, symbol: str | int | None = None) -> TickList:
    """The ticks of a CSV file with a line of column names; raises TickFileError."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            return _tick_list(path, rows.fieldnames or (), enumerate(rows, 2), catalogue, symbol)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TickFileError(f"{path} cannot be read: {error}") from None


def read_parquet(
    path: str | Path, catalogue: Instruments, symbol: str | int | None = None
) -> TickList:
    """The ticks of a Parquet file, read with pyarrow or polars, whichever is installed.

    Raises TickFileError, also where neither is there.
    """
    rows = _parquet_rows(path)
    columns = tuple(rows[0]) if rows else ()
    return _tick_list(path, columns, enumerate(rows, 1), catalogue, symbol)


def from_session(session: Session, start_ms: int = 0) -> TickList:
    """The quotes of a recorded session's spot events.

    Those without a timestamp come at their place in the session, which began at `start_ms`.
    """
    ticks: list[Tick] = []
    for record in session.records:
        if record.cls is not ProtoOASpotEvent or record.by_client:
            continue
        event = (
            ProtoOASpotEvent.from_dict(record.payload)
            if record.wire is None
            else ProtoOASpotEvent.FromString(record.wire)
        )
        time_ms = start_ms + round(record.t * 1000) if event.timestamp is None else event.timestamp
        ticks.append(Tick(event.symbol_id, time_ms, event.bid, event.ask))
    if not ticks:
        raise TickFileError(f"{session.name} has no spot events")
    return TickList(ticks)


def _tick_list(
    path: str | Path,
    columns: Iterable[str],
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    catalogue: Instruments,
    symbol: str | int | None,
) -> TickList:
    needed = {"time", "bid", "ask"} | ({"symbol"} if symbol is None else set[str]())
    missing = sorted(needed - set(columns))
    if missing:
        raise TickFileError(f"{path}: expected the columns {sorted(needed)}, {missing} are missing")
    return TickList(_ticks(path, rows, catalogue, symbol))


def _ticks(
    path: str | Path,
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    catalogue: Instruments,
    symbol: str | int | None,
) -> Iterator[Tick]:
    for number, row in rows:
        try:
            symbol_id = _symbol_id(row["symbol"] if symbol is None else symbol, catalogue)
            bid, ask = _price(row["bid"]), _price(row["ask"])
            if bid is None and ask is None:
                raise ValueError("expected a bid, an ask or both")
            yield Tick(symbol_id, _time_ms(row["time"]), bid, ask)
        except ValueError as error:
            raise TickFileError(f"{path}, row {number}: {error}") from None


def _symbol_id(symbol: Any, catalogue: Instruments) -> int:
    try:
        return catalogue.id_of(int(symbol) if str(symbol).isdecimal() else str(symbol))
    except KeyError:
        raise ValueError(f"expected a symbol of the catalogue, got {symbol!r}") from None


def _time_ms(time: Any) -> int:
    if isinstance(time, int) or str(time).isdecimal():
        return int(time)
    try:
        when = time if isinstance(time, datetime) else datetime.fromisoformat(str(time))
    except ValueError:
        raise ValueError(f"expected a time in ms or ISO 8601, got {time!r}") from None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return round(when.timestamp() * 1000)


def _price(price: Any) -> int | None:
    if price is None or price == "":
        return None
    try:
        exact = to_price(Decimal(str(price)))
    except InvalidOperation:
        raise ValueError(f"expected a price, got {price!r}") from None
    if exact <= 0:
        raise ValueError(f"expected a positive price, got {price!r}")
    return exact


def _parquet_rows(path: str | Path) -> list[dict[str, Any]]:
    for read in (_with_pyarrow, _with_polars):
        try:
            return read(str(path))
        except ModuleNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise TickFileError(f"{path} cannot be read: {error}") from None
    raise TickFileError(
        f"{path}: reading Parquet needs pyarrow or polars; install one, for example with"
        " `pip install pyarrow`"
    )


def _with_pyarrow(path: str) -> list[dict[str, Any]]:
    library: Any = import_module("pyarrow.parquet")
    rows: list[dict[str, Any]] = library.read_table(path).to_pylist()
    return rows


def _with_polars(path: str) -> list[dict[str, Any]]:
    library: Any = import_module("polars")
    try:
        rows: list[dict[str, Any]] = library.read_parquet(path).to_dicts()
    except library.exceptions.PolarsError as error:
        raise ValueError(str(error)) from None
    return rows
