"""Our TLS and TCP streams: trio's own conformance checks, and what these do not look at."""

import functools
import random
import shutil
import socket
import ssl
import struct
import subprocess
from contextlib import suppress

import pytest
import trio
import trustme
from trio.testing import (
    check_half_closeable_stream,
    check_two_way_stream,
    open_stream_to_socket_listener,
    wait_all_tasks_blocked,
)

from ctrader_typed.net.tcp import TcpStream
from ctrader_typed.net.tls import TlsStream, shake_hands

AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("localhost")
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def server_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    context.minimum_version = context.maximum_version = version
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def sockets() -> tuple[trio.SocketStream, trio.SocketStream]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        # Small buffers, set before they connect: a sender is soon stuck.
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        ours = await open_stream_to_socket_listener(listener)
        theirs = await listener.accept()
    for stream in (ours, theirs):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    return ours, theirs


async def tcp_pair() -> tuple[TcpStream, TcpStream]:
    ours, theirs = await sockets()
    return TcpStream(ours), TcpStream(theirs)


async def tls_pair(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> tuple[TlsStream, TlsStream]:
    tcp = await tcp_pair()
    ends: list[TlsStream] = []

    async def client() -> None:
        stream = await shake_hands(tcp[0], client_context(), server_hostname="localhost")
        ends.insert(0, stream)

    async def server() -> None:
        ends.append(await shake_hands(tcp[1], server_context(version), server_side=True))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        nursery.start_soon(server)
    return ends[0], ends[1]


async def with_trios(
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> tuple[TlsStream, trio.SSLStream]:
    """Ours, and the server's end by others."""
    ours, theirs = await sockets()
    server = trio.SSLStream(theirs, server_context(version), server_side=True)
    ends: list[TlsStream] = []

    async def client() -> None:
        ends.append(
            await shake_hands(TcpStream(ours), client_context(), server_hostname="localhost")
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        nursery.start_soon(server.do_handshake)
    return ends[0], server


async def clogged_tls() -> tuple[TlsStream, TlsStream]:
    """Each owes a part of a record already: nothing moves until the other end receives."""
    pair = await tls_pair()

    def send(stream: TlsStream) -> bool:
        if not stream._unsent:
            stream._tls.write(b"x" * 1000)
        before = stream._unsent
        stream._send_ready()
        return not before or before != stream._unsent

    await clog(send, pair)
    assert all(stream._unsent for stream in pair)
    return pair


async def clogged_tcp() -> tuple[TcpStream, TcpStream]:
    pair = await tcp_pair()
    await clog(lambda stream: stream.send_now(b"x" * 1000), pair)
    return pair


async def clog(send, pair) -> None:
    """Until the kernel takes nothing more, nor when late acknowledgements (40 ms) have come."""
    refusals = 0
    while refusals < 3:
        moved = [send(stream) for stream in pair]
        refusals = 0 if any(moved) else refusals + 1
        with trio.move_on_after(0.06 if refusals else 0):
            await trio.sleep_forever()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
async def test_ours_against_ours_conforms(version: ssl.TLSVersion) -> None:
    with trio.fail_after(60):
        await check_half_closeable_stream(functools.partial(tls_pair, version), clogged_tls)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
async def test_ours_against_trios_conforms(version: ssl.TLSVersion) -> None:
    with trio.fail_after(60):
        await check_two_way_stream(functools.partial(with_trios, version), None)


async def test_tcp_conforms() -> None:
    with trio.fail_after(60):
        await check_half_closeable_stream(tcp_pair, clogged_tcp)


# --- at once ---


@pytest.mark.parametrize("version", VERSIONS, ids=str)
async def test_what_fits_leaves_at_once(version: ssl.TLSVersion) -> None:
    ours, theirs = await tls_pair(version)
    async with ours, theirs:
        assert ours.send_now(b"one")
        assert ours.send_now(b"two")
        await ours.send_all(b"three")
        got = b""
        while len(got) < 11:
            got += await theirs.receive_some()
        assert got == b"onetwothree"


@pytest.mark.parametrize("following", [b"", b"and more"])
async def test_what_does_not_leaves_with_what_follows(following: bytes) -> None:
    ours, theirs = await clogged_tls()
    size = len(ours._unsent)
    assert not ours.send_now(b"at once")
    assert len(ours._unsent) > size
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_all, following)
        got = b""
        while not got.endswith(b"at once" + following):
            got += await theirs.receive_some()
    assert not ours._unsent
    for stream in (ours, theirs):  # theirs is clogged still
        await trio.aclose_forcefully(stream)


async def test_at_once_or_not_at_all_where_nothing_can_be_sent() -> None:
    ours, theirs = await tls_pair()
    async with theirs:
        await ours.send_eof()
        with pytest.raises(trio.ClosedResourceError, match="farewell"):
            ours.send_now(b"x")
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError, match="closed here"):
            ours.send_now(b"x")


async def test_one_that_failed_at_once_is_the_last_one() -> None:
    ours, theirs = await tls_pair()
    async with ours:
        await trio.aclose_forcefully(theirs)
        with suppress(trio.BrokenResourceError):
            while True:  # the first may still find a place
                ours.send_now(b"x" * 1000)
                await trio.lowlevel.checkpoint()
        with pytest.raises(trio.BrokenResourceError, match="a send failed"):
            await ours.send_all(b"")


async def test_nobody_sends_at_once_while_another_one_waits() -> None:
    ours, theirs = await clogged_tls()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_all, b"x")
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            ours.send_now(b"x")
        nursery.cancel_scope.cancel()
    for stream in (ours, theirs):
        await trio.aclose_forcefully(stream)


# --- the end ---


async def test_our_farewell_arrives() -> None:
    ours, theirs = await with_trios()  # theirs insists on one
    async with ours, theirs:
        await ours.aclose()
        assert await theirs.receive_some() == b""


async def test_their_farewell_is_the_end_and_we_can_still_send() -> None:
    ours, theirs = await tls_pair()
    async with ours, theirs:
        await theirs.send_eof()
        assert await ours.receive_some() == b""
        assert await ours.receive_some() == b""
        await ours.send_all(b"afterwards")
        assert await theirs.receive_some() == b"afterwards"
        with pytest.raises(trio.ClosedResourceError, match="farewell"):
            await theirs.send_all(b"x")


async def test_half_closed_with_bytes_on_their_way_none_is_lost() -> None:
    ours, theirs = await tls_pair()
    async with ours, theirs:
        await theirs.send_all(b"abcdef")
        assert await ours.receive_some(1) == b"a"
        await theirs.send_all(b"ghi")
        await ours.send_eof()
        await theirs.send_all(b"jkl")
        await theirs.aclose()
        got = b""
        while data := await ours.receive_some(4):
            got += data
        assert got == b"bcdefghijkl"


@pytest.mark.parametrize("part", [0, 1, 30])
async def test_an_end_without_a_farewell_is_an_end(part: int) -> None:
    """At a record's edge, and in the middle of its header and of its bytes."""
    ours, theirs = await tls_pair()
    async with ours, theirs:
        await theirs.send_all(b"whole")
        theirs._tls.write(b"cut" * 20)
        await theirs.tcp.send_all(theirs._outgoing.read()[:part])
        await theirs.tcp.send_eof()
        assert await ours.receive_some() == b"whole"
        assert await ours.receive_some() == b""
        assert await ours.receive_some() == b""


async def test_a_reset_breaks_it() -> None:
    ours, theirs = await tls_pair()
    async with ours, theirs:
        theirs.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(theirs)
        with pytest.raises(trio.BrokenResourceError) as caught:
            await ours.receive_some()
        assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_a_forged_record_breaks_it_after_what_came_before_and_the_peer_is_told() -> None:
    ours, theirs = await tls_pair()
    async with ours, theirs:
        theirs._tls.write(b"good")
        good = theirs._outgoing.read()
        theirs._tls.write(b"evil")
        evil = theirs._outgoing.read()
        await theirs.tcp.send_all(good + evil[:-1] + bytes((evil[-1] ^ 1,)))
        assert await ours.receive_some() == b"good"
        with pytest.raises(trio.BrokenResourceError) as caught:
            await ours.receive_some()
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError):
                await ours.receive_some()
            with pytest.raises(trio.BrokenResourceError):
                await ours.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError) as told:
            await theirs.receive_some()
        assert "BAD_RECORD_MAC" in str(told.value.__cause__).upper().replace(" ", "_")


# --- cancellation ---


@pytest.mark.parametrize("pair", [tls_pair, tcp_pair])
async def test_a_cancelled_receive_loses_no_byte(pair) -> None:
    ours, theirs = await pair()
    chance = random.Random(5)
    sent, got = bytearray(), bytearray()

    async def send() -> None:
        for _ in range(300):
            data = chance.randbytes(chance.randrange(1, 3000))
            sent.extend(data)
            await theirs.send_all(data)
            for _ in range(chance.randrange(3)):
                await trio.lowlevel.checkpoint()
        await theirs.send_eof()

    async def cancel_after(steps: int, scope: trio.CancelScope) -> None:
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    cancelled = 0
    with trio.fail_after(30):
        async with ours, theirs, trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while True:
                with trio.CancelScope() as scope:
                    nursery.start_soon(cancel_after, chance.randrange(4), scope)
                    data = await ours.receive_some(chance.randrange(1, 5000))
                    if not data:
                        break
                    got.extend(data)
                cancelled += scope.cancelled_caught
    assert got == sent
    assert cancelled > 10


async def test_a_send_that_is_cancelled_before_it_begins_has_done_nothing() -> None:
    ours, theirs = await tls_pair()
    async with ours, theirs:
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.send_all(b"never")
        assert scope.cancelled_caught
        await ours.send_all(b"this")
        assert await theirs.receive_some() == b"this"


async def test_after_a_cancelled_send_nothing_is_sent_and_all_is_received() -> None:
    ours, theirs = await tls_pair()
    async with ours, theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send_all, b"x" * 10_000_000)
            got = bytearray(await theirs.receive_some())
            await wait_all_tasks_blocked()  # in the middle of what follows
            nursery.cancel_scope.cancel()
        await theirs.send_all(b"still here")
        assert await ours.receive_some() == b"still here"
        for send in (ours.send_all(b"y"), ours.send_eof(), ours.wait_send_all_might_not_block()):
            with pytest.raises(trio.BrokenResourceError, match="cancelled"):
                await send
        with trio.fail_after(5):
            await ours.aclose()
            while data := await theirs.receive_some():  # no farewell: it would lie in a record
                got.extend(data)
        assert 0 < len(got) < 10_000_000
        assert not got.strip(b"x")


async def test_cancelled_at_each_step_of_the_handshake_the_socket_is_closed() -> None:
    for steps in range(40):
        ours, theirs = await tcp_pair()
        stream: TlsStream | None = None
        async with theirs, trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel_later, scope, steps)
                nursery.start_soon(server_handshake, theirs)
                stream = await shake_hands(ours, client_context(), server_hostname="localhost")
            assert scope.cancelled_caught or stream is not None
            if stream is None:
                with pytest.raises(trio.ClosedResourceError):
                    await ours.receive_some()
            else:
                await stream.aclose()


async def cancel_later(scope: trio.CancelScope, steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    scope.cancel()


async def server_handshake(tcp: TcpStream) -> None:
    with suppress(trio.BrokenResourceError):
        await shake_hands(tcp, server_context(), server_side=True)


async def test_a_farewell_that_nobody_takes_can_be_cancelled() -> None:
    ours, theirs = await clogged_tls()
    async with theirs:
        with trio.move_on_after(0.05) as scope:
            await ours.aclose()
        assert scope.cancelled_caught
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive_some()


# --- much at once ---


async def test_a_big_write_to_a_slow_reader_while_it_writes_too() -> None:
    ours, theirs = await tls_pair()
    there, back = (random.Random(n).randbytes(1_500_000) for n in (1, 2))

    async def receive(stream: TlsStream, expected: bytes) -> None:
        got = bytearray()
        while len(got) < len(expected):
            await trio.lowlevel.checkpoint()
            got += await stream.receive_some(5_000)
        assert got == expected

    with trio.fail_after(30):
        async with ours, theirs, trio.open_nursery() as nursery:
            nursery.start_soon(ours.send_all, there)
            nursery.start_soon(theirs.send_all, back)
            await trio.sleep(0.02)
            nursery.start_soon(receive, theirs, there)
            nursery.start_soon(receive, ours, back)


async def test_many_records_come_in_one_piece_and_no_more_than_asked_for() -> None:
    ours, theirs = await tls_pair()
    async with ours, theirs:
        for _ in range(50):
            theirs._tls.write(b"0123456789")
        await theirs.tcp.send_all(theirs._outgoing.read())
        await wait_all_tasks_blocked(0.01)
        assert await ours.receive_some(255) == (b"0123456789" * 26)[:255]
        assert len(await ours.receive_some()) == 245


# --- OpenSSL's own server, which can be told to ask for new keys, or to renegotiate ---


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
@pytest.mark.parametrize(
    ("version", "command"), [("-tls1_3", b"K\n"), ("-tls1_3", b"k\n"), ("-tls1_2", b"r\n")]
)
async def test_keys_are_updated_and_renegotiation_is_refused(tmp_path, version, command) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(CERTIFICATE.private_key_and_cert_chain_pem.bytes())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(key), version]
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                functools.partial(
                    trio.run_process,
                    arguments,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    check=False,
                    capture_stdout=False,
                )
            )
            assert b"ACCEPT" in await until(process.stdout, b"ACCEPT")
            tcp = TcpStream(await trio.open_tcp_stream("127.0.0.1", port))
            stream = await shake_hands(tcp, client_context(), server_hostname="localhost")
            async with stream:
                await stream.send_all(b"before\n")
                await until(process.stdout, b"before")
                await process.stdin.send_all(b"tickets and this\n")
                await until(stream, b"this")
                await process.stdin.send_all(command)
                if version == "-tls1_2":
                    with pytest.raises(trio.BrokenResourceError, match="renegotiate"):
                        await stream.receive_some()
                else:
                    # It takes a command only if it reads it by itself: now it has.
                    await trio.lowlevel.wait_readable(tcp._socket)
                    await process.stdin.send_all(b"hello from there\n")
                    assert b"hello from there" in await until(stream, b"there")
                    await stream.send_all(b"after the update\n")
                    await until(process.stdout, b"after the update")
            process.terminate()


async def until(stream, expected: bytes) -> bytes:
    got = b""
    while expected not in got:
        data = await stream.receive_some()
        assert data, got
        got += data
    return got
