"""A link in virtual time: heartbeats, silence, shutdown, and all the ways in which it can end."""

import contextlib
import logging
import struct
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from ctrader_typed import (
    BadPayload,
    ConnectionLost,
    CTraderError,
    DecodeError,
    Message,
    ProtoHeartbeatEvent,
    ProtoMessage,
    ProtoOAErrorRes,
    ProtoOASpotEvent,
    ProtoOASymbolsListRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    ServerError,
    UnexpectedReply,
    UnknownPayload,
    connect_over,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.protocol.rate_limits import NO_LIMITS
from ctrader_typed.wire.connection import Connection

VERSION = ProtoOAVersionRes(version="91")
SPOT = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=1)
FOREVER = 1e9


def unknown_frame(payload_type: int, payload: bytes, client_msg_id: bytes = b"") -> bytes:
    data = bytes((0x08, payload_type & 127 | 128, payload_type >> 7, 0x12, len(payload))) + payload
    if client_msg_id:
        data += bytes((0x1A, len(client_msg_id))) + client_msg_id
    return struct.pack("!I", len(data)) + data


# --- requests ---


async def test_a_request_and_its_answer(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, ProtoOAVersionReq, VERSION)
        assert await api.version() == VERSION


async def test_many_requests_at_once_answered_in_another_order(play, autojump_clock) -> None:
    got = {}

    async def ask(api, account: int) -> None:
        got[account] = await api.symbols_list(ctid_trader_account_id=account)

    async with play() as (api, peer), trio.open_nursery() as nursery:
        for account in range(20):
            nursery.start_soon(ask, api, account)
        asked = [await peer.next() for _ in range(20)]
        for event in reversed(asked):
            account = event.message.ctid_trader_account_id
            reply = ProtoOASymbolsListRes(ctid_trader_account_id=account)
            await peer.send(reply, to=event.client_msg_id)
    assert {account: reply.ctid_trader_account_id for account, reply in got.items()} == {
        account: account for account in range(20)
    }


async def test_a_refusal_leaves_the_link_alone(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:
        refusal = ProtoOAErrorRes(error_code="INVALID_REQUEST", description="no")
        nursery.start_soon(peer.answer, ProtoOAVersionReq, refusal)
        with pytest.raises(ServerError, match="INVALID_REQUEST: no"):
            await api.version()
        nursery.start_soon(peer.answer, ProtoOAVersionReq, VERSION)
        assert await api.version() == VERSION


async def test_an_answer_of_the_wrong_type_leaves_the_link_alone(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, ProtoOAVersionReq, SPOT)
        with pytest.raises(UnexpectedReply):
            await api.version()
        nursery.start_soon(peer.answer, ProtoOAVersionReq, VERSION)
        assert await api.version() == VERSION


async def test_an_answer_that_cannot_be_read_leaves_the_link_alone(
    play_tcp, autojump_clock
) -> None:
    async def answer_badly(peer) -> None:
        ident = await peer.expect(ProtoOAVersionReq)
        await peer.stream.send_all(unknown_frame(2105, b"\x12\x05", ident.encode()))

    async with play_tcp() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(answer_badly, peer)
        with pytest.raises(DecodeError, match="ProtoOAVersionRes"):
            await api.version()
        nursery.start_soon(peer.answer, ProtoOAVersionReq, VERSION)
        assert await api.version() == VERSION


async def test_a_request_made_while_handling_an_event(play, autojump_clock) -> None:
    async with (
        play() as (api, peer),
        trio.open_nursery() as nursery,
        api.events(ProtoOASpotEvent) as spots,
    ):
        await peer.send(SPOT, SPOT)
        nursery.start_soon(peer.answer, ProtoOAVersionReq, VERSION)
        async for _ in spots:
            assert await api.version() == VERSION
            break
        assert await anext(spots) == SPOT


async def test_half_frames_however_slow(play_tcp, autojump_clock) -> None:
    async def answer_byte_by_byte(peer) -> None:
        ident = await peer.expect(ProtoOAVersionReq)
        for byte in peer.wire.send(VERSION, ident):
            await peer.stream.send_all(bytes((byte,)))
            await trio.sleep(1)

    async with play_tcp() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(answer_byte_by_byte, peer)
        assert await api.version() == VERSION


# --- payloads that we cannot read ---


async def test_unreadable_payloads_are_events_logged_once_by_number(
    play_tcp, autojump_clock, caplog
) -> None:
    secret = b"\x12\x0fnot-for-any-log"
    async with (
        play_tcp() as (api, peer),
        api.events(UnknownPayload, BadPayload, ProtoOASpotEvent) as events,
    ):
        await peer.stream.send_all(
            unknown_frame(2999, secret) * 2
            + unknown_frame(2131, secret[:-1])
            + peer.wire.send(SPOT)
        )
        got = [await anext(events) for _ in range(4)]
    assert [type(event) for event in got] == [
        UnknownPayload,
        UnknownPayload,
        BadPayload,
        ProtoOASpotEvent,
    ]
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [
        "unknown payload of type 2999, passed on as an event",
        "undecodable payload of type 2131, passed on as an event",
    ]
    assert "not-for" not in caplog.text


# --- heartbeats ---


async def heartbeat_times(peer, seconds: float) -> list[float]:
    times = []
    with trio.move_on_after(seconds):
        while (event := await peer.next()) is not None:
            if isinstance(event.message, ProtoHeartbeatEvent):
                assert event.client_msg_id is None
                times.append(trio.current_time())
            else:
                await peer.send(VERSION, to=event.client_msg_id)
    return times


async def test_heartbeats_leave_at_most_ten_seconds_apart(play, autojump_clock) -> None:
    async with play() as (_, peer):
        start = trio.current_time()
        times = await heartbeat_times(peer, 600)
    gaps = [after - before for before, after in pairwise([start, *times])]
    assert len(gaps) >= 60
    assert max(gaps) <= 10


async def test_heartbeats_leave_whatever_else_the_client_does(play, autojump_clock) -> None:
    async def ask_all_the_time(api) -> None:
        while True:
            await api.version()
            await trio.sleep(0.5)

    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(ask_all_the_time, api)
        times = await heartbeat_times(peer, 100)
        nursery.cancel_scope.cancel()
    assert len(times) >= 10
    assert max(after - before for before, after in pairwise(times)) <= 10


async def test_the_interval_can_be_set(play, autojump_clock) -> None:
    async with play(heartbeat_interval=2.5) as (_, peer):
        start = trio.current_time()
        times = await heartbeat_times(peer, 11)
    assert [time - start for time in times] == pytest.approx([2.5, 5, 7.5, 10])


async def test_a_heartbeat_overtakes_requests_that_wait_behind_a_stalled_send(
    autojump_clock,
) -> None:
    ours, theirs = memory_stream_pair()
    sent: list[bytes] = []
    send_all = ours.send_all

    async def slow_send_all(data: bytes) -> None:
        await trio.sleep(12)
        sent.append(data)
        await send_all(data)

    ours.send_all = slow_send_all
    async with connect_over(ours) as api, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(api.version)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert len(sent) == 2
    assert sent[1] == bytes.fromhex("0000000408331200")
    await theirs.aclose()


# --- silence ---


async def test_a_silent_link_is_given_up_within_thirty_seconds(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.drain)
        start = trio.current_time()
        async with api.events(Message) as events:
            with pytest.raises(ConnectionLost, match="no byte from the server for 30 s"):
                await anext(events)
        assert trio.current_time() - start == pytest.approx(30)
        with pytest.raises(ConnectionLost, match="no byte"):
            await api.version()


async def test_the_limit_can_be_set(play, autojump_clock) -> None:
    async with play(silence_limit=3) as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.drain)
        start = trio.current_time()
        async with api.events(Message) as events:
            with pytest.raises(ConnectionLost, match="no byte from the server for 3 s"):
                await anext(events)
        assert trio.current_time() - start == pytest.approx(3)


async def test_a_server_that_only_answers_questions_keeps_its_link(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery, api.events(Message) as events:
        await heartbeat_times(peer, 3610)  # it answers ProtoOAVersionReq
        nursery.start_soon(peer.answer, ProtoOAVersionReq, VERSION)
        assert await api.version() == VERSION
        with trio.move_on_after(1) as waited:
            await anext(events)
        assert waited.cancelled_caught  # our own questions and their answers are nobody's events


async def test_a_server_that_sends_only_heartbeats_keeps_its_link(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.drain)
        for _ in range(100):
            await trio.sleep(29)
            await peer.send(ProtoHeartbeatEvent())
        nursery.cancel_scope.cancel()
    assert api is not None


async def test_a_single_byte_is_a_sign_of_life(play_tcp, autojump_clock) -> None:
    async with play_tcp() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.drain)
        start = trio.current_time()
        await trio.sleep(19)
        await peer.stream.send_all(b"\x00")
        async with api.events(Message) as events:
            with pytest.raises(ConnectionLost):
                await anext(events)
        assert trio.current_time() - start == pytest.approx(49)


async def test_a_peer_that_takes_nothing_is_given_up(autojump_clock) -> None:
    ours, theirs = memory_stream_pair()

    async def send_all(data: bytes) -> None:
        await trio.sleep(FOREVER)

    ours.send_all = send_all
    async with connect_over(ours) as api, trio.open_nursery() as nursery:

        async def chatter() -> None:
            while True:
                await theirs.send_all(bytes.fromhex("0000000408331200"))
                await trio.sleep(1)

        nursery.start_soon(chatter)
        with pytest.raises(ConnectionLost, match="has taken no bytes for 30 s") as caught:
            await api.version()
        assert caught.value.maybe_delivered
        nursery.cancel_scope.cancel()


# --- the end ---


async def pending(api, errors: list[ConnectionLost]) -> None:
    with pytest.raises(ConnectionLost) as caught:
        await api.version()
    errors.append(caught.value)


async def test_the_server_closes(play, autojump_clock) -> None:
    errors: list[ConnectionLost] = []
    async with play() as (api, peer), trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(pending, api, errors)
        for _ in range(3):
            await peer.expect(ProtoOAVersionReq)
        start = trio.current_time()
        await peer.stream.aclose()
        await wait_all_tasks_blocked()
        assert [error.maybe_delivered for error in errors] == [True] * 3
        assert trio.current_time() == start
        with pytest.raises(ConnectionLost, match="the server closed the connection") as caught:
            await api.version()
        assert not caught.value.maybe_delivered


async def test_what_was_never_written_was_not_delivered(autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    stuck = trio.Event()

    async def send_all(data: bytes) -> None:
        await stuck.wait()

    ours.send_all = send_all
    errors: list[ConnectionLost] = []
    async with connect_over(ours) as api, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(pending, api, errors)
        await wait_all_tasks_blocked()
        await theirs.aclose()
    assert sorted(error.maybe_delivered for error in errors) == [False, False, True]


async def test_requests_that_wait_are_written_together_after_the_first(autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    writes: list[int] = []
    send_all, reader = ours.send_all, Connection(SCHEMA)

    async def counting(data: bytes) -> None:
        writes.append(len(reader.receive_data(bytes(data))))
        await send_all(data)

    ours.send_all = counting
    errors: list[ConnectionLost] = []
    async with connect_over(ours, limits=NO_LIMITS) as api, trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(pending, api, errors)
        await wait_all_tasks_blocked()
        assert writes == [1, 29]
        nursery.start_soon(pending, api, errors)
        await wait_all_tasks_blocked()
        assert writes == [1, 29, 1]
        await theirs.aclose()
    assert all(error.maybe_delivered for error in errors)
    assert len(errors) == 31


@pytest.mark.parametrize("size", [1, 4, 6])
async def test_the_stream_ends_inside_a_frame(play_tcp, autojump_clock, size: int) -> None:
    async with play_tcp() as (api, peer), api.events(ProtoOASpotEvent) as spots:
        await peer.stream.send_all(peer.wire.send(SPOT) + peer.wire.send(SPOT)[:size])
        await peer.stream.aclose()
        assert await anext(spots) == SPOT
        with pytest.raises(ConnectionLost, match="the stream ended after"):
            await anext(spots)


@pytest.mark.parametrize("broken", [bytes(4), b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\x08"])
async def test_broken_frames_end_the_link_after_what_precedes_them(
    play_tcp, autojump_clock, broken: bytes
) -> None:
    errors: list[ConnectionLost] = []
    async with play_tcp() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(pending, api, errors)
        await peer.expect(ProtoOAVersionReq)
        async with api.events(ProtoOASpotEvent) as spots:
            await peer.stream.send_all(peer.wire.send(SPOT) + broken)
            assert await anext(spots) == SPOT
            with pytest.raises(ConnectionLost, match="a frame of"):
                await anext(spots)
        assert await peer.next() is None  # we hang up
    assert errors[0].maybe_delivered


async def test_a_transport_that_breaks(autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    broken = trio.Event()

    async def receive_some(max_bytes: int | None = None) -> bytes:
        await broken.wait()
        raise trio.BrokenResourceError from ConnectionResetError("reset by peer")

    ours.receive_some = receive_some
    errors: list[ConnectionLost] = []
    async with connect_over(ours) as api, trio.open_nursery() as nursery:
        nursery.start_soon(pending, api, errors)
        await wait_all_tasks_blocked()
        broken.set()
    assert str(errors[0]).startswith("the connection broke: reset by peer; the request was sent")
    await theirs.aclose()


async def test_the_block_is_not_disturbed_when_the_link_ends(play, autojump_clock) -> None:
    async with play() as (api, peer):
        await peer.stream.aclose()
        await trio.sleep(100)
    with pytest.raises(ConnectionLost):
        await api.version()


async def test_after_the_block_the_client_is_closed(play, autojump_clock) -> None:
    async with play() as (api, peer):
        stream = api.events(ProtoOASpotEvent)
    assert await peer.next() is None
    with pytest.raises(ConnectionLost, match="closed by this client") as caught:
        await api.version()
    assert not caught.value.maybe_delivered
    async with stream:
        with pytest.raises(ConnectionLost, match="closed by this client"):
            await anext(stream)


async def test_asking_again_and_again_after_the_end_does_not_stop_the_world(
    play, autojump_clock
) -> None:
    async with play() as (api, _):
        pass
    with trio.move_on_after(5) as limit:
        while True:
            with pytest.raises(ConnectionLost):
                await api.version()
            await trio.sleep(0.1)
    assert limit.cancelled_caught


class Stalled(trio.abc.Stream):
    """A peer that takes nothing, sends nothing and does not let go."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.sleep(FOREVER)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.sleep(FOREVER)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.sleep(FOREVER)
        return b""

    async def aclose(self) -> None:
        await trio.sleep(FOREVER)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_shutdown_takes_at_most_two_seconds_with_a_stalled_peer(
    autojump_clock, cancelled: bool
) -> None:
    start = trio.current_time()
    with trio.CancelScope() as scope:
        async with connect_over(Stalled()) as api, trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(api.version)
            await wait_all_tasks_blocked()
            if cancelled:
                scope.cancel()
            nursery.cancel_scope.cancel()
    assert trio.current_time() - start <= 2


async def test_no_task_outlives_the_block(play, autojump_clock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    for _ in range(10):
        async with play():
            pass
    assert trio.lowlevel.current_statistics().tasks_living == before


# --- whatever the server sends ---

fragments = st.one_of(
    st.binary(min_size=1, max_size=30),
    st.builds(
        unknown_frame,
        st.sampled_from([50, 51, 2103, 2105, 2126, 2131, 2132, 2142, 2999]),
        st.binary(max_size=60),
        st.sampled_from([b"", b"foreign"]),
    ),
)


@given(st.lists(fragments, max_size=8))
def test_whatever_arrives_a_request_ends_and_nothing_else_escapes(arriving: list[bytes]) -> None:
    async def main() -> None:
        ours, theirs = memory_stream_pair()
        async with connect_over(ours) as api, trio.open_nursery() as nursery:
            nursery.start_soon(pending, api, [])
            async with api.events(Message, UnknownPayload, BadPayload):
                for fragment in arriving:
                    with contextlib.suppress(trio.BrokenResourceError):  # it hung up on us
                        await theirs.send_all(fragment)
                await theirs.aclose()

    trio.run(main)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x08\x02",
        b"\xff" * 9,
        bytes(ProtoOAErrorRes(error_code="")),
        bytes(SPOT),
    ],
)
@pytest.mark.parametrize("payload_type", [50, 51, 2105, 2126, 2131, 2132, 2142, 2999, 65535])
async def test_whatever_answers_a_request_ends_it(
    play_tcp, autojump_clock, payload_type: int, reply: bytes
) -> None:
    async def answer(peer) -> None:
        ident = await peer.expect(ProtoOAVersionReq)
        envelope = ProtoMessage(payload_type=payload_type, payload=reply, client_msg_id=ident)
        data = bytes(envelope)
        await peer.stream.send_all(struct.pack("!I", len(data)) + data)

    async with play_tcp() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(answer, peer)
        with trio.fail_after(5), contextlib.suppress(CTraderError):
            assert isinstance(await api.version(), ProtoOAVersionRes)
        nursery.start_soon(peer.answer, ProtoOAVersionReq, VERSION)
        assert await api.version() == VERSION
