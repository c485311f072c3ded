"""`connect()`: from an endpoint, or an open stream, to a client at work.

Puts the parts together; what each does is its own business.
"""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, overload

import trio

from .. import proto
from ..journal import Journal
from ..net.endpoints import PATIENCE, Place, open_transport, over_stream, route
from ..net.link import Link
from ..net.orders import Orders
from ..net.restoring import Restorer
from ..net.subscriptions import Subscriptions
from ..net.supervisor import Dial, Supervisor
from ..net.transport import Transport
from ..schema import Schema
from ..wire.connection import PROTOBUF_TCP, Wire
from ..wire.exchange import Answered, Event
from ..wire.limits import RateLimits
from ..wire.pulse import HEARTBEAT_INTERVAL, SILENCE_LIMIT
from ..wire.reconnect import NO_RECONNECT, Reconnect
from ..wire.roles import Roles
from ..wire.session import Session
from ..wire.statistics import Tally
from .api import Api, Client

RATE_LIMITS = RateLimits()
"""What the server documents: 50 requests a second, 5 for history."""

RECONNECT = Reconnect()
"""For as long as it takes."""

C = TypeVar("C", bound=Client)
C_co = TypeVar("C_co", bound=Client, covariant=True)


class Package(Protocol[C_co]):
    """A package of bindings: this one, or one that `python -m codegen --package` made."""

    @property
    def SCHEMA(self) -> Schema:  # noqa: N802 - a constant of the module
        """What it says of itself."""
        ...

    @property
    def Api(self) -> type[C_co]:  # noqa: N802 - a class of the module
        """Its client: Client and its Methods."""
        ...


class Settings(TypedDict, total=False):
    """What can be chosen of a client, however it is connected; `connect` says what each means."""

    wire: Wire
    heartbeat_interval: float
    silence_limit: float
    limits: RateLimits
    journal: str | os.PathLike[str] | None
    reconnect: Reconnect


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The settings with their defaults."""

    wire: Wire = PROTOBUF_TCP
    heartbeat_interval: float = HEARTBEAT_INTERVAL
    silence_limit: float = SILENCE_LIMIT
    limits: RateLimits = RATE_LIMITS
    journal: str | os.PathLike[str] | None = None
    reconnect: Reconnect = RECONNECT


@overload
def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = ...,
    *,
    tls: bool = ...,
    ssl_context: ssl.SSLContext | None = ...,
    **settings: Unpack[Settings],
) -> AbstractAsyncContextManager[Api]: ...
@overload
def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = ...,
    *,
    schema: Package[C],
    tls: bool = ...,
    ssl_context: ssl.SSLContext | None = ...,
    **settings: Unpack[Settings],
) -> AbstractAsyncContextManager[C]: ...
def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = None,
    *,
    schema: Package[Any] | None = None,
    tls: bool = True,
    ssl_context: ssl.SSLContext | None = None,
    **settings: Unpack[Settings],
) -> AbstractAsyncContextManager[Any]:
    """Connect over TLS, and be connected while the `async with` block runs.

    `endpoint` is "demo", "live", a host name, or a host with its port; several of them, in a list,
    are tried in turn, each but the last for at most ten seconds. Without `ssl_context` the server's
    certificate is verified against this machine's authorities; `tls=False` speaks plainly, to this
    machine only. `wire` is PROTOBUF_TCP, PROTOBUF_WEBSOCKET or JSON_WEBSOCKET, and decides which
    port is the usual one: 5035, and 5036 for JSON.

    `schema` is a package that `python -m codegen` made from another release, and the client is then
    that package's `Api`.

    A heartbeat leaves every `heartbeat_interval` seconds; the server wants one every 10. A link on
    which nothing was heard for `silence_limit` seconds is given up; a question (ProtoOAVersionReq)
    is sent after two thirds of that, because a healthy server may be silent for 30.

    `reconnect` says how a lost connection is replaced; by default for as long as it takes, with
    pauses of 0.5 seconds that double up to 30. What was authorised and subscribed is so again
    before requests are taken; NO_RECONNECT does without. Nothing else is ever sent again.

    `limits` says how many requests a second the server takes; the default is what it documents.

    `journal` is a file that has each trading request before the wire has it, so that the next
    process finds out about what this one leaves: `orders` has it from the start.

    Raises ConnectFailed (CertificateRefused is one) with what to do about it, for each endpoint
    that was tried: the first connection is tried once. ValueError for an endpoint elsewhere with
    `tls=False`; JournalInUse, or DecodeError for a journal that is none. The block is not disturbed
    when a connection is lost: its requests raise ConnectionLost until there is another one, its
    streams only when there will be none. Leaving it closes everything within two seconds; what the
    block raises leaves it as it is, never wrapped in a group.
    """
    chosen = _Chosen(**settings)
    way = route(endpoint, port, chosen.wire, tls=tls, ssl_context=ssl_context)

    async def dial(nursery: trio.Nursery) -> Transport:
        return await open_transport(nursery, way)

    return _client(dial, PATIENCE * len(way.places), schema, chosen)


@overload
def connect_over(
    stream: trio.abc.Stream | Callable[[], Awaitable[trio.abc.Stream]],
    **settings: Unpack[Settings],
) -> AbstractAsyncContextManager[Api]: ...
@overload
def connect_over(
    stream: trio.abc.Stream | Callable[[], Awaitable[trio.abc.Stream]],
    *,
    schema: Package[C],
    **settings: Unpack[Settings],
) -> AbstractAsyncContextManager[C]: ...
def connect_over(
    stream: trio.abc.Stream | Callable[[], Awaitable[trio.abc.Stream]],
    *,
    schema: Package[Any] | None = None,
    **settings: Unpack[Settings],
) -> AbstractAsyncContextManager[Any]:
    """`connect()` over a stream that is open already: a tunnel, or a memory stream in a test.

    On it comes what the wire needs: for a WebSocket, its handshake. The stream is closed when the
    block is left. An async function that opens such a stream, or raises ConnectFailed, will do too;
    only then a lost connection can be replaced, and only if `reconnect` is given.
    """
    chosen = _Chosen(**settings)
    if "reconnect" not in settings:
        chosen = replace(chosen, reconnect=NO_RECONNECT)
    if not callable(stream) and chosen.reconnect != NO_RECONNECT:
        raise ValueError("a stream can be used once: reconnect needs a function that opens one")

    async def dial(nursery: trio.Nursery) -> Transport:
        opened = await stream() if callable(stream) else stream
        return await over_stream(nursery, opened, chosen.wire, "localhost")

    return _client(dial, PATIENCE, schema, chosen)


@asynccontextmanager
async def _client(
    dial: Dial, patience: float, package: Package[Any] | None, chosen: _Chosen
) -> AsyncGenerator[Any, None]:
    schema, api = (proto.SCHEMA, Api) if package is None else (package.SCHEMA, package.Api)
    failure: BaseException | None = None
    with nullcontext() if chosen.journal is None else Journal(chosen.journal, schema) as kept:
        roles = Roles(schema)
        subscriptions = Subscriptions((roles.execution, roles.order_error))
        orders = Orders(schema, kept)
        supervisor = _supervisor(dial, patience, schema, subscriptions, orders, chosen)
        async with trio.open_nursery() as nursery:
            try:
                transport = await dial(nursery)
                try:
                    link = supervisor.start(transport)
                except BaseException:
                    await transport.aclose()
                    raise
                nursery.start_soon(supervisor.run, link)
                yield api(schema, supervisor, subscriptions, orders)
            except BaseException as error:  # noqa: BLE001 - raised again below, out of the nursery's reach
                failure = error
            # Shielded: the link's Cancelled then ends here, even if a scope around us is cancelled.
            nursery.cancel_scope.shield = True
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _supervisor(
    dial: Dial,
    patience: float,
    schema: Schema,
    subscriptions: Subscriptions,
    orders: Orders,
    chosen: _Chosen,
) -> Supervisor:
    reconnect, chance, tally = chosen.reconnect, random.random, Tally()
    restorer = Restorer(Session(schema), subscriptions, reconnect, chosen.silence_limit, chance)

    def watch(answered: list[Answered], events: list[Event]) -> None:
        tally.observe(answered, len(events))
        restorer.observe(answered, events)

    def build(transport: Transport) -> Link:
        return Link(
            transport,
            schema,
            subscriptions,
            orders,
            wire=chosen.wire,
            heartbeat_interval=chosen.heartbeat_interval,
            silence_limit=chosen.silence_limit,
            limits=chosen.limits,
            watch=watch,
        )

    return Supervisor(
        dial,
        build,
        restorer,
        subscriptions,
        orders,
        tally,
        reconnect=reconnect,
        patience=patience,
        chance=chance,
    )
