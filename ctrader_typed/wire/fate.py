"""The fate of one trading request: where it stands, and what is known of its order.

Pure. Knows neither how messages find their way here (that is `book`) nor how to ask the server.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from ..errors import CTraderError
from ..message import Request
from ..proto import (
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAPosition,
    ProtoOAPositionStatus,
)
from .lives import ENDED, EXECUTIONS, LIVES, SNAPSHOTS, Happening, OrderStatus
from .orders import Kind
from .shown import age, closed, executed, is_protective, part_filled

CHECKS = 5
"""How often the server is asked what has become of a request before it is reported as unknown."""


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """A step in the life of a trading request."""

    status: OrderStatus
    """Where it stands since."""
    execution: ProtoOAExecutionEvent | None = None
    """The server's event; None for a refusal, a lost link, and what was found out by asking."""
    deals: tuple[ProtoOADeal, ...] = ()
    """The deals that are new with it."""


@dataclass(frozen=True, slots=True)
class Fill:
    """What was filled of an order, in all."""

    deals: tuple[ProtoOADeal, ...]
    """Every deal, in the order of execution."""
    volume: int
    """In 0.01 of a unit."""
    average_price: float
    """Weighted by volume: exact (of the prices as decimals), then rounded once. NaN if the server
    named no price at all.
    """


class Fate:
    """One trading request and what is known of it.

    `key` names it in this program and its journal. `placed_at` is our clock when it was opened, in
    ms; `mark` a time of the server's own clock, in ms, before which it cannot have arrived.
    """

    def __init__(
        self, key: str, kind: Kind, request: Request[Any], placed_at: int, mark: int | None
    ) -> None:
        fields: Any = request
        self.key = key
        self.kind = kind
        self.request = request
        self.placed_at = placed_at
        self.mark = mark
        self.account_id: int = fields.ctid_trader_account_id
        self.client_order_id: str | None = getattr(request, "client_order_id", None)
        self.order_id: int | None = getattr(request, "order_id", None)
        """Of the order that is followed; of an amendment or cancellation, the order meant."""
        self.position_id: int | None = getattr(request, "position_id", None)
        self.status = OrderStatus.WRITING
        self.events: list[OrderEvent] = []
        self.order: ProtoOAOrder | None = None
        self.position: ProtoOAPosition | None = None
        self.protection: ProtoOAOrder | None = None
        """The protective order of the position that this order opened."""
        self.error: CTraderError | None = None
        """Why it was rejected, or the answer that made its outcome doubtful."""
        self.reason = "the answer leaves it open"
        """Why its outcome is unknown, or why it was not sent, in words."""
        self.suspect = False
        """Something was said of the order that only asking can explain."""
        self.checks = 0
        """How often the server was asked in vain since the outcome became unknown."""
        self.left_behind = False
        """It was sent, or was to be, by an earlier process."""
        self.nowhere = False
        """In the last check all that the server has was looked through for it, in vain."""
        self._deals: dict[int, ProtoOADeal] = {}
        self._stock_taken = False

    # --- what is known ---

    @property
    def follows_order(self) -> bool:
        """Whether it has an order of its own, which can be filled."""
        return self.kind in (Kind.OPEN, Kind.CLOSE)

    @property
    def ended(self) -> bool:
        """Whether its status stays as it is."""
        return self.status in ENDED

    @property
    def in_doubt(self) -> bool:
        """Whether the server has to be asked, and there is a point in it."""
        return (self.status is OrderStatus.UNKNOWN and self.checks < CHECKS) or self.suspect

    @property
    def settled(self) -> bool:
        """Whether it has ended and nothing more is to come.

        A fill may be followed by the protective order (recorded: 18 ms later), and a full close by
        the end of that order, with which alone the position is shown as closed.
        """
        if not self.ended:
            return False
        position = self.position
        if self.filled_volume == 0 or position is None or self._stock_taken:
            return True
        if position.position_status == ProtoOAPositionStatus.POSITION_STATUS_OPEN:
            return not self.protection_due
        return position.position_status != ProtoOAPositionStatus.POSITION_STATUS_CREATED

    @property
    def protection_due(self) -> bool:
        """Whether the levels that it brings along are still to follow what it has opened.

        What it closes of a netted account's position gets none.
        """
        position, fields = self.position, cast(Any, self.request)
        if self.kind is not Kind.OPEN or self.protection is not None or self._stock_taken:
            return False
        levels = ("stop_loss", "take_profit", "relative_stop_loss", "relative_take_profit")
        return (
            any(getattr(fields, level) is not None for level in levels)
            and self.filled_volume > 0
            and position is not None
            and position.position_status == ProtoOAPositionStatus.POSITION_STATUS_OPEN
            and position.trade_data.trade_side == fields.trade_side
        )

    @property
    def position_closed(self) -> bool:
        """Whether the position has no volume left.

        True from the fill of a full close on, although that event still calls the position CREATED
        if it has a protective order.
        """
        position = self.position
        if position is None or self.filled_volume == 0:
            return False
        return position.trade_data.volume == 0

    @property
    def deals(self) -> tuple[ProtoOADeal, ...]:
        """The deals of the order, in the order of execution."""
        return tuple(
            sorted(self._deals.values(), key=lambda deal: (deal.execution_timestamp, deal.deal_id))
        )

    @property
    def volume(self) -> int:
        """The order's volume in 0.01 of a unit, as amended; 0 for a request without an order."""
        if not self.follows_order:
            return 0
        fields: Any = self.request
        volume: int = fields.volume if self.order is None else self.order.trade_data.volume
        return volume

    @property
    def filled_volume(self) -> int:
        """What is filled of it, in 0.01 of a unit."""
        return max(0 if self.order is None else executed(self.order), self._dealt)

    @property
    def remaining_volume(self) -> int:
        """What is not filled of it, in 0.01 of a unit, whether it still can be or not."""
        return max(self.volume - self.filled_volume, 0)

    @property
    def _dealt(self) -> int:
        return sum(deal.filled_volume for deal in self._deals.values())

    @property
    def average_price(self) -> float | None:
        """The price of what is filled, weighted by volume; None if nothing is.

        Where a deal is not known, the server's own figure for the order.
        """
        filled = [deal for deal in self._deals.values() if deal.filled_volume > 0]
        total = sum(deal.filled_volume for deal in filled)
        prices = [deal.execution_price for deal in filled]
        if total == 0 or total < self.filled_volume or None in prices:
            return None if self.order is None else self.order.execution_price
        worth = sum(
            Fraction(repr(deal.execution_price)) * deal.filled_volume  # the decimal that is meant
            for deal in filled
        )
        return float(worth / total)

    @property
    def fill(self) -> Fill:
        """All that was filled; for an order that is FILLED."""
        price = self.average_price
        return Fill(self.deals, self.filled_volume, math.nan if price is None else price)

    # --- what happens ---

    def own(
        self, event: ProtoOAExecutionEvent, error: CTraderError | None = None, *, reply: bool
    ) -> None:
        """An execution event of its order, or one that answers it (`reply`).

        `error` is what the event amounts to if it rejects. A reply that the table has no way for
        leaves the outcome in doubt.
        """
        happening = Happening.REJECT if reply and error is not None else self._meaning(event, reply)
        new = self._absorb(event.order, (event.deal,) if event.deal is not None else ())
        if event.position is not None:
            self._see(event.position)
        moved = happening is not None and self._move(happening)
        if moved:
            self.error = error
        elif reply and self.status is OrderStatus.WRITING:
            self._move(Happening.DOUBT)
        self._record(event, new)

    def _meaning(self, event: ProtoOAExecutionEvent, reply: bool) -> Happening | None:
        happening = EXECUTIONS.get(event.execution_type)
        order = event.order
        if not self.follows_order or happening is None or order is None:
            return happening
        living = order.order_status == ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
        if happening is Happening.REJECT and living and not reply:
            self.doubt()  # an amendment of it was rejected, or the order itself: who knows
            return None
        return part_filled(order, happening)

    def beside(self, event: ProtoOAExecutionEvent) -> None:
        """An execution event of another order of the same position. It never moves the status."""
        before = self.settled
        order = event.order
        if event.position is not None:
            self._see(event.position)
        if order is not None and self.kind is Kind.OPEN and _protects(order):
            self.protection = order
        if self.ended and not before:
            self._record(event, ())

    def refuse(self, error: CTraderError, *, doubtful: bool) -> None:
        """An error message answers it; a doubtful one does not say that nothing was done."""
        if self._move(Happening.DOUBT if doubtful else Happening.REJECT):
            self.error, self.reason = error, f"the answer leaves it open: {error}"
            self._record(None, ())

    def lose(self, reason: str) -> None:
        """The link, or the account's session on it, was lost after it was written."""
        self._step(Happening.DOUBT, reason)

    def discard(self, reason: str) -> None:
        """Not one byte of it left."""
        self._step(Happening.DISCARD, reason)

    def _step(self, happening: Happening, reason: str) -> None:
        if self._move(happening):
            self.reason, self.error = reason, None
            self._record(None, ())

    def give_up(self, reason: str) -> None:
        """It is not followed any more: if it has not ended, nobody will know."""
        self._step(Happening.DOUBT, reason)
        self.checks, self.suspect = CHECKS, False

    def reopen(self, order_id: int | None, position_id: int | None) -> None:
        """It was written down by an earlier process, of which this is left."""
        self.left_behind = True
        self.status, self.reason = OrderStatus.UNKNOWN, "an earlier process left it"
        self.order_id = self.order_id if order_id is None else order_id
        self.position_id = self.position_id if position_id is None else position_id

    # --- what was found out by asking ---

    def bind(self, order: ProtoOAOrder) -> None:
        """This is its order; what has become of that is asked next."""
        self._absorb(order, ())

    def digest(
        self,
        order: ProtoOAOrder,
        deals: Iterable[ProtoOADeal] = (),
        error: CTraderError | None = None,
    ) -> None:
        """What the server shows of its own order; `error` is what it amounts to if rejected.

        As long as deals are missing the outcome stays in doubt, except in the last check.
        """
        if not self.in_doubt:
            return
        new = self._absorb(order, deals)
        if executed(order) > self._dealt and self.checks < CHECKS - 1:
            return
        happening = SNAPSHOTS.get(order.order_status)
        if happening is not None:
            self.conclude(part_filled(order, happening), error, new)

    def conclude(
        self,
        happening: Happening,
        error: CTraderError | None = None,
        new: tuple[ProtoOADeal, ...] = (),
    ) -> None:
        """Asking has shown what became of it."""
        self.suspect = False
        if self._move(happening):
            self.error = error
            self._record(None, new)

    def checked(self) -> None:
        """The server was asked, and its answers did not help.

        What an earlier process wrote down, and the server does not have after all these checks, was
        never sent.
        """
        self.checks += 1
        if self.checks >= CHECKS:
            self.suspect = False
            self.reason = f"the server was asked {CHECKS} times and does not show it"
            if self.left_behind and self.nowhere:  # nothing of it can be on its way any more
                self._step(Happening.MISS, "an earlier process ended before it was sent")

    def doubt(self) -> None:
        """Something was said of its order that does not say enough: the server is to be asked."""
        if self.status is not OrderStatus.UNKNOWN and not self.ended:
            self.suspect = True
            self.checks = 0

    def take_stock(self, position: ProtoOAPosition | None, protection: ProtoOAOrder | None) -> None:
        """What a reconciliation that was asked for after its end shows of its position.

        None means that it is not open any more. Nothing more is waited for then.
        """
        before = self.settled
        self._stock_taken = self.ended
        if position is not None:
            self._see(position)
        elif self.position is not None and self.ended:
            self.position = closed(self.position)
        if protection is not None and self.kind is Kind.OPEN:
            self.protection = protection
        if self.settled and not before:
            self._record(None, ())

    # --- steps ---

    def _move(self, happening: Happening) -> bool:
        after = LIVES[self.kind].get(self.status, {}).get(happening)
        if after is None:
            return False
        if after is OrderStatus.UNKNOWN:
            self.checks = 0
        self.status = after
        return True

    def _record(
        self, execution: ProtoOAExecutionEvent | None, deals: tuple[ProtoOADeal, ...]
    ) -> None:
        self.events.append(OrderEvent(self.status, execution, deals))

    def _absorb(
        self, order: ProtoOAOrder | None, deals: Iterable[ProtoOADeal]
    ) -> tuple[ProtoOADeal, ...]:
        """Take over what is newer than what we know; the deals that are new."""
        if order is None or not self.follows_order:
            return ()
        self.order_id = order.order_id
        if order.position_id is not None:
            self.position_id = order.position_id
        if self.order is None or age(order) >= age(self.order):
            self.order = order
        new = tuple(
            deal
            for deal in deals
            if deal.order_id == order.order_id and deal.deal_id not in self._deals
        )
        self._deals.update((deal.deal_id, deal) for deal in new)
        return new

    def _see(self, position: ProtoOAPosition) -> None:
        if position.position_id == self.position_id:
            self.position = position


def _protects(order: ProtoOAOrder) -> bool:
    """Whether it is a protective order, and not the end of one of a position that was turned."""
    return is_protective(order) and order.order_status != ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
