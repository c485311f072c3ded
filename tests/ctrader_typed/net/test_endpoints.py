"""Where to connect: several places in turn, what each said, plain speech only on this machine."""

import socket
import ssl
from typing import Any

import pytest
import trio

from ctrader_typed import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    PROTOBUF_WEBSOCKET,
    CertificateRefused,
    ConnectFailed,
    NotRouted,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAErrorRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    connect,
)
from ctrader_typed.net import endpoints
from ctrader_typed.net.endpoints import PATIENCE, open_transport, route
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection


def places(endpoint: Any, port: int | None = None, wire: Any = PROTOBUF_TCP) -> Any:
    return route(endpoint, port, wire, tls=True, ssl_context=None).places


def test_names_and_ports() -> None:
    demo, live = "demo.ctraderapi.com", "live.ctraderapi.com"
    assert places("demo") == ((demo, 5035),)
    assert places("live", wire=PROTOBUF_WEBSOCKET) == ((live, 5035),)
    assert places("demo", wire=JSON_WEBSOCKET) == ((demo, 5036),)
    assert places("demo", 443) == ((demo, 443),)
    assert places(("localhost", 1)) == (("localhost", 1),)
    assert places(["demo", ("localhost", 1), "x.example"], 9) == (
        (demo, 9),
        ("localhost", 1),
        ("x.example", 9),
    )
    assert places(("demo", "live")) == ((demo, 5035), (live, 5035))


def test_no_endpoint_at_all() -> None:
    with pytest.raises(ValueError, match="at least one endpoint"):
        places([])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_may_be_spoken_to_plainly(host: str) -> None:
    assert route(host, 1, PROTOBUF_TCP, tls=False, ssl_context=None).plain


@pytest.mark.parametrize("host", ["demo", "10.0.0.1", "0.0.0.0", "localhost.example", "::2"])
async def test_nobody_else_may(host: str) -> None:
    with pytest.raises(ValueError, match="is not a loopback address"):
        async with connect(["localhost", host], 1, tls=False):
            pytest.fail("it connected")


def test_a_context_without_tls_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        route("localhost", 1, PROTOBUF_TCP, tls=False, ssl_context=ssl.create_default_context())


async def version_server(stream: trio.SocketStream) -> None:
    connection = Connection(SCHEMA)
    while data := bytes(await stream.receive_some()):
        for event in connection.receive_data(data):
            assert isinstance(event.message, ProtoOAVersionReq)  # type: ignore[union-attr]  # or it fails
            reply = ProtoOAVersionRes(version="91")
            await stream.send_all(connection.send(reply, event.client_msg_id))


async def never(_: trio.SocketStream) -> None:
    pytest.fail("it was tried although another one was there before it")


def unused_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


async def test_the_first_that_takes_us_is_taken() -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            listener, other = [
                (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0] for _ in range(2)
            ]
            nursery.start_soon(trio.serve_listeners, version_server, [listener])
            nursery.start_soon(trio.serve_listeners, never, [other])
            port = listener.socket.getsockname()[1]
            there = [
                ("127.0.0.1", unused_port()),
                ("127.0.0.1", port),
                ("127.0.0.1", other.socket.getsockname()[1]),
            ]
            async with connect(there, tls=False) as api:
                assert (await api.version()).version == "91"
            nursery.cancel_scope.cancel()


async def test_one_error_lists_what_each_said() -> None:
    ports = unused_port(), unused_port()
    with trio.fail_after(10), pytest.raises(ConnectFailed) as caught:
        async with connect([("127.0.0.1", port) for port in ports], tls=False):
            pytest.fail("it connected")
    assert str(caught.value).startswith("none of 2 endpoints could be connected to: (1) cannot")
    for number, port in enumerate(ports, 1):
        assert f"({number}) cannot reach 127.0.0.1:{port}: " in str(caught.value)
    cause = caught.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert [type(each) for each in cause.exceptions] == [ConnectFailed, ConnectFailed]


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        ([CertificateRefused("a"), CertificateRefused("b")], CertificateRefused),
        ([CertificateRefused("a"), ConnectFailed("b")], ConnectFailed),
    ],
)
async def test_of_one_kind_the_error_is_of_that_kind(failures, kind, monkeypatch) -> None:
    waiting = list(failures)

    async def fail(*_: object) -> None:
        raise waiting.pop(0)

    monkeypatch.setattr(endpoints, "open_tls", fail)
    with pytest.raises(ConnectFailed) as caught:
        async with connect(["a", "b"]):
            pytest.fail("it connected")
    assert type(caught.value) is kind
    assert str(caught.value).endswith("(1) a; (2) b")


async def test_a_silent_place_is_passed_over_unless_it_is_the_last(
    monkeypatch, autojump_clock
) -> None:
    async def silent(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(endpoints, "open_tls", silent)
    start = trio.current_time()
    with trio.move_on_after(100) as scope:
        async with connect(["a", "b", "c"]):
            pytest.fail("it connected")
    assert scope.cancelled_caught
    assert trio.current_time() - start == 100

    async def refusing(host: str, *_: object) -> None:
        if host == "c":
            raise ConnectFailed("c is not there")
        await trio.sleep_forever()

    monkeypatch.setattr(endpoints, "open_tls", refusing)
    start = trio.current_time()
    with pytest.raises(ConnectFailed, match="a:5035 did not answer within 10 seconds"):
        async with connect(["a", "b", "c"]):
            pytest.fail("it connected")
    assert trio.current_time() - start == 2 * PATIENCE


async def test_a_transport_can_be_opened_again_and_again() -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, version_server, [listener])
            port = listener.socket.getsockname()[1]
            way = route(("127.0.0.1", port), None, PROTOBUF_TCP, tls=False, ssl_context=None)
            for _ in range(3):
                transport = await open_transport(nursery, way)
                await transport.send(Connection(SCHEMA).send(ProtoOAVersionReq(), "a"))
                assert await transport.receive() != b""
                await transport.aclose()
            nursery.cancel_scope.cancel()


async def test_a_demo_account_on_a_live_connection_is_told_so(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:

        async def refuse() -> None:
            await peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())
            no = ProtoOAErrorRes(
                error_code="CANT_ROUTE_REQUEST", description="Cannot route request"
            )
            await peer.answer(ProtoOAAccountAuthReq, no)

        nursery.start_soon(refuse)
        with pytest.raises(NotRouted) as caught:
            await api.auth(client_id="a", client_secret="b", access_token="c", account_id=7)
    assert str(caught.value) == (
        "ProtoOAAccountAuthReq was refused: CANT_ROUTE_REQUEST: Cannot route request; the account "
        'is probably of the other environment (connect to "live" instead of "demo", or the other '
        "way round), or its broker is in maintenance"
    )
    assert "isLive" in str(caught.value.advice)
