"""Swap and what swap-free accounts pay instead, at the symbol's hour.

Swap gathers on the position and is realised at the close (recorded sessions show it there); each
charge is a SWAP event. swapTime counts minutes after 00:00 UTC, further charges follow every
swapPeriod hours of the day.
"""

from __future__ import annotations

from ctrader_typed.proto import ProtoOADayOfWeek, ProtoOAExecutionType, ProtoOASymbol

from ..market.conversion import NoConversion
from . import cash_flow, events, fees
from .account import Account
from .positions import Position
from .scheduler import Rollover
from .state import TradingState

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_EPOCH_WEEKDAY = ProtoOADayOfWeek.THURSDAY


def next_rollover(symbol: ProtoOASymbol, after: int) -> int:
    """The first rollover later than a ms."""
    period = (symbol.swap_period or 24) * _HOUR
    first = (symbol.swap_time or 0) * _MINUTE
    midnight = after // _DAY * _DAY
    at = midnight + first
    while at <= after:
        at += period
    next_midnight = midnight + _DAY
    return at if at < next_midnight else next_midnight + first


def weekday(when: int) -> int:
    """The day of the week of a ms, UTC, Monday being 1."""
    return (when // _DAY + _EPOCH_WEEKDAY - 1) % 7 + 1


def schedule(state: TradingState, account: Account, position: Position) -> None:
    """Write down a position's next rollover."""
    position.rolls_at = next_rollover(state.symbol(position.symbol_id), state.now)
    step = Rollover(account.account_id, position.position_id)
    state.books.scheduler.add(position.rolls_at, step)


def roll(state: TradingState, account: Account, position_id: int) -> None:
    """Charge a position that is still open when its hour comes."""
    position = account.positions.get(position_id)
    if position is None or position.rolls_at != state.now:
        return
    schedule(state, account, position)
    try:
        if account.terms.swap_free:
            _charge_commission(state, account, position)
        else:
            _charge_swap(state, account, position)
    except NoConversion:
        return  # without a price there is nothing to reckon with


def _charge_swap(state: TradingState, account: Account, position: Position) -> None:
    symbol = state.symbol(position.symbol_id)
    today = weekday(state.now)
    weekend = today in (ProtoOADayOfWeek.SATURDAY, ProtoOADayOfWeek.SUNDAY)
    if weekend and not symbol.charge_swap_at_weekends:
        return
    position.rolled += 1
    if position.rolled <= (symbol.skip_swap_periods or 0):
        return
    times = 3 if today == symbol.swap_rollover3_days_or_default else 1
    swap = fees.swap(state, account, position, times)
    if swap == 0:
        return
    position.swap += swap
    position.updated_at = state.now
    kind = ProtoOAExecutionType.SWAP
    events.execution(state, account, kind, position=position.message(), server=True)


def _charge_commission(state: TradingState, account: Account, position: Position) -> None:
    symbol = state.symbol(position.symbol_id)
    position.rolled += 1
    if position.rolled <= (symbol.skip_rollover_days or 0):
        return
    times = 3 if weekday(state.now) == symbol.rollover_commission3_days_or_default else 1
    charge = fees.rollover_commission(state, account, position, times)
    if charge:
        cash_flow.rollover_commission(state, account, charge)
