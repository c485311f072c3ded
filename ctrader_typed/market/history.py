"""What was: bars, ticks, deals, orders and cash flow of any span, each of them once.

Sends what the pagers ask for, one request after the other. What is asked next they decide; how
rows become columns `bars` and `ticks` know.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar, overload

from ..client import Client
from ..errors import InvalidValue
from ..keywords import suggest_all
from ..message import Message, Request
from ..proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOADeal,
    ProtoOADealListReq,
    ProtoOADepositWithdraw,
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
    ProtoOAOrder,
    ProtoOAOrderListReq,
    ProtoOAQuoteType,
    ProtoOATrendbarPeriod,
)
from ..protocol.errors import ServerError
from ..units import PRICE_DIGITS, Time, checks, utc
from .bars import Bars
from .download import SETTLED, DownloadProgress, OnProgress, Page, Pages, now, read, span
from .paging import LATEST, BarPager, RowPager, Window, longest_window
from .periods import Period, PeriodName
from .quote import SymbolLike, digits_of, id_of
from .resample import resample
from .table import Table
from .ticks import QuoteTicks, Side, Ticks

R = TypeVar("R", bound=Message)
T = TypeVar("T")
C = TypeVar("C", bound=Table[Any])

BARS = 5_000
"""How many bars are asked for at a time: so many were seen to be given, less one."""

PeriodLike = Period | ProtoOATrendbarPeriod | PeriodName
"""A period, or its name."""


# --- bars ---


async def bars(
    client: Client,
    account_id: int,
    symbol: SymbolLike,
    period: PeriodLike,
    start: Time,
    end: Time | None = None,
    *,
    progress: OnProgress | None = None,
) -> Bars:
    """The bars that begin in `[start, end)` and have ended, oldest first; `end` is now if left out.

    Bars are of bid prices. `Period` says where they begin and end: D1, H4 and the like follow 17:00
    New York. Periods that the server lacks (H2, M20) are made of those it has, once these are all
    there. With a symbol's id alone prices are shown with five decimals.

    Up to 5,000 bars a request, five requests a second; a block is waited out. When the connection
    is lost the read is asked again as soon as there is another one, and four times after some
    seconds what the server cannot do at present.

    Raises InvalidValue for a span or a period that cannot be meant, PagingError for a server that
    does not get on, ServerError and what else `client.request` raises; ConnectionLost only if no
    other connection will follow. Cancelled, what was read is gone: `bar_pages` gives each page as
    it comes.
    """
    wanted, (first, last) = Period.of(period), span(start, end)
    if wanted.native is None:  # whole bars only, so of the source what lies in whole ones
        first, last = _boundary(wanted, first), _boundary(wanted, last)
    course = DownloadProgress(progress, first, last)
    empty = Bars(id_of(symbol), wanted.source, _digits(symbol))
    pages = bar_pages(client, account_id, symbol, wanted.source, utc(first), utc(last))
    found = await _joined(empty, pages, course)
    if wanted.native is not None:
        return found
    return resample(found, wanted, utc(first), utc(min(last, _all_there(found))))


def _all_there(bars: Bars) -> int:
    """Up to when none is still on its way, of bars up to now."""
    return max(now() - SETTLED, bars.period.next(bars.time[-1]) if len(bars) else 0)


def _boundary(period: Period, time: int) -> int:
    """The first time from then on at which a bar begins."""
    start = period.start_of(time)
    return start if start == time else period.next(time)


def bar_pages(
    client: Client,
    account_id: int,
    symbol: SymbolLike,
    period: PeriodLike,
    start: Time,
    end: Time | None = None,
) -> Pages[Bars]:
    """What `bars` gives, page by page and the newest first, so that each can be kept as it comes.

    Who is interrupted asks again for what lies before the last page's `start`. Only for periods
    that the server has: InvalidValue names what another one is made of. Raises what `bars` does.
    """
    wanted, number = Period.of(period), id_of(symbol)
    _check(client, account_id)
    native = wanted.native
    if native is None:
        raise InvalidValue(f"the server has no {wanted} bars: read {wanted.source} and resample it")
    first, last = span(start, end)
    pager = BarPager(first, last, longest_window(native))

    async def fetch(window: Window) -> Page[Bars] | None:
        request = ProtoOAGetTrendbarsReq(
            ctid_trader_account_id=account_id,
            symbol_id=number,
            period=native,
            from_timestamp=window.start,
            to_timestamp=window.end,
            count=BARS if client.schema.has(ProtoOAGetTrendbarsReq, "count") else None,
        )
        try:
            answer = await read(client, client.columns, request)
        except ServerError as error:
            if error.code == "INCORRECT_BOUNDARIES" and pager.refused():
                return None  # to be asked in narrower windows
            raise
        rows = Bars.from_wire(answer, number, wanted, _digits(symbol))
        cut = pager.take(rows.time, answer.reply.has_more)
        fresh = rows[cut.rows]
        return Page(_ended(fresh) if cut.end == last else fresh, cut.start, cut.end)

    return Pages(pager, fetch)


def _ended(bars: Bars) -> Bars:
    """Without a bar in the making: no server was seen to give one, and none has promised not to."""
    return bars[:-1] if len(bars) and bars.period.next(bars.time[-1]) > now() else bars


# --- ticks ---


@overload
async def ticks(
    client: Client,
    account_id: int,
    symbol: SymbolLike,
    start: Time,
    end: Time | None = ...,
    *,
    side: Literal["both"] = ...,
    progress: OnProgress | None = ...,
) -> QuoteTicks: ...
@overload
async def ticks(
    client: Client,
    account_id: int,
    symbol: SymbolLike,
    start: Time,
    end: Time | None = ...,
    *,
    side: Side,
    progress: OnProgress | None = ...,
) -> Ticks: ...
@overload
async def ticks(
    client: Client,
    account_id: int,
    symbol: SymbolLike,
    start: Time,
    end: Time | None = ...,
    *,
    side: Side | Literal["both"],
    progress: OnProgress | None = ...,
) -> Ticks | QuoteTicks: ...
async def ticks(
    client: Client,
    account_id: int,
    symbol: SymbolLike,
    start: Time,
    end: Time | None = None,
    *,
    side: Side | Literal["both"] = "both",
    progress: OnProgress | None = None,
) -> Ticks | QuoteTicks:
    """The ticks in `[start, end)`, oldest first: of one side, or both put together.

    A row of both has the last price of each; that takes twice the requests. `end` is now if left
    out. Ticks of the same ms stay in order. A week at a time, of that a page at a time.

    Waits, raises and is cancelled as `bars`; PagingError also where one ms may have more ticks than
    a page holds, for they could not be asked for.
    """
    first, last = span(start, end)
    sides: tuple[Side, ...] = ("bid", "ask") if side == "both" else (side,)
    course = DownloadProgress(progress, first, last, parts=len(sides))
    found = [
        await _joined(
            Ticks(id_of(symbol), _digits(symbol), each),
            tick_pages(client, account_id, symbol, utc(first), utc(last), side=each),
            course,
        )
        for each in sides
    ]
    return QuoteTicks.of(*found) if side == "both" else found[0]


def tick_pages(
    client: Client,
    account_id: int,
    symbol: SymbolLike,
    start: Time,
    end: Time | None = None,
    *,
    side: Side,
) -> Pages[Ticks]:
    """The ticks of one side page by page, the newest first, as `bar_pages` gives bars."""
    _check(client, account_id)
    empty = Ticks(id_of(symbol), _digits(symbol), side)  # refuses another side
    pager = RowPager(*span(start, end))

    async def fetch(window: Window) -> Page[Ticks] | None:
        request = ProtoOAGetTickDataReq(
            ctid_trader_account_id=account_id,
            symbol_id=empty.symbol_id,
            type=ProtoOAQuoteType.BID if side == "bid" else ProtoOAQuoteType.ASK,
            from_timestamp=window.start,
            to_timestamp=window.end,
        )
        answer = await read(client, client.columns, request)
        rows = Ticks.from_wire(answer, empty.symbol_id, side, empty.digits)
        cut = pager.take(rows.time, answer.reply.has_more)
        return None if cut.start == cut.end else Page(rows[cut.rows], cut.start, cut.end)

    return Pages(pager, fetch)


# --- lists ---


async def deals(
    client: Client,
    account_id: int,
    start: Time,
    end: Time | None = None,
    *,
    progress: OnProgress | None = None,
) -> list[ProtoOADeal]:
    """The deals that were executed in `[start, end)`, oldest first; `end` is now if left out.

    A week at a time, whatever the server would take. Waits, raises and is cancelled as `bars`.
    Spans that touch have each deal once: who asks for a month, keeps it and asks for the next goes
    on from there after a crash. So it is with orders and cash flow.
    """
    _check(client, account_id)
    return await _listed(
        client,
        partial(ProtoOADealListReq, ctid_trader_account_id=account_id),
        lambda answer: (answer.deal, answer.has_more),
        lambda deal: (deal.execution_timestamp, deal.deal_id),
        DownloadProgress(progress, *span(start, end)),
    )


async def orders(
    client: Client,
    account_id: int,
    start: Time,
    end: Time | None = None,
    *,
    progress: OnProgress | None = None,
) -> list[ProtoOAOrder]:
    """The orders, pending and ended, that changed last in `[start, end)`, those of then first.

    `end` is now if left out. An order that changes meanwhile may have left the span; it is then of
    no page. A week at a time. Waits, raises and is cancelled as `bars`.
    """
    _check(client, account_id)
    return await _listed(
        client,
        partial(ProtoOAOrderListReq, ctid_trader_account_id=account_id),
        lambda answer: (answer.order, answer.has_more),
        lambda order: (_changed(order), order.order_id),
        DownloadProgress(progress, *span(start, end)),
    )


def _changed(order: ProtoOAOrder) -> int:
    """When an order changed last; LATEST, which no window reaches, if it does not say."""
    times = order.utc_last_update_timestamp, order.trade_data.open_timestamp
    return next((time for time in times if time is not None), LATEST)


async def cash_flow(
    client: Client,
    account_id: int,
    start: Time,
    end: Time | None = None,
    *,
    progress: OnProgress | None = None,
) -> list[ProtoOADepositWithdraw]:
    """Deposits, withdrawals and fees in `[start, end)`, oldest first; `end` is now if left out.

    A week at a time: the server takes no more, and gives all of it at once. Waits, raises and is
    cancelled as `bars`.
    """
    _check(client, account_id)
    return await _listed(
        client,
        partial(ProtoOACashFlowHistoryListReq, ctid_trader_account_id=account_id),
        lambda answer: (answer.deposit_withdraw, False),
        lambda flow: (flow.change_balance_timestamp, flow.balance_history_id),
        DownloadProgress(progress, *span(start, end)),
    )


# --- what they share ---


def _check(client: Client, account_id: int) -> None:
    checks.client(client)
    checks.whole(account_id, "account_id", 0)


def _digits(symbol: SymbolLike) -> int:
    digits = digits_of(symbol)
    return PRICE_DIGITS if digits is None else digits


async def _joined(empty: C, pages: Pages[C], course: DownloadProgress) -> C:
    parts = [empty]
    async for page in pages:
        parts.append(page.rows)
        course.went(page.start, page.end, page.rows.arrays[0])
    return empty.concat(parts)


async def _listed(
    client: Client,
    request: Callable[..., Request[R]],
    rows_of: Callable[[R], tuple[list[T], bool]],
    place_of: Callable[[T], tuple[int, int]],
    course: DownloadProgress,
) -> list[T]:
    """The rows of all windows, in order of their places: time and id.

    By which of its times a server lists a row nobody has written down. None is later than the one
    that is taken here, so a window that ends there skips nothing; what comes again has its id.
    """
    pager = RowPager(course.start, course.end)
    found: dict[int, tuple[int, T]] = {}
    while (window := pager.window) is not None:
        asked = request(from_timestamp=window.start, to_timestamp=window.end)
        rows, has_more = rows_of(await read(client, client.request, asked))
        placed = [(*place_of(row), row) for row in rows]
        times = sorted(time for time, _, _ in placed)
        cut = pager.take(times, has_more)
        fresh = [p for p in placed if p[0] >= course.start and p[1] not in found]
        found |= {number: (time, row) for time, number, row in placed if time >= course.start}
        course.went(cut.start, cut.end, sorted(time for time, _, _ in fresh))
    in_order = sorted(found.items(), key=lambda item: (item[1][0], item[0]))
    return [row for _, (_, row) in in_order]


suggest_all(globals())
