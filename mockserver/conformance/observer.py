"""Takes down what a client does. Stands before the faults, and so sees what truly comes from it.

Pure but for the clock that it is given: somebody knocks outside anybody's turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ctrader_typed.proto import SCHEMA

from ..faults.injector import FaultyFactory
from ..faults.plan import Plan
from ..handler import (
    Action,
    ClientConnection,
    Close,
    ConnectionGreeting,
    Envelope,
    Event,
    Handler,
    StopListening,
)
from ..proxy.proxy import Proxy
from .record import ClientMessage, Closed, ConnectionAttempt, FaultApplied, Opened, Record

STORM_RATE = 1.0
"""Seconds for which callers are reset after the port was refused: nobody can count those before."""


class ObservedFactory:
    """A gate, what is planned for it, and who writes everything down: for `mock_server`."""

    def __init__(
        self, proxy: Proxy, plan: Plan, record: Record, clock: Callable[[], float]
    ) -> None:
        self.record = record
        self._plan = plan
        self._clock = clock
        self._faulty = FaultyFactory(proxy, plan, SCHEMA)
        self._struck = 0
        self._shut = False
        self._shut_until = 0.0
        self._entrance = ConnectionGreeting.OPEN

    def __call__(self, client: ClientConnection) -> Handler:
        """The behaviour of a connection."""
        return _Line(self, client, self._faulty)

    # --- the world, and its door --------------------------------------------------------------

    def started(self, nudge: Callable[[], None]) -> None:
        """The server runs."""
        self._faulty.started(nudge)

    def wake_at(self) -> float | None:
        """When the world wants its turn."""
        return self._faulty.wake_at()

    def wake(self, now: float) -> None:
        """The world has its turn."""
        self._faulty.wake(now)
        self.notice()

    def knocked(self, attempt: int) -> ConnectionGreeting:
        """How a new connection is met: as planned, or not at all just after the port was shut."""
        now = self._clock()
        entrance = self._faulty.knocked(attempt)
        if now < self._shut_until:
            entrance = ConnectionGreeting.RESET
        self._entrance = entrance
        self.record.entries.append(ConnectionAttempt(now, entrance))
        self.notice()
        return entrance

    # --- what happens on a line -------------------------------------------------------------------

    def opened(self, connection: int, now: float) -> None:
        """A connection stands, whatever certificate was shown to the client."""
        self.record.entries.append(Opened(now, connection, self._entrance))
        self._entrance = ConnectionGreeting.OPEN

    def did(self, actions: Iterable[Action]) -> list[Action]:
        """What the server does. After a door is shut, who is hung up on finds nobody in."""
        done = list(actions)
        for action in done:
            if isinstance(action, StopListening):
                self._shut = True
                self._shut_until = self._clock() + action.seconds + STORM_RATE
            elif isinstance(action, Close) and self._shut:
                self._shut = False
                self._shut_until = max(self._shut_until, self._clock() + STORM_RATE)
        self.notice()
        return done

    def notice(self) -> None:
        """Take down the faults that have happened since the last time."""
        for fault in self._plan.happened[self._struck :]:
            self.record.entries.append(FaultApplied(self._clock(), fault))
        self._struck = len(self._plan.happened)


class _Line:
    """One connection, overheard."""

    def __init__(
        self, watched: ObservedFactory, client: ClientConnection, faulty: FaultyFactory
    ) -> None:
        self._watched = watched
        self._number = client.number

        def push(actions: Iterable[Action]) -> None:
            client.push(watched.did(actions))

        self._inner: Handler = faulty(ClientConnection(client.number, client.wire, push))

    def opened(self, now: float) -> Iterable[Action]:
        """The connection stands."""
        self._watched.opened(self._number, now)
        return self._watched.did(self._inner.opened(now))

    def received(self, event: Event, now: float) -> Iterable[Action]:
        """The client has sent something."""
        message = event.message if isinstance(event, Envelope) else None
        self._watched.record.entries.append(ClientMessage(now, self._number, message))
        return self._watched.did(self._inner.received(event, now))

    def wake_at(self) -> float | None:
        """When it wants its turn."""
        return self._inner.wake_at()

    def wake(self, now: float) -> Iterable[Action]:
        """It has its turn."""
        return self._watched.did(self._inner.wake(now))

    def closed(self, now: float) -> None:
        """The connection is gone."""
        self._watched.record.entries.append(Closed(now, self._number))
        self._inner.closed(now)
