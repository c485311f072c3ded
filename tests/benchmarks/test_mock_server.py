"""What the mock server stands and costs: each figure is printed, and held against its bound.

Client and server share one process and one core, so a figure includes the client's work. A second
is one of that core's, so that what else runs on the machine takes nothing from the figure; the
clock's are printed, too. Of a few rounds the best counts.
"""

from __future__ import annotations

import gc
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import trio
import trio.testing

from ctrader_typed.proto import SCHEMA, ProtoOASpotEvent, ProtoOAVersionReq
from ctrader_typed.wire.connection import Connection
from mockserver.box import Box
from mockserver.composition import mock_server
from mockserver.handler import Action, ClientConnection, Event, Send, SendRaw
from mockserver.proxy.rules import ProxyRules
from mockserver.server.server import ConnectionLimits

ROOT = Path(__file__).parents[2]
ROUNDS = 3

REQUESTS = 10_000
"""Small requests a second, answered by the broker behind the gate, over plain TCP."""
SPOTS = 100_000
"""Quotes a second to one client, made beforehand."""
UNSENT = 8 << 20
"""Bytes that may wait for a client here; by default eight times as many."""
CLIENTS = 100
IDLE_MIB = 10.0
"""What a hundred idle clients over TLS may cost, their own ends included."""
START = 0.3
"""Seconds from the start of the process until its port accepts connections."""


STOPPED_MIB = 2.0
"""What a client that stops reading may cost, for each MiB that the limit lets wait for it."""


class Pace(NamedTuple):
    """How often a second: of the core's time, and of the clock's."""

    core: float
    clock: float

    def __str__(self) -> str:
        return f"{self.core:,.0f} a second of one core ({self.clock:,.0f} by the clock)"


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._core, self._clock = time.process_time(), time.perf_counter()

    def pace(self, count: int) -> Pace:
        core, clock = time.process_time(), time.perf_counter()
        return Pace(count / (core - self._core), count / (clock - self._clock))


def best(measure: Callable[..., Awaitable[Pace]], *arguments: int) -> Pace:
    return max(trio.run(measure, *arguments) for _ in range(ROUNDS))


async def ask(clients: int, at_once: int, requests: int) -> Pace:
    """Each client sends so many requests at once, and the next when all answers are there."""

    async def client(stream: trio.SocketStream) -> None:
        connection = Connection(SCHEMA)
        for start in range(0, requests // clients, at_once):
            asked = range(start, start + at_once)
            data = b"".join(connection.send(ProtoOAVersionReq(), str(n)) for n in asked)
            await stream.send_all(data)
            answers = 0
            while answers < at_once:
                data = bytes(await stream.receive_some(65536))
                answers += len(connection.receive_data(data))

    async with mock_server(Box(proxy_rules=ProxyRules(rates=None)), tls=False) as server:
        streams = [await trio.open_tcp_stream(*server.address) for _ in range(clients)]
        stopwatch = Stopwatch()
        async with trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(client, stream)
        pace = stopwatch.pace(requests)
        for stream in streams:
            await trio.aclose_forcefully(stream)
        return pace


def test_requests_a_second():
    print(f"\nRequests, one by one:   {best(ask, 10, 1, 5_000)}")
    pace = best(ask, 10, 100, 20_000)
    print(f"Requests, 100 at once:  {pace}, the clients' part included")
    assert pace.core >= REQUESTS


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

    async def measure() -> Pace:
        flood = Flood(quotes // 1000)

        def handlers(caller: ClientConnection) -> Flood:
            return flood

        async with (
            mock_server(handlers, tls=False) as server,
            await trio.open_tcp_stream(*server.address) as stream,
        ):
            stopwatch = Stopwatch()
            left = quotes * len(flood.frame)
            while left > 0:
                left -= len(await stream.receive_some(1 << 20))
            return stopwatch.pace(quotes)

    pace = best(measure)
    print(f"\nQuotes to one client:   {pace}")
    assert pace.core >= SPOTS


def alone(function: Callable[[], Awaitable[float]]) -> float:
    """What it returns in a process of its own, where nothing that others freed is used again."""
    done = subprocess.run(
        [sys.executable, __file__, function.__name__],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return float(done.stdout)


def test_a_hundred_idle_clients():
    figure = alone(idle)
    print(f"\n{figure:.2f} MiB for {CLIENTS} idle clients and the server's ends of them")
    assert 0.0 < figure < IDLE_MIB


def test_a_client_that_stops_reading():
    figure = alone(stopped)
    print(
        f"\n{figure:.1f} MiB at most for a client that stops reading, where {UNSENT >> 20} MiB may"
        " wait for it; then it is cut off"
    )
    assert 0.0 < figure < STOPPED_MIB * (UNSENT >> 20)


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
        gc.collect()
        before = resident()
        streams += [await call() for _ in range(CLIENTS)]
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        cost = resident() - before
        for stream in streams:
            await trio.aclose_forcefully(stream)
    return cost / 2**20


async def stopped() -> float:
    """MiB at the worst moment, while quotes are pushed that the client does not read."""
    callers, call = trio.open_memory_channel[ClientConnection](1)

    def handlers(caller: ClientConnection) -> Flood:
        callers.send_nowait(caller)
        return Flood(0)

    async with (
        mock_server(
            handlers, tls=False, limits=ConnectionLimits(unsent=UNSENT, stalled=3600)
        ) as server,
        await trio.open_tcp_stream(*server.address),
    ):
        caller = await call.receive()
        before = most = resident()
        for price in itertools.count(100_000):
            if server.ended:
                break
            quote = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=price)
            caller.push([Send(quote)] * 5000)
            most = max(most, resident())
            await trio.lowlevel.checkpoint()
        assert server.ended[0].reason == "the client does not read what it is sent"
    return (most - before) / 2**20


def resident() -> int:
    """Bytes of memory that this process has."""
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
    print(trio.run({"idle": idle, "stopped": stopped}[sys.argv[1]]))
