"""Our TLS stream beside trio.SSLStream in one run, in turn: ping-pong, lone records, pipelined.

The other end is a thread of blocking sockets, the same for both. Only the ratios mean anything.
"""

import socket
import ssl
import statistics
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
import trustme

from ctrader_typed.net.dial import open_tls

AUTHORITY = trustme.CA()
RECORD = b"x" * 60
ROUNDS = 5


def served(connection: ssl.SSLSocket) -> None:
    """A command of two numbers: send so many records at so many a second; or echo at 0."""
    while command := connection.recv(8):
        count, rate = struct.unpack("II", command)
        if rate:
            start = time.perf_counter()
            for number in range(count):
                while (wait := start + number / rate - time.perf_counter()) > 0:
                    time.sleep(wait)
                connection.sendall(RECORD)
        else:
            left = count
            while left > 0:
                data = connection.recv(65_536)
                connection.sendall(data)
                left -= len(data)


@contextmanager
def server() -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with context.wrap_socket(connection, server_side=True) as secured:
                    served(secured)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


async def ours(port: int, context: ssl.SSLContext) -> trio.abc.Stream:
    return await open_tls("127.0.0.1", port, context)


async def trios(port: int, context: ssl.SSLContext) -> trio.abc.Stream:
    tcp = await trio.open_tcp_stream("127.0.0.1", port)
    stream = trio.SSLStream(tcp, context, server_hostname="127.0.0.1", https_compatible=True)
    await stream.do_handshake()
    return stream


async def receive(stream: trio.abc.Stream, size: int) -> None:
    while size:
        size -= len(await stream.receive_some(65_536))


async def ping_pong(stream: trio.abc.Stream) -> float:
    """Seconds there and back, the median."""
    count = 1_000
    await stream.send_all(struct.pack("II", count * len(RECORD), 0))
    times: list[float] = []
    for _ in range(count):
        start = time.perf_counter()
        await stream.send_all(RECORD)
        await receive(stream, len(RECORD))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def lone_records(stream: trio.abc.Stream) -> float:
    """CPU seconds of this thread for a record, 2,000 of them a second."""
    count = 1_000
    await stream.send_all(struct.pack("II", count, 2_000))
    start = time.thread_time()
    await receive(stream, count * len(RECORD))
    return (time.thread_time() - start) / count


async def pipelined(stream: trio.abc.Stream) -> float:
    """Seconds for a record, sent one by one without waiting for its echo."""
    count = 4_000
    await stream.send_all(struct.pack("II", count * len(RECORD), 0))
    start = time.perf_counter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive, stream, count * len(RECORD))
        for _ in range(count):
            await stream.send_all(RECORD)
    return (time.perf_counter() - start) / count


@pytest.mark.parametrize(
    ("measure", "most"), [(ping_pong, 1.0), (lone_records, 0.9), (pipelined, 1.0)]
)
async def test_beside_trios(
    measure: Callable[[trio.abc.Stream], Awaitable[float]], most: float
) -> None:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    figures: dict[str, list[float]] = {"ours": [], "trio.SSLStream": []}
    with server() as port:
        for _ in range(ROUNDS):
            for name, opened in (("ours", ours), ("trio.SSLStream", trios)):
                async with await opened(port, context) as stream:
                    figures[name].append(await measure(stream))
    mine, others = (statistics.median(each) for each in figures.values())
    print(
        f"\n{measure.__name__}: {mine * 1e6:.1f} µs, trio.SSLStream {others * 1e6:.1f} µs, "
        f"ratio {mine / others:.2f}"
    )
    assert mine / others < most
