"""The clients that are compared: where each is installed, how it is started, what importing costs.

A client that is not installed is left out, with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CLIENTS = HERE / "clients"
SHORTEST = 0.0
"""Seconds of the official SDK's send timer at its best: it then runs in each turn of the loop."""

PARSER = """
import json, platform, ctrader_open_api
from google.protobuf.internal import api_implementation
parser = {"python": "Python", "cpp": "C++", "upb": "C"}[api_implementation.Type()]
print(json.dumps([".".join(platform.python_version_tuple()[:2]), parser]))
"""

QUIET = {"PYTHONWARNINGS": "ignore"}
"""Twisted warns of a package that the SDK does not ask for."""

IMPORT = """
import time
begin = time.perf_counter()
import {modules}
print((time.perf_counter() - begin) * 1e3)
"""
REQUIRE = """
const begin = performance.now();
require("{modules}");
console.log(performance.now() - begin);
"""


class Absent(Exception):
    """A client is not there; says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the table."""

    name: str
    title: str
    command: Sequence[str]
    """The interpreter and the program."""
    modules: str
    """What its user imports."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What it is told beyond what all are."""

    def import_command(self) -> list[str]:
        """Prints the milliseconds of one import."""
        interpreter = self.command[0]
        if self.command[-1].endswith(".js"):
            return [interpreter, "-e", REQUIRE.format(modules=self.modules)]
        return [interpreter, "-c", IMPORT.format(modules=self.modules)]


def google(folder: Path) -> None:
    """Put google.protobuf's classes of our schema into a folder."""
    protos = ROOT / "protos"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"--python_out={folder}"]
    subprocess.run([*command, *sorted(path.name for path in protos.glob("*.proto"))], check=True)


def printed_by(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """What a command prints; nothing if it fails."""
    environment = os.environ | dict(variables)
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def ours(codec: str) -> Peer:
    """Our client with one of its codecs; Absent if that one is not built."""
    variables = {"PYTHONPATH": str(ROOT), "CTRADER_TYPED_CODEC": codec}
    which = "import ctrader_typed as c; print(c.codec_info().codec)"
    if printed_by([sys.executable, "-c", which], variables) != codec:
        raise Absent(f"the {codec} codec is not built for this Python")
    title = {"python": "ctrader_typed, plain Python", "compiled": "ctrader_typed, compiled"}[codec]
    command = [sys.executable, str(CLIENTS / "ours.py")]
    return Peer(f"ours-{codec}", title, command, "ctrader_typed.api", variables)


def official(name: str, python: Path, *, hurried: bool) -> Peer:
    """The official SDK in an environment of its own, as it comes or with its send timer shortened.

    What it takes depends on that environment: protobuf 3.20, which it pins, has a parser in C++ for
    Python up to 3.10, and one in Python for every later one.
    """
    about = printed_by([str(python), "-c", PARSER], QUIET) if python.exists() else ""
    if not about:
        raise Absent(f"{python} has no official SDK")
    if hurried:
        how, told = ", its send timer shortened", {"interval": SHORTEST}
    else:
        # It sends five messages a second, and no figure needs minutes to show it: 10 are in flight.
        how = " as it comes"
        told = {"warm_up": 0, "requests": 3, "at_once": 10, "pipelined": 10, "histories": 2}
    version, parser = json.loads(about)
    title = f"official SDK{how}, Python {version}, protobuf in {parser}"
    command = [str(python), str(CLIENTS / "official.py")]
    return Peer(name, title, command, "ctrader_open_api", QUIET, told)


def layer(modules: Path, ca: Path) -> Peer:
    """cTrader Layer, for Node."""
    node = shutil.which("node")
    if node is None:
        raise Absent("this machine has no Node")
    if not modules.exists():
        raise Absent(f"cTrader Layer is not installed: no {modules}")
    variables = {"NODE_PATH": str(modules), "NODE_EXTRA_CA_CERTS": str(ca)}
    command = [node, str(CLIENTS / "layer.js")]
    return Peer("layer", "@reiryoku/ctrader-layer", command, "@reiryoku/ctrader-layer", variables)


def bare(loop: str, pb2: Path) -> Peer:
    """A loop of asyncio or trio with google.protobuf."""
    messages = "OpenApiCommonMessages_pb2, OpenApiMessages_pb2"
    modules = f"{loop}, ssl, google.protobuf, {messages}"
    command = [sys.executable, str(CLIENTS / f"bare_{loop}.py")]
    variables = {"PYTHONPATH": str(pb2)}
    return Peer(loop, f"bare {loop} loop + google.protobuf", command, modules, variables)
