"""An account and its positions as people see them, in a notebook too; no secret in any of it."""

from __future__ import annotations

import io
from typing import Any

import trio
from rich.console import Console

from ctrader_typed import Account
from mockserver.box import ACCESS_TOKEN, CLIENT_SECRET
from tests.support.accounts import at_work, still_box


def by_rich(shown: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def two(account: Account) -> None:
    await (await account.buy("EURUSD", lots="0.10", stop_loss_pips=20, label="<b>")).filled()
    await (await account.sell("USDJPY", units=2000)).filled()
    await trio.sleep(1)
    await account.settled()


async def test_positions_are_a_table(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, _server):
        await two(account)
        positions = account.positions
        assert repr(positions).splitlines() == [
            "2 positions",
            "position  symbol  side  units    price  stop loss  take profit  net profit",
            " 5000001  EURUSD   BUY  10000  1.08460    1.08260                    -1.25",
            " 5000002  USDJPY  SELL   2000  149.000                               -0.32",
        ]
        html = positions._repr_html_()
        assert html.startswith("<p>2 positions</p><table><tr><th>position</th>")
        assert "<td>EURUSD</td><td>BUY</td><td>10000</td><td>1.08460</td>" in html
        assert "EURUSD" in by_rich(positions)
        assert list(positions) == [5000001, 5000002]
        assert positions == dict(positions)


async def test_a_position_by_itself(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, _server):
        await two(account)
        position = account.positions[5000001]
        assert repr(position) == (
            "<Position 5000001: BUY 10000 of symbol 1 at 1.0846, stop_loss 1.0826, label <b>, "
            "opened_at 2026-03-02 09:00:00.130000+00:00>"
        )
        assert "<th>stop loss</th><td>1.0826</td>" in position._repr_html_()
        assert "<td>&lt;b&gt;</td>" in position._repr_html_()
        assert "stop_loss=Decimal('1.0826')" in by_rich(position)


async def test_an_account_with_its_positions(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, server):
        assert repr(account.positions) == "0 positions"
        await two(account)
        assert repr(account) == (
            "<Account 1000001: balance 10000.00, equity 9998.43, 2 positions, 0 pending>"
        )
        everything = account._repr_html_() + by_rich(account) + repr(account)
        assert "balance 10000.00" in account._repr_html_()
        assert "USDJPY" in by_rich(account)
        assert ACCESS_TOKEN not in everything
        assert CLIENT_SECRET not in everything
        await trio.aclose_forcefully(server.links[-1])
        await trio.testing.wait_all_tasks_blocked()
        assert repr(account).endswith("out of step>")
