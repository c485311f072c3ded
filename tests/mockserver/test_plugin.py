"""The pytest plugin, as a user's test suite has it; the server in a thread."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAAssetListReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope
from mockserver.box import HEDGED, Box
from mockserver.errors import InvariantBroken
from mockserver.threaded import ThreadedServer

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]


class Client:
    """A synchronous client."""

    def __init__(self, server: ThreadedServer) -> None:
        context = server.client_ssl_context()
        tcp = socket.create_connection(server.address, timeout=10)
        self.socket: ssl.SSLSocket = context.wrap_socket(tcp, server_hostname="localhost")
        self.connection = Connection(SCHEMA)

    def ask(self, request: Message) -> Message:
        self.socket.sendall(self.connection.send(request, "x"))
        while True:
            events = self.connection.receive_data(self.socket.recv(65536))
            for event in events:
                if isinstance(event, Envelope) and event.client_msg_id == "x":
                    return event.message  # type: ignore[no-any-return]  # any message


# --- the server in a thread ----------------------------------------------------------------------


def test_a_synchronous_client_is_served_and_can_be_asked_about():
    with ThreadedServer(Box()) as server:
        client = Client(server)
        assert client.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")
        assert server.received(ProtoOAVersionReq) == [ProtoOAVersionReq()]
        server.assert_received(ProtoOAVersionReq, times=1)
        server.assert_order(ProtoOAVersionReq)
        server.never(ProtoOAAssetListReq)
        assert server.wait_for(ProtoOAVersionReq) == ProtoOAVersionReq()
        with pytest.raises(AssertionError, match="expected 2 times, came 1 times"):
            server.wait_for(ProtoOAVersionReq, times=2, seconds=0.01)
        client.socket.close()
    assert "mock server" not in {thread.name for thread in threading.enumerate()}
    assert server.received(ProtoOAVersionReq) == [ProtoOAVersionReq()]  # afterwards too


def test_the_broker_is_moved_in_the_servers_own_thread():
    with ThreadedServer(Box()) as server:
        server.broker.set_price("EURUSD", 1.25)
        price = server.run(lambda each: each.broker.market.quote(1))
        assert server.broker.now_ms > 0
        assert server.broker.account(HEDGED).balance == 1_000_000
    assert price.bid == 125_000


def test_rules_are_watched():
    with ThreadedServer(Box()) as server:
        client = Client(server)
        client.ask(ProtoOAAssetListReq(ctid_trader_account_id=1))
        client.socket.close()
        assert len(server.violations) == 1
        with pytest.raises(InvariantBroken):
            server.check()


def test_an_exception_of_a_behaviour_or_at_the_start_comes_out():
    class Bug(Exception):
        pass

    def handlers(caller: object) -> Box:
        raise Bug

    def serve() -> None:
        with (
            ThreadedServer(handlers, tls=False) as server,
            socket.create_connection(server.address, timeout=10) as client,
            suppress(OSError),
        ):
            client.recv(1)

    with pytest.raises(Bug):
        serve()

    def ask_after_the_end() -> None:
        with (
            ThreadedServer(handlers, tls=False) as server,
            socket.create_connection(server.address, timeout=10) as client,
            suppress(OSError),
        ):
            client.recv(1)
            assert server.run(lambda ended: ended.address) == server.address

    with pytest.raises(Bug):
        ask_after_the_end()

    def start() -> None:
        with ThreadedServer(Box(), host="192.0.2.1"):
            raise AssertionError("it cannot listen there")

    with pytest.raises(OSError, match="assign"):
        start()
    assert "mock server" not in {thread.name for thread in threading.enumerate()}


# --- the plugin ----------------------------------------------------------------------------------


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A test suite of somebody who has installed us."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\ntrio_mode = true\naddopts = --strict-markers\n")
    return pytester


def run(suite: pytest.Pytester, text: str) -> pytest.RunResult:
    suite.makepyfile(text)
    return suite.runpytest_subprocess(
        "-p", "pytest_trio.plugin", "-p", "ctrader_typed.pytest_plugin", "-q"
    )


CLIENT = """
import asyncio, socket, ssl, pytest, trio
from ctrader_typed import *
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED

def ask(server, request):
    connection = Connection(SCHEMA)
    with socket.create_connection(server.address, timeout=10) as tcp:
        context = server.client_ssl_context()
        with context.wrap_socket(tcp, server_hostname="localhost") as stream:
            stream.sendall(connection.send(request, "x"))
            while True:
                data = stream.recv(65536)
                if not data:
                    return None
                for event in connection.receive_data(data):
                    return event.message
"""


def test_synchronous_asyncio_and_trio_tests_have_a_server(suite):
    done = run(
        suite,
        CLIENT
        + """
def test_synchronous(mock_ctrader):
    assert ask(mock_ctrader, ProtoOAVersionReq()).version == "91"
    mock_ctrader.assert_received(ProtoOAVersionReq)

def test_asyncio(mock_ctrader):
    async def talk():
        reader, writer = await asyncio.open_connection(
            *mock_ctrader.address, ssl=mock_ctrader.client_ssl_context(),
            server_hostname="localhost",
        )
        connection = Connection(SCHEMA)
        writer.write(connection.send(ProtoOAVersionReq(), "x"))
        events = connection.receive_data(await reader.read(65536))
        writer.close()
        await writer.wait_closed()
        return events[0].message.version
    assert asyncio.run(talk()) == "91"

async def test_trio(mock_ctrader_in_loop, autojump_clock):
    async with connect_over(mock_ctrader_in_loop.memory_client()) as api:
        await api.auth(client_id=CLIENT_ID, client_secret=CLIENT_SECRET,
                       access_token=ACCESS_TOKEN, account_id=HEDGED)
        await trio.sleep(100)
    mock_ctrader_in_loop.assert_received(ProtoOAAccountAuthReq, ctid_trader_account_id=HEDGED)

async def test_trio_with_sockets(mock_ctrader_in_loop):
    host, port = mock_ctrader_in_loop.address
    context = mock_ctrader_in_loop.client_ssl_context()
    async with connect(host, port, ssl_context=context) as api:
        assert (await api.version()).version == "91"
""",
    )
    done.assert_outcomes(passed=4)


def test_the_mark_says_what_is_served(suite):
    suite.makefile(
        ".jsonl",
        s='{"direction": "client", "message": "ProtoOAVersionReq", "clientMsgId": "1"}\n'
        '{"direction": "server", "message": "ProtoOAVersionRes", "clientMsgId": "1", '
        '"payload": {"version": "of the session"}}\n',
    )
    done = run(
        suite,
        CLIENT
        + """
from mockserver.faults.effects import HangUp
from mockserver.faults.plan import Fault

@pytest.mark.mock_ctrader(session="s.jsonl")
def test_session(mock_ctrader):
    assert ask(mock_ctrader, ProtoOAVersionReq()).version == "of the session"

@pytest.mark.mock_ctrader(faults=[Fault(HangUp())], seed=1)
def test_faults(mock_ctrader):
    assert ask(mock_ctrader, ProtoOAVersionReq()) is None

@pytest.mark.mock_ctrader(scenario="tls-garbage")
def test_scenario(mock_ctrader):
    with pytest.raises(ssl.SSLError):
        ask(mock_ctrader, ProtoOAVersionReq())

@pytest.mark.mock_ctrader(tick_seconds=900)
def test_pace(mock_ctrader):
    broker = mock_ctrader.broker
    assert len(broker.market.path.ticks(1, broker.now_ms - 3_600_000, broker.now_ms)) < 10

@pytest.mark.mock_ctrader(tls=False)
def test_plain(mock_ctrader):
    with socket.create_connection(mock_ctrader.address, timeout=10) as tcp:
        tcp.sendall(Connection(SCHEMA).send(ProtoOAVersionReq()))
        assert tcp.recv(1)

@pytest.mark.mock_ctrader(check=False)
def test_unchecked(mock_ctrader):
    assert ask(mock_ctrader, ProtoOAAssetListReq(ctid_trader_account_id=1)).error_code
""",
    )
    done.assert_outcomes(passed=6)


def test_what_a_client_should_not_have_done_is_an_error_of_its_test(suite):
    suite.makefile(
        ".jsonl", s='{"direction": "client", "message": "ProtoOAVersionReq", "clientMsgId": "1"}\n'
    )
    done = run(
        suite,
        CLIENT
        + """
def test_rules(mock_ctrader):
    ask(mock_ctrader, ProtoOAAssetListReq(ctid_trader_account_id=1))

@pytest.mark.mock_ctrader(session="s.jsonl")
def test_session(mock_ctrader):
    pass

async def test_in_loop(mock_ctrader_in_loop):
    async with await trio.open_tcp_stream(*mock_ctrader_in_loop.address) as tcp:
        context = mock_ctrader_in_loop.client_ssl_context()
        async with trio.SSLStream(tcp, context, server_hostname="localhost") as stream:
            request = ProtoOAAssetListReq(ctid_trader_account_id=1)
            await stream.send_all(Connection(SCHEMA).send(request))
            await mock_ctrader_in_loop.wait_for(ProtoOAAssetListReq)
""",
    )
    done.stdout.fnmatch_lines_random(
        [
            "*Clients broke rules that all keep to*",
            "*s.jsonl: nobody played the session.*",
        ]
    )
    outcomes = done.parseoutcomes()
    assert outcomes.get("passed", 0) + outcomes.get("failed", 0) + outcomes["errors"] == 5
    assert outcomes["errors"] + outcomes.get("failed", 0) == 3


RECORDED = (
    CLIENT
    + """
from pathlib import Path
import trio.testing

class LocalServer:
    called = 0

    async def connect(self):
        self.called += 1
        theirs, ours = trio.testing.memory_stream_pair()
        trio.lowlevel.spawn_system_task(self.serve, ours)
        return theirs

    async def serve(self, stream):
        connection = Connection(SCHEMA)
        async for data in stream:
            for event in connection.receive_data(bytes(data)):
                answer = ProtoOAVersionRes(version="91")
                await stream.send_all(connection.send(answer, event.client_msg_id))

upstream = None if Path("once.jsonl").exists() else LocalServer()

@pytest.mark.mock_ctrader(session="once.jsonl", record_mode="once", upstream=upstream)
def test_recorded(mock_ctrader):
    assert ask(mock_ctrader, ProtoOAVersionReq()).version == "91"
    assert upstream is None or upstream.called == 1

@pytest.mark.mock_ctrader(wires=["json-ws", "tcp"])
def test_doors(mock_ctrader):
    assert list(mock_ctrader.addresses) == ["json-ws", "tcp"]

@pytest.mark.mock_ctrader(order="any")
def test_only_a_session_has_an_order(mock_ctrader):
    pass
"""
)


def test_the_mark_opens_doors_and_records_a_session(suite):
    """What the first run records, the second one plays without the upstream."""
    for _ in range(2):
        done = run(suite, RECORDED)
        done.assert_outcomes(passed=2, errors=1)
        assert "order: only a session has that" in done.stdout.str()
        assert len((suite.path / "once.jsonl").read_text().splitlines()) == 3


def test_a_mark_with_something_unknown_is_refused(suite):
    done = run(
        suite,
        """
import pytest

@pytest.mark.mock_ctrader(sesion="s.jsonl")
def test_it(mock_ctrader):
    pass
""",
    )
    assert "the mark mock_ctrader has no sesion" in done.stdout.str() + done.stderr.str()
    assert done.ret != 0


def test_the_plugin_costs_a_suite_nothing_that_does_not_use_it(suite):
    done = run(
        suite,
        """
import sys

def test_it():
    assert not {"ctrader_typed.proto", "mockserver"} & {*sys.modules}
""",
    )
    done.assert_outcomes(passed=1)
