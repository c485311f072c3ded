"""In which order the steps of a session are played: as recorded, or as the client asks.

A course knows which of the client's messages may come now, and which of the server's is due when.
It does not know what they say.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Protocol

from ..recordings.session_file import Order, Record


class StepOrder(Protocol):
    """The steps of one connection, from the first to the last. Times are the server's, seconds."""

    @property
    def expected(self) -> Sequence[Record]:
        """The client's steps of which one may come now, in the session's order."""
        ...

    @property
    def left(self) -> list[Record]:
        """The steps that have not been played, in the session's order."""
        ...

    def began(self, now: float) -> None:
        """The connection stands."""
        ...

    def came(self, step: Record, now: float) -> None:
        """The client has sent this step, one of those that were expected."""
        ...

    def due(self) -> float | None:
        """When the server's next step is due; None at the end, and if it is the client's turn."""
        ...

    def take(self, now: float) -> Record:
        """The server's next step, which is due: it counts as played."""
        ...


def step_order(order: Order, steps: Sequence[Record], pace: float) -> StepOrder:
    """The course of that kind; `pace` is how many seconds a second of the session takes."""
    return (RecordedOrder if order is Order.STRICT else RequestedOrder)(steps, pace)


class RecordedOrder:
    """Each step in its turn. What the client sends too soon is held until then."""

    def __init__(self, steps: Sequence[Record], pace: float) -> None:
        self._steps = steps
        self._asked = [step for step in steps if step.by_client]
        self._pace = pace
        self._next = 0
        self._heard = 0  # steps of the client that have come …
        self._passed = 0  # … and those whose turn has come too
        self._due = 0.0  # when the step before the next one was due

    @property
    def expected(self) -> Sequence[Record]:
        """The next one."""
        return self._asked[self._heard : self._heard + 1]

    @property
    def left(self) -> list[Record]:
        """All from the next step on."""
        return list(self._steps[self._next :])

    def began(self, now: float) -> None:
        """The pauses count from here."""
        self._due = now

    def came(self, step: Record, now: float) -> None:
        """It has its turn now, or when the steps before it have been played."""
        self._heard += 1
        self._go_on(now)

    def due(self) -> float | None:
        """As long after the step before it as was recorded."""
        if self._next == len(self._steps) or self._steps[self._next].by_client:
            return None
        step = self._steps[self._next]
        before = self._steps[self._next - 1].t if self._next else step.t
        return self._due + (step.t - before) * self._pace

    def take(self, now: float) -> Record:
        """Play it, and what the client has sent for the turns after it."""
        step = self._steps[self._next]
        due = self.due()
        self._due = now if due is None else due
        self._next += 1
        self._go_on(now)
        return step

    def _go_on(self, now: float) -> None:
        while (
            self._passed < self._heard
            and self._next < len(self._steps)
            and self._steps[self._next].by_client
        ):
            self._next += 1
            self._passed += 1
            self._due = now


class RequestedOrder:
    """The client's steps in any order, each once; with each come the server's that belong to it.

    Those are the replies to it, and what was sent without being asked before the client's next
    message.
    """

    def __init__(self, steps: Sequence[Record], pace: float) -> None:
        self._steps = steps
        self._pace = pace
        self._open = {step.line: step for step in steps}  # what has not been played, by line
        self._asked = {step.line: step for step in steps if step.by_client}  # has not come
        self._with = _belonging(steps)
        self._queue: list[tuple[float, int]] = []  # due when, line

    @property
    def expected(self) -> Sequence[Record]:
        """All that have not come yet."""
        return list(self._asked.values())

    @property
    def left(self) -> list[Record]:
        """All that have not been played, whether the client has asked or not."""
        return list(self._open.values())

    def began(self, now: float) -> None:
        """What comes before the client's first message is due."""
        self._plan(None, now)

    def came(self, step: Record, now: float) -> None:
        """What belongs to it is due, as long after it as was recorded."""
        del self._asked[step.line], self._open[step.line]
        self._plan(step, now)

    def _plan(self, step: Record | None, now: float) -> None:
        begun = (
            self._steps[0].t if step is None and self._steps else 0.0 if step is None else step.t
        )
        for each in self._with.get(None if step is None else step.line, ()):
            heapq.heappush(self._queue, (now + (each.t - begun) * self._pace, each.line))

    def due(self) -> float | None:
        """The soonest of what has been asked for."""
        return self._queue[0][0] if self._queue else None

    def take(self, now: float) -> Record:
        """Play it."""
        return self._open.pop(heapq.heappop(self._queue)[1])


def requests(steps: Iterable[Record]) -> dict[int, Record]:
    """The request that a step of the server answers: the latest with its clientMsgId, by line."""
    latest: dict[str, Record] = {}
    found: dict[int, Record] = {}
    for step in steps:
        if step.client_msg_id is None:
            continue
        if step.by_client:
            latest[step.client_msg_id] = step
        elif step.client_msg_id in latest:
            found[step.line] = latest[step.client_msg_id]
    return found


def _belonging(steps: Sequence[Record]) -> dict[int | None, list[Record]]:
    """The server's steps by the line of the client's that they belong to; None: to none."""
    answered = requests(steps)
    found: dict[int | None, list[Record]] = {}
    latest: int | None = None
    for step in steps:
        if step.by_client:
            latest = step.line
        else:
            request = answered.get(step.line)
            found.setdefault(latest if request is None else request.line, []).append(step)
    return found
