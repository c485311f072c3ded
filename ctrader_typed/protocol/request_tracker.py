"""Requests and what becomes of them: the client's side of the conversation, as a table.

Pure: knows no task and no transport, and time is an argument: seconds of any clock that does not
run backwards. Whoever drives it writes what `pop` gives, hands it what came in, and wakes whoever
waits for a ticket that is settled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias

from ..errors import ConnectionLost, CTraderError, LocalProtocolError
from ..message import Message, Request
from ..message.columns import Columns
from ..message.json_format import refuse_unknown_keys
from ..schema import Schema
from ..wire.columnar import ColumnsEnvelope
from ..wire.envelope import BadPayload, Envelope, Received, UnknownPayload
from .errors import RateLimited
from .message_roles import MessageRoles
from .rate_limits import NO_LIMITS, Limits, RateLimits, repeatable_requests
from .reply_outcome import WHOLE_LANE_CODES, judge
from .request_queue import RequestQueue

Event: TypeAlias = Message | UnknownPayload | BadPayload
"""What subscribers can ask for."""


class RequestState(Enum):
    """Where a request is in its life."""

    __hash__ = (
        object.__hash__
    )  # Enum's own is written in Python: REQUEST_TRANSITIONS is asked for each reply

    QUEUED = auto()
    """Not one byte of it has left."""
    SENT = auto()
    """It was handed to the transport, and somebody waits for the answer."""
    ABANDONED = auto()
    """It was handed to the transport, and nobody waits any more."""
    DONE = auto()
    """Answered, or never to be."""


class RequestTransition(Enum):
    """What can happen to it."""

    __hash__ = object.__hash__

    WRITE = auto()
    REPLY = auto()
    CANCEL = auto()
    LINK_LOST = auto()


REQUEST_TRANSITIONS: Mapping[tuple[RequestState, RequestTransition], RequestState] = {
    (RequestState.QUEUED, RequestTransition.WRITE): RequestState.SENT,
    (RequestState.QUEUED, RequestTransition.CANCEL): RequestState.DONE,
    (RequestState.QUEUED, RequestTransition.LINK_LOST): RequestState.DONE,
    (RequestState.SENT, RequestTransition.REPLY): RequestState.DONE,
    (RequestState.SENT, RequestTransition.CANCEL): RequestState.ABANDONED,
    (RequestState.SENT, RequestTransition.LINK_LOST): RequestState.DONE,
    (RequestState.ABANDONED, RequestTransition.REPLY): RequestState.DONE,
    (RequestState.ABANDONED, RequestTransition.LINK_LOST): RequestState.DONE,
}
"""The life of a request. What is not here must not happen."""


class Ticket:
    """One request on one connection."""

    __slots__ = ("client_msg_id", "expected", "frame", "request", "sent_at", "settled_as", "state")

    def __init__(
        self, request: Message, expected: type[Message], client_msg_id: str, frame: bytes
    ) -> None:
        self.request = request
        self.expected = expected
        self.client_msg_id = client_msg_id
        self.frame = frame
        self.state = RequestState.QUEUED
        self.sent_at = 0.0
        self.settled_as: Message | Columns[Any] | Exception | None = None

    def step(self, transition: RequestTransition) -> RequestState:
        """Move on, and return where it was; LocalProtocolError where the table has no way."""
        before = self.state
        after = REQUEST_TRANSITIONS.get((before, transition))
        if after is None:
            raise LocalProtocolError(
                f"{transition.name} cannot happen to a request that is {before.name}"
            )
        self.state = after
        return before

    def result(self) -> Any:
        """The answer; raises what came instead of it."""
        if isinstance(self.settled_as, Exception):
            raise self.settled_as
        return self.settled_as


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request and its first answer, whether or not somebody still waits for it."""

    request: Message
    outcome: Message | CTraderError
    latency: float
    """Seconds between the two."""
    events_before: int
    """How many events of the batch came before the answer."""
    reply: Received | None = None
    """What was judged; None where that is of no interest."""


@dataclass(slots=True)  # not frozen: there is one for each receive, and its making would take twice
class SortedBatch:
    """What one batch of received values amounts to."""

    settled: list[Ticket] = field(default_factory=list[Ticket])
    """Tickets whose result is now known, for whoever waits."""
    answered: list[AnsweredRequest] = field(default_factory=list[AnsweredRequest])
    """All requests that got their first answer, in order."""
    events: list[Event] = field(default_factory=list[Event])
    """What subscribers may see, in the order in which it came."""
    unreadable: list[UnknownPayload | BadPayload] = field(
        default_factory=list[UnknownPayload | BadPayload]
    )
    """Those of the events that we could not read."""


class Verdicts:
    """What replies mean for trading requests; those of `answered` are not judged again."""

    def __init__(self, roles: MessageRoles) -> None:
        self._roles = roles
        self._answered: dict[int, AnsweredRequest] = {}  # by the identity of what was said

    def take(self, answered: Iterable[AnsweredRequest]) -> None:
        """The answers of a batch, in place of those of the one before."""
        self._answered = {
            id(_said(answer.reply)): answer for answer in answered if answer.reply is not None
        }

    def on(self, request: Message, reply: Received) -> Message | CTraderError:
        """The verdict on a reply to this request."""
        answer = self._answered.get(id(_said(reply)))
        if answer is not None and answer.request is request:
            return answer.outcome
        return judge(self._roles, request, self._roles.execution, reply)


def _said(reply: Received | None) -> object:
    """The message of an envelope, or a payload that cannot be read."""
    return reply.message if isinstance(reply, Envelope) else reply


class RequestTracker:
    """All requests of one connection.

    `encode` makes the frame of a request with its id. Ids are `id_prefix` and a count: never used
    twice here, and with a prefix of its own for each connection never mistaken for another's
    (servers do send the ids of other connections with the events of a shared account). `limits` is
    what the server allows: requests wait in its lanes.
    """

    def __init__(
        self,
        schema: Schema,
        encode: Callable[[Message, str], bytes],
        id_prefix: str,
        limits: RateLimits = NO_LIMITS,
    ) -> None:
        self._schema = schema
        self._roles = MessageRoles(schema)
        self._encode = encode
        self._id_prefix = id_prefix
        self._count = 0
        self._queue: RequestQueue[Ticket] = RequestQueue(schema, limits)
        self._repeatable = repeatable_requests(schema)
        self._refused: dict[type[Message], RateLimited] = {}
        self._sent: dict[str, Ticket] = {}
        self._lost: str | None = None

    # --- out ---

    def submit(self, request: Request[Any], now: float, *, urgent: bool = False) -> Ticket:
        """Queue a request, encoded as it is now; `urgent` puts it before the others.

        Raises EncodeError if it cannot be written, or is a trading request with a key that no field
        has; LocalProtocolError if it is no request of this
        schema, ConnectionLost if the link has ended, RateLimited if it is a trading request of a
        kind that the server has blocked for now; then nothing is queued.
        """
        if self._lost is not None:
            raise ConnectionLost(self._lost)
        expected = self.answer_to(request)
        self._check_block(request, now)
        if expected is self._roles.execution:
            refuse_unknown_keys(request)
        self._count += 1
        client_msg_id = f"{self._id_prefix}{self._count:x}"
        ticket = Ticket(request, expected, client_msg_id, self._encode(request, client_msg_id))
        self._queue.submit(type(request), ticket, urgent=urgent)
        return ticket

    def _check_block(self, request: Message, now: float) -> None:
        """An order that left when the block is over would be another one: it is refused here."""
        until = self._queue.blocked(type(request), now)
        if until is not None:
            said = self._refused[type(request)]
            seconds = math.ceil(until - now)
            raise RateLimited(said.code, said.description, request, said.reply, seconds)

    def answer_to(self, request: Request[Any]) -> type[Message]:
        """The class of its answer; LocalProtocolError if it is no request of this schema."""
        expected = self._schema.responses.get(type(request))
        if expected is None:
            raise LocalProtocolError(
                f"{type(request).__name__} is no request of release {self._schema.release}, "
                "or one of another package"
            )
        return expected

    def pop(self, now: float) -> bytes | None:
        """The frame to write next, whose request then counts as sent; None if none may be now."""
        ticket = self._queue.pop(now)
        if ticket is None:
            return None
        ticket.step(RequestTransition.WRITE)
        ticket.sent_at = now
        self._sent[ticket.client_msg_id] = ticket
        frame, ticket.frame = ticket.frame, b""
        return frame

    @property
    def in_flight(self) -> bool:
        """Whether an answer to anything is still to come."""
        return bool(self._sent)

    def next_at(self, now: float) -> float | None:
        """When `pop` has something again, not before `now`; None if nothing waits."""
        return self._queue.next_at(now)

    def written(self, now: float) -> None:
        """What `pop` gave since the last call has left altogether."""
        self._queue.written(now)

    def limits(self, now: float) -> Limits:
        """What waits, is blocked, and may still leave."""
        return self._queue.view(now)

    def repeats(self, request: Message) -> bool:
        """Whether a request that was one too many may be submitted again: reads may."""
        return type(request) in self._repeatable

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for it any more: it is not sent, or its answer is swallowed."""
        if ticket.step(RequestTransition.CANCEL) is RequestState.QUEUED:
            self._queue.remove(type(ticket.request), ticket)

    # --- in ---

    def receive(self, received: Iterable[Received], now: float) -> SortedBatch:
        """Match replies to requests, and sort out what is an event.

        An answer or a refusal is seen only by who asked. Execution and order error events are
        events as well, always: an order's fate is never lost, even if whoever asked has gone. So is
        whatever we cannot explain.
        """
        batch = SortedBatch()
        events = batch.events
        for value in received:
            client_msg_id = value.client_msg_id
            if client_msg_id is not None:
                ticket = self._sent.pop(client_msg_id, None)
                if ticket is not None and self._reply(ticket, value, batch, now):
                    continue
            if isinstance(value, Envelope):
                events.append(value.message)
            else:
                events.append(value)
                batch.unreadable.append(value)
        return batch

    def _reply(self, ticket: Ticket, reply: Received, batch: SortedBatch, now: float) -> bool:
        """Settle the ticket; True if nobody but who asked may see the reply."""
        before = ticket.step(RequestTransition.REPLY)
        request = ticket.request
        outcome = judge(self._roles, request, ticket.expected, reply)
        latency = now - ticket.sent_at
        batch.answered.append(AnsweredRequest(request, outcome, latency, len(batch.events), reply))
        self._pace(ticket, outcome, now)
        trading = ticket.expected is self._roles.execution
        if before is RequestState.SENT:
            columns = reply.columns if isinstance(reply, ColumnsEnvelope) else None
            ticket.settled_as = outcome if columns is None else columns
            batch.settled.append(ticket)
        elif trading:
            return False
        if not isinstance(reply, Envelope):
            return False
        kind = type(reply.message)
        return kind in self._roles.refusals or (kind is ticket.expected and not trading)

    def _pace(self, ticket: Ticket, outcome: Message | CTraderError, now: float) -> None:
        """Back off after a refusal for being one too many; anything else is a sign to go on."""
        kind = type(ticket.request)
        if isinstance(outcome, RateLimited):
            whole_lane = outcome.code in WHOLE_LANE_CODES
            self._refused[kind] = outcome
            self._queue.refused(kind, ticket.sent_at, now, outcome.retry_after, whole_lane)
        else:
            self._queue.passed(kind, ticket.sent_at)

    # --- the end ---

    def lose(self, reason: str) -> list[Ticket]:
        """The link has ended: the tickets that somebody waits for, settled as ConnectionLost."""
        self._lost = reason
        settled: list[Ticket] = []
        for ticket in (*self._sent.values(), *self._queue.clear()):
            before = ticket.step(RequestTransition.LINK_LOST)
            if before is not RequestState.ABANDONED:
                ticket.settled_as = ConnectionLost(reason, before is RequestState.SENT)
                settled.append(ticket)
        self._sent.clear()
        return settled
