"""Requests and what becomes of them: the client's side of the conversation, as a table.

Pure: knows no time, no task and no transport. Whoever drives it writes what `pop` gives, hands it
what came in, and wakes whoever waits for a ticket that is settled.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias

from ..errors import ConnectionLost, LocalProtocolError
from ..message import Message, Request
from ..schema import Schema
from .envelope import BadPayload, Envelope, Received, UnknownPayload
from .roles import Roles
from .verdict import judge

Event: TypeAlias = Message | UnknownPayload | BadPayload
"""What subscribers can ask for."""


class State(Enum):
    """Where a request is in its life."""

    QUEUED = auto()
    """Not one byte of it has left."""
    SENT = auto()
    """It was handed to the transport, and somebody waits for the answer."""
    ABANDONED = auto()
    """It was handed to the transport, and nobody waits any more."""
    DONE = auto()
    """Answered, or never to be. Further replies can follow to a trading request."""


class Happening(Enum):
    """What can happen to it."""

    WRITE = auto()
    REPLY = auto()
    CANCEL = auto()
    LINK_LOST = auto()


LIFE: Mapping[tuple[State, Happening], State] = {
    (State.QUEUED, Happening.WRITE): State.SENT,
    (State.QUEUED, Happening.CANCEL): State.DONE,
    (State.QUEUED, Happening.LINK_LOST): State.DONE,
    (State.SENT, Happening.REPLY): State.DONE,
    (State.SENT, Happening.CANCEL): State.ABANDONED,
    (State.SENT, Happening.LINK_LOST): State.DONE,
    (State.ABANDONED, Happening.REPLY): State.DONE,
    (State.ABANDONED, Happening.LINK_LOST): State.DONE,
    (State.DONE, Happening.REPLY): State.DONE,
}
"""The life of a request. What is not here must not happen."""

KEPT = 10_000
"""Answered trading requests that later events are still matched to, the youngest ones."""


class Ticket:
    """One request on one connection."""

    __slots__ = ("client_msg_id", "expected", "frame", "request", "settled_as", "state")

    def __init__(
        self, request: Message, expected: type[Message], client_msg_id: str, frame: bytes
    ) -> None:
        self.request = request
        self.expected = expected
        self.client_msg_id = client_msg_id
        self.frame = frame
        self.state = State.QUEUED
        self.settled_as: Message | Exception | None = None

    def step(self, happening: Happening) -> State:
        """Move on, and return where it was; LocalProtocolError where the table has no way."""
        before = self.state
        after = LIFE.get((before, happening))
        if after is None:
            raise LocalProtocolError(
                f"{happening.name} cannot happen to a request that is {before.name}"
            )
        self.state = after
        return before

    def result(self) -> Any:
        """The answer; raises what came instead of it."""
        if isinstance(self.settled_as, Exception):
            raise self.settled_as
        return self.settled_as


@dataclass(frozen=True, slots=True)
class Sorted:
    """What one batch of received values amounts to."""

    settled: list[Ticket] = field(default_factory=list[Ticket])
    """Tickets whose result is now known, for whoever waits."""
    events: list[Event] = field(default_factory=list[Event])
    """What subscribers may see, in the order in which it came."""
    unreadable: list[UnknownPayload | BadPayload] = field(
        default_factory=list[UnknownPayload | BadPayload]
    )
    """Those of the events that we could not read."""
    trading: list[tuple[Ticket, Received]] = field(default_factory=list[tuple[Ticket, Received]])
    """Replies to trading requests, the first and all that follow, each with its request."""


class Exchange:
    """All requests of one connection.

    `encode` makes the frame of a request with its id. Ids are `id_prefix` and a count: never used
    twice here, and with a prefix of its own for each connection never mistaken for another's
    (servers do send the ids of other connections with the events of a shared account).
    """

    def __init__(
        self, schema: Schema, encode: Callable[[Message, str], bytes], id_prefix: str
    ) -> None:
        self._schema = schema
        self._roles = Roles(schema)
        self._encode = encode
        self._id_prefix = id_prefix
        self._count = 0
        self._queue: deque[Ticket] = deque()
        self._sent: dict[str, Ticket] = {}
        self._answered: OrderedDict[str, Ticket] = OrderedDict()
        self._lost: str | None = None

    # --- out ---

    def submit(self, request: Request[Any]) -> Ticket:
        """Queue a request, encoded as it is now.

        Raises EncodeError if it cannot be written, LocalProtocolError if it is no request of this
        schema, ConnectionLost if the link has ended; then nothing is queued.
        """
        if self._lost is not None:
            raise ConnectionLost(self._lost)
        expected = self._schema.responses.get(type(request))
        if expected is None:
            raise LocalProtocolError(
                f"{type(request).__name__} is no request of release {self._schema.release}, "
                "or one of another package"
            )
        self._count += 1
        client_msg_id = f"{self._id_prefix}{self._count:x}"
        ticket = Ticket(request, expected, client_msg_id, self._encode(request, client_msg_id))
        self._queue.append(ticket)
        return ticket

    def pop(self) -> bytes | None:
        """The frame to write next, whose request then counts as sent; None if there is none."""
        if not self._queue:
            return None
        ticket = self._queue.popleft()
        ticket.step(Happening.WRITE)
        self._sent[ticket.client_msg_id] = ticket
        frame, ticket.frame = ticket.frame, b""
        return frame

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for it any more: it is not sent, or its answer is swallowed."""
        if ticket.step(Happening.CANCEL) is State.QUEUED:
            self._queue.remove(ticket)

    # --- in ---

    def receive(self, received: Iterable[Received]) -> Sorted:
        """Match replies to requests, and sort out what is an event.

        An answer or a refusal is seen only by who asked. Execution and order error events are
        events as well, always: an order's fate is never lost, even if whoever asked has gone. So is
        whatever we cannot explain.
        """
        batch = Sorted()
        events = batch.events
        for value in received:
            client_msg_id = value.client_msg_id
            if client_msg_id is not None:
                ticket = self._ticket(client_msg_id)
                if ticket is not None and self._reply(ticket, value, batch):
                    continue
            if isinstance(value, Envelope):
                events.append(value.message)
            else:
                events.append(value)
                batch.unreadable.append(value)
        return batch

    def _ticket(self, client_msg_id: str) -> Ticket | None:
        ticket = self._sent.pop(client_msg_id, None)
        return self._answered.get(client_msg_id) if ticket is None else ticket

    def _reply(self, ticket: Ticket, reply: Received, batch: Sorted) -> bool:
        """Move the ticket on; True if nobody but who asked may see the reply."""
        before = ticket.step(Happening.REPLY)
        trading = ticket.expected is self._roles.execution
        if before is State.SENT:
            ticket.settled_as = judge(self._roles, ticket.request, ticket.expected, reply)
            batch.settled.append(ticket)
        if trading:
            batch.trading.append((ticket, reply))
            self._keep(ticket)
            if before is not State.SENT:
                return False
        if not isinstance(reply, Envelope):
            return False
        kind = type(reply.message)
        return kind in self._roles.refusals or (kind is ticket.expected and not trading)

    def _keep(self, ticket: Ticket) -> None:
        self._answered[ticket.client_msg_id] = ticket
        if len(self._answered) > KEPT:
            self._answered.popitem(last=False)

    # --- the end ---

    def lose(self, reason: str) -> list[Ticket]:
        """The link has ended: the tickets that somebody waits for, settled as ConnectionLost."""
        self._lost = reason
        settled: list[Ticket] = []
        for ticket in (*self._sent.values(), *self._queue):
            before = ticket.step(Happening.LINK_LOST)
            if before is not State.ABANDONED:
                ticket.settled_as = ConnectionLost(reason, before is State.SENT)
                settled.append(ticket)
        self._sent.clear()
        self._queue.clear()
        return settled
