"""The other end of a link, for tests that play the server by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
import trio
from trio.testing import memory_stream_pair

from ctrader_typed import Api, Message, ProtoHeartbeatEvent, connect_over
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope, Received


class Peer:
    """A server without a mind of its own: it sends and receives what a test tells it to."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.wire = Connection(SCHEMA)
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
        """Send messages, all in one piece, in answer to a request if `to` is its id."""
        await self.stream.send_all(b"".join(self.wire.send(m, to) for m in messages))

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


@pytest.fixture
def play() -> Play:
    """`async with play() as (api, peer)`: a client and the peer that it is connected to."""

    @asynccontextmanager
    async def in_memory(**options: Any) -> AsyncIterator[tuple[Api, Peer]]:
        ours, theirs = memory_stream_pair()
        async with connect_over(ours, **options) as api:
            yield api, Peer(theirs)

    return in_memory
