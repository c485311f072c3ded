"""The example, run as it is."""

from __future__ import annotations

import pytest

from examples import tradable


async def test_the_example_runs(capsys: pytest.CaptureFixture[str], autojump_clock) -> None:
    await tradable.main()
    lines = capsys.readouterr().out.splitlines()
    assert "EURUSD      Forex       pip 0.0001  opens Sun 21:05" in lines
    assert "US500.cash  Cash CFD    pip 1       opens Sun 22:00" in lines
    assert "BTCUSD      Crypto CFD  pip 1       opens Fri 22:00" in lines
    assert "20 pips are 200, and 108452 is 1.08452" in lines
    assert sum(line.startswith("refused: ") for line in lines) == 3
    assert lines[-1] == "from gold to yen: XAUUSD, USDJPY"
