"""What new orders and amendments share: sizes, levels and their flags, checked. Pure.

Knows no connection and no account.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypedDict

from ..errors import InvalidOrder
from ..proto import ProtoOAOrderTriggerMethod, ProtoOAOrderType, ProtoOATradeSide
from ..symbols import Symbol
from ..units import PRICE_SCALE, Number, grid, number


class Size(TypedDict, total=False):
    """How much: exactly one of them. `volume` is in 0.01 of a unit."""

    lots: Number
    units: Number
    volume: int


class Distances(TypedDict, total=False):
    """Levels as they are counted from a price; None is none."""

    stop_loss_pips: Number | None
    stop_loss_money: Number | None
    take_profit_pips: Number | None
    take_profit_money: Number | None


class Levels(Distances, total=False):
    """Stop loss and take profit of an order, each in one of three ways; None is none.

    As prices (not at the market: the server refuses that, and an amendment after the fill leaves
    the position naked in between), as pips from the fill, or as money in the deposit currency: what
    the volume of this order loses or wins there, before costs, at the rate of now. On the symbol's
    grid no more than that is lost, and no less is won.
    """

    stop_loss: Number | None
    take_profit: Number | None
    trailing: bool
    guaranteed: bool
    trigger: ProtoOAOrderTriggerMethod
    """What sets off a STOP or STOP_LIMIT order. Of a stop loss only `amend` can say that."""


AT_ONCE = (ProtoOAOrderType.MARKET, ProtoOAOrderType.MARKET_RANGE)
AT_A_STOP = (ProtoOAOrderType.STOP, ProtoOAOrderType.STOP_LIMIT)
WITHIN_POINTS = (ProtoOAOrderType.STOP_LIMIT, ProtoOAOrderType.MARKET_RANGE)
LEGS = ("stop_loss", "take_profit")
FORMS = ("", "_pips", "_money")
_INT32 = 2**31 - 1


def volume_of(symbol: Symbol, size: Size) -> int:
    """A size as a protocol volume that the symbol allows."""
    return symbol.volume(lots=size.get("lots"), units=size.get("units"), volume=size.get("volume"))


def leg_of(
    symbol: Symbol,
    side: ProtoOATradeSide,
    kind: ProtoOAOrderType,
    leg: str,
    levels: Distances,
    base: Decimal | None,
    volume: int,
    quote_rate: Fraction | None,
) -> dict[str, Any]:
    """The field of one leg, a stop loss or a take profit; none if it is not given.

    `base` is the price of the order, None at the market; `quote_rate` what the quote asset is worth
    in the deposit currency.
    """
    given: dict[str, Any] = {
        form: levels.get(f"{leg}{form}") for form in FORMS if levels.get(f"{leg}{form}") is not None
    }
    if not given:
        return {}
    if len(given) > 1:
        raise InvalidOrder(f"{leg} is given in {len(given)} ways: expected one")
    ((form, value),) = given.items()
    below = (side == ProtoOATradeSide.BUY) == (leg == "stop_loss")
    if form:
        apart = (
            symbol.distance(pips=value, what=leg)
            if form == "_pips"
            else _by_money(symbol, leg, value, volume, quote_rate)
        )
        if below and base is not None and Decimal(apart) / PRICE_SCALE >= base:
            raise InvalidOrder(f"{leg}{form} = {value} reaches below a price of 0, from {base}")
        return {f"relative_{leg}": apart}
    if kind in AT_ONCE or base is None:
        raise InvalidOrder(
            f"{leg} as a price is refused at the market: give {leg}_pips, which counts from the "
            "fill. To set a price after the fill is not the same: the position is without it until "
            "then."
        )
    level = symbol.price(value, leg)
    if level == base or (level < base) != below:
        where = "below" if below else "above"
        raise InvalidOrder(f"{leg} = {level} of a {side.name} order must lie {where} {base}")
    return {leg: float(level)}


def _by_money(
    symbol: Symbol, leg: str, value: Number, volume: int, quote_rate: Fraction | None
) -> int:
    """The distance on the grid at which no more than this is lost, or no less is won."""
    money = number(value, f"{leg}_money")
    if quote_rate is None:
        raise InvalidOrder(f"{leg}_money: there is no rate to the deposit currency yet")
    step = grid(symbol.digits)
    steps = Fraction(money) / (Fraction(volume, 100) * quote_rate) * PRICE_SCALE / step
    if steps < 1:
        raise InvalidOrder(f"{leg}_money = {value} is less than one tick of {symbol.name}")
    return step * (math.floor(steps) if leg == "stop_loss" else math.ceil(steps))


def flags_of(
    symbol: Symbol,
    levels: Levels,
    fields: dict[str, Any],
    before: tuple[bool | None, bool | None] = (None, None),
) -> dict[str, bool | None]:
    """Those of the stop loss among the fields: as given, else as before; none without one."""
    if levels.get("guaranteed") and not symbol.details.guaranteed_stop_loss:
        raise InvalidOrder(f"{symbol.name} has no guaranteed stop loss")
    given = {"trailing": levels.get("trailing"), "guaranteed": levels.get("guaranteed")}
    if "stop_loss" in fields or "relative_stop_loss" in fields:
        return {
            f"{name}_stop_loss": was if flag is None else flag
            for (name, flag), was in zip(given.items(), before, strict=True)
        }
    for name, flag in given.items():
        if flag:
            raise InvalidOrder(f"{name} needs a stop loss")
    return {}


def trigger_of(
    kind: ProtoOAOrderType, levels: Levels, before: ProtoOAOrderTriggerMethod | None
) -> ProtoOAOrderTriggerMethod | None:
    """As given, else as before."""
    given = levels.get("trigger")
    if given is not None and kind not in AT_A_STOP:
        raise InvalidOrder(
            f"trigger is for STOP and STOP_LIMIT orders, not for {kind.name}: "
            "that of a stop loss is changed with `amend`"
        )
    return before if given is None else given


def points_of(kind: ProtoOAOrderType, points: object) -> int:
    """The slippage of an order within so many points."""
    if type(points) is not int or not 0 <= points <= _INT32:
        raise InvalidOrder(
            f"a {kind.name} order needs slippage_points of 0 or more, not {points!r}"
        )
    return points
