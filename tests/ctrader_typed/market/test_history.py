"""Downloads from the mock's broker, which has what it has: all of it comes, each row once."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import (
    Api,
    ConnectionLost,
    InvalidValue,
    Message,
    PagingError,
    ProtoOACashFlowHistoryListRes,
    ProtoOAChangeBalanceType,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOADepositWithdraw,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOAOrder,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOATickData,
    ProtoOATimeInForce,
    ProtoOATradeData,
    ProtoOATrendbar,
    ProtoOATrendbarPeriod,
    RateLimits,
    Reconnect,
    ServerError,
    connect_over,
)
from ctrader_typed.market import Bars, Page, Period, Progress, QuoteTicks, Ticks, history
from ctrader_typed.market.resample import resample
from ctrader_typed.message.columns import transposed
from ctrader_typed.proto import SCHEMA
from examples import history as example
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.market import bars as broker_bars
from mockserver.broker.market.periods import is_short
from mockserver.broker.market.prices import Tick, TickList
from mockserver.broker.rules import MarketRules, TradingRules
from mockserver.broker.trading.deals import Deal
from mockserver.broker.trading.orders import BUY, Order
from mockserver.composition import mock_server
from mockserver.proxy.rules import ProxyRules
from mockserver.rate_limit import RateRules
from mockserver.recordings.session_file import load_session
from mockserver.server.endpoints import ENDPOINTS

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
SYMBOL = 1
NOW = 1_772_442_000_000  # 2026-03-02 09:00, a Monday
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WEEK = 7 * DAY

LENIENT = MarketRules(bars_page=700, ticks_page=60)
SHORT = MarketRules(bars_page=700, ticks_page=60, short_pages=True, split_milliseconds=True)
STRICT = MarketRules(bars_page=700, ticks_page=60, strict_windows=True)
STRICT_AND_SHORT = replace(SHORT, strict_windows=True)
SERVERS = pytest.mark.parametrize(
    "market_rules",
    [LENIENT, SHORT, STRICT, STRICT_AND_SHORT],
    ids=["lenient", "short", "strict", "both"],
)


@asynccontextmanager
async def at(
    market_rules: MarketRules = LENIENT,
    *,
    rules: TradingRules | None = None,
    prices: Any = None,
    proxy_rules: ProxyRules | None = None,
    redial: bool = True,
    door: str = "tcp",
    **settings: Any,
) -> AsyncGenerator[tuple[Api, Any], None]:
    """A client of a broker, in memory. `server.links` are the connections, to be cut."""
    broker = Broker(market_rules=market_rules, rules=rules, prices=prices, start_ms=NOW)
    broker.open_account(HEDGED, deposit=10_000)
    box = Box(broker, standard_credentials(broker), proxy_rules=proxy_rules)
    async with mock_server(box, port=None) as started:
        server: Any = started
        server.links = []

        async def dial() -> trio.abc.Stream:
            server.links.append(server.memory_client(door))
            return server.links[-1]

        way: Any = dial if redial else await dial()
        async with connect_over(way, wire=ENDPOINTS[door].wire, **settings) as api:
            await api.auth(**KEYS, account_id=HEDGED)
            yield api, server


def theirs(server: Any, period: Period, start: int, end: int) -> list[tuple[int, ...]]:
    """The broker's own bars that begin in `[start, end)`, off the path that knows no pages."""
    native, path = period.native, server.broker.market_data.market.path
    begins, ends = period.start_of(start) // MINUTE, period.next(end) // MINUTE
    shorter = path.minutes if is_short(native) else path.hours
    made = broker_bars.bars(native, shorter(SYMBOL, begins, ends))
    now = server.broker.now_ms
    return [
        (bar.minute * MINUTE, *bar[1:])
        for bar in made
        if start <= bar.minute * MINUTE < end and period.next(bar.minute * MINUTE) <= now
    ]


def rows(table: Bars | Ticks) -> list[tuple[int, ...]]:
    return list(zip(*(column.values for column in table.columns), strict=True))


# --- bars ---


@SERVERS
async def test_a_fortnight_of_minutes(market_rules: MarketRules, autojump_clock) -> None:
    async with at(market_rules) as (api, server):
        start, end = NOW - 14 * DAY + 1_234, NOW - 77_777
        found = await history.bars(api, HEDGED, SYMBOL, "M1", start, end)
        assert (found.symbol_id, found.period, found.digits) == (SYMBOL, Period.M1, 5)
        assert rows(found) == theirs(server, Period.M1, start, end)
        assert len(found) > 13_000


@SERVERS
@pytest.mark.parametrize("period", [p for p in Period if p.native is not None])
async def test_bars_of_every_period(
    period: Period, market_rules: MarketRules, autojump_clock
) -> None:
    pages = replace(market_rules, bars_page=9)
    async with at(pages) as (api, server):
        start = NOW - 40 * period.nominal
        found = await history.bars(api, HEDGED, SYMBOL, period, start, NOW)
        assert rows(found) == theirs(server, period, start, NOW)
        assert 10 < len(found) < 41


@pytest.mark.parametrize("period", [p for p in Period if p.native is None])
async def test_periods_that_the_server_lacks_are_made(period: Period, autojump_clock) -> None:
    async with at() as (api, server):
        start, end = NOW - 10 * DAY - 7 * MINUTE, NOW - 3 * DAY - 5 * MINUTE
        found = await history.bars(api, HEDGED, SYMBOL, period, start, end)
        minutes = theirs(server, Period.M1, period.start_of(start), period.next(end))
        columns = map(array, "qqqqqq", zip(*minutes, strict=True))
        made = resample(Bars(SYMBOL, Period.M1, 5, *columns), period)
        assert found == made.between(start, end)
        assert len(found) > 10


async def test_a_bar_that_is_made_of_others_has_ended(autojump_clock) -> None:
    async with at() as (api, _):
        assert not await history.bars(api, HEDGED, SYMBOL, "H8", NOW, NOW + HOUR)
        soon = datetime.now(UTC)
        assert not await history.bars(api, HEDGED, SYMBOL, "H8", soon)


async def test_both_ends_of_a_span(autojump_clock) -> None:
    async with at() as (api, _):
        start, end = NOW - 10 * MINUTE, NOW - 5 * MINUTE
        found = await history.bars(api, HEDGED, SYMBOL, "M1", start, end)
        assert found.time.tolist() == list(range(start, end, MINUTE))
        found = await history.bars(api, HEDGED, SYMBOL, "M1", start, end + 1)
        assert found.time[-1] == end
        found = await history.bars(api, HEDGED, SYMBOL, "M1", start + 1, end)
        assert found.time[0] == start + MINUTE
        one = await history.bars(api, HEDGED, SYMBOL, "M1", start, start + 1)
        assert one.time.tolist() == [start]
        none = await history.bars(api, HEDGED, SYMBOL, "M1", start, start)
        assert none == Bars(SYMBOL, Period.M1, 5)


async def test_a_span_may_be_said_in_many_ways(autojump_clock) -> None:
    async with at() as (api, server):
        instant = datetime(2026, 2, 27, tzinfo=UTC)
        milliseconds = int(instant.timestamp() * 1000)
        expected = theirs(server, Period.H1, milliseconds, milliseconds + DAY)
        for start, end in [
            (instant, "2026-02-28"),
            (instant.date(), "2026-02-28T01:00+01:00"),
            (milliseconds, milliseconds + DAY),
        ]:
            found = await history.bars(api, HEDGED, SYMBOL, "h1", start, end)
            assert rows(found) == expected
        until_now = await history.bars(api, HEDGED, SYMBOL, Period.H1, NOW - 5 * HOUR)
        assert rows(until_now) == theirs(server, Period.H1, NOW - 5 * HOUR, NOW)


class Fine:
    """A symbol as far as history needs one."""

    id, digits = SYMBOL, 2


async def test_a_symbol_brings_its_digits(autojump_clock) -> None:
    async with at() as (api, _):
        found = await history.bars(api, HEDGED, Fine(), "M1", NOW - HOUR, NOW)
        assert found.digits == 2
        quotes = await history.ticks(api, HEDGED, Fine(), NOW - MINUTE, NOW)
        assert (quotes.symbol_id, quotes.digits) == (SYMBOL, 2)


async def test_pages_touch_and_can_be_gone_on_with(autojump_clock) -> None:
    async with at() as (api, server):
        start, pages = NOW - 4 * DAY, list[Page[Bars]]()
        async for page in history.bar_pages(api, HEDGED, SYMBOL, "M1", start, NOW):
            pages.append(page)
            if len(pages) == 3:
                break  # as a program that was killed
        async for page in history.bar_pages(api, HEDGED, SYMBOL, "M1", start, pages[-1].start):
            pages.append(page)
        assert pages[0].end == NOW
        assert pages[-1].start == start
        assert [page.end for page in pages[1:]] == [page.start for page in pages[:-1]]
        for page in pages:
            assert rows(page.rows) == theirs(server, Period.M1, page.start, page.end)


async def test_a_step_that_was_cancelled_can_be_taken_again(autojump_clock) -> None:
    async with at() as (api, server):
        pages, found = history.bar_pages(api, HEDGED, SYMBOL, "M1", NOW - 9 * DAY, NOW), []
        cancelled = 0
        while True:
            with trio.move_on_after(0.15) as scope:
                async for page in pages:
                    found[:0] = rows(page.rows)
                break
            cancelled += scope.cancelled_caught
        assert cancelled > 5
        assert found == theirs(server, Period.M1, NOW - 9 * DAY, NOW)


async def test_what_cannot_be_meant_is_refused_unasked(autojump_clock) -> None:
    async with at() as (api, _):
        asked = api.statistics().answered
        for start, end, text in [
            (NOW, NOW - 1, "start = 1772442000000 is after end = 2026-03-02 08:59:59.999"),
            (datetime(2026, 1, 1), None, "names no time zone"),  # noqa: DTZ001 - that is the point
            ("yesterday", None, "is no ISO time"),
        ]:
            with pytest.raises(InvalidValue, match=text):
                await history.bars(api, HEDGED, SYMBOL, "M1", start, end)
        with pytest.raises(InvalidValue, match="no period 'M7'"):
            await history.bars(api, HEDGED, SYMBOL, "M7", NOW - DAY, NOW)
        with pytest.raises(InvalidValue, match="no H2 bars: read H1 and resample"):
            history.bar_pages(api, HEDGED, SYMBOL, "H2", NOW - DAY, NOW)
        side: Any = "mid"
        with pytest.raises(InvalidValue, match="expected one of 'bid', 'ask'"):
            await history.ticks(api, HEDGED, SYMBOL, NOW - DAY, NOW, side=side)
        assert api.statistics().answered == asked


async def test_a_refusal_is_an_error(autojump_clock) -> None:
    async with at() as (api, _):
        with pytest.raises(ServerError, match="SYMBOL_NOT_FOUND"):
            await history.bars(api, HEDGED, 99_999, "M1", NOW - DAY, NOW)


# --- ticks ---


def path_of(server: Any, side: str, start: int, end: int) -> list[tuple[int, int]]:
    found = server.broker.market_data.market.path.ticks(SYMBOL, start, end)
    prices = [(t.time_ms, t.bid if side == "bid" else t.ask) for t in found]
    return [(time, price) for time, price in prices if price is not None]


@SERVERS
@pytest.mark.parametrize("side", ["bid", "ask"])
async def test_ticks_of_an_hour(side: Any, market_rules: MarketRules, autojump_clock) -> None:
    async with at(market_rules) as (api, server):
        start, end = NOW - HOUR, NOW - 100
        found = await history.ticks(api, HEDGED, SYMBOL, start, end, side=side)
        assert isinstance(found, Ticks)
        assert rows(found) == path_of(server, side, start, end)
        assert len(found) > 1_000
        assert found.side == side


@pytest.mark.parametrize("split", [False, True])
async def test_ticks_that_share_a_ms(split: bool, autojump_clock) -> None:
    times = [NOW - 9_000 + 10 * (at // 3) for at in range(120)]
    ticks = [Tick(SYMBOL, time, 114_000 + at, 114_010 + at) for at, time in enumerate(times)]
    market_rules = MarketRules(ticks_page=7, split_milliseconds=split)
    async with at(market_rules, prices=TickList(ticks)) as (api, _):
        found = await history.ticks(api, HEDGED, SYMBOL, NOW - HOUR, NOW, side="bid")
        assert rows(found) == [(tick.time_ms, tick.bid) for tick in ticks]


async def test_more_ticks_of_a_ms_than_a_page_holds_are_an_error(autojump_clock) -> None:
    ticks = [Tick(SYMBOL, NOW - 9_000, 114_000 + at, 114_010 + at) for at in range(8)]
    market_rules = MarketRules(ticks_page=7, split_milliseconds=True)
    async with at(market_rules, prices=TickList(ticks)) as (api, _):
        with pytest.raises(PagingError, match=f"the rows of {NOW - 9_000} fill a page"):
            await history.ticks(api, HEDGED, SYMBOL, NOW - HOUR, NOW)


async def test_ticks_of_weeks_few_and_far_between(autojump_clock) -> None:
    times = [NOW - 5 * WEEK, NOW - 5 * WEEK + 1, NOW - 2 * WEEK - 1, NOW - 2 * WEEK, NOW - 1]
    ticks = [Tick(SYMBOL, time, 114_000, 114_010) for time in times]
    async with at(prices=TickList(ticks)) as (api, _):
        found = await history.ticks(api, HEDGED, SYMBOL, NOW - 5 * WEEK, NOW, side="ask")
        assert found.time.tolist() == times
        found = await history.ticks(api, HEDGED, SYMBOL, NOW - 5 * WEEK + 1, NOW - 1, side="ask")
        assert found.time.tolist() == times[1:-1]


async def test_both_sides_in_one(autojump_clock) -> None:
    async with at() as (api, server):
        span = NOW - 10 * MINUTE, NOW
        both = await history.ticks(api, HEDGED, SYMBOL, *span)
        bids = await history.ticks(api, HEDGED, SYMBOL, *span, side="bid")
        asks = await history.ticks(api, HEDGED, SYMBOL, *span, side="ask")
        assert both == QuoteTicks.of(bids, asks)
        assert set(both.time) == {time for time, _ in path_of(server, "bid", *span)} | {
            time for time, _ in path_of(server, "ask", *span)
        }


# --- deals, orders, cash flow ---


def a_deal(number: int, executed: int) -> Deal:
    return Deal(
        deal_id=number,
        order_id=number,
        position_id=number,
        symbol_id=SYMBOL,
        side=BUY,
        sent=100,
        filled=100,
        price=114_000,
        created_at=executed - 140,
        executed_at=executed,
        margin_rate=Fraction(1),
        base_to_usd=None,
        commission=0,
        money_digits=2,
    )


def an_order(number: int, updated: int) -> Order:
    return Order(
        order_id=number,
        position_id=number,
        symbol_id=SYMBOL,
        side=BUY,
        volume=100,
        order_type=ProtoOAOrderType.MARKET,
        time_in_force=ProtoOATimeInForce.IMMEDIATE_OR_CANCEL,
        opened_at=updated - number % 7 * DAY,
        updated_at=updated,
        client_order_id=str(number),
        status=ProtoOAOrderStatus.ORDER_STATUS_FILLED,
    )


def a_deposit(number: int, at: int) -> ProtoOADepositWithdraw:
    return ProtoOADepositWithdraw(
        operation_type=ProtoOAChangeBalanceType.BALANCE_DEPOSIT,
        balance_history_id=number,
        balance=0,
        delta=1,
        change_balance_timestamp=at,
    )


TIMES = [NOW - 5 * WEEK + at // 3 * 4 * HOUR for at in range(300)]
"""Three of each."""


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("page", [4, 1_000])
async def test_lists_of_weeks(page: int, strict: bool, autojump_clock) -> None:
    async with at(rules=TradingRules(page=page, strict_windows=strict)) as (api, server):
        account = server.broker.account(HEDGED)
        account.cash_flow.clear()
        for number, time in enumerate(TIMES):
            account.deals[number] = a_deal(number, time)
            account.orders[number] = an_order(number, time)
            account.cash_flow.append(a_deposit(number, time))
        span = TIMES[30], TIMES[-30]
        expected = list(range(30, 270))
        deals = await history.deals(api, HEDGED, *span)
        assert [deal.deal_id for deal in deals] == expected
        assert deals[0] == account.deals[30].message(listed=True)
        orders = await history.orders(api, HEDGED, *span)
        assert [order.order_id for order in orders] == expected
        flows = await history.cash_flow(api, HEDGED, *span)
        assert [flow.balance_history_id for flow in flows] == expected
        assert await history.deals(api, HEDGED, TIMES[0], TIMES[0] + 1) == [
            account.deals[number].message(listed=True) for number in range(3)
        ]
        assert await history.deals(api, HEDGED, TIMES[0] + 1, TIMES[0] + 2) == []
        assert await history.deals(api, HEDGED, NOW, NOW) == []


async def test_lists_of_spans_that_touch_are_the_list_of_the_whole(autojump_clock) -> None:
    """So that who keeps each can go on after a crash."""
    async with at(rules=TradingRules(page=4)) as (api, server):
        account = server.broker.account(HEDGED)
        account.cash_flow.clear()
        for number, time in enumerate(TIMES):
            account.deals[number] = a_deal(number, time)
            account.orders[number] = an_order(number, time)
            account.cash_flow.append(a_deposit(number, time))
        for read in (history.deals, history.orders, history.cash_flow):
            parts: list[Any] = []
            for start in range(TIMES[0], NOW, 5 * DAY):  # an end that is a row's own time
                parts += await read(api, HEDGED, start, start + 5 * DAY)
            assert len(parts) == len(TIMES)
            assert parts == await read(api, HEDGED, TIMES[0], NOW + 5 * DAY)


@pytest.mark.parametrize("door", ["ws", "json-ws"])
async def test_on_every_wire(door: str, autojump_clock) -> None:
    async with at(SHORT, door=door) as (api, server):
        start = NOW - 4 * DAY
        found = await history.bars(api, HEDGED, SYMBOL, "M1", start, NOW)
        assert rows(found) == theirs(server, Period.M1, start, NOW)
        asks = await history.ticks(api, HEDGED, SYMBOL, NOW - HOUR, NOW, side="ask")
        assert rows(asks) == path_of(server, "ask", NOW - HOUR, NOW)
        assert len(await history.cash_flow(api, HEDGED, NOW - WEEK, NOW + 1)) == 1


async def test_the_first_deposit_of_all(autojump_clock) -> None:
    async with at() as (api, _):
        (flow,) = await history.cash_flow(api, HEDGED, "2026-01-01", "2026-04-01")
        assert flow.delta == flow.balance == 1_000_000


# --- what may happen on the way ---


@SERVERS
async def test_links_that_break(market_rules: MarketRules, autojump_clock) -> None:
    start = NOW - 6 * DAY
    settings: Any = {"reconnect": Reconnect(first=0.3, ceiling=1.0)}
    async with (
        at(replace(market_rules, bars_page=120), rules=TradingRules(page=4), **settings) as (
            api,
            server,
        ),
        trio.open_nursery() as nursery,
    ):
        account = server.broker.account(HEDGED)
        for number, time in enumerate(TIMES):
            account.deals[number] = a_deal(number, time)

        async def cut() -> None:
            while True:
                await trio.sleep(0.9)
                await trio.aclose_forcefully(server.links[-1])

        nursery.start_soon(cut)
        found = await history.bars(api, HEDGED, SYMBOL, "M1", start, NOW)
        assert rows(found) == theirs(server, Period.M1, start, NOW)
        deals = await history.deals(api, HEDGED, TIMES[0], NOW)
        assert [deal.deal_id for deal in deals] == list(range(300))
        assert len(server.links) > 10
        nursery.cancel_scope.cancel()


async def test_a_link_that_nobody_dials_again_is_an_error(autojump_clock) -> None:
    async with at(redial=False) as (api, server):
        pages = history.bar_pages(api, HEDGED, SYMBOL, "M1", NOW - DAY, NOW)
        await anext(pages)
        await trio.aclose_forcefully(server.links[0])
        with pytest.raises(ConnectionLost):
            await anext(pages)


@pytest.mark.parametrize("older", [False, True])
async def test_a_server_that_allows_less_only_takes_longer(older: bool, autojump_clock) -> None:
    slow = ProxyRules(rates=RateRules(historical=1, retry_after=3, older=older))
    async with at(proxy_rules=slow) as (api, server):
        found = await history.bars(api, HEDGED, SYMBOL, "M1", NOW - 4 * DAY, NOW)
        assert rows(found) == theirs(server, Period.M1, NOW - 4 * DAY, NOW)
        assert api.statistics().refused > 0


async def test_the_lane_of_history_is_kept_to(autojump_clock) -> None:
    async with at(limits=RateLimits(historical=2)) as (api, _):
        began, asked = trio.current_time(), api.statistics().answered
        await history.bars(api, HEDGED, SYMBOL, "M1", NOW - 10 * DAY, NOW)
        requests = api.statistics().answered - asked
        assert requests > 10
        assert trio.current_time() - began > (requests - 2) / 2
        assert api.statistics().refused == 0


async def test_cancelled_anywhere_the_client_goes_on(autojump_clock) -> None:
    async with at() as (api, server):
        start = NOW - 9 * DAY
        expected = theirs(server, Period.M1, start, NOW)
        for patience in [0.0, 0.3, 1.0]:
            with trio.move_on_after(patience) as scope:
                await history.bars(api, HEDGED, SYMBOL, "M1", start, NOW)
            assert scope.cancelled_caught
            with trio.move_on_after(patience):
                await history.ticks(api, HEDGED, SYMBOL, NOW - HOUR, NOW)
            with trio.move_on_after(patience):
                await history.deals(api, HEDGED, start, NOW)
        found = await history.bars(api, HEDGED, SYMBOL, "M1", start, NOW)
        assert rows(found) == expected


async def test_progress(autojump_clock) -> None:
    told = list[Progress]()
    async with at() as (api, _):
        start = NOW - 7 * DAY
        found = await history.bars(api, HEDGED, SYMBOL, "M1", start, NOW, progress=told.append)
        assert len(told) > 5
        assert [each.done for each in told] == sorted(each.done for each in told)
        assert [each.rows for each in told] == sorted(each.rows for each in told)
        assert told[-1] == Progress(len(found), 1.0, found[0].opened, found[-1].opened)
        assert told[0].newest == told[-1].newest
        told.clear()
        both = await history.ticks(api, HEDGED, SYMBOL, NOW - HOUR, NOW, progress=told.append)
        assert [each.done for each in told] == sorted(each.done for each in told)
        assert math.isclose(told[-1].done, 1.0)
        assert told[-1].oldest == both[0].at
        assert any(each.done == 0.5 for each in told)
        told.clear()
        await history.cash_flow(api, HEDGED, NOW - 3 * WEEK, NOW + 1, progress=told.append)
        moment = datetime.fromtimestamp(NOW / 1000, UTC)
        assert told[0] == Progress(1, pytest.approx(1 / 3, abs=1e-6), moment, moment)
        assert told[-1] == Progress(1, 1.0, moment, moment)
        told.clear()
        await history.deals(api, HEDGED, NOW - WEEK, NOW, progress=told.append)
        assert told == [Progress(0, 1.0, None, None)]
        await history.deals(api, HEDGED, NOW, NOW, progress=told.append)
        assert len(told) == 1


async def test_what_progress_raises_ends_it(autojump_clock) -> None:
    class Enough(Exception):
        pass

    def tired(progress: Progress) -> None:
        raise Enough

    async with at() as (api, _):
        with pytest.raises(Enough):
            await history.bars(api, HEDGED, SYMBOL, "M1", NOW - DAY, NOW, progress=tired)
        assert await history.bars(api, HEDGED, SYMBOL, "M1", NOW - HOUR, NOW)


async def test_the_example_runs(capsys: pytest.CaptureFixture[str], autojump_clock) -> None:
    await example.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        " 33%: 5,000 rows, back to 24 February",
        " 72%: 9,999 rows, back to 18 February",
        "100%: 14,300 rows, back to 15 February",
    ]
    assert "the highest bid of 14,300 minutes was 1.11682, 24 February" in lines
    assert "12 bars of two hours, made of those of one: a change of -0.00295" in lines
    assert "329 days since 01 January 2025, 22:00 UTC" in lines
    assert "28,600 minutes of February in two runs; `Store` does that by itself" in lines
    assert "paid in: 10,000.00" in lines


# --- what servers were recorded to say ---


class Played:
    """A client whose server gives these answers, each type's in turn, the last for ever."""

    schema = SCHEMA

    def __init__(self, *answers: Message) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def request(self, request: Message) -> Any:
        await trio.lowlevel.checkpoint()
        self.asked.append(request)
        name = type(request).__name__.removesuffix("Req") + "Res"
        fitting = [each for each in self.answers if type(each).__name__ == name]
        if len(fitting) > 1:
            self.answers.remove(fitting[0])
        return fitting[0]

    async def columns(self, request: Message) -> Any:
        answer = await self.request(request)
        return transposed(type(answer), type(answer).FromString(bytes(answer)))


def played(*answers: Message) -> tuple[Any, list[Any]]:
    client = Played(*answers)
    return client, client.asked


def sample(recordings: Path, cls: type[Message]) -> Any:
    lines = (recordings / "samples.jsonl").read_text().splitlines()
    number = SCHEMA.payload_types[cls]
    (entry,) = (e for e in map(json.loads, lines) if e["payloadType"] == number)
    return cls.from_dict(entry["payload"])


async def test_recorded_lists(recordings: Path) -> None:
    session = load_session(recordings / "manual_trading.jsonl", SCHEMA)
    recorded = [r.cls.FromString(r.wire) for r in session.records if r.cls is not None]
    deal_list, order_list, flow_list = (
        next(m for m in reversed(recorded) if isinstance(m, cls))
        for cls in (ProtoOADealListRes, ProtoOAOrderListRes, ProtoOACashFlowHistoryListRes)
    )
    client, asked = played(deal_list, order_list, flow_list)
    start, end = 1_600_000_000_000, 1_600_000_800_000
    deals = await history.deals(client, 1, start, end)
    assert deals == deal_list.deal[::-1]
    orders = await history.orders(client, 1, start, end)
    assert orders == order_list.order[::-1]  # listed by their last update, not by their opening
    (flow,) = await history.cash_flow(client, 1, 1_599_143_632_165, end)
    assert flow.delta == 5_122_402_964
    assert [type(each) for each in asked[:2]] == [ProtoOADealListReq, ProtoOAOrderListReq]


async def test_recorded_bars_of_2020_without_has_more(recordings: Path) -> None:
    answer = sample(recordings, ProtoOAGetTrendbarsRes)
    answer.has_more = None
    end = answer.timestamp
    empty = ProtoOAGetTrendbarsRes(ctid_trader_account_id=1, period=answer.period)
    client, asked = played(answer, empty)
    found = await history.bars(client, 1, 99, "M1", end - 3 * DAY, end)
    assert len(found) == len(answer.trendbar)
    assert found[0][:5] == (26_716_810 * MINUTE, 977_033_000, 977_277_000, 976_306_000, 976_482_000)
    assert [each.to_timestamp for each in asked] == [end, found.time[0]]


async def test_recorded_ticks(recordings: Path) -> None:
    first = sample(recordings, ProtoOAGetTickDataRes)
    newest = 1_789_763_387_232
    at_edge = ProtoOAGetTickDataRes(
        ctid_trader_account_id=1,
        tick_data=[ProtoOATickData(timestamp=newest - 1971, tick=114_880)],
        has_more=False,
    )
    client, asked = played(first, at_edge)
    found = await history.ticks(client, 1, 1, newest - DAY, newest + 1, side="bid")
    assert found.price.tolist() == [114_880, 114_881, 114_879, 114_880]
    assert found.time.tolist() == [newest - 1971, newest - 1671, newest - 651, newest]
    assert [each.to_timestamp for each in asked] == [newest, newest - 1971]


async def test_a_server_that_does_not_get_on_is_an_error() -> None:
    bar = ProtoOATrendbar(volume=1, low=1, utc_timestamp_in_minutes=NOW // MINUTE)
    again = ProtoOAGetTrendbarsRes(
        ctid_trader_account_id=1, period=ProtoOATrendbarPeriod.M1, trendbar=[bar], has_more=True
    )
    client, asked = played(again)
    with pytest.raises(PagingError, match="the server has more bars but gives none of them"):
        await history.bars(client, 1, 1, "M1", NOW - DAY, NOW + DAY)
    assert len(asked) == 2


def bars_from(time: int, count: int, period: ProtoOATrendbarPeriod) -> ProtoOAGetTrendbarsRes:
    """H1 bars, whatever the period is called."""
    found = [
        ProtoOATrendbar(volume=1, low=9 - n, utc_timestamp_in_minutes=(time + n * HOUR) // MINUTE)
        for n in range(count)
    ]
    return ProtoOAGetTrendbarsRes(
        ctid_trader_account_id=1, period=period, trendbar=found, has_more=False
    )


async def test_a_bar_in_the_making_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = played(bars_from(NOW, 3, ProtoOATrendbarPeriod.H1))
    for now, count in [(NOW + 3 * HOUR, 3), (NOW + 3 * HOUR - 1, 2)]:
        monkeypatch.setattr(history, "now", lambda now=now: now)
        found = await history.bars(client, 1, 1, "H1", NOW - DAY, NOW + DAY)
        assert len(found) == count


async def test_a_clock_that_is_slow_makes_no_gap(
    autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "now", lambda: NOW - 30 * DAY)
    async with at() as (api, server):
        found = await history.bars(api, HEDGED, SYMBOL, "M1", NOW - 4 * DAY, NOW)
        assert rows(found) == theirs(server, Period.M1, NOW - 4 * DAY, NOW)[:-1]


@pytest.mark.parametrize(
    ("hours", "since_the_end", "made"), [(2, 0, 2), (1, 300, 1), (1, 59_999, 1), (1, 60_000, 2)]
)
async def test_a_bar_is_made_of_others_when_these_are_all_there(
    hours: int, since_the_end: int, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour comes to history some time after it has ended, or never: nobody may have traded."""
    noon = NOW + 3 * HOUR
    monkeypatch.setattr(history, "now", lambda: noon + 2 * HOUR + since_the_end)
    client, _ = played(bars_from(noon - 2 * HOUR, 2 + hours, ProtoOATrendbarPeriod.H1))
    found = await history.bars(client, 1, 1, "H2", noon - 2 * HOUR, noon + DAY)
    assert found.time.tolist() == [noon - 2 * HOUR, noon][:made]


async def test_an_order_that_says_no_time_is_there_all_the_same() -> None:
    data = ProtoOATradeData(symbol_id=1, volume=1, trade_side=BUY)
    order = ProtoOAOrder(
        order_id=7,
        trade_data=data,
        order_type=ProtoOAOrderType.MARKET,
        order_status=ProtoOAOrderStatus.ORDER_STATUS_FILLED,
    )
    client, _ = played(ProtoOAOrderListRes(ctid_trader_account_id=1, order=[order], has_more=False))
    assert await history.orders(client, 1, NOW, NOW + 1) == [order]
