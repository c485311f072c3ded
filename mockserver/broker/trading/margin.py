"""Margin, unrealised profit, equity: what an account's positions bind and are worth.

usedMargin = units x marginRate / leverage, fixed when the volume is opened (recorded). Leverage
tiers count the open volume of a symbol and side in US dollars, and each part of a position gets the
leverage of the tier that it lies in, never more than the account's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ctrader_typed.proto import (
    ProtoOADynamicLeverageTier,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
)

from ..market.conversion import NoConversion
from ..money import PRICE_SCALE, amount, profit, units, value_of
from .account import Account
from .orders import BUY, opposite, sign
from .positions import Position
from .state import TradingState

_TOTAL = ProtoOATotalMarginCalculationType
_STRATEGY = ProtoOALimitedRiskMarginCalculationStrategy


@dataclass(frozen=True, slots=True)
class MarginTerms:
    """The rate of the base asset in the deposit currency and the leverage that a volume gets."""

    rate: Fraction
    leverage: Fraction

    def margin(self, volume: int) -> Fraction:
        """What a volume binds, in the deposit currency."""
        return units(volume) * self.rate / self.leverage


@dataclass(frozen=True, slots=True)
class Added:
    """Volume that might be opened: what it would bind, as an amount."""

    symbol_id: int
    side: ProtoOATradeSide
    margin: int


def quote_to_deposit(state: TradingState, account: Account, symbol_id: int) -> Fraction:
    """The rate from a symbol's quote currency. A spread bet's stake is in the deposit currency."""
    if account.spread_betting:
        return Fraction(1)
    _, quote = state.venue.assets(symbol_id)
    return state.venue.rate(quote, account.terms.deposit_asset_id)


def base_to_deposit(
    state: TradingState, account: Account, symbol_id: int, side: ProtoOATradeSide
) -> Fraction:
    """The marginRate of a deal on this side; for spread bets the price itself."""
    if account.spread_betting:
        price = state.venue.quote(symbol_id, side)
        if price is None:
            raise NoConversion(f"symbol {symbol_id} has no price yet")
        return Fraction(price, PRICE_SCALE)
    return state.venue.base_rate(symbol_id, side, account.terms.deposit_asset_id)


def base_to_usd(state: TradingState, symbol_id: int, side: ProtoOATradeSide) -> Fraction | None:
    """The baseToUsdConversionRate of a deal; None where no way leads to US dollars."""
    try:
        return state.venue.base_rate(symbol_id, side, state.venue.asset_named("USD"))
    except NoConversion:
        return None


def margin_terms(
    state: TradingState, account: Account, symbol_id: int, side: ProtoOATradeSide, volume: int
) -> MarginTerms:
    """What a volume would get if it were opened now. Raises NoConversion without prices."""
    cap = Fraction(account.terms.leverage_in_cents, 100)
    leverage_id = state.symbol(symbol_id).leverage_id
    dollars = base_to_usd(state, symbol_id, side)
    if leverage_id is not None and dollars is not None:
        same_side = (p for p in account.on_symbol(symbol_id) if p.side == side)
        before = units(sum(p.volume for p in same_side)) * dollars
        tiers = state.venue.catalogue.dynamic_leverage(leverage_id).tiers
        cap = effective_leverage(tiers, cap, before, units(volume) * dollars)
    return MarginTerms(base_to_deposit(state, account, symbol_id, side), cap)


def effective_leverage(
    tiers: Sequence[ProtoOADynamicLeverageTier], cap: Fraction, before: Fraction, added: Fraction
) -> Fraction:
    """The leverage of `added` US dollars on top of `before`, as one number.

    A tier reaches up to its volume, the last one without end; tiers and cap are leverages, 100 for
    1:100.
    """
    start, left, bound = before, added, Fraction(0)
    for place, tier in enumerate(tiers):
        leverage = min(cap, Fraction(tier.leverage, 100))
        last = place == len(tiers) - 1
        room = left if last else min(left, max(Fraction(0), Fraction(tier.volume, 100) - start))
        bound += room / leverage
        start, left = start + room, left - room
        if left == 0:
            return added / bound if bound else leverage
    return cap


def bind(state: TradingState, account: Account, position: Position) -> None:
    """Reckon what a position binds, after its volume or its levels have changed.

    On a limited-risk account with ACCORDING_TO_GSL it is the loss at the guaranteed stop. How
    ACCORDING_TO_GSL_AND_LEVERAGE combines the two is not published: here the larger one counts.
    """
    levels = position.protection if position.awaited is None else position.awaited
    strategy = account.terms.limited_risk_strategy
    needed = position.leveraged_margin
    by_stop = strategy not in (None, _STRATEGY.ACCORDING_TO_LEVERAGE) and levels.guaranteed
    if account.terms.is_limited_risk and by_stop and levels.stop_loss is not None:
        rate = quote_to_deposit(state, account, position.symbol_id)
        loss = value_of(position.volume, abs(position.price - levels.stop_loss)) * rate
        both = strategy == _STRATEGY.ACCORDING_TO_GSL_AND_LEVERAGE
        needed = max(loss, needed) if both else loss
    position.used_margin = amount(needed, position.money_digits)


def used_margin(account: Account, added: Iterable[Added] = ()) -> int:
    """The margin of all positions together, and of what might be added."""
    sides: dict[tuple[int, bool], int] = {}
    for position in account.positions.values():
        key = position.symbol_id, position.side == BUY
        sides[key] = sides.get(key, 0) + position.used_margin
    for more in added:
        key = more.symbol_id, more.side == BUY
        sides[key] = sides.get(key, 0) + more.margin
    total = 0
    for symbol_id in {symbol for symbol, _ in sides}:
        long, short = sides.get((symbol_id, True), 0), sides.get((symbol_id, False), 0)
        total += _combined(account.terms.total_margin, long, short)
    return total


def _combined(how: ProtoOATotalMarginCalculationType, long: int, short: int) -> int:
    if how == _TOTAL.MAX:
        return max(long, short)
    if how == _TOTAL.NET:
        return abs(long - short)
    return long + short


def unrealised(state: TradingState, account: Account, position: Position) -> tuple[int, int]:
    """Gross and net profit if the position were closed now, as amounts.

    Net has the swap and the commission so far, not that of the closing side. Without prices the
    gross profit is zero.
    """
    price = state.venue.quote(position.symbol_id, opposite(position.side))
    try:
        rate = quote_to_deposit(state, account, position.symbol_id)
    except NoConversion:
        rate = None
    if price is None or rate is None:
        return 0, position.swap + position.commission
    way = sign(position.side) * (position.volume * price - position.cost)
    gross = profit(way, rate, account.terms.money_digits)
    return gross, gross + position.swap + position.commission


def total_unrealised(state: TradingState, account: Account) -> tuple[int, int]:
    """Gross and net profit of all positions."""
    gross = net = 0
    for position in account.positions.values():
        one = unrealised(state, account, position)
        gross, net = gross + one[0], net + one[1]
    return gross, net


def equity(state: TradingState, account: Account) -> int:
    """Balance and unrealised net profit."""
    return account.balance + total_unrealised(state, account)[1]


def free_margin(state: TradingState, account: Account, added: Iterable[Added] = ()) -> int:
    """What is left for more positions. A bonus serves as margin, though it is no equity."""
    return equity(state, account) + account.bonus - used_margin(account, added)


def margin_level(state: TradingState, account: Account) -> Fraction | None:
    """Equity over used margin in percent; None while nothing is bound."""
    used = used_margin(account)
    return Fraction(100 * (equity(state, account) + account.bonus), used) if used else None


def affordable(
    state: TradingState, account: Account, symbol_id: int, side: ProtoOATradeSide, volume: int
) -> bool:
    """Whether a volume may be opened: enough free margin, or no more margin than before."""
    terms = margin_terms(state, account, symbol_id, side, volume)
    needed = amount(terms.margin(volume), account.terms.money_digits)
    added = (Added(symbol_id, side, needed),)
    if free_margin(state, account, added) >= 0:
        return True
    return used_margin(account, added) <= used_margin(account)
