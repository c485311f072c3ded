"""From one asset to another: the chain of symbols and its rate. Knows prices, no account.

The chain is the shortest there is; of several shortest ones that whose symbols have the lower ids,
looking from the asset with the lower id. It never varies, and back is the same way as there.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from ctrader_typed.proto import ProtoOALightSymbol

from .prices import UNIT
from .quotes import Market


class NoConversion(ValueError):
    """No chain of symbols joins two assets, or one of its symbols has no price yet."""


class Conversion:
    """Chains over the symbols of a market's catalogue."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._neighbours: dict[int, list[tuple[int, ProtoOALightSymbol]]] = {}
        self._chains: dict[tuple[int, int], list[ProtoOALightSymbol]] = {}
        for light in sorted(market.catalogue.light_symbols, key=lambda light: light.symbol_id):
            base, quote = light.base_asset_id, light.quote_asset_id
            if base is not None and quote is not None and base != quote:
                self._neighbours.setdefault(base, []).append((quote, light))
                self._neighbours.setdefault(quote, []).append((base, light))

    def chain(self, first: int, last: int) -> list[ProtoOALightSymbol]:
        """The symbols on the way from asset `first` to asset `last`; none if they are the same.

        Raises NoConversion if there is no way, KeyError for an asset that the catalogue does not
        have.
        """
        key = first, last
        if key not in self._chains:
            self._market.catalogue.asset(first)
            self._market.catalogue.asset(last)
            self._chains[key] = (
                self._search(first, last) if first <= last else self._search(last, first)[::-1]
            )
        return self._chains[key]

    def rate(self, first: int, last: int) -> Fraction:
        """What one unit of asset `first` is worth in asset `last`, exactly, at the current mid
        prices.

        The mid is half of bid and ask: the documentation converts at "the price" without naming a
        side, and with the mid there and back is 1. A symbol with only one side so far counts with
        that. Raises as `chain` does.
        """
        rate = Fraction(1)
        at = first
        for light in self.chain(first, last):
            price = self._mid(light.symbol_id)
            if light.base_asset_id == at:
                rate, at = rate * price, light.quote_asset_id or 0
            else:
                rate, at = rate / price, light.base_asset_id or 0
        return rate

    def _mid(self, symbol_id: int) -> Fraction:
        sides = [side for side in self._market.quote(symbol_id) if side is not None]
        if not sides:
            name = self._market.catalogue.light(symbol_id).symbol_name
            raise NoConversion(f"{name} has no price yet")
        return Fraction(sum(sides), len(sides) * UNIT)

    def _search(self, first: int, last: int) -> list[ProtoOALightSymbol]:
        ways: dict[int, list[ProtoOALightSymbol]] = {first: []}
        front = deque([first])
        while front:
            at = front.popleft()
            if at == last:
                return ways[at]
            for asset, light in self._neighbours.get(at, ()):
                if asset not in ways:
                    ways[asset] = [*ways[at], light]
                    front.append(asset)
        names = [self._market.catalogue.asset(asset).name for asset in (first, last)]
        raise NoConversion(f"no chain of symbols leads from {names[0]} to {names[1]}")
