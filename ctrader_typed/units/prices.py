"""Prices and distances: integers in 1/100000, doubles of the wire, pips and points.

Integer prices count 1/100000 whatever a symbol's digits: 25281.64 of a symbol with two digits is
2528164000. Orders, positions and deals have doubles in their place.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import SupportsFloat

from ..errors import InvalidValue
from .numbers import EXACT, Number, exponent, integer, number, scaled, steps

PRICE_DIGITS = 5
"""The decimals that an integer price has."""

PRICE_SCALE = 100_000
"""What an integer price is divided by."""


def tick(digits: int) -> Decimal:
    """The smallest step of a price, also called a point: 10^-digits.

    >>> tick(5)
    Decimal('0.00001')
    """
    return scaled(1, integer(digits, "digits"))


def pip(pip_position: int) -> Decimal:
    """A pip as a price difference: 10^-pipPosition."""
    return scaled(1, integer(pip_position, "pip_position"))


def grid(digits: int) -> int:
    """What integer prices and distances are multiples of: 10^(5-digits), and 1 beyond 5 digits."""
    if type(digits) is not int:  # asked here: quotes' prices come by
        digits = integer(digits, "digits")
    step: int = 10 ** max(0, PRICE_DIGITS - digits)
    return step


def price(raw: int, digits: int = PRICE_DIGITS) -> Decimal:
    """An integer price (or a difference of two) as a decimal, exactly, with at least so many digits
    as the symbol has; more where it is off the symbol's grid.

    >>> price(2528164000, digits=2)
    Decimal('25281.64')
    """
    raw, step = integer(raw, "price"), grid(digits)
    if digits <= PRICE_DIGITS and raw % step == 0:
        return scaled(raw // step, digits)  # nearly all are, and it takes a third of the time
    return shown(scaled(raw, PRICE_DIGITS), digits)


def raw_price(value: Number, digits: int = PRICE_DIGITS, what: str = "price") -> int:
    """A price as an integer in 1/100000.

    Raises InvalidValue if it has more digits than the symbol, or than five, with the two nearest
    that have not.

    >>> raw_price("25281.64", digits=2)
    2528164000
    """
    digits = min(integer(digits, "digits"), PRICE_DIGITS)
    exact = on_grid(number(value, what), digits, what)
    return int(exact.scaleb(PRICE_DIGITS, EXACT))


def on_grid(exact: Decimal, digits: int, what: str, whose: str = "") -> Decimal:
    """A price that has no more digits than these; else InvalidValue with the two nearest."""
    below, above = steps(exact, tick(digits))
    if below != above:
        near = f"{scaled(below, digits):f} or {scaled(above, digits):f}"
        of = f" of {whose}" if whose else ""
        raise InvalidValue(
            f"{what} = {exact} has more than the {digits} digits{of}: nearest {near}"
        )
    return shown(exact, digits)


def from_double(value: float, digits: int | None = None) -> Decimal:
    """A double of the wire as the decimal that is meant: the shortest that reads back as it.

    With `digits`, rounded to them, halves away from zero. A raised position has an average with
    more digits than its symbol (1.119873333333333, recorded): leave them out for the exact value.
    Raises InvalidValue if it is not finite.

    >>> from_double(1.08452), from_double(1.1, digits=5)
    (Decimal('1.08452'), Decimal('1.10000'))
    """
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        kind = type(value).__name__
        raise InvalidValue(f"price = {value!r} ({kind}): expected a float")
    if not math.isfinite(value):
        raise InvalidValue(f"price = {value!r} is not finite: expected a price")
    exact = Decimal(repr(float(value)))
    if digits is None:
        return exact
    return exact.quantize(tick(digits), ROUND_HALF_UP, EXACT)


def to_double(value: Number, what: str = "price") -> float:
    """A price as the double that stands for it on the wire.

    Raises InvalidValue if there is none: no double holds more than 15 to 17 digits.

    >>> to_double("85287.21")
    85287.21
    """
    exact = number(value, what)
    double = float(exact)
    if from_double(double) != exact:
        raise InvalidValue(f"{what} = {exact} has more digits than a double: nearest {double!r}")
    return double


def pips(distance: Number, pip_position: int) -> Decimal:
    """A price difference in pips.

    >>> pips("0.0020", pip_position=4)
    Decimal('20')
    """
    places = integer(pip_position, "pip_position")
    return shown(number(distance, "distance").scaleb(places, EXACT))


def points(distance: Number, digits: int) -> Decimal:
    """A price difference in points, the last digit of a price."""
    places = integer(digits, "digits")
    return shown(number(distance, "distance").scaleb(places, EXACT))


def relative(
    *,
    pips: Number | None = None,
    points: Number | None = None,
    price: Number | None = None,
    digits: int,
    pip_position: int,
    what: str = "distance",
    whose: str = "",
) -> int:
    """A distance, in one of three ways, as relativeStopLoss and relativeTakeProfit have it: in
    1/100000, a multiple of 10^(5-digits).

    Raises InvalidValue if it is off that grid, with the nearest in pips, or not positive: the
    server refuses the whole order for "invalid precision" (recorded).

    >>> relative(pips=20, digits=5, pip_position=4)
    200
    """
    given = [each for each in (pips, points, price) if each is not None]
    if len(given) != 1:
        raise InvalidValue(
            f"{what}: expected pips, points or a price difference; got {len(given)} of them"
        )
    if pips is not None:
        exact, said = number(pips, what).scaleb(-pip_position, EXACT), f"{what} of {pips} pips"
    elif points is not None:
        exact, said = number(points, what).scaleb(-digits, EXACT), f"{what} of {points} points"
    else:
        exact, said = number(given[0], what), f"{what} of {price}"
    step = scaled(grid(digits), PRICE_DIGITS)
    if exact <= 0:
        least = shown(step.scaleb(pip_position, EXACT))
        raise InvalidValue(f"{said} is not positive: the least is {least:f} pips")
    below, above = steps(exact, step)
    if below != above:
        near = " or ".join(
            f"{shown((count * step).scaleb(pip_position, EXACT)):f}"
            for count in (below, above)
            if count
        )
        of = f" of {whose}" if whose else ""
        raise InvalidValue(f"{said} is off the grid{of}: nearest {near} pips")
    return below * grid(digits)


def mid(bid: int | None, ask: int | None) -> Fraction | None:
    """Half way between two integer prices, as a price; the one side where the other is unknown."""
    sides = ("bid", bid), ("ask", ask)
    known = [integer(side, what) for what, side in sides if side is not None]
    return Fraction(sum(known), len(known) * PRICE_SCALE) if known else None


def shown(exact: Decimal, digits: int = 0) -> Decimal:
    """The same number with so many decimals, more only where they are not zero."""
    plain = exact.normalize(EXACT)
    return plain.quantize(tick(max(digits, -exponent(plain))), context=EXACT)
