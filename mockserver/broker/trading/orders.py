"""An order, its levels, and how messages show it.

Which optional fields are there and which are not is as recorded; prices are in 1/100000, volumes in
0.01 of a unit, times in ms since the Unix epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction

from ctrader_typed.proto import (
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOATimeInForce,
    ProtoOATradeData,
    ProtoOATradeSide,
)

from ..money import double

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL


def opposite(side: ProtoOATradeSide) -> ProtoOATradeSide:
    """The other direction."""
    return SELL if side == BUY else BUY


def sign(side: ProtoOATradeSide) -> int:
    """1 to buy, -1 to sell: profit is the price's way times this."""
    return 1 if side == BUY else -1


class Touched(Enum):
    """Which price of an order the market has reached."""

    STOP = "stop"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked for something: events that answer it carry its id on its connection."""

    connection: int
    client_msg_id: str | None


@dataclass(frozen=True, slots=True)
class Protection:
    """Stop loss and take profit of a position, as prices."""

    stop_loss: int | None = None
    take_profit: int | None = None
    trailing: bool = False
    guaranteed: bool = False
    trigger_method: ProtoOAOrderTriggerMethod = ProtoOAOrderTriggerMethod.TRADE

    @property
    def empty(self) -> bool:
        """Whether there is neither level."""
        return self.stop_loss is None and self.take_profit is None

    def with_stop(self, stop_loss: int) -> Protection:
        """The same levels with another stop loss."""
        return replace(self, stop_loss=stop_loss)


NO_PROTECTION = Protection()


@dataclass(frozen=True, slots=True)
class Levels:
    """Stop loss and take profit that an opening order brings along: prices, or distances from its
    fill.
    """

    stop_loss: int | None = None
    take_profit: int | None = None
    relative_stop_loss: int | None = None
    relative_take_profit: int | None = None
    trailing: bool = False
    guaranteed: bool = False

    @property
    def empty(self) -> bool:
        """Whether the order asks for no protection."""
        return self.protection(BUY, 0).empty

    def protection(self, side: ProtoOATradeSide, price: int) -> Protection:
        """The levels of a position that this order opened at `price`.

        A given price goes before a distance.
        """
        way = sign(side)
        stop, limit = self.stop_loss, self.take_profit
        if stop is None and self.relative_stop_loss is not None:
            stop = price - way * self.relative_stop_loss
        if limit is None and self.relative_take_profit is not None:
            limit = price + way * self.relative_take_profit
        return Protection(stop, limit, self.trailing, self.guaranteed)


@dataclass(slots=True)
class Order:
    """An order, from its acceptance on.

    `executing` is whether it is on its way to the market and can no longer be changed; `hits`
    counts the ticks in a row that touched its stop; `doomed` is the error code that a test wants it
    rejected with; `offered` is what is left of the liquidity that it met.
    """

    order_id: int
    position_id: int
    symbol_id: int
    side: ProtoOATradeSide
    volume: int
    order_type: ProtoOAOrderType
    time_in_force: ProtoOATimeInForce
    opened_at: int
    updated_at: int
    client_order_id: str
    closing: bool = False
    levels: Levels = field(default_factory=Levels)
    limit_price: int | None = None
    stop_price: int | None = None
    base_slippage_price: int | None = None
    slippage_in_points: int | None = None
    trigger_method: ProtoOAOrderTriggerMethod = ProtoOAOrderTriggerMethod.TRADE
    expires_at: int | None = None
    trailing: bool | None = None
    comment: str | None = None
    label: str | None = None
    measurement_units: str | None = None
    is_stop_out: bool = False
    status: ProtoOAOrderStatus = ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
    executed_volume: int = 0
    executed_value: int = 0
    closed_at: int | None = None
    closed_levels: Protection = NO_PROTECTION
    requester: Requester | None = None
    executing: bool = False
    touched: Touched | None = None
    sent_at: int = 0
    hits: int = 0
    stop_passed: bool = False
    offered: int | None = None
    doomed: str | None = None

    @property
    def working(self) -> bool:
        """Whether it can still be filled."""
        return self.status == ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED

    @property
    def protective(self) -> bool:
        """Whether it is the order that the server keeps for a position's levels."""
        return self.order_type == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT

    @property
    def pending(self) -> bool:
        """Whether a client placed it to wait for a price."""
        return self.order_type in _PENDING

    @property
    def at_once(self) -> bool:
        """Whether it meets the market as soon as it is accepted."""
        return not self.protective and not self.pending

    @property
    def remaining(self) -> int:
        """The volume that is not filled yet."""
        return self.volume - self.executed_volume

    @property
    def execution_price(self) -> Fraction | None:
        """The average price of its deals in 1/100000."""
        if self.executed_volume == 0:
            return None
        return Fraction(self.executed_value, self.executed_volume)

    @property
    def guaranteed(self) -> bool:
        """Whether its stop loss is guaranteed."""
        return self.levels.guaranteed

    def message(self, *, listed: bool = False) -> ProtoOAOrder:
        """The order as it is now.

        In lists, orders that closed a position show the levels that it had then.
        """
        levels = self.levels
        stop_loss, take_profit = levels.stop_loss, levels.take_profit
        if listed and self.closing and not self.protective:
            stop_loss, take_profit = self.closed_levels.stop_loss, self.closed_levels.take_profit
        stops = self.stop_price is not None
        return ProtoOAOrder(
            order_id=self.order_id,
            trade_data=ProtoOATradeData(
                symbol_id=self.symbol_id,
                volume=self.volume,
                trade_side=self.side,
                open_timestamp=self.opened_at,
                label=self.label,
                guaranteed_stop_loss=self.guaranteed,
                comment=self.comment,
                measurement_units=self.measurement_units,
                close_timestamp=self.closed_at,
            ),
            order_type=self.order_type,
            order_status=self.status,
            expiration_timestamp=self.expires_at,
            execution_price=_double(self.execution_price),
            executed_volume=self.executed_volume,
            utc_last_update_timestamp=self.updated_at,
            base_slippage_price=_double(self.base_slippage_price),
            slippage_in_points=self.slippage_in_points,
            closing_order=self.closing,
            limit_price=_double(self.limit_price),
            stop_price=_double(self.stop_price),
            stop_loss=_double(stop_loss),
            take_profit=_double(take_profit),
            client_order_id=self.client_order_id,
            time_in_force=self.time_in_force,
            position_id=self.position_id,
            relative_stop_loss=levels.relative_stop_loss,
            relative_take_profit=levels.relative_take_profit,
            is_stop_out=True if self.is_stop_out else None,
            trailing_stop_loss=self.trailing,
            stop_trigger_method=self.trigger_method if stops else None,
        )


_PENDING = (ProtoOAOrderType.LIMIT, ProtoOAOrderType.STOP, ProtoOAOrderType.STOP_LIMIT)


def _double(price: int | Fraction | None) -> float | None:
    return None if price is None else double(price)
