"""Which wire and port are meant: wires by name, hosts with ports, ports of other wires."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from ctrader_typed import (
    JSON_WEBSOCKET,
    NO_RECONNECT,
    PROTOBUF_TCP,
    PROTOBUF_WEBSOCKET,
    ConnectFailed,
    CTraderError,
    InvalidValue,
    RemoteProtocolError,
    connect,
    connect_over,
)
from ctrader_typed.net import endpoints
from ctrader_typed.net.endpoints import route
from ctrader_typed.wire.connection import WIRES_BY_NAME, wire_of
from ctrader_typed.wire.framing import Deframer
from mockserver.box import Box
from mockserver.composition import mock_server
from mockserver.server.endpoints import ENDPOINTS

# --- wires by name ---


@pytest.mark.parametrize("door", ["tls", "wss", "json-wss"])
async def test_a_wire_by_its_name_works_as_its_constant(door: str) -> None:
    (name,) = (n for n, wire in WIRES_BY_NAME.items() if wire is ENDPOINTS[door].wire)
    async with mock_server(Box(), host="127.0.0.1", wires=[door]) as server:
        host, port = server.addresses[door]
        context = server.client_ssl_context()
        for wire in (name, ENDPOINTS[door].wire):
            async with connect(f"{host}:{port}", wire=wire, ssl_context=context) as api:  # type: ignore[arg-type]  # one of the names
                assert (await api.version()).version == "91"


@pytest.mark.parametrize("door", ["tcp", "ws", "json-ws"])
async def test_a_stream_takes_the_names_too(door: str) -> None:
    (name,) = (n for n, wire in WIRES_BY_NAME.items() if wire is ENDPOINTS[door].wire)
    async with (
        mock_server(Box()) as server,
        connect_over(server.memory_client(door), wire=name) as api,  # type: ignore[arg-type]  # as above
    ):
        assert (await api.version()).version == "91"


@pytest.mark.parametrize("wrong", ["tcp", "JSON", "", "protobuf over TCP", 5036, None, b"json"])
def test_another_wire_is_refused_at_once_with_the_choices(wrong: Any) -> None:
    for opening in (
        lambda: connect("demo", wire=wrong),
        lambda: connect_over(trio.testing.memory_stream_pair()[0], wire=wrong),
    ):
        with pytest.raises(InvalidValue) as caught:
            opening()
        assert str(caught.value) == (
            f'wire = {wrong!r}: expected one of "protobuf" (protobuf over TCP, port 5035), '
            '"websocket" (protobuf over WebSocket, port 5035), "json" (JSON over WebSocket, port '
            "5036)"
        )


def test_a_wire_is_itself() -> None:
    for wire in (PROTOBUF_TCP, PROTOBUF_WEBSOCKET, JSON_WEBSOCKET):
        assert wire_of(wire) is wire


# --- hosts with ports ---

DEMO = "demo.ctraderapi.com"


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ("host:5035", ("host", 5035)),
        ("demo:443", (DEMO, 443)),
        ("demo", (DEMO, 9)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("::1", ("::1", 9)),
        ("[::1]", ("::1", 9)),
        ("[::1]:5035", ("::1", 5035)),
        ("fe80::1:2", ("fe80::1:2", 9)),
        (("host", 5035), ("host", 5035)),
        (("demo", 5035), (DEMO, 5035)),
    ],
)
def test_a_place_is_taken_as_it_is_written(endpoint: Any, place: tuple[str, int]) -> None:
    for given in (endpoint, [endpoint]):
        assert route(given, 9, PROTOBUF_TCP, tls=True, ssl_context=None).places == (place,)


def test_a_short_name_may_stand_for_a_port_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(endpoints.SHORT, "demo", ("localhost", 4))
    for endpoint, place in {"demo": ("localhost", 4), "demo:5": ("localhost", 5)}.items():
        assert route(endpoint, 9, PROTOBUF_TCP, tls=True, ssl_context=None).places == (place,)


@pytest.mark.parametrize(
    "wrong",
    [
        *("host:", "host:abc", "host:0", "host:65536", ":5035", "", " host", "5035", b"host"),
        *("wss://host:5036", "host:5035/", ("host", "5035"), ("host", 0), ("host", True), 5035),
        *(None, {"host": 5035}, [None], [5035], [("host", 1, 2)], (5035, "host")),
    ],
)
def test_what_is_no_place_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match="expected "):
        connect(wrong)


@pytest.mark.parametrize("wrong", ["5035", 0, 65_536, True, 5035.0, -1])
def test_what_is_no_port_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^port = .*expected"):
        connect("demo", wrong)


# --- ports of other wires ---

PAIRS = [
    (door, name, tls)
    for door in ENDPOINTS
    for name in WIRES_BY_NAME
    for tls in (True, False)
    if (WIRES_BY_NAME[name], tls) != (ENDPOINTS[door].wire, ENDPOINTS[door].tls)
]


@pytest.mark.parametrize(("door", "name", "tls"), PAIRS)
async def test_on_the_wrong_port_it_is_said_what_is_meant(door: str, name: Any, tls: bool) -> None:
    async with mock_server(Box(), host="127.0.0.1", wires=list(ENDPOINTS)) as server:
        context = server.client_ssl_context()
        options: dict[str, Any] = {"ssl_context": context} if tls else {"tls": False}
        with trio.fail_after(10), pytest.raises(CTraderError) as caught:
            async with connect(
                server.addresses[door], wire=name, reconnect=NO_RECONNECT, **options
            ) as api:
                await api.version()
    said = str(caught.value)
    if tls and not ENDPOINTS[door].tls:
        assert "TLS" in said
        assert "tls=False" in said
    elif not tls and ENDPOINTS[door].tls:
        assert "TLS" in said or "`tls`" in said
    elif name == "protobuf":
        assert (
            'an answer in HTTP: this port takes WebSockets, for which there are wire="json"' in said
        )
    else:
        assert "wire=" in said or "`wire`" in said


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x0a", "it speaks TLS: this port takes it, so leave tls=False"),
        (b"\x00\x00\x00\x04\x08\x33\x12\x00", 'protobuf over TCP, for which there is wire="proto'),
        (b"220 mail.example ESMTP\r\n\r\n", "it does not speak WebSocket on this port"),
    ],
)
async def test_what_answers_a_websocket_is_recognised(
    greeting: bytes, said: str, autojump_clock: Any
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(greeting)
    with pytest.raises(ConnectFailed) as caught:
        async with connect_over(ours, wire="json"):
            pytest.fail("it connected")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", 'wire="json"'),
        (b"GET / HTTP/1.1\r\n", "a request in HTTP"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS: "),
        (b"\x15\x03\x01\x00\x02\x02", "TLS: "),
        (b'{"payloadType":2142}', "JSON, which is no protobuf over TCP"),
        (b"\xff\xff\xff\xfe", "a length of -2"),
    ],
)
def test_frames_know_other_protocols_by_their_beginning(start: bytes, said: str) -> None:
    for pieces in ([start], [start[:2], start[2:]]):
        feed = Deframer().feed
        with pytest.raises(RemoteProtocolError, match="expected a frame of 1 to ") as caught:
            list(map(feed, pieces))
        assert said in str(caught.value)


# --- nobody there ---


async def test_a_port_where_nobody_listens_is_said_to_refuse() -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for options in ({}, {"tls": False}, {"wire": "json"}):
        with trio.fail_after(10), pytest.raises(ConnectFailed) as caught:
            async with connect("127.0.0.1", port, **options):  # type: ignore[call-overload]  # untyped on purpose
                pytest.fail("it connected")
        assert str(caught.value) == (
            f"cannot reach 127.0.0.1:{port}: it was refused, so nothing listens on this port"
        )


async def test_each_way_to_fail_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        errors = [ConnectionRefusedError(111, "Connection refused"), OSError(101, "unreachable")]
        raise OSError("all attempts failed") from ExceptionGroup("", [*errors, errors[0]])

    monkeypatch.setattr(trio, "open_tcp_stream", fail)
    with pytest.raises(ConnectFailed, match=r": it was refused, .* port; Network is unreachable$"):
        async with connect("host"):
            pytest.fail("it connected")


async def test_a_host_that_nobody_knows_is_said_to_be_unknown() -> None:
    with trio.fail_after(30), pytest.raises(ConnectFailed, match="no host of this name is known"):
        async with connect("nobody.invalid"):
            pytest.fail("it connected")
