"""Whatever happens to an account, and whenever the link is cut: its book is the server's."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing

from ctrader_typed import (
    Account,
    Api,
    BalanceChanged,
    Change,
    CTraderError,
    InStep,
    OutOfStep,
    Reconnect,
    connect_over,
)
from mockserver.box import HEDGED, NETTED, Box
from mockserver.broker.broker import START
from mockserver.broker.rules import TradingRules
from tests.support.accounts import (
    BUY,
    KEYS,
    SELL,
    agrees,
    at_work,
    cut,
    order,
    same_as_server,
    still_box,
)

FAST = Reconnect(first=0.1, ceiling=0.2)
EURUSD = 1
HOUR = 3_600
EVENING = START + 10 * HOUR * 1000
"""19:00 UTC."""

Happening = Callable[[Api, Account, Any], Awaitable[None]]


async def quiet(seconds: float = 2) -> None:
    """Until what was set off has happened."""
    await trio.sleep(seconds)


async def deposit(_: Api, account: Account, server: Any) -> None:
    server.broker.deposit(account.account_id, "250.50")


async def withdrawal(_: Api, account: Account, server: Any) -> None:
    server.broker.withdraw(account.account_id, 100)


async def bonus(_: Api, account: Account, server: Any) -> None:
    server.broker.grant_bonus(account.account_id, 300)


async def bonus_taken_back(api: Api, account: Account, server: Any) -> None:
    await bonus(api, account, server)
    server.broker.grant_bonus(account.account_id, -100)


async def swap(_: Api, account: Account, server: Any) -> None:
    """Past 20:59 UTC."""
    await quiet(2 * HOUR)


async def trailing(_: Api, account: Account, server: Any) -> None:
    """The market runs up, and the stop follows it."""
    for bid in ("1.0850", "1.0860", "1.0870"):
        server.broker.set_price(EURUSD, bid)
        await quiet(0.3)


async def stopped(_: Api, account: Account, server: Any) -> None:
    """Down through the stop loss."""
    server.broker.set_price(EURUSD, "1.0700")


async def target(_: Api, account: Account, server: Any) -> None:
    """Up through the take profit."""
    server.broker.set_price(EURUSD, "1.1000")


async def stop_out(_: Api, account: Account, server: Any) -> None:
    """The bottom falls out."""
    server.broker.set_price(EURUSD, "0.9500")


async def pending_filled(_: Api, account: Account, server: Any) -> None:
    server.broker.set_price(EURUSD, "1.0790")


async def pending_filled_in_part(_: Api, account: Account, server: Any) -> None:
    for number in account.pending or list(server.broker.account(account.account_id).working):
        found = server.broker.order(number)
        if found.pending and found.remaining > 100_000:
            server.broker.fill(number, volume=100_000)


async def expired(_: Api, account: Account, server: Any) -> None:
    await quiet(20 * 60)


async def of_another_client(_: Api, account: Account, server: Any) -> None:
    """The terminal buys, raises, closes in part and turns round."""
    async with at_terminal(account.account_id, server) as (theirs, other):
        for side, volume in [(BUY, 200_000), (SELL, 300_000), (BUY, 600_000)]:
            await (await theirs.place(order(other, EURUSD, side, volume))).filled()
        for position in list(other.positions.values()):
            await (await other.close(position, volume=100_000)).filled()


HAPPENINGS: list[Happening] = [
    deposit,
    withdrawal,
    bonus,
    bonus_taken_back,
    swap,
    trailing,
    stopped,
    target,
    stop_out,
    pending_filled,
    pending_filled_in_part,
    expired,
    of_another_client,
]


@asynccontextmanager
async def at_terminal(account_id: int, server: Any) -> AsyncGenerator[tuple[Api, Account], None]:
    """A client of somebody else's on the same account."""
    async with connect_over(server.memory_client()) as api:
        await api.auth(**KEYS, account_id=account_id)
        yield api, await api.account(account_id)


async def prepared(api: Api, account: Account) -> None:
    """Some of everything: positions with and without levels, and orders that wait."""
    plain = await account.buy("EURUSD", lots=3)
    await plain.filled()
    await (await account.sell("GBPUSD", lots="0.05", take_profit_pips=100)).filled()
    ratchet = await account.buy(
        "EURUSD", lots="0.10", stop_loss_pips=30, take_profit_pips=90, trailing=True
    )
    await ratchet.filled()
    soon = await ends_at(api, account)
    await account.limit("EURUSD", BUY, "1.0800", lots="0.03", stop_loss_pips=20, expires=soon)
    await account.stop("EURUSD", SELL, "1.0600", lots="0.02")
    await quiet()


async def ends_at(api: Api, account: Account) -> datetime:
    """Ten minutes from now, in the broker's world."""
    opened = next(iter(account.positions.values())).opened_at
    assert opened is not None
    return opened + timedelta(minutes=10)


class Watch:
    """Follows the changes: between OutOfStep and InStep nobody may say that it is in step."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.told: list[Change] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with self.account.changes() as changes:
            task_status.started()
            async for change in changes:
                self.told.append(change)

    def check(self, balance_before: Decimal) -> None:
        """In turns, and the balance is the sum of what was told."""
        turns = [type(c) for c in self.told if isinstance(c, OutOfStep | InStep)]
        assert turns == [OutOfStep, InStep] * (len(turns) // 2)
        booked = sum(c.balance - c.before for c in self.told if isinstance(c, BalanceChanged))
        assert self.account.balance == balance_before + booked


async def cut_now(server: Any, box: Box, account: Account) -> None:
    await cut(server)
    assert not account.in_step


async def session_ends(server: Any, box: Box, account: Account) -> None:
    """The connection stands, the account's session does not."""
    box.drop_account(account.account_id)
    await trio.testing.wait_all_tasks_blocked()


async def nothing(server: Any, box: Box, account: Account) -> None:
    """It goes well."""


TROUBLES = [nothing, cut_now, session_ends]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("transition", HAPPENINGS)
@pytest.mark.parametrize("account_id", [HEDGED, NETTED])
async def test_its_book_is_the_servers(
    account_id: int, transition: Happening, trouble: Any, autojump_clock
) -> None:
    """While it is well, while nobody listens, and with the trouble in the middle of it."""
    box = still_box(start_ms=EVENING)
    async with at_work(account_id, box=box, reconnect=FAST) as (api, account, server):
        async with trio.open_nursery() as nursery:
            watch, before = Watch(account), account.balance
            await nursery.start(watch.run)
            await prepared(api, account)
            await same_as_server(api, account)
            await trouble(server, box, account)
            await transition(api, account, server)
            await trouble(server, box, account)
            await account.settled()
            await same_as_server(api, account)
            await quiet()
            await account.settled()
            await same_as_server(api, account)
            agrees(account, server)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        watch.check(before)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("account_id", [HEDGED, NETTED])
async def test_anything_in_any_order(account_id: int, seed: int, autojump_clock) -> None:
    """With the rarer events too: margin and trader changes that recorded servers never sent."""
    chance = random.Random(seed)
    box = still_box(start_ms=EVENING, rules=TradingRules(account_events=seed % 2 == 1))
    async with at_work(account_id, box=box, reconnect=FAST) as (api, account, server):
        async with trio.open_nursery() as nursery:
            watch, before = Watch(account), account.balance
            await nursery.start(watch.run)
            await prepared(api, account)
            for _ in range(12):
                with suppress(CTraderError, ValueError):  # no money for it any more
                    await chance.choice(HAPPENINGS)(api, account, server)
                await chance.choice(TROUBLES)(server, box, account)
                await quiet(chance.choice((0.0, 0.02, 0.13, 0.15, 2.0)))
                with suppress(CTraderError):  # out of money, or of connections
                    side = chance.choice((account.buy, account.sell))
                    await side("EURUSD", lots="0.04", stop_loss_pips=25, trailing=True)
                await account.settled()
                await account.settled()
            await same_as_server(api, account)
            agrees(account, server)
            nursery.cancel_scope.cancel()
        watch.check(before)
