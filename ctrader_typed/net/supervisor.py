"""One connection after the other, each with the session of the one before.

What a connection does is `link`'s, what a session needs `restoring`'s. Never sends a user's request
twice.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import trio

from ..errors import ConnectFailed, ConnectionLost, CTraderError, ReconnectAbandoned, again
from ..message import Message, Request
from ..message.columns import Columns
from ..orders.order_manager import OrderManager
from ..protocol.backoff import BackoffState, Reconnect
from ..protocol.rate_limits import Limits
from ..protocol.statistics import Statistics, StatisticsCollector
from .event_streams import EventHub
from .link import Link
from .restoring import Current, SessionRestorer
from .transport import Transport

R = TypeVar("R", bound=Message)

Dial = Callable[[trio.Nursery], Awaitable[Transport]]
Build = Callable[[Transport], Link]

log = logging.getLogger(__name__)


class Supervisor:
    """A client's connection, whichever it is at the moment.

    `dial` opens a transport, for at most `patience` seconds when it is not the first; `build` makes
    a link of one. Requests go to the last link whose session was restored: once that has ended,
    they fail at once, until there is a next one.
    """

    def __init__(
        self,
        dial: Dial,
        build: Build,
        restorer: SessionRestorer,
        subscriptions: EventHub,
        orders: OrderManager,
        statistics_collector: StatisticsCollector,
        *,
        reconnect: Reconnect,
        patience: float,
        chance: Callable[[], float],
    ) -> None:
        self._dial = dial
        self._build = build
        self._restorer = restorer
        self._subscriptions = subscriptions
        self._orders = orders
        self._tally = statistics_collector
        self._reconnect = reconnect
        self._backoff_state = BackoffState(reconnect, quick=1)
        self._patience = patience
        self._chance = chance
        self._link: Link | None = None
        self._connections = 0
        self._waiting = trio.lowlevel.ParkingLot()
        self._abandoned: ReconnectAbandoned | None = None
        self._abandon = trio.Event()

    # --- what clients ask ---

    async def request(self, request: Request[R]) -> R:
        """`Link.request` on the connection of the moment, or ConnectionLost at once."""
        await self._check()
        return await self._current().request(request)

    async def columns(self, request: Request[R]) -> Columns[R]:
        """`Link.columns`, likewise."""
        await self._check()
        return await self._current().columns(request)

    async def _check(self) -> None:
        """Raise what forbids a request before it is looked at."""
        self._subscriptions.run.check()
        if (ended := self._subscriptions.ended) is not None:
            await trio.lowlevel.checkpoint()
            raise again(ended)

    def limits(self) -> Limits:
        """What waits, is blocked, and may still leave."""
        return self._current().limits()

    def statistics(self) -> Statistics:
        """Counts over all connections."""
        return self._tally.so_far(self._subscriptions.statistics())

    async def connected(self) -> None:
        """Wait until requests can be sent; raises ConnectionLost if they never will be."""
        self._subscriptions.run.check()
        await trio.lowlevel.checkpoint()
        while self._current().ended is not None:
            if (ended := self._subscriptions.ended) is not None:
                raise again(ended)
            await self._waiting.park()

    def authorise_with(self, accounts: Collection[int], current: Current) -> None:
        """A reconnect authorises these accounts with the token that `current` gives by then."""
        self._restorer.authorise_with(accounts, current)

    def account_refused(self, account: int, error: CTraderError) -> None:
        """Nobody can authorise this account any more: who waits for something of it is told."""
        self._restorer.account_refused(account, error)

    def abandon(self, reason: str, cause: CTraderError) -> None:
        """No connection helps any more: the one of the moment ends, and no other one follows."""
        self._abandoned = ReconnectAbandoned(reason)
        self._abandoned.__cause__ = cause
        self._abandon.set()

    def _current(self) -> Link:
        assert self._link is not None, "start() comes first"
        return self._link

    # --- connections ---

    def start(self, transport: Transport) -> Link:
        """The first connection: there is nothing to restore yet, and requests may be sent at once.

        `run` follows with what this returns.
        """
        self._connections = 1
        link = self._build(transport)
        self._expose(link)
        return link

    def _expose(self, link: Link) -> None:
        self._tally.connections += 1
        self._backoff_state.stands(trio.current_time())
        self._link = link
        self._orders.connected(link.submit, link.withdraw)
        self._subscriptions.restored()
        self._waiting.unpark_all()

    async def run(self, link: Link) -> None:
        """Keep a connection until cancelled, or until no other one may follow; then tell everybody.

        Returns, or is cancelled, within two seconds, however the peers behave.
        """
        end = ConnectionLost("the connection was closed by this client")
        try:
            end = await self._keep(link)
        finally:
            self._subscriptions.end(end)
            self._orders.close("the connection has ended")
            self._waiting.unpark_all()

    async def _keep(self, link: Link) -> ConnectionLost:
        """Why there is no connection any more."""
        reconnect, backoff_state = self._reconnect, self._backoff_state
        lost: CTraderError = await self._serve(link)
        failures = 0
        while not isinstance(lost, ReconnectAbandoned) and reconnect.allows(failures):
            pause = backoff_state.pause(self._chance())
            log.warning("connection lost (%s); the next attempt is in %.1f s", lost, pause)
            with trio.move_on_after(pause):
                await self._abandon.wait()
            if self._abandoned is not None:
                return self._abandoned
            before = self._tally.connections
            lost = await self._attempt()
            if self._tally.connections > before:
                failures = 0
                backoff_state.lost(trio.current_time())
            else:
                failures += 1
                backoff_state.failed()
                self._tally.failed_attempts += 1
        if isinstance(lost, ReconnectAbandoned):
            return lost
        if failures == 0:
            return ConnectionLost(str(lost))
        end = ReconnectAbandoned(f"gave up after {failures} failed attempts to reconnect: {lost}")
        end.__cause__ = lost
        return end

    async def _attempt(self) -> CTraderError:
        """Try to connect, and if that succeeds live on it; returns what ended it."""
        lost: CTraderError = ConnectFailed(f"no connection within {self._patience:g} seconds")
        async with trio.open_nursery() as nursery:
            transport: Transport | None = None
            with trio.move_on_after(self._patience):
                try:
                    transport = await self._dial(nursery)
                except (ConnectFailed, ConnectionLost) as error:
                    lost = error
            if transport is not None:
                self._connections += 1
                self._subscriptions.connected(self._connections)
                lost = await self._serve(self._build(transport))
            nursery.cancel_scope.cancel()
        return lost

    async def _serve(self, link: Link) -> CTraderError:
        """Run a link to its end."""

        def restored() -> None:
            if self._link is not link:
                log.info("connection %d is restored", self._connections)
                self._expose(link)

        async def keep_session() -> None:
            await self._restorer.run(link.request, restored)

        heals = self._reconnect.attempts != 0
        session = keep_session if heals else self._restorer.run_unhealed
        lost = await link.run(session, self._until_abandoned)
        self._restorer.link_lost()
        return lost

    async def _until_abandoned(self) -> None:
        await self._abandon.wait()
        assert self._abandoned is not None, "abandon() has set both"
        raise self._abandoned
