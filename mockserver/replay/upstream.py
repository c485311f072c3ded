"""The server at the other end of a recorder, and how it is called."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import trio

from ctrader_typed.keywords import suggest

from ..errors import MockServerError
from ..server.graceful_close import close_now


class UpstreamFailed(MockServerError):
    """The server that was to be recorded cannot be reached; the text says why."""


@suggest
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
            await close_now(tcp)
            if isinstance(error, trio.BrokenResourceError):
                why = error.__cause__ or error
                raise UpstreamFailed(f"no TLS with {where}: {why}") from None
            raise
        return secured
