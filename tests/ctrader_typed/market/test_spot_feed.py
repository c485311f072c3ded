"""Subscriptions that several share: counted, asked for once, and given back in any case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    ConnectionLost,
    InvalidValue,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeSpotsReq,
    ServerError,
)
from mockserver.box import HEDGED
from mockserver.broker.rules import MarketRules
from mockserver.faults.effects import Delay, Drop, HangUp, Refuse
from mockserver.faults.plan import Fault, Plan
from mockserver.recordings.session_file import Direction
from tests.support.feeds import EURUSD, GBPUSD, USDJPY, fed

SUBSCRIBED = "ProtoOASubscribeSpotsRes"
UNKNOWN = 99_999
NOTHING: frozenset[int] = frozenset()


def slow(*messages: str, seconds: float = 0.5) -> Plan:
    return Plan([Fault(Delay(seconds), message=message, times=None) for message in messages])


async def test_several_symbols_cost_one_request_and_the_last_to_leave_unsubscribes(
    autojump_clock,
) -> None:
    async with fed() as (_, feed, server):
        await feed.acquire([EURUSD, USDJPY])
        await feed.acquire(EURUSD)
        assert server.asked(ProtoOASubscribeSpotsReq) == 1
        assert set(server.subscribed) == {EURUSD, USDJPY}
        feed.release([EURUSD, USDJPY])
        await trio.sleep(1)
        assert set(server.subscribed) == {EURUSD}
        assert feed.quote(USDJPY) is None
        feed.release(EURUSD)
        await trio.sleep(1)
        assert server.subscribed == {}
        assert server.asked(ProtoOASubscribeSpotsReq) == 1


async def test_a_block_holds_quotes_bars_and_depth(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        async with feed.spots([EURUSD], bars=["M1", "H1"], depth=True):
            assert server.subscribed == {EURUSD: (frozenset((1, 9)), True)}
            async with feed.spots(EURUSD, bars=["M1"]):
                assert server.asked(ProtoOASubscribeLiveTrendbarReq) == 2
            await trio.sleep(5)
            assert server.subscribed == {EURUSD: (frozenset((1, 9)), True)}
            quote, book, bar = feed.quote(EURUSD), feed.book(EURUSD), feed.bar(EURUSD, "M1")
            assert quote is not None
            assert book is not None
            assert bar is not None
            assert book.best_bid is not None
            assert quote.bid == book.best_bid.price == bar.close
        await trio.sleep(1)
        assert server.subscribed == {}
        server.server.assert_order(
            ProtoOAUnsubscribeDepthQuotesReq,
            ProtoOAUnsubscribeLiveTrendbarReq,
            ProtoOAUnsubscribeSpotsReq,
        )
        assert (feed.quote(EURUSD), feed.book(EURUSD), feed.bar(EURUSD, "M1")) == (None,) * 3


async def test_who_comes_back_at_once_is_still_subscribed(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        for _ in range(5):
            await feed.acquire(EURUSD)
            feed.release(EURUSD)
        await feed.acquire(EURUSD)
        await trio.sleep(1)
        assert set(server.subscribed) == {EURUSD}
        quote = feed.quote(EURUSD)
        assert quote is not None
        assert quote.is_known


async def test_who_comes_while_it_is_given_up_subscribes_anew(autojump_clock) -> None:
    async with fed(faults=slow("ProtoOAUnsubscribeSpotsRes")) as (_, feed, server):
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await wait_all_tasks_blocked()
        assert server.asked(ProtoOAUnsubscribeSpotsReq) == 1
        started = trio.current_time()
        await feed.acquire(EURUSD)
        assert trio.current_time() - started == pytest.approx(0.5, abs=0.1)
        await trio.sleep(1)
        assert set(server.subscribed) == {EURUSD}
        assert server.asked(ProtoOASubscribeSpotsReq) == 2
        assert (quote := feed.quote(EURUSD)) is not None
        assert quote.is_known


async def test_an_unsubscription_without_an_answer_keeps_nobody_waiting_for_ever(
    autojump_clock,
) -> None:
    lost = Plan([Fault(Drop(), message="ProtoOAUnsubscribeSpotsRes", times=1)])
    async with fed(faults=lost) as (_, feed, server):
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await wait_all_tasks_blocked()
        with trio.fail_after(11):
            await feed.acquire(EURUSD)
        assert set(server.subscribed) == {EURUSD}
        assert (quote := feed.quote(EURUSD)) is not None
        assert quote.is_known
        feed.release(EURUSD)
        await trio.sleep(1)
        assert server.subscribed == {}


async def test_an_unsubscription_that_did_not_arrive_is_made_by_the_next_to_leave(
    autojump_clock,
) -> None:
    lost = Plan([Fault(Drop(), Direction.CLIENT, message="ProtoOAUnsubscribeSpotsReq", times=1)])
    async with fed(faults=lost) as (_, feed, server):
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await trio.sleep(30)
        assert server.asked(ProtoOAUnsubscribeSpotsReq) == 1
        assert set(server.subscribed) == {EURUSD}
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await trio.sleep(1)
        assert server.subscribed == {}


async def test_those_who_come_at_once_share_a_request(autojump_clock) -> None:
    async with fed(faults=slow(SUBSCRIBED)) as (_, feed, server):
        async with trio.open_nursery() as nursery:
            for symbols in ([EURUSD], [EURUSD, USDJPY], [USDJPY, EURUSD], [EURUSD]):
                nursery.start_soon(feed.acquire, symbols)
                await wait_all_tasks_blocked()
        assert server.asked(ProtoOASubscribeSpotsReq) == 2
        assert set(server.subscribed) == {EURUSD, USDJPY}
        for symbols in ([EURUSD], [EURUSD, USDJPY], [USDJPY, EURUSD]):
            feed.release(symbols)
        await trio.sleep(2)
        assert set(server.subscribed) == {EURUSD}
        feed.release(EURUSD)
        await trio.sleep(2)
        assert server.subscribed == {}


async def test_a_refusal_is_told_to_all_who_wait_for_it(autojump_clock) -> None:
    async with fed(faults=slow("ProtoOAErrorRes")) as (_, feed, server):
        refused: list[ServerError] = []

        async def acquire() -> None:
            with pytest.raises(ServerError) as caught:
                await feed.acquire(UNKNOWN)
            refused.append(caught.value)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(acquire)
        assert server.asked(ProtoOASubscribeSpotsReq) == 1
        assert len({id(error) for error in refused}) == 3
        assert {error.code for error in refused} == {refused[0].code}
        with pytest.raises(ServerError):
            await feed.acquire(UNKNOWN)
        assert server.asked(ProtoOASubscribeSpotsReq) == 2


async def test_one_bad_symbol_of_several_is_found_and_the_others_are_not_kept(
    autojump_clock,
) -> None:
    async with fed() as (_, feed, server):
        await feed.acquire(USDJPY)
        with pytest.raises(ServerError) as caught:
            await feed.acquire([EURUSD, UNKNOWN, USDJPY])
        assert caught.value.request.symbol_id == [UNKNOWN]  # type: ignore[attr-defined]  # of spots
        await trio.sleep(1)
        assert set(server.subscribed) == {USDJPY}


async def test_who_waits_for_a_good_symbol_is_not_told_of_the_bad_one(autojump_clock) -> None:
    async with fed(faults=slow("ProtoOAErrorRes")) as (_, feed, server):
        async with trio.open_nursery() as nursery:

            async def both() -> None:
                with pytest.raises(ServerError):
                    await feed.acquire([EURUSD, UNKNOWN])

            nursery.start_soon(both)
            await wait_all_tasks_blocked()
            await feed.acquire(EURUSD)
        await trio.sleep(1)
        assert set(server.subscribed) == {EURUSD}


@pytest.mark.parametrize("precise", [True, False])
async def test_what_somebody_else_subscribed_to_is_shared_and_left_to_them(
    precise: bool, autojump_clock
) -> None:
    async with fed(MarketRules(precise_codes=precise)) as (api, feed, server):
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[EURUSD])
        async with feed.spots([EURUSD, USDJPY]):
            await trio.sleep(10)
            assert (quote := feed.quote(EURUSD)) is not None
            assert quote.is_known
        await trio.sleep(1)
        assert set(server.subscribed) == {EURUSD}


@pytest.mark.parametrize("precise", [True, False])
async def test_a_book_that_somebody_else_follows_is_asked_for_as_a_whole(
    precise: bool, autojump_clock
) -> None:
    async with fed(MarketRules(precise_codes=precise)) as (api, feed, server):
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[EURUSD])
        await api.subscribe_depth_quotes(ctid_trader_account_id=HEDGED, symbol_id=[EURUSD])
        await trio.sleep(3)
        async with feed.spots(EURUSD, depth=True):
            await trio.sleep(1)
            assert server.subscribed[EURUSD] == (NOTHING, True)
            assert (book := feed.book(EURUSD)) is not None
            assert book.whole
            assert len(book.bids) == len(book.asks) == 10


async def test_what_others_heard_meanwhile_is_not_taken_for_the_whole_book(autojump_clock) -> None:
    late = slow("ProtoOAErrorRes", "ProtoOAUnsubscribeDepthQuotesRes", seconds=5)
    async with fed(faults=late) as (api, feed, server):
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[EURUSD])
        await api.subscribe_depth_quotes(ctid_trader_account_id=HEDGED, symbol_id=[EURUSD])
        async with feed.spots(EURUSD, depth=True):
            (theirs,) = server.broker.market_data.spots._subscriptions[EURUSD].values()
            book = feed.book(EURUSD)
            assert book is not None
            assert theirs.book is not None
            assert set(book.offers) == set(theirs.book)


async def test_without_a_connection_it_says_so_at_once(autojump_clock) -> None:
    async with fed() as (api, feed, server):
        await server.cut()
        await wait_all_tasks_blocked()
        with pytest.raises(ConnectionLost):
            await feed.acquire(EURUSD)
        await api.connected()
        await feed.acquire(EURUSD)
        assert set(server.subscribed) == {EURUSD}


async def test_a_reconnect_brings_all_back_and_the_feed_asks_for_nothing(autojump_clock) -> None:
    async with fed() as (api, feed, server):
        async with feed.spots([EURUSD, USDJPY], bars=["M1"], depth=True):
            before = server.subscribed
            await trio.sleep(3)
            await server.cut()
            await wait_all_tasks_blocked()
            await feed.acquire(USDJPY)  # it is held: there is nothing to ask for
            await api.connected()
            await trio.sleep(3)
            assert server.subscribed == before
            assert server.asked(ProtoOASubscribeSpotsReq) == 2
            assert server.asked(ProtoOASubscribeDepthQuotesReq) == 2
            assert (book := feed.book(EURUSD)) is not None
            assert book.whole
        await trio.sleep(1)
        assert set(server.subscribed) == {USDJPY}


async def test_what_is_left_without_a_connection_is_given_up_after_it(autojump_clock) -> None:
    async with fed() as (api, feed, server):
        await feed.acquire([EURUSD, USDJPY], depth=True)
        await server.cut()
        await wait_all_tasks_blocked()
        feed.release([EURUSD, USDJPY], depth=True)
        await trio.lowlevel.checkpoint()
        await feed.acquire(USDJPY)
        await api.connected()
        await trio.sleep(1)
        assert server.subscribed == {USDJPY: (NOTHING, False)}
        assert (quote := feed.quote(USDJPY)) is not None
        assert quote.is_known
        await server.cut()
        await trio.sleep(1)
        await api.connected()
        assert server.subscribed == {USDJPY: (NOTHING, False)}


async def test_an_unsubscription_that_a_lost_connection_swallows_is_made_again(
    autojump_clock,
) -> None:
    cut = Plan(
        [Fault(HangUp(), Direction.CLIENT, message="ProtoOAUnsubscribeSpotsReq", connection=1)]
    )
    async with fed(faults=cut) as (api, feed, server):
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await trio.sleep(2)
        await api.connected()
        await trio.sleep(1)
        assert server.subscribed == {}
        assert server.asked(ProtoOAUnsubscribeSpotsReq) >= 1


async def test_who_comes_while_a_lost_connection_swallows_it_hears_of_it(autojump_clock) -> None:
    cut = Plan(
        [Fault(HangUp(), Direction.CLIENT, message="ProtoOAUnsubscribeSpotsReq", connection=1)]
    )
    async with fed(faults=cut) as (_, feed, server):
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await wait_all_tasks_blocked()
        await feed.acquire(EURUSD)
        await trio.sleep(3)
        assert set(server.subscribed) == {EURUSD}
        assert server.asked(ProtoOASubscribeSpotsReq) == 2
        assert (quote := feed.quote(EURUSD)) is not None
        assert quote.is_known


async def test_a_refused_unsubscription_counts_as_one(autojump_clock) -> None:
    async with fed() as (api, feed, server):
        await feed.acquire([EURUSD, USDJPY])
        await api.unsubscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[EURUSD])
        feed.release([EURUSD, USDJPY])
        await trio.sleep(1)
        assert server.subscribed == {}
        await feed.acquire([EURUSD, USDJPY])
        assert set(server.subscribed) == {EURUSD, USDJPY}


async def test_what_cannot_be_meant_is_refused_here(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        with pytest.raises(InvalidValue, match="H2 bars are made of others"):
            await feed.acquire(EURUSD, bars=["H2"])
        with pytest.raises(InvalidValue, match="no period"):
            await feed.acquire(EURUSD, bars=["X1"])
        with pytest.raises(InvalidValue, match="'EURUSD' is a name"):
            await feed.acquire("EURUSD")  # type: ignore[arg-type]  # that is what is tested
        with pytest.raises(InvalidValue, match="at least one"):
            await feed.acquire([])
        assert server.subscribed == {}


async def test_a_refused_bar_gives_its_spots_back(autojump_clock) -> None:
    no = Plan([Fault(Refuse("INVALID_REQUEST"), message="ProtoOASubscribeLiveTrendbarReq")])
    async with fed(faults=no) as (_, feed, server):
        with pytest.raises(ServerError):
            await feed.acquire([EURUSD, USDJPY], bars=["M1"])
        await trio.sleep(1)
        assert server.subscribed == {}
        await feed.acquire(EURUSD, bars=["M1"])
        assert server.subscribed == {EURUSD: (frozenset((1,)), False)}


async def test_the_next_one_takes_over_from_who_is_cancelled(autojump_clock) -> None:
    async with fed(faults=slow(SUBSCRIBED)) as (_, feed, server):
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(0.1):
                nursery.start_soon(_later, feed.acquire, EURUSD)
                await feed.acquire(EURUSD)
        assert server.asked(ProtoOASubscribeSpotsReq) == 2
        assert (quote := feed.quote(EURUSD)) is not None
        assert quote.is_known, "the server told it to the first one, and tells it once"
        await trio.sleep(1)
        assert set(server.subscribed) == {EURUSD}
        feed.release(EURUSD)
        await trio.sleep(2)
        assert server.subscribed == {}
        with pytest.raises(KeyError):
            feed.release(EURUSD)


async def _later(acquire: Callable[[int], Any], symbol: int) -> None:
    await trio.sleep(0.05)
    await acquire(symbol)


async def test_cancelled_at_any_time_nothing_is_held(autojump_clock) -> None:
    for tenths in range(20):
        async with fed(faults=slow("ProtoOASubscribeSpotsRes", seconds=0.3)) as (_, feed, server):
            await trio.sleep(1)
            with trio.move_on_after(tenths / 20):
                async with feed.spots([EURUSD, USDJPY], bars=["M1"], depth=True):
                    await trio.sleep(0.2)
            await trio.sleep(3)
            assert server.subscribed == {}
            await feed.acquire(EURUSD, depth=True)
            await trio.sleep(1)
            assert (book := feed.book(EURUSD)) is not None
            assert book.whole


async def test_events_of_other_symbols_are_not_kept(autojump_clock) -> None:
    async with fed() as (api, feed, _), api.events(ProtoOASpotEvent, symbol=GBPUSD) as spots:
        await feed.acquire(EURUSD)
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[GBPUSD])
        await anext(spots)
        assert feed.quote(GBPUSD) is None
        assert feed.quote(EURUSD) is not None


async def test_when_the_client_is_closed_it_says_so(autojump_clock) -> None:
    async with fed() as (_, feed, _server):
        await feed.acquire(EURUSD)
    feed.release(EURUSD)
    with pytest.raises(ConnectionLost):
        await feed.acquire(USDJPY)
