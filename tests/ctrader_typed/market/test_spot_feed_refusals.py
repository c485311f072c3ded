"""Subscriptions whose end the server refuses or nobody hears of, and those of somebody else."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    ConnectionLost,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader_typed.market import SpotFeed, quotes
from mockserver.box import HEDGED
from mockserver.broker.rules import MarketRules
from mockserver.faults.effects import Drop, Refuse
from mockserver.faults.plan import Fault, Plan
from mockserver.recordings.session_file import Direction
from tests.support.feeds import EURUSD, USDJPY, fed, taken

NO_SPOTS = "ProtoOAUnsubscribeSpotsReq"


@pytest.mark.parametrize("code", ["UNKNOWN_ERROR", "CANT_ROUTE_REQUEST", "ACCOUNT_NOT_AUTHORIZED"])
async def test_what_is_refused_for_now_is_asked_for_again(code: str, autojump_clock) -> None:
    busy = Plan([Fault(Refuse(code), message=NO_SPOTS, times=2)])
    async with fed(faults=busy) as (_, feed, server):
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await trio.sleep(5)
        assert set(server.subscribed) == {EURUSD}
        assert server.asked(ProtoOAUnsubscribeSpotsReq) == 1
        await trio.sleep(30)
        assert server.subscribed == {}
        assert server.asked(ProtoOAUnsubscribeSpotsReq) == 3
        assert feed.quote(EURUSD) is None


async def test_who_comes_before_that_still_has_it(autojump_clock) -> None:
    busy = Plan([Fault(Refuse("UNKNOWN_ERROR"), message=NO_SPOTS)])
    async with fed(faults=busy) as (_, feed, server):
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await trio.sleep(5)
        async with quotes(feed, EURUSD) as stream:
            assert (await anext(stream)).is_known
            await trio.sleep(30)
            assert len(await taken(stream)) == 1
            assert server.asked(ProtoOASubscribeSpotsReq) == 1
            assert server.asked(ProtoOAUnsubscribeSpotsReq) == 1
        await trio.sleep(1)
        assert server.subscribed == {}


async def test_what_nobody_heard_the_end_of_is_not_taken_for_somebody_elses(
    autojump_clock,
) -> None:
    lost = Plan([Fault(Drop(), Direction.CLIENT, message=NO_SPOTS)])
    async with fed(faults=lost) as (api, feed, server):
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await trio.sleep(15)
        assert set(server.subscribed) == {EURUSD}
        await server.cut()
        await wait_all_tasks_blocked()
        with pytest.raises(ConnectionLost):
            await feed.acquire(EURUSD)
        await api.connected()
        await trio.sleep(1)
        await feed.acquire(EURUSD)
        feed.release(EURUSD)
        await trio.sleep(15)
        assert server.subscribed == {}


@pytest.mark.parametrize("precise", [True, False])
async def test_a_book_that_somebody_else_follows_is_left_to_them(
    precise: bool, autojump_clock
) -> None:
    async with fed(MarketRules(precise_codes=precise)) as (api, feed, server):
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[EURUSD])
        await api.subscribe_depth_quotes(ctid_trader_account_id=HEDGED, symbol_id=[EURUSD])
        async with feed.spots([EURUSD, USDJPY], depth=True):
            await trio.sleep(1)
            assert (book := feed.book(EURUSD)) is not None
            assert book.whole
        await trio.sleep(1)
        assert server.subscribed == {EURUSD: (frozenset(), True)}


async def test_there_is_one_feed_for_an_account(autojump_clock) -> None:
    async with fed() as (api, _, server):
        feed = SpotFeed.of(api, HEDGED)
        assert SpotFeed.of(api, HEDGED) is feed
        assert SpotFeed.of(api, HEDGED + 1) is not feed
        async with quotes(SpotFeed.of(api, HEDGED), EURUSD) as one:
            async with quotes(SpotFeed.of(api, HEDGED), EURUSD) as other:
                assert await anext(one) == await anext(other)
            await trio.sleep(5)
            await anext(one)
            assert set(server.subscribed) == {EURUSD}
            assert len(await taken(one, 10)) > 5
    async with fed() as (api, _, _server):
        assert SpotFeed.of(api, HEDGED) is not feed


async def test_accounts_that_are_opened_twice_do_not_end_each_others_prices(
    autojump_clock,
) -> None:
    async with fed() as (api, _, server):
        one, two = await api.account(HEDGED), await api.account(HEDGED)
        stream = two.quotes("EURUSD")
        async for _ in one.quotes("EURUSD"):  # the first to come is the first to leave
            await anext(stream)
            break
        async with stream:
            await trio.sleep(5)
            assert set(server.subscribed) == {EURUSD}
            await taken(stream)
            assert (await anext(stream)).is_known
        await trio.sleep(5)
        assert server.subscribed == {}
