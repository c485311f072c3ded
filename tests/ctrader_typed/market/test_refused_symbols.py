"""A stream of several symbols of which the server refuses one: the others come."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import ProtoOASubscribeSpotsReq, ProtoOAUnsubscribeSpotsReq, ServerError
from ctrader_typed.market import books, live_bars, quotes
from mockserver.faults.effects import Refuse
from mockserver.faults.plan import Fault, Plan
from tests.support.feeds import EURUSD, GBPUSD, USDJPY, fed, taken

NOWHERE = 99_999


def make_bars(feed: Any, symbols: Any, **how: Any) -> Any:
    return live_bars(feed, symbols, "M1", **how)


@pytest.mark.parametrize("make", [quotes, make_bars, books])
async def test_refused_at_first_it_costs_only_itself(make: Any, autojump_clock: Any) -> None:
    async with fed() as (_, feed, server):
        async with make(feed, [EURUSD, NOWHERE, USDJPY]) as stream:
            found = {item.symbol_id for item in await taken(stream, 10)}
            assert found == {EURUSD, USDJPY}
            assert list(stream.refused) == [NOWHERE]
            assert isinstance(stream.refused[NOWHERE], ServerError)
            assert set(server.subscribed) == {EURUSD, USDJPY}
        await trio.sleep(1)
        assert server.subscribed == {}
        assert feed.hub.statistics() == ()
        assert feed._subscriptions._subscriptions == {}


async def test_refused_bars_of_one_symbol_give_back_its_spots(autojump_clock: Any) -> None:
    fields = {"symbolId": USDJPY}
    refusal = Fault(
        Refuse("INVALID_REQUEST"), message="ProtoOASubscribeLiveTrendbarReq", fields=fields
    )
    async with fed(faults=Plan([refusal])) as (_, feed, server):
        async with make_bars(feed, [EURUSD, USDJPY]) as stream:
            assert {bar.symbol_id for bar in await taken(stream, 70)} == {EURUSD}
            assert list(stream.refused) == [USDJPY]
            assert set(server.subscribed) == {EURUSD}
        await trio.sleep(1)
        assert feed._subscriptions._subscriptions == {}


async def test_refused_after_a_reconnect_it_costs_only_itself(autojump_clock: Any) -> None:
    faults = Plan()
    async with fed(faults=faults) as (api, feed, server):
        async with quotes(feed, [EURUSD, USDJPY]) as stream, quotes(feed, USDJPY) as alone:
            await taken(stream, 5)
            for symbols in ([USDJPY], [EURUSD, USDJPY], [USDJPY, EURUSD]):
                refusal = Refuse("SYMBOL_NOT_FOUND")
                message, fields = "ProtoOASubscribeSpotsReq", {"symbolId": symbols}
                faults.add(Fault(refusal, message=message, fields=fields, times=None))
            await server.cut()
            await api.connected()
            found = {quote.symbol_id for quote in await taken(stream, 10)}
            assert found == {EURUSD}
            assert list(stream.refused) == [USDJPY]
            with pytest.raises(ServerError, match="SYMBOL_NOT_FOUND"):
                await taken(alone, 10)
            faults._armed.clear()
            async with quotes(feed, USDJPY):  # somebody asks for it again
                assert {q.symbol_id for q in await taken(stream, 10)} == {EURUSD, USDJPY}
                assert stream.refused == {}
        await trio.sleep(1)
        assert server.subscribed == {}


async def test_acquire_of_several_holds_all_or_none(autojump_clock: Any) -> None:
    async with fed() as (_, feed, server):
        with pytest.raises(ServerError):
            await feed.acquire([EURUSD, NOWHERE, GBPUSD])
        await trio.sleep(1)
        assert server.subscribed == {}
        assert server.asked(ProtoOASubscribeSpotsReq) == 4
        assert server.asked(ProtoOAUnsubscribeSpotsReq) == 1
        refused = await feed.acquire_each([EURUSD, NOWHERE, GBPUSD])
        assert list(refused) == [NOWHERE]
        feed.release([EURUSD, GBPUSD])
        await trio.sleep(1)
        assert server.subscribed == {}
