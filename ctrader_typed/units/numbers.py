"""Exact numbers as people give them, and the steps that they must be multiples of."""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from operator import index

from ..errors import InvalidValue

Number = Decimal | int | str
"""An exact number: floats are refused, for 0.1 is not 0.1."""

# Wide enough for all that `number` lets through, times all that the wire can hold.
EXACT = Context(prec=120)
_LARGEST, _FINEST = 24, -40  # powers of ten


def number(value: Number, what: str = "number") -> Decimal:
    """A number as a Decimal, exactly; `what` is its name in the error.

    Raises InvalidValue for a float, for what is no number, not finite, or beyond any use: 10^25 and
    more, or with more than 40 decimals.

    >>> number("0.10", "lots")
    Decimal('0.10')
    """
    if type(value) is bool or not isinstance(value, (Decimal, int, str)):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        counted = as_int(value)
        if counted is not None:
            return number(counted, what)
        shown = f"{what} = {value!r} ({type(value).__name__})"
        raise InvalidValue(f"{shown}: expected a Decimal, an int or a str, such as {what}='0.10'")
    try:
        exact = Decimal(value)
    except InvalidOperation:
        raise InvalidValue(f"{what} = {value!r} is no number: expected such as '0.10'") from None
    if not exact.is_finite():
        raise InvalidValue(f"{what} = {value!r} is not finite: expected a number")
    if exact and (exact.adjusted() > _LARGEST or exponent(exact) < _FINEST):
        raise InvalidValue(
            f"{what} = {exact:.6e} is out of reach: expected less than 10^{_LARGEST + 1}, "
            f"and at most {-_FINEST} decimals"
        )
    return exact


def integer(value: int, what: str) -> int:
    """A whole number that the wire counts in, or InvalidValue."""
    if type(value) is int:
        return value
    counted = as_int(value)
    if counted is None:
        raise InvalidValue(f"{what} = {value!r} ({type(value).__name__}): expected an int")
    return counted


def as_int(value: object) -> int | None:
    """The int that a value is, or counts as, like numpy's integers; None for all else, and bools.

    >>> as_int(5), as_int(True), as_int("5")
    (5, None, None)
    """
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    try:
        return index(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it says whether it can
    except TypeError:
        return None


def exponent(value: Decimal) -> int:
    """The power of ten of a finite number's last digit."""
    power = value.as_tuple().exponent
    assert isinstance(power, int), "a finite number has one"
    return power


def scaled(value: int, digits: int) -> Decimal:
    """`value` times 10^-digits, exactly, whatever the precision of the caller's context."""
    return Decimal(value).scaleb(-digits, EXACT)


def decimal_of(value: Fraction) -> Decimal:
    """A fraction as a decimal, whatever the precision of the caller's context: exact where one of
    120 digits can be, else to 28.

    >>> decimal_of(Fraction(1, 8)), decimal_of(Fraction(2, 3))
    (Decimal('0.125'), Decimal('0.6666666666666666666666666667'))
    """
    if not isinstance(value, Fraction):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        raise InvalidValue(f"value = {value!r} ({type(value).__name__}): expected a Fraction")
    quotient = EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    return quotient if Fraction(quotient) == value else Context(prec=28).plus(quotient)


def steps(value: Decimal, step: Decimal | int) -> tuple[int, int]:
    """How many steps lie at or below a number, and at or above it: the same if it is a multiple.

    >>> steps(Decimal("0.123"), Decimal("0.01"))
    (12, 13)
    """
    whole, rest = divmod(Fraction(value), Fraction(step))
    return int(whole), int(whole) + (rest != 0)
