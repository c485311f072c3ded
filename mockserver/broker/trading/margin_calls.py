"""Margin calls and stop-outs: what happens when the margin level falls. Reckons no margin.

A margin call is told when the level reaches its threshold, and not twice within ten minutes (the
schema). At the account's stop-out level positions are closed, the one that its strategy names
first.
"""

from __future__ import annotations

from fractions import Fraction

from ctrader_typed.proto import (
    ProtoOAMarginCallTriggerEvent,
    ProtoOAStopOutStrategy,
)

from . import events, matching_engine
from .account import Account, MarginCall
from .margin import equity, margin_level, unrealised
from .positions import Position
from .state import TradingState


def watch(state: TradingState) -> None:
    """See to every account's margin level: after a price, a fill or a change of the balance."""
    for account in state.accounts.values():
        level = margin_level(state, account) if account.positions else None
        for call in account.margin_calls.values():
            _notice(state, account, call, level)
        if level is not None and level <= account.terms.stop_out_level:
            _stop_out(state, account)


def _notice(
    state: TradingState, account: Account, call: MarginCall, level: Fraction | None
) -> None:
    below = level is not None and level <= call.threshold
    recent = call.sent_at is not None and state.now < call.sent_at + state.rules.margin_call_pause
    if below and call.armed and not recent:
        call.sent_at = state.now
        event = ProtoOAMarginCallTriggerEvent(
            ctid_trader_account_id=account.account_id, margin_call=call.message()
        )
        events.send(state, account, event)
        call.armed = False
    elif not below:
        call.armed = True


def _stop_out(state: TradingState, account: Account) -> None:
    """Close a position, or the part of it that brings the level back; one order at a time.

    The shape is not recorded: it is that of a close by hand, as a server event with isStopOut.
    """
    if any(order.is_stop_out for order in account.working.values()):
        return
    position = _first_to_go(state, account)
    if position is None:
        return
    number = state.books.numbers.next_order()
    order = position.order_to_close(number, _enough(state, account, position), state.now)
    order.is_stop_out = True
    matching_engine.accept(state, account, order)


def _first_to_go(state: TradingState, account: Account) -> Position | None:
    """The position that the strategy names, among those whose market is open; ties: the oldest."""
    open_now = [p for p in account.positions.values() if not state.venue.closed(p.symbol_id)]
    if not open_now:
        return None
    if account.terms.stop_out_strategy == ProtoOAStopOutStrategy.MOST_LOSING_FIRST:
        return min(open_now, key=lambda p: unrealised(state, account, p)[1])
    return max(open_now, key=lambda p: p.used_margin)


def _enough(state: TradingState, account: Account, position: Position) -> int:
    """The volume to close: all of it, unless fairStopOut is false.

    Then it is the least number of steps that lifts the level above the stop-out level, reckoned as
    if closing cost nothing; all of it if a part is not enough or would leave less than the minimum.
    """
    if account.terms.fair_stop_out is not False:
        return position.volume
    symbol = state.symbol(position.symbol_id)
    step = symbol.step_volume or 1
    least = symbol.min_volume or step
    funds = equity(state, account) + account.bonus
    others = sum(p.used_margin for p in account.positions.values() if p is not position)
    allowed = Fraction(100 * funds) / account.terms.stop_out_level - others
    kept = position.volume
    if position.used_margin > 0:
        kept = int(max(Fraction(0), allowed) * position.volume / position.used_margin)
    closed = -((kept - position.volume) // step) * step
    closed = max(least, min(closed, position.volume))
    while closed < position.volume and _still_too_much(position, closed, allowed):
        closed += step
    return closed if position.volume - closed >= least else position.volume


def _still_too_much(position: Position, closed: int, allowed: Fraction) -> bool:
    left = Fraction(position.used_margin * (position.volume - closed), position.volume)
    return left >= allowed
