"""What new orders and amendments share: sizes, levels and their flags, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Final

from ..errors import InvalidOrder
from ..proto import ProtoOAOrderTriggerMethod, ProtoOAOrderType, ProtoOATradeSide
from ..symbols import Symbol
from ..units import PRICE_SCALE, Number, checks, grid, number
from ..units.numbers import as_int


class Whole(Enum):
    """The type of WHOLE."""

    WHOLE = "whole"


WHOLE: Final = Whole.WHOLE
"""As much as there is."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much: exactly one of them. `volume` is in 0.01 of a unit."""

    lots: Number | None = None
    units: Number | None = None
    volume: int | None = None

    @property
    def given(self) -> bool:
        """Whether any of them is."""
        return (self.lots, self.units, self.volume) != (None, None, None)


@dataclass(frozen=True, kw_only=True)
class Distances:
    """Levels as they are counted from a price; None is not given."""

    stop_loss_pips: Number | None = None
    stop_loss_money: Number | None = None
    take_profit_pips: Number | None = None
    take_profit_money: Number | None = None

    @property
    def in_money(self) -> bool:
        """Whether any of them is counted in money."""
        return (self.stop_loss_money, self.take_profit_money) != (None, None)


@dataclass(frozen=True, kw_only=True)
class Levels(Distances):
    """What goes with the levels of an order, as prices or as distances; None is not given."""

    trailing: bool | None = None
    guaranteed: bool | None = None
    trigger: ProtoOAOrderTriggerMethod | None = None
    """What sets off a STOP or STOP_LIMIT order. Of a stop loss only `amend` can say that."""

    def __post_init__(self) -> None:
        check_flags(self.trailing, self.guaranteed, self.trigger)


def check_flags(trailing: object, guaranteed: object, trigger: object) -> None:
    """InvalidValue for what is given and none: an empty text would be taken for False."""
    for what, flag in (("trailing", trailing), ("guaranteed", guaranteed)):
        if flag is not None:
            checks.flag(flag, what)
    if trigger is not None and as_int(trigger) not in _TRIGGERS:
        checks.refuse(trigger, "trigger", "a ProtoOAOrderTriggerMethod")


_TRIGGERS = frozenset(map(int, ProtoOAOrderTriggerMethod))
AT_ONCE = (ProtoOAOrderType.MARKET, ProtoOAOrderType.MARKET_RANGE)
AT_A_STOP = (ProtoOAOrderType.STOP, ProtoOAOrderType.STOP_LIMIT)
WITHIN_POINTS = (ProtoOAOrderType.STOP_LIMIT, ProtoOAOrderType.MARKET_RANGE)
_INT32 = 2**31 - 1


def volume_of(symbol: Symbol, size: Size) -> int:
    """A size as a protocol volume that the symbol allows."""
    return symbol.volume(lots=size.lots, units=size.units, volume=size.volume)


def forms_of(leg: str, levels: Distances, price: Number | None) -> dict[str, Number]:
    """The ways in which one leg is given, by the ends of their names."""
    forms: dict[str, Number | None] = {
        "": price,
        "_pips": getattr(levels, f"{leg}_pips"),
        "_money": getattr(levels, f"{leg}_money"),
    }
    return {form: value for form, value in forms.items() if value is not None}


def leg_of(
    symbol: Symbol,
    side: ProtoOATradeSide,
    kind: ProtoOAOrderType,
    leg: str,
    given: Mapping[str, Number],
    base: Decimal | None,
    volume: int,
    quote_rate: Fraction | None,
) -> dict[str, Any]:
    """The field of one leg, a stop loss or a take profit, from its forms; none if it has none.

    `base` is the price of the order, None at the market; `quote_rate` what the quote asset is worth
    in the deposit currency.
    """
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
    if levels.guaranteed and not symbol.details.guaranteed_stop_loss:
        raise InvalidOrder(f"{symbol.name} has no guaranteed stop loss")
    given = {"trailing": levels.trailing, "guaranteed": levels.guaranteed}
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
    given = levels.trigger
    if given is not None and kind not in AT_A_STOP:
        raise InvalidOrder(
            f"trigger is for STOP and STOP_LIMIT orders, not for {kind.name}: "
            "that of a stop loss is changed with `amend`"
        )
    return before if given is None else given


def points_of(kind: ProtoOAOrderType, points: object) -> int:
    """The slippage of an order within so many points."""
    counted = as_int(points)
    if counted is None or not 0 <= counted <= _INT32:
        raise InvalidOrder(
            f"a {kind.name} order needs slippage_points of 0 or more, not {points!r}"
        )
    return counted
