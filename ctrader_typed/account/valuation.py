"""What an account is worth: its book at the prices of now. Pure; reckons by `arithmetic`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from ..proto import (
    ProtoOAAccountType,
    ProtoOADynamicLeverageTier,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
)
from . import arithmetic
from .arithmetic import PRICE_SCALE, VOLUME_SCALE
from .book import Book
from .costs import Rates, minimum_in_quote
from .position import Position
from .prices import Prices

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

    book: Book
    prices: Prices
    lights: Mapping[int, ProtoOALightSymbol]
    assets: Mapping[str, int] = field(default_factory=dict[str, int])
    """The ids of assets by their names."""

    def money(self, amount: int) -> Decimal:
        """An amount of the account as the decimal that it stands for."""
        return Decimal(amount).scaleb(-self.book.money_digits)

    def conversion(self, symbol_id: int) -> tuple[int, int] | None:
        """From which asset to which profits of a symbol are converted; None if none is known.

        The stake of a spread bet is in the deposit currency itself.
        """
        trader, light = self.book.trader, self.lights.get(symbol_id)
        if trader is None or light is None or light.quote_asset_id is None:
            return None
        deposit = trader.deposit_asset_id
        return deposit if self.spread_betting else light.quote_asset_id, deposit

    @property
    def spread_betting(self) -> bool:
        """Whether stakes are in the deposit currency itself."""
        trader = self.book.trader
        return trader is not None and trader.account_type == ProtoOAAccountType.SPREAD_BETTING

    def unrealised(self, position: Position) -> tuple[int, int] | None:
        """Gross and net profit as amounts; None while a price is missing."""
        ways = self.conversion(position.symbol_id)
        closing = self.prices.closing(position.symbol_id, position.side)
        rate = None if ways is None else self.prices.rate(*ways)
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

    def ways(self, symbol: ProtoOASymbol) -> set[tuple[int, int]]:
        """All conversions, from asset to asset, that `rates` makes use of."""
        trader, light = self.book.trader, self.lights.get(symbol.symbol_id)
        profits, usd = self.conversion(symbol.symbol_id), self.assets.get(USD)
        if trader is None or light is None or light.quote_asset_id is None or profits is None:
            return set()
        ways = {profits}
        if usd is not None:
            ways |= {(light.quote_asset_id, usd), (usd, trader.deposit_asset_id)}
        if (least := self._minimum_asset(symbol)) is not None:
            ways.add((least, trader.deposit_asset_id))
        return ways

    def _minimum_asset(self, symbol: ProtoOASymbol) -> int | None:
        if minimum_in_quote(symbol) or not symbol.precise_min_commission:
            return None
        return self.assets.get(symbol.min_commission_asset_or_default)

    def rates(self, symbol: ProtoOASymbol, side: ProtoOATradeSide) -> Rates | None:
        """What a deal of this side would be reckoned with now; None while a price is missing."""
        trader, profits = self.book.trader, self.conversion(symbol.symbol_id)
        opening = self.prices.opening(symbol.symbol_id, side)
        quote = None if profits is None else self.prices.rate(*profits)
        if trader is None or opening is None or quote is None:
            return None
        price, deposit = Fraction(opening, PRICE_SCALE), trader.deposit_asset_id
        usd, least = self.assets.get(USD), self._minimum_asset(symbol)
        margin = price if self.spread_betting else self._base_rate(symbol.symbol_id, price, deposit)
        if margin is None:
            return None
        return Rates(
            price,
            quote,
            margin,
            base_to_usd=None if usd is None else self._base_rate(symbol.symbol_id, price, usd),
            usd=None if usd is None else self.prices.rate(usd, deposit),
            minimum=None if least is None else self.prices.rate(least, deposit),
        )

    def _base_rate(self, symbol_id: int, price: Fraction, asset: int) -> Fraction | None:
        """What a unit of the base asset is worth: the side's price first, then as always.

        Recorded marginRates are the price of the deal's side.
        """
        light = self.lights[symbol_id]
        if light.base_asset_id == asset:
            return Fraction(1)
        quote = light.quote_asset_id
        rate = None if quote is None else self.prices.rate(quote, asset)
        return None if rate is None else price * rate

    def expected_margin(
        self,
        symbol: ProtoOASymbol,
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
                if p.symbol_id == symbol.symbol_id and p.side == side
            )
            dollars = rates.base_to_usd / VOLUME_SCALE
            before, added = open_now * dollars, volume * dollars
            leverage = arithmetic.effective_leverage(tiers, leverage, before, added)
        return arithmetic.margin(volume, rates.margin, leverage, self.book.money_digits)
