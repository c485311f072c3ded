"""Volumes: lots, units, and the integers in 0.01 of a unit that the protocol counts in.

A lot is what the symbol says it is: 100,000 units of EURUSD, 100 ounces of gold, 1 of an index.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ..errors import InvalidValue
from . import checks
from .numbers import EXACT, Number, decimal_of, integer, number, scaled, steps
from .prices import shown

VOLUME_SCALE = 100
"""What a protocol volume is divided by to get units."""

MOST = 2**63 - 1
"""The largest volume that the wire can hold."""


def units(volume: int) -> Decimal:
    """A protocol volume in units.

    >>> units(10_000_000)
    Decimal('100000')
    """
    return shown(scaled(integer(volume, "volume"), 2))


def lots(volume: int, lot_size: int) -> Decimal:
    """A protocol volume in lots, `lot_size` being the volume of one; exact where a decimal can be,
    else to 28 digits.

    >>> lots(100_000, lot_size=10_000_000)
    Decimal('0.01')
    """
    exact = Fraction(integer(volume, "volume"), checks.whole(lot_size, "lot_size", 1))
    quotient = decimal_of(exact)
    return shown(quotient) if Fraction(quotient) == exact else quotient


@dataclass(frozen=True, slots=True)
class Sizes:
    """The volumes that a symbol allows, as ProtoOASymbol states them; all in 0.01 of a unit."""

    lot_size: int | None = None
    least: int | None = None
    most: int | None = None
    step: int | None = None

    def volume(
        self,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        most: int | None = None,
        whose: str = "the symbol",
    ) -> int:
        """One of the three as a protocol volume; InvalidValue, with the nearest, if not allowed.

        `most` stands in for the largest, and is allowed whatever the step: what is left of a
        position can be closed.

        >>> Sizes(10_000_000, 100_000, 10**10, 100_000).volume(lots="0.10")
        1000000
        """
        given = [each for each in (lots, units, volume) if each is not None]
        if len(given) != 1:
            raise InvalidValue(f"expected one of lots, units, volume; got {len(given)}")
        if lots is not None:
            lot_size = self._lot_size(whose)
            exact, said = EXACT.multiply(number(lots, "lots"), Decimal(lot_size)), f"{lots} lots"
        elif units is not None:
            exact, said = number(units, "units").scaleb(2, EXACT), f"{units} units"
        else:
            exact, said = number(given[0], "volume"), f"volume {volume}"
        return self._allowed(exact, f"{said} of {whose}", most)

    def _allowed(self, exact: Decimal, said: str, most: int | None) -> int:
        below, above = self._neighbours(exact, most)
        if below is not None and below == above:
            return below
        near = " or ".join(self.shown(each) for each in (below, above) if each is not None)
        top = self.most if most is None else most
        if exact > (MOST if top is None else top):
            raise InvalidValue(f"{said} is too much: the most is {near or 'none'}")
        if exact < (self.least or 1):
            raise InvalidValue(f"{said} is too little: the least is {near or 'none'}")
        step = self.shown(self.step or 1)
        raise InvalidValue(f"{said} is off the step of {step}: nearest {near or 'none'}")

    def _neighbours(self, exact: Decimal, most: int | None) -> tuple[int | None, int | None]:
        """The allowed volumes at or next to one, below and above it; None where there is none."""
        step, top = self.step or 1, self.most if most is None else most
        first = -(-(self.least or 1) // step)
        last = (MOST if top is None else top) // step
        below, above = steps(exact, step)
        found = [min(below, last) * step, max(above, first) * step] if first <= last else []
        allowed = [each for each in found if first * step <= each <= last * step]
        if most is not None:
            allowed.append(most)
        return (
            max((each for each in allowed if each <= exact), default=None),
            min((each for each in allowed if each >= exact), default=None),
        )

    def _lot_size(self, whose: str) -> int:
        if not self.lot_size:
            raise InvalidValue(f"{whose} has no lot size: give volume= or units=")
        return self.lot_size

    def shown(self, volume: int) -> str:
        """A volume in words: "0.01 lots (1000 units)"."""
        in_units = f"{units(volume):f} units"
        if not self.lot_size:
            return in_units
        return f"{lots(volume, self.lot_size):f} lots ({in_units})"
