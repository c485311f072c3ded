"""What a mock server does on a connection, apart from any connection: the interface, its words.

A behaviour decides, the engine in `server` does the rest. Behaviours are pure: no streams, tasks,
clocks or chance; the time is an argument. So the same events at the same times give the same
actions, and a test needs no loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.message import Message
from ctrader_typed.wire.envelope import BadPayload, Envelope, UnknownPayload

__all__ = [
    "Action",
    "BadPayload",
    "ClientConnection",
    "Close",
    "ConnectionFilter",
    "ConnectionGreeting",
    "Envelope",
    "Event",
    "Handler",
    "HandlerFactory",
    "InjectedEventHandler",
    "MalformedInputHandler",
    "Reset",
    "Send",
    "SendPayload",
    "SendRaw",
    "StopListening",
    "ThrottleSend",
    "TimedFactory",
    "UnknownPayload",
]

Event = Envelope | UnknownPayload | BadPayload
"""What a client sends: a message, one that the schema does not know, one that does not decode."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message; with `client_msg_id` it answers the request that carried this id."""

    message: Message
    client_msg_id: str | None = None


@dataclass(frozen=True, slots=True)
class SendPayload:
    """Send an envelope with these very bytes as its payload, whatever the schema makes of them."""

    payload_type: int
    payload: bytes
    client_msg_id: str | None = None

    def __repr__(self) -> str:
        return (
            f"SendPayload({self.payload_type}, <{len(self.payload)} bytes>, {self.client_msg_id!r})"
        )


@dataclass(frozen=True, slots=True)
class SendRaw:
    """Put these bytes on the wire as they are: frames made beforehand, or no frames at all.

    On a WebSocket they are a message, or, put `beneath` it, bytes of the stream that it stands on.
    """

    data: bytes
    beneath: bool = False

    def __repr__(self) -> str:
        return f"SendRaw(<{len(self.data)} bytes>)"


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection once everything before it has been sent. Nothing after it is done."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection off at once; what was not sent yet is lost. On a socket, with RST."""

    reason: str


@dataclass(frozen=True, slots=True)
class ThrottleSend:
    """From here on send in slices of so many bytes, with a pause of so many seconds after each."""

    size: int
    pause: float


@dataclass(frozen=True, slots=True)
class StopListening:
    """Listen to nobody new for so many seconds; connections that stand stay."""

    seconds: float


Action = Send | SendPayload | SendRaw | Close | Reset | ThrottleSend | StopListening


class Handler(Protocol):
    """One client's server. The engine makes one for each connection, and makes one call at a time.

    `now` is in seconds on the server's own clock, which starts at zero with the server and is the
    same for all its connections. An exception from a behaviour is a bug in it: it ends the server,
    not the connection.
    """

    def opened(self, now: float) -> Iterable[Action]:
        """The connection stands, TLS included. Called once, first."""
        ...

    def received(self, event: Event, now: float) -> Iterable[Action]:
        """Something came from the client."""
        ...

    def wake_at(self) -> float | None:
        """When to call `wake` next; None for never. Asked again after every other call."""
        ...

    def wake(self, now: float) -> Iterable[Action]:
        """The time that `wake_at` named has come."""
        ...

    def closed(self, now: float) -> None:
        """The connection is gone, whoever ended it. Called once, last."""
        ...


@runtime_checkable
class MalformedInputHandler(Protocol):
    """A behaviour with a last word for a client that does not keep to a wire of text."""

    def broken(self, error: RemoteProtocolError, now: float) -> Iterable[Action]:
        """What came is no envelope. After these actions the connection is closed."""
        ...


@runtime_checkable
class InjectedEventHandler(Protocol):
    """A behaviour that makes true what somebody else has said to its client in its name."""

    def announced(self, message: Message) -> None:
        """The client was sent this, out of turn."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ClientConnection:
    """Who is calling: what a behaviour may know of its connection.

    `number` counts the server's connections from 1; `wire` names how this one speaks. `push` does
    actions on it outside the behaviour's turn: for behaviours that share a world, where what one
    client does is heard by another. It never waits; on a connection that is gone it does nothing.
    """

    number: int
    wire: str
    push: Callable[[Iterable[Action]], None]


class ConnectionGreeting(Enum):
    """How a new connection on a socket is met."""

    OPEN = "open"
    """As it should be."""
    RESET = "reset"
    """It is reset at once."""
    SILENCE = "silence"
    """Nothing is ever said, not even the handshake."""
    GARBAGE = "garbage"
    """The handshake is answered with nonsense."""
    HANG_UP = "hang_up"
    """It is closed in the middle of the handshake."""
    UNTRUSTED = "untrusted"
    """The certificate is of a CA that nobody knows."""
    EXPIRED = "expired"
    """The certificate has run out."""
    WRONG_HOST = "wrong_host"
    """The certificate is for another name."""


HandlerFactory = Callable[[ClientConnection], Handler]
"""Makes the behaviour of a connection when a client has called."""


@runtime_checkable
class TimedFactory(Protocol):
    """A factory whose behaviours share something that moves by itself, such as a market.

    The engine gives it turns of its own, which are nobody's in particular: what it has to say to a
    client it says through the `push` of its caller.
    """

    def started(self, nudge: Callable[[], None]) -> None:
        """The server runs. `nudge()` makes the engine ask `wake_at` again; it returns at once."""
        ...

    def wake_at(self) -> float | None:
        """When to call `wake` next; None for never. Asked again after `wake` and each nudge."""
        ...

    def wake(self, now: float) -> None:
        """The time that `wake_at` named has come."""
        ...


@runtime_checkable
class ConnectionFilter(Protocol):
    """A factory that decides how connections on sockets are met."""

    def knocked(self, attempt: int) -> ConnectionGreeting:
        """Somebody wants in; the first attempt is 1."""
        ...
