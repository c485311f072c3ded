"""Nothing is imported in a running loop: no heartbeat would leave, and no quote be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

LONGEST = 0.05  # seconds of CPU time; an import of the account's part took 0.15 and more

PROGRAM = """
import json, sys, time
import trio
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from ctrader_typed import connect_over

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
imported, steps = [], {}

class Imports:
    def find_spec(self, name, path=None, target=None):
        imported.append(name)

class Steps(trio.abc.Instrument):
    began = None
    def before_task_step(self, task):
        self.began = time.thread_time()
    def after_task_step(self, task):
        if self.began is not None and not task.name.startswith("mockserver."):
            took = time.thread_time() - self.began
            steps[task.name] = max(steps.get(task.name, 0.0), took)

async def main():
    async with mock_server(Box(), port=None) as server:
        async with connect_over(server.memory_client()) as api:
            sys.meta_path.insert(0, Imports())
            trio.lowlevel.add_instrument(Steps())
            await api.auth(**KEYS, account_id=HEDGED)
            account = await api.account(HEDGED)
            order = await account.buy("EURUSD", lots="0.01", stop_loss_pips=20)
            await order.filled()
            await account.amend(order.position_id, take_profit_pips=50)
            account.equity, account.margin_level, repr(account)
            account.symbol("EURUSD").is_open(at=1_769_990_400_000)
            async with account.quotes("EURUSD") as quotes:
                await anext(quotes)
            async with account.live_bars("EURUSD", "M1") as bars:
                await anext(bars)
            await account.bars("EURUSD", "H2", "2026-02-24", "2026-02-28")
            await account.ticks("EURUSD", "2026-02-27T10:00:00Z", "2026-02-27T10:10:00Z")
            await account.deals("2026-02-27")
            await account.close_all()
    print(json.dumps({"imported": imported, "steps": steps}))

trio.run(main)
"""


def run(**environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("choice", [{}, {"CTRADER_TYPED_CODEC": "python"}], ids=["best", "python"])
def test_after_connect_nothing_is_imported_and_no_step_is_long(choice: dict[str, str]) -> None:
    result = run(**choice)
    assert result["imported"] == []
    steps = result["steps"]
    assert len(steps) > 3
    longest = max(steps, key=steps.__getitem__)
    assert steps[longest] < LONGEST, longest
