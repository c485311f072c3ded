"""What the broker offers: assets, symbols and their rules, found by id and by name.

The messages are those that a server sends; treat them as read-only. `Instruments.standard()` is a
dozen symbols of all kinds; any other set of messages makes another catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable

from ctrader_typed.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOADynamicLeverage,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolCategory,
)

from . import standard_instruments
from .trading_hours import TradingSchedule


class Instruments:
    """Looked up by number; every lookup of an unknown number or name is a KeyError.

    Raises ValueError when the parts do not fit: a symbol in only one of the two lists, an asset
    that is missing, an id twice.
    """

    def __init__(
        self,
        *,
        assets: Iterable[ProtoOAAsset],
        symbols: Iterable[ProtoOASymbol],
        light_symbols: Iterable[ProtoOALightSymbol],
        asset_classes: Iterable[ProtoOAAssetClass] = (),
        categories: Iterable[ProtoOASymbolCategory] = (),
        leverages: Iterable[ProtoOADynamicLeverage] = (),
        archived: Iterable[ProtoOAArchivedSymbol] = (),
    ) -> None:
        self.assets = tuple(assets)
        self.symbols = tuple(symbols)
        self.light_symbols = tuple(light_symbols)
        self.asset_classes = tuple(asset_classes)
        self.categories = tuple(categories)
        self.leverages = tuple(leverages)
        self.archived = tuple(archived)
        self._assets = {asset.asset_id: asset for asset in self.assets}
        self._symbols = {symbol.symbol_id: symbol for symbol in self.symbols}
        self._light = {light.symbol_id: light for light in self.light_symbols}
        self._names = {light.symbol_name: light.symbol_id for light in self.light_symbols}
        self._leverages = {leverage.leverage_id: leverage for leverage in self.leverages}
        self._archived = {symbol.symbol_id: symbol for symbol in self.archived}
        self._check()
        self._schedules = {symbol.symbol_id: TradingSchedule(symbol) for symbol in self.symbols}

    @classmethod
    def standard(cls) -> Instruments:
        """Seven currency pairs, gold, three indices, Bitcoin, and one archived symbol."""
        return cls(
            assets=standard_instruments.ASSETS,
            symbols=standard_instruments.SYMBOLS,
            light_symbols=standard_instruments.LIGHT_SYMBOLS,
            asset_classes=standard_instruments.ASSET_CLASSES,
            categories=standard_instruments.CATEGORIES,
            leverages=standard_instruments.LEVERAGES,
            archived=standard_instruments.ARCHIVED_SYMBOLS,
        )

    def _check(self) -> None:
        if set(self._symbols) != set(self._light):
            odd = sorted(set(self._symbols) ^ set(self._light))
            raise ValueError(f"symbols {odd} are only in one of symbols and light_symbols")
        ids = [s.symbol_id for s in self.symbols] + [s.symbol_id for s in self.archived]
        if len(ids) != len(set(ids)) or len(self.light_symbols) != len(self._light):
            raise ValueError("a symbol id is there twice")
        for light in self.light_symbols:
            missing = {light.base_asset_id, light.quote_asset_id} - set(self._assets)
            if missing:
                raise ValueError(f"{light.symbol_name} needs assets that are not there: {missing}")

    def symbol(self, symbol_id: int) -> ProtoOASymbol:
        """The full specification."""
        return self._symbols[symbol_id]

    def light(self, symbol_id: int) -> ProtoOALightSymbol:
        """The short form, with name and assets."""
        return self._light[symbol_id]

    def archived_symbol(self, symbol_id: int) -> ProtoOAArchivedSymbol:
        """A symbol that is traded no more."""
        return self._archived[symbol_id]

    def asset(self, asset_id: int) -> ProtoOAAsset:
        """An asset, such as a currency."""
        return self._assets[asset_id]

    def dynamic_leverage(self, leverage_id: int) -> ProtoOADynamicLeverage:
        """The leverage steps that a symbol's `leverageId` names; leverages in 1/100, as in
        leverageInCents.
        """
        return self._leverages[leverage_id]

    def by_name(self, name: str) -> ProtoOASymbol:
        """The full specification of a symbol by its name, such as EURUSD."""
        return self._symbols[self.id_of(name)]

    def id_of(self, symbol: str | int) -> int:
        """The id of a symbol given by name or by id; KeyError if the catalogue does not have it."""
        return self._names[symbol] if isinstance(symbol, str) else self._light[symbol].symbol_id

    def has(self, symbol_id: int) -> bool:
        """Whether this is a symbol that is traded; archived ones are not."""
        return symbol_id in self._symbols

    def was(self, symbol_id: int) -> bool:
        """Whether this is an archived symbol."""
        return symbol_id in self._archived

    def tick_size(self, symbol_id: int) -> int:
        """The smallest price step in 1/100000: prices are multiples of it. 1 for five digits, 1000
        for two.
        """
        return int(10 ** max(0, 5 - self._symbols[symbol_id].digits))

    def schedule(self, symbol_id: int) -> TradingSchedule:
        """The trading hours."""
        return self._schedules[symbol_id]

    def is_open(self, symbol_id: int, when_ms: int) -> bool:
        """Whether the hours and holidays let the symbol trade; tradingMode is another matter."""
        return self._schedules[symbol_id].is_open(when_ms)

    def replace(self, symbol: ProtoOASymbol) -> None:
        """Put a changed specification in the place of the old one; KeyError if the id is new."""
        at = [s.symbol_id for s in self.symbols].index(self.id_of(symbol.symbol_id))
        self.symbols = (*self.symbols[:at], symbol, *self.symbols[at + 1 :])
        self._symbols[symbol.symbol_id] = symbol
        self._schedules[symbol.symbol_id] = TradingSchedule(symbol)
