"""What may be expected of a client: each check says it in words, and judges a record.

A check gives a sentence for each thing that was wrong; for a client that did well, none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ctrader_typed.message import Message, Request

from ..handler import ConnectionGreeting
from ..server.client_rules import HEARTBEAT_GAP, Rule
from .record import ClientMessage, Closed, ConnectionAttempt, FaultApplied, Opened, Record

ORDER = "ProtoOANewOrderReq"
QUESTIONS = (
    "ProtoOAReconcileReq",
    "ProtoOAOrderListReq",
    "ProtoOADealListReq",
    "ProtoOAOrderDetailsReq",
)
"""The ways to find out what has become of an order whose number is not known."""

_SLACK = 2.0  # seconds; machines are busy, and processes late


class Check(Protocol):
    """What is expected. `text` completes the sentence "the client …"."""

    @property
    def text(self) -> str:
        """In words."""
        ...

    def __call__(self, record: Record) -> Iterable[str]:
        """What was wrong, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Beats:
    """The documentation's rule, on every connection and to its end."""

    seconds: float = HEARTBEAT_GAP

    @property
    def text(self) -> str:
        """In words."""
        return f"is never silent for more than {self.seconds:g} s"

    def __call__(self, record: Record) -> Iterator[str]:
        """One sentence for the longest gap of each connection."""
        allowed = self.seconds * record.tempo + _SLACK
        longest: dict[int, float] = {}
        last: dict[int, float] = {}
        for each in record.entries:
            if isinstance(each, (Opened, ClientMessage, Closed)):
                gap = each.at - last.get(each.connection, each.at)
                longest[each.connection] = max(gap, longest.get(each.connection, 0.0))
                last[each.connection] = each.at
        for connection, gap in longest.items():
            if gap > allowed:
                yield f"it was silent for {gap / record.tempo:.1f} s on connection {connection}"


@dataclass(frozen=True, slots=True)
class Keeps:
    """The rules that the server always watches, heartbeats apart."""

    text: str = (
        "logs in before it asks, asks nothing after a logout, uses no clientOrderId twice, and "
        "stays below 50 requests a second, 5 of them historical"
    )

    def __call__(self, record: Record) -> Iterator[str]:
        """The first violation of each rule."""
        reported: set[Rule] = set()
        for violation in record.violations:
            if violation.rule is not Rule.HEARTBEAT and violation.rule not in reported:
                reported.add(violation.rule)
                yield f"{violation.text} (the rule: {violation.rule})"


@dataclass(frozen=True, slots=True)
class Calm:
    """No storm of connections, above all when none is let in."""

    attempts: int = 10

    @property
    def text(self) -> str:
        """In words."""
        return f"tries to connect at most {self.attempts} times in any second"

    def __call__(self, record: Record) -> Iterator[str]:
        """The worst second."""
        most = _densest(list(record.knocks()))
        if most > self.attempts:
            yield f"it tried to connect {most} times within a second"


@dataclass(frozen=True, slots=True)
class Once:
    """Some requests are not to be sent again, whatever happens, unless they differ."""

    message: str = ORDER
    what: str = "order"

    @property
    def text(self) -> str:
        """In words."""
        return f"sends its {self.what} once, whatever happens"

    def __call__(self, record: Record) -> Iterator[str]:
        """Orders are the same also under another clientOrderId: the position is twice as large."""
        times = Counter(_sameness(each.message) for each in record.said(self.message))
        worst = max(times.values(), default=0)
        if worst > 1:
            yield f"it sent the same {self.what} {worst} times"


@dataclass(frozen=True, slots=True)
class LooksUp:
    """Nobody has told it what became of its order; it has to ask."""

    text: str = "asks what has become of its order"

    def __call__(self, record: Record) -> Iterator[str]:
        """Any of the questions will do."""
        if record.struck is not None and not record.said(*QUESTIONS, after_fault=True):
            wanted = ", ".join(name.removeprefix("ProtoOA") for name in QUESTIONS)
            yield f"it never asked what had become of its order (any of {wanted})"


@dataclass(frozen=True, slots=True)
class Again:
    """After the fault it does this again, in this order."""

    names: tuple[str, ...]

    @property
    def text(self) -> str:
        """In words."""
        return f"sends again, in this order: {', '.join(self.names)}"

    def __call__(self, record: Record) -> Iterator[str]:
        """The first that is missing."""
        if record.struck is None:
            return
        left = iter(record.said(after_fault=True))
        for position, name in enumerate(self.names):
            if not any(each.name == name for each in left):
                after = f" after {self.names[position - 1]}" if position else ""
                yield f"it never sent {name} again{after}"
                return


@dataclass(frozen=True, slots=True)
class Notices:
    """A link that is dead without saying so is given up: it is closed, or another one opened."""

    seconds: float

    @property
    def text(self) -> str:
        """In words."""
        return f"gives up the dead connection within {self.seconds:g} s"

    def __call__(self, record: Record) -> Iterator[str]:
        """The server closes nothing meanwhile, so whatever ends or begins is the client's doing."""
        struck = record.struck
        if struck is None:
            return
        entries = iter(record.entries)
        next(each for each in entries if isinstance(each, FaultApplied))
        signs = (
            each.at for each in entries if isinstance(each, (ConnectionAttempt, Opened, Closed))
        )
        took = next(signs, record.exit.at) - struck
        if took > self.seconds * record.tempo + _SLACK:
            yield f"it took {took / record.tempo:.1f} s to give up a dead connection"


@dataclass(frozen=True, slots=True)
class Waits:
    """What was blocked is not asked again before the time that the server named."""

    message: str
    seconds: float

    @property
    def text(self) -> str:
        """In words."""
        return f"does not send {self.message} again for {self.seconds:g} s"

    def __call__(self, record: Record) -> Iterator[str]:
        """These seconds are told to the client, so no tempo changes them."""
        struck = record.struck
        if struck is None:
            return
        # The message that was refused came at the same moment; what came with it is no answer.
        again = [each.at - struck for each in record.said(self.message) if each.at > struck]
        early = [after for after in again if 0.01 < after < self.seconds - 0.1]
        if early:
            yield f"it sent {self.message} again {early[0]:.2f} s after it was blocked"


@dataclass(frozen=True, slots=True)
class Distrusts:
    """A certificate that proves nothing is refused in the handshake, before any secret is sent."""

    text: str = "refuses the certificate"

    def __call__(self, record: Record) -> Iterator[str]:
        """Any connection that stands on such a certificate."""
        for each in record.entries:
            if isinstance(each, Opened) and each.certificate is not ConnectionGreeting.OPEN:
                said = len([1 for said in record.said() if said.connection == each.connection])
                kind = each.certificate.value.replace("_", " ")
                yield f"it accepted a certificate ({kind}) and sent {said} messages over it"


@dataclass(frozen=True, slots=True)
class Overtakes:
    """An order does not wait for the history that was asked for before it."""

    history: str = "ProtoOAGetTrendbarsReq"
    text: str = "does not let its order wait for the history asked for before it"

    def __call__(self, record: Record) -> Iterator[str]:
        """More than the five of a second before the order: it has waited."""
        orders = record.said(ORDER)
        asked = record.said(self.history)
        before = [each for each in asked if orders and each.at < orders[0].at]
        if len(before) > 5 and orders[0].at - asked[0].at > 1.0:
            waited = orders[0].at - asked[0].at
            yield f"its order waited {waited:.1f} s, behind {len(before)} requests for history"


def _densest(times: list[float]) -> int:
    """The most that fall into one second."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= 1.0:
            first += 1
        most = max(most, last + 1 - first)
    return most


def _sameness(message: Message | None) -> str:
    """What makes two requests the same: all but what only names them."""
    assert isinstance(message, Request)
    values = message.to_dict()
    values.pop("clientOrderId", None)
    return repr(sorted(values.items()))
