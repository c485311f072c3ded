"""Single moments of an account: a stop that trails, a raise, a turn, a bonus, a lost link."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio
import trio.testing

from ctrader_typed import (
    NO_RECONNECT,
    BalanceChanged,
    ConnectionLost,
    CTraderError,
    InStep,
    OutcomeUnknown,
    OutOfStep,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Reconnect,
    ServerError,
)
from ctrader_typed.account import BonusChanged
from mockserver.box import HEDGED, NETTED
from tests.ctrader_typed.account.test_synchroniser import EURUSD, FAST, quiet, stop_out, trailing
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
        assert (change.before, change.bonus) == (0, 300)
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


async def test_logged_out_it_is_out_of_step_and_comes_back_with_a_login(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        await account.settled()
        await api.account_logout(ctid_trader_account_id=HEDGED)
        assert not account.in_step
        assert account.feed.quote(EURUSD) is None
        server.broker.deposit(HEDGED, 500)
        with pytest.raises(ServerError):
            await account.settled()
        await api.auth(**KEYS, account_id=HEDGED)
        await trio.sleep(60)  # longer than what was refused waits to be asked again
        assert account.in_step
        await account.settled()
        await same_as_server(api, account)
        agrees(account, server)


async def test_quotes_of_an_account_that_is_logged_out_say_so(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        async with account.quotes("EURUSD") as quotes:
            await anext(quotes)
            await api.account_logout(ctid_trader_account_id=HEDGED)
            with pytest.raises(CTraderError, match="this client has logged account 1000001 out"):
                await anext(quotes)
        await api.auth(**KEYS, account_id=HEDGED)
        async with account.quotes("EURUSD") as quotes:
            assert (await anext(quotes)).is_known


async def test_who_listens_is_told_of_a_lost_link_at_once(autojump_clock) -> None:
    async with (
        at_work(box=still_box(), reconnect=Reconnect(first=5, ceiling=5)) as (_, account, server),
        account.changes() as changes,
    ):
        await trio.aclose_forcefully(server.links[-1])
        with trio.fail_after(0.01):
            assert isinstance(await changes.receive(), OutOfStep)
        assert isinstance(await changes.receive(), InStep)
