"""Does to a server's connections what a plan says. Wraps any behaviours; pure, as they are."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.message import Message
from ctrader_typed.schema import Schema
from ctrader_typed.wire.connection import PROTOBUF_TCP

from ..handler import (
    Action,
    BadPayload,
    ClientConnection,
    Close,
    ConnectionGreeting,
    Envelope,
    Event,
    HandlerFactory,
    InjectedEventHandler,
    MalformedInputHandler,
    Send,
    SendPayload,
    StopListening,
    ThrottleSend,
    TimedFactory,
    UnknownPayload,
)
from ..handler import Reset as BreakOff
from ..recordings.placeholders import fill, normal
from ..recordings.session_file import Direction
from ..server.encoding import frame
from ..server.endpoints import ENDPOINTS
from . import corruption, effects
from .plan import Plan

Item = Envelope | UnknownPayload | BadPayload | Send | SendPayload
"""A message on its way: the client's to the behaviour, or the behaviour's to the client."""

_WHY = "a fault of the plan"


@dataclass(slots=True)
class Clock:
    """The time, as far as it was told."""

    now: float = 0.0


class FaultInjector:
    """A behaviour in whose way things happen. What is late or held is hit by nothing else."""

    def __init__(
        self,
        make: HandlerFactory,
        plan: Plan,
        schema: Schema,
        clock: Clock,
        client: ClientConnection,
    ) -> None:
        self.schema = schema
        self.wire = ENDPOINTS[client.wire].wire if client.wire in ENDPOINTS else PROTOBUF_TCP
        self._plan = plan
        self._clock = clock
        self._client = client
        self._opened = 0.0
        self._muted_until = -math.inf
        self._sequence = itertools.count()
        self._later: list[tuple[float, int, Item | Close | Direction]] = []
        self._held: dict[Direction, Item] = {}
        self._inner = make(ClientConnection(client.number, client.wire, self._pushed))

    @property
    def now(self) -> float:
        """The time of the latest call to any connection: what is pushed brings none of its own."""
        return self._clock.now

    # --- the behaviour ----------------------------------------------------------------------------

    def opened(self, now: float) -> Iterable[Action]:
        """The connection stands."""
        self._clock.now = self._opened = now
        return self._send(self._inner.opened(now))

    def received(self, event: Event, now: float) -> Iterable[Action]:
        """A message of the client's, on its way to the behaviour."""
        self._clock.now = now
        return self._through(Direction.CLIENT, event)

    def broken(self, error: RemoteProtocolError, now: float) -> Iterable[Action]:
        """What came is no message."""
        self._clock.now = now
        if not isinstance(self._inner, MalformedInputHandler):
            return []
        return self._send(self._inner.broken(error, now))

    def wake_at(self) -> float | None:
        """When something late is due, or the behaviour wants its turn; muted, it has none."""
        times = [self._later[0][0]] if self._later else []
        inner = self._inner.wake_at()
        if inner is not None and self._muted_until < math.inf:
            times.append(max(inner, self._muted_until))
        return min(times, default=None)

    def wake(self, now: float) -> Iterable[Action]:
        """Let come what was late; give the behaviour its turn."""
        self._clock.now = now
        actions: list[Action] = []
        while self._later and self._later[0][0] <= now:
            actions += self._arrive(heapq.heappop(self._later)[2])
        inner = self._inner.wake_at()
        if inner is not None and inner <= now and self._muted_until <= now:
            actions += self._send(self._inner.wake(now))
        return actions

    def closed(self, now: float) -> None:
        """The connection is gone."""
        self._later.clear()
        self._inner.closed(now)

    def _pushed(self, actions: Iterable[Action]) -> None:
        """The behaviour says something out of turn."""
        self._client.push(self._send(actions))

    # --- ways of a message ------------------------------------------------------------------------

    def _send(self, actions: Iterable[Action]) -> list[Action]:
        """What becomes of what the behaviour does."""
        done: list[Action] = []
        for action in actions:
            if isinstance(action, (Send, SendPayload)):
                done += self._through(Direction.SERVER, action)
            elif self.now >= self._muted_until:
                done.append(action)
        return done

    def _through(self, direction: Direction, item: Item) -> list[Action]:
        """A message sets off what is planned for it, or passes."""
        if self.now < self._muted_until:
            self.later(self._muted_until, item)
            return []
        message, payload_type = self._read(item)
        age = self.now - self._opened
        held = self._held.pop(direction, None)
        effect = self._plan.strikes(direction, message, payload_type, self._client.number, age)
        actions = self.passes(item) if effect is None else DONE[type(effect)](self, item, effect)
        return actions if held is None else [*actions, *self.passes(held)]

    def _read(self, item: Item) -> tuple[Message | None, int]:
        if isinstance(item, (Envelope, Send)):
            return item.message, self.schema.payload_types[type(item.message)]
        return None, item.payload_type

    def _arrive(self, item: Item | Close | Direction) -> list[Action]:
        """The time of something late has come."""
        if isinstance(item, Direction):
            held = self._held.pop(item, None)
            return [] if held is None else self.passes(held)
        return [item] if isinstance(item, Close) else self.passes(item)

    def passes(self, item: Item) -> list[Action]:
        """The message gets where it was going."""
        if isinstance(item, (Send, SendPayload)):
            return [item]
        return self._send(self._inner.received(item, self.now))

    def later(self, at: float, what: Item | Close | Direction) -> None:
        """Let it come then; never, at infinity."""
        if at < math.inf:
            heapq.heappush(self._later, (at, next(self._sequence), what))

    def hold(self, item: Item, seconds: float) -> None:
        """Let it come after the next message of its direction, or after so long."""
        sent = isinstance(item, (Send, SendPayload))
        direction = Direction.SERVER if sent else Direction.CLIENT
        self._held[direction] = item
        self.later(self.now + seconds, direction)

    def framed(self, action: Send | SendPayload) -> bytes:
        """As it goes out when nothing is wrong."""
        return frame(self.schema, action, self.wire)

    def announce(self, action: Send | SendPayload) -> None:
        """Let the behaviour know what is said in its name."""
        if isinstance(action, Send) and isinstance(self._inner, InjectedEventHandler):
            self._inner.announced(action.message)

    def mute(self, until: float) -> None:
        """Let nothing pass until then, in neither direction."""
        self._muted_until = until


# --- what each effect does ------------------------------------------------------------------------


def _delay(way: FaultInjector, item: Item, effect: effects.Delay) -> list[Action]:
    way.later(way.now + effect.seconds, item)
    return []


def _drop(_way: FaultInjector, _item: Item, _effect: effects.Drop) -> list[Action]:
    return []


def _duplicate(way: FaultInjector, item: Item, effect: effects.Duplicate) -> list[Action]:
    return [action for _ in range(1 + effect.copies) for action in way.passes(item)]


def _reorder(way: FaultInjector, item: Item, effect: effects.Reorder) -> list[Action]:
    way.hold(item, effect.seconds)
    return []


def _strip(way: FaultInjector, item: Item, effect: effects.Strip) -> list[Action]:
    if isinstance(item, Send):
        item = Send(corruption.stripped(item.message, effect.fields), item.client_msg_id)
    elif isinstance(item, Envelope):
        item = Envelope(corruption.stripped(item.message, effect.fields), item.client_msg_id)
    return way.passes(item)


def _corrupt(way: FaultInjector, item: Any, effect: effects.Corrupt) -> list[Action]:
    return [corruption.corrupted(way.wire, way.framed(item), effect.at)]


def _inflate(way: FaultInjector, item: Any, effect: effects.Inflate) -> list[Action]:
    return [corruption.inflated(way.wire, way.framed(item), effect.size)]


def _truncate(way: FaultInjector, item: Any, effect: effects.Truncate) -> list[Action]:
    return [corruption.truncated(way.wire, way.framed(item), effect.size), Close(_WHY)]


def _announce(way: FaultInjector, _item: Item, effect: effects.Announce) -> list[Action]:
    return [corruption.announced(way.wire, effect.length)]


def _refuse(way: FaultInjector, item: Item, effect: effects.Refuse) -> list[Action]:
    name = "ProtoErrorRes" if effect.proxy else "ProtoOAErrorRes"
    payload: dict[str, Any] = {"errorCode": effect.error_code, "description": effect.description}
    payload["maintenanceEndTimestamp"] = effect.maintenance_end
    if not effect.proxy:
        payload["retryAfter"] = effect.retry_after
    return [Send(way.schema.by_name[name].from_dict(payload), item.client_msg_id)]


def _answer(way: FaultInjector, item: Item, effect: effects.Answer) -> list[Action]:
    return [_made(way, item, effect, item.client_msg_id)]


def _push(way: FaultInjector, item: Item, effect: effects.Push) -> list[Action]:
    client_msg_id = item.client_msg_id if effect.with_id else None
    pushed = _made(way, item, effect, client_msg_id)
    way.announce(pushed)
    return [pushed, *way.passes(item)]


def _made(
    way: FaultInjector, item: Item, effect: effects.Answer | effects.Push, client_msg_id: str | None
) -> Send | SendPayload:
    if isinstance(effect.message, int):
        return SendPayload(effect.message, b"", client_msg_id)
    request = item.message.to_dict() if isinstance(item, (Envelope, Send)) else {}
    cls = way.schema.by_name[effect.message]
    return Send(fill(cls, normal(cls, effect.payload), request), client_msg_id)


def _hang_up(way: FaultInjector, item: Item, effect: effects.HangUp) -> list[Action]:
    heard = way.passes(item) if effect.heard else []
    if effect.seconds == 0:
        return [*heard, Close(_WHY)]
    way.mute(math.inf)
    way.later(way.now + effect.seconds, Close(_WHY))
    return heard


def _reset(way: FaultInjector, item: Item, effect: effects.Reset) -> list[Action]:
    return [*(way.passes(item) if effect.heard else []), BreakOff(_WHY)]


def _hang(way: FaultInjector, item: Item, effect: effects.Hang) -> list[Action]:
    until = math.inf if effect.seconds is None else way.now + effect.seconds
    way.mute(until)
    way.later(until, item)
    return []


def _throttle(way: FaultInjector, item: Item, effect: effects.Throttle) -> list[Action]:
    return [ThrottleSend(effect.size, effect.pause), *way.passes(item)]


def _close_door(way: FaultInjector, item: Item, effect: effects.CloseDoor) -> list[Action]:
    return [StopListening(effect.seconds), *way.passes(item)]


DONE: Mapping[type[Any], Callable[[FaultInjector, Any, Any], list[Action]]] = {
    effects.Delay: _delay,
    effects.Drop: _drop,
    effects.Duplicate: _duplicate,
    effects.Reorder: _reorder,
    effects.Strip: _strip,
    effects.Corrupt: _corrupt,
    effects.Inflate: _inflate,
    effects.Truncate: _truncate,
    effects.Announce: _announce,
    effects.Refuse: _refuse,
    effects.Answer: _answer,
    effects.Push: _push,
    effects.HangUp: _hang_up,
    effects.Reset: _reset,
    effects.Hang: _hang,
    effects.Throttle: _throttle,
    effects.CloseDoor: _close_door,
}


class FaultyFactory:
    """Behaviours with a plan of faults: give it to `mock_server` in their place."""

    def __init__(self, handlers: HandlerFactory, plan: Plan, schema: Schema) -> None:
        self._handlers = handlers
        self._plan = plan
        self._schema = schema
        self._clock = Clock()
        self.broker = getattr(handlers, "broker", None)
        world: object = handlers
        self._world = world if isinstance(world, TimedFactory) else None

    def __call__(self, client: ClientConnection) -> FaultInjector:
        """The behaviour of a connection."""
        return FaultInjector(self._handlers, self._plan, self._schema, self._clock, client)

    def knocked(self, attempt: int) -> ConnectionGreeting:
        """How a new connection is met."""
        return self._plan.knocked(attempt)

    def started(self, nudge: Callable[[], None]) -> None:
        """The server runs."""
        if self._world is not None:
            self._world.started(nudge)

    def wake_at(self) -> float | None:
        """When the world wants its turn."""
        return None if self._world is None else self._world.wake_at()

    def wake(self, now: float) -> None:
        """The world has its turn."""
        self._clock.now = now
        if self._world is not None:
            self._world.wake(now)
