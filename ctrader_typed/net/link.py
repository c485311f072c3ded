"""One connection at work: a task that reads, one that writes, one that keeps it alive.

All its state lives as long as `run`. What to do about anything is asked of `wire`; knows no user
and no address. Reading and dispatching are one task: nothing in the dispatcher ever waits.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import trio

from ..errors import (
    ConnectionLost,
    CTraderError,
    LocalProtocolError,
    ReconnectAbandoned,
    RemoteProtocolError,
)
from ..message import Message, Request
from ..message.columns import Columns, layout_of
from ..orders.order_manager import OrderManager
from ..protocol.errors import RateLimited
from ..protocol.keepalive import Keepalive, KeepaliveAction
from ..protocol.message_roles import MessageRoles
from ..protocol.rate_limits import Limits, RateLimits
from ..protocol.request_tracker import AnsweredRequest, Event, RequestTracker, Ticket
from ..schema import Schema
from ..wire.connection import Carrier, Connection, Wire
from ..wire.envelope import BadPayload, Received, UnknownPayload
from .event_streams import EventHub
from .transport import Transport
from .wire_log import WireLog

R = TypeVar("R", bound=Message)

BatchObserver = Callable[[list[AnsweredRequest], list[Event], int], None]

_NOTHING: frozenset[type[Any]] = frozenset()

TOGETHER = 4_096
"""Bytes from which no further request joins a write. With 100 requests in flight a write for each
took most of the time. A WebSocket's messages are always written one by one.
"""

HUNG_UP = "the server closed the connection"
HUNG_UP_AT_ONCE = (
    f"{HUNG_UP} before it sent anything; if that is always so, the port takes something else: look "
    "at `wire` and `tls`"
)

log = logging.getLogger(__name__)


class Link:
    """A connection from the moment its transport is open to its end.

    `watch` sees each batch, answers and events and how many more were left unread, before anybody
    who waits for them runs.
    """

    def __init__(
        self,
        transport: Transport,
        schema: Schema,
        subscriptions: EventHub,
        orders: OrderManager,
        *,
        wire: Wire,
        heartbeat_interval: float,
        silence_limit: float,
        limits: RateLimits,
        lenient: bool = False,
        watch: BatchObserver | None = None,
    ) -> None:
        roles = MessageRoles(schema)
        self._transport = transport
        self._subscriptions = subscriptions
        self._orders = orders
        self._connection = Connection(schema, wire, lenient=lenient)
        self._wirelog = WireLog(Connection(schema, wire, lenient=lenient))
        id_prefix = f"{secrets.token_urlsafe(6)}."
        self._tracker = RequestTracker(schema, self._connection.send, id_prefix, limits)
        self._keepalive = Keepalive(trio.current_time(), heartbeat_interval, silence_limit)
        self._silence_limit = silence_limit
        self._sign_of_life = roles.sign_of_life
        self._heartbeat = self._connection.send(roles.heartbeat())
        self._heartbeat_due = False
        self._together = TOGETHER if wire.carrier is Carrier.BYTES else 1
        self._send_now = transport.send_now
        self._writer = trio.lowlevel.ParkingLot()
        self._idle = False
        self._begun = False
        self._broken: ConnectionLost | None = None
        self._unread = _NOTHING
        self._waiting: dict[Ticket, trio.lowlevel.Task] = {}
        self._reported: set[int] = set()
        self._watch = watch
        self._heard_at = trio.current_time()
        self._refusals = Counter[str]()
        self.ended: str | None = None
        """Why nothing goes through it any more; None while it does."""

    def limits(self) -> Limits:
        """What waits, is blocked, and may still leave."""
        return self._tracker.limits(trio.current_time())

    async def request(self, request: Request[R]) -> R:
        """Send a request and wait for its first answer.

        Cancelled before it is written, it is never sent; after that, its answer is swallowed. A
        read that was one too many is sent again when the server lets it; nothing else ever is.
        """
        answer: R = await self._answered(request, columns=False)
        return answer

    async def columns(self, request: Request[R]) -> Columns[R]:
        """`request` with the rows of the answer as columns."""
        if layout_of(self._tracker.answer_to(request)) is None:
            raise LocalProtocolError(
                f"the answer to {type(request).__name__} has no rows of numbers"
            )
        answer: Columns[R] = await self._answered(request, columns=True)
        return answer

    async def _answered(self, request: Request[Any], *, columns: bool) -> Any:
        while True:
            try:
                return await self._ask(request, columns=columns)
            except RateLimited as error:
                if not self._tracker.repeats(request):
                    raise
                self._log_refusal(error)

    def _log_refusal(self, error: RateLimited) -> None:
        """Reading history for hours means being refused again and again: logged at the first time,
        then at the tenth, the hundredth and so on, with the count.
        """
        name = type(error.request).__name__
        self._refusals[name] += 1
        count = self._refusals[name]
        if count == 1:
            log.warning("%s; it is asked again after the block, as often as it takes", error)
        elif str(count).strip("0") == "1":
            log.warning("%s was refused %d times on this connection: %s", name, count, error)

    def submit(self, request: Request[Any]) -> Ticket:
        """Queue a request for whoever follows its replies elsewhere; raises what `request` does."""
        now = trio.current_time()
        ticket = self._tracker.submit(request, now)
        # A request with none before it leaves at once: to wake the writer for it took a fifth of
        # its time. Several are gathered there, and leave together.
        if self._idle and self._send_now is not None and not self._tracker.in_flight:
            self._write_now(self._send_now, now)
        else:
            self._wake_writer()
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Nobody waits for a ticket of `submit` any more: if it is still queued, it is not sent."""
        self._tracker.cancel(ticket)

    async def _ask(self, request: Request[Any], *, columns: bool) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            ticket = self.submit(request)
            if columns:
                self._connection.in_columns(ticket.client_msg_id)
        except CTraderError:
            await trio.lowlevel.checkpoint()  # who tries again and again must not stop the world
            raise

        def abandon(_: Any) -> trio.lowlevel.Abort:
            del self._waiting[ticket]
            self._tracker.cancel(ticket)
            return trio.lowlevel.Abort.SUCCEEDED

        self._waiting[ticket] = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abandon)
        return ticket.result()

    async def run(self, *beside: Callable[[], Awaitable[object]]) -> CTraderError:
        """Work until the connection ends, or until cancelled, and close the transport.

        What is `beside` runs for as long, and may end it with ConnectionLost. Whoever waits is told
        at once. Returns why it ended, or is cancelled, in two seconds, however the peer behaves.
        """
        end: CTraderError = ConnectionLost("the connection was closed by this client")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                nursery.start_soon(self._write)
                nursery.start_soon(self._keep_alive)
                nursery.start_soon(self._orders.restored, self.request)
                for task in beside:
                    nursery.start_soon(task)
        except* (ConnectionLost, RemoteProtocolError) as ended:
            end = _gravest(ended)
        finally:
            self.ended = reason = str(end)
            log.info("link ended: %s", reason)
            # First, for whoever is told of the others asks next whether all events come.
            self._subscriptions.lost(self._heard_at, reason)
            self._wake(self._tracker.lose(reason))
            self._orders.link_lost(reason)
            await self._transport.aclose()
        return end

    async def _read(self) -> None:
        connection = self._connection
        hung_up = HUNG_UP_AT_ONCE
        while connection.broken is None:
            data = await self._transport.receive()
            self._heard_at = trio.current_time()
            self._keepalive.heard(self._heard_at)
            self._leave_unread()
            before = connection.skipped
            received = connection.receive_data(data)
            self._dispatch(received, connection.skipped - before)
            if data == b"":
                raise ConnectionLost(hung_up)
            hung_up = HUNG_UP
        raise connection.broken

    def _leave_unread(self) -> None:
        """What nobody would see need not be read: most of what an idle program gets is quotes."""
        unwanted = _NOTHING if self._wirelog.listens() else self._subscriptions.unwanted
        if unwanted is not self._unread:
            self._unread = unwanted
            self._connection.leave_unread(unwanted)

    def _dispatch(self, received: list[Received], unread: int) -> None:
        self._wirelog.received(received)
        batch = self._tracker.receive(received, trio.current_time())
        self._orders.receive(received, batch.answered)
        if self._watch is not None:
            self._watch(batch.answered, batch.events, unread)
        self._wake(batch.settled)
        self._subscriptions.publish(batch.events)
        for payload in batch.unreadable:
            self._report(payload)

    def _wake(self, settled: list[Ticket]) -> None:
        for ticket in settled:
            task = self._waiting.pop(ticket, None)
            if task is not None:  # nobody waits for our own questions
                trio.lowlevel.reschedule(task)

    def _report(self, payload: UnknownPayload | BadPayload) -> None:
        """Once for each payload type, and by number only: the bytes may hold a secret."""
        if payload.payload_type in self._reported:
            return
        self._reported.add(payload.payload_type)
        what = "unknown" if isinstance(payload, UnknownPayload) else "undecodable"
        log.warning("%s payload of type %d, passed on as an event", what, payload.payload_type)

    async def _write(self) -> None:
        """The only sender: heartbeats first, then requests as their lanes allow.

        After a pause the first goes alone: if it is stuck, those behind it have not been sent.
        """
        tracker, room = self._tracker, 1
        while True:
            now = trio.current_time()
            if self._broken is not None:
                raise self._broken
            if self._begun:
                self._begun = False
                await self._send(b"")
                tracker.written(trio.current_time())
            elif self._heartbeat_due:
                self._heartbeat_due = False
                await self._send(self._heartbeat)
            elif frames := self._leaving(now, room):
                await self._send(frames)
                tracker.written(trio.current_time())
                room = self._together
            else:
                room = 1
                at = tracker.next_at(now)
                self._idle = at is None
                try:
                    with trio.CancelScope(deadline=math.inf if at is None else at):
                        await self._writer.park()
                finally:
                    self._idle = False

    def _leaving(self, now: float, room: int) -> bytes:
        """The frames of requests that may leave now, as far as they are written together."""
        tracker = self._tracker
        frames: list[bytes] = []
        size = 0
        while size < room and (frame := tracker.pop(now)) is not None:
            frames.append(frame)
            size += len(frame)
        return b"".join(frames)

    def _wake_writer(self) -> None:
        self._idle = False
        self._writer.unpark_all()

    def _write_now(self, send: Callable[[bytes], bool], now: float) -> None:
        """In place of the writer, which has nothing to do; what is left over is for it."""
        frame = self._tracker.pop(now)
        if frame is None:  # its lane is full: the writer knows when it is not
            self._wake_writer()
            return
        self._wirelog.sent(frame)
        try:
            self._begun = not send(frame)
        except ConnectionLost as error:
            self._broken = error
        else:
            self._tracker.written(now)
        if self._begun or self._broken is not None:
            self._wake_writer()

    async def _send(self, frame: bytes) -> None:
        if frame:  # none is the rest of one that was begun
            self._wirelog.sent(frame)
        # A peer that takes nothing lets no heartbeat through either, and would drop us in the end.
        with trio.move_on_after(self._silence_limit) as stalled:
            await self._transport.send(frame)
        if stalled.cancelled_caught:
            raise ConnectionLost(f"the server has taken no bytes for {self._silence_limit:g} s")

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep_until(self._keepalive.wake_at())
            beat = self._keepalive.due(trio.current_time())
            if beat is KeepaliveAction.HEARTBEAT:
                self._heartbeat_due = True
                self._wake_writer()
            elif beat is KeepaliveAction.ASK:
                self._tracker.submit(self._sign_of_life(), trio.current_time(), urgent=True)
                self._wake_writer()
            elif beat is KeepaliveAction.SILENT:
                raise ConnectionLost(f"no byte from the server for {self._silence_limit:g} s")


def _gravest(group: BaseExceptionGroup[CTraderError]) -> CTraderError:
    """Of all that happened at once: what forbids another attempt, or else what came first."""
    errors = list(_leaves(group))
    return next((error for error in errors if isinstance(error, ReconnectAbandoned)), errors[0])


def _leaves(group: BaseExceptionGroup[CTraderError]) -> Iterator[CTraderError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
