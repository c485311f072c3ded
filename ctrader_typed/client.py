"""What a program holds in its hands: `connect()`, and the client that it gives.

Knows no byte and no task: those belong to the link.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Protocol, TypeVar, overload

import trio

from . import proto
from .errors import ServerError
from .journal import Journal
from .message import Message, Request
from .net.endpoints import Place, open_transport, over_stream, route
from .net.link import Link
from .net.order import Order
from .net.orders import Orders
from .net.subscriptions import BUFFER, EventStream, Subscriptions
from .net.transport import Transport
from .schema import Schema
from .wire.connection import PROTOBUF_TCP, Wire
from .wire.limits import Limits, RateLimits
from .wire.pulse import HEARTBEAT_INTERVAL, SILENCE_LIMIT
from .wire.roles import Roles
from .wire.verdict import ALREADY_AUTHORISED

R = TypeVar("R", bound=Message)
C = TypeVar("C", bound="Client")
C_co = TypeVar("C_co", bound="Client", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
D = TypeVar("D")
E = TypeVar("E")

log = logging.getLogger(__name__)

RATE_LIMITS = RateLimits()
"""What the server documents: 50 requests a second, 5 for history."""


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


class Client:
    """A connection to the API, for any release of the schema. Made by `connect()`.

    Any number of tasks may use it at the same time.
    """

    def __init__(
        self, schema: Schema, link: Link, subscriptions: Subscriptions, orders: Orders
    ) -> None:
        self._schema = schema
        self._link = link
        self._subscriptions = subscriptions
        self._orders = orders

    @property
    def schema(self) -> Schema:
        """The release that is spoken."""
        return self._schema

    async def request(self, request: Request[R]) -> R:
        """Send a request and return the first message that answers it.

        A trading request is answered by its first ProtoOAExecutionEvent; what follows (the fill
        after the acceptance) comes to the streams of that type, and so does the first one.

        Raises ServerError when the server refuses (RateLimited, AuthError and OrderError are the
        kinds of it), with the request and the reply; UnexpectedReply when something else comes
        back; DecodeError when the answer cannot be read; EncodeError when the request cannot be
        written; ConnectionLost when the link has ended or ends meanwhile, whose `maybe_delivered`
        says whether the server may have seen the request.

        Requests wait for their places within the server's limits, orders before reads. A read that
        the server refuses all the same is sent again after the block, as often as it takes; a
        trading request, and whatever else changes something, then raises RateLimited. Nothing else
        is ever sent twice.

        Cancelled before the request was written, not one byte of it leaves. Cancelled after that,
        it may still be carried out: its answer is discarded, but an order's execution events are
        still events. There is no timeout: `with trio.fail_after(5): await api.request(...)`.
        """
        return await self._link.request(request)

    async def place(self, request: Request[Any]) -> Order:
        """Send a trading request and follow what becomes of it, over reconnects too.

        Takes ProtoOANewOrderReq, ProtoOAClosePositionReq, ProtoOAAmendOrderReq,
        ProtoOAAmendPositionSLTPReq and ProtoOACancelOrderReq. Returns once the server has answered:
        `await order.filled()` is the next step. A new order without a client_order_id gets one.

        Raises OrderError or another ServerError when the server refuses, NotSent when not one byte
        of it left, OutcomeUnknown as soon as the link is lost after that: then nobody knows, and
        `await error.order.resolved()` finds out. EncodeError or LocalProtocolError when it cannot
        be sent at all. Nothing is ever sent twice.

        Cancelled before the request was written, not one byte of it leaves. Cancelled after that,
        the order goes its way, and `orders` has it.
        """
        return await self._orders.place(request)

    @property
    def orders(self) -> Orders:
        """The orders that were placed, and those that the journal took over: iterate, or `find`."""
        return self._orders

    def limits(self) -> Limits:
        """How many requests wait in each lane, what is blocked, and how many may still leave.

        Times are those of `trio.current_time()`.
        """
        return self._link.limits()

    async def auth(
        self,
        *,
        client_id: str,
        client_secret: str,
        access_token: str,
        account_id: int | Iterable[int],
    ) -> None:
        """Authorise the application, then one account or several, in this order.

        `account_id` is the ctidTraderAccountId, not the login. What is authorised already counts as
        success. Raises AuthError or another ServerError at the first refusal, and what `request`
        raises; what was authorised before that stays so, also when cancelled.
        """
        roles = Roles(self._schema)
        accounts = (account_id,) if isinstance(account_id, int) else tuple(account_id)
        await self._authorise(
            roles.application_auth(client_id=client_id, client_secret=client_secret)
        )
        log.info("application authorised")
        for account in accounts:
            await self._authorise(
                roles.account_auth(ctid_trader_account_id=account, access_token=access_token)
            )
            log.info("account %d authorised", account)

    async def _authorise(self, request: Request[Any]) -> None:
        try:
            await self.request(request)
        except ServerError as error:
            if error.code not in ALREADY_AUTHORISED:
                raise

    @overload
    def events(self, a: type[A], /, *, buffer: int = ...) -> EventStream[A]: ...
    @overload
    def events(self, a: type[A], b: type[B], /, *, buffer: int = ...) -> EventStream[A | B]: ...
    @overload
    def events(
        self, a: type[A], b: type[B], d: type[D], /, *, buffer: int = ...
    ) -> EventStream[A | B | D]: ...
    @overload
    def events(
        self, a: type[A], b: type[B], d: type[D], e: type[E], /, *, buffer: int = ...
    ) -> EventStream[A | B | D | E]: ...
    @overload
    def events(self, *types: type[A], buffer: int = ...) -> EventStream[A]: ...
    def events(self, *types: type[Any], buffer: int = BUFFER) -> EventStream[Any]:
        """A stream of the events of these types: `async with api.events(T) as stream: async for …`.

        What comes in after the stream is opened is not missed, so open it before sending the
        request that starts the events. `Message` stands for every message; UnknownPayload and
        BadPayload are what could not be read. `buffer` is how many events may wait; EventStream
        says what happens to more.
        """
        if not types:
            raise TypeError("events() needs at least one type")
        return EventStream(self._subscriptions, types, buffer)


class Api(Client, proto.Methods):
    """The client of the release that this package ships: one typed method for each request."""


# --- connecting ---


@overload
def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = ...,
    *,
    wire: Wire = ...,
    tls: bool = ...,
    ssl_context: ssl.SSLContext | None = ...,
    heartbeat_interval: float = ...,
    silence_limit: float = ...,
    limits: RateLimits = ...,
    journal: str | os.PathLike[str] | None = ...,
) -> AbstractAsyncContextManager[Api]: ...
@overload
def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = ...,
    *,
    wire: Wire = ...,
    tls: bool = ...,
    schema: Package[C],
    ssl_context: ssl.SSLContext | None = ...,
    heartbeat_interval: float = ...,
    silence_limit: float = ...,
    limits: RateLimits = ...,
    journal: str | os.PathLike[str] | None = ...,
) -> AbstractAsyncContextManager[C]: ...
@asynccontextmanager
async def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = None,
    *,
    schema: Package[Any] | None = None,
    wire: Wire = PROTOBUF_TCP,
    tls: bool = True,
    ssl_context: ssl.SSLContext | None = None,
    heartbeat_interval: float = HEARTBEAT_INTERVAL,
    silence_limit: float = SILENCE_LIMIT,
    limits: RateLimits = RATE_LIMITS,
    journal: str | os.PathLike[str] | None = None,
) -> AsyncGenerator[Any, None]:
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

    `limits` says how many requests a second the server takes; the default is what it documents.

    `journal` is a file that has each trading request before the wire has it, so that the next
    process finds out about what this one leaves: `orders` has it from the start.

    Raises ConnectFailed (CertificateRefused is one) with what to do about it, for each endpoint
    that was tried; ValueError for an endpoint elsewhere with `tls=False`; JournalInUse, or
    DecodeError for a journal that is none. The block is not
    disturbed when the link ends: its requests and streams raise ConnectionLost. Leaving it closes
    the link within two seconds; what the block raises leaves it as it is, never wrapped in a group.
    """
    way = route(endpoint, port, wire, tls=tls, ssl_context=ssl_context)

    async def dial(nursery: trio.Nursery) -> Transport:
        return await open_transport(nursery, way)

    client = _client(dial, wire, schema, heartbeat_interval, silence_limit, limits, journal)
    async with client as api:
        yield api


@overload
def connect_over(
    stream: trio.abc.Stream,
    *,
    wire: Wire = ...,
    heartbeat_interval: float = ...,
    silence_limit: float = ...,
    limits: RateLimits = ...,
    journal: str | os.PathLike[str] | None = ...,
) -> AbstractAsyncContextManager[Api]: ...
@overload
def connect_over(
    stream: trio.abc.Stream,
    *,
    schema: Package[C],
    wire: Wire = ...,
    heartbeat_interval: float = ...,
    silence_limit: float = ...,
    limits: RateLimits = ...,
    journal: str | os.PathLike[str] | None = ...,
) -> AbstractAsyncContextManager[C]: ...
def connect_over(
    stream: trio.abc.Stream,
    *,
    schema: Package[Any] | None = None,
    wire: Wire = PROTOBUF_TCP,
    heartbeat_interval: float = HEARTBEAT_INTERVAL,
    silence_limit: float = SILENCE_LIMIT,
    limits: RateLimits = RATE_LIMITS,
    journal: str | os.PathLike[str] | None = None,
) -> AbstractAsyncContextManager[Any]:
    """`connect()` over a stream that is open already: a tunnel, or a memory stream in a test.

    On it comes what the wire needs: for a WebSocket, its handshake. The stream is closed when the
    block is left.
    """

    async def dial(nursery: trio.Nursery) -> Transport:
        return await over_stream(nursery, stream, wire, "localhost")

    return _client(dial, wire, schema, heartbeat_interval, silence_limit, limits, journal)


@asynccontextmanager
async def _client(
    dial: Callable[[trio.Nursery], Awaitable[Transport]],
    wire: Wire,
    package: Package[Any] | None,
    heartbeat_interval: float,
    silence_limit: float,
    limits: RateLimits,
    journal: str | os.PathLike[str] | None,
) -> AsyncGenerator[Any, None]:
    subscriptions = Subscriptions()
    schema, api = (proto.SCHEMA, Api) if package is None else (package.SCHEMA, package.Api)
    failure: BaseException | None = None
    with nullcontext() if journal is None else Journal(journal, schema) as kept:
        orders = Orders(schema, kept)

        async def run(link: Link) -> None:
            try:
                await link.run()
            finally:
                orders.close("the connection has ended")

        async with trio.open_nursery() as nursery:
            try:
                transport = await dial(nursery)
                try:
                    link = Link(
                        transport,
                        schema,
                        subscriptions,
                        orders,
                        wire=wire,
                        heartbeat_interval=heartbeat_interval,
                        silence_limit=silence_limit,
                        limits=limits,
                    )
                except BaseException:
                    await transport.aclose()
                    raise
                orders.connected(link.submit, link.withdraw)
                nursery.start_soon(run, link)
                yield api(schema, link, subscriptions, orders)
            except BaseException as error:  # noqa: BLE001 - raised again below, out of the nursery's reach
                failure = error
            # Shielded: the link's Cancelled then ends here, even if a scope around us is cancelled.
            nursery.cancel_scope.shield = True
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
