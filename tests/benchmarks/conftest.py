"""Speed as a ratio against a named peer, both measured by turns in the same run."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROTOS = Path(__file__).parents[2] / "protos"
ROUNDS = 25

Compare = Callable[..., float]


@pytest.fixture
def compare(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> Compare:
    """`compare(title, ours, peer=…)` prints both times and returns how much faster ours is.

    The two take turns, round by round, so that a machine that slows down slows both.
    """

    def run(title: str, ours: Callable[[], object], **peers: Callable[[], object]) -> float:
        ((name, peer),) = peers.items()
        our_loops, peer_loops = _loops(ours), _loops(peer)
        gc.disable()
        try:
            pairs = [
                (_per_call(ours, our_loops), _per_call(peer, peer_loops)) for _ in range(ROUNDS)
            ]
        finally:
            gc.enable()
        # The fastest round is the one that nothing else on the machine disturbed.
        mine, theirs = (min(times) for times in zip(*pairs, strict=True))
        with capsys.disabled():
            print(
                f"\n{title:34} ours {mine * 1e6:9.2f} µs   {name} {theirs * 1e6:9.2f} µs"
                f"   {theirs / mine:6.2f} times as fast"
            )
        benchmark.extra_info.update({"peer": name, "ratio": theirs / mine})
        benchmark.pedantic(ours, rounds=ROUNDS, iterations=our_loops)
        return theirs / mine

    return run


def _loops(function: Callable[[], object]) -> int:
    """How many calls take about five milliseconds."""
    function()
    begin = time.perf_counter()
    function()
    return max(1, int(0.005 / max(time.perf_counter() - begin, 1e-7)))


def _per_call(function: Callable[[], object], loops: int) -> float:
    begin = time.perf_counter()
    for _ in range(loops):
        function()
    return (time.perf_counter() - begin) / loops


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """google.protobuf's module for OpenApiMessages.proto, generated for this run."""
    out = tmp_path_factory.mktemp("pb2")
    files = sorted(path.name for path in PROTOS.glob("*.proto"))
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{PROTOS}",
        f"--python_out={out}",
        *files,
    ]
    subprocess.run(command, check=True)
    sys.path.insert(0, str(out))
    try:
        return __import__("OpenApiMessages_pb2")
    finally:
        sys.path.remove(str(out))
