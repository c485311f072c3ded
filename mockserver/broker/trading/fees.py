"""Commission, swap and conversion fee: what trading costs, in the deposit currency. Keeps nothing.

Costs are negative, gains positive, as messages have them. Commissions of deals round half away from
zero, the conversion fee against the trader (both recorded); fees of which no booking was recorded
round as the latter.
"""

from __future__ import annotations

from fractions import Fraction

from ctrader_typed.proto import (
    ProtoOACommissionType,
    ProtoOAMinCommissionType,
    ProtoOASwapCalculationType,
    ProtoOASymbol,
    ProtoOATradeSide,
)

from ..money import amount, exact, fee, units, value_of
from .account import Account
from .margin import quote_to_deposit
from .orders import BUY
from .positions import Position
from .state import TradingState

_MONEY_SCALE, _PERCENT_SCALE = 10**8, 10**5
_YEAR = 360
_TYPE = ProtoOACommissionType


def commission(
    state: TradingState,
    account: Account,
    symbol_id: int,
    side: ProtoOATradeSide,
    volume: int,
    price: int,
) -> int:
    """The commission of one deal, this side alone."""
    symbol = state.symbol(symbol_id)
    cost = max(
        _commission(state, account, symbol, side, volume, price), _least(state, account, symbol)
    )
    return -amount(cost, account.terms.money_digits)


def _commission(
    state: TradingState,
    account: Account,
    symbol: ProtoOASymbol,
    side: ProtoOATradeSide,
    volume: int,
    price: int,
) -> Fraction:
    how = symbol.commission_type_or_default
    rate = _commission_rate(symbol)
    traded_lots = Fraction(volume, symbol.lot_size or volume)
    in_quote = quote_to_deposit(state, account, symbol.symbol_id)
    if how == _TYPE.PERCENTAGE_OF_VALUE:
        return value_of(volume, price) * in_quote * rate / 100
    if how == _TYPE.QUOTE_CCY_PER_LOT:
        return traded_lots * rate * in_quote
    if how == _TYPE.USD_PER_LOT:
        dollars = traded_lots * rate
    else:
        usd = state.venue.asset_named("USD")
        traded = units(volume) * state.venue.base_rate(symbol.symbol_id, side, usd)
        dollars = traded / 1_000_000 * rate
    return dollars * _to_deposit(state, account, state.venue.asset_named("USD"))


def _commission_rate(symbol: ProtoOASymbol) -> Fraction:
    """The rate in dollars, quote currency or percent; the old `commission` where that is all."""
    percent = symbol.commission_type_or_default == _TYPE.PERCENTAGE_OF_VALUE
    if symbol.precise_trading_commission_rate is not None:
        scale = _PERCENT_SCALE if percent else _MONEY_SCALE
        return Fraction(symbol.precise_trading_commission_rate, scale)
    return Fraction(symbol.commission or 0, _PERCENT_SCALE if percent else 100)


def _least(state: TradingState, account: Account, symbol: ProtoOASymbol) -> Fraction:
    """The minimum commission of a deal."""
    least = Fraction(symbol.precise_min_commission or 0, _MONEY_SCALE)
    if least == 0:
        return least
    if symbol.min_commission_type_or_default == ProtoOAMinCommissionType.QUOTE_CURRENCY:
        return least * quote_to_deposit(state, account, symbol.symbol_id)
    asset = state.venue.asset_named(symbol.min_commission_asset_or_default)
    return least * _to_deposit(state, account, asset)


def _to_deposit(state: TradingState, account: Account, asset: int) -> Fraction:
    return state.venue.rate(asset, account.terms.deposit_asset_id)


def conversion_fee(state: TradingState, account: Account, symbol_id: int, gross_profit: int) -> int:
    """The fee for converting a profit or loss whose currency is not the account's own.

    The symbol states it in 0.01 %: 70 is 0.70 % of the gross amount. Spread bets convert nothing.
    """
    _, quote = state.venue.assets(symbol_id)
    if account.spread_betting or quote == account.terms.deposit_asset_id:
        return 0
    rate = state.symbol(symbol_id).pnl_conversion_fee_rate or 0
    return fee(Fraction(abs(gross_profit) * rate, 10_000))


def swap(state: TradingState, account: Account, position: Position, times: int) -> int:
    """The swap of one period, `times` over.

    PERCENTAGE is a year's per cent of the position's value, a year having 360 days.
    """
    symbol = state.symbol(position.symbol_id)
    stated = symbol.swap_long if position.side == BUY else symbol.swap_short
    rate = exact(stated or 0.0)
    how = symbol.swap_calculation_type_or_default
    if how == ProtoOASwapCalculationType.PERCENTAGE:
        hours = Fraction(symbol.swap_period or 24)
        value = value_of(position.volume, position.price) * rate / 100 * hours / (24 * _YEAR)
    else:
        pips = how == ProtoOASwapCalculationType.PIPS
        step = Fraction(1, 10 ** (symbol.pip_position if pips else symbol.digits))
        value = units(position.volume) * rate * step
    in_quote = quote_to_deposit(state, account, position.symbol_id)
    return amount(value * times * in_quote, account.terms.money_digits)


def rollover_commission(
    state: TradingState, account: Account, position: Position, times: int
) -> int:
    """What a swap-free account pays a day in place of swap, as a negative amount.

    The schema states US dollars per lot but no scale; it is read as `commission` is, in cents.
    """
    symbol = state.symbol(position.symbol_id)
    per_lot = Fraction(symbol.rollover_commission or 0, 100)
    dollars = per_lot * Fraction(position.volume, symbol.lot_size or position.volume) * times
    rate = _to_deposit(state, account, state.venue.asset_named("USD"))
    return fee(dollars * rate, account.terms.money_digits)


def guaranteed_stop_charge(
    state: TradingState, account: Account, symbol_id: int, volume: int
) -> int:
    """The fee of a guaranteed stop that was executed, as a negative amount; scale as above."""
    symbol = state.symbol(symbol_id)
    dollars = Fraction(symbol.gsl_charge or 0, 100) * Fraction(volume, symbol.lot_size or volume)
    rate = _to_deposit(state, account, state.venue.asset_named("USD"))
    return fee(dollars * rate, account.terms.money_digits)
