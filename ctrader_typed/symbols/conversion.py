"""From one asset to another: a chain of symbols, and its rate at given prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from ..errors import InvalidValue
from ..proto import ProtoOALightSymbol


@dataclass(frozen=True, slots=True)
class Chain:
    """The symbols that lead from asset `first` to asset `last`, in this order; none if they are the
    same. As ProtoOASymbolsForConversionRes has them; InvalidValue if they do not lead there.
    """

    first: int
    last: int
    symbols: tuple[ProtoOALightSymbol, ...]

    def __post_init__(self) -> None:
        at: int | None = self.first
        for light in self.symbols:
            if at is None or at not in (light.base_asset_id, light.quote_asset_id):
                raise InvalidValue(f"{light.symbol_name or light.symbol_id} has no asset {at}")
            at = light.quote_asset_id if light.base_asset_id == at else light.base_asset_id
        if at != self.last:
            raise InvalidValue(f"the chain from asset {self.first} ends at {at}, not {self.last}")

    @property
    def symbol_ids(self) -> tuple[int, ...]:
        """The symbols whose prices it takes."""
        return tuple(light.symbol_id for light in self.symbols)

    def rate(self, mid_of: Callable[[int], Fraction | None]) -> Fraction | None:
        """What one unit of the first asset is worth in the last, exactly; None while a price is
        missing.

        `mid_of` gives the price of a symbol by its id: `units.mid(bid, ask)`, for the documentation
        converts at "the price" and names no side. Times it where the asset is the symbol's base,
        else divided by it.

        >>> eurusd = ProtoOALightSymbol(symbol_id=1, base_asset_id=5, quote_asset_id=15)
        >>> Chain(15, 5, (eurusd,)).rate({1: Fraction(5, 4)}.get)
        Fraction(4, 5)
        """
        rate, at = Fraction(1), self.first
        for light in self.symbols:
            price = mid_of(light.symbol_id)
            if price is None or price <= 0:
                return None
            forth = light.base_asset_id == at
            rate = rate * price if forth else rate / price
            at = (light.quote_asset_id if forth else light.base_asset_id) or 0
        return rate

    def __repr__(self) -> str:
        names = (light.symbol_name or str(light.symbol_id) for light in self.symbols)
        return f"<Chain {self.first} to {self.last}: {', '.join(names) or 'the same asset'}>"
