"""Exact arithmetic of prices, volumes and money.

Inside the broker a price is an integer in 1/100000, a volume an integer in 0.01 of a unit, an
amount an integer in 10^-moneyDigits, and everything between them a Fraction. Doubles exist only in
messages.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor

PRICE_SCALE = 100_000


def half_away(value: Fraction) -> int:
    """The nearest integer; halves go away from zero (recorded: a commission of 7.5 cents is 8)."""
    return _nearest(value.numerator, value.denominator)


def _nearest(numerator: int, denominator: int) -> int:
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def exact(number: float) -> Fraction:
    """A double as it is written in the shortest way: 0.1 is a tenth."""
    return Fraction(Decimal(repr(float(number))))


def in_scale(price: float) -> Fraction:
    """A double from a message in 1/100000; whole if it has no more than five decimals."""
    return exact(price) * PRICE_SCALE


def average(value: Fraction) -> float:
    """An average as the double that messages carry: 15 decimals (recorded: 1.119873333333333)."""
    return float(round(value, 15))


def double(price: int | Fraction) -> float:
    """A price in 1/100000, or an average of some, as the unscaled double that messages carry."""
    return average(Fraction(price, PRICE_SCALE))


def units(volume: int) -> Fraction:
    """A volume in units of the base asset."""
    return Fraction(volume, 100)


def amount(value: Fraction, digits: int) -> int:
    """A value in the deposit currency as an amount of money with so many digits."""
    return half_away(value * 10**digits)


def fee(value: Fraction, digits: int = 0) -> int:
    """The amount, negative, that a fee of this value is booked as, rounded against the trader.

    Recorded: a conversion fee of 18.347 cents is booked as -19. Commissions of deals go to the
    nearest cent (recorded too) and do not come through here.
    """
    exact: Fraction = -value * 10**digits
    return floor(exact)


def profit(cost: int, rate: Fraction, digits: int) -> int:
    """A difference of costs (volume times price) as an amount, at the rate of its currency.

    What `amount` makes of `value_of`; reckoned for each position with each tick, so in integers.
    """
    numerator = cost * rate.numerator * 10**digits
    return _nearest(numerator, 100 * PRICE_SCALE * rate.denominator)


def share(whole: int, part: int, of: int) -> int:
    """The part of an amount that belongs to `part` of `of`, rounded; what is left is the caller's
    difference.

    Recorded: an opening commission of 5 cents splits into 3 + 2, one of 27.72 gives 0.28 for a
    hundredth.
    """
    return half_away(Fraction(whole * part, of))


def value_of(volume: int, price: int | Fraction) -> Fraction:
    """What a volume is worth at a price, in the currency of the price."""
    return units(volume) * price / PRICE_SCALE


def plain(number: float) -> str:
    """A double as error texts print it: 1.1 as 1.1, 150.0 as 150.0."""
    return repr(float(number))


def lots(volume: int, lot_size: int) -> str:
    """A volume as error texts print it: lots with two decimals."""
    return f"{Decimal(volume) / Decimal(lot_size):.2f}"
