"""A WebSocket as a transport of messages: each `receive` gives exactly one, however it was cut.

Importing it brings trio-websocket, which takes its time: only who
asks for such a wire pays.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import cast

import trio
from trio_websocket import (
    CloseReason,
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

from ..errors import ConnectFailed, ConnectionLost, CTraderError, RemoteProtocolError
from ..wire.connection import Carrier
from ..wire.framing import HEADER, MAX_FRAME, foreign
from .tcp import CHUNK
from .transport import CLOSING_TIME, broken

_PATH = "/"
_IN_ORDER = (1000, 1001, 1005)
"""Close codes that say no more than that it is over: normal, going away, none given."""
_ABRUPT = 1006
_TOO_BIG = 1009


async def open_websocket(
    nursery: trio.Nursery, stream: trio.abc.Stream, where: str, carrier: Carrier
) -> WebSocketTransport:
    """Shake hands over an open stream, which is closed if that fails. ConnectFailed says why.

    A task that reads lives in the nursery until the transport is closed. Cancelling the nursery
    does not end it: what was sent is parted with properly.
    """
    source = _Source(stream)
    try:
        connection: WebSocketConnection = await nursery.start(_read, source, where)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return WebSocketTransport(connection, source, carrier)


class WebSocketTransport:
    """An open WebSocket, for binary messages or for text."""

    send_now = None
    """Nothing leaves it without a wait."""

    def __init__(self, connection: WebSocketConnection, source: _Source, carrier: Carrier) -> None:
        self._connection = connection
        self._source = source
        self._text = carrier is Carrier.TEXT

    async def receive(self) -> bytes:
        """The next message, text as UTF-8; `b""` when the server has closed the WebSocket.

        Raises RemoteProtocolError for an empty message, one of the wrong kind, one of more than 16
        MiB, and for what is no WebSocket; ConnectionLost if there was no farewell.
        """
        try:
            message = await self._connection.get_message()
        except ConnectionClosed:
            return self._ended(self._connection.closed)
        if isinstance(message, str) is not self._text:
            raise _wrong_kind(message)
        if not message:
            raise RemoteProtocolError("expected a message of 1 byte or more, got an empty one")
        return message.encode() if isinstance(message, str) else message

    def _ended(self, closed: CloseReason | None) -> bytes:
        if closed is None or closed.code == _ABRUPT:
            raise self._source.end or ConnectionLost("the WebSocket broke")
        if closed.code in _IN_ORDER:
            return b""
        reason = closed.reason or closed.name
        if closed.code == _TOO_BIG and str(MAX_FRAME) in reason:  # our own words, not the server's
            raise RemoteProtocolError(f"expected a message of 1 to {MAX_FRAME} bytes, got more")
        raise ConnectionLost(f"the WebSocket was closed: {closed.code} {reason}")

    async def send(self, data: bytes) -> None:
        """Send a message. Cancelled, it may have sent a part: only close the transport then."""
        try:
            await self._connection.send_message(data.decode() if self._text else data)
        except ConnectionClosed as error:
            end = self._source.end
            raise ConnectionLost("the WebSocket is closed" if end is None else str(end)) from error

    async def aclose(self) -> None:
        """Close with the farewell of WebSockets within a second, or else at once."""
        deadline = trio.current_time() + CLOSING_TIME
        closed_before = suppress(ConnectionClosed, trio.BrokenResourceError)
        with trio.CancelScope(shield=True):
            with trio.CancelScope(deadline=deadline), closed_before:
                await self._connection.aclose()
            await trio.aclose_forcefully(self._source)
        self._source.stop()


def _wrong_kind(message: str | bytes) -> RemoteProtocolError:
    if isinstance(message, str):
        return RemoteProtocolError(
            f"expected binary messages, got a text of {len(message)} characters: "
            'this port speaks JSON, for which there is wire="json"'
        )
    return RemoteProtocolError(
        f"expected text messages, got a binary one of {len(message)} bytes: "
        'this port speaks protobuf, for which there is wire="websocket"'
    )


async def _read(
    source: _Source, where: str, task_status: trio.TaskStatus[WebSocketConnection]
) -> None:
    """Shake hands, then be where the library's reader lives, until the source is closed.

    The library waits for ever for the handshake of a server that hangs up or does not speak
    WebSocket, and its reader may trip over what arrives while it is closing.
    """
    stands = False
    failure: ConnectFailed | None = None
    failed = f"no WebSocket to {where}"
    try:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as handshake:
                source.at_end, source.stop = handshake.cancel, nursery.cancel_scope.cancel
                connection = await wrap_client_stream(
                    nursery,
                    cast("trio.SocketStream", source),  # it says so and takes any stream
                    where,
                    _PATH,
                    max_message_size=MAX_FRAME,
                    receive_buffer_size=CHUNK,
                )
                # Who is cancelled by now gets no transport, and could not end what is shielded.
                await trio.lowlevel.checkpoint_if_cancelled()
                stands = True
                nursery.cancel_scope.shield = True
                task_status.started(connection)
            if not stands:
                failure = ConnectFailed(f"{failed}: {source.end}{source.hint}")
    except* ConnectionRejected as rejected:
        failure = ConnectFailed(f"{failed}: it answered with HTTP status {_status(rejected)}")
    except* Exception:  # noqa: BLE001 - it lets through whatever the libraries below it raise
        failure = ConnectFailed(f"{failed}: it does not speak WebSocket on this port{source.hint}")
        await trio.aclose_forcefully(source)
    if failure is not None and not stands:
        raise failure


def _status(group: BaseExceptionGroup[ConnectionRejected]) -> int:
    (error,) = group.exceptions
    assert isinstance(error, ConnectionRejected)
    return error.status_code


class _Source(trio.abc.Stream):
    """A stream that remembers how it ended, of which the library tells next to nothing."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._first = b""
        self.end: CTraderError | None = None
        self.at_end: Callable[[], object] = _nothing
        """Called when it ends."""
        self.stop: Callable[[], object] = _nothing
        """Ends what reads from it."""

    @property
    def hint(self) -> str:
        """What is spoken there instead, as far as its first bytes tell."""
        if not self._first:
            return '; a port for wire="protobuf" (usually 5035) does so, and one for TLS'
        if self._first.startswith(b"\0"):
            return ': it speaks protobuf over TCP, for which there is wire="protobuf"'
        other = foreign(self._first)
        return "" if other is None else f": it speaks {other}"

    def _note(self, end: CTraderError) -> None:
        if self.end is None:
            self.end = end
            self.at_end()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError as error:
            self._note(ConnectionLost(broken(error)))
            raise
        if not data:
            self._note(ConnectionLost("the server hung up without a farewell"))
        self._first = self._first or bytes(data[:HEADER])
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            self._note(ConnectionLost(broken(error)))
            raise

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        # By us, when it no longer matters, or by the library: the server talks nonsense.
        self._note(RemoteProtocolError("the server does not keep to the WebSocket protocol"))
        await self._stream.aclose()


def _nothing() -> None:
    """There is nobody yet."""
