"""Streams of quotes beside the mock's broker: merged, conflated, over gaps, and left in any way."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given as given_any
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from ctrader_typed import (
    Gap,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ReconnectAbandoned,
    ServerError,
    SlowSubscriber,
)
from ctrader_typed.market import MarketStream, Quote, SpotFeed, live_bars, quotes
from ctrader_typed.market.quote import merge
from mockserver.box import HEDGED, NETTED
from mockserver.faults.effects import Drop, Push, Refuse, Strip
from mockserver.faults.plan import Fault, Plan
from tests.support.feeds import EURUSD, GBPUSD, USDJPY, Still, fed, taken, to_the_end


async def test_several_symbols_in_one_stream_without_a_block(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        seen: list[Quote] = []
        async for quote in quotes(feed, [EURUSD, USDJPY]):
            assert quote.bid is not None
            assert quote.ask is not None
            assert quote.time is not None
            theirs = server.broker.market.quote(quote.symbol_id)
            assert (quote.bid, quote.ask) == (theirs.bid, theirs.ask)
            seen.append(quote)
            if len(seen) == 50:
                break
        assert {quote.symbol_id for quote in seen} == {EURUSD, USDJPY}
        await trio.sleep(1)
        assert server.subscribed == {}


async def test_every_change_is_what_the_events_say(autojump_clock) -> None:
    async with fed() as (api, feed, _), api.events(ProtoOASpotEvent, symbol=EURUSD) as spots:
        async with quotes(feed, EURUSD, every=True) as stream:
            await trio.sleep(300)
            given = await taken(stream)
        bid = ask = None
        expected = []
        while True:
            try:
                event: Any = spots.take()
            except trio.WouldBlock:
                break
            bid = bid if event.bid is None else event.bid
            ask = ask if event.ask is None else event.ask
            expected.append((bid, ask, event.timestamp))
        assert len(given) > 100
        assert [(q.bid, q.ask, q.timestamp) for q in given] == expected


async def test_a_slow_reader_gets_the_newest_of_each_symbol(autojump_clock) -> None:
    async with fed() as (_, feed, server), quotes(feed, [EURUSD, USDJPY, GBPUSD]) as stream:
        await trio.sleep(60)
        given = await taken(stream)
        assert [quote.symbol_id for quote in given] == [EURUSD, USDJPY, GBPUSD]
        for quote in given:
            theirs = server.broker.market.quote(quote.symbol_id)
            assert (quote.bid, quote.ask) == (theirs.bid, theirs.ask)


async def test_every_change_does_not_wait_for_ever(autojump_clock) -> None:
    async with fed() as (_, feed, _server), quotes(feed, EURUSD, every=True, buffer=3) as stream:
        await trio.sleep(60)
        for _ in range(3):
            await anext(stream)
        with pytest.raises(SlowSubscriber):
            await anext(stream)
        assert (await anext(stream)) == feed.quote(EURUSD)


async def test_a_newcomer_is_told_at_once_what_is_known(autojump_clock) -> None:
    async with fed() as (_, feed, server), quotes(feed, EURUSD) as first:
        known = await anext(first)
        async with quotes(feed, EURUSD, every=True) as second:
            assert await anext(second) == known
        assert server.asked(ProtoOASubscribeSpotsReq) == 1


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize(("left", "out"), [("bid", "ask"), ("ask", "bid")])
async def test_after_a_gap_no_side_is_older_than_it(
    left: str, out: str, every: bool, autojump_clock
) -> None:
    """Even if the server tells one side alone at first."""
    half = Plan([Fault(Strip((out,)), message="ProtoOASpotEvent", connection=2)])
    async with fed(faults=half) as (_, feed, server):
        with_gap, without = (quotes(feed, EURUSD, every=every, gaps=g) for g in (True, False))
        for stream in (with_gap, without):
            await anext(stream)
        await wait_all_tasks_blocked()
        await taken(with_gap)
        await taken(without)
        await server.cut()
        while not isinstance(item := await anext(with_gap), Gap):
            pass
        for fresh in (await anext(with_gap), await anext(without)):
            assert getattr(fresh, left) is not None
            assert getattr(fresh, out) is None
            assert fresh.mid is None
        item = await anext(with_gap)
        while not (item.bid is not None and item.ask is not None):
            item = await anext(with_gap)


async def test_what_is_known_of_a_symbol_after_a_gap_is_fresh(autojump_clock) -> None:
    silent = Plan([Fault(Drop(), message="ProtoOASpotEvent", connection=2, times=None)])
    async with fed(faults=silent) as (api, feed, server), quotes(feed, EURUSD) as stream:
        assert (await anext(stream)).is_known
        await trio.sleep(1)
        await server.cut()
        await trio.sleep(2)
        await api.connected()
        assert feed.quote(EURUSD) == Quote(EURUSD)
        stale = await taken(stream, 10)
        assert len(stale) <= 1  # what had come before


async def test_conflated_the_stale_and_the_fresh_are_on_their_sides_of_the_gap(
    autojump_clock,
) -> None:
    async with fed() as (_, feed, server), quotes(feed, [EURUSD, USDJPY], gaps=True) as stream:
        await trio.sleep(5)
        await server.cut()
        await trio.sleep(5)
        given = await taken(stream)
        gap = next(at for at, item in enumerate(given) if isinstance(item, Gap))
        assert {quote.symbol_id for quote in given[gap + 1 :]} == {EURUSD, USDJPY}
        assert all(not isinstance(item, Gap) for item in given[gap + 1 :])
        assert len(given) <= 5


async def test_an_accounts_session_that_is_taken_away_is_a_gap_too(autojump_clock) -> None:
    event = Push("ProtoOAAccountDisconnectEvent", {"ctidTraderAccountId": HEDGED})
    taken_away = Plan([Fault(event, message="ProtoOASpotEvent", nth=10)])
    async with fed(faults=taken_away) as (_, feed, _server):
        given = []
        async for item in quotes(feed, EURUSD, every=True, gaps=True):
            given.append(item)
            if len(given) == 15:
                break
        gaps = [item for item in given if isinstance(item, Gap)]
        assert [gap.connection for gap in gaps] == [1]
        assert "ProtoOAAccountDisconnectEvent" in gaps[0].reason


async def test_a_symbol_that_does_not_come_back_is_an_error(autojump_clock) -> None:
    gone = Plan(
        [Fault(Refuse("SYMBOL_NOT_FOUND"), message="ProtoOASubscribeSpotsReq", connection=2,
               fields={"symbolId": [EURUSD]}, times=None),
         Fault(Refuse("SYMBOL_NOT_FOUND"), message="ProtoOASubscribeSpotsReq", connection=2)]
    )  # fmt: skip
    async with fed(faults=gone) as (_, feed, server):
        lost = quotes(feed, EURUSD, gaps=True)
        bars = live_bars(feed, EURUSD, "M1")
        kept = quotes(feed, USDJPY)
        for stream in (lost, kept, bars):
            await anext(stream)
        await server.cut()
        errors = []
        for stream in (lost, bars):
            with pytest.raises(ServerError, match="SYMBOL_NOT_FOUND") as caught:
                await to_the_end(stream)
            errors.append(caught.value)
        assert errors[0] is not errors[1]
        assert feed.quote(EURUSD) is None
        await taken(kept)
        assert isinstance(await anext(kept), Quote)
        assert set(server.subscribed) == {USDJPY}
        await server.cut()
        await trio.sleep(1)
        assert isinstance(await anext(quotes(feed, EURUSD)), Quote)  # asked for again


async def test_an_account_that_does_not_come_back_is_an_error(autojump_clock) -> None:
    gone = Plan([Fault(Refuse("CH_ACCESS_TOKEN_INVALID"), message="ProtoOAAccountAuthReq",
                       connection=2, fields={"ctidTraderAccountId": HEDGED})])  # fmt: skip
    async with fed(faults=gone, accounts=[HEDGED, NETTED]) as (_, feed, server):
        stream = quotes(feed, EURUSD)
        await anext(stream)
        await server.cut()
        with pytest.raises(ServerError, match="CH_ACCESS_TOKEN_INVALID"):
            await to_the_end(stream)


async def test_if_no_account_comes_back_the_client_ends(autojump_clock) -> None:
    """A feed listens to what is given up, but mends nothing: the client need not wait for it."""
    gone = Plan([Fault(Refuse("CH_ACCESS_TOKEN_INVALID"), message="ProtoOAAccountAuthReq",
                       connection=2)])  # fmt: skip
    async with fed(faults=gone) as (_, feed, server):
        stream = quotes(feed, EURUSD)
        await anext(stream)
        await server.cut()
        with pytest.raises(ReconnectAbandoned):
            await to_the_end(stream)


# --- any events, any reader ---


PRICES = st.none() | st.integers(1, 9)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([EURUSD, USDJPY, GBPUSD]), PRICES, PRICES),
        st.just("gap"),
        st.just("read"),
    ),
    max_size=40,
)


def is_subsequence(some: list[Any], of: list[Any]) -> bool:
    rest = iter(of)
    return all(each in rest for each in some)


def of_symbol(items: list[Any], symbol: int) -> list[Any]:
    return [item for item in items if item == "gap" or item.symbol_id == symbol]


@given_any(STEPS)
def test_whoever_reads_when_sees_nothing_that_was_not_so(steps: list[Any]) -> None:
    async def follow() -> None:
        client: Any = Still()
        feed = SpotFeed(client, 1)
        symbols = [EURUSD, USDJPY]
        every = quotes(feed, symbols, every=True, gaps=True)
        newest = quotes(feed, symbols, gaps=True)
        plain = quotes(feed, symbols)
        known = {symbol: Quote(symbol) for symbol in symbols}
        expected: list[Any] = []
        given: dict[MarketStream[Any], list[Any]] = {every: [], newest: [], plain: []}
        async with every, newest, plain:
            for step in [*steps, "read"]:
                if step == "gap":
                    client.gap()
                    known = {symbol: Quote(symbol) for symbol in symbols}
                    expected.append("gap")
                elif step == "read":
                    for stream in (newest, plain):
                        given[stream] += await taken(stream)
                else:
                    symbol, bid, ask = step
                    event = ProtoOASpotEvent(
                        ctid_trader_account_id=1, symbol_id=symbol, bid=bid, ask=ask
                    )
                    client.home.publish([event])
                    if symbol in known:
                        known[symbol] = merge(known[symbol], event)
                        expected.append(known[symbol])
            given[every] += await taken(every)
            for symbol, quote in known.items():
                assert feed.quote(symbol) == quote
        shown = {
            stream: ["gap" if isinstance(item, Gap) else item for item in items]
            for stream, items in given.items()
        }
        assert shown[every] == expected
        for stream in (newest, plain):
            for symbol in symbols:  # of several, each is in the place of its first that waited
                mine = of_symbol(shown[stream], symbol)
                all_of_it = of_symbol(expected, symbol)
                assert is_subsequence(mine, all_of_it)
                if stream is plain:
                    all_of_it = [each for each in all_of_it if each != "gap"]
                assert mine[-1:] == all_of_it[-1:], "the newest is never left out"
        assert shown[newest].count("gap") == expected.count("gap")

    trio.run(follow, clock=MockClock(autojump_threshold=0))
