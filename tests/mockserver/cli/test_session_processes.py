"""Sessions played and recorded by processes: record modes, a kill, and step by step."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import connect
from ctrader_typed.proto import SCHEMA
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED
from mockserver.recordings.session_file import Order, load_session

ROOT = Path(__file__).parents[3]
SECONDS = 60
KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}


class Process:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mockserver", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
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
        assert "Traceback" not in said
        return self.process.returncode, said

    def run(self, program: Callable[[Any], Any]) -> None:
        """Let our client do this."""

        async def run() -> None:
            context = ssl.create_default_context(cafile=self.where["ca"])
            with trio.fail_after(SECONDS):
                async with connect("localhost", self.where["port"], ssl_context=context) as api:
                    await program(api)

        trio.run(run)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    processes: list[Process] = []

    def start(*arguments: str) -> Process:
        ca = tmp_path / f"{len(processes)}.pem"
        processes.append(Process(*arguments, "--ca", str(ca)))
        return processes[-1]

    yield start
    for each in processes:
        each.process.kill()
        each.process.communicate()


def upstream(broker: Process) -> tuple[str, ...]:
    return ("--upstream", f"localhost:{broker.where['port']}", "--upstream-ca", broker.where["ca"])


async def assets(api: Any) -> None:
    await api.auth(**KEYS)
    await api.asset_list(ctid_trader_account_id=HEDGED)


async def assets_and_symbols(api: Any) -> None:
    await assets(api)
    await api.symbols_list(ctid_trader_account_id=HEDGED)


def test_a_session_is_recorded_once_grows_and_is_played(start, tmp_path):
    broker = start("--broker", "--start", "2026-03-02T09:00Z")
    path = tmp_path / "s.jsonl"
    session = ("--session", str(path))
    once = start(*session, "--record-mode", "once", *upstream(broker))
    once.run(assets)
    status, said = once.end()
    assert (status, "0 of 0 steps played, 3 messages of the client passed on" in said) == (0, True)
    more = start(*session, "--record-mode", "new_episodes", *upstream(broker))
    more.run(assets_and_symbols)
    status, said = more.end()
    assert (status, "6 of 6 steps played, 1 message of the client passed on" in said) == (0, True)
    broker.process.kill()
    assert load_session(path, SCHEMA).order is Order.ANY
    played = start(*session)
    played.run(assets_and_symbols)
    assert played.end() == (0, f"{path}: 8 of 8 steps played.\n")


def test_a_kill_loses_nothing_that_was_passed_on(start, tmp_path):
    broker = start("--broker", "--start", "2026-03-02T09:00Z")
    path = tmp_path / "s.jsonl"
    arguments = ("--session", str(path), "--record-mode", "all")
    recorder = start(*arguments, *upstream(broker))

    async def ask_and_kill(api: Any) -> None:
        for _ in range(20):
            await api.version()
        os.kill(recorder.process.pid, signal.SIGKILL)

    recorder.run(ask_and_kill)
    assert len(load_session(path, SCHEMA).records) == 40


def test_who_records_needs_an_upstream_and_the_arguments_are_checked(tmp_path):
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
        assert "Traceback" not in done.stderr
        return done.stderr

    session = ("--session", str(tmp_path / "s.jsonl"))
    assert "name an upstream" in refused(*session, "--record-mode", "all")
    assert "invalid choice: 'some'" in refused(*session, "--record-mode", "some")
    assert "invalid choice: 'loose'" in refused(*session, "--order", "loose")


def test_step_by_step_a_line_on_standard_input_releases_a_message(start, tmp_path):
    path = tmp_path / "s.jsonl"
    client = {"direction": "client", "message": "ProtoOAVersionReq"}
    server = {"direction": "server", "message": "ProtoOAVersionRes", "payload": {"version": "91"}}
    steps = [{**step, "clientMsgId": str(n)} for n in (1, 2) for step in (client, server)]
    path.write_text("\n".join(map(json.dumps, steps)))
    process = start("--session", str(path), "--speed", "step")
    stdin = process.process.stdin
    assert stdin is not None

    stdin.write("\n")
    stdin.flush()

    async def ask(api: Any) -> None:
        assert (await api.version()).version == "91"
        with trio.move_on_after(0.3):
            await api.version()
            raise AssertionError("nobody released it")

    process.run(ask)
    status, said = process.end()
    assert status == 1
    assert "3 of 4 steps played" in said
    assert "ProtoOAVersionRes (line 4) was not released before the connection ended." in said
