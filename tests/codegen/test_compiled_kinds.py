"""The compiled codec of every kind of field there is: what tomorrow's schema may need of it."""

from __future__ import annotations

import dataclasses
import importlib
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codegen import emit_cython
from codegen.model import Enum, Field, File, Label, Message, Schema
from codegen.render import BANNER
from ctrader_typed.errors import DecodeError, EncodeError
from ctrader_typed.message import codec
from ctrader_typed.message.straight import Irregular
from tests.fuzz.inputs import VARINTS, mutated, sample
from tests.property.test_paths import ODD
from tests.support import everything, oracle
from tests.support.everything import Everything, Nested

ROOT = Path(__file__).parents[2]
PACKAGE = "compiled_kinds"
BUILD = """
from Cython.Build import cythonize
from setuptools import Extension, setup
found = [Extension("compiled_kinds.compiled", ["compiled_kinds/compiled.pyx"])]
setup(script_args=["--quiet", "build_ext", "--inplace"],
      ext_modules=cythonize(found, language_level=3, quiet=True))
"""


def schema() -> Schema:
    """The invented messages as the generator knows messages."""
    file = File("everything.proto", "everything", ())
    messages = tuple(
        Message(cls.__name__, file.name, "", False, tuple(map(field, cls.message_fields)), None, 1)
        for cls in everything.MESSAGES
    )
    return Schema(
        release="none",
        files=(file,),
        enums=(Enum("Mood", file.name, False, "", (), 1),),
        messages=messages,
        exchanges=(),
        envelope="",
    )


def field(ours: Any) -> Field:
    label = Label.REPEATED if ours.repeated else Label.REQUIRED if ours.required else Label.OPTIONAL
    return Field(
        ours.name,
        ours.key,
        ours.number,
        label,
        ours.kind,
        ours.of or None,
        default=None,
        packed=ours.packed,
        deprecated=False,
        secret=False,
        doc="",
        line=1,
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The codecs of the invented messages, compiled for this run."""
    pytest.importorskip("Cython", reason="Cython is not installed: nothing to compile with")
    pytest.importorskip("setuptools", reason="setuptools is not installed: nothing to build with")
    folder = tmp_path_factory.mktemp("kinds")
    package = folder / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "everything.py").write_text("from tests.support.everything import *")
    (package / "compiled.pyx").write_text(emit_cython.emit(schema(), "none").text(BANNER))
    shutil.copytree(ROOT / "ctrader_typed" / "message", folder / "message")
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine")
    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        codecs = importlib.import_module(f"{PACKAGE}.compiled").CODECS
        straight = oracle.codecs()
        patch.setitem(straight, "compiled", {**straight.get("compiled", {}), **codecs})
        patch.setattr(oracle, "PATHS", ("general", *straight))
        yield codecs


def test_what_is_regular_is_taken(compiled: Any) -> None:
    """Called directly: if it gave up on ordinary messages, the general path would hide it."""
    chance, taken = random.Random(6), 0
    for cls in everything.MESSAGES:
        decode, encode = compiled[cls]
        for _ in range(200):
            message = sample(cls, chance)
            data = bytes(message)
            assert encode(message) == data
            try:
                read = decode(data, 0, len(data))
            except Irregular:  # a mood without a name
                continue
            assert read == message
            taken += 1
    assert taken > 150


@pytest.mark.parametrize("cls", everything.MESSAGES, ids=lambda cls: cls.__name__)
def test_any_bytes_are_read_alike(compiled: Any, cls: Any) -> None:
    chance = random.Random(7)
    for _ in range(300):
        whole, other = bytes(sample(cls, chance)), bytes(sample(cls, chance))
        for data in (whole, *(mutated(whole, other, VARINTS, chance) for _ in range(9))):
            message = oracle.one_outcome(cls, lambda data=data: codec.decode(cls, data))
            if isinstance(message, cls):
                oracle.one_outcome(cls, lambda message=message: codec.encode(message))


@pytest.mark.parametrize("f", Everything.message_fields, ids=lambda f: f.name)
def test_any_value_is_written_alike(compiled: Any, f: Any) -> None:
    whole = sample(Everything, random.Random(8))
    for odd in ODD:
        for value in (odd, [odd], [odd, 1], [[odd]]):
            message = dataclasses.replace(whole)
            setattr(message, f.name, value)
            oracle.one_outcome(Everything, lambda message=message: codec.encode(message))


def test_depth_is_bounded(compiled: Any) -> None:
    decode, encode = compiled[Nested]
    message = Nested(required_number=1)
    for _ in range(100):
        message = Nested(required_number=1, child=message)
    data = encode(message)
    assert data == bytes(message)
    assert decode(data, 0, len(data)) == message
    deeper = Nested(required_number=1, children=[message])
    with pytest.raises(Irregular):
        encode(deeper)
    with pytest.raises(EncodeError, match="nested more than 100 deep"):
        bytes(deeper)
    size = bytes((len(data) & 127 | 128, len(data) >> 7))
    data = b"\x08\x01\x1a" + size + data
    with pytest.raises(Irregular):
        decode(data, 0, len(data))
    with pytest.raises(DecodeError, match="nested more than 100 deep"):
        Nested.FromString(data)


def test_a_message_inside_itself_is_refused_not_followed_for_ever(compiled: Any) -> None:
    message = Nested(required_number=1)
    message.child = message
    with pytest.raises(Irregular):
        compiled[Nested][1](message)
