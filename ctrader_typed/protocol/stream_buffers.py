"""What may wait in a stream, and what becomes of the rest: one queue for each policy.

Entries carry numbers that only grow, so that several queues together keep the order.
"""

from __future__ import annotations

import copy
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, Protocol, TypeAlias

from ..errors import InvalidValue
from ..units import checks

Merge = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Conflate:
    """Of the events that wait with the same key, only the newest; made by `conflate()`."""

    fields: tuple[str, ...]
    merge: Merge | None = None
    """Makes one event of an older and a newer one, and changes neither; None: the newer one."""


Overflow: TypeAlias = Literal["raise", "drop_oldest"] | Conflate
"""What happens to events for which there is no room."""


def conflate(*fields: str) -> Conflate:
    """Keep the newest event of each key: the type, and the values of these fields.

    `conflate("symbol_id")`. A field that an event lacks counts as None. Fields and not a function:
    no program's own code runs while others wait for their events.
    """
    if not fields:
        raise InvalidValue("conflate() needs at least one field, for example 'symbol_id'")
    for field in fields:
        checks.text(field, "field", "symbol_id")
    return Conflate(fields)


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many events are missing here."""

    count: int


class StreamBuffer(Protocol):
    """Events that wait in one stream, under one policy."""

    dropped: int
    """How many it ever had no room for, or replaced."""

    def __len__(self) -> int:
        """Events that wait."""
        ...

    def put(self, number: int, event: Any) -> None:
        """One more."""
        ...

    def extend(self, number: int, events: Sequence[Any]) -> None:
        """So many more, the first of them with this number."""
        ...

    def first(self) -> int | None:
        """The number of the next one; None if nothing waits."""
        ...

    def pop(self) -> Any:
        """The next one; Dropped in the place of those that are missing."""
        ...

    def fence(self, number: int) -> None:
        """What comes after this number must not be mixed with what came before."""
        ...


class RaisingBuffer:
    """Keeps the oldest, and says where others are missing."""

    def __init__(self, room: int) -> None:
        self.dropped = 0
        self._room = room
        self._items: deque[tuple[int, Any]] = deque()
        self._missing_since = 0
        self._missing = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, number: int, event: Any) -> None:
        """Keep it if there is room and nothing before it is missing."""
        if self._missing == 0 and len(self._items) < self._room:
            self._items.append((number, event))
            return
        if self._missing == 0:
            self._missing_since = number
        self._missing += 1
        self.dropped += 1

    def extend(self, number: int, events: Sequence[Any]) -> None:
        """At once if there is room for all."""
        if self._missing == 0 and len(self._items) + len(events) <= self._room:
            self._items.extend(enumerate(events, number))
        else:
            _one_by_one(self, number, events)

    def first(self) -> int | None:
        """The number of the next one."""
        if self._items:
            return self._items[0][0]
        return self._missing_since if self._missing else None

    def pop(self) -> Any:
        """The next one; Dropped once all that came before is gone."""
        if self._items:
            return self._items.popleft()[1]
        missing, self._missing = self._missing, 0
        return Dropped(missing)

    def fence(self, number: int) -> None:
        """Nothing is ever mixed here."""


class DropOldestBuffer:
    """Keeps the newest."""

    def __init__(self, room: int | None) -> None:
        self.dropped = 0
        self._room = room
        self.items: deque[tuple[int, Any]] = deque(maxlen=room)
        """What waits, with its numbers."""

    def __len__(self) -> int:
        return len(self.items)

    def put(self, number: int, event: Any) -> None:
        """Keep it; the oldest makes room. Without a bound, that is never needed."""
        if len(self.items) == self._room:
            self.dropped += 1
        self.items.append((number, event))

    def extend(self, number: int, events: Sequence[Any]) -> None:
        """At once; the oldest make room."""
        if self._room is not None:
            self.dropped += max(0, len(self.items) + len(events) - self._room)
        self.items.extend(enumerate(events, number))

    def first(self) -> int | None:
        """The number of the next one."""
        return self.items[0][0] if self.items else None

    def pop(self) -> Any:
        """The next one."""
        return self.items.popleft()[1]

    def fence(self, number: int) -> None:
        """Nothing is ever mixed here."""


class ConflatingBuffer:
    """Keeps the newest of each key, in the place of the first that waited: nobody starves.

    More keys than there is room for are dropped as Refusing does it.
    """

    def __init__(self, room: int, how: Conflate) -> None:
        self.dropped = 0
        self._room = room
        self._merge = how.merge
        self._fields = how.fields
        self._key_of: dict[type[Any], Callable[[Any], Any]] = {}
        self._items: OrderedDict[Any, tuple[int, Any]] = OrderedDict()
        self._fence = -1
        self._missing_since = 0
        self._missing = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, number: int, event: Any) -> None:
        """Keep it in the place of the one with the same key."""
        key = self._key(event)
        waiting = self._items.get(key)
        if waiting is not None:
            self.dropped += 1
            place, older = waiting
            if place > self._fence:
                merged = event if self._merge is None else self._merge(older, event)
                self._items[key] = place, merged
            else:  # stale and fresh values are not mixed, nor shown as older than the gap
                del self._items[key]
                self._items[key] = number, event
        elif self._missing == 0 and len(self._items) < self._room:
            self._items[key] = number, event
        else:
            if self._missing == 0:
                self._missing_since = number
            self._missing += 1
            self.dropped += 1

    def extend(self, number: int, events: Sequence[Any]) -> None:
        """Each in its place."""
        _one_by_one(self, number, events)

    def _key(self, event: object) -> Any:
        kind = type(event)
        key_of = self._key_of.get(kind)
        if key_of is None:
            there = [name for name in self._fields if hasattr(event, name)]
            key_of = self._key_of[kind] = attrgetter(*there) if there else _no_key
        return kind, key_of(event)

    def first(self) -> int | None:
        """The number of the next one."""
        if self._items:
            return next(iter(self._items.values()))[0]
        return self._missing_since if self._missing else None

    def pop(self) -> Any:
        """The next one; Dropped once all that came before is gone."""
        if self._items:
            return self._items.popitem(last=False)[1][1]
        missing, self._missing = self._missing, 0
        return Dropped(missing)

    def fence(self, number: int) -> None:
        """What waits is not merged with what comes after this number."""
        self._fence = number


def _one_by_one(new_buffer: StreamBuffer, number: int, events: Sequence[Any]) -> None:
    for n, event in enumerate(events, number):
        new_buffer.put(n, event)


def _no_key(_: Any) -> None:
    return None


def new_buffer(overflow: Overflow, room: int) -> StreamBuffer:
    """A queue of this policy for at most `room` events; InvalidValue if that makes no sense."""
    room = checks.whole(room, "buffer", 1)
    if isinstance(overflow, Conflate):
        return ConflatingBuffer(room, overflow)
    if overflow == "raise":
        return RaisingBuffer(room)
    if overflow != "drop_oldest":
        checks.refuse(overflow, "overflow", "'raise', 'drop_oldest' or conflate(...)")
    return DropOldestBuffer(room)


_SPARSE = ("bid", "ask", "session_close", "timestamp")


def merged_spots(older: Any, newer: Any) -> Any:
    """One ProtoOASpotEvent with the newest of each side, and the newest bar of each period."""
    both = copy.copy(newer)
    for name in _SPARSE:
        if getattr(newer, name) is None:
            setattr(both, name, getattr(older, name))
    if older.trendbar:
        bars = {bar.period: bar for bar in (*older.trendbar, *newer.trendbar)}
        both.trendbar = list(bars.values())
    return both


conflate_spots = Conflate(("ctid_trader_account_id", "symbol_id"), merged_spots)
"""For ProtoOASpotEvent alone: one event for each symbol, with the newest bid and the newest ask."""
