"""The comparison with other clients works: one of them, and tiny numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.field import table
from tests.benchmarks.field.table import Goal

ROOT = Path(__file__).parents[3]
TIME_GOES_BY = ("import", "memory", "p50", "p99", "in_flight", "spots", "lone", "bars", "ticks")


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.field", "--runs", "1", "--small"]
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_it_measures_us_and_a_bare_loop_and_both_read_the_same():
    figures = json.loads(run("--only", "ours-python,trio", "--json"))
    assert figures.keys() == {"ours-python", "trio"}
    for each in figures.values():
        assert all(each[key] > 0 for key in TIME_GOES_BY)
        assert each["p50"] <= each["p99"]
    for key in ("bars_sum", "ticks_sum"):
        assert figures["trio"][key] == figures["ours-python"][key] != 0


def test_the_table_has_a_row_for_each_client_and_ratios_to_the_first():
    ours = {column.key: 2.0 for column in table.COLUMNS}
    slow = {column.key: 3.0 for column in table.COLUMNS}
    rows = list(
        table.markdown(
            {"ours-python": "us", "asyncio": "them"}, {"ours-python": ours, "asyncio": slow}
        )
    )
    assert rows[2].startswith("| us | 2 | 2 |")
    assert rows[3].startswith("| them | 3 (1.50) |")


def test_a_goal_is_reached_or_missed_and_says_by_how_much():
    figures = {"ours": {"p50": 120.0, "spots": 300.0}, "peer": {"p50": 100.0, "spots": 100.0}}
    assert str(Goal("ours", "p50", "peer", at_most=1.25).line(figures)).startswith("reached")
    missed = Goal("ours", "p50", "peer", at_most=1.15).line(figures)
    assert missed is not None
    assert missed.startswith("MISSED")
    assert "1.20 × peer (at most 1.15)" in missed
    assert str(Goal("ours", "spots", "peer", at_least=3).line(figures)).startswith("reached")
    assert str(Goal("ours", "spots", "peer", at_least=3.1).line(figures)).startswith("MISSED")
    assert Goal("ours", "p50", "nobody", at_most=1).line(figures) is None
