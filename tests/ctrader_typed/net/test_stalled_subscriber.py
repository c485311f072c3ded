"""10,000 quotes a second with readers that have stalled: nobody else notices.

Here for half a minute; for the ten minutes see tests/benchmarks/test_stalled_subscriber.py.
"""

from __future__ import annotations

from tests.support.flood import POLICIES, RATE, poured

SECONDS = 30
MEMORY = 64 << 20


def test_stalled_readers_cost_little_memory_and_nobody_else_waits() -> None:
    alone = poured(SECONDS)
    beside = poured(SECONDS, *POLICIES)
    assert alone.events == beside.events == RATE * SECONDS
    assert alone.dropped == 0
    assert beside.dropped > RATE * SECONDS
    assert beside.grown < MEMORY
    # Each stalled stream takes part of the core as well: with three of them, up to twice and some.
    assert beside.p99 < 3 * alone.p99
