"""The whole box with our client: memory and virtual time, and real sockets."""

from __future__ import annotations

import pytest
import trio

from ctrader_typed import (
    AuthError,
    ConnectionLost,
    ProtoHeartbeatEvent,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATradeSide,
    connect,
    connect_over,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from mockserver.proxy.rules import ProxyRules
from mockserver.rate_limit import RateRules

KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}


async def trade(api, server):
    await api.auth(**KEYS)
    async with api.events(ProtoOASpotEvent) as spots, api.events(ProtoOAExecutionEvent) as events:
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[1])
        first = await anext(spots)
        assert first.bid is not None
        assert first.ask is not None
        server.broker.set_price("EURUSD", 1.5, 1.5001)
        while (await anext(spots)).bid != 150_000:
            pass
        accepted = await api.new_order(
            ctid_trader_account_id=HEDGED,
            symbol_id=1,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=100_000,
        )
        assert accepted.execution_type is ProtoOAExecutionType.ORDER_ACCEPTED
        async for event in events:
            if event.execution_type is ProtoOAExecutionType.ORDER_FILLED:
                break
    state = await api.reconcile(ctid_trader_account_id=HEDGED)
    (position,) = state.position
    assert position.position_id == accepted.position.position_id
    assert server.broker.account(HEDGED).positions.keys() == {position.position_id}


async def test_our_client_trades_in_virtual_time(autojump_clock):
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await trade(api, server)


async def test_our_client_trades_over_tls():
    async with mock_server(Box()) as server:
        host, port = server.address
        async with connect(host, port, ssl_context=server.client_ssl_context()) as api:
            await trade(api, server)


async def test_the_same_seed_gives_the_same_quotes(autojump_clock):
    async def quotes(seed: int) -> list[ProtoOASpotEvent]:
        async with (
            mock_server(Box(seed=seed), port=None) as server,
            connect_over(server.memory_client()) as api,
        ):
            await api.auth(**KEYS)
            async with api.events(ProtoOASpotEvent) as spots:
                await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[1, 2, 41])
                return [await anext(spots) for _ in range(100)]

    first = await quotes(7)
    assert await quotes(7) == first
    assert await quotes(8) != first


async def test_ticks_come_as_often_as_one_asks(autojump_clock):
    async with (
        mock_server(Box(tick_seconds=30), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await api.auth(**KEYS)
        async with api.events(ProtoOASpotEvent) as spots:
            await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[1])
            began = trio.current_time()
            for _ in range(40):
                await anext(spots)
            assert 900 < trio.current_time() - began < 1500


async def test_our_client_keeps_an_idle_connection(autojump_clock):
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await api.auth(**KEYS)
        await trio.sleep(300)
        assert (await api.version()).version == "91"
        assert list(server.ended) == []


async def test_a_client_without_heartbeats_is_dropped(talker, autojump_clock):
    async with mock_server(Box(), port=None) as server:
        client = talker(server.memory_client())
        began = trio.current_time()
        events = await client.rest()
        assert [type(event.message) for event in events] == [ProtoHeartbeatEvent]
        assert trio.current_time() - began == pytest.approx(30, abs=0.1)
        await server.wait_ended()
        assert server.ended[0].reason == "the client was silent for 30 seconds"


async def test_refusals_reach_our_client_as_its_errors(autojump_clock):
    async with (
        mock_server(Box(proxy_rules=ProxyRules(rates=RateRules(ordinary=1))), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        with pytest.raises(AuthError, match="clientId or clientSecret is incorrect"):
            await api.auth(**(KEYS | {"client_secret": "guess"}))
        await api.auth(**KEYS)
        began = trio.current_time()
        for _ in range(3):  # the client is told when to ask again, and does
            await api.trader(ctid_trader_account_id=HEDGED)
        assert trio.current_time() - began >= 2.0


async def test_a_slow_reader_holds_up_nobody_else(talker):
    """The market has turns of its own: it does not wait for a client that does not read."""
    box = Box(proxy_rules=ProxyRules(heartbeat=0.001))
    async with mock_server(box, tls=False) as server:
        deaf = await trio.open_tcp_stream(*server.address)
        good = talker(await trio.open_tcp_stream(*server.address))
        for _ in range(50):
            assert (await good.receive()) is not None
        await deaf.aclose()
        await good.stream.aclose()


async def test_leaving_the_server_ends_the_clients_link(autojump_clock):
    async with mock_server(Box(), port=None) as server:
        stream = server.memory_client()
    async with connect_over(stream) as api:
        with pytest.raises(ConnectionLost):
            await api.version()
