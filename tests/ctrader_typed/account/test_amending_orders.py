"""Other terms for pending orders: what is not named stays, whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import (
    InvalidOrder,
    InvalidValue,
    NotSent,
    Order,
    OrderError,
    OrderStatus,
    OutcomeUnknown,
    ProtoOAAmendOrderReq,
    ProtoOAOrder,
    ProtoOAOrderTriggerMethod,
    Reconnect,
)
from tests.support.accounts import BUY, SELL, at_work, cut, same_as_server, still_box

OPPOSITE = ProtoOAOrderTriggerMethod.OPPOSITE


LIMIT = {"stop_loss": "0.99", "take_profit_pips": 80, "trailing": True, "expires": "2030-01-01"}
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"price": "1.01"}, {"limit_price": 1.01}),
    ({"expires": "2031-01-01"}, {"expiration_timestamp": 1_924_992_000_000}),
    ({"stop_loss": "0.98"}, {"stop_loss": 0.98}),
    ({"stop_loss_pips": 30}, {"stop_loss": None, "relative_stop_loss": 300}),
    ({"stop_loss_money": 50}, {"stop_loss": None, "relative_stop_loss": 500}),
    ({"take_profit": "1.2"}, {"take_profit": 1.2, "relative_take_profit": None}),
    ({"take_profit_pips": 90}, {"relative_take_profit": 900}),
    ({"take_profit_money": "50.01"}, {"relative_take_profit": 501}),
    ({"take_profit": None}, {"relative_take_profit": None}),
    ({"trailing": False}, {"trailing_stop_loss": False}),
]


def same_but(before: ProtoOAOrder, now: ProtoOAOrder, changed: dict[str, Any]) -> bool:
    again = {"utc_last_update_timestamp": before.utc_last_update_timestamp}
    restored = {name: getattr(before, name) for name in changed}
    return now.__replace__(**again, **restored) == before


@pytest.mark.parametrize(("changes", "shown"), CHANGES)
async def test_one_term_is_changed_and_the_others_stay(
    changes: dict[str, Any], shown: dict[str, Any], autojump_clock
) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.10", **LIMIT)
        assert order.order_id is not None
        before = account.pending[order.order_id]
        handle = await account.amend_order(order, **changes)
        assert handle.status is OrderStatus.REPLACED
        now = account.pending[order.order_id]
        assert {name: getattr(now, name) for name in shown} == shown
        assert same_but(before, now, shown)
        await same_as_server(api, account)


async def test_the_size_and_both_levels_taken_away(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.10", **LIMIT)
        await account.amend_order(order, units=20_000, stop_loss=None, take_profit=None)
        (now,) = account.pending.values()
        levels = now.stop_loss, now.take_profit, now.relative_stop_loss, now.relative_take_profit
        assert levels == (None, None, None, None)
        assert order.volume == now.trade_data.volume == 2_000_000
        await account.amend_order(order, stop_loss_pips=10)
        await account.cancel(order)
        assert order.status is OrderStatus.CANCELLED
        await same_as_server(api, account)


async def test_amendments_at_once_keep_what_each_other_changes(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.10")
        async with trio.open_nursery() as nursery:
            for change in ({"price": "1.01"}, {"stop_loss_pips": 10}, {"take_profit_pips": 20}):

                async def amend(change: Any = change) -> None:
                    await account.amend_order(order, **change)

                nursery.start_soon(amend)
        (now,) = account.pending.values()
        levels = now.limit_price, now.relative_stop_loss, now.relative_take_profit
        assert levels == (1.01, 100, 200)
        await same_as_server(api, account)


async def test_a_stop_limit_order(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        order = await account.stop_limit("EURUSD", BUY, "1.2", 10, lots="0.1", trigger=OPPOSITE)
        await account.amend_order(order, price="1.3")
        await account.amend_order(order, slippage_points=20)
        (now,) = account.pending.values()
        assert (now.stop_price, now.slippage_in_points) == (1.3, 20)
        assert now.stop_trigger_method == OPPOSITE
        await account.amend_order(order, trigger=ProtoOAOrderTriggerMethod.TRADE)
        (now,) = account.pending.values()
        assert now.stop_trigger_method == ProtoOAOrderTriggerMethod.TRADE
        await same_as_server(api, account)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"trigger": OPPOSITE}, "trigger is for STOP and STOP_LIMIT orders, not for LIMIT"),
        ({"slippage_points": 5}, "LIMIT order has no slippage_points"),
        ({"stop_loss": "1.1"}, "must lie below 1.0"),
        ({"stop_loss": "1.005", "price": "1.002"}, "must lie below 1.002"),
        ({"take_profit": "0.9"}, "must lie above 1.0"),
        ({"stop_loss": None, "trailing": True}, "trailing needs a stop loss"),
        ({"stop_loss_pips": 10_000}, "below a price of 0"),
        ({"stop_loss_pips": 5, "stop_loss": "0.9"}, "in 2 ways"),
        ({"guaranteed": True}, "no guaranteed stop loss"),
        ({"lots": "0.015"}, "nearest"),
        ({"lots": 1, "units": 1}, "got 2"),
        ({"price": "1.000001"}, "nearest"),
        ({"expires": "soon"}, "no ISO time"),
    ],
)
async def test_terms_that_cannot_be_are_not_sent(
    changes: dict[str, Any], text: str, autojump_clock
) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.10")
        with pytest.raises(InvalidValue, match=text):
            await account.amend_order(order, **changes)
        assert list(api.orders) == [order]


async def test_an_expiry_that_has_passed_is_the_servers_to_refuse(autojump_clock) -> None:
    """It has its own clock."""
    async with at_work(box=still_box()) as (api, account, _):
        with pytest.raises(OrderError, match="TRADING_BAD_EXPIRATION_DATE"):
            await account.limit("EURUSD", BUY, "1.0", lots="0.10", expires="2020-01-01")
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.10", expires="2030-01-01")
        with pytest.raises(OrderError, match="TRADING_BAD_EXPIRATION_DATE"):
            await account.amend_order(order, expires="2020-01-01")
        await same_as_server(api, account)


async def test_an_order_that_is_being_filled_is_neither_amended_nor_cancelled(
    autojump_clock,
) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        order = await account.limit("EURUSD", BUY, "1.08", lots="0.1")
        server.broker.set_price("EURUSD", "1.0799", "1.08")
        with pytest.raises(OrderError, match="UNABLE_TO_AMEND_ORDER"):
            await account.amend_order(order, price="1.07")
        with pytest.raises(OrderError, match="UNABLE_TO_CANCEL_ORDER"):
            await account.cancel(order)
        await order.filled()
        with pytest.raises(InvalidOrder, match=f"order {order.order_id} is not pending"):
            await account.cancel(order)
        await same_as_server(api, account)


async def test_a_handle_that_has_no_order_yet(autojump_clock) -> None:
    """One that was not sent, or of which nobody knows."""
    async with at_work(box=still_box()) as (api, account, server):
        await cut(server)
        with pytest.raises(NotSent):
            await account.limit("EURUSD", SELL, "2", lots="0.1", client_order_id="mine")
        lost: Order | None = api.orders.find("mine")
        assert lost is not None
        with pytest.raises(InvalidOrder, match="order None is not pending"):
            await account.cancel(lost)


async def test_a_removed_level_that_is_there_after_a_gap_is_not_taken_for_removed(
    autojump_clock,
) -> None:
    """The amendment never arrived: all that it sends again is as before."""
    async with at_work(box=still_box(), reconnect=Reconnect(first=0.1)) as (api, account, server):
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.10", stop_loss_pips=20)
        received = server.broker.received

        def deaf(connection: int, request: Any, *rest: Any) -> Any:
            if isinstance(request, ProtoOAAmendOrderReq):
                return []
            return received(connection, request, *rest)

        server.broker.received = deaf
        handles: list[Order] = []

        async def amend() -> None:
            with pytest.raises(OutcomeUnknown) as caught:
                await account.amend_order(order, stop_loss=None)
            handles.append(caught.value.order)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(amend)
            await trio.sleep(0.01)
            await cut(server)
        server.broker.received = received
        await trio.sleep(60)
        assert handles[0].status is OrderStatus.UNKNOWN
        (now,) = account.pending.values()
        assert now.relative_stop_loss == 200
        await same_as_server(api, account)
