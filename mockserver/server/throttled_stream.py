"""The stream beneath a connection: where its bytes can be slowed down and cut, on every wire.

A WebSocket stands on it as bare frames do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from ..handler import ThrottleSend
from .graceful_close import close_now


class ThrottledStream(trio.abc.Stream):
    """A stream with one sender at a time and, once it has a `shape`, at that pace.

    It closes at once: several tasks may be on it, and want to at a time.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._sending = trio.Lock()
        self.shape: ThrottleSend | None = None
        """In which slices to send; None for all at once."""
        self.at_end: Callable[[], object] = _nothing
        """Called when the client has said that nothing more comes."""
        self.begun = math.inf
        """When (trio's clock) the first bytes came in since whoever reads set it to infinity."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream's, in slices if they were asked for."""
        async with self._sending:
            shape = self.shape
            if shape is None:
                await self._stream.send_all(data)
                return
            for start in range(0, len(data), shape.size):
                await self._stream.send_all(data[start : start + shape.size])
                await trio.sleep(shape.pause)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream's."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream's."""
        data = await self._stream.receive_some(max_bytes)
        self.begun = min(self.begun, trio.current_time())
        if not data:
            self.at_end()
        return data

    async def aclose(self) -> None:
        """Close at once."""
        await close_now(self._stream)


def _nothing() -> None:
    """Nobody wants to know."""
