"""What deals cost, and what a closing deal books: exact, to the last digit.

Costs are negative amounts, as messages have them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from ..proto import (
    ProtoOACommissionType,
    ProtoOAMinCommissionType,
    ProtoOASymbol,
    ProtoOATradeSide,
)
from ..units import PRICE_SCALE, VOLUME_SCALE, rounded, share
from .arithmetic import sign

PRECISE, PERCENT = 10**8, 10**5

_TYPE = ProtoOACommissionType


@dataclass(frozen=True, slots=True)
class Rates:
    """What reckoning a deal of one side takes from the market, all of one instant.

    Rates lead to the deposit currency, but `base_to_usd`: from the quote asset, from the base asset
    by the side's price (the marginRate), from US dollars, and from the asset that the symbol's
    minimum commission is in. None where no chain of symbols leads.
    """

    price: Fraction
    quote: Fraction
    margin: Fraction
    base_to_usd: Fraction | None = None
    usd: Fraction | None = None
    minimum: Fraction | None = None


def commission(symbol: ProtoOASymbol, volume: int, rates: Rates, digits: int) -> int | None:
    """The commission of one deal, this side alone; None where it takes a rate that there is not.

    Recorded: 0.02 lot at 2.50 USD are 5 cents, 0.03 lot are 8.
    """
    fee, least = _commission(symbol, volume, rates), _least(symbol, rates)
    return None if fee is None or least is None else -rounded(max(fee, least), digits)


def _commission(symbol: ProtoOASymbol, volume: int, rates: Rates) -> Fraction | None:
    how = symbol.commission_type_or_default
    rate = _commission_rate(symbol, percent=how == _TYPE.PERCENTAGE_OF_VALUE)
    if rate == 0:
        return rate
    lots = Fraction(volume, symbol.lot_size or volume)
    units = Fraction(volume, VOLUME_SCALE)
    if how == _TYPE.PERCENTAGE_OF_VALUE:
        return units * rates.price * rates.quote * rate / 100
    if how == _TYPE.QUOTE_CCY_PER_LOT:
        return lots * rate * rates.quote
    if rates.usd is None:
        return None
    if how == _TYPE.USD_PER_LOT:
        return lots * rate * rates.usd
    if rates.base_to_usd is None:
        return None
    return units * rates.base_to_usd / 1_000_000 * rate * rates.usd


def _commission_rate(symbol: ProtoOASymbol, *, percent: bool) -> Fraction:
    """In dollars, quote currency or percent; the deprecated field where that is all there is."""
    precise = symbol.precise_trading_commission_rate
    if precise is not None:
        return Fraction(precise, PERCENT if percent else PRECISE)
    return Fraction(symbol.commission or 0, PERCENT if percent else 100)


def minimum_in_quote(symbol: ProtoOASymbol) -> bool:
    """Whether the minimum commission is in the quote asset, and not in the one that is named."""
    return symbol.min_commission_type_or_default == ProtoOAMinCommissionType.QUOTE_CURRENCY


def _least(symbol: ProtoOASymbol, rates: Rates) -> Fraction | None:
    least = Fraction(symbol.precise_min_commission or 0, PRECISE)
    if least == 0:
        return least
    rate = rates.quote if minimum_in_quote(symbol) else rates.minimum
    return None if rate is None else least * rate


def conversion_fee(symbol: ProtoOASymbol, gross: int) -> int:
    """The fee for converting a profit or loss, as a negative amount: the symbol states 0.01 %.

    Only where the quote asset is not the deposit currency; spread bets convert nothing. Rounded
    against the trader (recorded: 18.347 cents are booked as -19), unlike commissions.
    """
    return floor(Fraction(-abs(gross) * (symbol.pnl_conversion_fee_rate or 0), 10_000))


@dataclass(frozen=True, slots=True)
class Opening:
    """A deal that opened volume, or what is left of it: price in 1/100000, commission negative."""

    volume: int
    price: int
    commission: int


def take(openings: Iterable[Opening], volume: int) -> tuple[list[Opening], list[Opening]]:
    """What a close of so much takes, and what it leaves: the oldest first, on hedged accounts too.

    The commission splits pro rata, with the closed share rounded (both recorded).
    """
    taken: list[Opening] = []
    left: list[Opening] = []
    for opening in openings:
        part = min(volume, opening.volume)
        fee = share(opening.commission, part, opening.volume)
        if part:
            taken.append(Opening(part, opening.price, fee))
        if part < opening.volume:
            kept = opening.volume - part
            left.append(Opening(kept, opening.price, opening.commission - fee))
        volume -= part
    return taken, left


@dataclass(frozen=True, slots=True)
class ClosingResult:
    """What a closing deal books, as ProtoOAClosePositionDetail has it; amounts."""

    gross: int
    swap: int
    commission: int
    conversion_fee: int

    @property
    def total(self) -> int:
        """What it changes the balance by (recorded)."""
        return self.gross + self.swap + self.commission + self.conversion_fee


def closing(
    side: ProtoOATradeSide,
    taken: Iterable[Opening],
    price: int,
    rate: Fraction,
    digits: int,
    *,
    swap: int = 0,
    commission: int = 0,
    fee_of: ProtoOASymbol | None = None,
) -> ClosingResult:
    """A close of what was taken of a position, at a price in 1/100000.

    `rate` leads from the quote asset to the deposit currency, `swap` is the part of the position's
    that goes along, `commission` that of the closing side; `fee_of` is the symbol where profits are
    converted. Recorded: 100889 - 347 - 900 = 99642.
    """
    parts = list(taken)
    way = sign(side) * sum(part.volume * (price - part.price) for part in parts)
    gross = rounded(Fraction(way, VOLUME_SCALE * PRICE_SCALE) * rate, digits)
    fees = commission + sum(part.commission for part in parts)
    fee = 0 if fee_of is None else conversion_fee(fee_of, gross)
    return ClosingResult(gross, swap, fees, fee)
