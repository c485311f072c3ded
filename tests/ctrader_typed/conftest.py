"""The other end of a link, played by a test by hand: on every wire, where it can be."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
import trio
from trio.testing import memory_stream_pair

from ctrader_typed import PROTOBUF_TCP, Api, Message, ProtoHeartbeatEvent, Wire, connect_over
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import WIRES, Carrier, Connection
from ctrader_typed.wire.envelope import Envelope, Received
from ctrader_typed.wire.json import wrapped
from tests.ctrader_typed.net.servers import Socket


class Peer:
    """A server without a mind of its own: it sends and receives what a test tells it to."""

    def __init__(self, stream: Any, wire: Wire = PROTOBUF_TCP) -> None:
        self.stream = stream
        self.wire = Connection(SCHEMA, wire)
        self._in_one_piece = wire.carrier is Carrier.BYTES
        self._json = wire.carrier is Carrier.TEXT
        self._inbox: deque[Received] = deque()

    async def next(self) -> Envelope | None:
        """The next message, heartbeats included; None at the end of the stream."""
        while not self._inbox:
            data = bytes(await self.stream.receive_some())
            self._inbox.extend(self.wire.receive_data(data))
            if data == b"":
                return None
        event = self._inbox.popleft()
        assert isinstance(event, Envelope)
        return event

    async def expect(self, kind: type[Message]) -> str:
        """The id of the next request, which must be of this type; heartbeats are passed over."""
        event = await self.next()
        while event is not None and isinstance(event.message, ProtoHeartbeatEvent):
            event = await self.next()
        assert event is not None, f"expected {kind.__name__}, got the end of the stream"
        assert type(event.message) is kind
        assert event.client_msg_id is not None
        return event.client_msg_id

    async def send(self, *messages: Message, to: str | None = None) -> None:
        """Send messages, in one piece if possible, in answer to a request if `to` is its id."""
        frames = [self.wire.send(message, to) for message in messages]
        for piece in [b"".join(frames)] if self._in_one_piece else frames:
            await self.stream.send_all(piece)

    async def send_payload(self, payload_type: int, payload: bytes, to: str | None = None) -> None:
        """Send an envelope with any payload; on a JSON wire it is a string, and so undecodable."""
        if self._json:
            frame = wrapped(payload_type, payload.decode("latin-1"), to)
        else:
            envelope: Any = SCHEMA.envelope
            frame = bytes(envelope(payload_type=payload_type, payload=payload, client_msg_id=to))
            if self._in_one_piece:
                frame = len(frame).to_bytes(4, "big") + frame
        await self.stream.send_all(frame)

    async def answer(self, kind: type[Message], reply: Message) -> None:
        """Wait for a request of this type and answer it."""
        await self.send(reply, to=await self.expect(kind))

    async def drain(self) -> None:
        """Receive and forget until the end of the stream."""
        while await self.next() is not None:
            pass


class Play(Protocol):
    """What the fixture `play` gives."""

    def __call__(self, **options: Any) -> AbstractAsyncContextManager[tuple[Api, Peer]]: ...


@asynccontextmanager
async def in_memory(wire: Wire, **options: Any) -> AsyncIterator[tuple[Api, Peer]]:
    """A client and the peer that it is connected to."""
    ours, theirs = memory_stream_pair()
    if wire.carrier is Carrier.BYTES:
        async with connect_over(ours, wire=wire, **options) as api:
            yield api, Peer(theirs, wire)
        return
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        socket = Socket(theirs, wire)
        nursery.start_soon(socket.accept, nursery)
        try:
            async with connect_over(ours, wire=wire, **options) as api:
                yield api, Peer(socket, wire)
        except BaseException as error:  # noqa: BLE001 - raised again below, in no group
            failure = error
        nursery.cancel_scope.shield = True
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@pytest.fixture(params=WIRES, ids=str)
def wire(request: pytest.FixtureRequest) -> Wire:
    """Each wire in turn."""
    return request.param  # type: ignore[no-any-return]  # one of the params


@pytest.fixture
def play(wire: Wire) -> Play:
    """`async with play() as (api, peer)`: a client and its peer, on each wire in turn."""
    return lambda **options: in_memory(wire, **options)


@pytest.fixture
def play_tcp() -> Play:
    """The same on protobuf over TCP alone, for tests that look at frames or bytes."""
    return lambda **options: in_memory(PROTOBUF_TCP, **options)
