"""`api.place()`: client, link and server, on every wire and against the simulated broker."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    ConnectionLost,
    Journal,
    JournalInUse,
    NotSent,
    OpenOrder,
    OrderError,
    OrderStatus,
    OutcomeUnknown,
    ProtoOAAccountAuthReq,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOAPositionStatus,
    ProtoOAReconcileReq,
    ProtoOATimeInForce,
    ProtoOATradeSide,
    Reconnect,
    connect_over,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.market.prices import TickList
from mockserver.broker.rules import Liquidity
from mockserver.composition import mock_server
from mockserver.faults.effects import HangUp
from mockserver.faults.plan import Fault, Plan
from mockserver.server.server import MockServer
from tests.support.trading import ACCEPTED, FILLED, deal, execution, new_order, position

EURUSD, STEP = 1, 100_000
KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}


# --- on every wire ---


async def test_an_order_over_the_wire(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:

        async def serve() -> None:
            number = await peer.expect(ProtoOANewOrderReq)
            await peer.send(execution(ACCEPTED), to=number)
            await trio.sleep(0.05)  # every client in the field misses what comes now
            done = execution(FILLED, executed_volume=100, at=position(), of=deal(1))
            await peer.send(done, to=number)

        nursery.start_soon(serve)
        async with api.events(ProtoOAExecutionEvent) as events:
            order = await api.place(new_order())
            assert order.status is OrderStatus.ACCEPTED
            assert (await order.filled()).average_price == 1.5
            kinds = [(await anext(events)).execution_type for _ in range(2)]
        assert kinds == [ACCEPTED, FILLED]  # the streams have them too


async def test_a_server_that_is_gone_after_the_write(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:

        async def serve() -> None:
            await peer.expect(ProtoOANewOrderReq)
            await peer.stream.aclose()

        nursery.start_soon(serve)
        with trio.fail_after(1), pytest.raises(OutcomeUnknown) as caught:
            await api.place(new_order())
        with pytest.raises(OutcomeUnknown):
            await caught.value.order.resolved()  # there is no reconnect
        with pytest.raises(NotSent):
            await api.place(new_order())


async def test_what_place_raises_is_bare(play, autojump_clock) -> None:
    async with play() as (api, peer):
        await peer.stream.aclose()
        with suppress(ConnectionLost):
            await api.version()
        with pytest.raises(NotSent) as caught:
            await api.place(new_order())
        assert not caught.value.maybe_delivered


# --- against the simulated broker ---


@pytest.fixture
def broker() -> Broker:
    broker = Broker(prices=TickList.still([(EURUSD, 108_450, 108_460)]))
    broker.open_account(HEDGED, deposit=10_000)
    return broker


def served(broker: Broker, *faults: Fault) -> Any:
    box = Box(broker, standard_credentials(broker))
    return mock_server(box, port=None, faults=Plan(faults) if faults else None)


def traded(server: MockServer, **options: Any) -> Any:
    return connect_over(server.memory_client(), **options)


def order(**fields: Any) -> ProtoOANewOrderReq:
    given: dict[str, Any] = {
        "ctid_trader_account_id": HEDGED,
        "symbol_id": EURUSD,
        "order_type": ProtoOAOrderType.MARKET,
        "trade_side": ProtoOATradeSide.BUY,
        "volume": 3 * STEP,
    }
    return ProtoOANewOrderReq(**(given | fields))


def limit(**fields: Any) -> ProtoOANewOrderReq:
    given = {"order_type": ProtoOAOrderType.LIMIT, "limit_price": 1.08}
    return order(**(given | fields))


async def test_a_position_from_its_order_to_its_close(broker: Broker, autojump_clock) -> None:
    async with served(broker) as server, traded(server) as api:
        await api.auth(**KEYS)
        opened = await api.place(order(relative_stop_loss=20_000))
        fill = await opened.filled()
        assert (fill.volume, fill.average_price) == (3 * STEP, 1.0846)
        assert [e.status async for e in opened.events][-1] is OrderStatus.FILLED
        assert opened.position.stop_loss == 0.8846
        amended = await api.place(
            ProtoOAAmendPositionSLTPReq(
                ctid_trader_account_id=HEDGED, position_id=opened.position_id, stop_loss=1.0
            )
        )
        assert (amended.status, amended.position.stop_loss) == (OrderStatus.REPLACED, 1.0)
        part = await api.place(
            ProtoOAClosePositionReq(
                ctid_trader_account_id=HEDGED, position_id=opened.position_id, volume=STEP
            )
        )
        assert (await part.filled()).volume == STEP
        assert not part.position_closed
        whole = await api.place(
            ProtoOAClosePositionReq(
                ctid_trader_account_id=HEDGED, position_id=opened.position_id, volume=2 * STEP
            )
        )
        await whole.filled()
        created = ProtoOAPositionStatus.POSITION_STATUS_CREATED
        assert (whole.position.position_status, whole.position_closed) == (created, True)
        async for _ in whole.events:
            pass
        assert whole.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_CLOSED
        assert list(api.orders) == []


async def test_a_pending_order_amended_and_filled_in_parts(broker, autojump_clock) -> None:
    async with served(broker) as server, traded(server) as api:
        await api.auth(**KEYS)
        pending = await api.place(limit())
        terms = {"ctid_trader_account_id": HEDGED, "order_id": pending.order_id}
        await api.place(ProtoOAAmendOrderReq(**terms, limit_price=1.07, volume=4 * STEP))
        assert (pending.order.limit_price, pending.remaining_volume) == (1.07, 4 * STEP)
        broker.set_liquidity(EURUSD, Liquidity(per_deal=STEP))
        broker.set_price(EURUSD, 1.0699, 1.07)
        fill = await pending.filled()
        assert (fill.volume, fill.average_price, len(fill.deals)) == (4 * STEP, 1.07, 4)
        statuses = [event.status async for event in pending.events]
        assert statuses.count(OrderStatus.PARTIALLY_FILLED) == 3


async def test_ends_of_pending_orders(broker: Broker, autojump_clock) -> None:
    async with served(broker) as server, traded(server) as api:
        await api.auth(**KEYS)
        cancelled = await api.place(limit())
        cancellation = await api.place(
            ProtoOACancelOrderReq(ctid_trader_account_id=HEDGED, order_id=cancelled.order_id)
        )
        assert cancelled.status is cancellation.status is OrderStatus.CANCELLED
        expiring = await api.place(
            limit(
                time_in_force=ProtoOATimeInForce.GOOD_TILL_DATE,
                expiration_timestamp=broker.now_ms + 60_000,
            )
        )
        last = [event.status async for event in expiring.events][-1]
        assert last is expiring.status is OrderStatus.EXPIRED
        with pytest.raises(OrderError, match="ORDER_NOT_FOUND") as caught:
            await api.place(
                ProtoOACancelOrderReq(ctid_trader_account_id=HEDGED, order_id=expiring.order_id)
            )
        assert caught.value.order_id == expiring.order_id


async def test_a_stranger_in_the_same_account(broker: Broker, autojump_clock) -> None:
    """Another session closes what ours opened and orders under our clientOrderId: nothing moves."""
    async with served(broker) as server, traded(server) as api, traded(server) as stranger:
        await api.auth(**KEYS)
        await stranger.auth(**KEYS)
        ours = await api.place(limit(client_order_id="same"))
        theirs = await stranger.place(limit(client_order_id="same"))
        await stranger.place(
            ProtoOACancelOrderReq(ctid_trader_account_id=HEDGED, order_id=theirs.order_id)
        )
        await wait_all_tasks_blocked()
        assert (ours.status, theirs.status) == (OrderStatus.ACCEPTED, OrderStatus.CANCELLED)
        assert ours.order_id != theirs.order_id


async def test_a_server_that_hangs_up_instead_of_answering(broker, autojump_clock) -> None:
    unheard = Fault(HangUp(), message="ProtoOAExecutionEvent")
    async with served(broker, unheard) as server, traded(server) as api:
        await api.auth(**KEYS)
        with trio.fail_after(1), pytest.raises(OutcomeUnknown):
            await api.place(order())
    assert len(broker.account(HEDGED).orders) == 1


async def test_a_lost_connection_is_replaced_and_the_order_found(broker, autojump_clock) -> None:
    """The answer is lost with the connection; the order fills while there is none."""
    unheard = Fault(HangUp(), message="ProtoOAExecutionEvent")
    async with served(broker, unheard) as server:

        async def dial() -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            return server.memory_client()

        async with connect_over(dial, reconnect=Reconnect()) as api:
            await api.auth(**KEYS)
            with pytest.raises(OutcomeUnknown) as caught:
                await api.place(order(relative_stop_loss=20_000))
            found = caught.value.order
            with pytest.raises(NotSent):
                await api.place(order())
            with trio.fail_after(20):
                await found.resolved()
                assert (await found.filled()).average_price == 1.0846
                statuses = [event.status async for event in found.events]
            assert statuses[0] is OrderStatus.UNKNOWN
            assert statuses[-1] is OrderStatus.FILLED
    assert len([o for o in broker.account(HEDGED).orders.values() if not o.protective]) == 1


async def test_the_next_process_finds_out(broker: Broker, tmp_path, autojump_clock) -> None:
    path = tmp_path / "orders.jsonl"
    unheard = Fault(HangUp(), message="ProtoOAExecutionEvent", nth=2)
    async with served(broker, unheard) as server:
        async with traded(server, journal=path) as api:
            await api.auth(**KEYS)
            first = await api.place(limit())
            with pytest.raises(OutcomeUnknown) as caught:
                await api.place(order())
            with pytest.raises(JournalInUse):
                async with traded(server, journal=path):
                    pass
        async with traded(server, journal=path) as api:
            left = list(api.orders)
            assert [o.key for o in left] == [first.key, caught.value.order.key]
            assert [o.status for o in left] == [OrderStatus.UNKNOWN] * 2
            await api.auth(**KEYS)
            with trio.fail_after(20):
                statuses = [await o.resolved() for o in left]
            assert statuses == [OrderStatus.ACCEPTED] * 2  # at that moment; then it goes on
            assert (await left[1].filled()).average_price == 1.0846
            assert set(api.orders) == set(left)  # the settled one too, for a while
    assert len(broker.account(HEDGED).orders) == 2


async def test_an_account_authorised_before_is_asked_about_as_well(
    play, tmp_path, autojump_clock
) -> None:
    """ALREADY_LOGGED_IN instead of ProtoOAAccountAuthRes."""
    path = tmp_path / "orders.jsonl"
    with Journal(path) as journal:
        journal.opened(OpenOrder("k", order(client_order_id="k"), 0, None))
    async with play(journal=path) as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(lambda: api.auth(**KEYS))
        await peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())
        already = ProtoOAErrorRes(error_code="ALREADY_LOGGED_IN")
        await peer.answer(ProtoOAAccountAuthReq, already)
        await peer.expect(ProtoOAReconcileReq)
