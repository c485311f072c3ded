"""`python -m mockserver conformance` as a process: what it prints, and how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.conformance  # in real time, so not beside other tests

ROOT = Path(__file__).parents[3]
SECONDS = 60
COMMAND = (sys.executable, "-m", "mockserver", "conformance")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
CLIENTS = Path(__file__).with_name("bad_clients.py")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_table_says_what_was_not_survived_and_the_status_too(tmp_path):
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"faults": [{"effect": "delay", "seconds": 0.1}]}))
    done = run(
        *("--scenario", "half-frame", "--scenario", str(mine), "--tempo", "0.2"),
        *("--jobs", "2", "--", sys.executable, str(CLIENTS), "Fails"),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    failed, *more, survived, total = done.stdout.splitlines()
    assert failed.startswith("half-frame  FAILED ")
    assert failed.endswith("it exited with status 1: the connection is gone, and so am I")
    assert more == ["    also: it never sent ProtoOAApplicationAuthReq again"]
    assert survived.startswith("mine        survived ")
    assert total == "1 of 2 survived, 1 failed"
    assert done.stderr == ""


def test_the_client_is_told_by_placeholders_and_leaves_other_braces_alone():
    show = "import sys; print(*sys.argv[1:], sep='\\n'); open(sys.argv[3]).read()"
    done = run(
        *("--json", "--scenario", "half-frame", "--", sys.executable, "-c", show),
        *("{host}:{port}", '{"a": {stay}}', "{ca}", "{client_id}", "{account_id}", "{other}"),
    )
    (told,) = json.loads(done.stdout)
    address, kept, ca, client_id, account_id, other = told["output"].splitlines()
    assert address.startswith("127.0.0.1:")
    assert (kept, client_id, account_id, other) == ('{"a": 0}', "mock-client", "1000001", "{other}")
    assert not Path(ca).exists()  # it went with the run
    assert told["reasons"][0] == "it never connected"


def test_without_tls_there_is_no_certificate():
    show = "import os; print(os.environ['CTRADER_WIRE'], repr(os.environ['CTRADER_CA']))"
    done = run(
        *("--json", "--wire", "tcp", "--scenario", "half-frame", "--", sys.executable, "-c", show)
    )
    assert json.loads(done.stdout)[0]["output"] == "tcp ''\n"


def test_a_signal_stops_it_and_its_client(tmp_path):
    ready = tmp_path / "pid"
    wait = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    process = subprocess.Popen(
        [*COMMAND, "--scenario", "half-frame", "--", sys.executable, "-c", wait, str(ready)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    while not ready.exists() or not ready.read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert out == "0 of 0 survived\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int(ready.read_text()), 0)


def test_the_list_is_long_and_runs_nothing():
    done = run("--list")
    assert done.returncode == 0
    assert done.stdout.count("\n\n") >= 48


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no client: what runs it comes after --"),
        (["--", "no-such-command"], "mockserver: there is no command no-such-command"),
        (["--scenario", "nothing", "--", "true"], "neither a scenario nor a file called nothing"),
        (
            ["--wire", "tcp", "--scenario", "tls-expired", "--", "true"],
            "tls-expired cannot happen on tcp: there are no certificates without TLS",
        ),
        (["--timeout", "0", "--", "true"], "expected a number above 0, got '0'"),
        (["--jobs", "0", "--", "true"], "expected a number from 1, got '0'"),
        (["--host", "203.0.113.1", "--", "true"], "mockserver: the trials cannot be held: "),
    ],
)
def test_what_cannot_be_done_is_named(arguments, said):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
