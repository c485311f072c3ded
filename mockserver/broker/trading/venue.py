"""What trading needs to know of the world outside the accounts: prices, rates, costs' rates, hours.

Prices are integers in 1/100000, rates exact fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ctrader_typed.proto import ProtoOASymbol, ProtoOATradeSide

from ..market.conversion import Conversion, NoConversion
from ..market.instruments import Instruments
from ..market.quotes import Market
from ..market.trading_hours import TradingSchedule
from ..money import PRICE_SCALE
from .orders import BUY


@dataclass(frozen=True, slots=True)
class Venue:
    """The catalogue and the market of a broker, seen from its trading desk."""

    market: Market
    conversion: Conversion

    @property
    def catalogue(self) -> Instruments:
        """What can be traded."""
        return self.market.catalogue

    def symbol(self, symbol_id: int) -> ProtoOASymbol:
        """The specification of a symbol; KeyError if it is not traded."""
        return self.catalogue.symbol(symbol_id)

    def assets(self, symbol_id: int) -> tuple[int, int]:
        """The base and the quote asset of a symbol."""
        light = self.catalogue.light(symbol_id)
        if light.base_asset_id is None or light.quote_asset_id is None:
            raise ValueError(f"expected {light.symbol_name} to have two assets")
        return light.base_asset_id, light.quote_asset_id

    def asset_named(self, name: str) -> int:
        """The id of an asset such as USD; NoConversion if the catalogue does not have it."""
        for asset in self.catalogue.assets:
            if asset.name == name:
                return asset.asset_id
        raise NoConversion(f"there is no asset {name}")

    def quote(self, symbol_id: int, side: ProtoOATradeSide) -> int | None:
        """The price that a side trades at: ask to buy, bid to sell; None before the first tick."""
        return self.market.ask(symbol_id) if side == BUY else self.market.bid(symbol_id)

    def closed(self, symbol_id: int) -> bool:
        """Whether hours or holidays forbid trading now."""
        return self.market.closed(symbol_id)

    def on_holiday(self, symbol_id: int) -> bool:
        """Whether a holiday, and nothing else, forbids trading now."""
        if not self.closed(symbol_id):
            return False
        ordinary = TradingSchedule(self.symbol(symbol_id).__replace__(holiday=[]))
        return ordinary.is_open(self.market.now_ms)

    def rate(self, first: int, last: int) -> Fraction:
        """What one unit of an asset is worth in another one."""
        return self.conversion.rate(first, last)

    def base_rate(self, symbol_id: int, side: ProtoOATradeSide, asset: int) -> Fraction:
        """What one unit of a symbol's base asset is worth in an asset, traded on this side.

        Recorded marginRates are the price of the deal's side, so that is the first step; the rest
        of the way is the ordinary conversion. Raises NoConversion without a price.
        """
        base, quote = self.assets(symbol_id)
        if base == asset:
            return Fraction(1)
        price = self.quote(symbol_id, side)
        if price is None:
            raise NoConversion(f"symbol {symbol_id} has no price yet")
        return Fraction(price, PRICE_SCALE) * self.rate(quote, asset)
