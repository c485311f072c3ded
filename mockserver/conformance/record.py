"""What one client did in one trial, as the server saw it, and how its process ended. Plain values.

Times are seconds on the server's clock, which starts when the client's process does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ctrader_typed.message import Message

from ..faults.plan import Fault
from ..handler import ConnectionGreeting
from ..server.client_rules import Violation


@dataclass(frozen=True, slots=True)
class ConnectionAttempt:
    """A connection was attempted, and met in this way."""

    at: float
    entrance: ConnectionGreeting


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection stands, TLS included. `certificate` is what the client has accepted for that."""

    at: float
    connection: int
    certificate: ConnectionGreeting = ConnectionGreeting.OPEN


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """The client has sent something; the message is None for what no schema has."""

    at: float
    connection: int
    message: Message | None

    @property
    def name(self) -> str:
        """The message's name."""
        return type(self.message).__name__


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection is over, whoever ended it."""

    at: float
    connection: int


@dataclass(frozen=True, slots=True)
class FaultApplied:
    """A fault has happened."""

    at: float
    fault: Fault


Entry = ConnectionAttempt | Opened | ClientMessage | Closed | FaultApplied


@dataclass(frozen=True, slots=True)
class Exit:
    """How the process ended, and the last that it wrote. No status: it had to be stopped."""

    status: int | None
    at: float
    output: str = ""


@dataclass(slots=True)
class Record:
    """Everything in the order in which it happened.

    `tempo` is how long the client was told to take a second for, where time rules are concerned.
    """

    entries: list[Entry] = field(default_factory=list[Entry])
    exit: Exit = Exit(0, 0.0)
    violations: list[Violation] = field(default_factory=list[Violation])
    tempo: float = 1.0

    def said(self, *names: str, after_fault: bool = False) -> list[ClientMessage]:
        """What the client has sent, of these messages, or of any; or only after the first fault."""
        entries = iter(self.entries)
        if after_fault:
            next((each for each in entries if isinstance(each, FaultApplied)), None)
        return [
            each
            for each in entries
            if isinstance(each, ClientMessage) and (not names or each.name in names)
        ]

    def knocks(self) -> Iterator[float]:
        """When the client wanted in."""
        return (each.at for each in self.entries if isinstance(each, ConnectionAttempt))

    @property
    def struck(self) -> float | None:
        """When the first fault happened."""
        return next((each.at for each in self.entries if isinstance(each, FaultApplied)), None)
