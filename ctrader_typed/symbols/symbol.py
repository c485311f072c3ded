"""A symbol: its sizes, price grid, distances and hours, exact. Pure; knows no account.

Numbers are Decimal, int or str. What does not fit the symbol raises InvalidValue, with the nearest
values that do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from .. import units
from ..errors import InvalidValue
from ..proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolCategory,
    ProtoOATradingMode,
)
from ..units import Number, Sizes, Time, prices
from .trading_hours import TradingHours


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol of an account: its light form and its details, both within reach.

    Volumes are in 0.01 of a unit, raw prices and distances in 1/100000. It is what the server said
    when it was loaded; the catalogue has the one of now. `archived` is what was traded when the
    catalogue was loaded, and is no more.
    """

    light: ProtoOALightSymbol
    details: ProtoOASymbol
    base: ProtoOAAsset | None = None
    quote: ProtoOAAsset | None = None
    category: ProtoOASymbolCategory | None = None
    asset_class: ProtoOAAssetClass | None = None
    archived: bool = False

    @property
    def id(self) -> int:
        """The symbolId."""
        return self.details.symbol_id

    @property
    def name(self) -> str:
        """The name, such as EURUSD; the id where there is none."""
        return self.light.symbol_name or str(self.id)

    @property
    def description(self) -> str:
        """A longer name for people; may be empty."""
        return self.light.description or ""

    @property
    def digits(self) -> int:
        """The decimals of a price."""
        return self.details.digits

    @property
    def pip_position(self) -> int:
        """The decimal of a price that is the pip."""
        return self.details.pip_position

    @property
    def pip(self) -> Decimal:
        """A pip as a price difference."""
        return units.pip(self.pip_position)

    @property
    def tick(self) -> Decimal:
        """The smallest price difference, also called a point."""
        return units.tick(self.digits)

    @property
    def lot_size(self) -> int:
        """The volume of a lot; InvalidValue if the server does not say."""
        if not self.details.lot_size:
            raise InvalidValue(f"{self.name} has no lot size: give volume= or units=")
        return self.details.lot_size

    @property
    def min_volume(self) -> int | None:
        """The least volume of an order."""
        return self.details.min_volume

    @property
    def max_volume(self) -> int | None:
        """The greatest volume of an order."""
        return self.details.max_volume

    @property
    def step_volume(self) -> int | None:
        """What volumes of orders are multiples of."""
        return self.details.step_volume

    @property
    def enabled(self) -> bool:
        """Whether it can be traded, hours apart: shown, not archived, trading mode ENABLED."""
        return (
            not self.archived
            and self.light.enabled is not False
            and self.details.trading_mode in (None, ProtoOATradingMode.ENABLED)
        )

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        archived = ", archived" if self.archived else ""
        return f"<Symbol {self.name} ({self.id}){archived}>"

    # --- sizes ---

    def volume(
        self,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        most: int | None = None,
    ) -> int:
        """One of the three as a protocol volume that the symbol allows; InvalidValue if it is none.

        `most` stands in for the symbol's maximum, and is allowed whatever the step.
        """
        details = self.details
        sizes = Sizes(details.lot_size, details.min_volume, details.max_volume, details.step_volume)
        return sizes.volume(lots=lots, units=units, volume=volume, most=most, whose=self.name)

    def lots(self, volume: int) -> Decimal:
        """A protocol volume in lots; InvalidValue if the server does not say what a lot is."""
        return units.lots(volume, self.lot_size)

    def units(self, volume: int) -> Decimal:
        """A protocol volume in units of the base asset."""
        return units.units(volume)

    # --- prices ---

    def price(self, value: Number, what: str = "price") -> Decimal:
        """A price on the symbol's grid, above zero; InvalidValue if it is none."""
        exact = units.number(value, what)
        if exact < self.tick:
            little = "not positive" if exact <= 0 else "too little"
            said = f"{what} = {exact} of {self.name} is {little}"
            raise InvalidValue(f"{said}: the least is {self.tick:f}")
        return prices.on_grid(exact, self.digits, what, self.name)

    def raw_price(self, value: Number, what: str = "price") -> int:
        """The same in 1/100000, as in spots, bars, ticks and depth."""
        return units.raw_price(self.price(value, what), self.digits, what)

    def from_raw(self, raw: int) -> Decimal:
        """A raw price, or a difference of two, as a decimal with the symbol's digits."""
        return units.price(raw, self.digits)

    def from_double(self, value: float) -> Decimal:
        """A double of the wire, from an order or a deal, as a price with the symbol's digits.

        Not for a raised position, whose average has more.
        """
        return units.from_double(value, self.digits)

    def pips(self, distance: Number) -> Decimal:
        """A price difference in pips."""
        return units.pips(distance, self.pip_position)

    def points(self, distance: Number) -> Decimal:
        """A price difference in points, the last digit of a price."""
        return units.points(distance, self.digits)

    def distance(
        self,
        *,
        pips: Number | None = None,
        points: Number | None = None,
        price: Number | None = None,
        what: str = "distance",
    ) -> int:
        """A distance in 1/100000 on the symbol's grid of 10^(5-digits); InvalidValue if off it."""
        return units.relative(
            pips=pips,
            points=points,
            price=price,
            digits=self.digits,
            pip_position=self.pip_position,
            what=what,
            whose=self.name,
        )

    # --- hours ---

    @property
    def hours(self) -> TradingHours:
        """The trading hours, in ms."""
        return TradingHours.of(self.details)

    def is_open(self, at: Time) -> bool:
        """Whether its hours let it trade at this instant: `symbol.is_open(datetime.now(UTC))`.

        Right across daylight saving and holidays. `enabled` is another matter, and a server has
        been seen to refuse with MARKET_CLOSED all the same. Raises InvalidValue for a naive time.
        """
        return self.hours.is_open(units.milliseconds(at, "at"))

    def next_open(self, at: Time) -> datetime | None:
        """The first instant from `at` on at which it is open, in UTC: `at` itself if it is.

        None if there is none within a year. Raises as `is_open` does.
        """
        return _utc(self.hours.next_open(units.milliseconds(at, "at")))

    def next_close(self, at: Time) -> datetime | None:
        """The first instant from `at` on at which it is closed, in UTC: `at` itself if it is.

        None if there is none within a year. Raises as `is_open` does.
        """
        return _utc(self.hours.next_close(units.milliseconds(at, "at")))


@dataclass(frozen=True, slots=True)
class ArchivedSymbol:
    """A symbol that is traded no more: all that the server still says of it."""

    message: ProtoOAArchivedSymbol

    @property
    def id(self) -> int:
        """The symbolId that it had."""
        return self.message.symbol_id

    @property
    def name(self) -> str:
        """The name that it had."""
        return self.message.name

    @property
    def description(self) -> str:
        """A longer name for people; may be empty."""
        return self.message.description or ""

    @property
    def changed_at(self) -> datetime:
        """When it was last changed, in UTC."""
        return units.utc(self.message.utc_last_update_timestamp)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<ArchivedSymbol {self.name} ({self.id})>"


def _utc(ms: int | None) -> datetime | None:
    return None if ms is None else units.utc(ms)
