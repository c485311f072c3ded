"""An order as a handle: what is known of it, and what a program can wait for.

What became of the order is read from its `TrackedOrder`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import trio

from ..errors import CTraderError, LocalProtocolError
from ..message import Message, Request
from ..only_async import OnlyAsyncStream
from ..proto import ProtoOADeal, ProtoOAOrder, ProtoOAPosition
from ..trio_run import TrioRun
from .errors import NotFilled, NotSent
from .order_states import OrderStatus
from .tracked_order import CHECKS, Fill, OrderEvent, TrackedOrder


@dataclass(slots=True)
class ConnectionStatus:
    """What handles have to know of the client's connections."""

    run: TrioRun
    """From which alone it can be waited for."""
    closed: str | None = None
    """Why there will be no other one, once that is so."""


class Order:
    """A trading request that was placed: what is known of it, now and as it comes.

    Everything here is kept current while the client is connected, and brought up to date after a
    reconnect. Waiting can be cancelled and never changes anything: neither the order, nor what
    other tasks wait for. Volumes are in 0.01 of a unit, prices unscaled.
    """

    def __init__(self, connections: ConnectionStatus, tracked: TrackedOrder) -> None:
        self._connections = connections
        self._tracked = tracked
        self._news = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        tracked = self._tracked
        return f"<Order {tracked.key}: {type(tracked.request).__name__}, {tracked.status.name}>"

    # --- what is known ---

    @property
    def request(self) -> Request[Any]:
        """What was sent; a new order has a client_order_id there."""
        return self._tracked.request

    @property
    def status(self) -> OrderStatus:
        """Where it stands."""
        return self._tracked.status

    @property
    def key(self) -> str:
        """Its name in this program and in the journal."""
        return self._tracked.key

    @property
    def client_order_id(self) -> str | None:
        """The id that the order carries at the server; None for a request that carries none."""
        return self._tracked.client_order_id

    @property
    def order_id(self) -> int | None:
        """The server's id of the order, once it is known."""
        return self._tracked.order_id

    @property
    def position_id(self) -> int | None:
        """The position that the order opens, changes or closes, once it is known."""
        return self._tracked.position_id

    @property
    def order(self) -> ProtoOAOrder | None:
        """The order as the server last showed it."""
        return self._tracked.order

    @property
    def position(self) -> ProtoOAPosition | None:
        """Its position as the server last showed it, until nothing more of this order is to come.

        Levels appear some ms after the fill. A full close shows CREATED first; `position_closed`
        knows better.
        """
        return self._tracked.position

    @property
    def position_closed(self) -> bool:
        """Whether it is known that nothing is left of the position."""
        return self._tracked.position_closed

    @property
    def protection(self) -> ProtoOAOrder | None:
        """The protective order that the server made for the position that this order opened."""
        return self._tracked.protection

    @property
    def protection_due(self) -> bool:
        """Whether that order is still to come: for some ms after a fill the levels that the request
        brings along are not in force. What amends the position by a raw request then, clears them.
        """
        return self._tracked.protection_due

    @property
    def deals(self) -> tuple[ProtoOADeal, ...]:
        """The deals so far, in the order of execution."""
        return self._tracked.deals

    @property
    def volume(self) -> int:
        """What is to be filled, as amended; 0 for an amendment or a cancellation."""
        return self._tracked.volume

    @property
    def filled_volume(self) -> int:
        """What is filled so far."""
        return self._tracked.filled_volume

    @property
    def remaining_volume(self) -> int:
        """What is not."""
        return self._tracked.remaining_volume

    @property
    def average_price(self) -> float | None:
        """Of what is filled, weighted by volume; None if nothing is."""
        return self._tracked.average_price

    @property
    def error(self) -> CTraderError | None:
        """Why it was rejected, or what makes its outcome doubtful, where the server said so."""
        return self._tracked.error

    # --- waiting ---

    async def accepted(self) -> None:
        """Wait until the server has taken it: an order is in its books, an amendment in force.

        Raises OrderError (or another ServerError) if it was refused, NotSent if it never left, and
        OutcomeUnknown for as long as nobody knows.
        """
        await self._until(lambda: self.status is not OrderStatus.WRITING)
        self._raise_failure()

    async def filled(self) -> Fill:
        """Wait until it is filled wholly, and return all deals, the volume and the average price.

        Deals that were missed while there was no link are waited for, too.
        Raises NotFilled if the order was cancelled or expired before that, OrderError if it was
        refused, NotSent, and OutcomeUnknown as soon as the link is lost, for then nobody knows;
        after `resolved()` it can be waited for again. LocalProtocolError for an amendment or a
        cancellation, which have nothing to fill.
        """
        if not self._tracked.follows_order:
            raise LocalProtocolError(f"{type(self.request).__name__} is never filled")
        waiting = (OrderStatus.WRITING, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
        await self._until(lambda: self.status not in waiting and not self._deals_to_come())
        self._raise_failure()
        if self.status is not OrderStatus.FILLED:
            raise NotFilled(self.status.name, self.volume, self.filled_volume, self.average_price)
        return self._tracked.fill

    async def resolved(self) -> OrderStatus:
        """Wait until it is known what has become of it and of its position, and return its status.

        Raises OutcomeUnknown once the server was asked five times in vain, or when the client was
        closed, or the server has refused the account for good, before it knew. Should it be learned
        later all the same, `status` tells.
        """
        await self._until(lambda: not self._open_question() or self._given_up())
        if self.status is OrderStatus.UNKNOWN:
            self._raise_failure()
        return self.status

    @property
    def events(self) -> OrderEvents:
        """All its events, from the first on; each `async for` over it starts from there."""
        return OrderEvents(self)

    def _open_question(self) -> bool:
        return self.status in {OrderStatus.UNKNOWN, OrderStatus.WRITING} or self._tracked.stale

    def _deals_to_come(self) -> bool:
        """Some may have been missed while there was no link: the server is asked for them."""
        return self._tracked.deals_due and self._connections.closed is None

    def _given_up(self) -> bool:
        unknown = self.status is OrderStatus.UNKNOWN and self._tracked.checks >= CHECKS
        return unknown or self._connections.closed is not None

    async def _until(self, condition: Callable[[], bool]) -> None:
        self._connections.run.check()
        await trio.lowlevel.checkpoint()
        while not condition():
            await self._news.park()

    def _raise_failure(self) -> None:
        status, error = self.status, self.error
        if status is OrderStatus.REJECTED and error is not None:
            raise copy.copy(error)
        if status is OrderStatus.NOT_SENT:
            raise NotSent(self._tracked.reason)
        if status is OrderStatus.UNKNOWN:
            self._raise_unknown()

    def _raise_unknown(self) -> NoReturn:
        unknown = OutcomeUnknown(self._tracked.reason, self.request)
        unknown.order = self
        raise unknown from self.error

    # --- for Orders and OrderEvents ---

    @property
    def tracked(self) -> TrackedOrder:
        """What it stands for."""
        return self._tracked

    def follow(self, connections: ConnectionStatus) -> None:
        """What is heard of it comes over these connections from now on."""
        self._connections = connections
        self.wake()

    def wake(self) -> None:
        """Let those who wait look."""
        self._news.unpark_all()

    async def event(self, number: int) -> OrderEvent | None:
        """The event of this number, from 0, when it comes; None if no more will come."""
        self._connections.run.check()
        events = self._tracked.events
        while number >= len(events):
            if self._tracked.settled:
                await trio.lowlevel.checkpoint()
                return None
            if self._connections.closed is not None:
                await trio.lowlevel.checkpoint()
                if self._tracked.ended:
                    return None
                self._raise_unknown()
            if self.status is OrderStatus.UNKNOWN and self._given_up():
                await trio.lowlevel.checkpoint()
                self._raise_unknown()
            await self._news.park()
        return events[number]


class OrderEvents(OnlyAsyncStream):
    """The events of an order, in order: `async for event in order.events`.

    Ends when the order is settled: it has ended, and what the server does after a fill (the
    protective order, the end of the position) has been told too. None is ever dropped; a lost link
    is an event like any other, with status UNKNOWN. Raises OutcomeUnknown if the client is closed
    before the order has ended, or once the server was asked five times in vain what has become of
    it. Cancelling a wait loses nothing.
    """

    usage = "`async for event in order.events:`"

    def __init__(self, order: Order) -> None:
        self._order = order
        self._number = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> OrderEvent:
        event = await self._order.event(self._number)
        if event is None:
            raise StopAsyncIteration
        self._number += 1
        return event


class OutcomeUnknown(CTraderError):
    """A trading request left, and nobody can say yet what has become of it. Never send it again.

    It is no ConnectionLost: who tries again after one of those must not place an order twice.
    `reason` says why the answer is missing, `request` what was asked.
    `await error.order.resolved()` waits until the client has found out.
    """

    order: Order
    """The handle. An error that was pickled has none."""

    def __init__(self, reason: str, request: Message) -> None:
        super().__init__(reason, request)
        self.reason = reason
        self.request = request

    def __reduce__(self) -> tuple[type[OutcomeUnknown], tuple[str, Message]]:
        return type(self), (self.reason, self.request)

    def __str__(self) -> str:
        return f"{type(self.request).__name__}: {self.reason}; it may have been carried out"
