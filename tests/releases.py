"""A package generated from another release, as whoever regenerates has one.

It is release 91 with one message and three fields more and an optional field less, so whatever
uses a class of our own instead of the package's fails with it.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

from codegen.commands import run
from ctrader_typed import Message
from ctrader_typed.proto import SCHEMA

PROTOS = Path(__file__).parents[1] / "protos"

ADDED = {
    "message ProtoOAPosition {": "  optional string note = 95;",
    "message ProtoOATrader {": "  repeated ProtoOANote notes = 96;",
    "message ProtoOASymbol {": "  optional int64 weight = 97;",
}
"""Fields that our release does not have."""
GONE = ("ProtoOAPosition", "moneyDigits")
"""A field that accounts read."""
NOTE = "message ProtoOANote {\n  optional string text = 1;\n}\n"


@cache
def another_release() -> ModuleType:
    """The package, generated once a run."""
    folder = Path(mkdtemp(prefix="another_release"))
    protos = shutil.copytree(PROTOS, folder / "protos")
    path = protos / "OpenApiModelMessages.proto"
    path.write_text(_edited(path.read_text(encoding="utf-8")), encoding="utf-8")
    (protos / "RELEASE").write_text("92")
    return generated(protos, folder, "another_release_92")


def generated(protos: Path, out: Path, name: str, *more: str) -> ModuleType:
    """The package that the generator makes of these files, imported."""
    done = run(["--protos", str(protos), "--out", str(out), "--package", name, *more])
    assert done.status == 0, done.err or done.out
    sys.path.insert(0, str(out))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(out))


def _edited(text: str) -> str:
    for opening, line in ADDED.items():
        assert text.count(opening) == 1, opening
        text = text.replace(opening, f"{opening}\n{line}")
    return without_field(text, *GONE) + NOTE


def without_field(text: str, message: str, key: str) -> str:
    """A .proto file without one field."""
    start = text.index(f"message {message} {{")
    end = text.index("\n}\n", start)
    lines = text[start:end].splitlines(keepends=True)
    kept = [line for line in lines if f" {key} = " not in line]
    assert len(kept) == len(lines) - 1, f"{message} has no {key}"
    return text[:start] + "".join(kept) + text[end:]


def without_message(text: str, message: str) -> str:
    """A .proto file without one message."""
    start = text.index(f"message {message} {{")
    return text[:start] + text[text.index("\n}\n", start) + 3 :]


def as_ours(message: Any) -> Any:
    """A message of any release as ours, by its bytes: what that release lacks is still in them."""
    if not isinstance(message, Message):
        return message
    cls = SCHEMA.by_name[type(message).__name__]
    return message if type(message) is cls else cls.FromString(bytes(message))
