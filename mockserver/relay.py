"""A proxy between clients and a server: passes every byte on unchanged and has it written down."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

import trio

from ctrader_typed.schema import Schema

from .errors import MockServerError
from .parting import drop
from .recording import Direction
from .scribe import Scribe

_CHUNK = 64 * 1024

Write = Callable[[str], object]


class UpstreamFailed(MockServerError):
    """The server that was to be recorded cannot be reached; the text says why."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server at the other end; `context` is for TLS, None for a plain connection."""

    host: str
    port: int
    context: ssl.SSLContext | None

    async def connect(self) -> trio.abc.Stream:
        """A connection to it; UpstreamFailed if there is none to be had."""
        where = f"{self.host}, port {self.port}"
        try:
            tcp = await trio.open_tcp_stream(self.host, self.port)
        except OSError as error:
            raise UpstreamFailed(f"cannot connect to {where}: {error}") from None
        if self.context is None:
            return tcp
        secured = trio.SSLStream(tcp, self.context, server_hostname=self.host)
        try:
            await secured.do_handshake()
        except BaseException as error:
            await drop(tcp)
            if isinstance(error, trio.BrokenResourceError):
                why = error.__cause__ or error
                raise UpstreamFailed(f"no TLS with {where}: {why}") from None
            raise
        return secured


async def relay(
    client: trio.abc.Stream, server: trio.abc.Stream, schema: Schema, write: Write, note: str
) -> Scribe:
    """Pass everything on until one side ends the connection; returns what wrote it down.

    Each message is written before it is passed on. Closes both streams, cancelled or not.
    """
    scribe = Scribe(schema)
    write(scribe.header(note))
    async with client, server, trio.open_nursery() as nursery:

        async def pass_on(source: trio.abc.Stream, to: trio.abc.Stream, sender: Direction) -> None:
            try:
                while data := await source.receive_some(_CHUNK):
                    for line in scribe.passes(sender, bytes(data), trio.current_time()):
                        write(line)
                    await to.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # an end like any other: the other side is closed too
            nursery.cancel_scope.cancel()

        nursery.start_soon(pass_on, client, server, Direction.CLIENT)
        nursery.start_soon(pass_on, server, client, Direction.SERVER)
    return scribe
