"""TLS over real sockets: who is trusted, who is not, and what the error says to do."""

import datetime
import socket
import ssl
import warnings
from contextlib import suppress

import pytest
import trio
import trustme

from ctrader_typed import (
    CertificateRefused,
    ConnectFailed,
    ConnectionLost,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    connect,
)
from ctrader_typed.net import endpoints
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection

AUTHORITY = trustme.CA()
NAMES = ("localhost", "127.0.0.1")


def server_context(
    certificate: trustme.LeafCert | None = None, **settings: ssl.TLSVersion
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (AUTHORITY.issue_cert(*NAMES) if certificate is None else certificate).configure_cert(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions, on purpose
        for name, value in settings.items():
            setattr(context, name, value)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


TRUSTING = trusting(AUTHORITY)


async def version_server(stream: trio.abc.Stream) -> None:
    """Answers ProtoOAVersionReq; whatever goes wrong ends it."""
    wire = Connection(SCHEMA)
    try:
        while data := bytes(await stream.receive_some()):
            for event in wire.receive_data(data):
                assert isinstance(event.message, ProtoOAVersionReq)
                reply = ProtoOAVersionRes(version="91")
                await stream.send_all(wire.send(reply, event.client_msg_id))
    except trio.BrokenResourceError:
        pass


async def serve(nursery: trio.Nursery, context: ssl.SSLContext, handler=version_server) -> int:
    """Start a server on a free port of 127.0.0.1, and return the port."""
    (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")

    async def handle(stream: trio.SSLStream) -> None:
        try:
            await handler(stream)
        finally:
            await trio.aclose_forcefully(stream)

    nursery.start_soon(trio.serve_listeners, handle, [listener])
    return listener.transport_listener.socket.getsockname()[1]


async def refusal(port: int, context: ssl.SSLContext | None = TRUSTING, host="127.0.0.1"):
    with pytest.raises(ConnectFailed) as caught:
        async with connect(host, port, ssl_context=context):
            pytest.fail("it connected")
    return caught.value


async def test_a_trusted_server() -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, server_context())
            for host in NAMES:
                async with connect(host, port, ssl_context=TRUSTING) as api:
                    assert (await api.version()).version == "91"
            nursery.cancel_scope.cancel()


def old(**settings: ssl.TLSVersion) -> ssl.SSLContext:
    context = server_context(**settings)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def in_days(days: int) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


STRANGER = trustme.CA()
REFUSED = {
    "untrusted": (
        STRANGER.issue_cert(*NAMES),
        "no authority that this machine trusts vouches for it; if you do, pass ssl_context=",
    ),
    "other host": (AUTHORITY.issue_cert("elsewhere.example"), "it was made for another"),
    "expired": (
        AUTHORITY.issue_cert(*NAMES, not_before=in_days(-9), not_after=in_days(-1)),
        "it has expired, or this machine's clock is wrong",
    ),
    "not yet valid": (
        AUTHORITY.issue_cert(*NAMES, not_before=in_days(2), not_after=in_days(9)),
        "it is not valid yet",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_a_refused_certificate_says_why_and_what_to_do(why: str) -> None:
    certificate, said = REFUSED[why]
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, server_context(certificate))
            error = await refusal(port)
            nursery.cancel_scope.cancel()
    assert type(error) is CertificateRefused
    assert f"the certificate of 127.0.0.1:{port} was refused: {said}" in str(error)
    assert error.__cause__ is not None


async def test_the_name_is_checked_too() -> None:
    certificate = AUTHORITY.issue_cert("elsewhere.example")
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, server_context(certificate))
            error = await refusal(port, host="localhost")
            nursery.cancel_scope.cancel()
    assert "it was made for another host; connect by a name that is in it" in str(error)


async def test_a_self_signed_certificate_is_refused(tmp_path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with AUTHORITY.private_key_pem.tempfile() as key, AUTHORITY.cert_pem.tempfile() as cert:
        context.load_cert_chain(cert, key)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, context)
            error = await refusal(port, context=None)
            nursery.cancel_scope.cancel()
    assert type(error) is CertificateRefused
    assert "it is self-signed" in str(error)


async def test_without_a_context_this_machines_authorities_count() -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, server_context())
            error = await refusal(port, context=None)
            nursery.cancel_scope.cancel()
    assert type(error) is CertificateRefused


async def test_a_context_of_ones_own_may_skip_the_verification() -> None:
    careless = ssl.create_default_context()
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, server_context(STRANGER.issue_cert("elsewhere.example")))
            async with connect("127.0.0.1", port, ssl_context=careless) as api:
                assert (await api.version()).version == "91"
            nursery.cancel_scope.cancel()


async def test_the_host_name_is_sent_to_the_server() -> None:
    asked: list[str | None] = []
    context = server_context()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, context)
            async with connect("localhost", port, ssl_context=TRUSTING) as api:
                await api.version()
            nursery.cancel_scope.cancel()
    assert asked == ["localhost"]


def old_server(listener: socket.socket) -> None:
    """One handshake by the standard library: it tells the client why it fails, trio's does not."""
    context = old(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    connection, _ = listener.accept()
    with connection, suppress(ssl.SSLError, OSError):
        context.wrap_socket(connection, server_side=True)


async def test_tls_below_1_2_is_refused() -> None:
    with trio.fail_after(10), socket.create_server(("127.0.0.1", 0)) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, old_server, listener)
            error = await refusal(listener.getsockname()[1])
    assert str(error).endswith("it speaks only TLS below 1.2, which is not accepted")


async def test_tls_below_1_2_is_refused_even_if_the_context_allows_it() -> None:
    lax = trusting(AUTHORITY)
    lax.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        lax.minimum_version = ssl.TLSVersion.TLSv1
    context = old(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, context)
            error = await refusal(port, context=lax)
            nursery.cancel_scope.cancel()
    assert "chose TLSv1.1; at least TLSv1.2 is required" in str(error)


async def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with trio.fail_after(10):
        error = await refusal(port)
    assert type(error) is ConnectFailed
    assert f"cannot reach 127.0.0.1:{port}" in str(error)


async def test_a_host_that_does_not_exist(monkeypatch) -> None:
    async def nowhere(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(trio, "open_tcp_stream", nowhere)
    error = await refusal(1, host="nowhere.invalid")
    assert "cannot reach nowhere.invalid:1" in str(error)
    assert "Name or service not known" in str(error)


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS on this port"),
        (b"", "it hung up during the handshake"),
    ],
)
async def test_a_server_that_does_not_speak_tls(greeting: bytes, said: str) -> None:
    async def plain(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            if greeting:
                await stream.send_all(greeting)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, plain, [listener])
            error = await refusal(listener.socket.getsockname()[1])
            nursery.cancel_scope.cancel()
    assert said in str(error)


async def test_cancelled_in_the_handshake_nothing_stays_open() -> None:
    greeted, ended = trio.Event(), trio.Event()

    async def silent(stream: trio.SocketStream) -> None:
        async with stream:
            while await stream.receive_some():
                greeted.set()
            ended.set()

    async def cancel_when_greeted() -> None:
        await greeted.wait()
        scope.cancel()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, silent, [listener])
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel_when_greeted)
                async with connect("127.0.0.1", listener.socket.getsockname()[1]):
                    pytest.fail("it connected")
            assert scope.cancelled_caught
            await ended.wait()
            nursery.cancel_scope.cancel()


async def test_a_server_that_vanishes_without_a_farewell() -> None:
    async def vanish(stream: trio.SSLStream) -> None:
        await stream.receive_some()
        await trio.aclose_forcefully(stream)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, server_context(), vanish)
            async with connect("localhost", port, ssl_context=TRUSTING) as api:
                with pytest.raises(ConnectionLost) as caught:
                    await api.version()
                assert caught.value.maybe_delivered
            nursery.cancel_scope.cancel()


async def test_a_server_that_resets_the_connection() -> None:
    async def reset(stream: trio.SSLStream) -> None:
        await stream.receive_some()
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        stream.transport_stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await trio.aclose_forcefully(stream)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, server_context(), reset)
            async with connect("localhost", port, ssl_context=TRUSTING) as api:
                with pytest.raises(ConnectionLost, match="the connection broke") as caught:
                    await api.version()
                assert caught.value.maybe_delivered
            nursery.cancel_scope.cancel()


async def test_a_peer_that_stops_reading_does_not_hold_up_the_shutdown() -> None:
    async def stall(stream: trio.SSLStream) -> None:
        await stream.do_handshake()
        await trio.sleep_forever()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await serve(nursery, server_context(), stall)
            async with connect("localhost", port, ssl_context=TRUSTING) as api:
                async with trio.open_nursery() as asking:
                    for _ in range(100):
                        asking.start_soon(api.version)
                    await trio.sleep(0.05)
                    asking.cancel_scope.cancel()
                start = trio.current_time()
            assert trio.current_time() - start <= 2
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", ["demo", "live"])
async def test_the_real_endpoints_by_their_short_names(name: str, monkeypatch) -> None:
    asked = []

    async def note(host, port, context):
        asked.append((host, port, context))
        raise ConnectFailed("not in a test")

    monkeypatch.setattr(endpoints, "open_tls", note)
    with pytest.raises(ConnectFailed, match="not in a test"):
        async with connect(name):
            pytest.fail("it connected")
    assert asked == [(f"{name}.ctraderapi.com", 5035, None)]
