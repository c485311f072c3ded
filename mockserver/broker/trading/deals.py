"""A deal, one execution of an order, and how messages show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ctrader_typed.proto import (
    ProtoOAClosePositionDetail,
    ProtoOADeal,
    ProtoOADealOffset,
    ProtoOADealStatus,
    ProtoOATradeSide,
)

from ..money import double


@dataclass(frozen=True, slots=True)
class Closing:
    """What a deal realised. Amounts of money; the balance is the one after it."""

    entry_price: Fraction
    gross_profit: int
    swap: int
    commission: int
    conversion_fee: int
    quote_to_deposit: Fraction
    closed_volume: int
    balance: int
    balance_version: int

    @property
    def realised(self) -> int:
        """What it added to the balance."""
        return self.gross_profit + self.swap + self.commission + self.conversion_fee

    def message(self, money_digits: int) -> ProtoOAClosePositionDetail:
        """The detail of a deal that closed volume."""
        return ProtoOAClosePositionDetail(
            entry_price=double(self.entry_price),
            gross_profit=self.gross_profit,
            swap=self.swap,
            commission=self.commission,
            balance=self.balance,
            quote_to_deposit_conversion_rate=float(self.quote_to_deposit),
            closed_volume=self.closed_volume,
            balance_version=self.balance_version,
            money_digits=money_digits,
            pnl_conversion_fee=self.conversion_fee,
        )


@dataclass(frozen=True, slots=True)
class Deal:
    """One execution.

    `sent` is the volume that went to the market; `offsets` are the deals whose volume it closed.
    """

    deal_id: int
    order_id: int
    position_id: int
    symbol_id: int
    side: ProtoOATradeSide
    sent: int
    filled: int
    price: int
    created_at: int
    executed_at: int
    margin_rate: Fraction
    base_to_usd: Fraction | None
    commission: int
    money_digits: int
    closing: Closing | None = None
    offsets: tuple[tuple[int, int], ...] = field(default=())

    def message(self, *, listed: bool = False) -> ProtoOADeal:
        """The deal.

        Its last update is its creation in lists and its execution in events (recorded).
        """
        whole = self.sent == self.filled
        status = ProtoOADealStatus.FILLED if whole else ProtoOADealStatus.PARTIALLY_FILLED
        dollars = None if self.base_to_usd is None else float(self.base_to_usd)
        detail = None if self.closing is None else self.closing.message(self.money_digits)
        return ProtoOADeal(
            deal_id=self.deal_id,
            order_id=self.order_id,
            position_id=self.position_id,
            volume=self.sent,
            filled_volume=self.filled,
            symbol_id=self.symbol_id,
            create_timestamp=self.created_at,
            execution_timestamp=self.executed_at,
            utc_last_update_timestamp=self.created_at if listed else self.executed_at,
            execution_price=double(self.price),
            trade_side=self.side,
            deal_status=status,
            margin_rate=float(self.margin_rate),
            commission=self.commission,
            base_to_usd_conversion_rate=dollars,
            close_position_detail=detail,
            money_digits=self.money_digits,
        )

    def offset(self, volume: int) -> ProtoOADealOffset:
        """The deal as a partner of another one, for so much volume."""
        return ProtoOADealOffset(
            deal_id=self.deal_id,
            volume=volume,
            execution_timestamp=self.executed_at,
            execution_price=double(self.price),
        )
