"""What cancelling does at each await, and how exceptions leave."""

from typing import Any

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from ctrader_typed import (
    InvalidValue,
    OrderError,
    ProtoOACancelOrderReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    ServerError,
    connect_over,
)
from ctrader_typed.client import connecting
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection

REFUSAL = ProtoOAErrorRes(error_code="INVALID_REQUEST")
VERSION = ProtoOAVersionRes(version="91")
SPOT = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=1)
ACCEPTED = ProtoOAExecutionEvent(
    ctid_trader_account_id=1, execution_type=ProtoOAExecutionType.ORDER_ACCEPTED
)
FILLED = ProtoOAExecutionEvent(
    ctid_trader_account_id=1, execution_type=ProtoOAExecutionType.ORDER_FILLED
)


def cancel_order(api, order_id: int = 7):
    return api.cancel_order(ctid_trader_account_id=1, order_id=order_id)


async def test_cancelled_before_it_starts_not_one_byte_leaves(play, autojump_clock) -> None:
    async with play() as (api, peer):
        with trio.CancelScope() as scope:
            scope.cancel()
            await api.version()
        await trio.sleep(1)
    assert await peer.next() is None


async def test_cancelled_while_queued_not_one_byte_leaves(autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    gate = trio.Event()
    sent: list[bytes] = []

    async def send_all(data: bytes) -> None:
        await gate.wait()
        sent.append(data)

    ours.send_all = send_all
    async with connect_over(ours) as api, trio.open_nursery() as nursery:
        nursery.start_soon(api.version)
        await wait_all_tasks_blocked()  # the first is in the writer's hands
        with trio.move_on_after(1):
            await api.version()
        gate.set()
        await trio.sleep(1)
        assert len(sent) == 1
        nursery.cancel_scope.cancel()
    await theirs.aclose()


async def test_a_users_cancel_scope_never_cuts_a_frame(autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    sent: list[bytes] = []

    async def send_all(data: bytes) -> None:
        for byte in data:
            await trio.sleep(0.1)
            sent.append(bytes((byte,)))

    ours.send_all = send_all
    async with connect_over(ours) as api:
        with trio.move_on_after(0.35) as scope:
            await api.version()
        assert scope.cancelled_caught
        assert len(sent) == 3
        await trio.sleep(5)
    whole = b"".join(sent)
    assert len(whole) == 4 + int.from_bytes(whole[:4], "big")
    await theirs.aclose()


async def test_the_late_answer_to_a_cancelled_request_is_swallowed(play, autojump_clock) -> None:
    async with (
        play() as (api, peer),
        trio.open_nursery() as nursery,
        api.events(ProtoOAVersionRes, ProtoOASpotEvent) as events,
    ):
        with trio.move_on_after(1):
            await api.version()
        late = await peer.expect(ProtoOAVersionReq)
        nursery.start_soon(api.version)
        fresh = await peer.expect(ProtoOAVersionReq)
        assert fresh != late
        await peer.send(ProtoOAVersionRes(version="late"), to=late)
        await peer.send(VERSION, to=fresh)
        await peer.send(SPOT)
        assert await anext(events) == SPOT


async def test_the_fate_of_a_cancelled_order_still_comes_as_events(play, autojump_clock) -> None:
    async with (
        play() as (api, peer),
        api.events(ProtoOAExecutionEvent, ProtoOAOrderErrorEvent) as tracked_orders,
    ):
        for _ in range(2):
            with trio.move_on_after(1):
                await cancel_order(api)
        first = await peer.expect(ProtoOACancelOrderReq)
        second = await peer.expect(ProtoOACancelOrderReq)
        refused = ProtoOAOrderErrorEvent(ctid_trader_account_id=1, error_code="X")
        await peer.send(ACCEPTED, FILLED, to=first)
        await peer.send(refused, to=second)
        assert [await anext(tracked_orders) for _ in range(3)] == [ACCEPTED, FILLED, refused]


async def test_an_order_is_answered_by_the_first_event_and_the_rest_are_events(
    play, autojump_clock
) -> None:
    async with (
        play() as (api, peer),
        trio.open_nursery() as nursery,
        api.events(ProtoOAExecutionEvent) as tracked_orders,
    ):

        async def serve() -> None:
            ident = await peer.expect(ProtoOACancelOrderReq)
            await peer.send(ACCEPTED, to=ident)
            await trio.sleep(0.13)
            await peer.send(FILLED, to=ident)

        nursery.start_soon(serve)
        assert await cancel_order(api) == ACCEPTED
        assert [await anext(tracked_orders), await anext(tracked_orders)] == [ACCEPTED, FILLED]


async def test_a_rejected_order_is_raised_and_is_an_event(play, autojump_clock) -> None:
    refused = ProtoOAOrderErrorEvent(ctid_trader_account_id=1, error_code="ORDER_NOT_FOUND")
    async with (
        play() as (api, peer),
        trio.open_nursery() as nursery,
        api.events(ProtoOAOrderErrorEvent) as tracked_orders,
    ):
        nursery.start_soon(peer.answer, ProtoOACancelOrderReq, refused)
        with pytest.raises(OrderError) as caught:
            await cancel_order(api)
        assert (caught.value.code, caught.value.order_id) == ("ORDER_NOT_FOUND", 7)
        assert await anext(tracked_orders) == refused


async def test_waiting_for_an_event_can_be_cancelled_and_loses_none(play, autojump_clock) -> None:
    async with play() as (api, peer), api.events(ProtoOASpotEvent) as spots:
        for _ in range(5):
            with trio.move_on_after(1) as scope:
                await anext(spots)
            assert scope.cancelled_caught
        await peer.send(SPOT)
        assert await anext(spots) == SPOT


async def test_an_event_that_comes_as_the_wait_is_cancelled_is_kept(play, autojump_clock) -> None:
    async with play() as (api, peer), api.events(ProtoOASpotEvent) as spots:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(anext, spots)
                await wait_all_tasks_blocked()
                scope.cancel()
                with trio.CancelScope(shield=True):
                    await peer.send(SPOT)
        assert await anext(spots) == SPOT


# --- how exceptions leave ---


class Boom(Exception):
    """The user's own."""


async def test_what_the_block_raises_leaves_bare(play, autojump_clock) -> None:
    boom = Boom()
    with pytest.raises(Boom) as caught:
        async with play():
            raise boom
    assert caught.value is boom


async def test_a_group_that_the_block_raises_leaves_as_it_is(play, autojump_clock) -> None:
    group = ExceptionGroup("mine", [Boom()])
    with pytest.raises(ExceptionGroup) as caught:
        async with play():
            raise group
    assert caught.value is group


async def test_a_refusal_leaves_the_block_bare(autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    peer = Connection(SCHEMA)

    async def refuse() -> None:
        (event,) = peer.receive_data(bytes(await theirs.receive_some()))
        await theirs.send_all(peer.send(REFUSAL, event.client_msg_id))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse)
        with pytest.raises(ServerError, match="INVALID_REQUEST"):
            await ask_for_the_version(ours)


async def ask_for_the_version(stream: trio.abc.Stream) -> None:
    async with connect_over(stream) as api:
        await api.version()


async def cancel_and_raise(play: Any, scope: trio.CancelScope) -> None:
    async with play():
        scope.cancel()
        raise Boom


async def test_an_exception_is_not_lost_when_a_scope_around_is_cancelled_too(
    play, autojump_clock
) -> None:
    with trio.CancelScope() as scope, pytest.raises(Boom):
        await cancel_and_raise(play, scope)


async def test_cancelling_around_the_block_ends_it(play, autojump_clock) -> None:
    with trio.move_on_after(1) as scope:
        async with play():
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_nonsensical_setting_is_refused_before_the_stream_is_touched() -> None:
    ours, theirs = memory_stream_pair()
    with pytest.raises(InvalidValue, match=r"heartbeat_interval = 0 .* more than 0"):
        connect_over(ours, heartbeat_interval=0)
    await ours.send_all(b"x")
    assert await theirs.receive_some() == b"x"


async def test_a_link_that_cannot_be_made_closes_the_stream(monkeypatch, autojump_clock) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Boom

    monkeypatch.setattr(connecting, "Link", fail)
    ours, theirs = memory_stream_pair()
    with pytest.raises(Boom):
        async with connect_over(ours):
            pass
    assert await theirs.receive_some() == b""
