"""The recorder: passes bytes on unchanged, writes what can be played, and tells no secret."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import memory_stream_pair
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from ctrader_typed import (
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATradeSide,
    connect,
    connect_over,
)
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAAccountAuthReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOANewOrderReq,
    ProtoOATraderRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader_typed.wire.connection import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    PROTOBUF_WEBSOCKET,
    Connection,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from mockserver.recordings.session_file import Direction, Session, read_session
from mockserver.replay.recording_proxy import SessionRecorder, recording_proxy
from mockserver.replay.replay import Replay
from mockserver.replay.upstream import Upstream, UpstreamFailed

ROOT = Path(__file__).parents[3]
SECONDS = 30
KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}
SECRETS = (CLIENT_ID, CLIENT_SECRET, ACCESS_TOKEN, "3000001")


def frame(message: Any, client_msg_id: str | None = None) -> bytes:
    return Connection(SCHEMA).send(message, client_msg_id)


def written(*passed: tuple[Direction, bytes, float]) -> list[dict[str, Any]]:
    recorder = SessionRecorder(SCHEMA)
    lines = [
        line for direction, data, now in passed for line in recorder.passes(direction, data, now)
    ]
    return [json.loads(line) for line in lines]


# --- what is written -----------------------------------------------------------------------------


def test_messages_are_written_with_their_time_and_id():
    entries = written(
        (Direction.CLIENT, frame(ProtoOAVersionReq(), "1"), 100.0),
        (Direction.SERVER, frame(ProtoOAVersionRes(version="91"), "1"), 100.25),
    )
    assert entries == [
        {"direction": "client", "message": "ProtoOAVersionReq", "clientMsgId": "1", "t": 0.0},
        {
            "direction": "server",
            "message": "ProtoOAVersionRes",
            "clientMsgId": "1",
            "t": 0.25,
            "payload": {"version": "91"},
        },
    ]


def test_however_the_bytes_are_split_each_message_is_written_when_it_is_whole():
    data = frame(ProtoOAVersionReq(), "1") + frame(ProtoOAVersionReq(), "2")
    for size in (1, 3, 7, len(data)):
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        entries = written(*((Direction.CLIENT, part, 0.0) for part in parts))
        assert [entry["clientMsgId"] for entry in entries] == ["1", "2"]


def test_secrets_and_logins_are_never_written():
    auth = ProtoOAAccountAuthReq(ctid_trader_account_id=1, access_token="canary-token")
    listed = ProtoOAGetAccountListByAccessTokenRes.from_dict(
        {
            "accessToken": "canary-token",
            "ctidTraderAccount": [{"ctidTraderAccountId": 1, "traderLogin": 99887766}],
        }
    )
    odd = bytes(auth) + b"\xf8\x07\x01"  # unknown fields, which would call for the bytes
    envelope = SCHEMA.envelope(payload_type=2102, payload=odd)
    broken = SCHEMA.envelope(payload_type=2102, payload=b"\x1a\x0ccanary-token\xff")
    raw = b"".join(len(bytes(e)).to_bytes(4, "big") + bytes(e) for e in (envelope, broken))
    entries = written(
        (Direction.CLIENT, frame(auth), 0.0),
        (Direction.SERVER, frame(listed), 0.0),
        (Direction.CLIENT, raw, 0.0),
    )
    assert len(entries) == 4
    text = json.dumps(entries)
    assert "canary" not in text
    assert "99887766" not in text
    assert "wire_b64" not in text  # nor in base64
    assert entries[1]["payload"]["ctidTraderAccount"][0]["traderLogin"] == "<redacted>"


def test_bytes_are_written_where_they_say_more_than_the_fields():
    trader = {"ctidTraderAccountId": 1, "balance": 5, "depositAssetId": 1}
    plain = ProtoOATraderRes.from_dict({"ctidTraderAccountId": 1, "trader": trader})
    more = bytes(plain) + b"\xb8\x01\x04"  # a field 23, as live servers send
    envelope = bytes(SCHEMA.envelope(payload_type=2122, payload=more))
    unknown = bytes(SCHEMA.envelope(payload_type=4242, payload=b"\1"))
    data = b"".join(len(each).to_bytes(4, "big") + each for each in (envelope, unknown))
    first, second, third = written(
        (Direction.SERVER, frame(plain), 0.0), (Direction.SERVER, data, 0.0)
    )
    assert "wire_b64" not in first
    assert second["payload"] == first["payload"]
    assert second["wire_b64"]
    assert (third["payloadType"], third["wire_b64"]) == (4242, "AQ==")
    lines = [json.dumps(entry) for entry in (first, second, third)]
    records = read_session(lines, SCHEMA).records
    assert records[1].wire == more


def test_what_cannot_be_understood_is_passed_over_in_its_direction_only():
    recorder = SessionRecorder(SCHEMA)
    good = frame(ProtoOAVersionReq())
    assert len(list(recorder.passes(Direction.CLIENT, good + b"\xff\xff\xff\xff", 0.0))) == 1
    assert list(recorder.passes(Direction.CLIENT, good, 0.0)) == []
    assert len(list(recorder.passes(Direction.SERVER, good, 0.0))) == 1
    assert list(recorder.lost) == [Direction.CLIENT]
    assert list(recorder.passes(Direction.SERVER, b"\0\0\0\2\xff\xff", 0.0)) == []
    assert list(recorder.lost) == [Direction.CLIENT, Direction.SERVER]


# --- passing on ----------------------------------------------------------------------------------


async def test_every_byte_is_passed_on_unchanged_even_what_is_no_protocol(autojump_clock):
    near, client = memory_stream_pair()
    server, far = memory_stream_pair()
    lines: list[str] = []
    there, back = bytes(range(256)) * 1000, b"\0\0\0\0nonsense" * 1000

    async def received(stream: trio.abc.ReceiveStream, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += await stream.receive_some(1000)
        return data

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recording_proxy, client, server, SCHEMA, lines.append, "note")
            nursery.start_soon(near.send_all, there)
            nursery.start_soon(far.send_all, back)
            assert await received(far, len(there)) == there
            assert await received(near, len(back)) == back
            await near.aclose()
    assert len(lines) == 1  # the header


async def record(lines: list[str], use: Any) -> None:
    """Let our client use a box through the proxy."""
    async with mock_server(Box(), port=None) as server, trio.open_nursery() as nursery:
        near, client = memory_stream_pair()
        nursery.start_soon(
            recording_proxy, client, server.memory_client(), SCHEMA, lines.append, "test"
        )
        async with connect_over(near) as api:
            await use(api)


async def trade(api: Any) -> None:
    await api.auth(**KEYS)
    async with api.events(ProtoOAExecutionEvent, ProtoOASpotEvent) as events:
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[1])
        while not isinstance(await anext(events), ProtoOASpotEvent):
            pass
        await api.new_order(
            ctid_trader_account_id=HEDGED,
            symbol_id=1,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=100_000,
        )
        async for event in events:
            if (
                isinstance(event, ProtoOAExecutionEvent)
                and event.execution_type is ProtoOAExecutionType.ORDER_FILLED
            ):
                break
    await api.reconcile(ctid_trader_account_id=HEDGED)


async def test_what_was_recorded_can_be_played_to_the_same_program(autojump_clock):
    lines: list[str] = []
    await record(lines, trade)
    assert not any(secret in line for secret in SECRETS for line in lines)
    session: Session = read_session(lines, SCHEMA, "recorded")
    assert any(record.cls is ProtoOANewOrderReq for record in session.records)
    replay = Replay(session, pace=1.0)
    async with (
        mock_server(replay, port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await trade(api)
    replay.check()


@pytest.mark.parametrize(
    ("endpoint", "wire"), [("ws", PROTOBUF_WEBSOCKET), ("json-ws", JSON_WEBSOCKET)]
)
async def test_websockets_are_recorded_too(endpoint, wire, autojump_clock):
    lines: list[str] = []
    async with mock_server(Box(), port=None) as server, trio.open_nursery() as nursery:
        near, client = memory_stream_pair()
        upstream = server.memory_client(endpoint)
        nursery.start_soon(recording_proxy, client, upstream, SCHEMA, lines.append, "test")
        async with connect_over(near, wire=wire) as api:
            await trade(api)
    assert not any(secret in line for secret in SECRETS for line in lines)
    assert not any("wire_b64" in line for line in lines)
    session = read_session(lines, SCHEMA, "recorded")
    for played, spoken in (("tcp", PROTOBUF_TCP), (endpoint, wire)):
        replay = Replay(session, pace=1.0)
        async with (
            mock_server(replay, port=None) as server,
            connect_over(server.memory_client(played), wire=spoken) as api,
        ):
            await trade(api)
        replay.check()


def test_what_is_no_websocket_any_more_is_passed_over():
    head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for data, why in (
        (head + b"\xff\xff\xff\xff", "not a WebSocket frame"),
        (b"GET " + b"x" * 70_000, "a WebSocket handshake without an end"),
    ):
        recorder = SessionRecorder(SCHEMA)
        assert list(recorder.passes(Direction.CLIENT, data[:2], 0.0)) == []
        assert list(recorder.passes(Direction.CLIENT, data[2:], 0.0)) == []
        assert why in str(recorder.lost[Direction.CLIENT])


@pytest.mark.parametrize("takeover", [False, True])
def test_compressed_websockets_are_followed(takeover: bool):
    """Both ends are a library's, which agree to compress; with their context kept, and without."""
    client, server = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    passed: list[tuple[Direction, bytes, float]] = []

    def say(direction: Direction, event: Any) -> None:
        ours, theirs = (client, server) if direction is Direction.CLIENT else (server, client)
        data = ours.send(event)
        passed.append((direction, data, 0.0))
        theirs.receive_data(data)
        list(theirs.events())

    wanted = PerMessageDeflate(
        client_no_context_takeover=not takeover, server_no_context_takeover=not takeover
    )
    say(Direction.CLIENT, Request(host="x", target="/", extensions=[wanted]))
    say(Direction.SERVER, AcceptConnection(extensions=[PerMessageDeflate()]))
    versions = [f"{number}{'0123456789' * 20}" for number in range(3)]
    for number, version in enumerate(versions):
        asked = Connection(SCHEMA, JSON_WEBSOCKET).send(ProtoOAVersionReq(), str(number))
        say(Direction.CLIENT, TextMessage(data=asked.decode()))
        answer = ProtoOAVersionRes(version=version)
        data = Connection(SCHEMA, JSON_WEBSOCKET).send(answer, str(number))
        say(Direction.SERVER, TextMessage(data=data.decode()))
        assert len(passed[-1][1]) < 200  # it is compressed
    found = written(*passed)
    assert [each["payload"] for each in found[1::2]] == [{"version": each} for each in versions]
    assert [each["message"] for each in found[::2]] == ["ProtoOAVersionReq"] * 3


def test_a_websocket_message_in_parts_is_one_and_a_ping_between_them_none():
    text = b'{"clientMsgId": "1", "payloadType": 2105, "payload": {"version": "91"}}'
    parts = [b"\x01" + bytes([10]) + text[:10], b"\x89\x00", b"\x80" + bytes([61]) + text[10:]]
    data = b"HTTP/1.1 101 OK\r\n\r\n" + b"".join(parts)
    assert len(text) == 71
    for size in (1, 7, len(data)):
        passed = [(Direction.SERVER, data[at : at + size], 0.0) for at in range(0, len(data), size)]
        (found,) = written(*passed)
        assert found["payload"] == {"version": "91"}


async def test_an_upstream_that_is_not_there_or_not_trusted_is_named(dial):
    async with mock_server(Box()) as server:
        host, port = server.address
        with pytest.raises(UpstreamFailed, match="no TLS with localhost, port"):
            await Upstream("localhost", port, ssl.create_default_context()).connect()
        stream = await Upstream("localhost", port, server.client_ssl_context()).connect()
        await trio.aclose_forcefully(stream)
    with pytest.raises(UpstreamFailed, match=f"cannot connect to {host}, port {port}"):
        await Upstream(host, port, None).connect()


# --- the command ---------------------------------------------------------------------------------


class Process:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mockserver", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        self.where: dict[str, Any] = json.loads(line)

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, said


@pytest.fixture
def start() -> Iterator[Any]:
    processes: list[Process] = []

    def start(*arguments: str) -> Process:
        processes.append(Process(*arguments))
        return processes[-1]

    yield start
    for each in processes:
        each.process.kill()
        each.process.communicate()


async def version(where: dict[str, Any]) -> str:
    context = ssl.create_default_context(cafile=where["ca"])
    async with connect(where["host"], where["port"], ssl_context=context) as api:
        return (await api.version()).version


def test_it_records_a_server_over_tls_each_connection_to_its_own_file(start, tmp_path):
    broker = start("--broker", "--start", "2026-03-02T09:00Z", "--ca", str(tmp_path / "broker.pem"))
    upstream = f"localhost:{broker.where['port']}"
    to = tmp_path / "s.session.jsonl"
    proxy = start(
        *("record", "--to", str(to), "--upstream", upstream, "--ca", str(tmp_path / "ca.pem")),
        *("--upstream-ca", str(tmp_path / "broker.pem")),
    )
    for _ in range(2):
        assert trio.run(version, proxy.where) == "91"
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.end() == (0, "")
    for path in (to, tmp_path / "s-2.session.jsonl"):
        lines = path.read_text().splitlines()
        assert "recorded from localhost" in lines[0]
        session = read_session(lines, SCHEMA)
        assert [record.name for record in session.records] == [
            "ProtoOAVersionReq",
            "ProtoOAVersionRes",
        ]
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_kill_loses_nothing_that_was_passed_on(start, tmp_path):
    broker = start("--broker", "--start", "2026-03-02T09:00Z", "--ca", str(tmp_path / "broker.pem"))
    to = tmp_path / "s.jsonl"
    proxy = start(
        *("record", "--to", str(to), "--upstream", f"localhost:{broker.where['port']}"),
        *("--upstream-ca", str(tmp_path / "broker.pem"), "--ca", str(tmp_path / "ca.pem")),
    )

    async def ask_and_kill() -> None:
        context = ssl.create_default_context(cafile=proxy.where["ca"])
        async with connect("localhost", proxy.where["port"], ssl_context=context) as api:
            for _ in range(20):
                await api.version()
            os.kill(proxy.process.pid, signal.SIGKILL)

    trio.run(ask_and_kill)
    records = read_session(to.read_text().splitlines(), SCHEMA).records
    assert len(records) == 40


def test_it_says_what_it_cannot_do(start, tmp_path):
    def refused(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mockserver", "record", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        return done.stderr

    there = tmp_path / "there.jsonl"
    there.write_text("")
    new = str(tmp_path / "new.jsonl")
    assert "is there already" in refused("--to", str(there), "--upstream", "localhost:1")
    assert "expected HOST:PORT, got 'localhost'" in refused("--to", new, "--upstream", "localhost")
    no_ca = refused("--to", new, "--upstream", "localhost:1", "--upstream-ca", "no.pem")
    assert "cannot use no.pem as a CA: " in no_ca
    proxy = start(
        *("record", "--to", new, "--upstream", "localhost:1", "--once", "--plain"),
        "--upstream-plain",
    )

    async def knock() -> bytes:
        async with await trio.open_tcp_stream("localhost", proxy.where["port"]) as stream:
            return bytes(await stream.receive_some())

    assert trio.run(knock) == b""
    status, said = proxy.end()
    assert status == 1
    assert "mockserver: cannot connect to localhost, port 1" in said
    assert proxy.where["tls"] is False
