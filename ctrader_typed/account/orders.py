"""Orders in a trader's words made into requests: whatever can be refused here is. Pure.

Knows no connection and no account.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from enum import Enum
from typing import Any, Final, Literal, TypedDict

from ..errors import InvalidOrder
from ..proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOANewOrderReq,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOATimeInForce,
    ProtoOATradeSide,
)
from ..symbols import Symbol
from ..units import PRICE_DIGITS, Number, Time, milliseconds, number
from .position import Position


class Keep(Enum):
    """The type of KEEP."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""A level that stays as it is; None takes it away."""

Kept = Literal[Keep.KEEP]


class Size(TypedDict, total=False):
    """How much: exactly one of them. `volume` is in 0.01 of a unit."""

    lots: Number
    units: Number
    volume: int


class Terms(Size, total=False):
    """What an order may carry.

    Levels as prices (not at the market: the server refuses that, and an amendment after the fill
    leaves the position naked in between), as pips from the fill, or as money that is lost or won
    there, before costs, at the rate of now.
    """

    stop_loss: Number
    stop_loss_pips: Number
    stop_loss_money: Number
    take_profit: Number
    take_profit_pips: Number
    take_profit_money: Number
    trailing: bool
    guaranteed: bool
    trigger: ProtoOAOrderTriggerMethod
    label: str
    comment: str
    client_order_id: str


_LONGEST = {"label": 100, "comment": 512, "client_order_id": 50}
_AT_ONCE = (ProtoOAOrderType.MARKET, ProtoOAOrderType.MARKET_RANGE)


def new_order(
    account_id: int,
    symbol: Symbol,
    side: ProtoOATradeSide,
    kind: ProtoOAOrderType,
    terms: Terms,
    *,
    price: Number | None = None,
    expires: Time | None = None,
    slippage_points: int | None = None,
    quote_rate: Decimal | None = None,
) -> ProtoOANewOrderReq:
    """The request for a new order; InvalidOrder says why there can be none.

    `price` is the limit or stop price, or where a market range begins; `quote_rate` what the quote
    asset is worth in the deposit currency, for levels in money.
    """
    volume = symbol.volume(
        lots=terms.get("lots"), units=terms.get("units"), volume=terms.get("volume")
    )
    base = None if price is None else symbol.price(price)
    carried: dict[str, Any] = dict(terms)
    fields: dict[str, Any] = {
        name: _text(name, carried[name]) for name in _LONGEST if name in carried
    }
    for leg in ("stop_loss", "take_profit"):
        fields |= _level(symbol, side, kind, leg, terms, base, volume, quote_rate)
    stopped = "stop_loss" in fields or "relative_stop_loss" in fields
    for name, flag in (("trailing", "trailing_stop_loss"), ("guaranteed", "guaranteed_stop_loss")):
        if terms.get(name):
            if not stopped:
                raise InvalidOrder(f"{name} needs a stop loss")
            fields[flag] = True
    if terms.get("guaranteed") and not symbol.details.guaranteed_stop_loss:
        raise InvalidOrder(f"{symbol.name} has no guaranteed stop loss")
    if "trigger" in terms:
        fields["stop_trigger_method"] = terms["trigger"]
    fields |= _priced(kind, base, slippage_points)
    fields |= _lasting(kind, expires)
    return ProtoOANewOrderReq(
        ctid_trader_account_id=account_id,
        symbol_id=symbol.id,
        order_type=kind,
        trade_side=side,
        volume=volume,
        **fields,
    )


def _level(
    symbol: Symbol,
    side: ProtoOATradeSide,
    kind: ProtoOAOrderType,
    leg: str,
    terms: Terms,
    base: Decimal | None,
    volume: int,
    quote_rate: Decimal | None,
) -> dict[str, Any]:
    given: dict[str, Any] = {
        form: terms.get(f"{leg}{form}")
        for form in ("", "_pips", "_money")
        if terms.get(f"{leg}{form}") is not None
    }
    if not given:
        return {}
    if len(given) > 1:
        raise InvalidOrder(f"{leg} is given in {len(given)} ways: expected one")
    ((form, value),) = given.items()
    if form == "_pips":
        return {f"relative_{leg}": symbol.distance(pips=value, what=leg)}
    if form == "_money":
        return {f"relative_{leg}": _by_money(symbol, leg, value, volume, quote_rate)}
    if kind in _AT_ONCE or base is None:
        raise InvalidOrder(
            f"{leg} as a price is refused at the market: give {leg}_pips, which counts from the "
            "fill. To set a price after the fill is not the same: the position is without it until "
            "then."
        )
    level = symbol.price(value, leg)
    below = (side == ProtoOATradeSide.BUY) == (leg == "stop_loss")
    if level == base or (level < base) != below:
        where = "below" if below else "above"
        raise InvalidOrder(f"{leg} = {level} of a {side.name} order must lie {where} {base}")
    return {leg: float(level)}


def _by_money(
    symbol: Symbol, leg: str, value: Number, volume: int, quote_rate: Decimal | None
) -> int:
    """The greatest distance on the grid at which no more than this is lost or won."""
    money = number(value, f"{leg}_money")
    if quote_rate is None:
        raise InvalidOrder(f"{leg}_money: there is no rate to the deposit currency yet")
    apart = money / (Decimal(volume) / 100 * quote_rate)
    ticks = (apart / symbol.tick).to_integral_value(ROUND_FLOOR)
    if ticks < 1:
        raise InvalidOrder(f"{leg}_money = {value} is less than one tick of {symbol.name}")
    return int((ticks * symbol.tick).scaleb(PRICE_DIGITS))


def _text(name: str, text: str) -> str:
    if len(text) > _LONGEST[name]:
        longest = _LONGEST[name]
        raise InvalidOrder(f"{name} has {len(text)} characters; {longest} are allowed")
    return text


def _priced(
    kind: ProtoOAOrderType, base: Decimal | None, slippage_points: int | None
) -> dict[str, Any]:
    names = {
        ProtoOAOrderType.LIMIT: "limit_price",
        ProtoOAOrderType.STOP: "stop_price",
        ProtoOAOrderType.STOP_LIMIT: "stop_price",
        ProtoOAOrderType.MARKET_RANGE: "base_slippage_price",
    }
    fields: dict[str, Any] = {}
    if kind in names:
        if base is None:
            raise InvalidOrder(f"a {kind.name} order needs a price")
        fields[names[kind]] = float(base)
    if kind in (ProtoOAOrderType.STOP_LIMIT, ProtoOAOrderType.MARKET_RANGE):
        if slippage_points is None or slippage_points < 0:
            raise InvalidOrder(f"a {kind.name} order needs slippage_points of 0 or more")
        fields["slippage_in_points"] = slippage_points
    return fields


def _lasting(kind: ProtoOAOrderType, expires: Time | None) -> dict[str, Any]:
    if expires is None:
        return {}
    if kind in _AT_ONCE:
        raise InvalidOrder("an order at the market does not expire")
    return {
        "expiration_timestamp": milliseconds(expires, "expires"),
        "time_in_force": ProtoOATimeInForce.GOOD_TILL_DATE,
    }


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
    closing: Decimal | None = None,
) -> ProtoOAAmendPositionSLTPReq:
    """The request that changes some levels and keeps the others: the server clears what is left
    out, so all of them are sent, with the flags.

    `closing` is what the position would close at now, if that is known: a level beyond it is
    refused, as by the server. (One was also seen to take a take profit there, and to fill it at
    once: `close` says that.)
    """
    message = position.message
    stop = message.stop_loss if stop_loss is KEEP else _given(symbol, "stop_loss", stop_loss)
    limit = (
        message.take_profit if take_profit is KEEP else _given(symbol, "take_profit", take_profit)
    )
    if closing is not None:
        _on_its_side(position, "SL", stop_loss, closing)
        _on_its_side(position, "TP", take_profit, closing)
    trails = position.trailing if trailing is None else trailing
    if stop is None:
        if trailing or guaranteed:
            raise InvalidOrder("trailing and guaranteed need a stop loss")
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
