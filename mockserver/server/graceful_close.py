"""Closing a connection so that the client gets what was sent to it last.

A socket that is closed with bytes unread is reset, and then the other side may lose what it has not
read yet. So a server says that nothing more comes, and reads until the client has hung up too.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import cast

import trio

_QUIET = 0.05  # seconds without a byte: the client is not in the middle of a sentence


_NO_PARTING = (
    trio.BrokenResourceError,
    trio.BusyResourceError,  # somebody else is on it still: the reader of a WebSocket
    trio.ClosedResourceError,
)


class LingeringStream(trio.abc.Stream):
    """A socket that is closed in that way. TLS, on top of it, first says goodbye in its own."""

    def __init__(self, stream: trio.SocketStream, patience: float) -> None:
        self._socket = stream
        self._patience = patience

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the socket's."""
        await self._socket.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the socket's."""
        await self._socket.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the socket's."""
        return await self._socket.receive_some(max_bytes)

    def reset(self) -> None:
        """Make of the coming end a reset: the client is told that the connection broke."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def aclose(self) -> None:
        """Hang up, and wait up to `patience` seconds for the client to do so; cancelled, do not."""
        try:
            with trio.move_on_after(self._patience), contextlib.suppress(*_NO_PARTING):
                await self._socket.send_eof()
                while await self._socket.receive_some():
                    pass
        finally:
            await close_now(self._socket)


def reset(stream: trio.abc.Stream) -> None:
    """Make of the coming forceful end of a stream a reset, where it is a socket's."""
    if isinstance(stream, trio.SSLStream):
        stream = cast("trio.SSLStream[trio.abc.Stream]", stream).transport_stream
    if isinstance(stream, LingeringStream):
        stream.reset()


async def close_now(stream: trio.abc.AsyncResource) -> None:
    """Close at once, also when cancelled: so it never puts a Cancelled in an exception's place."""
    with trio.CancelScope(shield=True):
        await trio.aclose_forcefully(stream)


async def close_gracefully(stream: trio.abc.Stream) -> None:
    """Close a stream on which everything was sent."""
    # TLS cannot say goodbye over data that it has not handed out.
    data: bytes | bytearray = b"."
    while data:
        data = b""
        with trio.move_on_after(_QUIET), contextlib.suppress(trio.BrokenResourceError):
            data = await stream.receive_some()
    await stream.aclose()
