"""What positions are worth and bind: exact, to the last digit.

Amounts are integers in 10^-moneyDigits of the deposit currency, volumes integers in 0.01 of a unit,
quotes integers in 1/100000; between them everything is a Fraction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from ..proto import (
    ProtoOADynamicLeverageTier,
    ProtoOAPosition,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
)
from ..units import PRICE_SCALE, VOLUME_SCALE, from_double, half_away, rounded

_TOTAL = ProtoOATotalMarginCalculationType


def sign(side: ProtoOATradeSide) -> int:
    """1 for BUY, -1 for SELL."""
    return 1 if side == ProtoOATradeSide.BUY else -1


def cost(volume: int, price: float) -> int:
    """Volume times opening price in 1/100000.

    A raised position shows its average as a rounded double (1.119873333333333, recorded). All deals
    of it had whole prices, so the product is whole, and the nearest integer is it.
    """
    return half_away(Fraction(from_double(price)) * PRICE_SCALE * volume)


def gross_profit(
    side: ProtoOATradeSide, volume: int, entry: float, closing: int, rate: Fraction, digits: int
) -> int:
    """The profit at a closing price (bid for BUY, ask for SELL), `rate` being quote to deposit.

    Recorded: (85219.06 - 85287.21) x 0.01 = -0.68.
    """
    way = sign(side) * (volume * closing - cost(volume, entry))
    return rounded(Fraction(way, VOLUME_SCALE * PRICE_SCALE) * rate, digits)


def unrealised(
    position: ProtoOAPosition, closing: int, rate: Fraction, digits: int
) -> tuple[int, int]:
    """Gross and net profit of an open position, as ProtoOAGetPositionUnrealizedPnLRes has them.

    Net has the swap and the commission so far, not that of the closing side.
    """
    data = position.trade_data
    gross = gross_profit(data.trade_side, data.volume, position.price or 0.0, closing, rate, digits)
    return gross, gross + position.swap + (position.commission or 0)


def margin(volume: int, rate: Fraction, leverage: Fraction, digits: int) -> int:
    """What a volume binds: units x marginRate / leverage (1000 x 1.12569 / 100 = 11.26)."""
    return rounded(Fraction(volume, VOLUME_SCALE) * rate / leverage, digits)


def effective_leverage(
    tiers: Sequence[ProtoOADynamicLeverageTier], cap: Fraction, before: Fraction, added: Fraction
) -> Fraction:
    """The one leverage of `added` US dollars on top of `before`, by the tiers that they fill.

    A tier (volume and leverage in 1/100) reaches up to its volume, the last one without end; `cap`
    is the account's own leverage, 100 for 1:100.
    """
    if not tiers or added == 0:
        return cap
    bound, at, left = Fraction(0), before, added
    for tier in tiers[:-1]:
        part = min(left, max(Fraction(0), Fraction(tier.volume, 100) - at))
        bound += part / min(cap, Fraction(tier.leverage, 100))
        at, left = at + part, left - part
    bound += left / min(cap, Fraction(tiers[-1].leverage, 100))
    return added / bound


def used_margin(
    how: ProtoOATotalMarginCalculationType,
    bound: Iterable[tuple[int, ProtoOATradeSide, int]],
) -> int:
    """The margin of (symbol, side, margin) together, both sides of a symbol combined by `how`."""
    sides: dict[int, list[int]] = {}
    for symbol_id, side, part in bound:
        both = sides.setdefault(symbol_id, [0, 0])
        both[side == ProtoOATradeSide.SELL] += part
    return sum(_combined(how, long, short) for long, short in sides.values())


def _combined(how: ProtoOATotalMarginCalculationType, long: int, short: int) -> int:
    if how == _TOTAL.MAX:
        return max(long, short)
    if how == _TOTAL.NET:
        return abs(long - short)
    return long + short


def margin_level(equity: int, bonus: int, used: int) -> Fraction | None:
    """Equity, and the bonus that serves as such, over used margin in percent; None at no margin."""
    return Fraction(100 * (equity + bonus), used) if used else None
