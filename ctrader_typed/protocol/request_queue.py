"""Requests that wait to be sent: which of them may leave, as a function of time.

Times are seconds of any clock that does not run backwards.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Generic, TypeVar

from ..schema import Schema
from .rate_limits import Lane, LaneRule, Limits, RateLimits, lane_rules
from .server_blocks import ServerBlocks

T = TypeVar("T")

BURST = 5
"""A fifth of the ordinary lane may leave at once; then reads are spaced evenly."""

FAIRNESS = 9
"""Orders in a row before a read that waits gets a place."""


class _RateWindow:
    """At most `limit` sends within any `period`, wherever it begins."""

    def __init__(self, limit: int | None, period: float, burst: int) -> None:
        self.limit = limit
        self._period = period
        self._burst = burst
        self._gap = 0.0 if limit is None else period / limit
        self._times: deque[float] = deque(maxlen=0 if limit is None else limit)
        self._leaving = 0

    def free_at(self) -> float:
        """When there is a place."""
        times = self._times
        return times[0] + self._period if len(times) == self.limit else float("-inf")

    def eased_at(self) -> float:
        """When there is one for who is in no hurry: spaced after a burst, so that places become
        free one by one, and who is in a hurry never waits for a whole period.
        """
        times = self._times
        if self.limit is None or len(times) < self._burst:
            return self.free_at()
        spaced = min(times[-1] + self._gap, times[-self._burst] + self._period)
        return max(self.free_at(), spaced)

    def take(self, now: float) -> None:
        """A request leaves."""
        self._times.append(now)
        self._leaving += 1

    def written(self, now: float) -> None:
        """Those that left since the last call have left only now."""
        for place in range(-min(self._leaving, len(self._times)), 0):
            self._times[place] = now
        self._leaving = 0

    def left(self, now: float) -> int | None:
        """Places at `now`."""
        if self.limit is None:
            return None
        return self.limit - sum(time + self._period > now for time in self._times)


class _LaneQueue(Generic[T]):
    """Items of one turn by kind. The oldest goes first, of the kinds that are not blocked."""

    def __init__(self) -> None:
        self._kinds: dict[type[Any], OrderedDict[T, int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def __iter__(self) -> Iterator[tuple[int, T]]:
        for items in self._kinds.values():
            for item, number in items.items():
                yield number, item

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._kinds

    def kinds(self) -> Iterator[type[Any]]:
        """The kinds that wait."""
        return iter(self._kinds)

    def put(self, kind: type[Any], item: T, number: int) -> None:
        """Add one; numbers only grow."""
        self._kinds.setdefault(kind, OrderedDict())[item] = number

    def remove(self, kind: type[Any], item: T) -> bool:
        """Take one out; False if it is not here."""
        items = self._kinds.get(kind)
        if items is None or item not in items:
            return False
        del items[item]
        if not items:
            del self._kinds[kind]
        return True

    def oldest(self, kinds: list[type[Any]]) -> T:
        """Take the oldest of some kinds that wait."""
        kind = kinds[0]
        if len(kinds) > 1:
            kind = min(kinds, key=lambda kind: next(iter(self._kinds[kind].values())))
        items = self._kinds[kind]
        item, _ = items.popitem(last=False)
        if not items:
            del self._kinds[kind]
        return item


class RequestQueue(Generic[T]):
    """All requests of one connection that wait to be sent, and when each may be.

    Within a turn and as far as nothing is blocked, first come is first served. Orders overtake
    reads, but not for ever: after FAIRNESS of them a read that waits has its turn. The lanes share
    nothing, so history never delays an order. Items are told apart by `==` and hashed.
    """

    def __init__(self, schema: Schema, limits: RateLimits) -> None:
        period = 1.0 + limits.margin
        ordinary, historical = limits.ordinary, limits.historical
        self._ordinary = _RateWindow(ordinary, period, max(1, (ordinary or 1) // BURST))
        self._historical = _RateWindow(historical, period, historical or 1)
        self._turn_of = lane_rules(schema, limits)
        self._queues: dict[LaneRule, _LaneQueue[T]] = {turn: _LaneQueue() for turn in LaneRule}
        self._blocks: ServerBlocks[type[Any] | LaneRule] = ServerBlocks()
        self._numbers = count()
        self._orders_in_a_row = 0

    # --- queueing ---

    def submit(self, kind: type[Any], item: T, *, urgent: bool = False) -> None:
        """Queue an item; `urgent` puts it before all others of the ordinary lane."""
        turn = LaneRule.URGENT if urgent else self._turn_of[kind]
        self._queues[turn].put(kind, item, next(self._numbers))

    def remove(self, kind: type[Any], item: T) -> bool:
        """Take an item out; False if it is not queued."""
        places = (self._turn_of[kind], LaneRule.URGENT)
        return any(self._queues[turn].remove(kind, item) for turn in places)

    def clear(self) -> list[T]:
        """Take all out, oldest first."""
        items = sorted(
            (pair for queue in self._queues.values() for pair in queue), key=lambda pair: pair[0]
        )
        self._queues = {turn: _LaneQueue() for turn in LaneRule}
        return [item for _, item in items]

    # --- leaving ---

    def pop(self, now: float) -> T | None:
        """The item that leaves now, which takes its place in the lane; None if none may."""
        free = self._blocks.none()
        for turn, queue in self._in_turn():
            if queue.empty() or self._opens_at(turn) > now:
                continue
            kinds = list(queue.kinds())
            if not free:
                kinds = [kind for kind in kinds if self._blocked_until(turn, kind) <= now]
            if kinds:
                self._leave(turn, now)
                return queue.oldest(kinds)
        return None

    def next_at(self, now: float) -> float | None:
        """When `pop` has something again, not before `now`; None if nothing waits."""
        times = [
            max(now, self._opens_at(turn), self._blocked_until(turn, kind))
            for turn, queue in self._queues.items()
            for kind in queue.kinds()
        ]
        return min(times, default=None)

    def written(self, now: float) -> None:
        """What was popped since the last call has left: a peer that takes bytes slowly makes it
        later than that. Its places are taken from then on.
        """
        self._ordinary.written(now)
        self._historical.written(now)

    def _in_turn(self) -> Iterable[tuple[LaneRule, _LaneQueue[T]]]:
        queues = self._queues
        if self._read_is_due():
            return ((LaneRule.READ, queues[LaneRule.READ]), *queues.items())
        return queues.items()

    def _read_is_due(self) -> bool:
        return self._orders_in_a_row >= FAIRNESS

    def _opens_at(self, turn: LaneRule) -> float:
        if turn is LaneRule.UNCOUNTED:
            return float("-inf")
        if turn is LaneRule.HISTORY:
            return self._historical.free_at()
        if turn is LaneRule.READ and not self._read_is_due():
            return self._ordinary.eased_at()
        return self._ordinary.free_at()

    def _leave(self, turn: LaneRule, now: float) -> None:
        if turn is LaneRule.ORDER and len(self._queues[LaneRule.READ]):
            self._orders_in_a_row += 1
        elif turn in {LaneRule.ORDER, LaneRule.READ}:
            self._orders_in_a_row = 0
        if turn is not LaneRule.UNCOUNTED:
            (self._historical if turn is LaneRule.HISTORY else self._ordinary).take(now)

    # --- what the server thinks of it ---

    def refused(
        self, kind: type[Any], sent_at: float, now: float, hint: float | None, whole_lane: bool
    ) -> None:
        """The server refused a request for being one too many.

        `sent_at` is when that request was popped, `hint` for how many seconds the server blocks;
        `whole_lane` holds back all reads of the lane, not only this kind. No order that is queued
        is held back: one that leaves late is not what was meant. Ask `blocked` before queueing it.
        """
        turn = self._turn_of[kind]
        if whole_lane:
            lane = LaneRule.READ if turn in {LaneRule.ORDER, LaneRule.URGENT} else turn
            self._blocks.refused(lane, sent_at, now, hint)
        if turn is LaneRule.ORDER:
            if hint is not None:  # what we only guess does not keep anybody from trading
                self._blocks.block(kind, now + hint)
        elif not whole_lane:
            self._blocks.refused(kind, sent_at, now, hint)

    def blocked(self, kind: type[Any], now: float) -> float | None:
        """Until when the server said that it takes no trading request of this kind."""
        until = self._blocks.until(kind)
        return until if until > now and self._turn_of[kind] is LaneRule.ORDER else None

    def passed(self, kind: type[Any], sent_at: float) -> None:
        """The server took a request that was popped at `sent_at`."""
        self._blocks.passed(kind, sent_at)
        self._blocks.passed(self._turn_of[kind], sent_at)

    def _blocked_until(self, turn: LaneRule, kind: type[Any]) -> float:
        if turn in {LaneRule.URGENT, LaneRule.ORDER}:
            return float("-inf")
        return max(self._blocks.until(kind), self._blocks.until(turn))

    # --- looking ---

    def view(self, now: float) -> Limits:
        """How things stand."""
        active = self._blocks.active(now)
        queued = {turn: len(queue) for turn, queue in self._queues.items()}
        return Limits(
            Lane(
                self._ordinary.limit,
                queued[LaneRule.URGENT] + queued[LaneRule.ORDER] + queued[LaneRule.READ],
                self._ordinary.left(now),
                active.get(LaneRule.READ),
            ),
            Lane(
                self._historical.limit,
                queued[LaneRule.HISTORY],
                self._historical.left(now),
                active.get(LaneRule.HISTORY),
            ),
            {kind.__name__: until for kind, until in active.items() if isinstance(kind, type)},
        )
