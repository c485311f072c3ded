"""What the mock server stands and costs: each figure is printed, and held against its bound.

Client and server share one process and one core, so a figure includes the client's work. Of a few
rounds the best counts: the others were disturbed by something else.
"""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import trio
import trio.testing

from ctrader_typed.proto import SCHEMA, ProtoOASpotEvent, ProtoOAVersionReq
from ctrader_typed.wire.connection import Connection
from mockserver.behaviour import Action, Caller, Event, SendRaw
from mockserver.box import Box
from mockserver.gate import Etiquette
from mockserver.server import mock_server

ROOT = Path(__file__).parents[2]
ROUNDS = 3

REQUESTS = 10_000
"""Small requests a second, answered by the broker behind the gate, over plain TCP."""
SPOTS = 100_000
"""Quotes a second to one client, made beforehand."""
CLIENTS = 100
IDLE_MIB = 10.0
"""What a hundred idle clients over TLS may cost, their own ends included."""
START = 0.3
"""Seconds from the start of the process until its port accepts connections."""


def best(measure: Callable[[], Awaitable[float]]) -> float:
    return max(trio.run(measure) for _ in range(ROUNDS))


def test_requests_a_second():
    requests = 20_000

    async def measure() -> float:
        box = Box(etiquette=Etiquette(rates=None))
        async with (
            mock_server(box, tls=False) as server,
            await trio.open_tcp_stream(*server.address) as stream,
            trio.open_nursery() as nursery,
        ):
            connection = Connection(SCHEMA)
            asked = b"".join(
                connection.send(ProtoOAVersionReq(), str(number)) for number in range(requests)
            )
            began = time.perf_counter()
            nursery.start_soon(stream.send_all, asked)
            answers = 0
            while answers < requests:
                data = bytes(await stream.receive_some(65536))
                answers += len(connection.receive_data(data))
            return requests / (time.perf_counter() - began)

    figure = best(measure)
    print(f"\n{figure:,.0f} requests a second, the client's decoding included")
    assert figure >= REQUESTS


class Flood:
    """Sends as many quotes as it is told, a thousand at a time."""

    def __init__(self, thousands: int) -> None:
        quote = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=108450)
        self.frame = Connection(SCHEMA).send(quote)
        self.left = thousands

    def opened(self, now: float) -> Iterable[Action]:
        return ()

    def received(self, event: Event, now: float) -> Iterable[Action]:
        return ()

    def wake_at(self) -> float | None:
        return 0.0 if self.left else None

    def wake(self, now: float) -> Iterable[Action]:
        self.left -= 1
        return [SendRaw(self.frame)] * 1000

    def closed(self, now: float) -> None: ...


def test_quotes_a_second():
    quotes = 500_000

    async def measure() -> float:
        flood = Flood(quotes // 1000)

        def behaviours(caller: Caller) -> Flood:
            return flood

        async with (
            mock_server(behaviours, tls=False) as server,
            await trio.open_tcp_stream(*server.address) as stream,
        ):
            began = time.perf_counter()
            left = quotes * len(flood.frame)
            while left > 0:
                left -= len(await stream.receive_some(1 << 20))
            return quotes / (time.perf_counter() - began)

    figure = best(measure)
    print(f"\n{figure:,.0f} quotes a second to one client")
    assert figure >= SPOTS


def test_a_hundred_idle_clients():
    """In a process of its own: what others freed here would be used again, and cost nothing."""
    done = subprocess.run(
        [sys.executable, __file__],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    figure = float(done.stdout)
    print(f"\n{figure:.2f} MiB for {CLIENTS} idle clients and the server's ends of them")
    assert 0.0 < figure < IDLE_MIB


async def idle() -> float:
    """MiB that a hundred clients cost once a few are there."""
    async with mock_server(Box()) as server:
        context = server.client_ssl_context()

        async def call() -> trio.SSLStream[trio.SocketStream]:
            tcp = await trio.open_tcp_stream(*server.address)
            stream = trio.SSLStream(tcp, context, server_hostname="localhost")
            await stream.do_handshake()
            return stream

        streams = [await call() for _ in range(3)]
        before = resident()
        streams += [await call() for _ in range(CLIENTS)]
        await trio.testing.wait_all_tasks_blocked()
        cost = resident() - before
        for stream in streams:
            await trio.aclose_forcefully(stream)
    return cost / 2**20


def resident() -> int:
    """Bytes of memory that this process has."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def test_the_time_to_listen():
    def measure() -> float:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "mockserver", "--broker", "--port", str(port)]
        began = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            try:
                while time.perf_counter() - began < 10:
                    try:
                        socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    except ConnectionRefusedError:
                        time.sleep(0.002)
                    else:
                        return time.perf_counter() - began
            finally:
                process.kill()
        raise AssertionError("it does not listen")

    figure = min(measure() for _ in range(ROUNDS))
    print(f"\n{figure * 1000:.0f} ms until the port accepts connections")
    assert figure < START


if __name__ == "__main__":
    print(trio.run(idle))
