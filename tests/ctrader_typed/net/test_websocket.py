"""WebSockets as transports: one message at a time, however it is cut, and every way it can end."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trustme
from trio.testing import memory_stream_pair
from trio_websocket import serve_websocket
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from ctrader_typed import (
    JSON_WEBSOCKET,
    PROTOBUF_WEBSOCKET,
    ConnectFailed,
    ConnectionLost,
    Message,
    ProtoHeartbeatEvent,
    ProtoOASpotEvent,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    Wire,
    connect,
    connect_over,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Carrier, Connection

WEBSOCKETS = pytest.mark.parametrize("wire", [PROTOBUF_WEBSOCKET, JSON_WEBSOCKET], ids=str)
SPOT = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=3)
MIB = 1 << 20


class Hand:
    """A server that speaks WebSocket frame by frame, as a test tells it to."""

    def __init__(self, stream: Any, wire: Wire) -> None:
        self.stream = stream
        self.wire = Connection(SCHEMA, wire)
        self.text = wire.carrier is Carrier.TEXT
        self.protocol = WSConnection(ConnectionType.SERVER)

    async def next(self) -> Any:
        """The next event of wsproto's; None at the end."""
        while True:
            for event in self.protocol.events():
                return event
            data = bytes(await self.stream.receive_some(65536))
            if not data:
                return None
            self.protocol.receive_data(data)

    async def emit(self, event: Any) -> None:
        await self.stream.send_all(self.protocol.send(event))

    async def accept(self) -> None:
        request = await self.next()
        assert isinstance(request, Request)
        assert request.target == "/"
        assert request.subprotocols == []
        await self.emit(AcceptConnection())

    async def fragment(self, data: bytes, whole: bool = True) -> None:
        event = TextMessage if self.text else BytesMessage
        await self.emit(event(data=data.decode() if self.text else data, message_finished=whole))

    async def drain(self) -> list[Any]:
        """Everything until the client hangs up."""
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def by_hand(wire: Wire) -> AsyncIterator[tuple[Any, Hand]]:
    """A client, and the server to be played."""
    ours, theirs = memory_stream_pair()
    hand = Hand(theirs, wire)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand.accept)
        async with connect_over(ours, wire=wire) as api:
            yield api, hand
        nursery.cancel_scope.cancel()


async def end_of(api: Any) -> str:
    """Why the link ended."""
    async with api.events(Message) as events:
        with pytest.raises(ConnectionLost) as caught:
            async for _ in events:
                pass
    return str(caught.value)


# --- messages, cut and whole ---


@WEBSOCKETS
async def test_fragments_are_put_together(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire) as (api, hand), api.events(ProtoOASpotEvent) as spots:
        data = hand.wire.send(SPOT)
        for byte in data[:-1]:
            await hand.fragment(bytes((byte,)), whole=False)
        await hand.emit(Ping(payload=b"in between"))
        await hand.fragment(data[-1:])
        assert await anext(spots) == SPOT


@WEBSOCKETS
async def test_frames_that_arrive_byte_by_byte(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire) as (api, hand), api.events(ProtoOASpotEvent) as spots:
        event = TextMessage if hand.text else BytesMessage
        data = hand.wire.send(SPOT)
        for byte in hand.protocol.send(event(data=data.decode() if hand.text else data)) * 2:
            await hand.stream.send_all(bytes((byte,)))
            await trio.sleep(0.1)
        assert [await anext(spots), await anext(spots)] == [SPOT, SPOT]


@WEBSOCKETS
async def test_a_ping_is_answered(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire) as (_, hand):
        await hand.emit(Ping(payload=b"there?"))
        assert await hand.next() == Pong(payload=b"there?")


@WEBSOCKETS
@pytest.mark.parametrize("size", [1, 15])
async def test_large_messages_both_ways(wire: Wire, size: int, autojump_clock) -> None:
    text = "x" * (size * MIB)
    async with by_hand(wire) as (api, hand), trio.open_nursery() as nursery:
        result: list[Any] = []
        done = trio.Event()

        async def ask() -> None:
            result.append(await api.version())
            done.set()

        nursery.start_soon(ask)
        request = await hand.next()
        (asked,) = hand.wire.receive_data(
            request.data.encode() if hand.text else bytes(request.data)
        )
        answer = ProtoOAVersionRes(version=text)
        data = hand.wire.send(answer, asked.client_msg_id)
        for start in range(0, len(data), 100_000):
            await hand.fragment(data[start : start + 100_000], start + 100_000 >= len(data))
        await done.wait()
        assert result[0].version == text


@WEBSOCKETS
async def test_a_message_of_17_mebibytes_is_too_much(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire) as (api, hand), trio.open_nursery() as nursery:
        nursery.start_soon(hand.fragment, b"x" * (17 * MIB))
        said = await end_of(api)
        nursery.cancel_scope.cancel()
    assert said == "expected a message of 1 to 16777216 bytes, got more"


# --- messages that should not be ---


async def test_a_text_on_the_binary_wire(autojump_clock) -> None:
    async with by_hand(PROTOBUF_WEBSOCKET) as (api, hand):
        await hand.emit(TextMessage(data='{"payloadType":51}'))
        said = await end_of(api)
    assert said.startswith("expected binary messages, got a text of 18 characters: this port speak")
    assert said.endswith('wire="json"')


async def test_a_binary_message_on_the_text_wire(autojump_clock) -> None:
    async with by_hand(JSON_WEBSOCKET) as (api, hand):
        await hand.emit(BytesMessage(data=Connection(SCHEMA, PROTOBUF_WEBSOCKET).send(SPOT)))
        said = await end_of(api)
    assert said.startswith("expected text messages, got a binary one of ")
    assert said.endswith('wire="websocket"')


@WEBSOCKETS
async def test_an_empty_message_is_no_end(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire) as (api, hand):
        await hand.fragment(b"")
        assert await end_of(api) == "expected a message of 1 byte or more, got an empty one"


async def test_malformed_json_says_where(autojump_clock) -> None:
    async with by_hand(JSON_WEBSOCKET) as (api, hand):
        await hand.fragment(b'{"payloadType":51,}')
        assert await end_of(api) == "Malformed JSON message at 1:20"


@WEBSOCKETS
async def test_what_is_no_frame_of_a_websocket(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire) as (api, hand):
        await hand.stream.send_all(b"\xff\xff\xff\xff")
        assert (await end_of(api)).startswith("the WebSocket was closed: 1002 ")


async def test_text_that_is_not_utf_8(autojump_clock) -> None:
    async with by_hand(JSON_WEBSOCKET) as (api, hand):
        await hand.stream.send_all(b"\x81\x02\xff\xff")
        assert (await end_of(api)).startswith("the WebSocket was closed: 1007 ")


# --- ends ---


@WEBSOCKETS
async def test_the_server_says_farewell(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire) as (api, hand), api.events(ProtoOASpotEvent) as spots:
        await hand.fragment(hand.wire.send(SPOT))
        await hand.emit(CloseConnection(code=1001, reason="maintenance"))
        assert await anext(spots) == SPOT
        assert await end_of(api) == "the server closed the connection"


@WEBSOCKETS
async def test_the_server_closes_with_a_reason(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire) as (api, hand):
        await hand.emit(CloseConnection(code=1011, reason="out of memory"))
        assert await end_of(api) == "the WebSocket was closed: 1011 out of memory"


@WEBSOCKETS
@pytest.mark.parametrize("inside", [False, True], ids=["between messages", "inside a message"])
async def test_the_server_hangs_up_without_a_farewell(
    wire: Wire, inside: bool, autojump_clock
) -> None:
    async with by_hand(wire) as (api, hand), api.events(ProtoOASpotEvent) as spots:
        await hand.fragment(hand.wire.send(SPOT))
        if inside:
            await hand.fragment(hand.wire.send(SPOT)[:5], whole=False)
        await hand.stream.aclose()
        assert await anext(spots) == SPOT
        assert await end_of(api) == "the server hung up without a farewell"
        with pytest.raises(ConnectionLost) as caught:
            await api.version()
        assert not caught.value.maybe_delivered


@WEBSOCKETS
async def test_a_reset_is_told_with_its_cause(wire: Wire, autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    broken = trio.Event()
    receive_some = ours.receive_some

    async def until_reset(max_bytes: int | None = None) -> bytes:
        if broken.is_set():
            raise trio.BrokenResourceError from ConnectionResetError("reset by peer")
        return bytes(await receive_some(max_bytes))

    ours.receive_some = until_reset
    hand = Hand(theirs, wire)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand.accept)
        async with connect_over(ours, wire=wire) as api:
            broken.set()
            await hand.fragment(hand.wire.send(SPOT))
            assert await end_of(api) == "the connection broke: reset by peer"


@WEBSOCKETS
async def test_we_say_farewell(wire: Wire, autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    hand = Hand(theirs, wire)
    events: list[Any] = []

    async def part() -> None:
        await hand.accept()
        events.append(await hand.next())
        await hand.emit(events[0].response())
        events.append(await hand.next())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(part)
        start = trio.current_time()
        async with connect_over(ours, wire=wire):
            pass
        assert trio.current_time() == start
    assert events == [CloseConnection(code=1000, reason=""), None]


@WEBSOCKETS
async def test_cancelled_we_still_say_farewell(wire: Wire, autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    hand = Hand(theirs, wire)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand.accept)
        with trio.move_on_after(5) as scope:
            async with connect_over(ours, wire=wire) as api:
                await api.version()
        assert scope.cancelled_caught
    request, farewell = await hand.next(), await hand.next()
    assert isinstance(request, TextMessage | BytesMessage)
    assert farewell == CloseConnection(code=1000, reason="")


@WEBSOCKETS
async def test_a_peer_that_never_says_farewell_costs_a_second(wire: Wire, autojump_clock) -> None:
    async with by_hand(wire):
        start = trio.current_time()
    assert trio.current_time() - start <= 2


@WEBSOCKETS
async def test_a_peer_that_takes_nothing_costs_a_second(wire: Wire, autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    hand = Hand(theirs, wire)
    send_all, stalled = ours.send_all, trio.Event()

    async def send_some(data: bytes) -> None:
        if stalled.is_set():
            await trio.sleep_forever()
        await send_all(data)

    ours.send_all = send_some
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand.accept)
        async with connect_over(ours, wire=wire) as api:
            stalled.set()
            nursery.start_soon(api.version)
            await hand.emit(Ping(payload=b"stuck"))
            await trio.sleep(0.1)
            start = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - start <= 2


@WEBSOCKETS
async def test_what_comes_while_we_say_farewell_is_no_trouble(wire: Wire, autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    hand = Hand(theirs, wire)

    async def chatter() -> None:
        await hand.accept()
        await hand.next()
        other = WSConnection(ConnectionType.SERVER)  # one that has not heard of the farewell
        other.receive_data(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        other.send(AcceptConnection())
        await theirs.send_all(other.send(Ping(payload=b"1")) + other.send(BytesMessage(data=b"2")))
        await theirs.send_all(b"\xff" * 9)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(chatter)
        start = trio.current_time()
        async with connect_over(ours, wire=wire):
            pass
        assert trio.current_time() - start <= 2


# --- the handshake ---


async def refused(answer: Any, wire: Wire = JSON_WEBSOCKET) -> str:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer, theirs)
        with pytest.raises(ConnectFailed) as caught:
            async with connect_over(ours, wire=wire):
                pytest.fail("it connected")
        nursery.cancel_scope.cancel()
    with pytest.raises((trio.ClosedResourceError, trio.BrokenResourceError)):
        await ours.send_all(b"x")
    return str(caught.value)


async def test_a_server_that_rejects_us(autojump_clock) -> None:
    async def reject(stream: Any) -> None:
        hand = Hand(stream, JSON_WEBSOCKET)
        await hand.next()
        await hand.emit(RejectConnection(status_code=403))

    assert await refused(reject) == "no WebSocket to localhost: it answered with HTTP status 403"


@pytest.mark.parametrize(
    "greeting", [b"\x00\x00\x00\x04\x08\x33\x12\x00", b"HTTP/1.1 101 Fine\r\n\r\n", b"\r\n" * 9]
)
async def test_a_server_that_does_not_speak_websocket(greeting: bytes, autojump_clock) -> None:
    async def greet(stream: Any) -> None:
        await stream.send_all(greeting)
        await trio.sleep(1)
        await stream.aclose()

    assert (await refused(greet)).startswith("no WebSocket to localhost: ")


async def test_a_server_that_hangs_up_in_the_handshake(autojump_clock) -> None:
    async def hang_up(stream: Any) -> None:
        await stream.receive_some()
        await stream.aclose()

    said = await refused(hang_up)
    assert said == (
        "no WebSocket to localhost: the server hung up without a farewell; a port for "
        'wire="protobuf" (usually 5035) does so, and one for TLS'
    )


async def test_cancelled_in_the_handshake_nothing_stays_open(autojump_clock) -> None:
    ours, theirs = memory_stream_pair()
    with trio.move_on_after(5) as scope:
        async with connect_over(ours, wire=PROTOBUF_WEBSOCKET):
            pytest.fail("it connected")
    assert scope.cancelled_caught
    while await theirs.receive_some():
        pass


# --- over TLS and a real socket, with the library's own server ---

AUTHORITY = trustme.CA()


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    AUTHORITY.configure_trust(client)
    return server, client


@WEBSOCKETS
@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
async def test_a_real_socket(wire: Wire, tls: bool) -> None:
    server, client = contexts()

    async def answer(request: Any) -> None:
        assert request.path == "/"
        assert request.proposed_subprotocols == ()
        websocket = await request.accept()
        connection = Connection(SCHEMA, wire)
        message = await websocket.get_message()
        (event,) = connection.receive_data(
            message.encode() if isinstance(message, str) else message
        )
        assert isinstance(event.message, ProtoOAVersionReq)
        beat = connection.send(ProtoHeartbeatEvent())
        reply = connection.send(ProtoOAVersionRes(version="91"), event.client_msg_id)
        for frame in (beat, reply):
            await websocket.send_message(frame.decode() if wire.carrier is Carrier.TEXT else frame)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listening = await nursery.start(
                serve_websocket, answer, "127.0.0.1", 0, server if tls else None
            )
            options: dict[str, Any] = {"ssl_context": client} if tls else {"tls": False}
            async with connect("127.0.0.1", listening.port, wire=wire, **options) as api:
                assert (await api.version()).version == "91"
            nursery.cancel_scope.cancel()


async def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with trio.fail_after(10), pytest.raises(ConnectFailed, match="cannot reach"):
        async with connect("127.0.0.1", port, wire=JSON_WEBSOCKET, tls=False):
            pytest.fail("it connected")
