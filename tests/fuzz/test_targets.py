"""The fuzz targets in the gate: the seeded driver with many inputs, and hypothesis beside it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.errors import DecodeError
from ctrader_typed.proto import ProtoOAClosePositionReq
from tests.fuzz import driver, targets
from tests.fuzz.targets import TARGETS
from tests.support import oracle

pytestmark = pytest.mark.fuzz

GATE = {
    "decode": 60_000,
    "round trip": 20_000,
    "paths": 20_000,
    "JSON": 30_000,
    "envelope": 20_000,
}
"""How many inputs each entry point gets in every run of the gate."""


def test_the_gate_has_at_least_100_000_inputs_and_leaves_out_no_target() -> None:
    assert sum(GATE.values()) >= 100_000
    assert GATE.keys() == TARGETS.keys()


@pytest.mark.parametrize("target", GATE)
def test_no_seeded_input_breaks_a_promise(target: str) -> None:
    assert driver.run(target, seed=2026, count=GATE[target]) == GATE[target]


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.binary(max_size=200))
def test_no_bytes_break_a_promise(target: str, data: bytes) -> None:
    TARGETS[target](data)


def test_the_driver_makes_the_same_inputs_again() -> None:
    seen: list[list[bytes]] = [[], []]
    for run in seen:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(TARGETS, "decode", run.append)
            driver.run("decode", seed=1, count=500)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 400


def test_a_promise_broken_is_reported_with_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "decode", lambda data: 1 / 0)
    with pytest.raises(driver.Failure, match=r"'decode', seed 1, input 0: [0-9a-f]+") as caught:
        driver.run("decode", seed=1, count=1)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_targets_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that reads something else, and one that refuses too much, are found out."""
    message = ProtoOAClosePositionReq(ctid_trader_account_id=1, position_id=1, volume=1)
    cls, path = type(message), "straight-line"
    whole = targets.head(cls, path) + bytes(message)
    wrong = dataclasses.replace(message, volume=2)
    found = oracle.codecs()[path]
    for target in (targets.decode, targets.paths):
        target(whole)
        with monkeypatch.context() as patch:
            patch.setitem(found, cls, (lambda data, pos, end: wrong, found[cls][1]))
            with pytest.raises(AssertionError):
                target(whole)
    monkeypatch.setattr(targets.codec, "decode", refuse)
    with pytest.raises(AssertionError):
        targets.decode(whole)


def refuse(cls: object, data: bytes) -> None:
    raise DecodeError(": required")


def test_the_command_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--blind", "--minutes", "0.0001", "--seed", "1"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for target in TARGETS:
        assert target in done.stdout
