"""The protective order that the server keeps for the levels of a position. Fills nothing.

It appears some ms after the fill that opened the position, follows the position's volume, and is
cancelled after a full close; only then is the position shown as closed (recorded).
"""

from __future__ import annotations

from ctrader_typed.proto import (
    ProtoOAExecutionType,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOATimeInForce,
)

from . import events, margin, triggers
from .account import Account
from .orders import NO_PROTECTION, Levels, Order, Protection, Requester, opposite
from .positions import Position
from .scheduler import Protect
from .state import TradingState


def soon(state: TradingState, account: Account, position: Position) -> None:
    """Let the protective order follow what has just happened to its position."""
    if position.awaited is not None or position.protective_order is not None:
        step = Protect(account.account_id, position.position_id)
        state.books.scheduler.add(state.now + state.rules.latency.protect, step)


def follow(state: TradingState, account: Account, position_id: int) -> None:
    """Bring the protective order in line with its position, as a server event.

    Nothing happens while it is in execution: what comes of that settles the matter.
    """
    position = account.positions.get(position_id) or account.closed_positions[position_id]
    order = account.working.get(position.protective_order or 0)
    if order is not None and order.executing:
        return
    if order is not None and (not position.openings or order.side == position.side):
        cancel(state, account, position, order)
        order = None
    if not position.openings:
        return
    if position.awaited is not None:
        protect(state, account, position, position.awaited, server=True)
    elif order is not None and order.remaining != position.volume:
        _shown(state, account, position, order, ProtoOAExecutionType.ORDER_REPLACED, None, True)


def protect(
    state: TradingState,
    account: Account,
    position: Position,
    levels: Protection,
    *,
    to: Requester | None = None,
    server: bool = False,
) -> None:
    """Give a position these levels and no others, and say so with one event.

    ORDER_ACCEPTED if it had no protective order, ORDER_REPLACED if it had, ORDER_CANCELLED if none
    is left. If the position was reversed a moment ago, the protective order of its old side is
    cancelled first, which is an event of its own.
    """
    position.awaited = None
    position.trailing_shown = True
    order = account.working.get(position.protective_order or 0)
    if levels.empty:
        if order is not None:
            cancel(state, account, position, order, to=to, server=server)
        return
    if order is not None and order.side == position.side:  # of before a reversal
        cancel(state, account, position, order)
        order = None
    position.protection = levels
    position.trail = _distance(state, position) if levels.trailing else None
    margin.bind(state, account, position)
    kind = ProtoOAExecutionType.ORDER_REPLACED
    if order is None:
        kind = ProtoOAExecutionType.ORDER_ACCEPTED
        order = _new(state, account, position)
    _shown(state, account, position, order, kind, to, server)
    triggers.meet(state, account, order)


def cancel(
    state: TradingState,
    account: Account,
    position: Position,
    order: Order,
    *,
    to: Requester | None = None,
    server: bool = True,
) -> None:
    """End the protective order: its position is closed, reversed, or without levels.

    What the server cancels after a close carries the time; what a client cancels, a pending order,
    does not (both recorded).
    """
    order.status = ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
    order.closed_at = state.now if server else None
    order.updated_at = position.updated_at = state.now
    order.executing = False
    del account.working[order.order_id]
    position.protective_order = None
    position.closing_seen = True
    position.protection = NO_PROTECTION
    position.trail = None
    margin.bind(state, account, position)
    events.execution(
        state,
        account,
        ProtoOAExecutionType.ORDER_CANCELLED,
        order=order,
        position=position.message(),
        to=to,
        server=server,
    )


def _new(state: TradingState, account: Account, position: Position) -> Order:
    number = state.books.numbers.next_order()
    order = position.order_to_close(number, position.volume, state.now)
    order.order_type = ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
    order.time_in_force = ProtoOATimeInForce.GOOD_TILL_CANCEL
    account.orders[number] = account.working[number] = order
    position.protective_order = number
    return order


def _shown(
    state: TradingState,
    account: Account,
    position: Position,
    order: Order,
    kind: ProtoOAExecutionType,
    to: Requester | None,
    server: bool,
) -> None:
    """Make the order what the position says, at this moment, and tell."""
    levels = position.protection
    order.stop_price, order.limit_price = levels.stop_loss, levels.take_profit
    order.trailing = levels.trailing
    order.trigger_method = levels.trigger_method
    order.levels = Levels(guaranteed=levels.guaranteed)
    order.volume = order.executed_volume + position.volume
    order.hits = 0
    order.updated_at = position.updated_at = state.now
    events.execution(
        state, account, kind, order=order, position=position.message(), to=to, server=server
    )


def _distance(state: TradingState, position: Position) -> int | None:
    """How far a trailing stop stays behind the market."""
    price = state.venue.quote(position.symbol_id, opposite(position.side))
    stop = position.protection.stop_loss
    return None if price is None or stop is None else abs(price - stop)
