"""Orders meet the market: acceptance, fills, and how orders end otherwise. Checks no request.

The sequence of events and what each shows are those of the recordings; where they show nothing, the
docstring of the function says what was chosen.
"""

from __future__ import annotations

from ctrader_typed.proto import (
    ProtoOAExecutionType,
    ProtoOAMarginChangedEvent,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOATimeInForce,
)

from ..market.conversion import NoConversion
from . import events, margin, protective_orders, settlement, triggers
from .account import Account
from .orders import Order, Requester, Touched, sign
from .positions import placeholder
from .scheduler import Execute, Expire
from .state import TradingState

_KIND, _STATUS, _TIME = ProtoOAExecutionType, ProtoOAOrderStatus, ProtoOATimeInForce


def accept(state: TradingState, account: Account, order: Order) -> None:
    """Take an order into the books and say so; one that meets the market at once is on its way.

    A market order that waits for the opening, like a pending one, waits for a tick.
    """
    order.sent_at = state.now
    account.orders[order.order_id] = account.working[order.order_id] = order
    events.execution(
        state,
        account,
        _KIND.ORDER_ACCEPTED,
        order=order,
        position=shown_position(account, order),
        to=order.requester,
        server=order.is_stop_out,
    )
    if order.expires_at is not None:
        state.books.scheduler.add(order.expires_at, Expire(account.account_id, order.order_id))
    if order.at_once and not state.venue.closed(order.symbol_id):
        _again(state, account, order, state.rules.latency.fill)
        return
    if order.pending:
        triggers.meet(state, account, order)
    if order.pending and ioc(state, order):
        if not order.executing:
            end(state, account, order, _STATUS.ORDER_STATUS_CANCELLED, _KIND.ORDER_CANCELLED)
    else:
        order.requester = None  # what happens later to a waiting order answers nobody


def shown_position(account: Account, order: Order) -> ProtoOAPosition:
    """The position that an order's event shows: the real one, or else a placeholder."""
    position = account.position(order.position_id)
    if position is not None:
        return position.message()
    ended = None if order.working else order.updated_at
    return placeholder(order, account.terms.money_digits, ended)


def ioc(state: TradingState, order: Order) -> bool:
    """Whether what does not fill at once is cancelled: market orders, and IOC or FOK limits."""
    if order.at_once:
        return True
    if order.order_type != ProtoOAOrderType.LIMIT:
        return False
    if order.time_in_force == _TIME.FILL_OR_KILL:
        return True
    immediate = order.time_in_force == _TIME.IMMEDIATE_OR_CANCEL
    return immediate and not state.rules.resting_ioc


def execute(state: TradingState, account: Account, order: Order) -> None:
    """An order that was sent arrives at the market."""
    if not (order.working and order.executing):
        return
    if order.doomed is not None:
        reject(state, account, order, order.doomed)
        return
    if order.closing and not _closes(account, order):
        _position_gone(state, account, order)
        return
    if not order.closing and not settlement.find_position(state, account, order):
        reject(state, account, order, "POSITION_NOT_FOUND")
        return
    if state.venue.closed(order.symbol_id):
        _market_closed(state, account, order)
        return
    if order.protective:
        order.volume = order.executed_volume + account.positions[order.position_id].volume
    try:
        _deal(state, account, order)
    except NoConversion:
        reject(state, account, order, "NO_QUOTES")


def _deal(state: TradingState, account: Account, order: Order) -> None:
    price = fill_price(state, order)
    if price is None:
        _out_of_range(state, account, order)
        return
    wanted = _wanted(account, order)
    depth = state.liquidity(order.symbol_id)
    if order.offered is None:
        order.offered = wanted if depth.available is None else depth.available
    if order.time_in_force == _TIME.FILL_OR_KILL and order.offered < wanted:
        end(state, account, order, _STATUS.ORDER_STATUS_CANCELLED, _KIND.ORDER_CANCELLED)
        return
    volume = min(wanted, order.offered, depth.per_deal or wanted)
    if volume > 0:
        opened = settlement.opened_volume(account, order, volume)
        if opened and not margin.affordable(state, account, order.symbol_id, order.side, opened):
            reject(state, account, order, "NOT_ENOUGH_MONEY")
            return
        order.offered -= volume
        fill(state, account, order, volume, price)
    if order.working:
        _go_on(state, account, order)


def _wanted(account: Account, order: Order) -> int:
    """What is left to fill: of a close never more than its position has."""
    if not order.closing:
        return order.remaining
    return min(order.remaining, account.positions[order.position_id].volume)


def _go_on(state: TradingState, account: Account, order: Order) -> None:
    """After a partial fill: the next deal, the cancellation of the rest, or waiting for a tick."""
    gone = order.closing and not _closes(account, order)
    if order.offered and not gone:
        _again(state, account, order, state.rules.latency.next_deal)
    elif ioc(state, order) or gone:
        end(state, account, order, _STATUS.ORDER_STATUS_CANCELLED, _KIND.ORDER_CANCELLED)
    else:
        _rest(state, account, order)


def _again(state: TradingState, account: Account, order: Order, after: int) -> None:
    order.executing = True
    state.books.scheduler.add(state.now + after, Execute(account.account_id, order.order_id))


def _rest(state: TradingState, account: Account, order: Order) -> None:
    """Back to waiting for the next tick."""
    order.executing = False
    order.offered = None
    expire(state, account, order)


def fill_price(state: TradingState, order: Order) -> int | None:
    """What an order fills at now; None if that is worse than it allows.

    At the market it is the quote with the symbol's slippage. An order whose limit was touched gets
    its limit or better, whatever the market did meanwhile; a guaranteed stop gets its very price.
    Raises NoConversion without a quote.
    """
    price = state.venue.quote(order.symbol_id, order.side)
    if price is None:
        raise NoConversion(f"symbol {order.symbol_id} has no price yet")
    if order.touched is Touched.LIMIT and order.limit_price is not None:
        return (
            price if triggers.no_worse(order.side, price, order.limit_price) else order.limit_price
        )
    if order.touched is Touched.STOP and order.protective and order.guaranteed:
        return order.stop_price
    slippage = state.liquidity(order.symbol_id).slippage
    point = state.venue.catalogue.tick_size(order.symbol_id)
    price += sign(order.side) * slippage * point
    if order.touched is Touched.STOP and not order.protective:
        order.stop_passed = True
    limit = triggers.limit_of(state, order)
    ranged = order.order_type in (ProtoOAOrderType.MARKET_RANGE, ProtoOAOrderType.STOP_LIMIT)
    if ranged and limit is not None and not triggers.no_worse(order.side, price, limit):
        return None
    return price


def fill(state: TradingState, account: Account, order: Order, volume: int, price: int) -> None:
    """Fill a part of an order or all of it: one deal, one event, and what follows from it."""
    deal = settlement.book(state, account, order, volume, price)
    done = order.remaining == 0
    if done:
        order.status = _STATUS.ORDER_STATUS_FILLED
        order.executing = False
        order.closed_at = state.now
        del account.working[order.order_id]
    events.execution(
        state,
        account,
        _KIND.ORDER_FILLED if done else _KIND.ORDER_PARTIAL_FILL,
        order=order,
        position=shown_position(account, order),
        deal=deal.message(),
        to=order.requester,
        server=order.protective or order.is_stop_out,
    )
    position = account.position(order.position_id)
    if position is not None:
        protective_orders.soon(state, account, position)
        if state.rules.account_events:
            _margin_changed(state, account, position.position_id, position.used_margin)
    settlement.settle(state, account, order, deal)
    events.trader_changed(state, account)


def _margin_changed(
    state: TradingState, account: Account, position_id: int, used_margin: int
) -> None:
    event = ProtoOAMarginChangedEvent(
        ctid_trader_account_id=account.account_id,
        position_id=position_id,
        used_margin=used_margin,
        money_digits=account.terms.money_digits,
    )
    events.send(state, account, event)


def end(
    state: TradingState,
    account: Account,
    order: Order,
    status: ProtoOAOrderStatus,
    kind: ProtoOAExecutionType,
    *,
    to: Requester | None = None,
    error_code: str | None = None,
) -> None:
    """End an order before it is filled wholly; `to` is who asked for that, if not the requester.

    A placeholder position ends with it; a position that a partial fill opened stays.
    """
    order.status = status
    order.executing = False
    order.updated_at = state.now
    del account.working[order.order_id]
    events.execution(
        state,
        account,
        kind,
        order=order,
        position=shown_position(account, order),
        to=order.requester if to is None else to,
        server=order.is_stop_out,
        error_code=error_code,
    )


def reject(state: TradingState, account: Account, order: Order, error_code: str) -> None:
    """Refuse an order that had been accepted. The shape is not recorded: no deal, an errorCode."""
    if order.protective:
        _rest(state, account, order)
        return
    status, kind = _STATUS.ORDER_STATUS_REJECTED, _KIND.ORDER_REJECTED
    end(state, account, order, status, kind, error_code=error_code)


def expire(state: TradingState, account: Account, order: Order) -> None:
    """End an order whose time has run out. One that is in execution is left alone."""
    overdue = order.expires_at is not None and order.expires_at <= state.now
    if overdue and order.working and not order.executing:
        end(state, account, order, _STATUS.ORDER_STATUS_EXPIRED, _KIND.ORDER_EXPIRED)


def _closes(account: Account, order: Order) -> bool:
    """Whether the position of a closing order is still there and has not been reversed."""
    position = account.positions.get(order.position_id)
    return position is not None and position.side != order.side


def _position_gone(state: TradingState, account: Account, order: Order) -> None:
    """The position was closed or reversed while the order that should close it was on its way.

    A protective order is cancelled, and what a reversed position awaits takes its place. How a
    server refuses to close what was reversed is not recorded; here it is as if it was closed.
    """
    if order.protective:
        order.executing = False
        protective_orders.follow(state, account, order.position_id)
    else:
        reject(state, account, order, "POSITION_NOT_OPEN")


def _market_closed(state: TradingState, account: Account, order: Order) -> None:
    if ioc(state, order) and order.time_in_force != _TIME.MARKET_ON_OPEN:
        reject(state, account, order, "MARKET_CLOSED")
    else:
        _rest(state, account, order)


def _out_of_range(state: TradingState, account: Account, order: Order) -> None:
    """A market range order is cancelled as an IOC one is; a stop limit order waits at its limit."""
    if ioc(state, order):
        end(state, account, order, _STATUS.ORDER_STATUS_CANCELLED, _KIND.ORDER_CANCELLED)
    else:
        _rest(state, account, order)
