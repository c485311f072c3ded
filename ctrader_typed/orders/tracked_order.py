"""The fate of one trading request: where it stands, and what is known of its order.

Pure: `book` hands over what comes in, `inquiry` what the server was asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from ..errors import CTraderError
from ..message import Request
from ..proto import (
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAOrder,
    ProtoOAPosition,
    ProtoOAPositionStatus,
)
from .execution_meaning import doubtful, meaning
from .filling import Filling
from .order_fields import closed, executed, part, part_filled, protects
from .order_ids import TradingKind
from .order_states import END_STATES, ORDER_TRANSITIONS, SNAPSHOTS, OrderStatus, OrderTransition

CHECKS = 5
"""How often the server is asked what has become of a request before it is reported as unknown."""

LAST_ARRIVAL = 60.0
"""Seconds after the end of a process in which bytes that it left to the system may still arrive:
servers keep a connection without heartbeats for about 30."""


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
    """Weighted by volume: exact (of the prices as decimals), then rounded once. Where a deal is
    not known, the server's own figure for the order.
    """


class TrackedOrder(Filling):
    """One trading request and what is known of it.

    `key` names it in this program and its journal. `placed_at` is our clock when it was opened, in
    ms; `mark` a time of the server's own clock, in ms, before which it cannot have arrived.
    """

    def __init__(
        self, key: str, kind: TradingKind, request: Request[Any], placed_at: int, mark: int | None
    ) -> None:
        super().__init__(kind, request)
        fields: Any = request
        self.key = key
        self.placed_at = placed_at
        self.mark = mark
        self.account_id: int = fields.ctid_trader_account_id
        self.client_order_id: str | None = getattr(request, "client_order_id", None)
        self.order_id: int | None = getattr(request, "order_id", None)
        """Of the order that is followed; of an amendment or cancellation, the order meant."""
        self.position_id: int | None = getattr(request, "position_id", None)
        self.status = OrderStatus.WRITING
        self.events: list[OrderEvent] = []
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
        """How often the server was asked in vain since something became doubtful."""
        self.left_behind = False
        """It was sent, or was to be, by an earlier process."""
        self.nowhere = False
        """In the last check all that the server has was looked through for it, in vain."""
        self.revision = 0
        """Counts the events that concerned it or its position."""
        self._closed = False
        self._missed = False  # events may have been, and asking has not made up for all of them
        self._stale = False  # of its position, in particular
        self._asked_out = False

    # --- what is known ---

    @property
    def ended(self) -> bool:
        """Whether its status stays as it is."""
        return self.status in END_STATES

    @property
    def in_doubt(self) -> bool:
        """Whether the server has to be asked for its outcome, and there is a point in it."""
        if self.status is OrderStatus.UNKNOWN:
            return self.checks < CHECKS
        return self.suspect and not self.ended and self.status is not OrderStatus.WRITING

    @property
    def stale(self) -> bool:
        """Whether what it shows of its position may be out of date: events may have been missed."""
        if not self._stale or self.position_id is None:
            return False
        placeholder = self.position is None or self.position.trade_data.volume == 0
        return not (self.kind is TradingKind.OPEN and self.filled_volume == 0 and placeholder)

    @property
    def deals_due(self) -> bool:
        """Whether deals that were missed are still to be asked for."""
        return self._missed and self.follows_order and self.dealt_volume < self.filled_volume

    @property
    def to_ask(self) -> bool:
        """Whether the server has to be asked for anything of it."""
        levels_missed = self._missed and self.protection_due
        return self.in_doubt or self.stale or self.deals_due or levels_missed

    @property
    def settled(self) -> bool:
        """Whether it has ended and nothing more is to come, nor to be asked for.

        A fill may be followed by the protective order (recorded: 18 ms later), and a full close by
        the end of that order, with which alone the position is shown as closed.
        """
        if not self.ended or self.stale or self.deals_due:
            return False
        position = self.position
        if self.filled_volume == 0 or position is None or self._asked_out:
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
        if self.kind is not TradingKind.OPEN or self.protection is not None or self._asked_out:
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
        if it has a protective order. False as long as it is not known.
        """
        return self._closed

    @property
    def fill(self) -> Fill:
        """All that was filled; for an order that is FILLED."""
        price = self.average_price
        assert price is not None, "an order without a price does not become FILLED"
        return Fill(self.deals, self.filled_volume, price)

    # --- what happens ---

    def own(
        self, event: ProtoOAExecutionEvent, error: CTraderError | None = None, *, reply: bool
    ) -> None:
        """An execution event of its order, or one that answers it (`reply`).

        `error` is what the event amounts to if it carries an error. A reply that the table has no
        way for leaves the outcome in doubt.
        """
        new = self._absorb(event.order, (event.deal,) if event.deal is not None else ())
        self._heard(event)
        transition = meaning(self, event, error, reply=reply)
        if transition is OrderTransition.DOUBT:
            self.reason, self.checks = doubtful(event, error), 0
        elif transition is OrderTransition.SUSPECT:
            self.doubt()
        moved = transition is not None and self._move(transition)
        if moved:
            self.error = error
        elif reply and self.status is OrderStatus.WRITING:
            self._move(OrderTransition.DOUBT)
        self._record(event, new)

    def beside(self, event: ProtoOAExecutionEvent) -> None:
        """An execution event of another order of the same position. It never moves the status."""
        before = self.settled
        order = event.order
        self._heard(event)
        if order is not None and self.kind is TradingKind.OPEN and protects(order):
            self.protection = order
        if self.ended and not before:
            self._record(event, ())

    def refuse(self, error: CTraderError, *, doubtful: bool) -> None:
        """An error message answers it; a doubtful one does not say that nothing was done."""
        if self._move(OrderTransition.DOUBT if doubtful else OrderTransition.REJECT):
            self.error, self.reason = error, f"the answer leaves it open: {error}"
            self._record(None, ())

    def lose(self, reason: str) -> None:
        """The link, or the account's session on it, was lost after it was written."""
        self._step(OrderTransition.DOUBT, reason)
        self.miss()

    def miss(self) -> None:
        """Events of it may be missed: what they would have said is asked for."""
        if self.status is OrderStatus.UNKNOWN and self.checks >= CHECKS:
            return
        self._missed = self._stale = True
        self.suspect = self.status is OrderStatus.WRITING
        self.checks = 0

    def discard(self, reason: str) -> None:
        """Not one byte of it left."""
        self._stale = False
        self._step(OrderTransition.DISCARD, reason)

    def _step(self, transition: OrderTransition, reason: str) -> None:
        if self._move(transition):
            self.reason, self.error = reason, None
            self._record(None, ())

    def give_up(self, reason: str) -> None:
        """It is not followed any more: if it has not ended, nobody will know."""
        self._step(OrderTransition.DOUBT, reason)
        self._ask_no_more()

    def reopen(self, order_id: int | None, position_id: int | None) -> None:
        """It was written down by an earlier process, of which this is left."""
        self.left_behind = True
        self.status, self.reason = OrderStatus.UNKNOWN, "an earlier process left it"
        self.order_id = self.order_id if order_id is None else order_id
        self.position_id = self.position_id if position_id is None else position_id
        self.miss()

    # --- what was found out by asking ---

    def bind(self, order: ProtoOAOrder) -> None:
        """This is its order; what has become of that is asked next, CHECKS times from here on."""
        self.checks = 0
        self._learn(order, ())

    def digest(
        self,
        order: ProtoOAOrder,
        deals: Iterable[ProtoOADeal] = (),
        error: CTraderError | None = None,
    ) -> None:
        """What the server shows of its own order; `error` is what it amounts to if rejected.

        As long as deals are missing the outcome stays in doubt, except in the last check.
        """
        new = self._learn(order, deals)
        if self.order is not None and part(self.order) > part(order):
            order = self.order  # an event has overtaken the answer
        transition = SNAPSHOTS.get(order.order_status)
        last = self.checks >= CHECKS - 1
        complete = self.dealt_volume >= executed(order) or (last and self.has_figures)
        if self.in_doubt and complete and transition is not None:
            self.conclude(part_filled(order, transition), error, new)
        elif new:
            self._record(None, new)

    def conclude(
        self,
        transition: OrderTransition,
        error: CTraderError | None = None,
        new: tuple[ProtoOADeal, ...] = (),
    ) -> None:
        """Asking has shown what became of it."""
        self.suspect = False
        if self._move(transition):
            self.error = error
            self._record(None, new)

    def checked(self, age: float) -> None:
        """The server was asked: what it has not told is asked again, CHECKS times in all.

        What an earlier process wrote down, and the server does not have after all these checks, was
        never sent. That process had ended `age` seconds before this check began, or longer: until
        LAST_ARRIVAL no check is the last.
        """
        if not self.to_ask:
            self._missed = False
            return
        missed = self.left_behind and self.nowhere
        if missed and self.checks == CHECKS - 1 and age < LAST_ARRIVAL:
            return
        self.checks += 1
        if self.checks < CHECKS:
            return
        self._ask_no_more()
        if self.status is OrderStatus.UNKNOWN:
            self.reason = f"the server was asked {CHECKS} times and does not show it"
        if missed:
            self._step(OrderTransition.MISS, "an earlier process ended before it was sent")

    def _ask_no_more(self) -> None:
        self.checks = CHECKS
        self._asked_out = self.ended
        self.suspect = self._missed = self._stale = False

    def doubt(self) -> None:
        """Something was said of its order that does not say enough: the server is to be asked."""
        if self.status is not OrderStatus.UNKNOWN and not self.ended:
            self.suspect = True
            self.checks = 0

    def take_stock(self, position: ProtoOAPosition | None, protection: ProtoOAOrder | None) -> None:
        """What a reconciliation shows of its position, if no event came while it was asked for.

        None means that the position is not open, now that all is known that was before.
        """
        before = self.settled
        self._stale = False
        if position is not None:
            self._see(position)
        elif self.kind is not TradingKind.OPEN or self.filled_volume > 0:
            self.position = None if self.position is None else closed(self.position)
            self._closed = True
        if protection is not None and self.kind is TradingKind.OPEN and self.filled_volume > 0:
            self.protection = protection
        if self.settled and not before:
            self._record(None, ())

    def _move(self, transition: OrderTransition) -> bool:
        after = ORDER_TRANSITIONS[self.kind].get(self.status, {}).get(transition)
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
        """Take over what is shown of its own order; the deals that are new."""
        if order is None or not self.follows_order:
            return ()
        self.order_id = order.order_id
        if order.position_id is not None:
            self.position_id = order.position_id
        return self.show(order, deals)

    def _learn(self, order: ProtoOAOrder, deals: Iterable[ProtoOADeal]) -> tuple[ProtoOADeal, ...]:
        """Take over what asking has shown; what more is filled has changed the position."""
        filled = self.filled_volume
        new = self._absorb(order, deals)
        if self.filled_volume > filled:
            self._stale = True
        return new

    def _heard(self, event: ProtoOAExecutionEvent) -> None:
        """Events come again: what they show is up to date."""
        self.revision += 1
        if event.position is not None:
            self._see(event.position)
        if event.position is not None or self.position is None:
            self._stale = False

    def _see(self, position: ProtoOAPosition) -> None:
        """Before the fill of what opens it, a position is a placeholder without volume."""
        if position.position_id == self.position_id:
            self.position = position
            opened = self.kind is not TradingKind.OPEN or self.filled_volume > 0
            self._closed = opened and position.trade_data.volume == 0
