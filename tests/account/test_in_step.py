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
    NO_RECONNECT,
    Account,
    Api,
    BalanceChanged,
    Change,
    ConnectionLost,
    CTraderError,
    InStep,
    OutcomeUnknown,
    OutOfStep,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Reconnect,
    connect_over,
)
from ctrader_typed.account import BonusChanged
from mockserver.box import HEDGED, NETTED, Box
from mockserver.broker.broker import START
from mockserver.broker.rules import Rules
from tests.accounts import (
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
        assert self.account.balance == balance_before + Decimal(booked) / 100


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
@pytest.mark.parametrize("happening", HAPPENINGS)
@pytest.mark.parametrize("account_id", [HEDGED, NETTED])
async def test_its_book_is_the_servers(
    account_id: int, happening: Happening, trouble: Any, autojump_clock
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
            await happening(api, account, server)
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
    box = still_box(start_ms=EVENING, rules=Rules(account_events=seed % 2 == 1))
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


async def test_a_trailing_stop_is_told_of_each_move(autojump_clock) -> None:
    box = still_box()
    async with at_work(box=box) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.1", stop_loss_pips=30, trailing=True)).filled()
        await quiet()
        async with account.changes() as changes:
            await trailing(api, account, server)
            moved = []
            for _ in range(3):
                change = await changes.receive()
                assert isinstance(change, PositionChanged)
                moved.append(change.position.stop_loss)
        assert moved == [
            Decimal("1.0821"),
            Decimal("1.0831"),
            Decimal("1.0841"),
        ]  # behind the bid of 1.0845
        await same_as_server(api, account)


async def test_levels_are_there_some_ms_after_the_fill(autojump_clock) -> None:
    """Recorded: the protective order comes 18 ms after the fill, and the levels with it."""
    async with at_work(box=still_box()) as (_, account, _server):
        order = await account.buy("EURUSD", lots="0.1", stop_loss_pips=30, take_profit_pips=50)
        await order.filled()
        (naked,) = account.positions.values()
        await quiet(0.02)
        (position,) = account.positions.values()
        assert (naked.stop_loss, naked.take_profit) == (None, None)
        assert (position.stop_loss, position.take_profit) == (
            Decimal("1.0816"),
            Decimal("1.0896"),
        )


async def test_a_raised_position_and_its_parts(autojump_clock) -> None:
    """Three deals, one position, closed in four parts: first in, first out."""
    async with at_work(box=still_box()) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.02")).filled()
        (number,) = account.positions
        for bid in ("1.0850", "1.0840"):
            server.broker.set_price(EURUSD, bid)
            raising = order(account, EURUSD, BUY, 300_000, position_id=number)
            await (await api.place(raising)).filled()
            await account.settled()
            await same_as_server(api, account)
            agrees(account, server)
        (position,) = account.positions.values()
        assert position.volume == 800_000
        for volume in (100_000, 300_000, 300_000, 100_000):
            await (await account.close(number, volume=volume)).filled()
            await account.settled()
            await same_as_server(api, account)
            agrees(account, server)
        assert not account.positions


async def test_a_netted_position_turns_round(autojump_clock) -> None:
    async with at_work(NETTED, box=still_box()) as (api, account, server):
        for side, volume, left in [(BUY, 300_000, 300_000), (SELL, 500_000, -200_000)]:
            await (await api.place(order(account, EURUSD, side, volume))).filled()
            (position,) = account.positions.values()
            assert position.volume * (1 if position.side == BUY else -1) == left
            await account.settled()
            await same_as_server(api, account)
            agrees(account, server)
        await (await api.place(order(account, EURUSD, BUY, 200_000))).filled()
        assert not account.positions
        await same_as_server(api, account)


async def test_a_bonus_is_margin_and_no_equity(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, server), account.changes() as changes:
        server.broker.grant_bonus(HEDGED, 300)
        change = await changes.receive()
        assert isinstance(change, BonusChanged)
        assert (change.before, change.bonus) == (0, 30_000)
        assert account.equity == Decimal(10_000)
        assert account.free_margin == Decimal(10_300)
        agrees(account, server)


async def test_a_stop_out_is_told_like_any_close(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server), account.changes() as changes:
        await (await account.buy("EURUSD", lots=5)).filled()
        await stop_out(api, account, server)
        kinds = [type(await changes.receive()) for _ in range(3)]
        assert kinds == [PositionOpened, PositionClosed, BalanceChanged]
        assert not account.positions
        assert account.balance < 0
        await same_as_server(api, account)


async def test_without_a_session_it_is_not_in_step(autojump_clock) -> None:
    """As soon as the link is known to be gone, and until all was asked for again."""
    slow = Reconnect(first=5, ceiling=5)
    async with (
        at_work(reconnect=slow, box=still_box()) as (api, account, server),
        account.changes() as changes,
    ):
        await cut(server)
        assert not account.in_step
        assert isinstance(changes.receive_nowait(), OutOfStep)
        await api.connected()
        assert not account.in_step
        assert isinstance(await changes.receive(), InStep)
        assert account.in_step
        with pytest.raises(trio.WouldBlock):
            changes.receive_nowait()


async def test_a_closed_client_leaves_it_out_of_step(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, _server):
        assert account.in_step
    assert not account.in_step
    with pytest.raises(ConnectionLost):
        await account.settled()


@pytest.mark.parametrize("reconnect", [FAST, NO_RECONNECT])
async def test_who_is_told_of_a_lost_link_finds_the_account_out_of_step(
    reconnect: Reconnect, autojump_clock
) -> None:
    """In the very moment in which an order's outcome, or a request's answer, becomes unknown."""
    async with at_work(box=still_box(), reconnect=reconnect) as (api, account, server):
        bought = await account.buy("EURUSD", lots="0.10")
        found: list[bool] = []

        async def wait_for_the_fill() -> None:
            with pytest.raises(OutcomeUnknown):
                await bought.filled()
            found.append(account.in_step)

        async def wait_for_an_answer() -> None:
            with pytest.raises(ConnectionLost):
                await api.symbols_list(ctid_trader_account_id=HEDGED)
            found.append(account.in_step)

        server.broker.received = lambda *_: []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_the_fill)
            nursery.start_soon(wait_for_an_answer)
            await trio.testing.wait_all_tasks_blocked()  # accepted, not filled
            await trio.aclose_forcefully(server.links[-1])
        assert found == [False, False]
