"""Small schemas to generate from, and ours, compiled and rendered once for all tests."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.errors import Problem, SchemaError
from codegen.load import Folder, load_schema
from codegen.model import Schema
from codegen.render import render

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"

# The least that a schema needs: the envelope, and one request with its answer.
SMALL = """\
syntax = "proto2";

message Envelope {
  required uint32 payloadType = 1;
  optional bytes payload = 2;
  optional string clientMsgId = 3;
}

enum PayloadType {
  PING_REQ = 1;
  PING_RES = 2;
}

message PingReq {
  optional PayloadType payloadType = 1 [default = PING_REQ];
  required int64 id = 2;
}

message PingRes {
  optional PayloadType payloadType = 1 [default = PING_RES];
}
"""


@pytest.fixture(scope="session")
def ours() -> Schema:
    return load_schema(Folder(PROTOS), committed=True).schema


@pytest.fixture(scope="session")
def our_package(ours: Schema) -> dict[str, str]:
    return render(ours)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder with the small schema and other files: `folder(other="message Other {}")`."""

    def make(small: str = SMALL, **others: str) -> Path:
        path = tmp_path / "schema"
        path.mkdir(exist_ok=True)
        (path / "small.proto").write_text(small)
        for name, text in others.items():
            head = "" if text.startswith(("syntax", "edition")) else 'syntax = "proto2";\n'
            (path / f"{name}.proto").write_text(head + text)
        return path

    return make


@pytest.fixture
def problems(folder: Callable[..., Path]) -> Callable[..., list[Problem]]:
    """What is refused in a folder made of these texts."""

    def refused(*small: str, **others: str) -> list[Problem]:
        with pytest.raises(SchemaError) as caught:
            load_schema(Folder(folder(*small, **others)))
        return list(caught.value.problems)

    return refused


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """A copy of our protos, in which each line that contains a key becomes the value."""

    def copy(name: str = "edited", release: str = "", **edits: dict[str, str]) -> Path:
        path = tmp_path / name
        shutil.copytree(PROTOS, path)
        (path / "RELEASE").unlink()
        if release:
            (path / "RELEASE").write_text(release)
        for file, changes in edits.items():
            proto = path / f"{file}.proto"
            lines = proto.read_text(encoding="utf-8").splitlines()
            for old, new in changes.items():
                assert any(old in line for line in lines), f"no line of {file} has {old}"
                lines = [new if old in line else line for line in lines]
            proto.write_text("\n".join(lines), encoding="utf-8")
        return path

    return copy


@pytest.fixture
def lost() -> list[str]:
    """The enum values that upstream's newest commit deleted while messages still use them."""
    return [
        "PROTO_OA_V1_PNL_CHANGE_EVENT = 2189",
        "PROTO_OA_V1_PNL_CHANGE_SUBSCRIBE_REQ = 2190",
        "PROTO_OA_V1_PNL_CHANGE_SUBSCRIBE_RES = 2191",
        "PROTO_OA_V1_PNL_CHANGE_UN_SUBSCRIBE_REQ = 2192",
        "PROTO_OA_V1_PNL_CHANGE_UN_SUBSCRIBE_RES = 2193",
    ]


@pytest.fixture
def broken(edited: Callable[..., Path], lost: list[str]) -> Path:
    """What upstream's newest commit is like."""
    return edited("broken", OpenApiModelMessages=dict.fromkeys(lost, ""))


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., str]:
    """Run a program in an interpreter of its own, with our root and `path` to import from."""

    def run(program: str, *path: Path, **environment: str) -> str:
        command = [sys.executable, "-W", "error", "-c", program]
        folders = ":".join(map(str, (ROOT, *path)))
        done = subprocess.run(
            command,
            env={"PYTHONPATH": folders, "PATH": "", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def texts() -> Callable[[list[Problem]], list[str]]:
    """Problems as text, without what to do about them."""
    return lambda problems: [f"{p.place}: {p.what}" for p in problems]
