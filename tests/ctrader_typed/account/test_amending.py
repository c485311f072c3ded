"""Other levels for positions: what is not named stays, whatever happens."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from ctrader_typed import (
    Account,
    InvalidOrder,
    InvalidValue,
    NotSent,
    OrderError,
    OrderStatus,
    ProtoOAOrderStatus,
    ProtoOAOrderTriggerMethod,
    Reconnect,
)
from mockserver.box import NETTED
from mockserver.broker.rules import Latency, TradingRules
from tests.support.accounts import BUY, SELL, at_work, cut, same_as_server, still_box

OPPOSITE = ProtoOAOrderTriggerMethod.OPPOSITE
STOP_LOSS, TAKE_PROFIT = Decimal("1.0826"), Decimal("1.0886")  # 20 and 40 pips from the fill


async def bought(account: Account, **terms: Any) -> int:
    order = await account.buy("EURUSD", lots="0.10", **terms)
    await order.filled()
    assert order.position_id is not None
    return order.position_id


async def test_levels_that_follow_the_fill_are_not_cleared(autojump_clock) -> None:
    """A fill is told some ms before its levels are in force."""
    async with at_work(box=still_box()) as (api, account, _):
        number = await bought(account, stop_loss_pips=20)
        assert account.positions[number].stop_loss is None
        (order,) = api.orders
        assert order.protection_due
        await account.amend(number, take_profit=TAKE_PROFIT)
        assert not order.protection_due
        await trio.sleep(1)
        now = account.positions[number]
        assert (now.stop_loss, now.take_profit) == (STOP_LOSS, TAKE_PROFIT)
        await same_as_server(api, account)


async def test_nor_are_those_of_an_order_that_waited(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        order = await account.limit("EURUSD", BUY, "1.08", lots="0.1", stop_loss_pips=20)
        server.broker.set_price("EURUSD", "1.0799", "1.08")
        await order.filled()
        assert order.position_id is not None
        await account.amend(order.position_id, take_profit=TAKE_PROFIT)
        assert account.positions[order.position_id].stop_loss == Decimal("1.0780")
        await same_as_server(api, account)


async def test_levels_that_never_follow_are_not_waited_for_without_end(autojump_clock) -> None:
    rules = TradingRules(latency=Latency(protect=3_600_000))
    async with at_work(box=still_box(rules=rules)) as (_, account, _server):
        number = await bought(account, stop_loss_pips=20)
        start = trio.current_time()
        await account.amend(number, stop_loss="1.08")
        assert trio.current_time() - start < 2
        assert account.positions[number].stop_loss == Decimal("1.08")


async def test_who_waits_for_them_can_be_cancelled(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        number = await bought(account, stop_loss_pips=20)
        with trio.move_on_after(0.005) as scope:
            await account.amend(number, take_profit=TAKE_PROFIT)
        assert scope.cancelled_caught
        await trio.sleep(1)
        assert account.positions[number].take_profit is None
        assert list(api.orders) == []


async def test_an_order_that_only_closes_brings_no_levels(autojump_clock) -> None:
    """On a netted account; and nobody waits for them."""
    async with at_work(NETTED, box=still_box()) as (api, account, _):
        number = await bought(account)
        order = await account.sell("EURUSD", lots="0.04", stop_loss_pips=20)
        await order.filled()
        assert not order.protection_due
        assert list(api.orders) == []
        assert [event.status async for event in order.events][-1] is OrderStatus.FILLED
        await account.amend(number, stop_loss=STOP_LOSS)
        assert account.positions[number].stop_loss == STOP_LOSS


async def test_an_order_that_turns_a_position_round_waits_for_its_own_levels(
    autojump_clock,
) -> None:
    """Those of the other side go first: that is not what it has brought along."""
    async with at_work(NETTED, box=still_box()) as (api, account, _):
        number = await bought(account, stop_loss_pips=20)
        await trio.sleep(1)
        order = await account.sell("EURUSD", lots="0.30", stop_loss_pips=30)
        await order.filled()
        assert order.protection_due
        await account.amend(number, take_profit="1.07")
        assert order.protection is not None
        assert order.protection.order_status == ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
        now = account.positions[number]
        assert (now.side, now.stop_loss) == (SELL, Decimal("1.0875"))
        await same_as_server(api, account)


async def test_a_stop_that_trails_stays_where_it_went(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        number = await bought(account, stop_loss_pips=20, trailing=True)
        await trio.sleep(1)
        for bid in ("1.0860", "1.0870"):
            server.broker.set_price("EURUSD", bid)
            await trio.sleep(1)
        moved = account.positions[number].stop_loss
        assert moved is not None
        assert moved > STOP_LOSS
        await account.amend(number, take_profit="1.1")
        now = account.positions[number]
        assert (now.stop_loss, now.take_profit, now.trailing) == (moved, Decimal("1.1"), True)
        await account.amend(number, trailing=False)
        now = account.positions[number]
        assert (now.stop_loss, now.take_profit, now.trailing) == (moved, Decimal("1.1"), False)
        await same_as_server(api, account)


async def test_amendments_at_once_keep_what_each_other_changes(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        number = await bought(account, stop_loss_pips=20)
        async with trio.open_nursery() as nursery:
            for change in ({"take_profit": TAKE_PROFIT}, {"stop_loss": "1.08"}, {"trailing": True}):

                async def amend(change: Any = change) -> None:
                    await account.amend(number, **change)

                nursery.start_soon(amend)
        now = account.positions[number]
        assert (now.stop_loss, now.take_profit) == (Decimal("1.08"), TAKE_PROFIT)
        assert now.trailing
        assert not account._turns
        await same_as_server(api, account)


async def test_a_guaranteed_stop_stays_guaranteed(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        pip = account.symbol("GBPUSD").pip
        order = await account.buy("GBPUSD", lots="0.1", stop_loss_pips=50, guaranteed=True)
        await order.filled()
        (position,) = account.positions.values()
        await account.amend(position, take_profit=position.price + 50 * pip)
        (now,) = account.positions.values()
        assert now.guaranteed
        assert now.take_profit == position.price + 50 * pip
        assert now.stop_loss is not None
        with pytest.raises(OrderError, match="WORSE_GSL_NOT_ALLOWED"):
            await account.amend(position, stop_loss=now.stop_loss - pip)
        with pytest.raises(OrderError, match="WORSE_GSL_NOT_ALLOWED"):
            await account.amend(position, stop_loss=None)
        assert account.positions[now.position_id] == now
        await same_as_server(api, account)


async def test_a_part_that_is_closed_meanwhile_leaves_the_levels(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        number = await bought(account, stop_loss_pips=20, take_profit_pips=40)
        await trio.sleep(1)
        closing = await account.close(number, lots="0.04")
        with pytest.raises(OrderError, match="PENDING_EXECUTION"):
            await account.amend(number, take_profit=None)
        await closing.filled()
        await account.amend(number, take_profit=None)
        now = account.positions[number]
        assert (now.stop_loss, now.take_profit, now.volume) == (STOP_LOSS, None, 600_000)
        await trio.sleep(1)
        await same_as_server(api, account)


@pytest.mark.parametrize("flag", [{"trailing": True}, {"guaranteed": True}, {"trigger": OPPOSITE}])
async def test_what_is_said_of_a_stop_loss_needs_one(flag: dict[str, Any], autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, _server):
        number = await bought(account, take_profit_pips=40)
        with pytest.raises(InvalidOrder, match="need a stop loss"):
            await account.amend(number, **flag)


@pytest.mark.parametrize(
    ("opening", "given", "levels"),
    [
        (Account.buy, {"stop_loss_pips": 30}, ("1.0816", "1.0886")),
        (Account.buy, {"take_profit_pips": 30}, ("1.0826", "1.0876")),
        (Account.buy, {"stop_loss_money": "30.05"}, ("1.0816", "1.0886")),
        (Account.buy, {"take_profit_money": "30.05"}, ("1.0826", "1.08761")),
        (Account.sell, {"stop_loss_money": "30.05"}, ("1.0875", "1.0805")),
        (Account.sell, {"take_profit_money": "30.05"}, ("1.0865", "1.08149")),
        (Account.sell, {"stop_loss_pips": 30, "take_profit": None}, ("1.0875", None)),
    ],
)
async def test_levels_counted_from_the_opening_price(
    opening: Any, given: dict[str, Any], levels: tuple[str | None, ...], autojump_clock
) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        order = await opening(account, "EURUSD", lots="0.1", stop_loss_pips=20, take_profit_pips=40)
        await order.filled()
        await account.amend(order.position_id, **given)
        now = account.positions[order.position_id]
        shown = tuple(None if level is None else Decimal(level) for level in levels)
        assert (now.stop_loss, now.take_profit) == shown
        await same_as_server(api, account)


async def test_levels_of_an_average_price_lie_on_the_grid(autojump_clock) -> None:
    """A netted position that was raised: money is that of the whole, and no more is lost."""
    async with at_work(NETTED, box=still_box()) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        server.broker.set_price("EURUSD", "1.0851", "1.08522")
        await (await account.buy("EURUSD", lots="0.05")).filled()
        (position,) = account.positions.values()
        assert 1.0848 < position.price < 1.08481
        await account.amend(position, stop_loss_money=30, take_profit_pips=30)
        (now,) = account.positions.values()
        assert (now.stop_loss, now.take_profit) == (Decimal("1.08281"), Decimal("1.08781"))
        assert (now.price - Decimal("1.08281")) * 15_000 <= 30
        await same_as_server(api, account)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"stop_loss_pips": 5, "stop_loss": "1.08"}, "in 2 ways"),
        ({"stop_loss_pips": 5, "stop_loss_money": 5}, "in 2 ways"),
        ({"take_profit_pips": 5, "take_profit": None}, "in 2 ways"),
        ({"stop_loss_pips": 11_000}, "below a price of 0"),
        ({"stop_loss_pips": "0.05"}, "off the grid"),
        ({"take_profit_money": "0.01"}, "less than one tick"),
    ],
)
async def test_levels_that_cannot_be_counted_are_not_sent(
    given: dict[str, Any], text: str, autojump_clock
) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        number = await bought(account)
        with pytest.raises(InvalidValue, match=text):
            await account.amend(number, **given)
        assert list(api.orders) == []


async def test_nothing_is_amended_by_what_was_known_before_a_gap(autojump_clock) -> None:
    """What would be sent again may be another by now."""
    slow = Reconnect(first=5, ceiling=5)
    async with at_work(box=still_box(), reconnect=slow) as (api, account, server):
        number = await bought(account, stop_loss_pips=20)
        waits = await account.limit("EURUSD", BUY, "1.0", lots="0.1")
        await trio.sleep(1)
        await cut(server)
        with pytest.raises(NotSent, match="not in step"):
            await account.amend(number, take_profit=TAKE_PROFIT)
        with pytest.raises(NotSent, match="not in step"):
            await account.amend_order(waits, price="1.01")
        assert list(api.orders) == [waits]
        await account.settled()
        await account.amend(number, take_profit=TAKE_PROFIT)
        assert account.positions[number].stop_loss == STOP_LOSS
