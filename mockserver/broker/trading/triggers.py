"""Which orders the market sets off, and how stops trail it. Fills nothing.

A limit watches the side that it trades at; a stop watches that side too, or the other one, once or
in two ticks running, as its trigger method says. What is set off goes to the agenda.
"""

from __future__ import annotations

from ctrader_typed.proto import (
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOATradeSide,
    ProtoOATradingMode,
    ProtoOATrailingSLChangedEvent,
)

from ..money import double
from . import events
from .account import Account
from .orders import BUY, Order, Touched, opposite, sign
from .positions import Position
from .scheduler import Execute
from .state import TradingState

_METHOD = ProtoOAOrderTriggerMethod
_TWICE = (_METHOD.DOUBLE_TRADE, _METHOD.DOUBLE_OPPOSITE)
_OTHER_SIDE = (_METHOD.OPPOSITE, _METHOD.DOUBLE_OPPOSITE)


def on_tick(state: TradingState, symbol_id: int) -> None:
    """A symbol's quote has changed: set off what it touches, then let stops trail."""
    for account in state.accounts.values():
        for order in list(account.working.values()):
            if order.symbol_id == symbol_id:
                meet(state, account, order, ticked=True)
        for position in account.on_symbol(symbol_id):
            trail(state, account, position)


def meet(state: TradingState, account: Account, order: Order, *, ticked: bool = False) -> None:
    """Send an order to the market if the market has reached it.

    `ticked` is whether a tick brought it here: only those count for methods that want two.
    """
    if order.executing or not order.working or state.venue.closed(order.symbol_id):
        return
    if order.at_once:  # it waited for the opening
        _send(state, account, order, state.rules.latency.fill)
        return
    mode = state.symbol(order.symbol_id).trading_mode_or_default
    if mode == ProtoOATradingMode.DISABLED_WITHOUT_PENDINGS_EXECUTION:
        return
    touched = _touched(state, order, ticked)
    if touched is not None:
        order.touched = touched
        order.sent_at = state.now
        _send(state, account, order, state.rules.latency.trigger)


def _send(state: TradingState, account: Account, order: Order, after: int) -> None:
    order.executing = True
    order.offered = None
    state.books.scheduler.add(state.now + after, Execute(account.account_id, order.order_id))


def _touched(state: TradingState, order: Order, ticked: bool) -> Touched | None:
    if _limit_reached(state, order):
        return Touched.LIMIT
    return Touched.STOP if _stop_reached(state, order, ticked) else None


def _limit_reached(state: TradingState, order: Order) -> bool:
    limit = limit_of(state, order)
    price = state.venue.quote(order.symbol_id, order.side)
    return limit is not None and price is not None and no_worse(order.side, price, limit)


def _stop_reached(state: TradingState, order: Order, ticked: bool) -> bool:
    if order.stop_passed:
        return order.order_type != ProtoOAOrderType.STOP_LIMIT
    if order.stop_price is None:
        return False
    side = opposite(order.side) if order.trigger_method in _OTHER_SIDE else order.side
    price = state.venue.quote(order.symbol_id, side)
    reached = price is not None and (price - order.stop_price) * sign(order.side) >= 0
    if order.trigger_method not in _TWICE:
        return reached
    if ticked:
        order.hits = order.hits + 1 if reached else 0
    return order.hits >= 2


def limit_of(state: TradingState, order: Order) -> int | None:
    """The worst price that an order takes now; None if it has none.

    A STOP_LIMIT order has one once its stop was passed, and a MARKET_RANGE order always.
    """
    if order.order_type == ProtoOAOrderType.MARKET_RANGE:
        return _range(state, order, order.base_slippage_price)
    if order.order_type == ProtoOAOrderType.STOP_LIMIT:
        return _range(state, order, order.stop_price) if order.stop_passed else None
    return order.limit_price


def _range(state: TradingState, order: Order, base: int | None) -> int | None:
    if base is None or order.slippage_in_points is None:
        return None
    point = state.venue.catalogue.tick_size(order.symbol_id)
    return base + sign(order.side) * order.slippage_in_points * point


def no_worse(side: ProtoOATradeSide, price: int, limit: int) -> bool:
    """Whether a price is the limit or better."""
    return price <= limit if side == BUY else price >= limit


def trail(state: TradingState, account: Account, position: Position) -> None:
    """Let a trailing stop follow the market.

    Nothing but its own event tells: the timestamps of order and position stay (recorded).
    """
    stop = position.protection.stop_loss
    order = account.working.get(position.protective_order or 0)
    if stop is None or position.trail is None or order is None or order.executing:
        return
    price = state.venue.quote(position.symbol_id, opposite(position.side))
    if price is None:
        return
    way = sign(position.side)
    moved = price - way * position.trail
    if (moved - stop) * way <= 0:
        return
    position.protection = position.protection.with_stop(moved)
    order.stop_price = moved
    event = ProtoOATrailingSLChangedEvent(
        ctid_trader_account_id=account.account_id,
        position_id=position.position_id,
        order_id=order.order_id,
        stop_price=double(moved),
        utc_last_update_timestamp=state.now,
    )
    events.send(state, account, event)
