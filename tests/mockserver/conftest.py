"""A client for the mock server's tests, made of `ctrader_typed.wire` and nothing above it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio

from ctrader_typed.message import Message
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope
from mockserver.server.server import MockServer


class Talker:
    """Sends messages and takes what comes, one at a time, over any stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.connection = Connection(SCHEMA)
        self._events: list[Any] = []

    async def send(self, message: Message, client_msg_id: str | None = None) -> None:
        await self.stream.send_all(self.connection.send(message, client_msg_id))

    async def receive(self) -> Any:
        """The next event; None when the server has hung up."""
        while not self._events:
            data = bytes(await self.stream.receive_some(65536))
            self._events += self.connection.receive_data(data)
            if not data and not self._events:
                return None
        return self._events.pop(0)

    async def ask(self, message: Message, client_msg_id: str = "q") -> Message:
        """Send, and take the next message, which must answer."""
        await self.send(message, client_msg_id)
        event = await self.receive()
        assert isinstance(event, Envelope), event
        assert event.client_msg_id == client_msg_id
        return event.message  # type: ignore[no-any-return]  # the envelope does not know its class

    async def rest(self) -> list[Any]:
        """Everything until the server hangs up."""
        events = []
        while (event := await self.receive()) is not None:
            events.append(event)
        return events


Dial = Callable[..., Awaitable[trio.abc.HalfCloseableStream]]


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """`await dial(server)` gives a socket, `await dial(server, tls=True)` one with TLS."""
    streams: list[trio.abc.AsyncResource] = []

    async def dial(server: MockServer, *, tls: bool = False) -> Any:
        tcp = await trio.open_tcp_stream(*server.address)
        streams.append(tcp)
        if not tls:
            return tcp
        secured = trio.SSLStream(tcp, server.client_ssl_context(), server_hostname="localhost")
        await secured.do_handshake()
        return secured

    yield dial
    for stream in streams:
        await trio.aclose_forcefully(stream)


@pytest.fixture
def talker() -> type[Talker]:
    """The client's class: `talker(stream)`."""
    return Talker
