"""Heartbeats out, signs of life in: when which is due, as a function of time, which is an argument.

Times are seconds of any clock that does not run backwards.
"""

from __future__ import annotations

from enum import Enum, auto

HEARTBEAT_INTERVAL = 9.0
"""Seconds between our heartbeats.

The server wants one at least every 10; one second is for the way.
"""

SILENCE_LIMIT = 30.0
"""Seconds without a byte from the server after which the link counts as dead."""


class KeepaliveAction(Enum):
    """What is due."""

    HEARTBEAT = auto()
    """Send a heartbeat."""
    ASK = auto()
    """Nothing was heard for long: ask something that the server has to answer."""
    SILENT = auto()
    """Nor was that answered: the link is dead."""


class Keepalive:
    """The clockwork of one link.

    The server answers no heartbeat and sends its own only every 25 to 30 s, so a bare limit near
    30 s would end links that are merely idle. A question within each silence makes it sound: a link
    is dead when nothing came for two thirds of the limit, and nothing for the last third after we
    asked. A program that was held up for a minute asks first, and does not give up a good link.
    """

    def __init__(self, now: float, heartbeat_interval: float, silence_limit: float) -> None:
        if heartbeat_interval <= 0 or silence_limit <= 0:
            raise ValueError("heartbeat_interval and silence_limit are seconds above 0")
        self._interval = heartbeat_interval
        self._limit = silence_limit
        self._next_heartbeat = now + heartbeat_interval
        self._heard_at = now
        self._asked_at: float | None = None

    def heard(self, now: float) -> None:
        """Bytes came in."""
        self._heard_at = now
        self._asked_at = None

    def wake_at(self) -> float:
        """When to call `due` next; earlier than needed if something is heard meanwhile."""
        return min(self._next_heartbeat, self._patience_ends())

    def _patience_ends(self) -> float:
        if self._asked_at is None:
            return self._heard_at + self._limit * 2 / 3
        return self._asked_at + self._limit / 3

    def due(self, now: float) -> KeepaliveAction | None:
        """What is due at `now`, one thing a call; None if it is not time yet."""
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self._interval
            return KeepaliveAction.HEARTBEAT
        if now < self._patience_ends():
            return None
        if self._asked_at is None:
            self._asked_at = now
            return KeepaliveAction.ASK
        return KeepaliveAction.SILENT
