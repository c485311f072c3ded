"""The mock server: connections in, one behaviour for each, in the trio loop of whoever uses it.

Clients reach it through real sockets, with TLS or without, or through memory streams. What one of
them does never disturbs another. Nothing here knows what any message means.
"""

from __future__ import annotations

import itertools
import math
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from ctrader_typed.keywords import suggest
from ctrader_typed.schema import Schema
from ctrader_typed.wire.connection import Carrier

from ..handler import ClientConnection, ConnectionFilter, HandlerFactory, TimedFactory
from .call_log import CallLog
from .certificates import Certificates
from .connection import SOON, STOPPED, ConnectionLimits, ServerConnection
from .endpoints import Endpoint, endpoint_named
from .graceful_close import close_gracefully, close_now, reset
from .listener import Listener
from .throttled_stream import ThrottledStream

if TYPE_CHECKING:
    from ..broker.broker import Broker

__all__ = ["ConnectionLimits", "Ended", "MockServer"]

_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connection ended. `number` is its caller's; None if it came to no caller.

    `client_left`: the client ended it by itself, before the server had a reason to.
    """

    number: int | None
    reason: str
    client_left: bool = False

    @property
    def hung_up(self) -> bool:
        """Whether the server ended it, and not because it was stopped itself."""
        return not self.client_left and self.reason != STOPPED


@suggest
class MockServer(CallLog):
    """A running server, as `mock_server` gives it. It can be asked what clients have sent."""

    def __init__(
        self,
        handlers: HandlerFactory,
        schema: Schema,
        limits: ConnectionLimits,
        endpoints: Mapping[Endpoint, socket.socket],
        certificates: Certificates | None,
        journal: Callable[[str], object] | None,
    ) -> None:
        super().__init__(schema, journal)
        self.handlers = handlers
        """What it was started with."""
        self._limits = limits
        self._certificates = certificates
        keeper: object = handlers
        self._doorways = {
            each: Listener(
                listening,
                certificates if each.tls else None,
                keeper if isinstance(keeper, ConnectionFilter) else None,
                limits,
                self._refused,
            )
            for each, listening in endpoints.items()
        }
        self._started = trio.current_time()
        self._numbers = itertools.count(1)
        self._over = 0
        self._callers, self._calls = trio.open_memory_channel[tuple[trio.abc.Stream, Endpoint]](
            limits.connections
        )
        self._hung_up = trio.lowlevel.ParkingLot()
        self.ended: deque[Ended] = deque(maxlen=_REMEMBERED)
        """The connections that are over, oldest first; the last thousand of them."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of its (first) door; RuntimeError if it serves memory streams only."""
        for listener in self._doorways.values():
            return listener.address
        raise RuntimeError("this server listens nowhere: it was started with port=None")

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """Host and port of each door, by the name of its wire."""
        return {each.name: listener.address for each, listener in self._doorways.items()}

    @property
    def ca(self) -> bytes:
        """The CA certificate that a client must trust, PEM text; RuntimeError without TLS."""
        return self._tls.ca

    def client_ssl_context(self) -> ssl.SSLContext:
        """A context that trusts this server's CA alone; RuntimeError without TLS."""
        return self._tls.client_context()

    @property
    def _tls(self) -> Certificates:
        if self._certificates is None:
            raise RuntimeError("this server has no certificate: it serves without TLS")
        return self._certificates

    def memory_client(self, wire: str = "tcp") -> trio.abc.HalfCloseableStream:
        """Connect through memory: the client's end of a new connection, without TLS, on any clock.

        `wire` is "tcp", "ws" or "json-ws": of a WebSocket the handshake is still to be
        made. What either side sends is buffered without bound.
        """
        from trio.testing import memory_stream_pair  # noqa: PLC0415 - only tests come this way

        ours, theirs = memory_stream_pair()
        self._callers.send_nowait((ours, endpoint_named(wire)))
        return theirs

    @property
    def broker(self) -> Broker:
        """The simulated broker, to look into and to move; RuntimeError if there is none."""
        broker: Broker | None = getattr(self.handlers, "broker", None)
        if broker is None:
            raise RuntimeError("this server has no broker: start it with a Box")
        return broker

    def now(self) -> float:
        """Seconds on the server's clock, which its behaviours are told."""
        return trio.current_time() - self._started

    async def wait_ended(self, count: int = 1) -> None:
        """Wait until so many connections, counted since the start, are over: `ended` says how."""
        while self._over < count:
            await self._hung_up.park()

    def ended_since(self, count: int) -> list[Ended]:
        """Those that ended after the first `count`, as far as they are remembered."""
        new = self._over - count
        return list(self.ended)[-new:] if new > 0 else []

    # --- one connection after the other, and all at once ------------------------------------------

    async def serve(self) -> None:
        """Answer whoever calls, until cancelled."""
        async with trio.open_nursery() as nursery:
            for each, listener in self._doorways.items():
                nursery.start_soon(listener.receive, partial(self._attend, each))
            world: object = self.handlers
            if isinstance(world, TimedFactory):
                nursery.start_soon(self._turn, world)
            async for stream, called in self._calls:
                nursery.start_soon(self._attend, called, stream, "memory")

    async def _turn(self, world: TimedFactory) -> None:
        """Give the world its turns when it wants them."""
        alarm = trio.lowlevel.ParkingLot()

        def nudge() -> None:
            alarm.unpark_all()

        world.started(nudge)
        while True:
            at = world.wake_at()
            now = self.now()
            if at is not None and at <= now + SOON:
                world.wake(max(at, now))
                await trio.lowlevel.checkpoint()
            else:
                with trio.move_on_after(math.inf if at is None else at - now):
                    await alarm.park()

    async def _attend(self, entered: Endpoint, stream: trio.abc.Stream, wire: str) -> None:
        """One client whose connection stands, from the first byte to the last."""
        shaped = ThrottledStream(stream)
        if entered.wire.carrier is Carrier.BYTES:
            await self._serve(entered, shaped, shaped, stream, wire)
            return
        from .websocket import accepted  # noqa: PLC0415 - slow to import, and most never need it

        text = entered.wire.carrier is Carrier.TEXT
        patience, whole_within = self._limits.handshake, self._limits.frame
        async with AsyncExitStack() as stack:
            stack.push_async_callback(close_now, stream)
            messages = await stack.enter_async_context(
                accepted(shaped, text=text, patience=patience, whole_within=whole_within)
            )
            if messages is None:
                self._refused(f"no WebSocket handshake, or not within {patience:g} seconds")
            else:
                await self._serve(entered, messages, shaped, stream, entered.name)

    async def _serve(
        self,
        entered: Endpoint,
        carrier: trio.abc.Stream,
        beneath: ThrottledStream,
        stream: trio.abc.Stream,
        wire: str,
    ) -> None:
        """Talk over `carrier`: what is `beneath`, or a WebSocket on it."""
        number = next(self._numbers)
        connection = ServerConnection(
            carrier,
            beneath,
            schema=self._schema,
            wire=entered.wire,
            limits=self._limits,
            now=self.now,
            shut_door=self._shut_door,
            call_log=self,
            number=number,
        )
        client = ClientConnection(number, wire, connection.push)
        reason = STOPPED
        try:
            reason = await connection.run(self.handlers(client))
            if connection.reset:
                reset(stream)
            elif not connection.cut_off:
                with trio.move_on_after(self._limits.farewell):
                    await (close_gracefully(stream) if carrier is beneath else carrier.aclose())
        finally:
            self._over_with(Ended(number, reason, connection.client_left))
            await close_now(stream)

    def _shut_door(self, seconds: float) -> None:
        for listener in self._doorways.values():
            listener.shut(seconds)

    def _refused(self, reason: str, client_left: bool = False) -> None:
        self._over_with(Ended(None, reason, client_left))

    def _over_with(self, ended: Ended) -> None:
        self.ended.append(ended)
        self._over += 1
        self._hung_up.unpark_all()
