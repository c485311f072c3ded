"""Where clients on sockets come in: one address, with TLS or without, and how they are met."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Awaitable, Callable

import trio

from ..handler import ConnectionFilter, ConnectionGreeting
from .certificates import Certificates
from .connection import ConnectionLimits
from .endpoints import listen
from .graceful_close import LingeringStream, close_now, reset

Admit = Callable[[trio.abc.Stream, str], Awaitable[None]]
"""Takes a stream that stands, and the name of its wire; returns when it is over."""


class Listener:
    """A listening socket. `refused` hears why somebody was not let in."""

    def __init__(
        self,
        listening: socket.socket,
        certificates: Certificates | None,
        keeper: ConnectionFilter | None,
        limits: ConnectionLimits,
        refused: Callable[[str, bool], None],
    ) -> None:
        self.address: tuple[str, int] = listening.getsockname()[:2]
        self._listening = listening
        self._certificates = certificates
        self._context = None if certificates is None else certificates.server_context()
        self._keeper = keeper
        self._limits = limits
        self._refused = refused
        self._attempts = 0
        self._inside = 0
        self._shutting = trio.lowlevel.ParkingLot()
        self._shut_for = 0.0

    def shut(self, seconds: float) -> None:
        """Listen to nobody for so long. Who is inside stays."""
        self._shut_for = seconds
        self._shutting.unpark_all()

    async def receive(self, admit: Admit) -> None:
        """Let clients in until cancelled."""
        listening = self._listening
        async with trio.open_nursery() as inside:

            async def meet(stream: trio.SocketStream) -> None:
                await self._meet(stream, admit)

            while True:
                listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
                async with trio.open_nursery() as endpoint:
                    endpoint.start_soon(_accept, listener, meet, inside)
                    await self._shutting.park()
                    endpoint.cancel_scope.cancel()
                await trio.sleep(self._shut_for)
                listening = listen(*self.address)

    async def _meet(self, stream: trio.SocketStream, admit: Admit) -> None:
        self._attempts += 1
        entrance = ConnectionGreeting.OPEN
        if self._keeper is not None:
            entrance = self._keeper.knocked(self._attempts)
        if entrance is not ConnectionGreeting.OPEN and self._context is None:
            entrance = (
                ConnectionGreeting.RESET
            )  # without TLS there is no other way to be unfriendly
        if self._inside >= self._limits.connections:
            await close_now(stream)
            self._refused(f"{self._limits.connections} connections are open already", False)
            return
        self._inside += 1
        try:
            if entrance in _UNFRIENDLY:
                await self._turn_away(stream, entrance)
            elif self._context is None:
                await admit(LingeringStream(stream, self._limits.farewell), "tcp")
            elif (secured := await self._handshake(stream, entrance)) is not None:
                await admit(secured, "tls-tcp")
        finally:
            self._inside -= 1
            await close_now(stream)

    async def _handshake(
        self, stream: trio.SocketStream, entrance: ConnectionGreeting
    ) -> trio.SSLStream[LingeringStream] | None:
        """The stream with TLS on it; None if the client cannot, or will not."""
        secured = trio.SSLStream(
            LingeringStream(stream, self._limits.farewell), self._shown(entrance), server_side=True
        )
        reason = f"no TLS handshake within {self._limits.handshake:g} seconds"
        left = False
        with trio.move_on_after(self._limits.handshake):
            try:
                await secured.do_handshake()
            except trio.BrokenResourceError as error:
                reason = f"the TLS handshake failed: {error.__cause__ or error}"
                # As who only looks whether the port is open.
                left = isinstance(error.__cause__, ssl.SSLEOFError | ConnectionError)
            else:
                return secured
        self._refused(reason, left)
        return None

    def _shown(self, entrance: ConnectionGreeting) -> ssl.SSLContext:
        assert self._certificates is not None
        assert self._context is not None
        if entrance is ConnectionGreeting.OPEN:
            return self._context
        return self._certificates.wrong_context(entrance)

    async def _turn_away(self, stream: trio.SocketStream, entrance: ConnectionGreeting) -> None:
        """Be as unfriendly as the plan wants."""
        self._refused(f"a fault of the plan: {entrance.value}", False)
        lingering = LingeringStream(stream, self._limits.farewell)
        try:
            if entrance is ConnectionGreeting.SILENCE:
                async for _ in stream:
                    pass
            elif entrance is ConnectionGreeting.GARBAGE:
                await stream.send_all(b"this is no TLS\r\n")
                await lingering.aclose()
            elif entrance is ConnectionGreeting.HANG_UP:
                await stream.receive_some()
            else:
                reset(lingering)
        except trio.BrokenResourceError:
            pass  # it would not even listen to that


_UNFRIENDLY = (
    ConnectionGreeting.RESET,
    ConnectionGreeting.SILENCE,
    ConnectionGreeting.GARBAGE,
    ConnectionGreeting.HANG_UP,
)


_OVERLOADED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BREATH = 0.1  # seconds until a system without descriptors or memory is asked again


async def _accept(
    listener: trio.SocketListener,
    meet: Callable[[trio.SocketStream], Awaitable[None]],
    inside: trio.Nursery,
) -> None:
    """Start a task for whoever calls.

    Not trio's own loop: it closes streams in a way that a cancellation can put in the place of an
    exception, and a bug in a behaviour would be lost.
    """
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in _OVERLOADED:
                    raise
                await trio.sleep(_BREATH)
            else:
                inside.start_soon(meet, stream)
