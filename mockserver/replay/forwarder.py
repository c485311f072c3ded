"""What a session lacks, passed on to a real server; what both say is written down, then passed on.

One connection's part of it. The upstream is called when there is something to pass on, and told
first who is logged in. Heartbeats are each side's own, and not written.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import trio

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.message import Message, codec
from ctrader_typed.schema import Schema
from ctrader_typed.wire.connection import Connection

from ..errors import bare
from ..handler import ClientConnection, Close, Envelope, Event, Send, SendPayload
from ..recordings.session_file import Direction
from ..recordings.session_lines import entry, line
from ..server.encoding import frame
from ..server.graceful_close import close_now
from .upstream import UpstreamFailed

_CHUNK = 64 * 1024
_IDLE = 10.0  # seconds without a message after which the upstream gets a heartbeat
_LOGINS = frozenset({"ProtoOAApplicationAuthReq", "ProtoOAAccountAuthReq"})
_HEARTBEAT = "ProtoHeartbeatEvent"


class CallableServer(Protocol):
    """A server that can be called, such as an `Upstream`."""

    async def connect(self) -> trio.abc.Stream:
        """A connection on which protobuf over TCP is spoken; raises UpstreamFailed."""
        ...


class Forwarder:
    """From one client to the upstream and back; `write` gets the lines."""

    def __init__(
        self,
        schema: Schema,
        upstream: CallableServer,
        client: ClientConnection,
        write: Callable[[str], object],
    ) -> None:
        self.failed: str | None = None
        self.last_t = 0.0
        """When the last message of the session so far was."""
        self._schema = schema
        self._upstream = upstream
        self._client = client
        self._write = write
        self._connection = Connection(schema)
        self._logins: list[Message] = []
        self._lacking, self._to_pass = trio.open_memory_channel[Event](math.inf)
        self._begun: float | None = None

    # --- called by the script ---------------------------------------------------------------------

    def replayed(self, event: Envelope) -> None:
        """The session has answered this: the upstream has not heard of it."""
        if type(event.message).__name__ in _LOGINS and self._begun is None:
            self._logins.append(event.message)

    def take(self, event: Event) -> None:
        """Pass this on."""
        if not isinstance(event, Envelope) and self._client.wire.startswith("json"):
            self._fail(f"payload type {event.payload_type} cannot be passed on: it came in JSON")
        if self.failed is None:
            self._lacking.send_nowait(event)

    def close(self) -> None:
        """The client is gone: what was taken is still passed on."""
        self._lacking.close()

    # --- the task ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Pass on until the client is gone. What goes wrong ends the client's connection."""
        try:
            async for first in self._to_pass:
                self._begun = trio.current_time()
                stream = await self._upstream.connect()
                try:
                    await self._log_in(stream)
                    await self._pass_on(stream, first)
                finally:
                    await close_now(stream)
                return
        except* (UpstreamFailed, RemoteProtocolError) as group:
            self._fail(str(bare(group)))
        except* trio.BrokenResourceError:
            self._fail("the connection to the upstream broke")

    async def _log_in(self, stream: trio.abc.Stream) -> None:
        """Say what the client has said to the session in order to be let in; drop the answers."""
        for number, login in enumerate(self._logins):
            own = f"login-{number}"
            await stream.send_all(self._connection.send(login, own))
            answer = None
            while answer is None:
                data = bytes(await stream.receive_some(_CHUNK))
                received = self._connection.receive_data(data)
                if not data:
                    raise UpstreamFailed("the upstream hung up on the login")
                answer = next((each for each in received if each.client_msg_id == own), None)
            message: object = answer.message if isinstance(answer, Envelope) else answer
            refusal = getattr(message, "error_code", None)
            if refusal is not None:
                raise UpstreamFailed(f"the upstream refused the login: {refusal}")

    async def _pass_on(self, stream: trio.abc.Stream, first: Event) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answers, stream)
            await self._up(stream, first)
            while True:
                with trio.move_on_after(_IDLE) as idle:
                    try:
                        event = await self._to_pass.receive()
                    except trio.EndOfChannel:
                        break
                    await self._up(stream, event)
                if idle.cancelled_caught:
                    beat = self._schema.by_name[_HEARTBEAT]()
                    await stream.send_all(self._connection.send(beat))
            nursery.cancel_scope.cancel()

    async def _up(self, stream: trio.abc.Stream, event: Event) -> None:
        self._note(Direction.CLIENT, event)
        await stream.send_all(frame(self._schema, _action(event)))

    async def _answers(self, stream: trio.abc.Stream) -> None:
        while True:
            data = bytes(await stream.receive_some(_CHUNK))
            for event in self._connection.receive_data(data):
                if isinstance(event, Envelope) and type(event.message).__name__ == _HEARTBEAT:
                    continue
                self._note(Direction.SERVER, event)
                self._client.push([_action(event)])
            if not data:
                self._client.push([Close("the upstream closed the connection")])
                return

    def _note(self, direction: Direction, event: Event) -> None:
        begun = trio.current_time() if self._begun is None else self._begun
        payload = codec.encode(event.message) if isinstance(event, Envelope) else None
        t = self.last_t + trio.current_time() - begun
        self._write(line(entry(self._schema, direction, event, t, payload)))

    def _fail(self, why: str) -> None:
        self.failed = why
        self._client.push([Close(f"the upstream: {why}")])


def _action(event: Event) -> Send | SendPayload:
    if isinstance(event, Envelope):
        return Send(event.message, event.client_msg_id)
    return SendPayload(event.payload_type, event.payload, event.client_msg_id)
