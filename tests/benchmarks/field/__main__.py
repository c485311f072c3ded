"""The field, side by side: `python -m tests.benchmarks.field [--runs N] [--only NAME,NAME]`.

Each client has a process of its own, and the server another, on cores of their own where the
machine allows. The clients take turns, run by run, so that a machine that slows down slows all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .peers import HERE, ROOT, Absent, Peer, bare, google, layer, official, ours
from .table import Figures, goals, markdown

FULL = {
    "warm_up": 200,
    "requests": 2_000,
    "at_once": 100,
    "pipelined": 10_000,
    "spots": 100_000,
    "lone": 2_000,
    "rate": 2_000,
    "histories": 5,
}
SMALL = FULL | {"warm_up": 20, "requests": 50, "pipelined": 200, "spots": 2_000, "lone": 100}
SECONDS = 300  # that one client may take


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """What is started meanwhile stays on these cores, where the machine knows such a thing."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores() -> tuple[set[int], set[int]]:
    """For the clients, and for the server: one each where there are two."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    there = sorted(os.sched_getaffinity(0))
    return {there[0]}, {there[-1]}


@contextmanager
def server(folder: Path, core: set[int]) -> Iterator[Mapping[str, Any]]:
    """Where it listens and whom to trust, while it runs."""
    command = [sys.executable, str(HERE / "server.py"), str(folder / "ca.pem")]
    with (
        pinned(core),
        subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield {"host": "localhost", **json.loads(process.stdout.readline())}
        finally:
            process.kill()


def measure(peer: Peer, told: Mapping[str, Any], core: set[int]) -> Figures:
    """One run of one client."""
    environment = os.environ | dict(peer.environment)
    argument = json.dumps({**told, **peer.told})

    def line(command: list[str]) -> Any:
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, timeout=SECONDS, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    with pinned(core):
        return {"import": line(peer.import_command()), **line([*peer.command, argument])}


def field(pb2: Path, arguments: argparse.Namespace) -> Iterator[Peer]:
    """Those that are installed and asked for; ours first."""
    everybody: dict[str, Callable[[], Peer]] = {
        "ours-python": lambda: ours("python"),
        "ours-compiled": lambda: ours("compiled"),
        "official": lambda: official("official", arguments.official, hurried=False),
        "official-hurried": lambda: official("official-hurried", arguments.official, hurried=True),
        "official-best": lambda: official("official-best", arguments.best, hurried=True),
        "layer": lambda: layer(arguments.layer, pb2 / "ca.pem"),
        "asyncio": lambda: bare("asyncio", pb2),
        "trio": lambda: bare("trio", pb2),
    }
    for name, make in everybody.items():
        if arguments.only and not any(name.startswith(each) for each in arguments.only.split(",")):
            continue
        try:
            yield make()
        except Absent as absent:
            print(f"Without {name}: {absent}.", file=sys.stderr)


def collect(peers: list[Peer], told: Mapping[str, Any], core: set[int], runs: int) -> Any:
    """Medians for each client."""
    taken: dict[str, list[Figures]] = {peer.name: [] for peer in peers}
    for peer in peers:
        subprocess.run(
            peer.import_command(),
            env=os.environ | dict(peer.environment),
            stdout=subprocess.DEVNULL,
            timeout=SECONDS,
            check=True,
        )
    for run in range(runs):
        for peer in peers:
            print(f"run {run + 1} of {runs}: {peer.title}", file=sys.stderr, flush=True)
            taken[peer.name].append(measure(peer, told, core))
    for key in ("bars_sum", "ticks_sum"):
        assert len({each[key] for runs in taken.values() for each in runs}) == 1, f"{key} differs"
    return {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.field")
    parser.add_argument("--runs", type=int, default=5, help="medians of so many (default: 5)")
    parser.add_argument(
        "--only", help="these clients alone, by how their names begin: ours,asyncio"
    )
    parser.add_argument("--small", action="store_true", help="tiny numbers: to see that it works")
    parser.add_argument("--json", action="store_true", help="the figures instead of the table")
    parser.add_argument("--official", type=Path, default=ROOT / ".venv-official/bin/python")
    parser.add_argument("--best", type=Path, default=ROOT / ".venv-official-best/bin/python")
    parser.add_argument("--layer", type=Path, default=ROOT / ".venv-layer/node_modules")
    arguments = parser.parse_args()
    for_clients, for_server = cores()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # As where a package is installed: modules are compiled to bytecode once, before the first
        # figure is taken, whatever this machine's habit is.
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "cache")}
        google(folder)
        peers = list(field(folder, arguments))
        with server(folder, for_server) as where:
            told = {**where, **(SMALL if arguments.small else FULL)}
            figures = collect(peers, told, for_clients, arguments.runs)
    if arguments.json:
        print(json.dumps(figures))
        return
    apart = (
        "one core each" if for_clients.isdisjoint(for_server) else "not pinned to their own cores"
    )
    print(f"\nPython {platform.python_version()}, TLS-TCP on loopback, client and server {apart};")
    print(f"medians of {arguments.runs} runs; in brackets the ratio to the first row.\n")
    print(*markdown({peer.name: peer.title for peer in peers}, figures), sep="\n", end="\n\n")
    print(*filter(None, (goal.line(figures) for goal in goals())), sep="\n")


if __name__ == "__main__":
    main()
