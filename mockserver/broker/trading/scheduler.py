"""What is still to happen, in order of time.

Steps are plain values, so that a snapshot can hold them. A step whose object has moved on meanwhile
does nothing when its time comes; so nothing is ever taken off the agenda.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from ctrader_typed.message import Message


@dataclass(frozen=True, slots=True)
class HandleRequest:
    """A request that the broker takes up only now."""

    connection: int
    request: Message
    client_msg_id: str | None


@dataclass(frozen=True, slots=True)
class Execute:
    """An order meets the market."""

    account_id: int
    order_id: int


@dataclass(frozen=True, slots=True)
class Protect:
    """A position's protective order follows the position."""

    account_id: int
    position_id: int


@dataclass(frozen=True, slots=True)
class Expire:
    """An order's time may have run out."""

    account_id: int
    order_id: int


@dataclass(frozen=True, slots=True)
class Rollover:
    """A position's swap may be due."""

    account_id: int
    position_id: int


ScheduledStep = HandleRequest | Execute | Protect | Expire | Rollover


@dataclass(slots=True)
class Scheduler:
    """Steps by time; those of the same ms in the order in which they were written down."""

    _heap: list[tuple[int, int, ScheduledStep]] = field(
        default_factory=list[tuple[int, int, ScheduledStep]]
    )
    _count: int = 0

    def add(self, due: int, step: ScheduledStep) -> None:
        """Let a step happen at this ms."""
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, step))

    def due(self) -> int | None:
        """When the next step happens, in ms; None for never."""
        return self._heap[0][0] if self._heap else None

    def take(self) -> ScheduledStep:
        """The next step, which leaves the agenda; IndexError if it is empty."""
        return heapq.heappop(self._heap)[2]
