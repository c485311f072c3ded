"""`connect()` and the client that it gives: the release that this package ships, and accounts.

Knows how none of it is done.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, overload

import trio

from . import client, proto
from .client import RATE_LIMITS, RECONNECT, BindingsPackage, Client, Settings
from .errors import InvalidValue
from .message import columns
from .net.endpoints import Place
from .protocol.backoff import NO_RECONNECT, Reconnect
from .protocol.keepalive import HEARTBEAT_INTERVAL, SILENCE_LIMIT
from .protocol.rate_limits import RateLimits
from .schema import Schema
from .wire.connection import PROTOBUF_TCP, MissingRequired, Wire, WireName

if TYPE_CHECKING:
    from .account import Account

C = TypeVar("C", bound=Client)


class TradingClient(Client):
    """A client of any release, with accounts: what a generated package's `Api` is made of."""

    async def account(self, account_id: int) -> Account:
        """An authorised account, in step with the server from here on, until the client is closed.

        `account_id` is the ctidTraderAccountId. Raises what `request` does; cancelled, nothing
        stays behind.
        """
        from .account import Account  # noqa: PLC0415  # half of our import, for who trades by messages

        return await Account.open(self, account_id)


class Api(TradingClient, proto.Methods):
    """The client of the release that this package ships: one typed method for each request."""


@dataclass(frozen=True)
class _Release:
    """This package as a package of bindings."""

    SCHEMA: Schema = proto.SCHEMA
    Api: type[Api] = Api


@overload
def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = ...,
    *,
    tls: bool = ...,
    ssl_context: ssl.SSLContext | None = ...,
    wire: Wire | WireName = ...,
    heartbeat_interval: float = ...,
    silence_limit: float = ...,
    reconnect: Reconnect = ...,
    limits: RateLimits = ...,
    journal: str | os.PathLike[str] | None = ...,
    missing_required: MissingRequired = ...,
) -> AbstractAsyncContextManager[Api]: ...
@overload
def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = ...,
    *,
    schema: BindingsPackage[C],
    tls: bool = ...,
    ssl_context: ssl.SSLContext | None = ...,
    wire: Wire | WireName = ...,
    heartbeat_interval: float = ...,
    silence_limit: float = ...,
    reconnect: Reconnect = ...,
    limits: RateLimits = ...,
    journal: str | os.PathLike[str] | None = ...,
    missing_required: MissingRequired = ...,
) -> AbstractAsyncContextManager[C]: ...
def connect(
    endpoint: Place | Iterable[Place],
    port: int | None = None,
    *,
    schema: BindingsPackage[Any] | None = None,
    tls: bool = True,
    ssl_context: ssl.SSLContext | None = None,
    wire: Wire | WireName = PROTOBUF_TCP,
    heartbeat_interval: float = HEARTBEAT_INTERVAL,
    silence_limit: float = SILENCE_LIMIT,
    reconnect: Reconnect = RECONNECT,
    limits: RateLimits = RATE_LIMITS,
    journal: str | os.PathLike[str] | None = None,
    missing_required: MissingRequired = "error",
) -> AbstractAsyncContextManager[Any]:
    """Connect over TLS, and be connected while the `async with` block runs.

    `endpoint` is "demo", "live", a host name, or a host with its port ("host:5035"); several of
    them, in a list, are tried in turn, each but the last for at most ten seconds. Without
    `ssl_context` the server's certificate is verified against this machine's authorities;
    `tls=False` speaks plainly, to this machine only. `wire` is "protobuf", "websocket" (protobuf in
    a WebSocket) or "json", or the constant of one, and decides which port is the usual one: 5035,
    and 5036 for JSON.

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
    process finds out about what this one leaves: `orders` has it from the start. With it a
    client_order_id is good for one order (DuplicateOrder); without it nothing keeps two from having
    the same.

    `missing_required="default"` is for servers that leave zero-valued required fields out, as those
    written with betterproto 1 do: the field is then 0, false or "", or an enum's member 0. What has
    no such value (a message, the side of a trade) is still required. "error" refuses them all.

    Raises ConnectFailed (CertificateRefused is one) with what to do about it, for each endpoint
    that was tried: the first connection is tried once. ValueError for an endpoint elsewhere with
    `tls=False`; JournalInUse, or DecodeError for a journal that is none. The block is not disturbed
    when a connection is lost: its requests raise ConnectionLost until there is another one, its
    streams only when there will be none. Leaving it closes everything within two seconds; what the
    block raises leaves it as it is, never wrapped in a group.
    """
    _prepare()
    release = _Release() if schema is None else schema
    settings = Settings(
        wire, heartbeat_interval, silence_limit, limits, journal, reconnect, missing_required
    )
    return client.connect(endpoint, port, release, settings, tls=tls, ssl_context=ssl_context)


@overload
def connect_over(
    stream: trio.abc.Stream | Callable[[], Awaitable[trio.abc.Stream]],
    *,
    wire: Wire | WireName = ...,
    heartbeat_interval: float = ...,
    silence_limit: float = ...,
    reconnect: Reconnect = ...,
    limits: RateLimits = ...,
    journal: str | os.PathLike[str] | None = ...,
    missing_required: MissingRequired = ...,
) -> AbstractAsyncContextManager[Api]: ...
@overload
def connect_over(
    stream: trio.abc.Stream | Callable[[], Awaitable[trio.abc.Stream]],
    *,
    schema: BindingsPackage[C],
    wire: Wire | WireName = ...,
    heartbeat_interval: float = ...,
    silence_limit: float = ...,
    reconnect: Reconnect = ...,
    limits: RateLimits = ...,
    journal: str | os.PathLike[str] | None = ...,
    missing_required: MissingRequired = ...,
) -> AbstractAsyncContextManager[C]: ...
def connect_over(
    stream: trio.abc.Stream | Callable[[], Awaitable[trio.abc.Stream]],
    *,
    schema: BindingsPackage[Any] | None = None,
    wire: Wire | WireName = PROTOBUF_TCP,
    heartbeat_interval: float = HEARTBEAT_INTERVAL,
    silence_limit: float = SILENCE_LIMIT,
    reconnect: Reconnect = NO_RECONNECT,
    limits: RateLimits = RATE_LIMITS,
    journal: str | os.PathLike[str] | None = None,
    missing_required: MissingRequired = "error",
) -> AbstractAsyncContextManager[Any]:
    """`connect()` over a stream that is open already: a tunnel, or a memory stream in a test.

    On it comes what the wire needs: for a WebSocket, its handshake. The stream is closed when the
    block is left. An async function that opens such a stream, or raises ConnectFailed, will do too;
    only then a lost connection can be replaced, and only if `reconnect` is given.
    """
    _prepare()
    release = _Release() if schema is None else schema
    settings = Settings(
        wire, heartbeat_interval, silence_limit, limits, journal, reconnect, missing_required
    )
    return client.connect_over(stream, release, settings)


def _prepare() -> None:
    """Import all that a client can need, before it runs: an account takes 200 ms, in which its loop
    would send no heartbeat and read no quote.
    """
    import_module(".account", __package__)
    columns.prepare()
    from .units import NEW_YORK, time_zone  # noqa: PLC0415 - with the account, not before

    with suppress(InvalidValue):  # it is said when one is asked for
        time_zone(NEW_YORK)  # tzdata, where the machine has no database of its own
