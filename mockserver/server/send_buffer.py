"""What waits to be sent on a connection: a bounded queue between a behaviour and a slow wire."""

from __future__ import annotations

from collections import deque

import trio


class TcpBytes(bytearray):
    """A piece for what the wire stands on."""


class SendBuffer:
    """Pieces of bytes in order. One task takes from it; whoever wants may put.

    Pieces up to `piece` bytes run together, as on a stream of bytes: many small ones cost no more
    than what is in them. With 0 each stays as it was put. `comfortable` bytes are few enough for
    more work to be taken on. Where more than `most` wait, the client is too slow, and the outbox is
    abandoned.
    """

    def __init__(self, comfortable: int, most: int, piece: int) -> None:
        self._pieces: deque[bytearray] = deque()
        self._piece = piece
        self._size = 0  # bytes in the pieces and in what was taken and is not yet sent
        self._comfortable = comfortable
        self._most = most
        self._filled = trio.lowlevel.ParkingLot()
        self._drained = trio.lowlevel.ParkingLot()
        self.closing: str | None = None
        """Why nothing more is accepted."""
        self.abandoned = False
        """Whether what still waited was thrown away."""

    def put(self, data: bytes, *, beneath: bool = False) -> None:
        """Queue these bytes; ignored once the outbox is closing."""
        if self.closing is not None or not data:
            return
        pieces = self._pieces
        if not pieces:
            self._filled.unpark_all()
        if beneath:
            pieces.append(TcpBytes(data))
        elif pieces and len(pieces[-1]) + len(data) <= self._piece:
            pieces[-1] += data
        else:
            pieces.append(bytearray(data))
        self._size += len(data)
        if self._size > self._most:
            self.abandon("the client does not read what it is sent")

    def close(self, reason: str) -> None:
        """Accept nothing more; what was put before is still sent. The first reason stays."""
        if self.closing is None:
            self.closing = reason
        self._drained.unpark_all()

    def abandon(self, reason: str) -> None:
        """Accept nothing more, and throw away what waits."""
        self.abandoned = True
        self._pieces.clear()
        self.close(reason)

    async def take(self) -> bytearray:
        """The next piece. Cancelled, it has taken nothing."""
        while not self._pieces:
            await self._filled.park()
        return self._pieces.popleft()

    def sent(self, size: int) -> None:
        """So many of the bytes taken are on the wire: they no longer count."""
        self._size -= size
        if self._size <= self._comfortable:
            self._drained.unpark_all()

    async def room(self) -> None:
        """Wait until little enough is queued to take on more work, or the outbox closes."""
        while self._size > self._comfortable and self.closing is None:
            await self._drained.park()

    async def done(self) -> str:
        """Wait until the outbox is closed and sent, or abandoned; returns why it closed."""
        while self.closing is None or not (self._size == 0 or self.abandoned):
            await self._drained.park()
        return self.closing
