"""The prices that an account is valued at: last quotes, and rates between assets. Pure.

Knows neither positions nor who subscribes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from ..proto import ProtoOALightSymbol, ProtoOASpotEvent, ProtoOATradeSide
from .arithmetic import PRICE_SCALE


class Prices:
    """Last bids and asks, and the chains of symbols that lead from one asset to another."""

    def __init__(self) -> None:
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._chains: dict[tuple[int, int], Sequence[ProtoOALightSymbol]] = {}

    def apply(self, event: ProtoOASpotEvent) -> None:
        """An event names only the sides that have moved: the other one stays."""
        if event.bid is not None:
            self._bids[event.symbol_id] = event.bid
        if event.ask is not None:
            self._asks[event.symbol_id] = event.ask

    def closing(self, symbol_id: int, side: ProtoOATradeSide) -> int | None:
        """What a position of this side closes at: bid for BUY, ask for SELL; in 1/100000."""
        sides = self._bids if side == ProtoOATradeSide.BUY else self._asks
        return sides.get(symbol_id)

    def opening(self, symbol_id: int, side: ProtoOATradeSide) -> int | None:
        """What an order of this side fills at: ask for BUY, bid for SELL; in 1/100000."""
        sides = self._asks if side == ProtoOATradeSide.BUY else self._bids
        return sides.get(symbol_id)

    def learn(self, first: int, last: int, chain: Iterable[ProtoOALightSymbol]) -> None:
        """The symbols that lead from one asset to another, as ProtoOASymbolsForConversionRes."""
        self._chains[first, last] = tuple(chain)

    def chain(self, first: int, last: int) -> Sequence[ProtoOALightSymbol] | None:
        """The symbols on the way, none for the same asset; None if it was not learnt."""
        return () if first == last else self._chains.get((first, last))

    def rate(self, first: int, last: int) -> Fraction | None:
        """What one unit of an asset is worth in another, at mid prices; None while one is missing.

        The documentation converts at "the price": times it where the asset is the base, else over.
        """
        chain = self.chain(first, last)
        if chain is None:
            return None
        rate, at = Fraction(1), first
        for light in chain:
            price = self._mid(light.symbol_id)
            if price is None:
                return None
            forth = light.base_asset_id == at
            rate = rate * price if forth else rate / price
            at = (light.quote_asset_id if forth else light.base_asset_id) or 0
        return rate

    def _mid(self, symbol_id: int) -> Fraction | None:
        known = [side[symbol_id] for side in (self._bids, self._asks) if symbol_id in side]
        return Fraction(sum(known), len(known) * PRICE_SCALE) if known else None
