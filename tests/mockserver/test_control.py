"""The control port, with a client that is a plain socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from ctrader_typed.proto import ProtoOAApplicationAuthReq, ProtoOAVersionReq
from mockserver.box import CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.control import COMMANDS, LINE

from .cli.test_cli import MONDAY, SECONDS, Server, refused
from .cli.test_cli import ca as ca  # noqa: PLC0414 - a fixture
from .cli.test_cli import serve as serve  # noqa: PLC0414 - a fixture
from .cli.test_cli import session as session  # noqa: PLC0414 - a fixture

Serve = Callable[..., Server]


def lines(where: dict[str, Any], data: bytes, count: int) -> list[dict[str, Any]]:
    """What the control port answers to these bytes: so many lines, fewer if it hangs up."""
    with socket.create_connection(("127.0.0.1", where["control"]["port"]), SECONDS) as client:
        client.sendall(data)
        with client.makefile("rb") as file:
            return [json.loads(line) for line in (file.readline() for _ in range(count)) if line]


def ask(where: dict[str, Any], **request: Any) -> dict[str, Any]:
    return lines(where, json.dumps(request).encode() + b"\n", 1)[0]


def test_a_plain_socket_moves_the_server_while_clients_are_connected(serve: Serve, ca: str) -> None:
    server = serve("--broker", "--strict", *MONDAY, "--ca", ca, "--control", "0")
    where = server.ready()
    with server.client() as client:
        client.ask(ProtoOAApplicationAuthReq(client_id=CLIENT_ID, client_secret=CLIENT_SECRET))
        before = ask(where, command="state", id=7)
        assert (before["ok"], before["id"], before["connections"]) == (True, 7, 1)
        assert ask(where, command="set_price", symbol="EURUSD", bid=1.0845, ask=1.0846) == {
            "ok": True
        }
        assert ask(where, command="deposit", account_id=HEDGED, amount=99.5)["ok"]
        assert ask(where, command="reject_next", error_code="MARKET_CLOSED")["ok"]
        day = ask(where, command="advance", seconds=86_400)["now"]
        after = ask(where, command="state")
        assert after["now"] >= day >= before["now"] + 86_400_000
        assert after["accounts"][0]["balance"] == 10_099.5
        assert after["connections"] == 1
        assert client.ask(ProtoOAVersionReq()).version  # neither silent nor logged out
        fault = {"effect": "refuse", "message": "ProtoOAVersionReq", "error_code": "WHY"}
        assert ask(where, command="add_fault", fault=fault) == {"ok": True}
        assert client.ask(ProtoOAVersionReq()).error_code == "WHY"
        assert ask(where, command="clear_faults")["ok"]
    server.process.terminate()
    assert server.end() == (0, "")


def test_what_is_wrong_is_answered_and_ends_nothing(serve: Serve, ca: str) -> None:
    server = serve("--broker", *MONDAY, "--ca", ca, "--control", "0")
    where = server.ready()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"command": "no"}, "expected a command of state"),
        ({"command": ["state"]}, "expected a command of state"),
        ({"command": "advance"}, "advance needs the parameter 'seconds'"),
        ({"command": "advance", "seconds": "1"}, "expected float, got '1'"),
        ({"command": "advance", "seconds": True}, "expected float, got True"),
        ({"command": "advance", "seconds": -1}, "expected seconds above 0"),
        ({"command": "advance", "seconds": float("nan")}, "expected a finite number"),
        ({"command": "state", "x": 1}, "no parameter 'x'"),
        ({"command": "set_price", "symbol": "NOPE", "bid": 1}, "there is no 'NOPE'"),
        ({"command": "set_price", "symbol": 1, "bid": 1e300}, "expected a price above 0"),
        ({"command": "set_price", "symbol": 1, "bid": 1.1234567}, "at most five decimals"),
        ({"command": "deposit", "account_id": 5, "amount": 1}, "there is no 5"),
        ({"command": "deposit", "account_id": HEDGED, "amount": 1e300}, "expected an amount"),
        ({"command": "withdraw", "account_id": HEDGED, "amount": 10**6}, ""),
        ({"command": "reject_next", "error_code": "X", "request": "No"}, "to be one of"),
        ({"command": "add_fault", "fault": {"effect": "no"}}, "no effect 'no'"),
        ({"command": "add_fault", "fault": {"effect": "answer", "message": "No"}}, "no No"),
        ({"command": "add_fault", "fault": {"effect": "announce", "length": 2**40}}, "2^31"),
    ]
    data = b"".join(json.dumps(request).encode() + b"\n" for request, _ in wrong)
    for (request, why), said in zip(wrong, lines(where, data, len(wrong)), strict=True):
        assert not said["ok"], request
        assert why in said["error"], (request, said)
    for junk in (b"POST / HTTP/1.1\r\n\r\n", b"[1]\n", b"\xff\n", b"x" * (LINE + 5000)):
        (said,) = lines(where, junk, 2)
        assert not said["ok"]
    assert lines(where, b"[" * 60_000 + b"\n", 1)[0]["ok"] is False
    assert ask(where, command="state")["ok"]
    assert set(COMMANDS) >= {request["command"] for request, _ in wrong[2:]}


def test_control_does_not_go_with_a_session(session: str) -> None:
    assert "--control: not allowed" in refused("--session", session, "--control", "0")


@pytest.mark.parametrize("seconds", [1.0, 86_400.0])
def test_advance_moves_the_brokers_time_and_not_the_servers(seconds: float) -> None:
    box = Box()
    start = box.broker.now_ms
    box.broker.advance(seconds)
    assert box.broker.now_ms == start + seconds * 1000
    box.wake(2.0)
    assert (box.now, box.broker.now_ms) == (2.0, start + seconds * 1000 + 2000)
