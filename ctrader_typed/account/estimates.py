"""What a deal would bind and cost: asked of the server, or reckoned here at the prices of now.

Waits for what reckoning takes; reckons by `valuation` and `costs`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from ..errors import ConnectionLost, CTraderError, InvalidOrder, raise_first
from ..proto import (
    ProtoOADynamicLeverageTier,
    ProtoOAExpectedMarginReq,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOATradeSide,
)
from ..symbols import Symbol
from ..units import Number, checks, decimal_of, money_of
from . import costs
from .sides import SideLike, side_of
from .state import AccountState, SymbolRef

T = TypeVar("T")

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL


@dataclass(frozen=True, slots=True)
class ExpectedMargin:
    """What a volume would bind if it were bought, or sold, now; in the deposit currency."""

    buy: Decimal
    sell: Decimal


class Estimates(AccountState):
    """What deals would bind and cost.

    A symbol is a `Symbol`, its name or its id; a size is given in one of three ways, as `lots`,
    `units` (of the base asset) or `volume` (0.01 of a unit). All raise what
    `request` does, and InvalidValue for a size that the symbol does not allow.
    """

    async def expected_margin(
        self,
        symbol: SymbolRef,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
    ) -> ExpectedMargin:
        """What the server says that a volume would bind (ProtoOAExpectedMarginReq)."""
        traded = self._named(symbol)
        size = traded.volume(lots=lots, units=units, volume=volume)
        answer = await self._client.request(
            ProtoOAExpectedMarginReq(
                ctid_trader_account_id=self._account_id, symbol_id=traded.id, volume=[size]
            )
        )
        (row,) = answer.margin
        digits = self._book.money_digits if answer.money_digits is None else answer.money_digits
        return ExpectedMargin(money_of(row.buy_margin, digits), money_of(row.sell_margin, digits))

    async def margin_for(
        self,
        symbol: SymbolRef,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
    ) -> ExpectedMargin:
        """The same reckoned here, to the last digit: nothing is asked once prices are there.

        units x marginRate / leverage: the rate of the base asset by the price of the side, and the
        leverage of the symbol's tiers (dynamic leverage, which counts the open volume of that side
        in US dollars), never more than the account's. Waits for the first prices.
        """
        traded = self._named(symbol)
        size = traded.volume(lots=lots, units=units, volume=volume)
        if not self.trader.leverage_in_cents:
            raise InvalidOrder("the server does not say which leverage the account has")
        refused = await self._prepare(traded)
        tiers = await self._tiers(traded)
        if tiers:
            raise_first(list(refused.values()))

        def reckon() -> tuple[int, int] | None:
            if tiers and not self._all_rates(traded, refused):
                return None
            expect = self._valuation.expected_margin
            buy, sell = (expect(traded, side, size, tiers) for side in (BUY, SELL))
            return None if buy is None or sell is None else (buy, sell)

        both: tuple[int, int] = await self._known(reckon)
        return ExpectedMargin(*map(self._valuation.money, both))

    async def commission_for(
        self,
        symbol: SymbolRef,
        side: SideLike,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
    ) -> Decimal:
        """What one deal would be charged now, as a negative amount; closing it costs again.

        Waits for the first prices.
        """
        traded, which = self._named(symbol), side_of(side)
        size = traded.volume(lots=lots, units=units, volume=volume)
        refused = await self._prepare(traded)

        def reckon() -> tuple[int | None] | None:
            rates = self._valuation.rates(traded, which)
            if rates is None:
                return None
            fee = costs.commission(traded.details, size, rates, self._book.money_digits)
            return None if fee is None and not self._all_rates(traded, refused) else (fee,)

        (fee,) = await self._known(reckon)
        if fee is None:
            raise_first(list(refused.values()))
            raise InvalidOrder(f"no symbols lead from US dollars: {traded.name} is charged in them")
        return self._valuation.money(fee)

    async def rate(self, first: str | int, last: str | int) -> Decimal:
        """What a unit of one asset is worth in another, by their names or ids, at mid prices now:
        `await account.rate("EUR", "JPY")`.

        The symbols that lead from one to the other are asked for once, and subscribed to for as
        long as the client lives; waits for the first prices. UnknownName, a KeyError, for a name
        that is none; ServerError where no symbols lead there.
        """
        for what, asset in (("first", first), ("last", last)):
            if not isinstance(asset, str):
                checks.identifier(asset, what, "EUR")
        chain = await self._synchroniser.lead(first, last)
        ends = chain.first, chain.last
        rate: Fraction = await self._known(lambda: self._valuation.rate(*ends))
        return decimal_of(rate)

    async def quote_rate(self, symbol: SymbolRef) -> Decimal:
        """What the quote asset of a symbol is worth in the deposit currency, at mid prices now.

        Subscribes to what it takes, and waits for the first prices.
        """
        rate = await self._quote_rate(self._named(symbol))
        return decimal_of(rate)

    async def _quote_rate(self, symbol: Symbol) -> Fraction:
        """The same, exactly."""
        ways = self._valuation.conversion(symbol.id)
        if ways is None:
            raise InvalidOrder(f"{symbol.name} has no quote asset")
        await self._synchroniser.lead(*ways)
        rate: Fraction = await self._known(lambda: self._valuation.rate(*ways))
        return rate

    async def _prepare(self, symbol: Symbol) -> dict[tuple[int, int], CTraderError]:
        """Subscribe to the symbol and to all that its rates are reckoned from. Returns which
        conversions are refused, and why: not every estimate needs them all.
        """
        await self._synchroniser.watch(symbol.id)
        refused: dict[tuple[int, int], CTraderError] = {}
        for ends in sorted(self._valuation.ways(symbol)):
            try:
                await self._synchroniser.lead(*ends)
            except ConnectionLost:
                raise
            except CTraderError as error:
                refused[ends] = error
        return refused

    def _all_rates(self, symbol: Symbol, besides: Collection[tuple[int, int]]) -> bool:
        """Whether the prices of all its conversions are there."""
        ways = self._valuation.ways(symbol).difference(besides)
        return all(self._valuation.rate(*ends) is not None for ends in ways)

    async def _known(self, reckon: Callable[[], T | None]) -> T:
        """Wait until something can be reckoned, and do so."""

        def current() -> T | None:
            self._synchroniser.drain()
            return reckon()

        await self._synchroniser.until(lambda: current() is not None)
        known = current()
        assert known is not None, "the wait is over"
        return known

    async def _tiers(self, symbol: Symbol) -> Sequence[ProtoOADynamicLeverageTier]:
        """Those of the symbol's dynamic leverage, asked for once; none if it has none."""
        number = symbol.details.leverage_id
        if number is None:
            return ()
        tiers = self._leverages.get(number)
        if tiers is None:
            answer = await self._client.request(
                ProtoOAGetDynamicLeverageByIDReq(
                    ctid_trader_account_id=self._account_id, leverage_id=number
                )
            )
            tiers = self._leverages[number] = tuple(answer.leverage.tiers)
        return tiers
