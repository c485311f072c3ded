"""A position's numbers in a trader's units: money by the digits of its own message."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
import trio

from ctrader_typed.account import Position
from mockserver.broker.broker import START
from tests.support.accounts import at_work, still_box
from tests.support.trading import position

EVENING = START + 10 * 3_600_000
"""19:00 UTC."""


@pytest.mark.parametrize(
    ("digits", "shown"),
    [(None, ("-1.10", "-27.44", "25355.66")), (8, ("-0.00000110", "-0.00002744", "0.02535566"))],
)
def test_money_by_the_digits_of_the_message(digits: int | None, shown: tuple[str, ...]) -> None:
    message = position(swap=-110, commission=-2744, used_margin=2_535_566, money_digits=digits)
    with localcontext() as context:
        context.prec = 3
        found = Position(message)
        amounts = found.swap, found.commission, found.used_margin
    assert tuple(f"{amount:f}" for amount in amounts) == shown


def test_what_is_not_said_is_nothing() -> None:
    bare = Position(position())
    assert (bare.commission, bare.used_margin) == (0, 0)
    assert (bare.opened_at, bare.stop_loss, bare.label) == (None, None, None)


async def test_the_parts_make_the_whole(autojump_clock) -> None:
    async with at_work(box=still_box(start_ms=EVENING)) as (_, account, _server):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        await (await account.sell("USDJPY", lots="0.20")).filled()
        await trio.sleep(2 * 3600)  # past 20:59, when swap is charged
        await account.settled()
        positions, profit = account.positions.values(), account.profit
        assert profit is not None
        assert all(each.swap for each in positions)
        assert profit.net == profit.gross + sum(
            (each.swap + each.commission for each in positions), Decimal(0)
        )
        assert account.used_margin == sum(each.used_margin for each in positions)
