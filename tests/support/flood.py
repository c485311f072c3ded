"""A server that pours out quotes at a steady rate, and what its readers see of them.

The pace is that of trio's clock, so virtual minutes take as long as the work in them. Latencies
are the core's time: a quote carries it from when the server wrote it. Run as a program, by which
the memory is that of nothing else: `python -m tests.support.flood SECONDS [POLICY …]`, a policy
for each reader that stalls.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import trio
from trio.testing import MockClock

from ctrader_typed import Gap, ProtoOASpotEvent, connect_over
from ctrader_typed.proto import SCHEMA
from ctrader_typed.protocol.stream_buffers import Overflow, conflate_spots
from ctrader_typed.wire.connection import Connection
from mockserver.composition import mock_server
from mockserver.handler import Action, ClientConnection, Event, SendRaw
from tests.support.memory import peak

RATE = 10_000
"""Quotes a second."""

AT_ONCE = 100
"""Quotes in one write."""

POLICIES: dict[str, Overflow] = {
    "raise": "raise",
    "drop_oldest": "drop_oldest",
    "conflate": conflate_spots,
}


class Flood:
    """Quotes for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._pause = AT_ONCE / RATE
        self._left = round(seconds / self._pause)
        self._connection = Connection(SCHEMA)
        self._next: float | None = None

    def opened(self, now: float) -> Iterable[Action]:
        self._next = now + self._pause
        return ()

    def received(self, event: Event, now: float) -> Iterable[Action]:
        return ()

    def wake_at(self) -> float | None:
        return self._next

    def wake(self, now: float) -> Iterable[Action]:
        assert self._next is not None
        self._left -= 1
        self._next = self._next + self._pause if self._left > 0 else None
        quote = ProtoOASpotEvent(
            ctid_trader_account_id=1, symbol_id=1, bid=108_450, timestamp=time.process_time_ns()
        )
        return [SendRaw(self._connection.send(quote) * AT_ONCE)]

    def closed(self, now: float) -> None: ...


@dataclass(frozen=True)
class Seen:
    """What a reader that keeps up saw, and what the process grew by meanwhile."""

    events: int
    p99: float
    """Seconds of the core's time from the server's write to the reader."""
    grown: int
    """Bytes of memory, at most."""
    dropped: int
    """Events that the stalled readers never saw."""


class Latencies:
    """Counted by the microsecond: millions of them take no room."""

    def __init__(self) -> None:
        self._counts = [0] * 1_000_000
        self.total = 0

    def add(self, nanoseconds: int) -> None:
        self._counts[min(nanoseconds // 1000, len(self._counts) - 1)] += 1
        self.total += 1

    def p99(self) -> float:
        """Seconds."""
        below = 0
        for microseconds, count in enumerate(self._counts):
            below += count
            if below * 100 >= self.total * 99:
                return microseconds / 1e6
        return 0.0


async def pour(seconds: float, stalled: list[Overflow]) -> Seen:
    """Pour for so many seconds into one reader that keeps up, and into others that read one event
    and no more.
    """
    latencies = Latencies()
    wanted = round(RATE * seconds)
    flood = Flood(seconds)

    def handlers(client: ClientConnection) -> Flood:
        return flood

    async def stall(overflow: Overflow, *, task_status: trio.TaskStatus[None]) -> None:
        async with api.events(ProtoOASpotEvent, overflow=overflow) as spots:
            task_status.started()
            await anext(spots)
            await trio.sleep_forever()

    async with (
        mock_server(handlers) as server,
        connect_over(server.memory_client()) as api,
        api.events(ProtoOASpotEvent) as spots,
        trio.open_nursery() as nursery,
    ):
        for overflow in stalled:
            await nursery.start(stall, overflow)
        before = peak()
        while latencies.total < wanted:
            spot = await anext(spots)
            assert not isinstance(spot, Gap)
            assert spot.timestamp is not None
            latencies.add(time.process_time_ns() - spot.timestamp)
        after = peak()
        dropped = sum(stream.dropped for stream in api.statistics().streams)
        nursery.cancel_scope.cancel()
    return Seen(latencies.total, latencies.p99(), after - before, dropped)


def poured(seconds: float, *stalled: str) -> Seen:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.support.flood", str(seconds), *stalled]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return Seen(**json.loads(done.stdout))


if __name__ == "__main__":
    policies = [POLICIES[name] for name in sys.argv[2:]]
    clock = MockClock(autojump_threshold=0)
    seen = trio.run(pour, float(sys.argv[1]), policies, clock=clock)
    sys.stdout.write(json.dumps(asdict(seen)))
