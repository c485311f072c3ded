"""What goes wrong with this API in practice, on every wire: the client against the mock's broker.

In virtual time, over memory; only what is about certificates needs sockets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from ctrader_typed import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    PROTOBUF_WEBSOCKET,
    Api,
    CertificateRefused,
    ConnectFailed,
    ConnectionLost,
    Gap,
    NotSent,
    Order,
    OrderError,
    OrderStatus,
    OutcomeUnknown,
    ProtoErrorRes,
    ProtoOAAccountAuthReq,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATimeInForce,
    ProtoOATraderReq,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
    ProtoOAVersionReq,
    Reconnect,
    ServerError,
    SlowSubscriber,
    UnknownPayload,
    connect,
    connect_over,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, REFRESH_TOKEN, Box
from mockserver.composition import mock_server
from mockserver.faults.effects import Announce, Truncate
from mockserver.faults.plan import Fault, Plan
from mockserver.faults.scenarios import SCENARIOS
from mockserver.server.server import MockServer

WIRES = {"tcp": PROTOBUF_TCP, "ws": PROTOBUF_WEBSOCKET, "json-ws": JSON_WEBSOCKET}
EURUSD = 1
KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
ACCOUNT = {"ctid_trader_account_id": HEDGED}


@dataclass
class Session:
    """A client with an authorised account, the server at the other end, and what goes wrong."""

    api: Api
    server: MockServer
    plan: Plan
    refusals: int = 0
    """How many attempts to connect are refused from now on."""

    async def buy(self) -> Order:
        return await self.api.place(
            ProtoOANewOrderReq(
                **ACCOUNT,
                symbol_id=EURUSD,
                order_type=ProtoOAOrderType.MARKET,
                trade_side=ProtoOATradeSide.BUY,
                volume=100_000,
            )
        )

    async def look(self) -> Any:
        return await self.api.trader(**ACCOUNT)

    def asked(self, kind: type[Any]) -> int:
        """How many such requests the server has got."""
        return len(self.server.received(kind))


Opened = Callable[..., AbstractAsyncContextManager[Session]]


@pytest.fixture(params=WIRES)
def trading(request: pytest.FixtureRequest) -> Opened:
    """`async with trading("scenario") as session`, on each wire."""

    @asynccontextmanager
    async def opened(*what: str | Fault, **settings: Any) -> AsyncIterator[Session]:
        faults = [each for each in what if isinstance(each, Fault)]
        for name in what:
            faults += SCENARIOS[name].faults if isinstance(name, str) else ()
        plan = Plan(faults)
        with trio.fail_after(3600):
            async with mock_server(Box(seed=1), port=None, faults=plan) as server:
                session: Session | None = None

                async def dial() -> trio.abc.Stream:
                    if session is not None and session.refusals > 0:
                        session.refusals -= 1
                        raise ConnectFailed("refused")
                    return server.memory_client(request.param)

                settings = {"reconnect": Reconnect(), "wire": WIRES[request.param], **settings}
                async with connect_over(dial, **settings) as api:
                    await api.auth(**KEYS, account_id=HEDGED)
                    session = Session(api, server, plan)
                    yield session
                    assert plan.happened or not faults

    return opened


# --- orders ---------------------------------------------------------------------------------------


async def test_accepted_then_filled_50_ms_later(trading: Opened, autojump_clock) -> None:
    async with trading("late-fill") as session:
        order = await session.buy()
        assert order.status is OrderStatus.ACCEPTED
        before = trio.current_time()
        fill = await order.filled()
        assert 0.04 < trio.current_time() - before < 0.5
        assert fill.volume == 100_000
        assert order.status is OrderStatus.FILLED


@pytest.mark.parametrize("scenario", ["close-after-request", "reset-after-request"])
async def test_an_order_that_the_server_read_and_did_not_carry_out(
    scenario: str, trading: Opened, autojump_clock
) -> None:
    async with trading(scenario) as session:
        with pytest.raises(OutcomeUnknown) as raised:
            await session.buy()
        order = raised.value.order
        with pytest.raises(OutcomeUnknown, match="asked 5 times"):  # it might still come
            await order.resolved()
        assert order.status is OrderStatus.UNKNOWN
        assert session.asked(ProtoOANewOrderReq) == 1
        assert (await session.api.reconcile(**ACCOUNT)).position == []
        await (await session.buy()).filled()


async def test_an_order_that_was_carried_out_before_the_end(
    trading: Opened, autojump_clock
) -> None:
    async with trading("close-after-order") as session:
        with pytest.raises(OutcomeUnknown) as raised:
            await session.buy()
        order = raised.value.order
        await order.resolved()
        assert (await order.filled()).volume == 100_000
        assert session.asked(ProtoOANewOrderReq) == 1


async def test_an_order_error_event_as_the_reply(trading: Opened, autojump_clock) -> None:
    async with trading("order-error") as session:
        with pytest.raises(OrderError) as raised:
            await session.buy()
        assert raised.value.code == "NOT_ENOUGH_MONEY"


# --- connections ----------------------------------------------------------------------------------


async def test_the_port_is_refused_on_reconnect(trading: Opened, autojump_clock) -> None:
    async with trading("close-after-request") as session:
        session.refusals = 5
        with pytest.raises(OutcomeUnknown):
            await session.buy()
        with pytest.raises((ConnectionLost, NotSent)):
            await session.look()
        await session.api.connected()
        assert session.refusals == 0
        assert (await session.look()).ctid_trader_account_id == HEDGED


async def test_a_silent_server(trading: Opened, autojump_clock) -> None:
    async with trading("silent-server") as session, session.api.events(ProtoOASpotEvent) as spots:
        await session.api.subscribe_spots(**ACCOUNT, symbol_id=[EURUSD])
        before = trio.current_time()
        async for spot in spots:
            if isinstance(spot, Gap):
                break
        assert trio.current_time() - before < 10 + 30 + 2
        assert isinstance(await anext(spots), ProtoOASpotEvent)


# --- what a schema does not know ------------------------------------------------------------------


async def test_an_unknown_payload_type_is_pushed(trading: Opened, autojump_clock) -> None:
    async with trading("unknown-payload") as session:
        async with session.api.events(UnknownPayload) as unknown:
            await session.look()
            event = await anext(unknown)
            assert isinstance(event, UnknownPayload)
            assert event.payload_type == 4242
        await (await session.buy()).filled()


async def test_a_proxy_error_that_answers_and_one_that_does_not(
    trading: Opened, autojump_clock
) -> None:
    async with trading("proxy-error") as session:
        with pytest.raises(ServerError, match="UNKNOWN_ERROR"):
            await session.look()
        await session.look()
    async with (
        trading("proxy-error-unasked") as session,
        session.api.events(ProtoErrorRes) as errors,
    ):
        await session.look()
        event = await anext(errors)
        assert isinstance(event, ProtoErrorRes)
        assert event.error_code == "UNKNOWN_ERROR"


async def test_an_absent_optional_with_a_default_that_is_not_zero(
    trading: Opened, autojump_clock
) -> None:
    async with trading("absent-defaults") as session:
        async with session.api.events(ProtoOAExecutionEvent) as events:
            await session.buy()
            event = await anext(events)
        assert isinstance(event, ProtoOAExecutionEvent)
        assert event.order is not None
        assert event.order.time_in_force is None
        assert event.order.time_in_force_or_default is ProtoOATimeInForce.IMMEDIATE_OR_CANCEL


# --- quotes ---------------------------------------------------------------------------------------


async def test_an_ask_alone_after_a_full_quote(trading: Opened, autojump_clock) -> None:
    async with trading("ask-only-spot") as session, session.api.events(ProtoOASpotEvent) as spots:
        await session.api.subscribe_spots(**ACCOUNT, symbol_id=[EURUSD])
        first = await anext(spots)
        assert isinstance(first, ProtoOASpotEvent)
        assert first.bid is not None
        session.server.broker.set_price("EURUSD", 1.2, 1.20001)
        while True:
            second = await anext(spots)
            assert isinstance(second, ProtoOASpotEvent)
            assert second.bid is None
            if second.ask is not None:
                break


async def test_a_reader_slower_than_the_events(trading: Opened, autojump_clock) -> None:
    async with (
        trading("flood") as session,
        session.api.events(ProtoOASpotEvent, buffer=100) as spots,
        session.api.events(ProtoOAExecutionEvent, buffer=1) as executions,
    ):
        await session.api.subscribe_spots(**ACCOUNT, symbol_id=[EURUSD])
        await trio.sleep(5)
        for _ in range(100):
            assert isinstance(await anext(spots), ProtoOASpotEvent)
        with pytest.raises(SlowSubscriber):
            await anext(spots)
        # Nothing else suffers from it.
        await (await session.buy()).filled()
        kinds = [(await anext(executions)).execution_type for _ in range(2)]
        assert len(kinds) == 2


# --- requests -------------------------------------------------------------------------------------


async def test_a_late_reply_to_a_cancelled_request(trading: Opened, autojump_clock) -> None:
    async with trading("late-reply") as session:
        with trio.move_on_after(1) as scope:
            await session.look()
        assert scope.cancelled_caught
        answers = [await session.look() for _ in range(3)]
        await trio.sleep(40)  # meanwhile the late one comes in, and is nobody's
        assert all(answer == answers[0] for answer in answers)
        assert await session.look() == answers[0]
        session.server.check()


async def test_a_request_made_while_handling_an_event(trading: Opened, autojump_clock) -> None:
    async with trading() as session:
        async with session.api.events(ProtoOAExecutionEvent) as events:
            await session.buy()
            async for event in events:
                assert isinstance(event, ProtoOAExecutionEvent)
                positions = await session.api.reconcile(**ACCOUNT)
                if event.deal is not None:
                    break
        assert len(positions.position) == 1


async def test_a_burst_of_history_delays_no_order(trading: Opened, autojump_clock) -> None:
    async with trading() as session, trio.open_nursery() as nursery:

        async def bars() -> None:
            await session.api.get_trendbars(
                **ACCOUNT,
                symbol_id=EURUSD,
                period=ProtoOATrendbarPeriod.M1,
                count=10,
                to_timestamp=session.server.broker.now_ms,
            )

        for _ in range(50):
            nursery.start_soon(bars)
        await trio.sleep(0.01)
        before = trio.current_time()
        await session.buy()
        assert trio.current_time() - before < 0.5
        assert session.api.limits().historical.queued > 30


# --- frames ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["frame-1-mib", "frame-15-mib", "split-header"])
async def test_frames_that_are_large_or_in_pieces_are_read(
    scenario: str, trading: Opened, autojump_clock
) -> None:
    async with trading(scenario) as session:
        assert (await session.look()).ctid_trader_account_id == HEDGED
        assert session.api.statistics().connections == 1


TRADER_RES = "ProtoOATraderRes"
BROKEN = {
    "17 MiB": Fault(Announce(17 << 20), message=TRADER_RES),
    "length 0": Fault(Announce(0), message=TRADER_RES),
    "negative": Fault(Announce(-1), message=TRADER_RES),
    "half a frame": Fault(Truncate(), message=TRADER_RES),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
async def test_frames_that_are_broken_end_the_link_and_no_more(
    fault: Fault, trading: Opened, autojump_clock
) -> None:
    async with trading(fault) as session:
        with pytest.raises(ConnectionLost):
            await session.look()
        await session.api.connected()
        assert (await session.look()).ctid_trader_account_id == HEDGED
        assert session.api.statistics().connections == 2


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["blocked", "blocked-for-unknown"])
async def test_a_blocked_read_is_asked_again(
    scenario: str, trading: Opened, autojump_clock
) -> None:
    async with trading(scenario) as session:
        before = trio.current_time()
        for _ in range(4):
            await session.look()
        assert trio.current_time() - before >= (2 if scenario == "blocked" else 0.1)
        assert session.asked(ProtoOATraderReq) == 5


# --- sessions -------------------------------------------------------------------------------------


async def test_already_logged_in_at_the_second_authorisation(
    trading: Opened, autojump_clock
) -> None:
    hang_up = SCENARIOS["close-after-request"].faults[0]
    async with trading("already-logged-in", hang_up) as session:
        with pytest.raises(OutcomeUnknown):
            await session.buy()
        await session.api.connected()
        await (await session.buy()).filled()


@pytest.mark.parametrize(
    "scenario", ["client-disconnect", "account-disconnect", "token-invalidated"]
)
async def test_each_disconnect_event_is_healed(
    scenario: str, trading: Opened, autojump_clock
) -> None:
    async with trading(scenario) as session, session.api.events(ProtoOASpotEvent) as spots:
        await session.api.subscribe_spots(**ACCOUNT, symbol_id=[EURUSD])
        authorised = session.asked(ProtoOAAccountAuthReq)
        await session.look()
        await trio.sleep(60)
        assert session.asked(ProtoOAAccountAuthReq) == authorised + 1
        assert session.api.statistics().connections == 1
        await (await session.buy()).filled()
        async for event in spots:
            if isinstance(event, Gap):
                break
        assert isinstance(await anext(spots), ProtoOASpotEvent)


async def test_a_refresh_whose_reply_is_lost(trading: Opened, autojump_clock) -> None:
    async with trading("lost-refresh") as session:
        # The used-up token cannot renew the only account's session, and nobody listens for that:
        # the client ends, and who waits learns why at once.
        with trio.fail_after(10), pytest.raises(ConnectionLost, match="CH_ACCESS_TOKEN") as lost:
            await session.api.refresh_token(refresh_token=REFRESH_TOKEN)
        assert lost.value.maybe_delivered
        with pytest.raises(ConnectionLost, match="CH_ACCESS_TOKEN_INVALID"):
            await session.api.refresh_token(refresh_token=REFRESH_TOKEN)


# --- certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["tls", "wss", "json-wss"])
async def test_an_untrusted_certificate(door: str) -> None:
    wire = WIRES[{"tls": "tcp", "wss": "ws", "json-wss": "json-ws"}[door]]
    async with mock_server(Box(), wires=[door]) as server:
        host, port = server.address
        with pytest.raises(CertificateRefused):
            async with connect(host, port, wire=wire):
                raise AssertionError("it was trusted")
        assert server.received(ProtoOAVersionReq) == []
        async with connect(host, port, wire=wire, ssl_context=server.client_ssl_context()) as api:
            await api.version()
