"""Ten minutes of 10,000 quotes a second in the mock, with a reader that has stalled."""

from __future__ import annotations

import pytest

from tests.support.flood import POLICIES, RATE, poured

MINUTES = 10
MEMORY = 64 << 20


@pytest.mark.parametrize("policy", POLICIES)
def test_a_stalled_reader(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    alone = poured(60)
    beside = poured(60 * MINUTES, policy)
    with capsys.disabled():
        print(
            f"\n{beside.events:,} quotes beside a reader that has stalled ({policy}): memory grew "
            f"by {beside.grown / (1 << 20):.1f} MiB; p99 {beside.p99 * 1e3:.2f} ms, without it "
            f"{alone.p99 * 1e3:.2f} ms: {beside.p99 / alone.p99:.2f} times"
        )
    assert beside.events == RATE * 60 * MINUTES
    assert beside.grown < MEMORY
    assert beside.p99 < 2 * alone.p99
