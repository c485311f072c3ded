"""`mock_server()`: handlers, faults, listeners and certificates put together."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

import trio

from ctrader_typed.errors import OutsideTrio
from ctrader_typed.keywords import suggest
from ctrader_typed.schema import Schema

from .errors import bare
from .faults.injector import FaultyFactory
from .faults.plan import Plan
from .handler import HandlerFactory
from .server.certificates import Certificates
from .server.connection import ConnectionLimits
from .server.endpoints import Endpoint, endpoint_named, listen
from .server.server import MockServer


@suggest
@asynccontextmanager
async def mock_server(
    handlers: HandlerFactory,
    *,
    schema: Schema | None = None,
    host: str = "127.0.0.1",
    port: int | None = 0,
    tls: bool = True,
    wires: Iterable[str] | None = None,
    limits: ConnectionLimits | None = None,
    certificates: Certificates | None = None,
    listening: socket.socket | Mapping[str, socket.socket] | None = None,
    faults: Plan | None = None,
    journal: Callable[[str], object] | None = None,
) -> AsyncGenerator[MockServer, None]:
    """Serve while the block runs; `handlers` makes the handler of each connection.

    It listens on one address, port 0 being a free one, with a certificate made on the spot unless
    it is given; or with `port=None` on none, for `memory_client` alone. A socket that listens
    already may be handed over instead, or several by the names of their wires.

    `wires` opens several endpoints, the first on `port` and the others on free ones:
    "tls" and "tcp" (protobuf), "wss" and "ws" (protobuf over WebSocket), "json-wss" and "json-ws".
    Without it there is "tls" alone, or "tcp" with `tls=False`. `schema` is release 91 by default.

    Leaving the block hangs up on everybody. Raises OSError if it cannot listen, MissingExtra if a
    certificate cannot be made; an exception from the block or from a handler comes out as it is.
    """
    _in_trio()
    if wires is None:
        wires = ("tls",) if tls else ("tcp",)
    endpoints = _endpoints(list(wires), host, port, listening)
    if certificates is None and any(each.tls for each in endpoints):
        certificates = Certificates([host])
    schema = schema or _release()
    if faults is not None:
        handlers = FaultyFactory(handlers, faults, schema)
    server = MockServer(
        handlers, schema, limits or ConnectionLimits(), endpoints, certificates, journal
    )
    error: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve)
            try:
                yield server
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = bare(group)
    if error is not None:
        raise error


def _in_trio() -> None:
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        raise OutsideTrio(
            "mock_server() runs on trio, and no trio is running here: trio.run(main), or, for "
            "asyncio and synchronous programs, `with ThreadedServer(…)` of mockserver.threaded"
        ) from None


def _endpoints(
    wires: list[str],
    host: str,
    port: int | None,
    listening: socket.socket | Mapping[str, socket.socket] | None,
) -> dict[Endpoint, socket.socket]:
    """A listening socket for each door; ValueError for one that there is not."""
    endpoints = [endpoint_named(name) for name in wires]
    if isinstance(listening, socket.socket):
        return {endpoints[0]: listening}
    if listening is not None:
        return {endpoint_named(name): each for name, each in listening.items()}
    if port is None:
        return {}
    sockets: dict[Endpoint, socket.socket] = {}
    try:
        for each in endpoints:
            sockets[each] = listen(host, 0 if sockets else port)
    except BaseException:
        for opened in sockets.values():
            opened.close()
        raise
    return sockets


def _release() -> Schema:
    from ctrader_typed.proto import SCHEMA  # noqa: PLC0415 - who brings another schema need not pay

    return SCHEMA
