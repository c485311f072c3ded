"""What an account is worth: its book at the prices of now. Pure; reckons by `arithmetic`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ..market import Quote
from ..proto import (
    ProtoOAAccountType,
    ProtoOADynamicLeverageTier,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
)
from ..symbols import Catalogue, Symbol
from ..units import PRICE_SCALE, VOLUME_SCALE, mid, money_of
from . import arithmetic
from .costs import Rates, minimum_in_quote
from .position import Position
from .positions_book import PositionsBook

USD = "USD"


@dataclass(frozen=True, slots=True)
class Profit:
    """Unrealised profit, in the deposit currency.

    `net` has swap and the commission so far, not that of the closing side, as the server's
    ProtoOAGetPositionUnrealizedPnLRes.
    """

    gross: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Valuation:
    """A book and what is needed to value it."""

    book: PositionsBook
    catalogue: Catalogue
    quote: Callable[[int], Quote | None]
    """The last quote of a symbol, by its id."""

    def money(self, amount: int) -> Decimal:
        """An amount of the account as the decimal that it stands for."""
        return money_of(amount, self.book.money_digits)

    # --- prices ---

    def closing(self, symbol_id: int, side: ProtoOATradeSide) -> int | None:
        """What a position of this side closes at: bid for BUY, ask for SELL; in 1/100000."""
        quote = self.quote(symbol_id)
        if quote is None:
            return None
        return quote.bid if side == ProtoOATradeSide.BUY else quote.ask

    def opening(self, symbol_id: int, side: ProtoOATradeSide) -> int | None:
        """What an order of this side fills at: ask for BUY, bid for SELL; in 1/100000."""
        quote = self.quote(symbol_id)
        if quote is None:
            return None
        return quote.ask if side == ProtoOATradeSide.BUY else quote.bid

    def rate(self, first: int, last: int) -> Fraction | None:
        """What one unit of an asset is worth in another, at mid prices; None while one is missing,
        or the chain of symbols.
        """
        chain = self.catalogue.known_chain(first, last)
        return None if chain is None else chain.rate(self._mid)

    def _mid(self, symbol_id: int) -> Fraction | None:
        quote = self.quote(symbol_id)
        return None if quote is None else mid(quote.bid, quote.ask)

    def conversion(self, symbol_id: int) -> tuple[int, int] | None:
        """From which asset to which profits of a symbol are converted; None if none is known.

        The stake of a spread bet is in the deposit currency itself.
        """
        trader, quote = self.book.trader, self._quote_asset(symbol_id)
        if trader is None or quote is None:
            return None
        return trader.deposit_asset_id if self.spread_betting else quote, trader.deposit_asset_id

    def _quote_asset(self, symbol_id: int) -> int | None:
        symbol = self.catalogue.get(symbol_id)
        return None if symbol is None else symbol.light.quote_asset_id

    @property
    def spread_betting(self) -> bool:
        """Whether stakes are in the deposit currency itself."""
        trader = self.book.trader
        return trader is not None and trader.account_type == ProtoOAAccountType.SPREAD_BETTING

    def unrealised(self, position: Position) -> tuple[int, int] | None:
        """Gross and net profit as amounts; None while a price is missing."""
        ways = self.conversion(position.symbol_id)
        closing = self.closing(position.symbol_id, position.side)
        rate = None if ways is None else self.rate(*ways)
        if closing is None or rate is None:
            return None
        digits = self.book.money_digits
        return arithmetic.unrealised(position.message, closing, rate, digits)

    def total(self) -> tuple[int, int] | None:
        """Of all positions together; None while a price is missing."""
        gross = net = 0
        for position in self.book.positions.values():
            one = self.unrealised(position)
            if one is None:
                return None
            gross, net = gross + one[0], net + one[1]
        return gross, net

    def profit(self, amounts: tuple[int, int] | None) -> Profit | None:
        """The amounts as a value."""
        if amounts is None:
            return None
        return Profit(self.money(amounts[0]), self.money(amounts[1]))

    def equity(self) -> int | None:
        """Balance and unrealised net profit, as an amount; None while a price is missing."""
        total = self.total()
        return None if total is None else self.book.balance + total[1]

    def used_margin(self) -> int:
        """What all positions bind together, as an amount."""
        trader = self.book.trader
        how = None if trader is None else trader.total_margin_calculation_type
        bound = (
            (p.symbol_id, p.side, p.message.used_margin or 0) for p in self.book.positions.values()
        )
        if how is None:
            how = ProtoOATotalMarginCalculationType.SUM
        return arithmetic.used_margin(how, bound)

    @property
    def bonus(self) -> int:
        """The bonus, which serves as margin though it is no equity, as an amount."""
        trader = self.book.trader
        return 0 if trader is None else trader.manager_bonus or 0

    def free_margin(self) -> int | None:
        """Equity and bonus less used margin, as an amount; None while a price is missing."""
        equity = self.equity()
        return None if equity is None else equity + self.bonus - self.used_margin()

    # --- deals that might be made ---

    def ways(self, symbol: Symbol) -> set[tuple[int, int]]:
        """All conversions, from asset to asset, that `rates` makes use of."""
        trader, quote = self.book.trader, symbol.light.quote_asset_id
        profits, usd = self.conversion(symbol.id), self._asset(USD)
        if trader is None or quote is None or profits is None:
            return set()
        ways = {profits}
        if usd is not None:
            ways |= {(quote, usd), (usd, trader.deposit_asset_id)}
        if (least := self._minimum_asset(symbol)) is not None:
            ways.add((least, trader.deposit_asset_id))
        return ways

    def _asset(self, name: str) -> int | None:
        asset = self.catalogue.find_asset(name)
        return None if asset is None else asset.asset_id

    def _minimum_asset(self, symbol: Symbol) -> int | None:
        details = symbol.details
        if minimum_in_quote(details) or not details.precise_min_commission:
            return None
        return self._asset(details.min_commission_asset_or_default)

    def rates(self, symbol: Symbol, side: ProtoOATradeSide) -> Rates | None:
        """What a deal of this side would be reckoned with now; None while a price is missing."""
        trader, profits = self.book.trader, self.conversion(symbol.id)
        opening = self.opening(symbol.id, side)
        quote = None if profits is None else self.rate(*profits)
        if trader is None or opening is None or quote is None:
            return None
        price, deposit = Fraction(opening, PRICE_SCALE), trader.deposit_asset_id
        usd, least = self._asset(USD), self._minimum_asset(symbol)
        margin = price if self.spread_betting else self._base_rate(symbol, price, deposit)
        if margin is None:
            return None
        return Rates(
            price,
            quote,
            margin,
            base_to_usd=None if usd is None else self._base_rate(symbol, price, usd),
            usd=None if usd is None else self.rate(usd, deposit),
            minimum=None if least is None else self.rate(least, deposit),
        )

    def _base_rate(self, symbol: Symbol, price: Fraction, asset: int) -> Fraction | None:
        """What a unit of the base asset is worth: the side's price first, then as always.

        Recorded marginRates are the price of the deal's side.
        """
        if symbol.light.base_asset_id == asset:
            return Fraction(1)
        quote = symbol.light.quote_asset_id
        rate = None if quote is None else self.rate(quote, asset)
        return None if rate is None else price * rate

    def expected_margin(
        self,
        symbol: Symbol,
        side: ProtoOATradeSide,
        volume: int,
        tiers: Sequence[ProtoOADynamicLeverageTier] = (),
    ) -> int | None:
        """What a volume would bind if it were opened now, as ProtoOAExpectedMarginRes has it.

        `tiers` are those of the symbol's dynamic leverage; the volume that is open on the same side
        fills them first. None while a price is missing, or the account's leverage.
        """
        trader, rates = self.book.trader, self.rates(symbol, side)
        if trader is None or rates is None or not trader.leverage_in_cents:
            return None
        leverage = Fraction(trader.leverage_in_cents, 100)
        if rates.base_to_usd is not None:
            open_now = sum(
                p.volume
                for p in self.book.positions.values()
                if p.symbol_id == symbol.id and p.side == side
            )
            dollars = rates.base_to_usd / VOLUME_SCALE
            before, added = open_now * dollars, volume * dollars
            leverage = arithmetic.effective_leverage(tiers, leverage, before, added)
        return arithmetic.margin(volume, rates.margin, leverage, self.book.money_digits)
