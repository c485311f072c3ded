"""Where the API is, and how to get there: several places in order of preference, one at a time."""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeAlias, cast

import trio

from ..errors import ConnectFailed, InvalidValue
from ..units import checks
from ..wire.connection import Carrier, Wire
from .dial import open_tcp, open_tls
from .transport import StreamTransport, Transport

log = logging.getLogger(__name__)


PATIENCE = 10.0
"""Seconds that a place gets while there is another one to try; the last one has no limit."""

Place: TypeAlias = str | tuple[str, int]
"""A host, by its name, address or short name ("demo", "live"); with its port, "host:5035" or
("host", 5035), if that is not the usual one. IPv6: "::1", and "[::1]:5035".
"""

_EXPECTED = '"demo", "live", a host, "host:port" or (host, port)'

_LAST_PORT = 65_535

SHORT: dict[str, Place] = {"demo": "demo.ctraderapi.com", "live": "live.ctraderapi.com"}
"""The real endpoints by their short names. An account lives on one of them only."""


@dataclass(frozen=True, slots=True)
class Route:
    """How to get a connection. `plain` means without TLS; without a context, verify as usual."""

    places: tuple[tuple[str, int], ...]
    wire: Wire
    ssl_context: ssl.SSLContext | None
    plain: bool


def route(
    endpoint: Place | Iterable[Place],
    port: int | None,
    wire: Wire,
    *,
    tls: bool,
    ssl_context: ssl.SSLContext | None,
) -> Route:
    """The route to these places; `port` is for those that have none.

    Raises InvalidValue if it makes no sense, or would send secrets plainly over a network.
    """
    checks.flag(tls, "tls")
    if ssl_context is not None:
        checks.instance(ssl_context, "ssl_context", ssl.SSLContext, "an ssl.SSLContext")
    usual = wire.port if port is None else checks.whole(port, "port", 1, _LAST_PORT)
    places = tuple(_place(each, usual) for each in _each(endpoint))
    if not places:
        raise InvalidValue("connect() needs at least one endpoint")
    if not tls:
        if ssl_context is not None:
            raise InvalidValue("an ssl_context and tls=False exclude each other")
        for host, _ in places:
            if not _is_here(host):
                raise InvalidValue(
                    f"tls=False is for this machine only, and {host} is not a loopback address: "
                    "without TLS everybody on the way could read the tokens and trade with them"
                )
    return Route(places, wire, ssl_context, not tls)


def _each(endpoint: Any) -> Iterable[Any]:
    if isinstance(endpoint, str) or (_is_pair(endpoint) and isinstance(endpoint[1], int)):
        return (endpoint,)
    if not _is_iterable(endpoint):
        checks.refuse(endpoint, "endpoint", _EXPECTED + ", or several of them in a list")
    return cast("Iterable[Any]", endpoint)


def _is_iterable(given: object) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, (bytes, Mapping))


def _is_pair(given: object) -> bool:
    return isinstance(given, tuple) and len(given) == 2  # pyright: ignore[reportUnknownArgumentType]  # of anything


def _place(given: Any, usual: int) -> tuple[str, int]:
    if isinstance(given, str):
        host, port = _split(given)
    elif _is_pair(given):
        host, port = given
    else:
        checks.refuse(given, "endpoint", _EXPECTED)
    host = checks.text(host, "host", "demo.ctraderapi.com")
    if port is not None:
        checks.whole(port, f"the port of {host}", 1, _LAST_PORT)
    full = SHORT.get(host, host)
    if isinstance(full, str):
        return full, usual if port is None else port
    return full[0], full[1] if port is None else port


def _split(given: str) -> tuple[str, int | None]:
    """ "host", "host:port", "::1" and "[::1]:port" in their parts."""
    if "/" in given or given.isdecimal() or given != given.strip():
        checks.refuse(given, "endpoint", f"{_EXPECTED}; `wire` says what is spoken there")
    host, colon, port = given.rpartition(":")
    if not colon or host.endswith(":") or (":" in host and not host.startswith("[")):
        return given.strip("[]"), None
    if given.endswith("]"):
        return given[1:-1], None
    if not port.isdecimal() or not host:
        checks.refuse(given, "endpoint", f"{_EXPECTED}, the port as a number")
    return host.strip("[]"), int(port)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def open_transport(nursery: trio.Nursery, route: Route) -> Transport:
    """Connect to the first place that takes us, and finish all handshakes.

    Can be called again and again. A WebSocket keeps a task in the nursery until it is closed.
    Raises ConnectFailed (CertificateRefused is one) that lists the failures of all places, and has
    them in a group as its cause. Cancelled, it leaves nothing open.
    """
    failures: list[ConnectFailed] = []
    last = len(route.places) - 1
    for number, (host, port) in enumerate(route.places):
        patience = PATIENCE if number < last else math.inf
        with trio.move_on_after(patience):
            try:
                return await _open(nursery, route, host, port)
            except ConnectFailed as error:
                failures.append(error)
                continue
        failures.append(ConnectFailed(f"{host}:{port} did not answer within {patience:g} seconds"))
    if len(failures) == 1:
        raise failures[0]
    kinds = {type(failure) for failure in failures}
    kind = kinds.pop() if len(kinds) == 1 else ConnectFailed
    listed = "; ".join(f"({number}) {failure}" for number, failure in enumerate(failures, 1))
    raise kind(f"none of {len(failures)} endpoints could be connected to: {listed}") from (
        ExceptionGroup("what went wrong at each", failures)
    )


async def _open(nursery: trio.Nursery, route: Route, host: str, port: int) -> Transport:
    stream: trio.abc.Stream
    if route.plain:
        stream = await open_tcp(host, port)
    else:
        stream = await open_tls(host, port, route.ssl_context)
    name = f"[{host}]" if ":" in host else host
    transport = await over_stream(nursery, stream, route.wire, f"{name}:{port}")
    log.info("connected to %s:%d, %s", host, port, route.wire.name)
    return transport


async def over_stream(
    nursery: trio.Nursery, stream: trio.abc.Stream, wire: Wire, where: str
) -> Transport:
    """What a wire needs on top of an open stream: for a WebSocket, its handshake with `where`."""
    if wire.carrier is Carrier.BYTES:
        return StreamTransport(stream)
    from .websocket import open_websocket  # noqa: PLC0415 - slow to import, and most never need it

    return await open_websocket(nursery, stream, where, wire.carrier)
