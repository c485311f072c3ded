"""What carries one connection's bytes, and what can go wrong with it in plain words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import trio

from ..errors import ConnectionLost
from .tcp import CHUNK
from .tls import TlsStream

CLOSING_TIME = 1.0
"""Seconds for a farewell that a stalled peer may never take."""


class Transport(Protocol):
    """An open connection. Whoever opened it closes it, whatever else happens."""

    @property
    def send_now(self) -> Callable[[bytes], bool] | None:
        """Sends what can leave at once; False if some of it is left for the next `send`, even of
        nothing. Raises as `send`, and only while nobody sends. None where there is no such thing.
        """
        ...

    async def receive(self) -> bytes:
        """Some bytes as soon as there are any, or one whole message; `b""` at the end.

        Raises ConnectionLost when the connection broke, RemoteProtocolError when the other end did
        what no such transport allows.
        """
        ...

    async def send(self, data: bytes) -> None:
        """Send everything, or ConnectionLost.

        Cancelled, it may have sent a part: only close the transport then.
        """
        ...

    async def aclose(self) -> None:
        """Close politely within a second, or else at once. It cannot be cancelled."""
        ...


class StreamTransport:
    """A trio stream as a transport of bytes."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    @property
    def send_now(self) -> Callable[[bytes], bool] | None:
        """Of TLS, which whoever is in a hurry has."""
        return self._send_now if isinstance(self._stream, TlsStream) else None

    def _send_now(self, data: bytes) -> bool:
        assert isinstance(self._stream, TlsStream), "asked before"
        try:
            return self._stream.send_now(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLost(broken(error)) from error

    async def receive(self) -> bytes:
        """Some bytes as soon as there are any; `b""` at the end of the stream."""
        try:
            return bytes(await self._stream.receive_some(CHUNK))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLost(broken(error)) from error

    async def send(self, data: bytes) -> None:
        """Send everything. Cancelled, it may have sent a part: only close the stream then."""
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLost(broken(error)) from error

    async def aclose(self) -> None:
        """Close the stream, politely within a second, or else at once. It cannot be cancelled."""
        deadline = trio.current_time() + CLOSING_TIME
        broken_before = suppress(trio.BrokenResourceError)
        with trio.CancelScope(shield=True, deadline=deadline), broken_before:
            await self._stream.aclose()


def broken(error: BaseException) -> str:
    """What a stream's exception says about why the connection is no more."""
    cause = error.__cause__
    return "the connection broke" if cause is None else f"the connection broke: {cause}"
