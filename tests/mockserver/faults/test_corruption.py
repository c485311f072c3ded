"""Frames made wrong on each wire: what a WebSocket, or who is on it, makes of them."""

from __future__ import annotations

import json

import pytest
import trio
from trio_websocket import wrap_client_stream
from wsproto.frame_protocol import FrameProtocol, ParseFailed

from ctrader_typed import connect_over
from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.proto import SCHEMA, ProtoOAVersionReq, ProtoOAVersionRes
from ctrader_typed.wire.connection import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    PROTOBUF_WEBSOCKET,
    WIRES,
    Connection,
    Wire,
)
from ctrader_typed.wire.envelope import Envelope
from mockserver.box import Box
from mockserver.composition import mock_server
from mockserver.faults.corruption import announced, corrupted, inflated, truncated
from mockserver.faults.effects import Throttle
from mockserver.faults.plan import Fault, Plan
from mockserver.handler import Send
from mockserver.server.encoding import frame
from mockserver.server.endpoints import ENDPOINTS
from mockserver.server.server import ConnectionLimits

ANSWER = ProtoOAVersionRes(version="91")
WEBSOCKETS = (PROTOBUF_WEBSOCKET, JSON_WEBSOCKET)

each_wire = pytest.mark.parametrize("wire", WIRES, ids=repr)
each_websocket = pytest.mark.parametrize("wire", WEBSOCKETS, ids=repr)


def framed(wire: Wire) -> bytes:
    return frame(SCHEMA, Send(ANSWER, "7"), wire)


@each_wire
def test_a_corrupt_last_byte_is_a_broken_message(wire: Wire) -> None:
    mangled = corrupted(wire, framed(wire), -1)
    assert not mangled.beneath
    assert len(mangled.data) == len(framed(wire))
    try:
        (received,) = Connection(SCHEMA, wire).receive_data(mangled.data)
    except RemoteProtocolError:
        return
    assert received != Envelope(ANSWER, "7")


@each_wire
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_an_inflated_envelope_says_the_same_in_so_many_bytes(wire: Wire, size: int) -> None:
    mangled = inflated(wire, framed(wire), size)
    assert len(mangled.data) == size + (4 if wire is PROTOBUF_TCP else 0)
    assert Connection(SCHEMA, wire).receive_data(mangled.data) == [Envelope(ANSWER, "7")]


@each_wire
def test_what_is_as_long_already_stays(wire: Wire) -> None:
    assert inflated(wire, framed(wire), 3).data == framed(wire)


@each_websocket
@pytest.mark.parametrize("size", [None, 1, 5, 10_000])
def test_a_truncated_frame_is_one_that_a_websocket_waits_for(wire: Wire, size: int | None) -> None:
    mangled = truncated(wire, framed(wire), size)
    assert mangled.beneath
    whole = len(framed(wire)) + 2
    assert len(mangled.data) == min(whole // 2 if size is None else size, whole - 1)
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(mangled.data)
    assert not any(frame.message_finished for frame in client.received_frames())


@each_websocket
@pytest.mark.parametrize("length", [1, 125, 126, 65_535, 65_536, 17 << 20])
def test_an_announced_length_is_what_a_websocket_reads(wire: Wire, length: int) -> None:
    mangled = announced(wire, length)
    assert mangled.beneath
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(mangled.data + b"x" * length)
    (payload,) = [
        b"".join(
            frame.payload.encode() if isinstance(frame.payload, str) else bytes(frame.payload)
            for frame in client.received_frames()
        )
    ]
    assert len(payload) == length


@each_websocket
def test_a_negative_length_is_none_that_a_websocket_has(wire: Wire) -> None:
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(announced(wire, -1).data)
    with pytest.raises(ParseFailed):
        list(client.received_frames())


@pytest.mark.parametrize("endpoint", ["ws", "json-ws"])
async def test_bytes_come_as_slowly_on_a_websocket(endpoint: str, autojump_clock) -> None:
    plan = Plan([Fault(Throttle(1, 0.1))])
    async with (
        mock_server(Box(), port=None, faults=plan) as server,
        connect_over(server.memory_client(endpoint), wire=ENDPOINTS[endpoint].wire) as api,
    ):
        before = trio.current_time()
        await api.version()
        took = trio.current_time() - before
        bare = len(frame(SCHEMA, Send(ANSWER), ENDPOINTS[endpoint].wire))
        assert 0.1 * bare < took < 0.1 * (bare + 100)  # a header, and an id of ours


async def test_a_message_that_takes_too_long_ends_a_websocket(autojump_clock) -> None:
    limits = ConnectionLimits(frame=5.0)
    async with (
        mock_server(Box(), port=None, limits=limits) as server,
        trio.open_nursery() as nursery,
    ):
        stream = server.memory_client("json-ws")
        socket = await wrap_client_stream(nursery, stream, "localhost", "/")
        whole = Connection(SCHEMA, JSON_WEBSOCKET).send(ProtoOAVersionReq(), "1").decode()
        for _ in range(3):  # time between messages is nobody's business
            await socket.send_message(whole)
            assert json.loads(await socket.get_message())["payloadType"] == 2105
            await trio.sleep(8)
        before = trio.current_time()
        await stream.send_all(b"\x81\xfe\x10\x00\x00\x00\x00\x00half")
        await server.wait_ended()
        assert "no whole message within 5 seconds" in server.ended[0].reason
        assert 5 <= trio.current_time() - before < 8
        nursery.cancel_scope.cancel()
