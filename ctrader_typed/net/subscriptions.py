"""Streams of events: who gets which, how many may wait, and what happens to those who are too slow.

Knows types, but no message by name, and nothing of the link that the events come from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import trio

from ..errors import ConnectionLost, SlowSubscriber

T_co = TypeVar("T_co", covariant=True)

BUFFER = 16_384
"""Events that may wait in a stream by default: several times what one receive can hold."""


class EventStream(Generic[T_co]):
    """Events of some types, in the order in which they came.

    Open it with `async with`: what comes in from then on is kept for `async for`, at most `buffer`
    events. If more come, they are dropped, and the iteration raises SlowSubscriber at that point;
    iterating again goes on after the gap. When the link has ended, what is left is still given,
    then ConnectionLost is raised. Waiting for an event can be cancelled, and loses none. A step is
    a checkpoint only when no event is there.
    """

    def __init__(self, home: Subscriptions, types: tuple[type[T_co], ...], buffer: int) -> None:
        if buffer < 1:
            raise ValueError(f"a buffer holds at least 1 event, not {buffer}")
        self._home = home
        self._types = types
        self._room = buffer
        self._items: deque[T_co] = deque()
        self._dropped = 0
        self._open = False
        self._reader = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> Self:
        self._open = True
        self._home.add(self)
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        self._home.remove(self)
        self._items.clear()
        self.wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        if not self._items:
            await self._arrival()
        return self._items.popleft()

    async def _arrival(self) -> None:
        while not self._items:
            if not self._open:
                await trio.lowlevel.checkpoint()
                raise trio.ClosedResourceError("this stream is not open: use it in `async with`")
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                raise SlowSubscriber(dropped)
            if self._home.ended is not None:
                await trio.lowlevel.checkpoint()
                raise ConnectionLost(self._home.ended)
            await self._reader.park()

    def wants(self, kind: type[Any]) -> bool:
        """Whether events of this type belong here: a type asked for, or a subclass of one."""
        return issubclass(kind, self._types)

    def put(self, event: Any) -> None:
        """Keep one more event, or count it as dropped; `wake` follows when the batch is through."""
        if self._dropped or len(self._items) >= self._room:
            self._dropped += 1
        else:
            self._items.append(event)

    def wake(self) -> None:
        """Let the reader look."""
        self._reader.unpark_all()


class Subscriptions:
    """All open streams of a client, and which types each of them wants."""

    def __init__(self) -> None:
        self._streams: list[EventStream[Any]] = []
        self._by_type: dict[type[Any], list[EventStream[Any]]] = {}
        self.ended: str | None = None
        """Why no more events can come; None while they can."""

    def add(self, stream: EventStream[Any]) -> None:
        """From now on the stream gets what it wants."""
        self._streams.append(stream)
        self._by_type.clear()

    def remove(self, stream: EventStream[Any]) -> None:
        """It gets nothing any more."""
        self._streams.remove(stream)
        self._by_type.clear()

    def publish(self, events: Iterable[object]) -> None:
        """Hand a batch to the streams and wake each reader once. Never waits."""
        by_type = self._by_type
        touched: set[EventStream[Any]] = set()
        for event in events:
            kind = type(event)
            streams = by_type.get(kind)
            if streams is None:
                streams = by_type[kind] = [s for s in self._streams if s.wants(kind)]
            for stream in streams:
                stream.put(event)
                touched.add(stream)
        for stream in touched:
            stream.wake()

    def end(self, reason: str) -> None:
        """No more events: every stream gives what it has and then says why."""
        self.ended = reason
        for stream in self._streams:
            stream.wake()
