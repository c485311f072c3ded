"""The server's end of a WebSocket, as a stream each of whose pieces is a whole message.

Importing it brings trio-websocket, which takes its time.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.wire.framing import MAX_FRAME

from .throttled_stream import ThrottledStream

_CHUNK = 64 * 1024
_TOO_BIG = 1009


@asynccontextmanager
async def accepted(
    stream: ThrottledStream, *, text: bool, patience: float, whole_within: float
) -> AsyncGenerator[Messages | None, None]:
    """Shake hands on an open stream, and be a WebSocket while the block runs.

    None if the client does not, or not within `patience` seconds. A message must be whole
    `whole_within` seconds after its first bytes. The stream is the caller's to close.
    """
    async with trio.open_nursery() as nursery:
        messages: Messages | None = None
        connection: WebSocketConnection | None = None
        with trio.move_on_after(patience):
            connection = await nursery.start(_read, stream)
        if connection is not None:
            messages = Messages(connection, stream, text=text, whole_within=whole_within)
        yield messages
        nursery.cancel_scope.cancel()


async def _read(
    stream: ThrottledStream, task_status: trio.TaskStatus[WebSocketConnection | None]
) -> None:
    """Where the library's reader lives. Whatever it trips over is the end of this client only.

    The library would wait for ever for the handshake of a client that has hung up.
    """
    started = False
    try:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as handshake:
                stream.at_end = handshake.cancel
                request = await wrap_server_stream(
                    nursery, stream, max_message_size=MAX_FRAME, receive_buffer_size=_CHUNK
                )
                connection = await request.accept()
                started = True
                task_status.started(connection)
            if not started:
                nursery.cancel_scope.cancel()
    except* Exception:  # noqa: BLE001 - it lets through what the libraries below it raise
        await stream.aclose()
    if not started:
        task_status.started(None)


class Messages(trio.abc.Stream):
    """What a line reads from and writes to: a message at a time, text as UTF-8."""

    def __init__(
        self,
        connection: WebSocketConnection,
        beneath: ThrottledStream,
        *,
        text: bool,
        whole_within: float,
    ) -> None:
        self._connection = connection
        self._beneath = beneath
        self._text = text
        self._whole_within = whole_within

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send one message; what is no UTF-8 goes out mangled where text is spoken."""
        message = bytes(data)
        try:
            await self._connection.send_message(
                message.decode(errors="replace") if self._text else message
            )
        except ConnectionClosed as error:
            raise trio.BrokenResourceError("the WebSocket is closed") from error

    async def wait_send_all_might_not_block(self) -> None:
        """Nothing is known: it does not wait."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next message, however long; `b""` when the client has gone, with a farewell or not.

        Raises RemoteProtocolError for a message of the wrong kind, too long, empty, or too slow.
        """
        try:
            message = await self._whole_message()
        except ConnectionClosed:
            closed = self._connection.closed
            if closed is not None and closed.code == _TOO_BIG:
                raise RemoteProtocolError(
                    f"expected a message of 1 to {MAX_FRAME} bytes, got more"
                ) from None
            return b""
        if isinstance(message, str) is not self._text:
            expected, got = ("text", "binary") if self._text else ("binary", "text")
            raise RemoteProtocolError(f"expected {expected} messages, got a {got} one")
        if not message:
            raise RemoteProtocolError("expected a message of 1 byte or more, got an empty one")
        return message.encode() if isinstance(message, str) else message

    async def _whole_message(self) -> str | bytes:
        patience = self._whole_within
        while True:
            now = trio.current_time()
            if self._beneath.begun + patience <= now:
                raise RemoteProtocolError(f"no whole message within {patience:g} seconds")
            with trio.move_on_at(min(self._beneath.begun, now) + patience):
                message: str | bytes = await self._connection.get_message()
                self._beneath.begun = math.inf
                return message

    async def aclose(self) -> None:
        """Say farewell, and wait for the client's."""
        with suppress(trio.BrokenResourceError, ConnectionClosed):
            await self._connection.aclose()
