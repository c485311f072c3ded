"""A connected socket as a stream that waits for bytes before it asks for them.

Trio's own tries first, which fails for each lone record, and goes to the scheduler a second time.
"""

from __future__ import annotations

import socket
from operator import index
from types import TracebackType
from typing import Any, NoReturn

import trio

CHUNK = 65_536
"""Bytes that are received at a time when nobody says how many."""

Data = bytes | bytearray | memoryview


def at_most(max_bytes: int | None) -> int:
    """How many bytes to receive; TypeError or ValueError if it is no number from 1."""
    if max_bytes is None:
        return CHUNK
    if index(max_bytes) < 1:
        raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
    return max_bytes


class OnlyOne:
    """`with` it: one task at a time may do this, for the next it is trio.BusyResourceError."""

    __slots__ = ("_doing", "busy")

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self.busy = False

    def __enter__(self) -> None:
        if self.busy:
            raise trio.BusyResourceError(f"another task is {self._doing}")
        self.busy = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.busy = False


class TcpStream(trio.abc.HalfCloseableStream):
    """Takes the socket of a trio stream over, which is good for nothing any more.

    Cancelled, `receive_some` has lost no byte; `send_all` may have sent a part.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)
        self._sending = OnlyOne("sending on this connection")
        self._receiving = OnlyOne("receiving from this connection")
        self._eof_sent = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes as soon as there are any; `b""` at the end of the stream."""
        max_bytes = at_most(max_bytes)
        with self._receiving:
            while True:
                self._check_open()
                await trio.lowlevel.wait_readable(self._socket)
                try:
                    return self._socket.recv(max_bytes)
                except BlockingIOError:  # the kernel may change its mind
                    continue
                except OSError as error:
                    self._broke(error)

    async def send_all(self, data: Data) -> None:
        """Send everything."""
        with self._sending:
            self._check_sendable()
            await trio.lowlevel.checkpoint_if_cancelled()
            rest = len(data) - self.send_now(data)
            if not rest:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return
            with memoryview(data) as view:
                while rest:
                    await trio.lowlevel.wait_writable(self._socket)
                    with view[-rest:] as unsent:
                        rest -= self.send_now(unsent)

    def send_now(self, data: Data) -> int:
        """Send what the kernel takes at once, and return how many bytes these are."""
        self._check_sendable()
        if not data:
            return 0
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._broke(error)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes bytes."""
        with self._sending:
            self._check_open()
            await trio.lowlevel.wait_writable(self._socket)

    async def send_eof(self) -> None:
        """No byte follows; receiving goes on."""
        with self._sending:
            self._check_open()
            await trio.lowlevel.checkpoint()
            if self._eof_sent:
                return
            self._eof_sent = True
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._broke(error)

    async def aclose(self) -> None:
        """Close it at once; whoever sends or receives gets trio.ClosedResourceError."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """As of a socket."""
        self._socket.setsockopt(level, option, value)

    def getsockname(self) -> Any:
        """As of a socket."""
        return self._socket.getsockname()

    def _check_open(self) -> None:
        if self._socket.fileno() == -1:
            raise trio.ClosedResourceError("this connection was closed here")

    def _check_sendable(self) -> None:
        self._check_open()
        if self._eof_sent:
            raise trio.ClosedResourceError("nothing can follow the end that was sent")

    @staticmethod
    def _broke(error: OSError) -> NoReturn:
        raise trio.BrokenResourceError(f"the connection broke: {error}") from error
