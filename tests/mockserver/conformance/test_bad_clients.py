"""Each check notices the client that breaks what it is about, and leaves a good one alone."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import trio

from mockserver.conformance import checks
from mockserver.conformance.expectations import EXPECTATIONS
from mockserver.conformance.runner import RunSettings, process, run_scenario
from mockserver.conformance.verdict import Result, Verdict
from mockserver.server.certificates import Certificates

pytestmark = pytest.mark.conformance  # in real time, so not beside other tests

ROOT = Path(__file__).parents[3]
CLIENTS = Path(__file__).with_name("bad_clients.py")
FAILED, NOT_TRIED = Result.FAILED, Result.NOT_TRIED

HABITS = [
    # habit, trial, what checks it if a check does, result, what is said
    ("Resends", "close-after-order", checks.Once, FAILED, "it sent the same order 2 times"),
    (
        "ResendsUnderAnotherName",
        "close-after-request",
        checks.Once,
        FAILED,
        "it sent the same order 2 times",
    ),
    ("NeverLooks", "lost-order", checks.LooksUp, FAILED, "it never asked what had become of"),
    ("BeatsLate", "calm", checks.Beats, FAILED, "it was silent for"),
    ("Storms", "refused-reconnect", checks.Calm, FAILED, "times within a second"),
    ("AsksBeforeItLogsIn", "order-error", checks.Keeps, FAILED, "before the application has"),
    ("AsksAfterLogout", "order-error", checks.Keeps, FAILED, "after its logout"),
    ("Floods", "order-error", checks.Keeps, FAILED, "ProtoOATraderReq is one too many"),
    ("BurstsOfHistory", "history-burst", checks.Keeps, FAILED, "is one too many"),
    ("AsksForHistoryFirst", "history-burst", checks.Overtakes, FAILED, "its order waited"),
    ("ForgetsItsQuotes", "close-after-order", checks.Again, FAILED, "SubscribeSpotsReq again"),
    ("DoesNotReconnect", "half-frame", checks.Again, FAILED, "ApplicationAuthReq again"),
    ("NoticesNothing", "silent-server", checks.Notices, FAILED, "to give up a dead connection"),
    ("IsImpatient", "blocked", checks.Waits, FAILED, "s after it was blocked"),
    ("TrustsAnybody", "tls-untrusted", checks.Distrusts, FAILED, "a certificate (untrusted)"),
    ("TrustsAnybody", "tls-wrong-host", checks.Distrusts, FAILED, "(wrong host)"),
    ("RefreshesTwice", "lost-refresh", checks.Once, FAILED, "the same refresh token 2 times"),
    ("Hangs", "half-frame", None, FAILED, ": on and on"),
    ("Crashes", "unknown-payload", None, FAILED, "it did not handle: KeyError: 4242"),
    ("DiesOfASignal", "unknown-payload", None, FAILED, "it was killed by SIGKILL"),
    ("Fails", "half-frame", None, FAILED, "with status 1: the connection is gone, and so am I"),
    ("NeverConnects", "calm", None, FAILED, "it never connected"),
    ("NeverOrders", "late-fill", None, NOT_TRIED, "nothing that brings it a ProtoOAExecutionEvent"),
    ("NeverOrders", "close-after-request", None, NOT_TRIED, "it sent no ProtoOANewOrderReq"),
    ("LeavesEarly", "calm", None, NOT_TRIED, "it was told to stay for 5 s, and left after"),
    ("Good", "calm", None, Result.SURVIVED, ""),
    ("Good", "close-after-order", None, Result.SURVIVED, ""),
]
AT_A_TIME = 8


async def test_each_bad_habit_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    certificates = Certificates()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificates.ca)
    setting = RunSettings(certificates, str(ca), tempo=0.2, limit=30.0)  # time to do well
    hurried = dataclasses.replace(setting, tempo=0.1, limit=12.0)
    said: dict[int, Verdict] = {}
    waiting = iter(enumerate(HABITS))

    async def work() -> None:
        for number, (habit, expectation, _, result, _) in waiting:
            mine = hurried if result is FAILED else setting
            client = process([sys.executable, str(CLIENTS), habit])
            said[number] = await run_scenario(EXPECTATIONS[expectation], client, mine)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_A_TIME):
            nursery.start_soon(work)
    wrong = [
        (habit, expectation, result, text, said[number].result, said[number].reasons)
        for number, (habit, expectation, _, result, text) in enumerate(HABITS)
        if said[number].result is not result or text not in "\n".join(said[number].reasons)
    ]
    assert wrong == []


def test_every_check_has_a_client_that_fails_it():
    used = {type(check) for expectation in EXPECTATIONS.values() for check in expectation.expected}
    assert used == {check for _, _, check, *_ in HABITS if check is not None}


@pytest.mark.parametrize("expectation", EXPECTATIONS.values(), ids=EXPECTATIONS)
def test_every_check_says_what_it_expects(expectation):
    assert all(check.text for check in expectation.expected)
