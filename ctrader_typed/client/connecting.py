"""From an endpoint, or an open stream, to a client at work, whatever its release.

Puts the parts together; what each does is its own business.
"""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol, TypeVar, get_args

import trio

from ..errors import InvalidValue
from ..net.endpoints import PATIENCE, Place, open_transport, over_stream, route
from ..net.event_streams import EventHub
from ..net.link import Link
from ..net.restoring import SessionRestorer
from ..net.supervisor import Dial, Supervisor
from ..net.transport import Transport
from ..only_async import AsyncBlock
from ..orders.journal import Journal
from ..orders.order_manager import OrderManager
from ..protocol.backoff import NO_RECONNECT, Reconnect
from ..protocol.message_roles import MessageRoles
from ..protocol.rate_limits import RateLimits
from ..protocol.releases import read_as_ours
from ..protocol.request_tracker import AnsweredRequest, Event
from ..protocol.session import Session
from ..protocol.statistics import StatisticsCollector
from ..schema import Schema
from ..trio_run import TrioRun
from ..units import checks
from ..wire.connection import MissingRequired, Wire, WireName, wire_of
from .background_tasks import BackgroundTasks
from .client import Client

RATE_LIMITS = RateLimits()
"""What the server documents: 50 requests a second, 5 for history."""

RECONNECT = Reconnect()
"""For as long as it takes."""

C = TypeVar("C", bound=Client)
C_co = TypeVar("C_co", bound=Client, covariant=True)


class BindingsPackage(Protocol[C_co]):
    """A package of bindings: this one, or one that `python -m codegen --package` made."""

    @property
    def SCHEMA(self) -> Schema:  # noqa: N802 - a constant of the module
        """What it says of itself."""
        ...

    @property
    def Api(self) -> type[C_co]:  # noqa: N802 - a class of the module
        """Its client: Client and its Methods."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be chosen of a client, however it is connected; `connect` says what each means."""

    wire: Wire | WireName
    heartbeat_interval: float
    silence_limit: float
    limits: RateLimits
    journal: str | os.PathLike[str] | None
    reconnect: Reconnect
    missing_required: MissingRequired

    def __post_init__(self) -> None:
        wire_of(self.wire)
        checks.seconds(self.heartbeat_interval, "heartbeat_interval")
        checks.seconds(self.silence_limit, "silence_limit")
        checks.instance(self.limits, "limits", RateLimits, "RateLimits, or NO_LIMITS")
        checks.choice(self.missing_required, "missing_required", get_args(MissingRequired))
        checks.instance(self.reconnect, "reconnect", Reconnect, "a Reconnect, or NO_RECONNECT")
        if self.journal is not None:
            checks.path(self.journal, "journal")


def connect(
    endpoint: Place | Iterable[Place],
    port: int | None,
    schema: BindingsPackage[C],
    settings: Settings,
    *,
    tls: bool,
    ssl_context: ssl.SSLContext | None,
) -> AbstractAsyncContextManager[C]:
    """A client of the release `schema`; the public `connect` says all the rest."""
    _check_package(schema)
    way = route(endpoint, port, wire_of(settings.wire), tls=tls, ssl_context=ssl_context)

    async def dial(nursery: trio.Nursery) -> Transport:
        return await open_transport(nursery, way)

    client = _client(dial, PATIENCE * len(way.places), schema, settings)
    return AsyncBlock(client, "`async with connect(...) as api:`")


def connect_over(
    stream: trio.abc.Stream | Callable[[], Awaitable[trio.abc.Stream]],
    schema: BindingsPackage[C],
    settings: Settings,
) -> AbstractAsyncContextManager[C]:
    """The same over a stream; the public `connect_over` says all the rest."""
    _check_package(schema)
    if not callable(stream) and not isinstance(stream, trio.abc.Stream):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        checks.refuse(stream, "stream", "a trio Stream, or an async function that opens one")
    if not callable(stream) and settings.reconnect != NO_RECONNECT:
        raise InvalidValue("a stream can be used once: reconnect needs a function that opens one")

    async def dial(nursery: trio.Nursery) -> Transport:
        opened = await stream() if callable(stream) else stream
        return await over_stream(nursery, opened, wire_of(settings.wire), "localhost")

    client = _client(dial, PATIENCE, schema, settings)
    return AsyncBlock(client, "`async with connect_over(...) as api:`")


def _check_package(schema: object) -> None:
    if not isinstance(getattr(schema, "SCHEMA", None), Schema) or not hasattr(schema, "Api"):
        expected = "a package that `python -m codegen` made: `import bindings`, schema=bindings"
        checks.refuse(schema, "schema", expected)


@asynccontextmanager
async def _client(
    dial: Dial, patience: float, package: BindingsPackage[C], chosen: Settings
) -> AsyncGenerator[C, None]:
    run, schema = TrioRun(), package.SCHEMA
    read_as_ours(schema)
    failure: BaseException | None = None
    with nullcontext() if chosen.journal is None else Journal(chosen.journal, schema) as kept:
        roles = MessageRoles(schema)
        subscriptions = EventHub((roles.execution, roles.order_error), roles.quotes, run)
        orders = OrderManager(schema, kept, run)
        supervisor = _supervisor(dial, patience, schema, subscriptions, orders, chosen)
        background = BackgroundTasks(run)
        async with trio.open_nursery() as nursery:
            try:
                transport = await dial(nursery)
                try:
                    link = supervisor.start(transport)
                except BaseException:
                    await transport.aclose()
                    raise
                nursery.start_soon(supervisor.run, link)
                nursery.start_soon(background.run)
                yield package.Api(schema, supervisor, subscriptions, orders, background)
            except BaseException as error:  # noqa: BLE001 - raised again below, out of the nursery's reach
                failure = error
            # Shielded: the link's Cancelled then ends here, even if a scope around us is cancelled.
            nursery.cancel_scope.shield = True
            nursery.cancel_scope.cancel()
    run.end()
    if failure is not None:
        raise failure


def _supervisor(
    dial: Dial,
    patience: float,
    schema: Schema,
    subscriptions: EventHub,
    orders: OrderManager,
    chosen: Settings,
) -> Supervisor:
    reconnect, chance, statistics_collector = chosen.reconnect, random.random, StatisticsCollector()
    restorer = SessionRestorer(
        Session(schema),
        subscriptions,
        reconnect,
        chosen.silence_limit,
        chance,
        orders.account_refused,
    )

    def watch(answered: list[AnsweredRequest], events: list[Event], unread: int) -> None:
        statistics_collector.observe(answered, len(events) + unread)
        restorer.observe(answered, events)

    def build(transport: Transport) -> Link:
        return Link(
            transport,
            schema,
            subscriptions,
            orders,
            wire=wire_of(chosen.wire),
            heartbeat_interval=chosen.heartbeat_interval,
            silence_limit=chosen.silence_limit,
            limits=chosen.limits,
            lenient=chosen.missing_required == "default",
            watch=watch,
        )

    return Supervisor(
        dial,
        build,
        restorer,
        subscriptions,
        orders,
        statistics_collector,
        reconnect=reconnect,
        patience=patience,
        chance=chance,
    )
