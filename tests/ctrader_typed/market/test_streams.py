"""Streams of the market, closed at any time; of many symbols, and beside another account."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    ConnectionLost,
    Gap,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOATrendbar,
    ServerError,
    SlowSubscriber,
)
from ctrader_typed.market import Quote, SpotFeed, books, live_bars, quotes
from mockserver.box import HEDGED, NETTED
from mockserver.faults.effects import Delay, Push
from mockserver.faults.plan import Fault, Plan
from tests.support.feeds import EURUSD, USDJPY, Still, fed, taken, to_the_end


@dataclass(frozen=True)
class Yen:
    id: int = USDJPY
    digits: int = 3


async def test_left_by_break_or_error_it_unsubscribes(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        async for _ in quotes(feed, EURUSD):
            break
        await trio.sleep(1)
        assert server.subscribed == {}

        async def fail() -> None:
            async for quote in quotes(feed, USDJPY):
                quote.symbol_id // 0

        with pytest.raises(ZeroDivisionError):
            await fail()
        await trio.sleep(1)
        assert server.subscribed == {}


async def test_collected_with_a_cycle_it_unsubscribes(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        stream = quotes(feed, EURUSD)
        await anext(stream)
        cycle: list[Any] = [stream]
        cycle.append(cycle)
        del stream, cycle
        await trio.sleep(1)
        assert set(server.subscribed) == {EURUSD}
        gc.collect()
        await trio.sleep(1)
        assert server.subscribed == {}


async def test_closed_it_says_so_and_whoever_waits_is_told(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        stream = quotes(feed, EURUSD)
        async with stream, trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await to_the_end(stream)

            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            await stream.aclose()
        await stream.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await anext(stream)
        await trio.sleep(1)
        assert server.subscribed == {}
        never = quotes(feed, EURUSD)
        await never.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await anext(never)


async def test_a_refused_symbol_leaves_nothing_behind(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        stream = quotes(feed, [99_998, 99_999])
        for _ in range(2):
            with pytest.raises(ServerError):
                await anext(stream)
        await trio.sleep(1)
        assert server.subscribed == {}
        assert feed.hub.statistics() == ()


async def test_when_the_client_ends_streams_do(autojump_clock) -> None:
    async with fed() as (_, feed, _server):
        stream = quotes(feed, EURUSD)
        await anext(stream)
    with pytest.raises(ConnectionLost):
        await to_the_end(stream)


async def test_cancelled_at_any_time_it_leaves_nothing(autojump_clock) -> None:
    late = Plan([Fault(Delay(0.3), message="ProtoOASubscribeSpotsRes", times=None)])
    for make in (quotes, books):
        for tenths in range(0, 20, 2):
            async with fed(faults=late) as (_, feed, server):
                with trio.move_on_after(tenths / 20):
                    async for _ in make(feed, [EURUSD, USDJPY]):
                        await trio.sleep(0.1)
                await trio.sleep(2)
                assert server.subscribed == {}
                assert feed.hub.statistics() == ()


async def test_waiting_that_is_cancelled_loses_nothing(autojump_clock) -> None:
    async with fed() as (_, feed, _server):
        every = quotes(feed, EURUSD, every=True)
        patient = quotes(feed, EURUSD, every=True)
        await anext(every)
        await anext(patient)
        given = []
        for _ in range(500):
            with trio.move_on_after(0.1):
                given.append(await anext(every))
        given += await taken(every)
        assert given == await taken(patient)


async def test_closed_while_it_subscribes_it_is_closed(autojump_clock) -> None:
    late = Plan([Fault(Delay(1), message="ProtoOASubscribeSpotsRes", times=None)])
    async with fed(faults=late) as (_, feed, server):
        stream = quotes(feed, EURUSD)
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await to_the_end(stream)

            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            await stream.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await anext(stream)
        await trio.sleep(3)
        assert server.subscribed == {}
        assert feed.hub.statistics() == ()


async def test_who_waits_while_another_subscribes_in_vain_does_not_wait_for_ever(
    autojump_clock,
) -> None:
    async with fed(faults=Plan([Fault(Delay(1), message="ProtoOAErrorRes", times=None)])) as (
        _,
        feed,
        _server,
    ):
        stream = quotes(feed, 99_999)
        async with trio.open_nursery() as nursery:

            async def read(error: type[Exception]) -> None:
                with pytest.raises(error):
                    await anext(stream)

            nursery.start_soon(read, ServerError)
            await wait_all_tasks_blocked()
            nursery.start_soon(read, trio.ClosedResourceError)
        assert feed.hub.statistics() == ()


async def test_a_gap_of_before_is_nothing_to_a_newcomer(autojump_clock) -> None:
    client: Any = Still()
    feed = SpotFeed(client, 1)
    await feed.acquire(EURUSD)
    client.gap()
    client.home.publish([ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=EURUSD, bid=5)])
    async with quotes(feed, EURUSD, gaps=True) as stream:
        assert await taken(stream) == [Quote(EURUSD, bid=5)]


async def test_digits_that_are_said_later_count_for_what_is_known(autojump_clock) -> None:
    client: Any = Still()
    feed = SpotFeed(client, 1)
    await feed.acquire(USDJPY, bars=["M1"], depth=True)
    bar = ProtoOATrendbar(volume=1, low=15_000_000, utc_timestamp_in_minutes=1)
    spot = ProtoOASpotEvent(
        ctid_trader_account_id=1, symbol_id=USDJPY, bid=15_000_000, trendbar=[bar]
    )
    client.home.publish([spot])
    assert (quote := feed.quote(USDJPY)) is not None
    assert str(quote.bid_price) == "150.00000"
    feed.ids(Yen())
    client.home.publish([spot])
    quote, live, book = feed.quote(USDJPY), feed.bar(USDJPY, "M1"), feed.book(USDJPY)
    assert quote is not None
    assert live is not None
    assert book is not None
    assert str(quote.bid_price) == str(live.close_price) == "150.000"
    assert book.digits == 3
    client.gap()
    assert (quote := feed.quote(USDJPY)) is not None
    assert quote.digits == 3


# --- many ---


async def test_fifty_symbols_in_one_stream_that_nobody_reads(autojump_clock) -> None:
    client: Any = Still()
    feed = SpotFeed(client, 1)
    symbols = range(1, 51)
    newest, short = quotes(feed, symbols), quotes(feed, symbols, every=True, buffer=60)
    async with newest, short:
        for bid in range(200):
            client.home.publish(
                [
                    ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=symbol, bid=bid)
                    for symbol in symbols
                ]
            )
            feed.drain()
        waiting = {each.waiting for each in feed.hub.statistics()}
        assert waiting == {50, 60}, "as many as there are symbols; as many as there is room for"
        assert await taken(newest) == [Quote(symbol, bid=199) for symbol in symbols]
        for number in range(60):
            assert await anext(short) == Quote(number % 50 + 1, bid=number // 50)
        with pytest.raises(SlowSubscriber, match="9940"):
            await anext(short)


async def test_two_accounts_on_one_client_have_nothing_to_do_with_each_other(
    autojump_clock,
) -> None:
    event = Push("ProtoOAAccountDisconnectEvent", {"ctidTraderAccountId": NETTED})
    taken_away = Plan([Fault(event, message="ProtoOASpotEvent", nth=40)])
    async with fed(faults=taken_away, accounts=[HEDGED, NETTED]) as (api, feed, server):
        other = SpotFeed.of(api, NETTED)
        mine = quotes(feed, EURUSD, every=True, gaps=True)
        theirs = quotes(other, EURUSD, every=True, gaps=True)
        async with mine:
            async with theirs:
                await trio.sleep(60)
                assert server.asked(ProtoOASubscribeSpotsReq) == 3, "one anew"
                told = await taken(theirs)
                assert sum(isinstance(each, Gap) for each in told) == 1
                kept = await taken(mine)
                assert not any(isinstance(each, Gap) for each in kept)
            await trio.sleep(10)
            assert other.quote(EURUSD) is None
            assert len(await taken(mine)) > 5
            (session,) = server.broker.market_data.spots._subscriptions[EURUSD]
            assert session[1] == HEDGED


async def test_a_bar_of_before_a_gap_is_not_shown_as_one_of_now(autojump_clock) -> None:
    client: Any = Still()
    feed = SpotFeed(client, 1)

    def spot(minute: int, bid: int) -> ProtoOASpotEvent:
        bar = ProtoOATrendbar(volume=1, low=bid, utc_timestamp_in_minutes=minute)
        return ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=EURUSD, bid=bid, trendbar=[bar])

    async with live_bars(feed, EURUSD, "M1") as first:
        client.home.publish([spot(1, 5)])
        (before,) = await taken(first)
        assert feed.bar(EURUSD, "M1") == before.bar
        client.gap()
        assert feed.bar(EURUSD, "M1") is None
        async with live_bars(feed, EURUSD, "M1") as newcomer:
            client.home.publish([spot(2, 7)])
            closed, fresh = await taken(first)
            assert (closed.bar, closed.complete) == (before.bar, False)
            assert await taken(newcomer) == [closed, fresh]
            assert feed.bar(EURUSD, "M1") == fresh.bar
