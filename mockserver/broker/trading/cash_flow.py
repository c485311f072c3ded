"""Money that moves other than by trading: deposits, withdrawals, fees, bonuses. Closes nothing.

Each is one execution event without an order. A deposit's delta is positive, a withdrawal's
negative: the schema leaves the sign open, and so the balance is always the sum of the deltas.
"""

from __future__ import annotations

from decimal import Decimal

from ctrader_typed.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOAChangeBalanceType,
    ProtoOAChangeBonusType,
    ProtoOADepositWithdraw,
    ProtoOAExecutionType,
)

from . import events, margin
from .account import Account
from .state import TradingState

_TYPE = ProtoOAChangeBalanceType


def in_money(account: Account, value: Decimal | int | str) -> int:
    """An amount such as 1000 or "99.50" in the account's money; ValueError if it is finer."""
    scaled = Decimal(value) * 10**account.terms.money_digits
    if scaled != int(scaled):
        digits = account.terms.money_digits
        raise ValueError(f"expected an amount with at most {digits} decimals, got {value}")
    return int(scaled)


def change(
    state: TradingState,
    account: Account,
    operation: ProtoOAChangeBalanceType,
    delta: int,
    note: str | None = None,
) -> None:
    """Change the balance and say why."""
    account.book(delta)
    flow = ProtoOADepositWithdraw(
        operation_type=operation,
        balance_history_id=state.books.numbers.next_operation(),
        balance=account.balance,
        delta=delta,
        change_balance_timestamp=state.now,
        external_note=note,
        balance_version=account.balance_version,
        equity=margin.equity(state, account),
        money_digits=account.terms.money_digits,
    )
    account.cash_flow.append(flow)
    kind = ProtoOAExecutionType.DEPOSIT_WITHDRAW
    events.execution(state, account, kind, deposit=flow, server=True)
    events.trader_changed(state, account)


def deposit(state: TradingState, account: Account, delta: int, note: str | None = None) -> None:
    """Pay money in."""
    if delta <= 0:
        raise ValueError(f"expected a deposit above zero, got {delta}")
    change(state, account, _TYPE.BALANCE_DEPOSIT, delta, note)


def withdraw(state: TradingState, account: Account, delta: int, note: str | None = None) -> None:
    """Pay money out, which the free margin must cover."""
    if not 0 < delta <= min(account.balance, margin.free_margin(state, account)):
        raise ValueError(f"expected a withdrawal that is covered, got {delta}")
    change(state, account, _TYPE.BALANCE_WITHDRAW, -delta, note)


def rollover_commission(state: TradingState, account: Account, delta: int) -> None:
    """What a swap-free account pays for holding a position."""
    change(state, account, _TYPE.BALANCE_WITHDRAW_ROLLOVER, delta)


def guaranteed_stop_charge(state: TradingState, account: Account, delta: int) -> None:
    """The fee of a guaranteed stop."""
    change(state, account, _TYPE.BALANCE_WITHDRAW_GSL_CHARGE, delta)


def lift_to_zero(state: TradingState, account: Account) -> None:
    """The broker makes good a negative balance."""
    operation = _TYPE.BALANCE_DEPOSIT_NEGATIVE_BALANCE_PROTECTION
    change(state, account, operation, -account.balance)


def bonus(state: TradingState, account: Account, delta: int, note: str | None = None) -> None:
    """Grant a bonus or, with a negative delta, take it back. It serves as margin only."""
    if delta == 0 or account.bonus + delta < 0:
        raise ValueError(f"expected a bonus that does not fall below zero, got {delta}")
    account.bonus += delta
    kinds = ProtoOAChangeBonusType
    operation = ProtoOABonusDepositWithdraw(
        operation_type=kinds.BONUS_DEPOSIT if delta > 0 else kinds.BONUS_WITHDRAW,
        bonus_history_id=state.books.numbers.next_operation(),
        manager_bonus=account.bonus,
        manager_delta=delta,
        ib_bonus=0,
        ib_delta=0,
        change_bonus_timestamp=state.now,
        external_note=note,
        money_digits=account.terms.money_digits,
    )
    kind = ProtoOAExecutionType.BONUS_DEPOSIT_WITHDRAW
    events.execution(state, account, kind, bonus=operation, server=True)
