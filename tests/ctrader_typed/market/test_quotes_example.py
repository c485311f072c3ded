"""The example of quotes runs as it is, in virtual time."""

from __future__ import annotations

import pytest

from examples import quotes


async def test_it_runs(autojump_clock, capsys: pytest.CaptureFixture[str]) -> None:
    await quotes.main()
    said = capsys.readouterr().out
    assert "1: 1.1" in said
    assert "spread 0.0" in said
    assert " | " in said
    assert "is over, complete: True" in said
