"""`--compile`: the compiled codec of a package that a user generated, or why there is none."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from codegen import compiling
from codegen.commands import Outcome, run

Make = Callable[..., Path]
Python = Callable[..., str]
Generate = Callable[..., Outcome]

BUILT = f"compiled{EXTENSION_SUFFIXES[0]}"

PROGRAM = """
import bindings
request = bindings.PingReq(id=7)
assert bytes(request) == bytes([16, 7])
assert bindings.PingReq.FromString(bytes(request)) == request
print(bindings.SCHEMA.codec_info())
"""


@pytest.fixture
def generate(folder: Make, tmp_path: Path) -> Generate:
    """Generate the small schema into `tmp_path/out/bindings`."""
    schema = str(folder())

    def command(*more: str) -> Outcome:
        out = str(tmp_path / "out")
        return run(["--protos", schema, "--out", out, "--package", "bindings", *more])

    return command


@pytest.fixture
def tools() -> None:
    pytest.importorskip("Cython", reason="Cython is not installed: nothing to compile with")
    pytest.importorskip("setuptools", reason="setuptools is not installed: nothing to build with")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine")


def test_the_compiled_codec_runs_until_it_is_generated_without(
    tools: None, generate: Generate, python: Python, tmp_path: Path
) -> None:
    outcome = generate("--compile")
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[-2] == f"{BUILT} is the compiled codec for this Python."
    out = tmp_path / "out"
    said = python(PROGRAM, out, CTRADER_TYPED_CODEC="compiled")
    assert said == "CodecInfo(codec='compiled', why='CTRADER_TYPED_CODEC=compiled')\n"
    assert python(PROGRAM, out) == "CodecInfo(codec='compiled', why='it is built')\n"
    assert generate("--compile", "--check").status == 0

    (out / "bindings" / BUILT).unlink()
    missing = generate("--compile", "--check")
    assert (missing.status, missing.out.endswith("is current, but not compiled.")) == (1, True)
    assert "bindings.compiled is not built" in python(PROGRAM, out)

    assert generate("--compile").status == 0
    assert generate().status == 0
    assert not list((out / "bindings").glob("compiled*"))
    assert "this schema has no compiled codec" in python(PROGRAM, out)


def test_a_codec_of_another_schema_is_noticed(
    tools: None, generate: Generate, python: Python, tmp_path: Path
) -> None:
    assert generate("--compile").status == 0
    registry = tmp_path / "out" / "bindings" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    start = text.index('digest="') + len('digest="')
    registry.write_text(text[:start] + "0" + text[start + 1 :], encoding="utf-8")
    assert "built from another schema" in python(PROGRAM, tmp_path / "out")


@pytest.mark.parametrize("missing", ["Cython", "setuptools"])
def test_without_the_tools_it_says_so_and_writes_nothing(
    missing: str, generate: Generate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def without(name: str) -> object:
        return None if name == missing else object()

    monkeypatch.setattr(compiling, "find_spec", without)
    outcome = generate("--compile")
    assert outcome.status == 2
    assert outcome.err == (
        f"python -m codegen: --compile needs {missing}, which is missing: pip install cython "
        "setuptools. Without --compile the package runs in plain Python, with the same results."
    )
    assert not (tmp_path / "out").exists()


def test_without_a_compiler_it_says_so_and_writes_nothing(
    generate: Generate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("Cython", reason="Cython is not installed: it is asked for first")
    pytest.importorskip("setuptools", reason="setuptools is not installed: likewise")
    monkeypatch.setenv("CC", str(tmp_path / "no_compiler"))
    outcome = generate("--compile")
    assert outcome.status == 2
    assert outcome.err.startswith(
        "python -m codegen: --compile: nothing could be built, is a C compiler there? Without"
    )
    assert "no_compiler" in outcome.err
    assert not (tmp_path / "out").exists()


def test_without_the_included_files_it_says_so(
    generate: Generate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiling, "find_spec", lambda name: object())
    monkeypatch.setattr(compiling, "INCLUDED_FROM", tmp_path / "nowhere" / "proto")
    assert "install ctrader-typed beside the generator" in generate("--compile").err


def test_our_own_package_is_built_by_its_setup() -> None:
    outcome = run(["--compile"])
    assert outcome.status == 2
    assert "python setup.py build_ext --inplace" in outcome.err


def test_the_wheel_has_all_that_the_source_includes() -> None:
    root = compiling.INCLUDED_FROM.parent
    with (root.parent / "pyproject.toml").open("rb") as file:
        globs = tomllib.load(file)["tool"]["setuptools"]["package-data"]["ctrader_typed"]
    shipped = {path for glob in globs for path in root.glob(glob)}
    text = (compiling.INCLUDED_FROM / "compiled.pyx").read_text(encoding="utf-8")
    included = re.findall(r'^include "(.+)"$', text, re.MULTILINE)
    assert included
    assert {(compiling.INCLUDED_FROM / name).resolve() for name in included} <= shipped
