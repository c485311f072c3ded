"""Connections cut in every way, again and again: all comes back, soon, and nothing leaks."""

from __future__ import annotations

import random
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from ctrader_typed import (
    PROTOBUF_TCP,
    ConnectFailed,
    ConnectionLost,
    Reconnect,
    Wire,
    connect,
    connect_over,
)
from ctrader_typed.wire.connection import Carrier
from tests.ctrader_typed.net.servers import Server, Session

KEYS = {"client_id": "i", "client_secret": "s", "access_token": "t"}
REFUSED = ConnectFailed("the port is closed")
TLS_FAILED = ConnectFailed("no TLS connection: it hung up during the handshake")
HALF_A_FRAME = {
    Carrier.BYTES: b"\x00\x00\x00\x20half",
    Carrier.BINARY: b"\x82\x20half",
    Carrier.TEXT: b"\x81\x20half",
}
SILENCE = 30.0


async def until(condition: Callable[[], bool]) -> None:
    """Both ends are looked at from outside, where no event tells."""
    while not condition():  # noqa: ASYNC110 - see above
        await trio.sleep(0.02)


def is_back(server: Server, lost: Session, subscribed: set[tuple]) -> Callable[[], bool]:
    return lambda: server.now is not lost and server.now.subscribed == subscribed


async def fin(server: Server) -> None:
    await server.now.stream.aclose()


async def broken(server: Server) -> None:
    """What a reset looks like from our end: whoever uses the stream is told so."""
    await trio.aclose_forcefully(server.now.below)


async def half_a_frame(server: Server) -> None:
    async with server.now.sending:
        await server.now.below.send_all(HALF_A_FRAME[server.wire.carrier])
    await server.now.below.aclose()


async def hang(server: Server) -> None:
    """Noticed after the silence limit, which is when the server counts as back."""
    server.now.deaf = True
    await trio.sleep(SILENCE)


async def away(server: Server, error: ConnectFailed) -> None:
    server.refusing = error
    await fin(server)
    tried = len(server.attempts)
    await until(lambda: len(server.attempts) > tried)
    server.refusing = None


async def refuse(server: Server) -> None:
    await away(server, REFUSED)


async def tls_failure(server: Server) -> None:
    await away(server, TLS_FAILED)


CUTS: tuple[Callable[[Server], Awaitable[None]], ...] = (
    fin,
    broken,
    half_a_frame,
    hang,
    refuse,
    tls_failure,
)


async def set_up(api: Any) -> None:
    await api.auth(**KEYS, account_id=[1, 2])
    await api.subscribe_spots(ctid_trader_account_id=1, symbol_id=[1, 2])
    await api.subscribe_depth_quotes(ctid_trader_account_id=1, symbol_id=[1])


async def cut_again_and_again(count: int, wire: Wire = PROTOBUF_TCP) -> list[float]:
    """How long it took each time after the server was back, in seconds, sorted."""
    chance = random.Random(7)
    waits = []
    async with trio.open_nursery() as nursery:
        server = Server(nursery, wire)
        async with connect_over(server.open, reconnect=Reconnect(), wire=wire) as api:
            await set_up(api)
            state = server.now.accounts, server.now.subscribed
            tasks = trio.lowlevel.current_statistics().tasks_living
            for number in range(count):
                lost = server.now
                await CUTS[number % len(CUTS)](server)
                back = trio.current_time()
                await until(is_back(server, lost, state[1]))
                await api.connected()
                waits.append(trio.current_time() - back)
                assert (server.now.accounts, server.now.subscribed) == state
                await trio.sleep(chance.random())
            assert api.statistics().reconnects == count
            assert trio.lowlevel.current_statistics().tasks_living <= tasks + 1
        nursery.cancel_scope.cancel()
    return sorted(waits)


async def test_disconnects_of_all_kinds_in_virtual_time(wire: Wire, autojump_clock) -> None:
    waits = await cut_again_and_again(240, wire)
    p99 = waits[len(waits) * 99 // 100]
    assert p99 < 2, f"p99 is {p99:.2f} s, the longest {waits[-1]:.2f} s"


# --- sockets and TLS ---


class Port:
    """A real server on a port that can be closed and opened, and spoil handshakes."""

    def __init__(self, nursery: trio.Nursery, context: ssl.SSLContext) -> None:
        self.nursery = nursery
        self.context = context
        self.server = Server(nursery)
        self.number = 0
        self.spoils = False
        self.tried = 0

    async def listen(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        with trio.CancelScope() as scope:
            self.close = scope.cancel
            listeners = await trio.open_tcp_listeners(self.number, host="127.0.0.1")
            self.number = listeners[0].socket.getsockname()[1]
            await trio.serve_listeners(
                self.serve, listeners, handler_nursery=self.nursery, task_status=task_status
            )

    async def serve(self, tcp: trio.SocketStream) -> None:
        self.tried += 1
        if self.spoils:
            await tcp.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await tcp.aclose()
            return
        stream = trio.SSLStream(tcp, self.context, server_side=True, https_compatible=True)
        try:
            await stream.do_handshake()
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(tcp)
            return
        session = Session(self.server, stream)
        self.server.sessions.append(session)
        await session.run()
        await trio.aclose_forcefully(stream)

    @property
    def tcp(self) -> trio.SocketStream:
        return self.server.now.stream.transport_stream

    async def cut(self, kind: str) -> None:
        if kind == "half a frame":
            async with self.server.now.sending:
                await self.server.now.stream.send_all(HALF_A_FRAME[Carrier.BYTES])
        if kind == "hang":
            self.server.now.deaf = True
            await trio.sleep(0.5)  # the silence limit
            return
        if kind == "RST":
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if kind == "refuse":
            self.close()
        self.spoils = kind == "TLS failure"
        tried = self.tried
        await trio.aclose_forcefully(self.tcp)
        if kind == "refuse":
            await trio.sleep(0.1)
            await self.nursery.start(self.listen)
        await until(lambda: not self.spoils or self.tried > tried)
        self.spoils = False


SOCKET_CUTS = ("FIN", "RST", "half a frame", "hang", "refuse", "TLS failure")


async def cut_sockets(count: int) -> list[float]:
    """How long it took each time after the server was back, in seconds, sorted."""
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    waits: list[float] = []
    before = open_descriptors()
    async with trio.open_nursery() as nursery:
        port = Port(nursery, theirs)
        await nursery.start(port.listen)
        async with connect("127.0.0.1", port.number, ssl_context=ours, silence_limit=0.5) as api:
            await set_up(api)
            state = port.server.now.accounts, port.server.now.subscribed
            for number in range(count):
                lost = port.server.now
                await port.cut(SOCKET_CUTS[number % len(SOCKET_CUTS)])
                back = trio.current_time()
                await until(is_back(port.server, lost, state[1]))
                await api.connected()
                waits.append(trio.current_time() - back)
                assert (port.server.now.accounts, port.server.now.subscribed) == state
        nursery.cancel_scope.cancel()
    assert open_descriptors() <= before
    return sorted(waits)


def open_descriptors() -> int:
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.is_dir() else 0


async def test_sockets_and_tls_cut_in_every_way() -> None:
    waits = await cut_sockets(2 * len(SOCKET_CUTS))
    assert waits[-1] < 5


# --- shutdown ---


class Stalled(trio.abc.Stream):
    """A peer that takes nothing, says nothing, and cannot be bid farewell."""

    async def send_all(self, data: Any) -> None:
        await trio.sleep_forever()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.sleep_forever()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    async def aclose(self) -> None:
        await trio.sleep_forever()


@pytest.mark.parametrize("after", [0.0, 1.0, 35.0, 100.0])
async def test_shutdown_in_two_seconds_with_every_peer_stalled(after, autojump_clock) -> None:
    async def open_one() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return Stalled()

    async with trio.open_nursery() as nursery:

        async def client() -> None:
            async with connect_over(open_one, reconnect=Reconnect()) as api:
                with trio.move_on_after(after), suppress(ConnectionLost):
                    await api.version()
                await trio.sleep(after)
                began.append(trio.current_time())

        began: list[float] = []
        for _ in range(5):
            nursery.start_soon(client)
    assert trio.current_time() - min(began) <= 2 + 1e-6
