"""How much has gone through a client: counts, queues, and how long answers took."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from .request_tracker import AnsweredRequest

LATELY = 1_024
"""Answers whose latencies are remembered."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a request's leaving to its answer, over the last 1,024 answers."""

    median: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """One open stream."""

    types: tuple[str, ...]
    received: int
    """Events put in, whatever became of them."""
    waiting: int
    """Events that wait to be read now."""
    most_waiting: int
    """The most that ever did."""
    dropped: int
    """Events for which there was no room, or that a newer one of their key replaced."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A client so far, over all its connections."""

    connections: int
    """Connections on which the session was restored, the first one included."""
    failed_attempts: int
    """Attempts to reconnect that came to nothing."""
    answered: int
    """Requests that were answered or refused."""
    refused: int
    """Those of them that were refused, or answered by what is no answer."""
    events: int
    """Events that came in, whether or not a stream wanted them."""
    latency: Latency | None
    """None before the first answer."""
    streams: tuple[StreamStatistics, ...]

    @property
    def reconnects(self) -> int:
        """How often a lost connection was replaced."""
        return max(self.connections - 1, 0)


class StatisticsCollector:
    """Counts while a client works."""

    def __init__(self) -> None:
        self.connections = 0
        self.failed_attempts = 0
        self._answered = 0
        self._refused = 0
        self._events = 0
        self._latencies: deque[float] = deque(maxlen=LATELY)

    def observe(self, answered: Iterable[AnsweredRequest], events: int) -> None:
        """A batch came in."""
        self._events += events
        for answer in answered:
            self._answered += 1
            self._refused += isinstance(answer.outcome, Exception)
            self._latencies.append(answer.latency)

    def so_far(self, streams: tuple[StreamStatistics, ...]) -> Statistics:
        """All of it."""
        return Statistics(
            self.connections,
            self.failed_attempts,
            self._answered,
            self._refused,
            self._events,
            _latency(sorted(self._latencies)),
            streams,
        )


def _latency(ordered: list[float]) -> Latency | None:
    if not ordered:
        return None
    count = len(ordered)
    return Latency(ordered[count // 2], ordered[min(count - 1, count * 99 // 100)], ordered[-1])
