"""An account: its terms, its balance, and everything that was ever traded on it.

Money is in 10^-moneyDigits of the deposit currency, times are in ms since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from ctrader_typed.keywords import suggest
from ctrader_typed.proto import (
    ProtoOAAccessRights,
    ProtoOAAccountType,
    ProtoOACtidTraderAccount,
    ProtoOADepositWithdraw,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOAMarginCall,
    ProtoOANotificationType,
    ProtoOAStopOutStrategy,
    ProtoOATotalMarginCalculationType,
    ProtoOATrader,
)

from .deals import Deal
from .orders import Order
from .positions import Position


@suggest
@dataclass(frozen=True, slots=True)
class Terms:
    """What the broker has agreed with the owner of an account.

    Leverages are in 1/100 (10000 is 1:100), `stop_out_level` is the margin level in percent at
    which positions are closed. What is None is absent from ProtoOATrader, as it was in recordings.
    """

    deposit_asset_id: int = 15
    account_type: ProtoOAAccountType = ProtoOAAccountType.HEDGED
    money_digits: int = 2
    leverage_in_cents: int = 10_000
    max_leverage: int = 10_000
    access_rights: ProtoOAAccessRights = ProtoOAAccessRights.FULL_ACCESS
    swap_free: bool = False
    total_margin: ProtoOATotalMarginCalculationType = ProtoOATotalMarginCalculationType.SUM
    stop_out_level: Fraction = Fraction(50)
    stop_out_strategy: ProtoOAStopOutStrategy | None = None
    fair_stop_out: bool | None = None
    is_limited_risk: bool = False
    limited_risk_strategy: ProtoOALimitedRiskMarginCalculationStrategy | None = None
    negative_balance_protection: bool = False
    margin_call_levels: tuple[float, float, float] = (100.0, 80.0, 60.0)
    trader_login: int | None = None
    broker_name: str | None = None
    broker_title_short: str | None = None
    registered_at: int | None = None
    is_live: bool = False


@dataclass(slots=True)
class MarginCall:
    """One of the three thresholds. `armed` is whether the margin level is above it."""

    call_type: ProtoOANotificationType
    threshold: Fraction
    updated_at: int | None = None
    sent_at: int | None = None
    armed: bool = True

    def message(self) -> ProtoOAMarginCall:
        """The threshold as requests and events carry it, in percent."""
        return ProtoOAMarginCall(
            margin_call_type=self.call_type,
            margin_level_threshold=float(self.threshold),
            utc_last_update_timestamp=self.updated_at,
        )


@dataclass(slots=True)
class Account:
    """An account and its books.

    The first deposit makes balance version 2 (recorded), so it starts at 1.
    """

    account_id: int
    terms: Terms = field(default_factory=Terms)
    balance: int = 0
    balance_version: int = 1
    bonus: int = 0
    orders: dict[int, Order] = field(default_factory=dict[int, Order])
    working: dict[int, Order] = field(default_factory=dict[int, Order])
    positions: dict[int, Position] = field(default_factory=dict[int, Position])
    closed_positions: dict[int, Position] = field(default_factory=dict[int, Position])
    deals: dict[int, Deal] = field(default_factory=dict[int, Deal])
    cash_flow: list[ProtoOADepositWithdraw] = field(default_factory=list[ProtoOADepositWithdraw])
    margin_calls: dict[ProtoOANotificationType, MarginCall] = field(init=False)

    def __post_init__(self) -> None:
        levels = zip(_CALLS, self.terms.margin_call_levels, strict=True)
        self.margin_calls = {call: MarginCall(call, Fraction(level)) for call, level in levels}

    @property
    def netted(self) -> bool:
        """Whether a symbol has one position at most."""
        return self.terms.account_type == ProtoOAAccountType.NETTED

    @property
    def spread_betting(self) -> bool:
        """Whether stakes are in the deposit currency itself."""
        return self.terms.account_type == ProtoOAAccountType.SPREAD_BETTING

    def change(self, **terms: Any) -> None:
        """Change some of the terms, by their names in `Terms`; TypeError for an unknown name."""
        self.terms = replace(self.terms, **terms)

    def position(self, position_id: int | None) -> Position | None:
        """A position, open or closed; None if there was none."""
        if position_id is None:
            return None
        return self.positions.get(position_id) or self.closed_positions.get(position_id)

    def on_symbol(self, symbol_id: int) -> Iterator[Position]:
        """The open positions of a symbol, oldest first."""
        return (p for p in self.positions.values() if p.symbol_id == symbol_id)

    def closing_in_flight(self, position_id: int) -> int:
        """The volume of a position that orders on their way to the market will close."""
        return sum(
            order.remaining
            for order in self.working.values()
            if order.position_id == position_id and order.closing and order.at_once
        )

    def book(self, delta: int) -> None:
        """Change the balance."""
        self.balance += delta
        self.balance_version += 1

    def trader(self) -> ProtoOATrader:
        """The account as ProtoOATraderRes shows it."""
        terms = self.terms
        return ProtoOATrader(
            ctid_trader_account_id=self.account_id,
            balance=self.balance,
            balance_version=self.balance_version,
            manager_bonus=self.bonus or None,
            access_rights=terms.access_rights,
            deposit_asset_id=terms.deposit_asset_id,
            swap_free=terms.swap_free,
            leverage_in_cents=terms.leverage_in_cents,
            total_margin_calculation_type=terms.total_margin,
            max_leverage=terms.max_leverage,
            french_risk=terms.is_limited_risk,
            trader_login=terms.trader_login,
            account_type=terms.account_type,
            broker_name=terms.broker_name,
            registration_timestamp=terms.registered_at,
            is_limited_risk=terms.is_limited_risk,
            limited_risk_margin_calculation_strategy=terms.limited_risk_strategy,
            money_digits=terms.money_digits,
            fair_stop_out=terms.fair_stop_out,
            stop_out_strategy=terms.stop_out_strategy,
        )

    def listed(self) -> ProtoOACtidTraderAccount:
        """The account as the account list of a token shows it."""
        closings = [deal.executed_at for deal in self.deals.values() if deal.closing is not None]
        changes = [flow.change_balance_timestamp for flow in self.cash_flow]
        return ProtoOACtidTraderAccount(
            ctid_trader_account_id=self.account_id,
            is_live=self.terms.is_live,
            trader_login=self.terms.trader_login,
            last_closing_deal_timestamp=closings[-1] if closings else None,
            last_balance_update_timestamp=changes[-1] if changes else None,
            broker_title_short=self.terms.broker_title_short,
        )


_CALLS = (
    ProtoOANotificationType.MARGIN_LEVEL_THRESHOLD_1,
    ProtoOANotificationType.MARGIN_LEVEL_THRESHOLD_2,
    ProtoOANotificationType.MARGIN_LEVEL_THRESHOLD_3,
)
