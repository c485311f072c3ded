"""A position and how messages show it.

A position is the list of its openings that are still open, the oldest first: closing volume takes
it from the front, on hedged accounts too (recorded). Prices are in 1/100000, volumes in 0.01 of a
unit, times in ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from ctrader_typed.proto import (
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOAPositionStatus,
    ProtoOATimeInForce,
    ProtoOATradeData,
    ProtoOATradeSide,
)

from ..money import average, double, share, units
from .orders import NO_PROTECTION, Order, Protection, opposite


@dataclass(slots=True)
class Opening:
    """What is still open of a deal that opened volume.

    `margin_rate` is the base asset in the deposit currency and `leverage` what divided it, both as
    they were at the deal; `commission` is not yet charged to the balance.
    """

    deal_id: int
    volume: int
    price: int
    margin_rate: Fraction
    leverage: Fraction
    commission: int

    @property
    def margin(self) -> Fraction:
        """The margin that it binds, in the deposit currency."""
        return units(self.volume) * self.margin_rate / self.leverage

    def take(self, volume: int) -> Opening:
        """Close so much of it: what left, with its share of the commission."""
        commission = share(self.commission, volume, self.volume)
        taken = Opening(
            self.deal_id, volume, self.price, self.margin_rate, self.leverage, commission
        )
        self.volume -= volume
        self.commission -= commission
        return taken


@dataclass(slots=True)
class Position:
    """A position, open or closed.

    `protection` is what its levels are, `awaited` what they will be once the protective order has
    followed the fill; `trailing_shown` is whether the trailing flag appears, which it does from the
    first levels on. `rolls_at` is when its next swap is due and `rolled` how many were.
    """

    position_id: int
    symbol_id: int
    side: ProtoOATradeSide
    money_digits: int
    opened_at: int
    updated_at: int
    comment: str | None = None
    label: str | None = None
    measurement_units: str | None = None
    openings: list[Opening] = field(default_factory=list[Opening])
    swap: int = 0
    protection: Protection = NO_PROTECTION
    awaited: Protection | None = None
    protective_order: int | None = None
    trailing_shown: bool = False
    trail: int | None = None
    filled_at: int = 0
    closed_at: int | None = None
    closing_seen: bool = True
    used_margin: int = 0
    rolls_at: int | None = None
    rolled: int = 0

    @property
    def volume(self) -> int:
        """The open volume."""
        return sum(opening.volume for opening in self.openings)

    @property
    def price(self) -> Fraction:
        """The average opening price; zero without volume."""
        return _average((o.volume, Fraction(o.price)) for o in self.openings)

    @property
    def margin_rate(self) -> Fraction:
        """The average margin rate; zero without volume."""
        return _average((o.volume, o.margin_rate) for o in self.openings)

    @property
    def commission(self) -> int:
        """The commission of the open volume, negative when charged."""
        return sum(opening.commission for opening in self.openings)

    @property
    def cost(self) -> int:
        """Volume times opening price, added up: what profit is reckoned from."""
        return sum(opening.volume * opening.price for opening in self.openings)

    @property
    def leveraged_margin(self) -> Fraction:
        """The margin that its leverage asks for, exactly, in the deposit currency."""
        return sum((opening.margin for opening in self.openings), Fraction(0))

    def take(self, volume: int) -> list[Opening]:
        """Close so much of it, the oldest openings first: what left. There must be as much."""
        taken: list[Opening] = []
        while volume > 0:
            first = self.openings[0]
            part = first.take(min(volume, first.volume))
            volume -= part.volume
            taken.append(part)
            if first.volume == 0:
                del self.openings[0]
        return taken

    def order_to_close(self, number: int, volume: int, now: int) -> Order:
        """An order at the market that closes so much of it, with the texts of the position."""
        return Order(
            order_id=number,
            position_id=self.position_id,
            symbol_id=self.symbol_id,
            side=opposite(self.side),
            volume=volume,
            order_type=ProtoOAOrderType.MARKET,
            time_in_force=ProtoOATimeInForce.IMMEDIATE_OR_CANCEL,
            opened_at=now,
            updated_at=now,
            client_order_id=f"server-{number}",
            closing=True,
            comment=self.comment,
            label=self.label,
            measurement_units=self.measurement_units,
        )

    def status(self) -> ProtoOAPositionStatus:
        """OPEN, CLOSED, or CREATED: closed, but its protective order has not been cancelled yet
        (recorded).
        """
        if self.openings:
            return ProtoOAPositionStatus.POSITION_STATUS_OPEN
        if self.closing_seen:
            return ProtoOAPositionStatus.POSITION_STATUS_CLOSED
        return ProtoOAPositionStatus.POSITION_STATUS_CREATED

    def message(self) -> ProtoOAPosition:
        """The position as it is now."""
        closed = not self.openings and self.closing_seen
        levels = NO_PROTECTION if closed else self.protection
        stop, limit = levels.stop_loss, levels.take_profit
        return ProtoOAPosition(
            position_id=self.position_id,
            trade_data=ProtoOATradeData(
                symbol_id=self.symbol_id,
                volume=self.volume,
                trade_side=self.side,
                open_timestamp=self.opened_at,
                label=self.label,
                guaranteed_stop_loss=levels.guaranteed,
                comment=self.comment,
                measurement_units=self.measurement_units,
                close_timestamp=self.closed_at if closed else None,
            ),
            position_status=self.status(),
            swap=self.swap,
            price=double(self.price),
            stop_loss=None if stop is None else double(stop),
            take_profit=None if limit is None else double(limit),
            utc_last_update_timestamp=self.updated_at,
            commission=self.commission,
            margin_rate=average(self.margin_rate),
            mirroring_commission=0,
            guaranteed_stop_loss=levels.guaranteed,
            used_margin=self.used_margin,
            stop_loss_trigger_method=None if stop is None else levels.trigger_method,
            money_digits=self.money_digits,
            trailing_stop_loss=levels.trailing if self.trailing_shown else None,
        )


def placeholder(order: Order, money_digits: int, ended_at: int | None = None) -> ProtoOAPosition:
    """What stands for the position that an order has not opened yet, or, after `ended_at`, never
    will.
    """
    ended = ended_at is not None
    status = ProtoOAPositionStatus
    return ProtoOAPosition(
        position_id=order.position_id,
        trade_data=ProtoOATradeData(
            symbol_id=order.symbol_id,
            volume=0,
            trade_side=order.side,
            label=order.label,
            guaranteed_stop_loss=order.guaranteed,
            comment=order.comment,
            measurement_units=order.measurement_units,
            close_timestamp=ended_at,
        ),
        position_status=status.POSITION_STATUS_CLOSED if ended else status.POSITION_STATUS_CREATED,
        swap=0,
        price=0.0,
        utc_last_update_timestamp=ended_at,
        commission=0,
        margin_rate=0.0,
        mirroring_commission=0,
        guaranteed_stop_loss=order.guaranteed,
        used_margin=0,
        money_digits=money_digits,
        trailing_stop_loss=order.trailing,
    )


def _average(parts: Iterable[tuple[int, Fraction]]) -> Fraction:
    volume, value = 0, Fraction(0)
    for part, price in parts:
        volume += part
        value += part * price
    return value / volume if volume else Fraction(0)
