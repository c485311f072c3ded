"""What our client does in the shipped sessions. The same program records one and is played it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ctrader_typed import (
    OrderError,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
    ServerError,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED
from mockserver.broker.broker import START

EURUSD = 1
HOUR = 3_600_000
ACCOUNT: dict[str, Any] = {"ctid_trader_account_id": HEDGED}
KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}
EXECUTION = ProtoOAExecutionType

Program = Callable[[Any], Awaitable[None]]


async def login_and_spots(api: Any) -> None:
    """Log in, list accounts and symbols, look at one, and take five quotes."""
    await api.version()
    await api.auth(**KEYS)
    accounts = await api.get_account_list_by_access_token(access_token=ACCESS_TOKEN)
    assert HEDGED in {each.ctid_trader_account_id for each in accounts.ctid_trader_account}
    await api.trader(**ACCOUNT)
    symbols = await api.symbols_list(**ACCOUNT)
    assert "EURUSD" in {each.symbol_name for each in symbols.symbol}
    (details,) = (await api.symbol_by_id(**ACCOUNT, symbol_id=[EURUSD])).symbol
    assert details.digits == 5
    async with api.events(ProtoOASpotEvent) as spots:
        await api.subscribe_spots(**ACCOUNT, symbol_id=[EURUSD], subscribe_to_spot_timestamp=True)
        for _ in range(5):
            spot = await anext(spots)
            assert spot.symbol_id == EURUSD
        await api.unsubscribe_spots(**ACCOUNT, symbol_id=[EURUSD])


async def market_order(api: Any) -> None:
    """Buy with protection, look at the position, move its levels, and close it."""
    await api.auth(**KEYS)
    async with api.events(ProtoOAExecutionEvent) as events:
        await api.new_order(
            **ACCOUNT,
            symbol_id=EURUSD,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=100_000,
            relative_stop_loss=500,
            relative_take_profit=800,
            client_order_id="market-1",
            label="sessions",
        )
        filled = await until(events, EXECUTION.ORDER_FILLED)
        await until(events, EXECUTION.ORDER_ACCEPTED)  # the protective order
        (position,) = (await api.reconcile(**ACCOUNT)).position
        assert position.position_id == filled.position.position_id
        assert position.stop_loss < filled.deal.execution_price < position.take_profit
        await api.amend_position_sltp(
            **ACCOUNT,
            position_id=position.position_id,
            stop_loss=round(position.stop_loss - 0.001, 5),
            take_profit=position.take_profit,
        )
        await until(events, EXECUTION.ORDER_REPLACED)
        await api.close_position(**ACCOUNT, position_id=position.position_id, volume=100_000)
        closed = await until(events, EXECUTION.ORDER_FILLED)
        assert closed.deal.close_position_detail.closed_volume == 100_000
    assert (await api.reconcile(**ACCOUNT)).position == []


async def pending_order(api: Any) -> None:
    """Place a limit order far away, amend it, see it, and cancel it."""
    await api.auth(**KEYS)
    async with api.events(ProtoOAExecutionEvent) as events:
        await api.new_order(
            **ACCOUNT,
            symbol_id=EURUSD,
            order_type=ProtoOAOrderType.LIMIT,
            trade_side=ProtoOATradeSide.BUY,
            volume=200_000,
            limit_price=0.9,
            client_order_id="pending-1",
        )
        order = (await until(events, EXECUTION.ORDER_ACCEPTED)).order
        await api.amend_order(**ACCOUNT, order_id=order.order_id, volume=300_000, limit_price=0.91)
        await until(events, EXECUTION.ORDER_REPLACED)
        (seen,) = (await api.reconcile(**ACCOUNT)).order
        assert (seen.trade_data.volume, seen.limit_price) == (300_000, 0.91)
        await api.cancel_order(**ACCOUNT, order_id=order.order_id)
        await until(events, EXECUTION.ORDER_CANCELLED)


async def history(api: Any) -> None:
    """Bars, ticks, orders, deals and the cash flow of an account that has just traded."""
    await api.auth(**KEYS)
    bars = await api.get_trendbars(
        **ACCOUNT,
        symbol_id=EURUSD,
        period=ProtoOATrendbarPeriod.M5,
        from_timestamp=START - HOUR,
        to_timestamp=START,
    )
    assert len(bars.trendbar) >= 12
    ticks = await api.get_tick_data(
        **ACCOUNT, symbol_id=EURUSD, type=1, from_timestamp=START - 60_000, to_timestamp=START
    )
    assert ticks.tick_data
    async with api.events(ProtoOAExecutionEvent) as events:
        await api.new_order(
            **ACCOUNT,
            symbol_id=EURUSD,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.SELL,
            volume=100_000,
        )
        await until(events, EXECUTION.ORDER_FILLED)
    window = {"from_timestamp": START - HOUR, "to_timestamp": START + HOUR}
    assert len((await api.deal_list(**ACCOUNT, **window)).deal) == 1
    assert len((await api.order_list(**ACCOUNT, **window)).order) == 1
    await api.cash_flow_history_list(**ACCOUNT, **window)


async def errors(api: Any) -> None:
    """A refusal by each message that carries one."""
    await api.auth(**KEYS)
    with pytest.raises(ServerError, match="UNKNOWN_ERROR"):
        await api.trader(**ACCOUNT)  # a ProtoErrorRes, which the scenario puts in the way
    with pytest.raises(ServerError, match="INVALID_REQUEST"):
        await api.trader(ctid_trader_account_id=77)  # a ProtoOAErrorRes
    with pytest.raises(OrderError, match="ORDER_NOT_FOUND"):
        await api.cancel_order(**ACCOUNT, order_id=1)  # a ProtoOAOrderErrorEvent
    order = {
        "symbol_id": EURUSD,
        "order_type": ProtoOAOrderType.MARKET,
        "trade_side": ProtoOATradeSide.BUY,
    }
    with pytest.raises(OrderError, match="NOT_ENOUGH_MONEY"):
        await api.new_order(**ACCOUNT, **order, volume=900_000_000)
    accepted = await api.new_order(**ACCOUNT, **order, volume=100_000)
    with pytest.raises(OrderError, match="UNABLE_TO_CANCEL_ORDER"):
        await api.cancel_order(**ACCOUNT, order_id=accepted.order.order_id)  # a …ExecutionEvent


async def until(events: Any, kind: ProtoOAExecutionType) -> ProtoOAExecutionEvent:
    """The next execution of this kind."""
    async for event in events:
        if event.execution_type is kind:
            return event
    raise AssertionError(f"the stream ended without {kind}")


PROGRAMS: dict[str, Program] = {
    "login-and-spots": login_and_spots,
    "market-order": market_order,
    "pending-order": pending_order,
    "history": history,
    "errors": errors,
}
"""The sessions by name."""

SCENARIOS = {"errors": "proxy-error"}
"""What goes wrong in which."""
