"""The engine on one connection: three tasks that carry bytes between a stream and a behaviour.

Reader, writer and alarm share an outbox. Nothing here knows what any message means, or that there
are other lines.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import trio

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.keywords import suggest
from ctrader_typed.schema import Schema
from ctrader_typed.wire.connection import Carrier, Connection, Wire

from ..handler import (
    Action,
    Close,
    Handler,
    MalformedInputHandler,
    Reset,
    Send,
    SendPayload,
    SendRaw,
    StopListening,
    ThrottleSend,
)
from .call_log import CallLog
from .encoding import frame, writer
from .send_buffer import SendBuffer, TcpBytes
from .throttled_stream import ThrottledStream

_CHUNK = 64 * 1024
STOPPED = "the server was stopped"
"""The reason of a connection that ended with the server."""
SOON = 1e-6
"""Seconds that are no time: sums of times are not exact, and what is due must not be waited for."""


@suggest
@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may cost. None of it is a rule of the API: those are kept by behaviours."""

    handshake: float = 10.0
    """Seconds for a TLS handshake."""
    frame: float = 30.0
    """Seconds from the first bytes of a frame to its last."""
    stalled: float = 30.0
    """Seconds in which a client must take the next part of what waits for it."""
    farewell: float = 1.0
    """Seconds for a client to hang up after the server did."""
    comfortable: int = 1024 * 1024
    """Bytes waiting for a client above which its requests wait, and its behaviour is not woken."""
    unsent: int = 64 * 1024 * 1024
    """Bytes waiting for a client above which it is cut off."""
    connections: int = 1000
    """Connections at a time; more are hung up on at once."""


class ServerConnection:
    """One client, from the first byte to the last. The stream is the caller's to close.

    It is what is `beneath`, or a WebSocket on that.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        beneath: ThrottledStream,
        *,
        schema: Schema,
        wire: Wire,
        limits: ConnectionLimits,
        now: Callable[[], float],
        shut_door: Callable[[float], None],
        call_log: CallLog,
        number: int,
    ) -> None:
        self._stream = stream
        self._beneath = beneath
        self._schema = schema
        self._wire = wire
        self._limits = limits
        self._now = now
        self._shut_door = shut_door
        self._call_log = call_log
        self._number = number
        self.reset = False
        """Whether the connection is to be reset instead of closed."""
        self.client_left = False
        """Whether the client ended it by itself, before the server had a reason to."""
        self._connection = Connection(schema, wire)
        self._write_message = writer(schema, wire)
        # On a WebSocket each piece is a message: they must not run together.
        piece = _CHUNK if wire.carrier is Carrier.BYTES else 0
        self._send_buffer = SendBuffer(limits.comfortable, limits.unsent, piece)
        self._alarm = trio.lowlevel.ParkingLot()
        self._planned: float | None = None

    @property
    def cut_off(self) -> bool:
        """Whether something was thrown away unsent: then there is no parting in order."""
        return self._send_buffer.abandoned

    def push(self, actions: Iterable[Action]) -> None:
        """Do these out of turn. The behaviour may want to be woken at another time after that."""
        self.perform(actions)
        self._alarm.unpark_all()

    async def run(self, handler: Handler) -> str:
        """Serve until one side ends it; returns why, in words.

        Raises only what the behaviour raises. However it ends, the behaviour has heard that it did.
        """
        reason = STOPPED
        self._call_log.opened(self._number, self._now())
        try:
            self.perform(handler.opened(self._now()))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, handler)
                nursery.start_soon(self._wake, handler)
                nursery.start_soon(self._write)
                reason = await self._send_buffer.done()
                nursery.cancel_scope.cancel()
        finally:
            handler.closed(self._now())
            self._call_log.closed(self._number, self._now(), reason)
        return reason

    def perform(self, actions: Iterable[Action]) -> None:
        """Do these, as far as the connection is not ending already. Never waits."""
        put = self._send_buffer.put
        writes = self._call_log.writes
        for action in actions:
            if writes and self._send_buffer.closing is None:
                self._call_log.sends(self._number, action, self._now())
            match action:
                case Send(message, client_msg_id):
                    put(self._write_message(message, client_msg_id))
                case SendPayload():
                    put(frame(self._schema, action, self._wire))
                case SendRaw(data, beneath):
                    put(data, beneath=beneath and self._stream is not self._beneath)
                case Close(reason):
                    self._send_buffer.close(reason)
                case _:
                    self._do(action)

    def _do(self, action: Reset | ThrottleSend | StopListening) -> None:
        """What only faults ask for."""
        if self._send_buffer.closing is not None:
            return
        match action:
            case Reset(reason):
                self._send_buffer.abandon(reason)
                self.reset = True
            case ThrottleSend():
                self._beneath.shape = action
            case StopListening(seconds):
                self._shut_door(seconds)

    async def _read(self, handler: Handler) -> None:
        """Bytes from the client, until it ends or breaks the protocol."""
        begun = math.inf  # when the frame that is under way began
        while self._send_buffer.closing is None:
            try:
                data = await self._more(begun)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                # Many a client closes its socket without a word of TLS: an end like any other.
                if not isinstance(error.__cause__, ssl.SSLEOFError):
                    self._broke(error)
                    return
                data = b""
            except RemoteProtocolError as error:
                self._object(handler, error)
                return
            if data is None:
                self._send_buffer.close(f"no whole frame within {self._limits.frame:g} seconds")
                return
            whole = self._receive(handler, data)
            begun = math.inf if whole else min(begun, trio.current_time())
            await self._send_buffer.room()

    async def _more(self, begun: float) -> bytes | None:
        """The next bytes; None if they come too late for the frame that began then."""
        if begun == math.inf:  # by far the most often, and a cancel scope is not free
            return bytes(await self._stream.receive_some(_CHUNK))
        with trio.move_on_at(begun + self._limits.frame):
            return bytes(await self._stream.receive_some(_CHUNK))
        return None

    def _receive(self, handler: Handler, data: bytes) -> bool:
        """Give the behaviour what these bytes complete; whether they completed anything."""
        try:
            events = self._connection.receive_data(data)
        except RemoteProtocolError as error:
            self._object(handler, error)
            return False
        for event in events:
            if self._send_buffer.closing is None:
                now = self._now()
                self._call_log.came(self._number, event, now)
                self.perform(handler.received(event, now))
        if self._connection.broken is not None:
            self._send_buffer.close(f"the client broke the protocol: {self._connection.broken}")
        elif data == b"":
            self.client_left = self._send_buffer.closing is None
            self._send_buffer.close("the client closed the connection")
        at = handler.wake_at()
        # Later than planned, as after every message, needs no alarm: it is asked again by then.
        if at is not None and (self._planned is None or at < self._planned):
            self._alarm.unpark_all()
        return bool(events)

    def _object(self, handler: Handler, error: RemoteProtocolError) -> None:
        """The client broke the protocol. Where text is spoken, it is told how."""
        if isinstance(handler, MalformedInputHandler) and self._wire.carrier is Carrier.TEXT:
            self.perform(handler.broken(error, self._now()))
        self._send_buffer.close(f"the client broke the protocol: {error}")

    def _broke(self, error: Exception) -> None:
        """The stream broke: the client has gone, unless the server was ending it already."""
        self.client_left = self.client_left or self._send_buffer.closing is None
        why = error.__cause__ or str(error) or type(error).__name__
        self._send_buffer.abandon(f"the connection broke: {why}")

    async def _wake(self, handler: Handler) -> None:
        """Call the behaviour when it wanted to be called."""
        while self._send_buffer.closing is None:
            self._planned = at = handler.wake_at()
            now = self._now()
            if at is not None and at <= now + SOON:
                self.perform(handler.wake(max(at, now)))
                await trio.lowlevel.checkpoint()
                await self._send_buffer.room()
            else:
                with trio.move_on_after(math.inf if at is None else at - now):
                    await self._alarm.park()

    async def _write(self) -> None:
        """Send what is put in the outbox."""
        while True:
            data = await self._send_buffer.take()
            with trio.move_on_after(self._limits.stalled) as patience:
                try:
                    lower = isinstance(data, TcpBytes)
                    await (self._beneath if lower else self._stream).send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    self._broke(error)
                    return
            if patience.cancelled_caught:
                self._send_buffer.abandon("the client does not read what it is sent")
                return
            self._send_buffer.sent(len(data))
