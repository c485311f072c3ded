"""What a fault does to a message, to a connection, or to whoever knocks. Plain values.

`It` is the message that set the fault off: one that the server sends, or one of the client's.
Times are in seconds. Payloads may quote it: `"<request:symbolId>"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..handler import ConnectionGreeting

# --- to a message ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delay:
    """It comes so much later; others overtake it, unless they are late too."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """It is lost."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """It comes so many times more."""

    copies: int = 1


@dataclass(frozen=True, slots=True)
class Reorder:
    """It comes after the one that follows it, or after so long if none does."""

    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Strip:
    """It comes without these fields, by their schema keys: `bid`, `order.timeInForce`."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corrupt:
    """One of its bytes is another; `at` counts from the start of the envelope, -1 is the last."""

    at: int = -1


@dataclass(frozen=True, slots=True)
class Inflate:
    """Its frame has so many bytes, the more of them in a field that no schema has."""

    size: int


@dataclass(frozen=True, slots=True)
class Truncate:
    """Only the first bytes of its frame come, half of them if none are counted; then the end."""

    size: int | None = None


@dataclass(frozen=True, slots=True)
class Announce:
    """In its place a frame's header comes that announces so many bytes, negative ones included."""

    length: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """A request gets this error for an answer and goes no further. `proxy`: a ProtoErrorRes."""

    error_code: str
    description: str | None = None
    retry_after: int | None = None
    maintenance_end: int | None = None
    proxy: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A request gets this message for an answer and goes no further."""

    message: str
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Push:
    """Before it, the server sends this, with its id or without. A number is a payload type."""

    message: str | int
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])
    with_id: bool = False


# --- to the connection ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HangUp:
    """The server closes the connection, after so long. It gets through only if `heard`."""

    seconds: float = 0.0
    heard: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The server resets the connection. It gets through only if `heard`."""

    heard: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing happens any more, for so long or for good; the connection stays."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """From here on the server's bytes come in slices of this size, with a pause after each."""

    size: int
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class CloseDoor:
    """For so long nobody listens: new connections are refused."""

    seconds: float


# --- to whoever knocks ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Meet:
    """A new connection is met in this way instead of being let in."""

    entrance: ConnectionGreeting


SERVERS = (Corrupt, Inflate, Truncate, Announce)
"""What can only happen to a message of the server's."""
CLIENTS = (Refuse, Answer)
"""What can only happen to a message of the client's."""

Effect = (
    Delay
    | Drop
    | Duplicate
    | Reorder
    | Strip
    | Corrupt
    | Inflate
    | Truncate
    | Announce
    | Refuse
    | Answer
    | Push
    | HangUp
    | Reset
    | Hang
    | Throttle
    | CloseDoor
    | Meet
)
