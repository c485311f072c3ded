"""Stop loss and take profit in requests: read, and refused where a server would.

Changes nothing.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from ctrader_typed.proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOASymbol,
    ProtoOASymbolDistanceType,
    ProtoOATradeSide,
)

from ..money import double
from ..refusals import Refusal
from . import order_validation
from .account import Account
from .events import TradingRefusal
from .order_validation import bad_stops
from .orders import BUY, Levels, Order, Protection, opposite, sign
from .positions import Position
from .state import TradingState

ABSOLUTE_AT_MARKET = (
    "SL/TP in absolute values are allowed only for order types: [LIMIT, STOP, STOP_LIMIT]"
)


class RequestedLevels(Protocol):
    """What ProtoOANewOrderReq and ProtoOAAmendOrderReq have in common."""

    stop_loss: float | None
    take_profit: float | None
    relative_stop_loss: int | None
    relative_take_profit: int | None
    guaranteed_stop_loss: bool | None
    trailing_stop_loss: bool | None


def of_order(
    account: Account, spec: ProtoOASymbol, request: RequestedLevels, *, at_once: bool
) -> Levels:
    """The levels that an opening order brings along."""
    absolute = request.stop_loss is not None or request.take_profit is not None
    if at_once and absolute:
        raise Refusal("INVALID_REQUEST", ABSOLUTE_AT_MARKET)
    _not_both("Stop loss", request.stop_loss, request.relative_stop_loss)
    _not_both("Take profit", request.take_profit, request.relative_take_profit)
    _distance(spec, "stop loss", request.relative_stop_loss)
    _distance(spec, "take profit", request.relative_take_profit)
    levels = Levels(
        stop_loss=_price(spec, request.stop_loss),
        take_profit=_price(spec, request.take_profit),
        relative_stop_loss=request.relative_stop_loss,
        relative_take_profit=request.relative_take_profit,
        trailing=request.trailing_stop_loss is True,
        guaranteed=request.guaranteed_stop_loss is True,
    )
    has_stop = levels.stop_loss is not None or levels.relative_stop_loss is not None
    _flags(account, spec, has_stop, trailing=levels.trailing, guaranteed=levels.guaranteed)
    return levels


def of_position(
    account: Account, spec: ProtoOASymbol, position: Position, request: ProtoOAAmendPositionSLTPReq
) -> Protection:
    """The levels that an amendment asks for.

    It overwrites both; flags left out stay (seen live).
    """
    now = position.protection if position.awaited is None else position.awaited
    has_stop = request.stop_loss is not None
    if request.trailing_stop_loss is False and not has_stop:
        raise Refusal("INVALID_REQUEST", "trailingStopLoss needs a stop loss")
    trailing = request.trailing_stop_loss
    guaranteed = request.guaranteed_stop_loss
    wanted = Protection(
        stop_loss=_price(spec, request.stop_loss),
        take_profit=_price(spec, request.take_profit),
        trailing=(now.trailing and has_stop) if trailing is None else trailing,
        guaranteed=(now.guaranteed and has_stop) if guaranteed is None else guaranteed,
        trigger_method=request.stop_loss_trigger_method_or_default,
    )
    worse = position.side == BUY and _below(wanted.stop_loss, now.stop_loss)
    worse |= position.side != BUY and _below(now.stop_loss, wanted.stop_loss)
    if now.guaranteed and (worse or not wanted.guaranteed):
        reason = "A guaranteed stop loss may not be moved to a greater risk"
        raise TradingRefusal("WORSE_GSL_NOT_ALLOWED", reason, position_id=position.position_id)
    _flags(account, spec, has_stop, trailing=wanted.trailing, guaranteed=wanted.guaranteed)
    if wanted == now or (wanted.empty and now.empty):
        raise Refusal("INVALID_REQUEST", "Nothing to amend.")
    return wanted


def _below(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one < other


def check_position(
    state: TradingState, spec: ProtoOASymbol, position: Position, wanted: Protection
) -> None:
    """Whether a position's new levels lie on the right sides of the market, far enough away."""
    now = order_validation.quote(state, position.symbol_id, opposite(position.side))
    way = sign(position.side)
    stop, limit = wanted.stop_loss, wanted.take_profit
    if stop is not None and (stop - now) * way > 0:
        raise bad_stops(_wrong_side("SL", position.side, now, stop, "<=" if way > 0 else ">="))
    crossed = limit is not None and (limit - now) * way < 0
    if limit is not None and crossed and state.rules.refuse_crossed_take_profit:
        raise bad_stops(_wrong_side("TP", position.side, now, limit, ">=" if way > 0 else "<="))
    least_stop = _least(spec, spec.gsl_distance if wanted.guaranteed else spec.sl_distance, now)
    _far_enough(stop, now, least_stop)
    if not crossed:
        _far_enough(limit, now, _least(spec, spec.tp_distance, now))


def check_order(state: TradingState, spec: ProtoOASymbol, order: Order) -> None:
    """Whether an order's levels lie on the right sides of its own price, far enough away."""
    levels = order.levels
    if levels.empty:
        return
    base = order.limit_price if order.limit_price is not None else order.stop_price
    if base is None:
        base = order_validation.quote(state, order.symbol_id, order.side)
    wanted = levels.protection(order.side, base)
    way = sign(order.side)
    if wanted.stop_loss is not None and (wanted.stop_loss - base) * way >= 0:
        raise bad_stops(f"SL of {order.side} order is on the wrong side of its price")
    if wanted.take_profit is not None and (wanted.take_profit - base) * way <= 0:
        raise bad_stops(f"TP of {order.side} order is on the wrong side of its price")
    least_stop = spec.gsl_distance if wanted.guaranteed else spec.sl_distance
    _far_enough(wanted.stop_loss, base, _least(spec, least_stop, base))
    _far_enough(wanted.take_profit, base, _least(spec, spec.tp_distance, base))


def _wrong_side(what: str, side: ProtoOATradeSide, now: int, level: int, how: str) -> str:
    quote = "BID" if side == BUY else "ASK"
    return (
        f"New {what} for {side} position should be {how} current {quote} price. "
        f"current {quote}: {double(now)}, {what}: {double(level)}"
    )


def _price(spec: ProtoOASymbol, given: float | None) -> int | None:
    return None if given is None else order_validation.price(spec, given, "protection")


def _not_both(what: str, absolute: float | None, relative: int | None) -> None:
    if absolute is not None and relative is not None:
        reason = f"{what} is given both as a price and as a distance"
        raise Refusal("INVALID_REQUEST", reason)


def _distance(spec: ProtoOASymbol, what: str, given: int | None) -> None:
    """A distance on the symbol's grid, 10^(5-digits); off it, the whole order is refused."""
    if given is None:
        return
    if given % 10 ** max(0, 5 - spec.digits):
        raise Refusal("INVALID_REQUEST", f"Relative {what} has invalid precision")
    if given <= 0:
        raise Refusal("INVALID_REQUEST", f"Relative {what} should be positive")


def _flags(
    account: Account, spec: ProtoOASymbol, has_stop: bool, *, trailing: bool, guaranteed: bool
) -> None:
    if trailing and not has_stop:
        raise Refusal("INVALID_REQUEST", "trailingStopLoss needs a stop loss")
    if guaranteed and not has_stop:
        raise Refusal("INVALID_REQUEST", "guaranteedStopLoss needs a stop loss")
    if guaranteed and not spec.guaranteed_stop_loss:
        raise Refusal("INVALID_REQUEST", "The symbol has no guaranteed stop loss")
    if account.terms.is_limited_risk and not guaranteed:
        raise bad_stops("A limited-risk account needs a guaranteed stop loss")


def _least(spec: ProtoOASymbol, stated: int | None, base: int) -> Fraction:
    """A symbol's smallest distance in 1/100000. How a percentage is scaled is not published."""
    if spec.distance_set_in_or_default == ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_PERCENTAGE:
        return Fraction(base * (stated or 0), 100)
    return Fraction((stated or 0) * 10 ** max(0, 5 - spec.digits))


def _far_enough(level: int | None, base: int, least: Fraction) -> None:
    if level is not None and abs(level - base) < least:
        reason = f"Protection {double(level)} is too close to the market"
        raise TradingRefusal("PROTECTION_IS_TOO_CLOSE_TO_MARKET", reason)
