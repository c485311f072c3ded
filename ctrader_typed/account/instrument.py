"""A symbol as orders need it: sizes, price grid and distances, exact. Pure.

Numbers are Decimal, int or str: a float is refused, for 0.1 is not 0.1. What does not fit the
symbol is refused with the nearest values that do.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation

from ..errors import InvalidOrder
from ..proto import ProtoOALightSymbol, ProtoOASymbol

Number = Decimal | int | str
"""An exact number."""

PRICE_DIGITS = 5


def number(value: Number, what: str) -> Decimal:
    """An exact number, or InvalidOrder."""
    if type(value) is bool or not isinstance(value, (Decimal, int, str)):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        shown = f"{what} = {value!r} ({type(value).__name__})"
        raise InvalidOrder(f"{shown}: expected a Decimal, an int or a str, such as {what}='0.10'")
    try:
        exact = Decimal(value)
    except InvalidOperation:
        raise InvalidOrder(f"{what} = {value!r} is no number") from None
    if not exact.is_finite():
        raise InvalidOrder(f"{what} = {value!r} is not finite")
    return exact


@dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol: its light form and its details, both within reach. Volumes are in 0.01 of a unit,
    distances in 1/100000.
    """

    light: ProtoOALightSymbol
    details: ProtoOASymbol

    @property
    def id(self) -> int:
        """The symbolId."""
        return self.details.symbol_id

    @property
    def name(self) -> str:
        """The name, such as EURUSD."""
        return self.light.symbol_name or str(self.id)

    @property
    def digits(self) -> int:
        """The decimals of a price."""
        return self.details.digits

    @property
    def lot_size(self) -> int:
        """The volume of a lot; InvalidOrder if the server does not say."""
        if not self.details.lot_size:
            raise InvalidOrder(f"{self.name} has no lot size: give volume= or units=")
        return self.details.lot_size

    @property
    def pip(self) -> Decimal:
        """A pip as a price difference."""
        return Decimal(1).scaleb(-self.details.pip_position)

    @property
    def tick(self) -> Decimal:
        """The smallest price difference."""
        return Decimal(1).scaleb(-self.digits)

    def __repr__(self) -> str:
        return f"<Instrument {self.name} ({self.id})>"

    def volume(
        self,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        most: int | None = None,
    ) -> int:
        """One of the three as a protocol volume that the symbol allows; InvalidOrder if it is none.

        `most` stands in for the symbol's maximum, and is allowed whatever the step.
        """
        given = [each for each in (lots, units, volume) if each is not None]
        if len(given) != 1:
            raise InvalidOrder(f"expected one of lots, units, volume; got {len(given)}")
        if lots is not None:
            exact, said = number(lots, "lots") * self.lot_size, f"{lots} lots"
        elif units is not None:
            exact, said = number(units, "units") * 100, f"{units} units"
        else:
            exact, said = number(given[0], "volume"), f"volume {volume}"
        return self._allowed(exact, f"{said} of {self.name}", most)

    def _allowed(self, exact: Decimal, said: str, most: int | None) -> int:
        step, least = self.details.step_volume or 1, self.details.min_volume or 1
        top = self.details.max_volume if most is None else most
        if most is not None and exact == most:
            return most
        if exact < least:
            raise InvalidOrder(f"{said} is too little: the least is {self._shown(least)}")
        if top is not None and exact > top:
            raise InvalidOrder(f"{said} is too much: the most is {self._shown(top)}")
        if exact % step:
            below = int((exact / step).to_integral_value(ROUND_FLOOR)) * step
            nearest = [v for v in (below, below + step) if v >= least and (not top or v <= top)]
            near = " or ".join(map(self._shown, nearest))
            raise InvalidOrder(f"{said} is off the step of {self._shown(step)}: nearest {near}")
        return int(exact)

    def _shown(self, volume: int) -> str:
        units = f"{Decimal(volume) / 100:f} units"
        if not self.details.lot_size:
            return units
        return f"{Decimal(volume) / self.details.lot_size:f} lots ({units})"

    def price(self, value: Number, what: str = "price") -> Decimal:
        """A price on the symbol's grid, above zero; InvalidOrder if it is none."""
        exact = number(value, what)
        if exact <= 0:
            raise InvalidOrder(f"{what} = {value} of {self.name} is not positive")
        if exact % self.tick:
            below = (exact / self.tick).to_integral_value(ROUND_FLOOR) * self.tick
            near = f"{below:f} or {below + self.tick:f}"
            raise InvalidOrder(
                f"{what} = {value} has more than the {self.digits} digits of {self.name}: "
                f"nearest {near}"
            )
        return exact

    def distance(
        self, *, pips: Number | None = None, price: Number | None = None, what: str = "distance"
    ) -> int:
        """A distance in 1/100000 on the symbol's grid of 10^(5-digits); InvalidOrder if off it."""
        if pips is not None:
            exact, said = number(pips, what) * self.pip, f"{what} of {pips} pips"
        elif price is not None:
            exact, said = number(price, what), f"{what} of {price}"
        else:
            raise InvalidOrder(f"{what}: expected pips or a price difference")
        if exact <= 0:
            raise InvalidOrder(f"{said} is not positive")
        if exact % self.tick:
            below = (exact / self.tick).to_integral_value(ROUND_FLOOR) * self.tick
            near = " or ".join(f"{d / self.pip:f}" for d in (below, below + self.tick) if d > 0)
            raise InvalidOrder(f"{said} is off the grid of {self.name}: nearest {near} pips")
        return int(exact.scaleb(PRICE_DIGITS))
