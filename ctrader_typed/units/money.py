"""Money: integers with moneyDigits on the wire, decimals in hand. Knows no currency."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from ..errors import InvalidValue
from .numbers import EXACT, Number, integer, number, scaled, steps

MONEY_DIGITS = 2
"""What moneyDigits are where a message does not say."""


def money_of(amount: int, digits: int | None = None) -> Decimal:
    """An amount in 10^-moneyDigits as the decimal that it stands for; 2 digits if None is given.

    >>> money_of(5122386119, 8)
    Decimal('51.22386119')
    """
    return scaled(integer(amount, "amount"), MONEY_DIGITS if digits is None else digits)


def amount_of(value: Number, digits: int | None = None, what: str = "amount") -> int:
    """Money as an integer in 10^-moneyDigits; InvalidValue, with the nearest, if it has more.

    >>> amount_of("-0.68")
    -68
    """
    places = MONEY_DIGITS if digits is None else digits
    exact = number(value, what)
    below, above = steps(exact.scaleb(places, EXACT), 1)
    if below != above:
        near = f"{scaled(below, places):f} or {scaled(above, places):f}"
        raise InvalidValue(f"{what} = {exact} has more than {places} digits: nearest {near}")
    return below


def half_away(value: Fraction) -> int:
    """The nearest integer; halves go away from zero, as the server rounds (recorded: 7.5 cents of
    commission are 8).

    >>> half_away(Fraction(15, 2)), half_away(Fraction(-15, 2))
    (8, -8)
    """
    magnitude = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return -magnitude if value < 0 else magnitude


def rounded(value: Fraction | Decimal | int, digits: int | None = None) -> int:
    """The amount in 10^-moneyDigits that is nearest to a value, halves away from zero.

    >>> rounded((Decimal("85219.06") - Decimal("85287.21")) * Decimal("0.01"))
    -68
    """
    return half_away(Fraction(value) * 10 ** (MONEY_DIGITS if digits is None else digits))


def share(whole: int, part: int, of: int) -> int:
    """What of an amount belongs to `part` of `of` (recorded: 5 cents split into 3 and 2).

    >>> share(5, 1, 2)
    3
    """
    return half_away(Fraction(whole * part, of))
