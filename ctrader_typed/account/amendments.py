"""Other terms for what is there, made into requests: what is not named is sent again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Final, Literal

from ..errors import InvalidOrder
from ..proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAOrder,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ..symbols import Symbol
from ..units import PRICE_SCALE, Number, Time, from_double, milliseconds, number
from .levels import (
    WITHIN_POINTS,
    Distances,
    Levels,
    Size,
    check_flags,
    flags_of,
    forms_of,
    leg_of,
    points_of,
    trigger_of,
    volume_of,
)
from .position import Position


class Keep(Enum):
    """The type of KEEP."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""A level that stays as it is; None takes it away."""

Kept = Literal[Keep.KEEP]


@dataclass(frozen=True, kw_only=True)
class Amendment(Size, Levels):
    """What is changed of a pending order: what is not given stays.

    None takes away the levels that have KEEP; of all else it is not given.
    """

    stop_loss: Number | Kept | None = KEEP
    take_profit: Number | Kept | None = KEEP
    price: Number | None = None
    expires: Time | None = None
    slippage_points: int | None = None


def amend_order(
    account_id: int,
    symbol: Symbol,
    order: ProtoOAOrder,
    changes: Amendment,
    *,
    quote_rate: Fraction | None = None,
) -> ProtoOAAmendOrderReq:
    """The request that changes some terms of a pending order, and sends all others again: the
    server clears levels that are left out.
    """
    kind, side = order.order_type, order.trade_data.trade_side
    volume = volume_of(symbol, changes) if changes.given else order.trade_data.volume
    priced = "limit_price" if order.stop_price is None else "stop_price"
    price, expires = changes.price, changes.expires
    at: float | None = getattr(order, priced) if price is None else float(symbol.price(price))
    base = None if at is None else from_double(at)
    prices = {"limit_price": order.limit_price, "stop_price": order.stop_price} | {priced: at}
    fields: dict[str, Any] = {}
    for leg, level in (("stop_loss", changes.stop_loss), ("take_profit", changes.take_profit)):
        given = forms_of(leg, changes, None if level is KEEP else level)
        fields |= leg_of(symbol, side, kind, leg, given, base, volume, quote_rate)
        if level is KEEP and not given:
            kept = {name: getattr(order, name) for name in (leg, f"relative_{leg}")}
            fields |= {name: level for name, level in kept.items() if level is not None}
    before = order.trailing_stop_loss, order.trade_data.guaranteed_stop_loss
    fields |= flags_of(symbol, changes, fields, before)
    points = changes.slippage_points
    if points is not None and kind not in WITHIN_POINTS:
        raise InvalidOrder(f"a {kind.name} order has no slippage_points")
    return ProtoOAAmendOrderReq(
        ctid_trader_account_id=account_id,
        order_id=order.order_id,
        volume=volume,
        limit_price=prices["limit_price"],
        stop_price=prices["stop_price"],
        expiration_timestamp=order.expiration_timestamp
        if expires is None
        else milliseconds(expires, "expires"),
        slippage_in_points=order.slippage_in_points if points is None else points_of(kind, points),
        stop_trigger_method=trigger_of(kind, changes, order.stop_trigger_method),
        **fields,
    )


def amend_position(
    account_id: int,
    symbol: Symbol,
    position: Position,
    *,
    stop_loss: Number | Kept | None = KEEP,
    take_profit: Number | Kept | None = KEEP,
    trailing: bool | None = None,
    guaranteed: bool | None = None,
    trigger: ProtoOAOrderTriggerMethod | None = None,
    distances: Distances | None = None,
    quote_rate: Fraction | None = None,
    closing: Decimal | None = None,
) -> ProtoOAAmendPositionSLTPReq:
    """The request that changes some levels and keeps the others: the server clears what is left
    out, so all of them are sent, with the flags.

    `distances` count from the opening price, or are money at the volume of the position. `closing`
    is what the position would close at now, if that is known: a level beyond it is
    refused, as by the server. (One was also seen to take a take profit there, and to fill it at
    once: `close` says that.)
    """
    check_flags(trailing, guaranteed, trigger)
    message = position.message
    if distances:
        stop_loss = _counted(symbol, position, "stop_loss", stop_loss, distances, quote_rate)
        take_profit = _counted(symbol, position, "take_profit", take_profit, distances, quote_rate)
    stop = message.stop_loss if stop_loss is KEEP else _given(symbol, "stop_loss", stop_loss)
    limit = (
        message.take_profit if take_profit is KEEP else _given(symbol, "take_profit", take_profit)
    )
    if closing is not None:
        _on_its_side(position, "SL", stop_loss, closing)
        _on_its_side(position, "TP", take_profit, closing)
    trails = position.trailing if trailing is None else trailing
    if stop is None:
        if trailing or guaranteed or trigger is not None:
            raise InvalidOrder("trailing, guaranteed and trigger need a stop loss")
        flags: dict[str, Any] = {}
    else:
        flags = {
            "trailing_stop_loss": trails,
            "guaranteed_stop_loss": position.guaranteed if guaranteed is None else guaranteed,
            "stop_loss_trigger_method": message.stop_loss_trigger_method
            if trigger is None
            else trigger,
        }
    return ProtoOAAmendPositionSLTPReq(
        ctid_trader_account_id=account_id,
        position_id=position.position_id,
        stop_loss=stop,
        take_profit=limit,
        **flags,
    )


def _counted(
    symbol: Symbol,
    position: Position,
    leg: str,
    level: Number | Kept | None,
    distances: Distances,
    quote_rate: Fraction | None,
) -> Number | Kept | None:
    """A level that is counted from the opening price, as a price on the grid: no more is lost
    there, no less is won.
    """
    kind, price, buys = (
        ProtoOAOrderType.LIMIT,
        position.price,
        position.side == ProtoOATradeSide.BUY,
    )
    given = forms_of(leg, distances, None)
    fields = leg_of(symbol, position.side, kind, leg, given, price, position.volume, quote_rate)
    if not fields:
        return level
    if level is not KEEP:
        raise InvalidOrder(f"{leg} is given in 2 ways: expected one")
    apart = Decimal(fields[f"relative_{leg}"]) / PRICE_SCALE
    exact = price - apart if buys == (leg == "stop_loss") else price + apart
    return exact.quantize(symbol.tick, ROUND_CEILING if buys else ROUND_FLOOR)


def _on_its_side(
    position: Position, leg: str, level: Number | Kept | None, closing: Decimal
) -> None:
    """Whether a level that is given lies where the server wants it."""
    if level is KEEP or level is None:
        return
    buys = position.side == ProtoOATradeSide.BUY
    wanted, below = number(level, leg), buys == (leg == "SL")
    if (wanted <= closing) if below else (wanted >= closing):
        return
    how, quote = "<=" if below else ">=", "BID" if buys else "ASK"
    raise InvalidOrder(
        f"{leg} of a {position.side.name} position must be {how} the current {quote}: "
        f"{quote} is {closing}, {leg} {wanted}"
    )


def _given(symbol: Symbol, leg: str, value: Number | None) -> float | None:
    return None if value is None else float(symbol.price(value, leg))
