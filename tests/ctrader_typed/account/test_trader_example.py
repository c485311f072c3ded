"""The example, run as it is."""

from __future__ import annotations

import pytest

from examples import trader


async def test_the_example_runs(capsys: pytest.CaptureFixture[str], autojump_clock) -> None:
    await trader.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "<Account 1000001: balance 10000.00, equity 10000.00, 0 positions, 0 pending>"
    )
    assert any(line.startswith("bought 10000 units at ") for line in lines)
    assert any("net profit" in line for line in lines)
    assert sum(": Profit(" in line for line in lines) == 3
    assert any(line.startswith("<Position ") and "take_profit" in line for line in lines)
    assert any(line.startswith("Bars: 1,430 of M1") for line in lines)
