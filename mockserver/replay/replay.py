"""A recorded session as a server: it expects the client's messages and sends the rest.

The client's messages must come as recorded, in the recorded order or in any; heartbeats are no
steps. The first message that does not fit ends the conversation, unless somebody else takes what
the session lacks; `Outcome` says what happened. A behaviour, so pure.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Protocol

from ctrader_typed.message import Message
from ctrader_typed.schema import Schema

from ..errors import MockServerError, SessionDiverged
from ..handler import (
    Action,
    BadPayload,
    ClientConnection,
    Close,
    Envelope,
    Event,
    Send,
    SendPayload,
    UnknownPayload,
)
from ..recordings.placeholders import Payload, fill, known
from ..recordings.session_file import Order, Record, Session
from ..recordings.templates import FIRST_FRESH, Made
from .matching import Difference, differences
from .report import Candidate, Divergence, Outcome
from .step_order import requests, step_order

HEARTBEAT = 51
"""The payload type of ProtoHeartbeatEvent: it means nothing in any conversation."""

STEP = math.inf
"""The pace at which nothing is sent before it is released."""

_IDLE = 10.0  # seconds without a message after which the server sends a heartbeat
_LINGER = 2.0  # seconds that a client may stay when all is played, before the server hangs up
_REMEMBERED = 1000
_BATCH = 1000  # steps played at once: the engine decides when there is room for more
_CANDIDATES = 3
_NOTHING: Payload = {}


class NotStepwise(MockServerError, RuntimeError):
    """The session is not played step by step: nothing waits to be released."""


class MissingStepHandler(Protocol):
    """Who takes what the session lacks. Its answers reach the client without the script."""

    failed: str | None
    """Why it no longer does."""

    def replayed(self, event: Envelope) -> None:
        """The session has answered this one."""
        ...

    def take(self, event: Event) -> None:
        """The session lacks this one."""
        ...

    def close(self) -> None:
        """The client is gone."""
        ...


class Replay:
    """Plays a session to everybody who calls, from its first line: give it to `mock_server`.

    `pace` is how many seconds of the server's clock a second of the session takes: 1 as recorded,
    0.1 ten times as fast, 0 without waiting; with `STEP` each message of the server waits until it
    is released. `order` is the session's unless it is given. `epoch` is the Unix time in seconds
    at zero of the server's clock, for templates: the present unless it is given.
    """

    def __init__(
        self,
        session: Session,
        *,
        pace: float = 0.0,
        order: Order | str | None = None,
        epoch: float | None = None,
    ) -> None:
        self.session = session
        self.pace = pace
        self.order = session.order if order is None else Order(order)
        self._epoch = time.time() if epoch is None else epoch
        self._numbers = count(FIRST_FRESH)
        self._released = 0  # messages of the next connection
        self._scripts: dict[int, tuple[ReplayHandler, ClientConnection]] = {}

    def __call__(self, client: ClientConnection) -> ReplayHandler:
        """The behaviour of a connection."""
        return self.play(client, self.session, self.order)

    def play(
        self,
        client: ClientConnection,
        session: Session,
        order: Order,
        beyond: MissingStepHandler | None = None,
    ) -> ReplayHandler:
        """The behaviour of a connection on which this session is played."""
        script = ReplayHandler(
            session,
            pace=self.pace,
            client=client.number,
            order=order,
            made=Made(self._numbers),
            epoch=self._epoch,
            beyond=beyond,
        )
        script.release(self._released)
        self._released = 0
        self._scripts[client.number] = (script, client)
        if len(self._scripts) > _REMEMBERED:
            del self._scripts[next(iter(self._scripts))]
        return script

    def release(self, messages: int = 1) -> None:
        """Let the next so many messages of the server go, on each connection that stands.

        Where none does they may go on the next one. Raises NotStepwise if the pace is not STEP.
        """
        if self.pace != STEP:
            raise NotStepwise(f"{self.session.name}: nothing to release: the pace is not STEP")
        standing = [each for each in self._scripts.values() if not each[0].outcome.ended]
        for script, client in standing:
            script.release(messages)
            client.push(())
        if not standing:
            self._released += messages

    def outcome(self, client: int) -> Outcome | None:
        """How it stands on that connection; None if it is not known or long forgotten."""
        found = self._scripts.get(client)
        return None if found is None else found[0].outcome

    @property
    def outcomes(self) -> list[Outcome]:
        """How it stands on each connection on which something was played; the last thousand."""
        outcomes = (script.outcome for script, _ in self._scripts.values())
        return [outcome for outcome in outcomes if outcome.begun]

    def check(self) -> None:
        """Raise SessionDiverged, with the report, unless somebody played and all played well."""
        from .report import report  # noqa: PLC0415 - it is about what this module found

        outcomes = self.outcomes
        if not outcomes:
            raise SessionDiverged(f"{self.session.name}: nobody played the session.")
        bad = [outcome for outcome in outcomes if not outcome.good]
        if bad:
            raise SessionDiverged("\n\n".join(report(outcome) for outcome in bad))


class ReplayHandler:
    """The session on one connection."""

    def __init__(
        self,
        session: Session,
        *,
        pace: float = 0.0,
        client: int = 1,
        order: Order = Order.STRICT,
        made: Made | None = None,
        epoch: float = 0.0,
        beyond: MissingStepHandler | None = None,
    ) -> None:
        self._session = session
        self._client = client
        self._order = order
        self._made = Made(count(FIRST_FRESH)) if made is None else made
        self._epoch = epoch
        self._beyond = beyond
        self._steps = [r for r in session.records if not (r.by_client and _is_heartbeat(r))]
        self._requests = requests(self._steps)
        self._step_order = step_order(order, self._steps, 0.0 if pace == STEP else pace)
        self._stepwise = pace == STEP
        self._released: float = 0 if pace == STEP else math.inf
        self._came: dict[int, tuple[str | None, Payload]] = {}  # what the client sent, by line
        self._added = 0
        self._spoke = 0.0  # when the server last sent anything
        self._leave_at: float | None = None
        self._divergence: Divergence | None = None
        self._closed = False

    def release(self, messages: int) -> None:
        """Let so many more messages go."""
        self._released += messages

    # --- the behaviour ----------------------------------------------------------------------------

    def opened(self, now: float) -> Iterable[Action]:
        """Send what comes before the client's first message."""
        self._spoke = now
        self._step_order.began(now)
        return self._play(now)

    def received(self, event: Event, now: float) -> Iterable[Action]:
        """Match the message with those that are expected, and go on."""
        if self._divergence is not None or _payload_type(self._session.schema, event) == HEARTBEAT:
            return
        step = next((each for each in self._step_order.expected if self._fits(each, event)), None)
        if step is not None:
            self._note(step, event)
            self._step_order.came(step, now)
            yield from self._play(now)
        elif self._beyond is not None:
            self._added += 1
            self._beyond.take(event)
        else:
            self._divergence = self._diverged(event)
            yield from self._refuse(event, self._divergence)

    def wake_at(self) -> float | None:
        """When the next message is due, or a heartbeat, or it is time to hang up."""
        if self._divergence is not None:
            return None
        at = self._next_at()
        idle = self._spoke + _IDLE
        return idle if at is None else min(at, idle)

    def wake(self, now: float) -> Iterable[Action]:
        """Send what is due, or a heartbeat: after a long silence a client would give up."""
        if self._leave_at is not None and now >= self._leave_at:
            return [Close("the session is over")]
        at = self._next_at()
        if at is None or at > now:
            self._spoke = now
            return [Send(self._heartbeat())]
        return self._play(now)

    def closed(self, now: float) -> None:
        """The client is gone: what is not played yet never will be."""
        self._closed = True
        if self._beyond is not None:
            self._beyond.close()

    @property
    def outcome(self) -> Outcome:
        """How it stands."""
        left = self._step_order.left
        return Outcome(
            session=self._session,
            client=self._client,
            played=len(self._steps) - len(left),
            steps=len(self._steps),
            heard=len(self._came),
            divergence=self._divergence,
            unplayed=tuple(r for r in left if not _is_heartbeat(r)),
            ended=self._closed,
            added=None if self._beyond is None else self._added,
            stepwise=self._stepwise,
            failed=None if self._beyond is None else self._beyond.failed,
        )

    # --- playing ----------------------------------------------------------------------------------

    def _next_at(self) -> float | None:
        """When the next step can be played, as far as time decides it."""
        if self._leave_at is not None:
            return self._leave_at
        return self._step_order.due() if self._released > 0 else None

    def _play(self, now: float) -> Iterator[Action]:
        """Play the steps whose time has come."""
        self._made.now_ms = round((self._epoch + now) * 1000)
        for _ in range(_BATCH):
            due = self._step_order.due()
            if due is None or due > now or self._released <= 0:
                break
            self._released -= 1
            self._spoke = now
            yield self._sent(self._step_order.take(now))
        if self._leave_at is None and self._beyond is None and not self._step_order.left:
            self._leave_at = now + _LINGER

    def _heartbeat(self) -> Message:
        return self._session.schema.by_payload_type[HEARTBEAT]()

    def _note(self, step: Record, event: Event) -> None:
        """Remember a request for the replies to it."""
        payload = event.message.to_dict() if isinstance(event, Envelope) else {}
        self._came[step.line] = (event.client_msg_id, payload)
        if self._beyond is not None and isinstance(event, Envelope):
            self._beyond.replayed(event)

    def _sent(self, step: Record) -> Action:
        actual, request = step.client_msg_id, _NOTHING
        if (asked := self._requests.get(step.line)) is not None:
            actual, request = self._came[asked.line]
        if step.cls is None or step.wire is not None:
            return SendPayload(step.payload_type, step.wire or b"", actual)
        return Send(fill(step.cls, step.payload, request, self._made), actual)

    # --- when the client does something else ------------------------------------------------------

    def _fits(self, step: Record, event: Event) -> bool:
        return not isinstance(event, BadPayload) and self._mismatch(step, event) is None

    def _mismatch(self, step: Record, event: Event) -> list[Difference] | None:
        """How an event differs from a step; None if it does not, empty if nothing compares."""
        if isinstance(event, BadPayload):
            return []
        if isinstance(event, UnknownPayload):
            same = event.payload_type == step.payload_type
            return None if same and event.payload == (step.wire or event.payload) else []
        message: Message = event.message
        if step.cls is not type(message):
            return []
        payload = known(step.cls, step.payload, self._made.fresh)
        return differences(step.cls, payload, message, step.ignore) or None

    def _refuse(self, event: Event, divergence: Divergence) -> Iterator[Action]:
        """Tell the client, so that it need not wait for an answer in vain."""
        error: Any = self._session.schema.by_name.get("ProtoOAErrorRes")
        if error is not None:
            wanted = "nothing more" if divergence.expected is None else divergence.expected.name
            text = f"The session {self._session.name} expected {wanted} here"
            if self._order is Order.ANY:
                text = f"The session {self._session.name} has no answer to this"
            yield Send(error(error_code="INVALID_REQUEST", description=text), event.client_msg_id)
        yield Close("the client diverged from the session")

    def _diverged(self, event: Event) -> Divergence:
        name = _name(self._session.schema, event)
        open_steps = self._step_order.expected
        nearest = self._candidates(event)
        if self._order is Order.STRICT:
            expected = open_steps[0] if open_steps else None
            found = [] if expected is None else self._mismatch(expected, event) or []
        else:
            near = next((each for each in nearest if not each.played), None)
            expected, found = (None, []) if near is None else (near.record, list(near.differences))
        others = tuple(each for each in nearest if each.record is not expected)[:_CANDIDATES]
        waiting = tuple(step.name for step in open_steps)
        return Divergence(expected, name, tuple(found), others, self._order, waiting)

    def _candidates(self, event: Event) -> list[Candidate]:
        """The steps of the kind that came, the nearest first."""
        if not isinstance(event, Envelope):
            return []
        same = [r for r in self._steps if r.by_client and r.cls is type(event.message)]
        found = [
            Candidate(r, r.line in self._came, tuple(self._mismatch(r, event) or ())) for r in same
        ]
        return sorted(found, key=lambda each: (len(each.differences), each.played))


def _is_heartbeat(record: Record) -> bool:
    return record.payload_type == HEARTBEAT


def _payload_type(schema: Schema, event: Event) -> int:
    if isinstance(event, Envelope):
        return schema.payload_types[type(event.message)]
    return event.payload_type


def _name(schema: Schema, event: Event) -> str:
    match event:
        case Envelope(message):
            return type(message).__name__
        case UnknownPayload(payload_type):
            return f"payload type {payload_type}, which release {schema.release} does not have,"
        case BadPayload(payload_type, error=error):
            name = schema.by_payload_type[payload_type].__name__
            return f"{name} that cannot be read ({error})"
