"""A folder of Parquet files, kept up with the server.

What is downloaded comes from `history`, newest first; what lies in the folder `Partition` knows.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable
from datetime import datetime
from functools import reduce
from operator import le
from pathlib import Path
from typing import Literal, Protocol, cast, overload

import trio

from ...client import Client
from ...errors import CTraderError, InvalidValue, raise_first
from ...proto import ProtoOATrendbarPeriod
from ...protocol.errors import AuthError, PagingError, ServerError
from ...units import Time, checks, milliseconds, utc
from .. import history
from ..bars import Bars
from ..download import SETTLED, DownloadProgress, OnProgress, Page, now, span
from ..paging import LATEST
from ..periods import Period, PeriodName
from ..quote import SymbolLike, digits_of, id_of
from ..resample import resample
from ..ticks import QuoteTicks, Side, Ticks
from .partition import Partition, Rows
from .series import PartitionKey, Series, What
from .spans import clipped, in_both, missing

ENOUGH = 50_000
"""Rows that are worth a write of their own: some seconds of downloading, which a kill costs."""

_SIDES: dict[object, Side] = {"bid": "bid", "ask": "ask"}


class AccountLike(Protocol):
    """Whose connection and rights are used to download."""

    @property
    def client(self) -> Client:
        """The connection."""
        ...

    @property
    def account_id(self) -> int:
        """The ctidTraderAccountId."""
        ...


class Store:
    """Bars and ticks in a folder, which need not be there yet, of one broker: symbol ids are its.

        store = Store("history")
        await store.sync(account, eurusd, "M1", since="2026-01-01")
        bars = store.read(eurusd, "M1", "2026-01-01", "2026-02-01")

    The files are Parquet, and can be read as they lie: `bars/symbol=1/period=M1/2026-01.parquet`
    has time, open, high, low, close (DECIMAL(18, 5)) and volume; `ticks/symbol=1/2026-W03.parquet`
    has a row for each change of a quote: time, the last known bid, and the spread (the ask is
    `bid + spread`; `ask_alone` has the few asks that came before any bid, and `repeated` names the
    sides that the server sent again unchanged). So in DuckDB:

        select time, bid, bid + spread as ask from 'history/ticks/symbol=1/*.parquet' order by time
        select symbol, period, max(high) from 'history/bars/**/*.parquet' group by all

    A file is replaced as a whole or not at all, and says itself of which spans it has everything:
    there is no other state (`.store` is for locks). Killed at any moment, what was stored is there
    and the next `sync` goes on. A deleted file is downloaded again. One writer at a time may hold a
    symbol's bars of a period, or its ticks (StoreInUse); reading needs no lock, in any process.

    Needs the extra "parquet" (MissingLibrary).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(checks.path(path, "path"))

    # --- reading ---

    @overload
    def read(
        self,
        symbol: SymbolLike,
        what: Period | ProtoOATrendbarPeriod | PeriodName,
        start: Time | None = ...,
        end: Time | None = ...,
    ) -> Bars: ...
    @overload
    def read(
        self,
        symbol: SymbolLike,
        what: Literal["ticks"],
        start: Time | None = ...,
        end: Time | None = ...,
    ) -> QuoteTicks: ...
    @overload
    def read(
        self,
        symbol: SymbolLike,
        what: Literal["bid", "ask"],
        start: Time | None = ...,
        end: Time | None = ...,
    ) -> Ticks: ...
    def read(
        self,
        symbol: SymbolLike,
        what: What | Side,
        start: Time | None = None,
        end: Time | None = None,
    ) -> Bars | Ticks | QuoteTicks:
        """What is stored with a time in `[start, end)`: bars, the ticks of both sides, or of one.

        Of bars that the server does not have (H2, M20) those that lie wholly in the span, made of
        others: `Period.source` says which. What is not stored is not there; `covered` tells.
        Raises InvalidValue, StoreDamaged, OSError. Reads files, so it blocks for some ms a year.
        """
        first = 0 if start is None else milliseconds(start, "start")
        last = LATEST if end is None else milliseconds(end, "end")
        digits = digits_of(symbol)
        side = _side(what)
        if side is not None:
            return self._partition(symbol, "ticks").read(side, digits, first, last)
        if what == "ticks":
            span_of = utc(first), utc(last)
            bids = self.read(symbol, "bid", *span_of)
            return QuoteTicks.of(bids, self.read(symbol, "ask", *span_of))
        period = Period.of(cast("Period", what))
        partition = self._partition(symbol, period.source)
        if period is period.source:
            return cast("Bars", partition.read("bars", digits, first, last))
        # In this order: somebody may be writing, and what is complete then has all its rows now.
        whole = clipped(partition.known()["bars"], first, last)
        bars = cast("Bars", partition.read("bars", digits, first, last))
        made = (resample(bars.between(utc(a), utc(b)), period, utc(a), utc(b)) for a, b in whole)
        return Bars.concat([Bars(bars.symbol_id, period, bars.digits), *made])

    def covered(self, symbol: SymbolLike, what: What | Side) -> list[tuple[datetime, datetime]]:
        """The spans `[start, end)` of which everything is stored, in UTC, in order.

        Where the server has nothing (at weekends, before its history begins) nothing is stored.
        """
        side = _side(what)
        known = self._partition(symbol, "ticks" if side is not None else cast("What", what)).known()
        spans = reduce(in_both, known.values()) if side is None else known[side]
        return [(utc(start), utc(end)) for start, end in spans]

    # --- writing ---

    async def sync(
        self,
        account: AccountLike | tuple[Client, int],
        symbol: SymbolLike,
        what: What,
        since: Time,
        until: Time | None = None,
        *,
        progress: OnProgress | None = None,
    ) -> int:
        """Download what is missing of `[since, until)`, and return how many rows are new.

        `account` is one, or a client and the id of an account; `until` is now if left out. The
        newest comes first. It is written some 50,000 rows at a time, in a thread, and also when
        this is cancelled or fails: the next call goes on from there. How far the newest end is
        complete nobody can know (a bar comes up to a second after it has ended), so from the last
        row on the next call asks again, and for a bar that has ended within a minute.

        Raises InvalidValue, StoreInUse, StoreDamaged, OSError, and what `history.bars` does. What
        the server refuses of one stretch, or of one side of ticks, keeps no other from being
        downloaded: the first refusal is raised at the end, and its notes have the others.
        """
        client, account_id = _who(account)
        partition, (first, last) = self._partition(symbol, what), span(since, until)
        course = DownloadProgress(progress, first, last, parts=len(partition.series.parts))
        rows, refused = 0, list[CTraderError]()
        with partition.held():
            known = await trio.to_thread.run_sync(partition.known)
            for spans in known.values():
                course.covered += sum(end - start for start, end in clipped(spans, first, last))
            for part, spans in known.items():
                for start, end in reversed(missing(spans, first, last)):
                    pages = _pages(client, account_id, symbol, part, partition.series, start, end)
                    try:
                        rows += await _keep(partition, pages, course, is_newest=end == last)
                    except AuthError:
                        raise
                    except (ServerError, PagingError) as error:
                        refused.append(error)
        raise_first(refused)
        return rows

    def add(self, page: Page[Bars | Ticks]) -> int:
        """Store rows of one's own, which are all there are in `[page.start, page.end)`.

        What was there in that span is replaced. Rows may lie beyond its end. Returns how many rows
        there are more than before. Raises what `sync` does, but for what comes from the server.
        """
        checks.instance(page, "page", Page, "a Page of Bars or Ticks")
        rows = page.rows
        if not all(map(le, [page.start, *rows.time], rows.time)):
            raise InvalidValue(
                f"rows in order of time expected, from {page.start} on: {rows.title}"
            )
        partition = self._partition(
            rows.symbol_id, rows.period if isinstance(rows, Bars) else "ticks"
        )
        with partition.held():
            return partition.write([page])

    def _partition(self, symbol: SymbolLike, what: What) -> Partition:
        return Partition(self.path, Series.of(id_of(symbol), what))


async def _keep(
    partition: Partition,
    pages: AsyncIterable[Page[Rows]],
    course: DownloadProgress,
    *,
    is_newest: bool,
) -> int:
    waiting: list[Page[Rows]] = []
    rows = 0

    async def write() -> None:
        nonlocal rows
        some = list(waiting)
        waiting.clear()
        with trio.CancelScope(shield=True):  # or what was downloaded would be lost
            rows += await trio.to_thread.run_sync(partition.write, some)

    try:
        async for page in pages:
            waiting.append(_settled(page) if is_newest else page)
            course.went(page.start, page.end, page.rows.time)
            is_newest = is_newest and not len(page.rows) and page.end > now() - SETTLED
            if sum(len(each.rows) for each in waiting) >= ENOUGH:
                await write()
    finally:
        await write()
    return rows


def _pages(
    client: Client,
    account_id: int,
    symbol: SymbolLike,
    part: PartitionKey,
    series: Series,
    start: int,
    end: int,
) -> AsyncIterable[Page[Rows]]:
    if part == "bars":
        assert series.period is not None
        return history.bar_pages(client, account_id, symbol, series.period, utc(start), utc(end))
    return history.tick_pages(client, account_id, symbol, utc(start), utc(end), side=part)


def _settled(page: Page[Rows]) -> Page[Rows]:
    """The newest page: complete up to its newest row; what comes after it may be on its way."""
    rows = page.rows
    end = rows.time[-1] if len(rows) else page.start
    if len(rows) and isinstance(rows, Bars) and rows.period.next(end) <= now() - SETTLED:
        end = rows.period.next(end)
    return Page(rows, page.start, min(end, page.end))


def _side(what: object) -> Side | None:
    return _SIDES.get(what) if isinstance(what, str) else None


def _who(account: AccountLike | tuple[Client, int]) -> tuple[Client, int]:
    if isinstance(account, tuple) and len(account) == 2:
        client, account_id = account
    elif hasattr(account, "client") and hasattr(account, "account_id"):
        client, account_id = account.client, account.account_id
    else:
        checks.refuse(account, "account", "an Account, or a client and the id of an account")
    return checks.client(client, "account"), checks.whole(account_id, "account", 0)
