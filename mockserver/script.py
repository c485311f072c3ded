"""A recorded session as a server: it expects the client's messages and sends the rest.

Strict: the client's messages must come in the recorded order, each as recorded. They may come
sooner than the server's; those are sent in their order, at their time. Heartbeats are no steps. The
first message that does not fit ends the conversation; `Outcome` says what happened. A behaviour, so
pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ctrader_typed.message import Message
from ctrader_typed.schema import Schema

from .behaviour import (
    Action,
    BadPayload,
    Caller,
    Close,
    Envelope,
    Event,
    Send,
    SendPayload,
    UnknownPayload,
)
from .errors import SessionDiverged
from .matching import Difference, differences
from .payloads import Payload, fill
from .recording import Record, Session

HEARTBEAT = 51
"""The payload type of ProtoHeartbeatEvent: it means nothing in any conversation."""

_IDLE = 10.0  # seconds without a message after which the server sends a heartbeat
_LINGER = 2.0  # seconds that a client may stay when all is played, before the server hangs up
_REMEMBERED = 1000
_BATCH = 1000  # steps played at once: the engine decides when there is room for more
_CANDIDATES = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step that what came may have been meant for."""

    record: Record
    played: bool
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where a client left the session: what was expected, None for nothing more, and what came."""

    expected: Record | None
    came: str
    differences: tuple[Difference, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a session was played on one connection, and what went wrong, if anything did."""

    session: Session
    caller: int
    played: int
    steps: int
    heard: int
    divergence: Divergence | None
    unplayed: tuple[Record, ...]
    ended: bool

    @property
    def begun(self) -> bool:
        """Whether the client said anything that is to the point, or need not say anything."""
        return self.heard > 0 or self.divergence is not None or not self.session.expects

    @property
    def good(self) -> bool:
        """Whether the client did all that the session says, and nothing else."""
        return self.divergence is None and not self.unplayed


class Replay:
    """Plays a session to everybody who calls, from its first line: give it to `mock_server`.

    `pace` is how many seconds of the server's clock a second of the session takes: 1 as recorded,
    0.1 ten times as fast, 0 without waiting.
    """

    def __init__(self, session: Session, *, pace: float = 0.0) -> None:
        self.session = session
        self._pace = pace
        self._scripts: dict[int, Script] = {}

    def __call__(self, caller: Caller) -> Script:
        """The behaviour of a connection."""
        script = Script(self.session, pace=self._pace, caller=caller.number)
        self._scripts[caller.number] = script
        if len(self._scripts) > _REMEMBERED:
            del self._scripts[next(iter(self._scripts))]
        return script

    def outcome(self, caller: int) -> Outcome | None:
        """How it stands on that connection; None if it is not known or long forgotten."""
        script = self._scripts.get(caller)
        return None if script is None else script.outcome

    @property
    def outcomes(self) -> list[Outcome]:
        """How it stands on each connection on which something was played; the last thousand."""
        outcomes = (script.outcome for script in self._scripts.values())
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


class Script:
    """The session on one connection."""

    def __init__(self, session: Session, *, pace: float = 0.0, caller: int = 1) -> None:
        self._session = session
        self._steps = [r for r in session.records if not (r.by_client and _is_heartbeat(r))]
        self._expected = deque(r for r in self._steps if r.by_client)
        self._pace = pace
        self._caller = caller
        self._next = 0  # the step to play
        self._heard = 0  # client messages that fitted, whether their step has been played or not
        self._waiting: deque[Envelope | UnknownPayload] = deque()
        self._requests: dict[str, tuple[str | None, Payload]] = {}  # by the file's clientMsgId
        self._spoke = 0.0  # when the server last sent anything
        self._due = 0.0  # when the step before the next one was due
        self._leave_at: float | None = None
        self._divergence: Divergence | None = None
        self._closed = False

    # --- the behaviour ----------------------------------------------------------------------------

    def opened(self, now: float) -> Iterable[Action]:
        """Send what comes before the client's first message."""
        self._due = self._spoke = now
        return self._play(now)

    def received(self, event: Event, now: float) -> Iterable[Action]:
        """Match the message with the next one that is expected, and go on."""
        if self._divergence is not None or _payload_type(self._session.schema, event) == HEARTBEAT:
            return
        expected = self._expected[0] if self._expected else None
        found = _mismatch(expected, event)
        if found is None and not isinstance(event, BadPayload):
            self._expected.popleft()
            self._heard += 1
            self._waiting.append(event)
            yield from self._play(now)
        else:
            self._divergence = self._diverged(expected, event, tuple(found or ()))
            yield from self._refuse(event, expected)

    def wake_at(self) -> float | None:
        """When the next message is due, or a heartbeat, or it is time to hang up."""
        if self._divergence is not None:
            return None
        at = self._step_at()
        idle = self._spoke + _IDLE
        return idle if at is None else min(at, idle)

    def wake(self, now: float) -> Iterable[Action]:
        """Send what is due, or a heartbeat: after a long silence a client would give up."""
        if self._leave_at is not None and now >= self._leave_at:
            return [Close("the session is over")]
        at = self._step_at()
        if at is None or at > now:
            self._spoke = now
            return [Send(self._heartbeat())]
        return self._play(now)

    def closed(self, now: float) -> None:
        """The client is gone: what is not played yet never will be."""
        self._closed = True

    @property
    def outcome(self) -> Outcome:
        """How it stands."""
        left = self._steps[self._next :]
        return Outcome(
            session=self._session,
            caller=self._caller,
            played=self._next,
            steps=len(self._steps),
            heard=self._heard,
            divergence=self._divergence,
            unplayed=tuple(r for r in left if not _is_heartbeat(r)),
            ended=self._closed,
        )

    # --- playing ----------------------------------------------------------------------------------

    def _step_at(self) -> float | None:
        """When the next step can be played, as far as time decides it."""
        if self._next == len(self._steps):
            return self._leave_at
        step = self._steps[self._next]
        if step.by_client:
            return self._due if self._waiting else None
        return self._due_at(step)

    def _due_at(self, step: Record) -> float:
        before = self._steps[self._next - 1].t if self._next else step.t
        return self._due + (step.t - before) * self._pace

    def _play(self, now: float) -> Iterator[Action]:
        """Play the steps whose time has come."""
        for _ in range(_BATCH):
            if self._next == len(self._steps):
                return
            step = self._steps[self._next]
            if step.by_client:
                if not self._waiting:
                    return
                self._note(step, self._waiting.popleft())
                self._due = now
            else:
                due = self._due_at(step)
                if due > now:
                    return
                yield self._sent(step)
                self._due, self._spoke = due, now
            self._next += 1
            if self._next == len(self._steps):
                self._leave_at = now + _LINGER

    def _heartbeat(self) -> Message:
        return self._session.schema.by_payload_type[HEARTBEAT]()

    def _note(self, step: Record, event: Envelope | UnknownPayload) -> None:
        """Remember a request for the replies that carry its clientMsgId in the file."""
        if step.client_msg_id is not None:
            payload = event.message.to_dict() if isinstance(event, Envelope) else {}
            self._requests[step.client_msg_id] = (event.client_msg_id, payload)

    def _sent(self, step: Record) -> Action:
        actual, request = self._requests.get(step.client_msg_id or "", (step.client_msg_id, {}))
        if step.cls is None or step.wire is not None:
            return SendPayload(step.payload_type, step.wire or b"", actual)
        return Send(fill(step.cls, step.payload, request), actual)

    # --- when the client does something else ------------------------------------------------------

    def _refuse(self, event: Event, expected: Record | None) -> Iterator[Action]:
        """Tell the client, so that it need not wait for an answer in vain."""
        error: Any = self._session.schema.by_name.get("ProtoOAErrorRes")
        if error is not None:
            wanted = "nothing more" if expected is None else expected.name
            text = f"The session {self._session.name} expected {wanted} here"
            yield Send(error(error_code="INVALID_REQUEST", description=text), event.client_msg_id)
        yield Close("the client diverged from the session")

    def _diverged(
        self, expected: Record | None, event: Event, found: tuple[Difference, ...]
    ) -> Divergence:
        candidates: list[Candidate] = []
        if isinstance(event, Envelope):
            open_lines = {r.line for r in self._expected}
            for record in self._steps:
                if (
                    record.by_client
                    and record is not expected
                    and record.cls is type(event.message)
                ):
                    other = _mismatch(record, event)
                    played = record.line not in open_lines
                    candidates.append(Candidate(record, played, tuple(other or ())))
        candidates.sort(key=lambda each: (len(each.differences), each.played))
        came = _name(self._session.schema, event)
        return Divergence(expected, came, found, tuple(candidates[:_CANDIDATES]))


def _mismatch(expected: Record | None, event: Event) -> list[Difference] | None:
    """How an event differs from a record; None if it does not, empty if there is no comparison."""
    if expected is None or isinstance(event, BadPayload):
        return []
    if isinstance(event, UnknownPayload):
        same = event.payload_type == expected.payload_type
        return None if same and event.payload == (expected.wire or event.payload) else []
    message: Message = event.message
    if expected.cls is not type(message):
        return []
    return differences(type(message), expected.payload, message, expected.ignore) or None


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
