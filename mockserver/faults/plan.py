"""When a fault happens: to which message, how often, by what chance. Pure and repeatable."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ctrader_typed.keywords import suggest
from ctrader_typed.message import Message

from ..handler import ConnectionGreeting
from ..recordings.placeholders import look_up
from ..recordings.session_file import Direction
from .effects import CLIENTS, SERVERS, Effect, Meet


@suggest
@dataclass(frozen=True, slots=True)
class Fault:
    """An effect and what sets it off: a message to which all of this applies.

    - `direction`: who sends the message; the server unless the effect is on requests.
    - `message`: its name, or the number of its payload type; None for any but heartbeats.
    - `fields`: values that it has, by schema keys: `{"executionType": 3}`.
    - `nth`: it is the nth of these, and those after it.
    - `after`: the connection has stood for so many seconds.
    - `chance`: it is hit by chance; the plan's seed decides.
    - `connection`: it is on this connection; the first is 1.
    - `times`: how often the effect happens; None for always.
    """

    effect: Effect
    direction: Direction | None = None
    message: str | int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    nth: int = 1
    after: float = 0.0
    chance: float = 1.0
    connection: int | None = None
    times: int | None = 1

    def __post_init__(self) -> None:
        """ValueError for what cannot happen."""
        effect = type(self.effect).__name__
        if self.direction is Direction.CLIENT and isinstance(self.effect, SERVERS):
            raise ValueError(f"{effect} can only happen to what the server sends")
        if self.direction is Direction.SERVER and isinstance(self.effect, CLIENTS):
            raise ValueError(f"{effect} can only happen to what the client sends")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")
        if not 0.0 <= self.chance <= 1.0:
            raise ValueError(f"a chance is between 0 and 1, not {self.chance:g}")

    @property
    def sender(self) -> Direction:
        """Who sends the message."""
        if self.direction is not None:
            return self.direction
        return Direction.CLIENT if isinstance(self.effect, CLIENTS) else Direction.SERVER


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0
    happened: int = 0


@suggest
class Plan:
    """The faults of a server. Of several that fit a message, the first in the plan happens."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._armed = [_Armed(fault) for fault in faults]
        self._chance = random.Random(seed)
        self.happened: list[Fault] = []
        """What has happened so far, in order."""

    def add(self, *faults: Fault) -> None:
        """Plan more; they count from now on."""
        self._armed += map(_Armed, faults)

    def clear(self) -> None:
        """Let nothing happen any more."""
        self._armed.clear()

    def strikes(
        self,
        direction: Direction,
        message: Message | None,
        payload_type: int,
        connection: int,
        age: float,
    ) -> Effect | None:
        """What happens to this message; None for nothing."""
        effect: Effect | None = None
        for armed in self._armed:
            if _concerns(armed.fault, direction, message, payload_type, connection, age):
                armed.seen += 1
                if effect is None and self._happens(armed):
                    effect = armed.fault.effect
        return effect

    def knocked(self, attempt: int) -> ConnectionGreeting:
        """How the nth connection is met."""
        for armed in self._armed:
            fault = armed.fault
            if isinstance(fault.effect, Meet) and fault.connection in (None, attempt):
                armed.seen += 1
                if self._happens(armed):
                    return fault.effect.entrance
        return ConnectionGreeting.OPEN

    def _happens(self, armed: _Armed) -> bool:
        fault = armed.fault
        spent = fault.times is not None and armed.happened >= fault.times
        if spent or armed.seen < fault.nth:
            return False
        if fault.chance < 1.0 and self._chance.random() >= fault.chance:
            return False
        armed.happened += 1
        self.happened.append(fault)
        return True


_HEARTBEAT = 51


def _concerns(
    fault: Fault,
    direction: Direction,
    message: Message | None,
    payload_type: int,
    connection: int,
    age: float,
) -> bool:
    if isinstance(fault.effect, Meet) or fault.sender is not direction:
        return False
    if fault.connection not in (None, connection) or age < fault.after:
        return False
    if fault.message is None:
        if payload_type == _HEARTBEAT:
            return False
    elif fault.message not in (payload_type, type(message).__name__):
        return False
    if not fault.fields:
        return True
    payload = {} if message is None else message.to_dict()
    return all(look_up(payload, path) == value for path, value in fault.fields.items())
