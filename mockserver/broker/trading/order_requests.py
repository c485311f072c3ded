"""The five trading requests: new order, cancel, amend order, amend position, close position.

Reads the request, has it checked, changes the books. Each raises Refusal instead of an answer.
"""

from __future__ import annotations

from dataclasses import replace

from ctrader_typed.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOASymbol,
    ProtoOATimeInForce,
)

from ..refusals import Refusal
from . import (
    events,
    matching_engine,
    order_validation,
    protective_orders,
    settlement,
    stop_levels,
    triggers,
)
from .account import Account
from .events import TradingRefusal
from .orders import Levels, Order, Requester
from .positions import Position
from .scheduler import Expire
from .state import TradingState

_TYPE, _TIME, _KIND = ProtoOAOrderType, ProtoOATimeInForce, ProtoOAExecutionType
_AT_ONCE = (_TYPE.MARKET, _TYPE.MARKET_RANGE)
_WITH_LIMIT = (_TYPE.LIMIT,)
_WITH_STOP = (_TYPE.STOP, _TYPE.STOP_LIMIT)
_WITH_SLIPPAGE = (_TYPE.MARKET_RANGE, _TYPE.STOP_LIMIT)


def new_order(
    state: TradingState, account: Account, request: ProtoOANewOrderReq, to: Requester
) -> None:
    """Place an order.

    What a type has no use for, such as a market order's limitPrice, is ignored.
    """
    spec = order_validation.symbol(state, request.symbol_id)
    _check_shape(request)
    position = _named_position(state, account, request)
    order = _read_order(state, account, spec, request, position)
    opened = settlement.opened_volume(account, order, order.volume) if not order.closing else 0
    order_validation.rights(account, opens=opened > 0)
    order_validation.trading_mode(spec, opens=opened > 0)
    if order.at_once and order.time_in_force != _TIME.MARKET_ON_OPEN:
        order_validation.market_open(state, spec.symbol_id)
    if order.closing and position is not None:
        order_validation.closing_volume(account, spec, position, order.volume)
    else:
        order_validation.volume(account, spec, order.volume)
    if order.expires_at is not None:
        order_validation.expiration(state, order.expires_at)
    order_validation.stop_price(state, order)
    stop_levels.check_order(state, spec, order)
    order_validation.exposure(account, spec, order.side, opened)
    if position is None:
        order_validation.room(state, account)
    if order.at_once:
        order_validation.money(state, account, spec.symbol_id, order.side, opened)
    order.order_id = state.books.numbers.next_order()
    order.client_order_id = request.client_order_id or f"server-{order.order_id}"
    if position is None:
        order.position_id = state.books.numbers.next_position()
    order.requester = to
    matching_engine.accept(state, account, order)


def _check_shape(request: ProtoOANewOrderReq) -> None:
    """What can be said of a request without looking at the account or the market."""
    kind, time_in_force = request.order_type, request.time_in_force_or_default
    if not kind.is_known or kind == _TYPE.STOP_LOSS_TAKE_PROFIT:
        raise Refusal("INVALID_REQUEST", f"Order type {kind} is not allowed")
    if not request.trade_side.is_known or not time_in_force.is_known:
        raise Refusal("INVALID_REQUEST", "tradeSide or timeInForce is unknown")
    needed = {
        "limitPrice": (request.limit_price, _WITH_LIMIT),
        "stopPrice": (request.stop_price, _WITH_STOP),
        "slippageInPoints": (request.slippage_in_points, _WITH_SLIPPAGE),
        "baseSlippagePrice": (request.base_slippage_price, (_TYPE.MARKET_RANGE,)),
    }
    for name, (given, kinds) in needed.items():
        if given is None and kind in kinds:
            raise Refusal("INVALID_REQUEST", f"{kind} order needs {name}")
    if time_in_force == _TIME.GOOD_TILL_DATE and request.expiration_timestamp is None:
        raise Refusal("INVALID_REQUEST", "GOOD_TILL_DATE order needs expirationTimestamp")
    order_validation.texts(
        clientOrderId=request.client_order_id, label=request.label, comment=request.comment
    )


def _named_position(
    state: TradingState, account: Account, request: ProtoOANewOrderReq
) -> Position | None:
    """The position that an order is to change: the one it names, or a netted symbol's only one."""
    if request.position_id is not None:
        position = order_validation.position(account, request.position_id)
        if position.symbol_id != request.symbol_id:
            raise Refusal("INVALID_REQUEST", "The position is on another symbol")
        return position
    if account.netted:
        return next(account.on_symbol(request.symbol_id), None)
    return None


def _read_order(
    state: TradingState,
    account: Account,
    spec: ProtoOASymbol,
    request: ProtoOANewOrderReq,
    position: Position | None,
) -> Order:
    kind = request.order_type
    at_once = kind in _AT_ONCE
    closing = position is not None and position.side != request.trade_side and not account.netted
    stop = request.stop_price if kind in _WITH_STOP else None
    limit = request.limit_price if kind in _WITH_LIMIT else None
    base = request.base_slippage_price if kind == _TYPE.MARKET_RANGE else None
    brought = Levels()
    if not closing:
        brought = stop_levels.of_order(account, spec, request, at_once=at_once)
    if state.rules.unique_client_order_ids and request.client_order_id is not None:
        _check_unique(account, request.client_order_id)
    return Order(
        order_id=0,
        position_id=0 if position is None else position.position_id,
        symbol_id=spec.symbol_id,
        side=request.trade_side,
        volume=request.volume,
        order_type=kind,
        time_in_force=_shown_time_in_force(kind, request.time_in_force_or_default),
        opened_at=state.now,
        updated_at=state.now,
        client_order_id="",
        closing=closing,
        levels=brought,
        limit_price=None if limit is None else order_validation.price(spec, limit),
        stop_price=None if stop is None else order_validation.price(spec, stop),
        base_slippage_price=None if base is None else order_validation.price(spec, base),
        slippage_in_points=request.slippage_in_points if kind in _WITH_SLIPPAGE else None,
        trigger_method=request.stop_trigger_method_or_default,
        expires_at=_expiry(request),
        trailing=None if brought.empty else brought.trailing,
        comment=request.comment,
        label=request.label,
        measurement_units=spec.measurement_units,
    )


def _expiry(request: ProtoOANewOrderReq) -> int | None:
    dated = request.time_in_force_or_default == _TIME.GOOD_TILL_DATE
    return request.expiration_timestamp if dated else None


def _shown_time_in_force(kind: ProtoOAOrderType, asked: ProtoOATimeInForce) -> ProtoOATimeInForce:
    """Market orders are shown with IMMEDIATE_OR_CANCEL whatever patience they were sent with."""
    if kind in _AT_ONCE and asked in (_TIME.GOOD_TILL_CANCEL, _TIME.GOOD_TILL_DATE):
        return _TIME.IMMEDIATE_OR_CANCEL
    return asked


def _check_unique(account: Account, client_order_id: str) -> None:
    if any(order.client_order_id == client_order_id for order in account.working.values()):
        raise Refusal("INVALID_REQUEST", "clientOrderId is in use")


def cancel_order(
    state: TradingState, account: Account, request: ProtoOACancelOrderReq, to: Requester
) -> None:
    """Cancel a pending order. One in execution refuses with an ordinary execution event."""
    order = order_validation.working_order(account, request.order_id)
    order_validation.rights(account, opens=False)
    if order.protective:
        reason = "A protective order ends with its position or its levels"
        raise TradingRefusal("UNABLE_TO_CANCEL_ORDER", reason, order_id=order.order_id)
    if order.executing:
        events.execution(
            state,
            account,
            _KIND.ORDER_CANCEL_REJECTED,
            order=order,
            position=matching_engine.shown_position(account, order),
            to=to,
            error_code="UNABLE_TO_CANCEL_ORDER",
        )
        return
    status = ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
    matching_engine.end(state, account, order, status, _KIND.ORDER_CANCELLED, to=to)


def amend_order(
    state: TradingState, account: Account, request: ProtoOAAmendOrderReq, to: Requester
) -> None:
    """Change a pending order. Levels are overwritten; anything else that is left out stays."""
    order = order_validation.working_order(account, request.order_id)
    order_validation.rights(account, opens=False)
    if order.executing or not order.pending:
        reason = "The order cannot be changed"
        raise TradingRefusal("UNABLE_TO_AMEND_ORDER", reason, order_id=order.order_id)
    spec = state.symbol(order.symbol_id)
    wanted = _amended(account, spec, order, request)
    if wanted == order:
        raise Refusal("INVALID_REQUEST", "Nothing to amend.")
    if wanted.volume != order.volume:
        order_validation.volume(account, spec, wanted.volume)
        if wanted.volume <= order.executed_volume:
            raise TradingRefusal("TRADING_BAD_VOLUME", "More than this volume is filled already")
    if wanted.expires_at is not None and wanted.expires_at != order.expires_at:
        order_validation.expiration(state, wanted.expires_at)
        state.books.scheduler.add(wanted.expires_at, Expire(account.account_id, order.order_id))
    if wanted.stop_price != order.stop_price:
        order_validation.stop_price(state, wanted)
        wanted.stop_passed = False
    stop_levels.check_order(state, spec, wanted)
    wanted.updated_at = state.now
    wanted.hits = 0
    account.orders[order.order_id] = account.working[order.order_id] = wanted
    events.execution(
        state,
        account,
        _KIND.ORDER_REPLACED,
        order=wanted,
        position=matching_engine.shown_position(account, wanted),
        to=to,
    )
    triggers.meet(state, account, wanted)


def _amended(
    account: Account, spec: ProtoOASymbol, order: Order, request: ProtoOAAmendOrderReq
) -> Order:
    """The order as it would be after the amendment."""
    brought = stop_levels.of_order(account, spec, request, at_once=False)
    if request.trailing_stop_loss is None and not brought.empty:
        brought = replace(brought, trailing=order.levels.trailing)
    wanted = replace(order, levels=brought, trailing=None if brought.empty else brought.trailing)
    if request.volume is not None:
        wanted.volume = request.volume
    if request.limit_price is not None and order.limit_price is not None:
        wanted.limit_price = order_validation.price(spec, request.limit_price)
    if request.stop_price is not None and order.stop_price is not None:
        wanted.stop_price = order_validation.price(spec, request.stop_price)
    if request.slippage_in_points is not None and order.slippage_in_points is not None:
        wanted.slippage_in_points = request.slippage_in_points
    if request.stop_trigger_method is not None:
        wanted.trigger_method = request.stop_trigger_method
    if request.expiration_timestamp is not None:
        wanted.expires_at = request.expiration_timestamp
        wanted.time_in_force = _TIME.GOOD_TILL_DATE
    return wanted


def amend_position(
    state: TradingState, account: Account, request: ProtoOAAmendPositionSLTPReq, to: Requester
) -> None:
    """Set a position's levels: one ORDER_REPLACED of its protective order."""
    position = order_validation.position(account, request.position_id)
    if state.now < position.filled_at + state.rules.amend_blackout:
        raise order_validation.position_not_found(request.position_id)
    order_validation.rights(account, opens=False)
    order = account.working.get(position.protective_order or 0)
    busy = order is not None and order.executing
    if busy or account.closing_in_flight(position.position_id):
        reason = "Position has an order in execution"
        raise TradingRefusal("PENDING_EXECUTION", reason, position_id=position.position_id)
    spec = state.symbol(position.symbol_id)
    wanted = stop_levels.of_position(account, spec, position, request)
    if not wanted.empty:
        stop_levels.check_position(state, spec, position, wanted)
    protective_orders.protect(state, account, position, wanted, to=to)


def close_position(
    state: TradingState, account: Account, request: ProtoOAClosePositionReq, to: Requester
) -> None:
    """Close a position, or a part of it, with a market order of the other side."""
    position = order_validation.position(account, request.position_id)
    spec = state.symbol(position.symbol_id)
    order_validation.rights(account, opens=False)
    order_validation.trading_mode(spec, opens=False)
    order_validation.market_open(state, position.symbol_id)
    order_validation.closing_volume(account, spec, position, request.volume)
    number = state.books.numbers.next_order()
    order = position.order_to_close(number, request.volume, state.now)
    order.requester = to
    matching_engine.accept(state, account, order)
