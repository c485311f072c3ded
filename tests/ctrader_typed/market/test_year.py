"""A year of one-minute bars through the mock server: every bar once, in time, within memory.

Measured in a process of its own, for the server and the client together: `python -m
tests.ctrader_typed.market.test_year` prints the figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

from ctrader_typed import connect_over
from ctrader_typed.market.history import bars
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from tests.support.memory import peak

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
ROOT = Path(__file__).parents[3]
SYMBOL = 1
MINUTE = 60_000
YEAR = 365 * 24 * 60 * MINUTE


async def download() -> dict[str, Any]:
    """The figures, and what is wrong with the bars: nothing."""
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await api.auth(**KEYS, account_id=HEDGED)
        broker: Any = server.broker
        end = broker.now_ms // MINUTE * MINUTE
        began, virtually = time.perf_counter(), trio.current_time()
        ours = await bars(api, HEDGED, SYMBOL, "M1", end - YEAR, end)
        figures = {
            "seconds": round(time.perf_counter() - began, 1),
            "virtual_seconds": round(trio.current_time() - virtually, 1),
            "MiB": peak() >> 20,
            "requests": api.statistics().answered,
            "bars": len(ours),
        }
    # The path itself, which knows no pages, is the broker's own list.
    source = broker.market_data.market.path
    theirs = list(source.minutes(SYMBOL, (end - YEAR) // MINUTE, end // MINUTE))
    columns = list(zip(*theirs, strict=True))
    ours_too = [ours.open, ours.high, ours.low, ours.close, ours.volume]
    return figures | {
        "same_times": ours.time.tolist() == [minute * MINUTE for minute in columns[0]],
        "same_bars": [column.tolist() for column in ours_too] == list(map(list, columns[1:])),
    }


def test_a_year_has_every_bar_once_within_a_minute_and_200_mib() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.ctrader_typed.market.test_year"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert 365_000 < figures["bars"] < 375_000
    assert figures["same_times"]
    assert figures["same_bars"]
    assert figures["seconds"] < 60
    assert figures["MiB"] < 200
    assert figures["virtual_seconds"] > figures["requests"] / 5 - 2  # the lane was kept to


if __name__ == "__main__":
    print(json.dumps(trio.run(download, clock=MockClock(autojump_threshold=0))))  # noqa: T201  # for the test above
