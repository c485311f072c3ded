"""`python -m mockserver --wire …`: several doors of one process, and where the ready line says."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import connect
from mockserver.server.endpoints import ENDPOINTS, WIRES

ROOT = Path(__file__).parents[3]
MONDAY = "2026-03-02T09:00Z"


@contextmanager
def serving(*arguments: str) -> Iterator[dict[str, Any]]:
    """A server in its own process: what its ready line says."""
    command = [sys.executable, "-m", "mockserver", "--broker", "--start", MONDAY, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
        assert process.wait(30) == 0


def test_the_names_are_those_of_the_doors() -> None:
    assert list(WIRES) == list(ENDPOINTS)
    assert [name for name, what in WIRES.items() if "plain" not in what] == [
        endpoint.name for endpoint in ENDPOINTS.values() if endpoint.tls
    ]


def test_all_of_them_at_once(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with serving(*(f"--wire={name}" for name in ENDPOINTS), f"--ca={ca}") as ready:
        assert list(ready["wires"]) == list(ENDPOINTS)
        assert ready["wires"]["tls"] == {"host": ready["host"], "port": ready["port"]}
        assert ready["tls"] is True
        assert len({at["port"] for at in ready["wires"].values()}) == len(ENDPOINTS)
        context = ssl.create_default_context(cafile=ca)

        async def visit() -> None:
            for name, at in ready["wires"].items():
                endpoint = ENDPOINTS[name]
                options: dict[str, Any] = (
                    {"ssl_context": context} if endpoint.tls else {"tls": False}
                )
                async with connect(at["host"], at["port"], wire=endpoint.wire, **options) as api:
                    await api.application_auth(
                        client_id=ready["broker"]["clientId"],
                        client_secret=ready["broker"]["clientSecret"],
                    )

        trio.run(visit)


def test_a_port_for_each(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = one.getsockname()[1], two.getsockname()[1]
    with serving("--port", str(ports[0]), "--wire=tcp", f"--wire=json-ws:{ports[1]}") as ready:
        assert ready["tls"] is False
        assert ready["port"] == ports[0]
        assert ready["wires"] == {
            "tcp": {"host": "127.0.0.1", "port": ports[0]},
            "json-ws": {"host": "127.0.0.1", "port": ports[1]},
        }


def test_without_the_option_nothing_is_said_of_wires() -> None:
    with serving() as ready:
        assert "wires" not in ready
        assert ready["tls"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--wire=udp"], "expected one of tls, tcp, wss, ws, json-wss, json-ws, got 'udp'"),
        (["--wire=ws:x"], "expected a port, 0 to 65535, got 'x'"),
        (["--wire=ws", "--wire=ws:1"], "argument --wire: ws twice"),
    ],
)
def test_what_makes_no_sense(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mockserver", "--broker", "--start", MONDAY, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
