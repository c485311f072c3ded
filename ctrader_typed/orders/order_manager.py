"""All orders of a client: who places them, and who tells each handle what has become of it.

What became of an order is decided in `order_tracker` and `recovery`. Whoever holds an
`OrderManager` and runs connections calls, in this order for each connection:

- `connected(submit, withdraw)`: plain, when trading requests may be queued on it. `submit` queues
  one, or raises ConnectionLost; `withdraw` takes one back that is still queued.
- `receive(received, answered)`: plain, for all that comes in, in order, with the requests that it
  answers, before anybody who waits for an answer runs. By these it learns which accounts have a
  session and can be asked about.
- `restored(ask)`: a task beside the connection's own ones; it asks the server about what is in
  doubt. `ask` sends a request and waits for its answer. It ends when it is cancelled, when `ask`
  raises ConnectionLost, or with `link_lost`.
- `link_lost(reason)`: plain, when the connection has ended, after its tickets were settled.
- `close(reason)`: plain, once, when there will be no other connection.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

import trio

from ..errors import ConnectionLost, CTraderError, LocalProtocolError
from ..keywords import hot
from ..message import Message, Request
from ..protocol.request_tracker import AnsweredRequest, RequestState, Ticket
from ..schema import Schema
from ..trio_run import TrioRun
from ..wire.envelope import Received
from .errors import DuplicateOrder, NotSent
from .journal import Journal, OpenOrder
from .order import ConnectionStatus, Order
from .order_ids import ClientOrderIds
from .order_states import OrderStatus
from .order_tracker import OrderTracker
from .recovery import check
from .tracked_order import TrackedOrder

log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between one check and the next, the last of them from then on: an order may still be on
its way when it is first asked about, and histories were seen to lag."""

REMEMBERED = 1_000
"""Settled orders that can still be found by their key; who holds a handle keeps it anyway."""

CANCELLED = "it was cancelled before it was written"

Ask = Callable[[Request[Any]], Awaitable[Message]]
Submit = Callable[[Request[Any]], Ticket]
Withdraw = Callable[[Ticket], None]


@hot("receive")
class OrderManager:
    """All orders of a client, over all its connections.

    What the `journal` has open, an earlier process left: it is taken over, and `list(orders)` has
    it, for a while also when it is settled.
    """

    def __init__(
        self, schema: Schema, journal: Journal | None = None, run: TrioRun | None = None
    ) -> None:
        self._run = TrioRun() if run is None else run
        self._journal = journal
        self._submit: Submit = _nowhere
        self._withdraw: Withdraw = _withdrawn
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._book = OrderTracker(schema, ClientOrderIds(secrets.token_hex(12)))
        self._handles: dict[TrackedOrder, Order] = {}
        self._settled: OrderedDict[str, Order] = OrderedDict()
        self._tickets: dict[TrackedOrder, Ticket] = {}
        self._doubts = trio.Event()
        self._connection = 0
        self._connections = ConnectionStatus(self._run)
        self._began = trio.current_time()  # the journal is ours: by now its last owner has ended
        for left in () if journal is None else journal.open_orders():
            self._adopt(left)

    def __iter__(self) -> Iterator[Order]:
        """The orders of which something is still to come, the oldest first; before them those of
        an earlier process that were settled lately.
        """
        left = (order for order in self._settled.values() if order.tracked.left_behind)
        return iter((*left, *self._handles.values()))

    def find(self, key: str) -> Order | None:
        """The order of this key or client_order_id, if it is not settled or was so lately."""
        for order in (*self._handles.values(), *reversed(self._settled.values())):
            if key in {order.key, order.client_order_id}:
                return order
        return None

    def forget(self, order: Order) -> None:
        """Follow an order no longer, here and in the journal: for one that stays unknown.

        Whoever waits for it is told OutcomeUnknown, unless its status is known.
        """
        self._run.check()
        tracked = order.tracked
        self._book.forget(tracked)
        tracked.give_up("it is not followed any more")
        self._handles.pop(tracked, None)
        self._tickets.pop(tracked, None)
        if self._journal is not None:
            self._journal.ended(tracked.key, tracked.status.name)
        order.wake()

    # --- placing ---

    async def place(self, request: Request[Any]) -> Order:
        """Send a trading request; returns once the server has answered it and not refused.

        With a journal, it is on the disk before a byte of it is on the wire. Raises what
        `Order.accepted` does; also EncodeError or LocalProtocolError if it cannot be sent at all,
        DuplicateOrder if its client_order_id is that of an order that is followed or was in the
        journal.
        Cancelled before it was written, not one byte of it leaves. Cancelled after that, it goes
        its way, and can be found here. OutsideTrio if the client does not live here.
        """
        self._run.check()
        await trio.lowlevel.checkpoint_if_cancelled()
        tracked = self._opened(request)
        order = self._handles[tracked] = Order(self._connections, tracked)
        if self._submit is not _nowhere:  # else `_send` says so, and the journal need not know
            await self._write_down(tracked)
        if tracked.status is OrderStatus.WRITING:  # the link may have gone meanwhile
            await self._send(tracked)
        await self._accepted(order)
        return order

    def _opened(self, request: Request[Any]) -> TrackedOrder:
        """It is followed from here on, unless its client_order_id is known."""
        fields: Any = request
        given: str | None = getattr(request, "client_order_id", None)
        try:
            if self._journal is not None and given is not None:
                used = self._journal.used(fields.ctid_trader_account_id, given)
                if used is not None:
                    raise DuplicateOrder(given, used.status, used.order_id, used.position_id)
            return self._book.open(request, _now())
        except DuplicateOrder as error:
            known = self.find(error.client_order_id)
            if known is not None and known.tracked.account_id == fields.ctid_trader_account_id:
                error.order = known
            raise

    async def _write_down(self, tracked: TrackedOrder) -> None:
        if self._journal is None:
            return
        entry = OpenOrder(tracked.key, tracked.request, tracked.placed_at, tracked.mark)
        try:
            # An fsync takes from 1 ms to seconds: in a thread it holds up nobody else.
            await trio.to_thread.run_sync(self._journal.opened, entry, limiter=self._one_at_a_time)
            await trio.lowlevel.checkpoint_if_cancelled()  # the thread was not
        except OSError as error:
            reason = f"the journal cannot be written: {error}"
            self._discard(tracked, reason)
            raise NotSent(reason) from error
        except BaseException:
            self._discard(tracked, CANCELLED)
            raise

    async def _send(self, tracked: TrackedOrder) -> None:
        try:
            ticket = self._submit(tracked.request)
        except CTraderError as error:
            self._discard(tracked, str(error))
            await trio.lowlevel.checkpoint()  # who tries again and again must not stop the world
            if isinstance(error, ConnectionLost):
                raise NotSent(error.reason) from error
            raise
        self._tickets[tracked] = ticket
        self._book.sent(tracked, ticket.client_msg_id)

    async def _accepted(self, order: Order) -> None:
        try:
            await order.accepted()
        except trio.Cancelled:
            ticket = self._tickets.get(order.tracked)
            if ticket is not None and ticket.state is RequestState.QUEUED:
                self._withdraw(ticket)
                self._discard(order.tracked, CANCELLED)
            raise

    def _discard(self, tracked: TrackedOrder, reason: str) -> None:
        self._book.discard(tracked, reason)
        self._publish()

    def _adopt(self, left: OpenOrder) -> None:
        try:
            tracked = self._book.adopt(
                left.key, left.request, left.placed_at, left.mark, left.order_id, left.position_id
            )
        except (KeyError, LocalProtocolError) as error:
            log.warning("the journal's %s is left alone: %s", left.key, error)
            return
        self._handles[tracked] = Order(self._connections, tracked)
        self._publish()

    # --- what connections call ---

    def connected(self, submit: Submit, withdraw: Withdraw) -> None:
        """Requests may be placed."""
        self._submit, self._withdraw = submit, withdraw

    def receive(self, received: Iterable[Received], answered: Sequence[AnsweredRequest]) -> None:
        """Something came in, and these are the requests that it answers."""
        book = self._book
        sessions = book.sessions
        book.receive(received, answered)
        if book.sessions > sessions:
            self._doubts.set()
            for order in self._handles.values():
                if book.is_authorised(order.tracked.account_id):
                    order.follow(self._connections)
        if book.changed:
            self._publish()

    def link_lost(self, reason: str) -> None:
        """The connection has ended: tell everybody who waits what that means for them, at once."""
        self._submit = _nowhere
        self._connection += 1
        self._doubts.set()
        unwritten = frozenset(tracked for tracked in self._handles if self._unwritten(tracked))
        self._book.link_lost(reason, unwritten)
        self._publish()

    def _unwritten(self, tracked: TrackedOrder) -> bool:
        if tracked.status is not OrderStatus.WRITING:
            return False
        ticket = self._tickets.get(tracked)
        if ticket is None:
            return True  # it is just being written into the journal
        outcome = ticket.settled_as
        return isinstance(outcome, ConnectionLost) and not outcome.maybe_delivered

    def close(self, reason: str) -> None:
        """No connection will follow: whoever waits is told."""
        self._connections.closed = reason
        for order in self._handles.values():
            order.wake()

    def account_refused(self, account: int, reason: str) -> None:
        """The server does not authorise it any more: who waits for its orders is told."""
        over = ConnectionStatus(self._run, reason)
        for tracked, order in self._handles.items():
            if tracked.account_id == account:
                order.follow(over)

    async def restored(self, ask: Ask) -> None:
        """Ask about what is in doubt, for as long as the connection lives."""
        pauses, connection = iter(PAUSES), self._connection
        try:
            while connection == self._connection:
                accounts = self._book.accounts()
                for account in accounts:
                    await self._check(account, ask)
                if accounts and self._book.accounts():
                    await trio.sleep(next(pauses, PAUSES[-1]))
                else:
                    pauses = iter(PAUSES)
                    await self._doubts.wait()
                    self._doubts = trio.Event()
        except ConnectionLost:
            return  # `link_lost` says the rest

    async def _check(self, account: int, ask: Ask) -> None:
        # The age is not by the time in the journal: clocks are set, and a request may have been
        # queued for long after it was written down.
        age = trio.current_time() - self._began
        asking = check(self._book, account, _now(), age)
        answer: Message | None = None
        while True:
            try:
                question = asking.send(answer)
            except StopIteration:
                return
            finally:
                self._publish()
            try:
                answer = await ask(question)
            except ConnectionLost:
                raise
            except CTraderError as error:
                log.info("asked about orders in doubt: %s", error)
                answer = None

    # --- telling ---

    def _publish(self) -> None:
        """Write down, and tell those who wait, what has changed."""
        changed, self._book.changed = self._book.changed, {}
        for tracked in changed:
            order = self._handles.get(tracked)
            if order is None:
                continue
            self._note(tracked)
            if tracked.status is not OrderStatus.WRITING:
                self._tickets.pop(tracked, None)
            if tracked.to_ask:
                self._doubts.set()
            if tracked.settled:
                del self._handles[tracked]
                self._settled[tracked.key] = order
                if len(self._settled) > REMEMBERED:
                    self._settled.popitem(last=False)
            order.wake()
        self._book.changed.clear()

    def _note(self, tracked: TrackedOrder) -> None:
        """What is only of help after a restart is written without waiting for the disk."""
        if self._journal is None:
            return
        try:
            if tracked.ended:
                self._journal.ended(tracked.key, tracked.status.name)
            elif tracked.order_id is not None:
                self._journal.known(tracked.key, tracked.order_id, tracked.position_id)
        except OSError as error:
            log.warning("%s is not noted in the journal: %s", tracked.key, error)


def _now() -> int:
    """Our clock, in ms since the Unix epoch."""
    return time.time_ns() // 1_000_000


def _nowhere(request: Request[Any]) -> Ticket:
    raise ConnectionLost(f"{type(request).__name__}: there is no connection")


def _withdrawn(ticket: Ticket) -> None:
    raise LocalProtocolError(f"{ticket.client_msg_id} was queued on no connection")
