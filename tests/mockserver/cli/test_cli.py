"""`python -m mockserver`, as a process: what it prints, whom it serves, and how it exits."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import RemoteProtocolError, ServerError, connect
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAAssetListReq,
    ProtoOAErrorRes,
    ProtoOAGetTickDataReq,
    ProtoOAQuoteType,
    ProtoOATraderReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope

ROOT = Path(__file__).parents[3]
MONDAY = ("--start", "2026-03-02T09:00Z")
"""A market that is open, whatever day the tests run on."""
SECONDS = 30  # for anything that a healthy server does at once

SESSION = [
    {"direction": "client", "message": "ProtoOAVersionReq", "clientMsgId": "1"},
    {
        "direction": "server",
        "message": "ProtoOAVersionRes",
        "clientMsgId": "1",
        "payload": {"version": "91"},
    },
]
OVER = "2 of 2 steps played."


class Server:
    """A mock server in its own process."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mockserver", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        self.where: dict[str, Any] = json.loads(line)
        return self.where

    def client(self) -> Client:
        where = self.where
        tcp = socket.create_connection((where["host"], where["port"]), timeout=SECONDS)
        context = ssl.create_default_context(cafile=where["ca"])
        return Client(context.wrap_socket(tcp, server_hostname="localhost"))

    def end(self) -> tuple[int, str]:
        """Its exit status and what it said on standard error; nothing more on standard output."""
        out, said = self.process.communicate(timeout=SECONDS)
        assert out == ""
        assert "Traceback" not in said
        return self.process.returncode, said


class Client:
    def __init__(self, stream: ssl.SSLSocket) -> None:
        self.stream = stream
        self.connection = Connection(SCHEMA)

    def ask(self, request: Message) -> Any:
        self.stream.sendall(self.connection.send(request, "x"))
        return self.receive()

    def receive(self) -> Any:
        while True:
            data = self.stream.recv(65536)
            events = self.connection.receive_data(data)
            if events or not data:
                return events[0].message if events and isinstance(events[0], Envelope) else None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def serve(*arguments: str) -> Server:
        servers.append(Server(*arguments))
        return servers[-1]

    yield serve
    for server in servers:
        server.process.kill()
        server.process.communicate()


@pytest.fixture
def session(tmp_path: Path) -> str:
    return write(tmp_path / "s.jsonl", *SESSION)


@pytest.fixture
def ca(tmp_path: Path) -> str:
    return str(tmp_path / "ca.pem")


def write(path: Path, *entries: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return str(path)


# --- it serves -----------------------------------------------------------------------------------


def test_it_says_where_it_listens_serves_and_exits_0_when_played_out(serve, session, ca):
    server = serve("--session", session, "--ca", ca)
    where = server.ready()
    assert where == {
        "host": "127.0.0.1",
        "port": where["port"],
        "tls": True,
        "ca": ca,
        "session": session,
    }
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")
        assert client.stream.version() == "TLSv1.3"
    assert server.end() == (0, f"{session}: {OVER}\n")


def test_our_client_plays_with_it(serve, session, ca):
    server = serve("--session", session, "--ca", ca, "--once")
    where = server.ready()

    async def play() -> str:
        context = ssl.create_default_context(cafile=ca)
        async with connect(where["host"], where["port"], ssl_context=context) as api:
            return (await api.version()).version

    assert trio.run(play) == "91"
    assert server.end()[0] == 0


def test_it_takes_the_port_and_host_that_it_is_told(serve, session, ca):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = serve("--session", session, "--ca", ca, "--port", str(port), "--host", "localhost")
    assert server.ready()["port"] == port
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) is not None
    assert server.end()[0] == 0


def test_it_serves_as_many_clients_as_it_is_told(serve, session, ca):
    server = serve("--session", session, "--ca", ca, "--sessions", "3")
    server.ready()
    with server.client() as one, server.client() as two:
        assert one.ask(ProtoOAVersionReq()) is not None
        assert two.ask(ProtoOAVersionReq()) is not None
    with server.client() as three:
        assert server.process.poll() is None
        assert three.ask(ProtoOAVersionReq()) is not None
    status, said = server.end()
    assert status == 0
    assert said.count(OVER) == 3


def test_time_passes_as_it_is_told(serve, tmp_path, ca):
    late = {**SESSION[1], "t": 3600}
    session = write(tmp_path / "late.jsonl", SESSION[0], late)
    server = serve("--session", session, "--ca", ca, "--speed", "36000")
    server.ready()
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) is not None
    assert server.end()[0] == 0

    server = serve("--session", session, "--ca", ca, "--speed", "real")
    server.ready()
    with server.client() as client:
        client.stream.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.ask(ProtoOAVersionReq())
    status, said = server.end()
    assert status == 1
    assert "ProtoOAVersionRes (line 2) was not due yet" in said


# --- what clients do ---------------------------------------------------------------------------


def test_it_exits_1_with_the_report_when_the_client_diverged(serve, session, ca):
    server = serve("--session", session, "--ca", ca)
    server.ready()
    with server.client() as client:
        error = client.ask(ProtoOAAssetListReq(ctid_trader_account_id=1))
        assert error.error_code == "INVALID_REQUEST"
        assert client.receive() is None
    status, said = server.end()
    assert status == 1
    assert "ProtoOAVersionReq (line 1) was expected, and ProtoOAAssetListReq came." in said
    assert "Not played:\n  line 1, client: ProtoOAVersionReq\n" in said


def test_our_client_is_told_of_its_divergence_at_once(serve, session, ca):
    server = serve("--session", session, "--ca", ca)
    where = server.ready()

    async def play() -> None:
        context = ssl.create_default_context(cafile=ca)
        async with connect(where["host"], where["port"], ssl_context=context) as api:
            await api.asset_list(ctid_trader_account_id=1)

    with pytest.raises(ServerError, match="expected ProtoOAVersionReq here"):
        trio.run(play)
    assert server.end()[0] == 1


def test_it_exits_1_with_the_report_when_steps_were_left(serve, tmp_path, ca):
    session = write(tmp_path / "s.jsonl", *SESSION, *SESSION)
    server = serve("--session", session, "--ca", ca)
    server.ready()
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) is not None
    status, said = server.end()
    assert status == 1
    assert f"{session}: the session broke off (the client closed the connection), 2 of 4" in said
    assert "ProtoOAVersionReq (line 3) was expected, and nothing came." in said


def test_one_bad_client_among_several_is_enough(serve, session, ca):
    server = serve("--session", session, "--ca", ca, "--sessions", "2")
    server.ready()
    with server.client() as client:
        client.ask(ProtoOAAssetListReq(ctid_trader_account_id=1))
    with server.client() as client:
        client.ask(ProtoOAVersionReq())
    assert server.end()[0] == 1


def test_who_only_knocks_is_mentioned_and_does_not_count(serve, session, ca):
    server = serve("--session", session, "--ca", ca)
    where = server.ready()
    with socket.create_connection((where["host"], where["port"])) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.recv(1000)
    with server.client() as client:  # TLS, and then nonsense
        client.stream.sendall(b"\xff\xff\xff\xff")
        assert client.stream.recv(1000) == b""
    with server.client():  # and one that leaves without a word
        pass
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) is not None
    status, said = server.end()
    assert status == 0
    assert "played nothing: the TLS handshake failed: " in said
    assert "played nothing: the client broke the protocol: " in said
    assert "played nothing: the client closed the connection" in said


def test_a_client_that_stays_does_not_keep_it(serve, session, ca):
    server = serve("--session", session, "--ca", ca)
    server.ready()
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) is not None
        assert client.receive() is None
        assert server.end()[0] == 0


# --- it cannot start -----------------------------------------------------------------------------


def refused(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mockserver", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_bad_session_file_is_named_by_its_line(tmp_path):
    session = write(tmp_path / "bad.jsonl", SESSION[0], {"direction": "server"})
    said = refused("--session", session)
    assert said == f"mockserver: {session}, line 2: expected 'message' or 'payloadType'\n"
    assert "nowhere.jsonl cannot be read: No such file" in refused("--session", "nowhere.jsonl")


def test_a_port_in_use_is_named(session):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused("--session", session, "--port", port)
    assert said.startswith(f"mockserver: cannot listen on 127.0.0.1, port {port}: ")


def test_an_address_that_is_not_ours_is_named(session):
    assert "cannot listen on 192.0.2.1" in refused("--session", session, "--host", "192.0.2.1")


def test_a_ca_file_that_cannot_be_written_is_named(session, tmp_path):
    said = refused("--session", session, "--ca", str(tmp_path / "no" / "ca.pem"))
    assert said.startswith("mockserver: cannot write the CA certificate to ")


WRONG = {
    "no session": ((), "--session"),
    "a bad port": (("--port", "70000"), "expected a port, 0 to 65535, got '70000'"),
    "a bad count": (("--sessions", "-1"), "expected a number, 0 for no end, got '-1'"),
    "no speed": (("--speed", "slow"), "expected fast, real, step or a number above 0, got 'slow'"),
    "speed 0": (("--speed", "0"), "expected fast, real, step or a number above 0, got '0'"),
    "once and often": (("--once", "--sessions", "2"), "not allowed with"),
}


@pytest.mark.parametrize(("arguments", "text"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_named(arguments, text, session):
    given = ("--session", session) if arguments else ()
    assert text in refused(*given, *arguments)


def test_help_has_examples():
    done = subprocess.run(
        [sys.executable, "-m", "mockserver", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert "examples:\n  python -m mockserver --session" in done.stdout
    assert "exit status:" in done.stdout


def test_a_stale_session_is_served_with_a_warning(serve, tmp_path, ca):
    header = {"session": 1, "schema": {"release": "90", "digest": "0"}}
    session = write(tmp_path / "old.jsonl", header, *SESSION)
    server = serve("--session", session, "--ca", ca)
    server.ready()
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) is not None
    status, said = server.end()
    assert status == 0
    assert said.startswith(f"mockserver: warning: {session} was recorded with another schema")


# --- the broker ----------------------------------------------------------------------------------


def login(where: dict[str, Any]) -> list[Message]:
    keys = where["broker"]
    return [
        ProtoOAApplicationAuthReq(client_id=keys["clientId"], client_secret=keys["clientSecret"]),
        ProtoOAAccountAuthReq(
            ctid_trader_account_id=keys["accounts"][0], access_token=keys["accessToken"]
        ),
    ]


def test_the_ready_line_tells_the_clock_and_what_each_account_is(serve, ca):
    server = serve("--broker", *MONDAY, "--ca", ca, "--name", "demo.ctraderapi.com")
    broker = server.ready()["broker"]
    assert broker["clock"] == "2026-03-02T09:00:00Z"
    spread_betting = broker["details"][2]
    assert spread_betting == {
        "id": 1000003,
        "type": "SPREAD_BETTING",
        "currency": "GBP",
        "environment": "demo",
        "balance": 10000.0,
        "brokerName": "Mock Broker Demo",
        "brokerTitleShort": "Demo",
        "tokens": {"trade": "mock-access-token", "view": "mock-view-token"},
    }


def test_options_of_the_certificate_that_contradict_each_other_are_refused(tmp_path):
    assert "--cert and --key go together" in refused("--broker", "--cert", "c.pem")
    both = ("--broker", "--cert", "c.pem", "--key", "k.pem")
    assert "it does nothing beside --cert" in refused(*both, "--name", "demo.ctraderapi.com")
    assert "cannot be used" in refused(*both)


def test_it_serves_a_broker_and_says_who_may_log_in(serve, tmp_path, ca):
    journal = tmp_path / "journal.jsonl"
    server = serve("--broker", *MONDAY, "--ca", ca, "--journal", str(journal), "--seed", "3")
    where = server.ready()
    assert where["broker"]["accounts"] == [1000001, 1000002, 1000003, 2000001]
    with server.client() as client:
        for request in login(where):
            assert not isinstance(client.ask(request), ProtoOAErrorRes)
        account = where["broker"]["accounts"][0]
        assert client.ask(ProtoOAAssetListReq(ctid_trader_account_id=account)).asset
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == (0, "")
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [entry.get("message", entry.get("what")) for entry in entries] == [
        "opened",
        "ProtoOAApplicationAuthReq",
        "ProtoOAApplicationAuthRes",
        "ProtoOAAccountAuthReq",
        "ProtoOAAccountAuthRes",
        "ProtoOAAssetListReq",
        "ProtoOAAssetListRes",
        "closed",
    ]
    assert where["broker"]["accessToken"] not in journal.read_text()
    assert journal.stat().st_mode & 0o777 == 0o600


def test_its_ticks_come_as_often_as_one_asks(serve, ca):
    where = (server := serve("--broker", *MONDAY, "--ca", ca, "--tick-seconds", "600")).ready()
    with server.client() as client:
        for request in login(where):
            client.ask(request)
        hour = client.ask(
            ProtoOAGetTickDataReq(
                ctid_trader_account_id=where["broker"]["accounts"][0],
                symbol_id=1,
                type=ProtoOAQuoteType.BID,
                from_timestamp=1_772_438_400_000,
                to_timestamp=1_772_442_000_000,
            )
        )
        assert 4 <= len(hour.tick_data) < 12
    said = refused("--broker", "--tick-seconds", "0.5")
    assert "expected 1 to 900 seconds from tick to tick, got 0.5" in said


def test_it_says_at_the_end_what_clients_should_not_have_done(serve, ca):
    server = serve("--broker", *MONDAY, "--ca", ca)
    server.ready()
    with server.client() as client:
        client.ask(ProtoOAAssetListReq(ctid_trader_account_id=1))
    server.process.send_signal(signal.SIGINT)
    status, said = server.end()
    assert status == 0
    assert "connection 1: ProtoOAAssetListReq before the application has logged in" in said


def test_its_accounts_can_be_of_one_kind(serve, ca):
    server = serve("--broker", *MONDAY, "--ca", ca, "--endpoint", "live")
    where = server.ready()
    with server.client() as client:
        _, refusal = [client.ask(request) for request in login(where)]
        assert refusal.error_code == "CANT_ROUTE_REQUEST"


def test_something_can_go_wrong_by_name(serve, ca):
    server = serve("--ca", ca, "--scenario", "half-frame")
    where = server.ready()
    assert where["scenario"] == "half-frame"
    with server.client() as client:
        for request in login(where):
            client.ask(request)
        account = where["broker"]["accounts"][0]
        with pytest.raises(RemoteProtocolError, match="the stream ended after"):
            client.ask(ProtoOATraderReq(ctid_trader_account_id=account))


def test_something_can_go_wrong_out_of_a_file(serve, tmp_path, ca):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"faults": [{"effect": "hang_up"}]}))
    server = serve("--broker", *MONDAY, "--ca", ca, "--scenario", str(path))
    server.ready()
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) is None


def test_a_scenario_can_disturb_a_session(serve, session, tmp_path, ca):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"faults": [{"effect": "hang_up"}]}))
    server = serve("--session", session, "--ca", ca, "--scenario", str(path))
    server.ready()
    with server.client() as client:
        assert client.ask(ProtoOAVersionReq()) is None
    assert server.end()[0] == 0  # the client did its part


def test_scenarios_are_listed_with_a_line_each():
    done = subprocess.run(
        [sys.executable, "-m", "mockserver", "--scenario", "list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) >= 40
    assert any(line.startswith("lost-fill ") for line in lines)


def test_what_of_it_cannot_be_is_named(session, tmp_path):
    assert "neither a scenario nor a file called nothing" in refused("--scenario", "nothing")
    assert "not allowed with argument --session" in refused("--session", session, "--broker")
    said = refused("--broker", "--journal", str(tmp_path / "no" / "journal"))
    assert "cannot write the journal to" in said


# --- it is stopped -------------------------------------------------------------------------------

STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_stopped_before_the_session_was_played_it_exits_as_shells_expect(
    number, status, serve, session, ca
):
    server = serve("--session", session, "--ca", ca)
    server.ready()
    server.process.send_signal(number)
    assert server.end() == (status, "")


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_stopped_in_the_middle_it_says_what_was_left(number, status, serve, tmp_path, ca):
    session = write(tmp_path / "s.jsonl", *SESSION, *SESSION)
    server = serve("--session", session, "--ca", ca)
    server.ready()
    with server.client() as client:
        client.ask(ProtoOAVersionReq())
        server.process.send_signal(number)
        assert client.receive() is None
    ended, said = server.end()
    assert ended == status
    assert "the session broke off (the server was stopped), 2 of 4 steps played" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_an_end_a_signal_is_the_end_and_the_status_says_how_it_went(
    number, serve, session, ca
):
    for request, status in (
        (ProtoOAVersionReq(), 0),
        (ProtoOAAssetListReq(ctid_trader_account_id=1), 1),
    ):
        server = serve("--session", session, "--ca", ca, "--sessions", "0")
        server.ready()
        with server.client() as client:
            client.ask(request)
        server.process.send_signal(number)
        assert server.end()[0] == status


def test_a_reader_of_its_output_that_went_away_is_no_traceback(session, ca):
    out, theirs = os.pipe()
    os.close(out)
    done = subprocess.run(
        [sys.executable, "-m", "mockserver", "--session", session, "--ca", ca],
        cwd=ROOT,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    os.close(theirs)
    assert done.returncode == 2
    assert done.stderr == "mockserver: nobody reads where it listens: Broken pipe\n"


def test_it_listens_before_it_imports_what_is_slow_to_import():
    check = (
        "import sys, mockserver.__main__; slow = {'trio', 'ctrader_typed', 'ssl', 'trustme'}; "
        "sys.exit(bool(slow & {*sys.modules}))"
    )
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, timeout=SECONDS, check=True)
