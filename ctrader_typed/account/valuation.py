"""What an account is worth: its book at the prices of now. Pure; reckons by `arithmetic`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..proto import ProtoOAAccountType, ProtoOALightSymbol, ProtoOATotalMarginCalculationType
from . import arithmetic
from .book import Book
from .position import Position
from .prices import Prices


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
        if trader.account_type == ProtoOAAccountType.SPREAD_BETTING:
            return deposit, deposit
        return light.quote_asset_id, deposit

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
