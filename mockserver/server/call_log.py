"""What clients have sent, for whoever wants to know it afterwards, or as soon as it has come.

Also keeps the journal and watches the invariants.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import trio

from ctrader_typed.keywords import unexpected
from ctrader_typed.message import Message
from ctrader_typed.schema import Schema
from ctrader_typed.wire.envelope import Envelope

from ..errors import InvariantBroken
from ..handler import Action, Event, Send, SendPayload, UnknownPayload
from ..recordings.session_file import Direction
from ..recordings.session_lines import entry, line
from .client_rules import ClientRules, Violation

M = TypeVar("M", bound=Message)

_REMEMBERED = 100_000
_LISTED = 10


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message of a client's: on which connection, when on the server's clock, with which id."""

    connection: int
    at: float
    message: Message
    client_msg_id: str | None


class CallLog:
    """Hears everything. `heard` are the messages that could be read, the last 100,000 of them."""

    def __init__(self, schema: Schema, journal: Callable[[str], object] | None = None) -> None:
        self.heard: deque[ReceivedMessage] = deque(maxlen=_REMEMBERED)
        self._schema = schema
        self._journal = journal
        self._invariants = ClientRules()
        self._news = trio.lowlevel.ParkingLot()

    # --- asking -----------------------------------------------------------------------------------

    def received(self, cls: type[M], **fields: Any) -> list[M]:
        """The messages of this class with these fields that clients have sent, in order.

        Fields are attributes: `received(ProtoOANewOrderReq, symbol_id=1)`. TypeError for an
        attribute that the class does not have.
        """
        known = [f.name for f in cls.message_fields]
        for name in fields:
            if name not in known:
                raise unexpected(cls.__name__, name, known)
        return [
            each.message
            for each in self.heard
            if type(each.message) is cls
            and all(getattr(each.message, name) == value for name, value in fields.items())
        ]

    def assert_received(self, cls: type[M], *, times: int | None = None, **fields: Any) -> M:
        """The first such message; AssertionError if there is none, or not exactly `times`."""
        found = self.received(cls, **fields)
        if not found or (times is not None and len(found) != times):
            wanted = "at least once" if times is None else f"{times} times"
            raise AssertionError(
                f"{_described(cls, fields)}: expected {wanted}, came {len(found)} times. "
                f"{self._instead(cls)}"
            )
        return found[0]

    def never(self, cls: type[Message], **fields: Any) -> None:
        """AssertionError if a client has sent such a message."""
        found = self.received(cls, **fields)
        if found:
            raise AssertionError(
                f"{_described(cls, fields)}: expected never, came {len(found)} times: {found[0]}"
            )

    def assert_order(self, *classes: type[Message]) -> None:
        """AssertionError unless messages of these classes came in this order, others between."""
        left = iter(self.heard)
        for position, cls in enumerate(classes):
            if not any(type(each.message) is cls for each in left):
                before = ", ".join(each.__name__ for each in classes[:position])
                after = f" after {before}" if before else ""
                raise AssertionError(f"no {cls.__name__} came{after}. {self._instead(cls)}")

    async def wait_for(self, cls: type[M], *, times: int = 1, **fields: Any) -> M:
        """Wait until so many such messages have come; returns the last of them."""
        while len(found := self.received(cls, **fields)) < times:
            await self._news.park()
        return found[times - 1]

    def _instead(self, cls: type[Message]) -> str:
        same = self.received(cls)
        if same:
            shown = "\n  ".join(map(repr, same[-_LISTED:]))
            return f"Of this class came:\n  {shown}"
        names = [type(each.message).__name__ for each in self.heard]
        return f"What came: {', '.join(names[-_LISTED:]) or 'nothing'}"

    # --- the rules that are always watched --------------------------------------------------------

    @property
    def violations(self) -> list[Violation]:
        """What clients did that none should do: see `invariants`."""
        return self._invariants.violations

    def check(self) -> None:
        """Raise InvariantBroken, with a list, if there was a violation."""
        if self.violations:
            listed = "\n  ".join(map(str, self.violations))
            raise InvariantBroken(f"Clients broke rules that all keep to:\n  {listed}")

    # --- hearing ----------------------------------------------------------------------------------

    def opened(self, connection: int, now: float) -> None:
        """A connection stands."""
        self._invariants.opened(connection, now)
        self._note({"t": round(now, 6), "connection": connection, "what": "opened"})

    def closed(self, connection: int, now: float, reason: str) -> None:
        """A connection is gone."""
        self._invariants.closed(connection, now)
        what = {"what": "closed", "reason": reason}
        self._note({"t": round(now, 6), "connection": connection, **what})

    def came(self, connection: int, event: Event, now: float) -> None:
        """A client has sent something."""
        message: Message | None = None
        if isinstance(event, Envelope):
            message = event.message
            self.heard.append(ReceivedMessage(connection, now, event.message, event.client_msg_id))
            self._news.unpark_all()
        self._invariants.heard(connection, message, now)
        if self._journal is not None:
            written = entry(self._schema, Direction.CLIENT, event, now)
            self._note({"connection": connection, **written})

    def sends(self, connection: int, action: Action, now: float) -> None:
        """The server does something; called only where there is a journal."""
        if isinstance(action, (Send, SendPayload)):
            written = entry(self._schema, Direction.SERVER, self._event(action), now)
        else:
            written = {"t": round(now, 6), "what": repr(action)}
        self._note({"connection": connection, **written})

    @property
    def writes(self) -> bool:
        """Whether there is a journal, and so `sends` wants to be called."""
        return self._journal is not None

    def _event(self, action: Send | SendPayload) -> Event:
        if isinstance(action, Send):
            return Envelope(action.message, action.client_msg_id)
        return UnknownPayload(action.payload_type, action.payload, action.client_msg_id)

    def _note(self, what: dict[str, Any]) -> None:
        if self._journal is not None:
            self._journal(line(what))


def _described(cls: type[Message], fields: dict[str, Any]) -> str:
    secret = {f.name for f in cls.message_fields if f.secret}
    shown = (f"{name}={'***' if name in secret else repr(value)}" for name, value in fields.items())
    return f"{cls.__name__}({', '.join(shown)})"
