"""Our client survives every trial."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from mockserver.conformance.expectations import EXPECTATIONS, impossible
from mockserver.conformance.runner import RunSettings, Told, run_scenarios
from mockserver.conformance.verdict import Result, row
from mockserver.server.certificates import Certificates
from mockserver.server.endpoints import ENDPOINTS

pytestmark = pytest.mark.conformance  # in real time, so not beside other tests

ROOT = Path(__file__).parents[3]
CLIENT = Path(__file__).with_name("good_client.py")

_spec = importlib.util.spec_from_file_location("good_client", CLIENT)
assert _spec is not None
assert _spec.loader is not None
good_client = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(good_client)


@pytest.mark.parametrize("wire", ["tls", "tcp", "wss", "json-wss"])
async def test_it_survives_every_trial(wire, tmp_path):
    certificates = Certificates()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificates.ca)
    secured = ENDPOINTS[wire].tls
    setting = RunSettings(
        certificates if secured else None,
        str(ca) if secured else "",
        wire,
        limit=45.0,
        tempo=0.25,
    )
    expectations = [
        expectation
        for expectation in EXPECTATIONS.values()
        if impossible(expectation, wire) is None
    ]

    async def client(told: Told, limit: float) -> tuple[int | None, str]:
        status = None
        with trio.move_on_after(limit):
            status = await good_client.Errand(told).run()
        return status, ""

    verdicts, stopped = await run_scenarios(expectations, client, setting, jobs=8)
    assert stopped is None
    assert len(verdicts) == len(expectations) >= 40
    assert [row(each, 0) for each in verdicts if each.result is not Result.SURVIVED] == []


def test_as_a_process_it_survives_as_well():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mockserver", "conformance", "--json", "--tempo", "0.1"),
            *("--scenario", "close-after-order", "--scenario", "tls-untrusted", "--jobs", "2"),
            *("--", sys.executable, str(CLIENT)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    order, certificate = json.loads(done.stdout)
    assert order["scenario"] == "close-after-order"
    assert order["verdict"] == certificate["verdict"] == "survived"
    assert (order["status"], certificate["status"]) == (0, good_client.GAVE_UP)
    assert order["connects"] == 2
