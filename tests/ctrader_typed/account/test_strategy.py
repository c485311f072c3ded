"""A strategy for forty simulated minutes: links cut, limits met, books that agree to the cent."""

from __future__ import annotations

import random
from typing import Any

import trio

from ctrader_typed import (
    Account,
    BalanceChanged,
    Change,
    CTraderError,
    InvalidOrder,
    OutOfStep,
    PositionClosed,
    ProtoOAGetPositionUnrealizedPnLReq,
    Reconnect,
    ServerError,
)
from tests.support.accounts import agrees, at_work

STEPS = 40  # of a minute
SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY")


async def trade(account: Account, chance: random.Random) -> None:
    """One decision: open with levels, close in part or wholly, or move a stop."""
    positions = list(account.positions.values())
    if len(positions) < 4:
        side = account.buy if chance.random() < 0.5 else account.sell
        name = chance.choice(SYMBOLS)
        order = await side(name, lots="0.02", stop_loss_pips=40, take_profit_pips=40)
        await order.filled()
        return
    position = chance.choice(positions)
    if chance.random() < 0.5 and position.volume > 100_000:
        await (await account.close(position, lots="0.01")).filled()
    else:
        await (await account.close(position)).filled()


async def cut(server: Any) -> None:
    """The link is gone."""
    await trio.aclose_forcefully(server.links[-1])


async def test_forty_minutes_and_the_books_agree_to_the_cent(autojump_clock) -> None:
    chance, told, filled = random.Random(5), list[Change](), 0
    async with (
        at_work(reconnect=Reconnect(first=0.5, ceiling=2.0)) as (api, account, server),
        account.changes() as changes,
    ):
        start = account.balance
        for step in range(STEPS):
            if step % 10 == 5:
                await cut(server)
            try:
                await api.connected()
                await account.settled()
                await trade(account, chance)
                filled += 1
            except InvalidOrder:
                raise
            except ServerError as error:
                assert error.code in {"MARKET_CLOSED", "POSITION_NOT_FOUND"}  # noqa: PT017
            except CTraderError:
                await trio.sleep(30)  # the link was cut in the middle: what came of it is found out
            if step % 20 == 7:  # more at once than the server takes in a second
                async with trio.open_nursery() as nursery:
                    for _ in range(120):
                        nursery.start_soon(
                            api.request,
                            ProtoOAGetPositionUnrealizedPnLReq(
                                ctid_trader_account_id=account.account_id
                            ),
                        )
            await trio.sleep(60)
        await account.settled()
        agrees(account, server)
        while True:
            try:
                told.append(changes.receive_nowait())
            except trio.WouldBlock:
                break
        booked = sum(c.balance - c.before for c in told if isinstance(c, BalanceChanged))
        assert account.balance == start + booked
        assert sum(isinstance(c, OutOfStep) for c in told) == 4
        assert sum(isinstance(c, PositionClosed) for c in told) > 5
        assert filled > 30
