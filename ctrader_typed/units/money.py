"""Money: integers with moneyDigits on the wire, decimals in hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from ..errors import InvalidValue
from . import checks
from .numbers import EXACT, Number, integer, number, scaled, steps

MONEY_DIGITS = 2
"""What moneyDigits are where a message does not say."""


def money_of(amount: int, digits: int | None = None) -> Decimal:
    """An amount in 10^-moneyDigits as the decimal that it stands for; 2 digits if None is given.

    >>> money_of(5122386119, 8)
    Decimal('51.22386119')
    """
    return scaled(integer(amount, "amount"), _places(digits))


def amount_of(value: Number, digits: int | None = None, what: str = "amount") -> int:
    """Money as an integer in 10^-moneyDigits; InvalidValue, with the nearest, if it has more.

    >>> amount_of("-0.68")
    -68
    """
    places = _places(digits)
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
    checks.instance(value, "value", Fraction, "a Fraction")
    magnitude = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return -magnitude if value < 0 else magnitude


def rounded(value: Fraction | Decimal | int, digits: int | None = None) -> int:
    """The amount in 10^-moneyDigits that is nearest to a value, halves away from zero.

    >>> rounded((Decimal("85219.06") - Decimal("85287.21")) * Decimal("0.01"))
    -68
    """
    expected = "a Fraction, a Decimal or an int"
    checks.instance(value, "value", (Fraction, Decimal, int), expected)
    if isinstance(value, bool) or (isinstance(value, Decimal) and not value.is_finite()):
        checks.refuse(value, "value", expected)
    return half_away(Fraction(value) * 10 ** _places(digits))


def share(whole: int, part: int, of: int) -> int:
    """What of an amount belongs to `part` of `of` (recorded: 5 cents split into 3 and 2).

    >>> share(5, 1, 2)
    3
    """
    amount = integer(whole, "whole") * integer(part, "part")
    return half_away(Fraction(amount, checks.whole(of, "of", 1)))


def _places(digits: int | None) -> int:
    return MONEY_DIGITS if digits is None else integer(digits, "digits")
