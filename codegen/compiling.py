"""compiled.pyx → the extension module beside it, where Cython and a C compiler are."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

from .errors import UsageError

MODULE = "compiled"
SOURCE = f"{MODULE}.pyx"
INCLUDED_FROM = Path(__file__).resolve().parent.parent / "ctrader_typed" / "proto"
"""The folder from which the source finds `../message/straight_*.pxi`."""

WITHOUT = "Without --compile the package runs in plain Python, with the same results."

_BUILD = """
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup
name, source, included, flags = sys.argv[1:]
extension = Extension(name, [source], extra_compile_args=flags.split())
found = cythonize([extension], include_path=[included], language_level=3, quiet=True)
setup(script_args=["--quiet", "build_ext", "--build-lib", "built", "--build-temp", "objects"],
      ext_modules=found)
"""
_FLAGS = "" if sys.platform == "win32" else "-O2 -g0"
_MOST_LINES = 12


def build(source: str, package: str) -> tuple[str, bytes]:
    """The extension module of a package's `compiled.pyx`: the name of its file and its bytes.

    Takes from some seconds to a minute. Raises UsageError, which says what is missing, where it
    cannot be built.
    """
    for module in ("Cython", "setuptools"):
        if find_spec(module) is None:
            raise UsageError(
                f"--compile needs {module}, which is missing: pip install cython setuptools. "
                f"{WITHOUT}"
            )
    if not list((INCLUDED_FROM.parent / "message").glob("straight_*.pxi")):
        raise UsageError(
            f"--compile needs straight_*.pxi in {INCLUDED_FROM.parent / 'message'}, and there are "
            f"none: install ctrader-typed beside the generator. {WITHOUT}"
        )
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folder = root.joinpath("source", *package.split("."))
        folder.mkdir(parents=True)
        for place in (folder, *folder.parents):
            if place == root / "source":
                break
            (place / "__init__.py").touch()  # by these Cython knows which package it is in
        (folder / SOURCE).write_text(source, encoding="utf-8")
        names = (f"{package}.{MODULE}", str(folder / SOURCE), str(INCLUDED_FROM), _FLAGS)
        command = [sys.executable, "-c", _BUILD, *names]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        built = _built(root.joinpath("built", *package.split(".")))
        if done.returncode != 0 or not built:
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_MOST_LINES:])
            raise UsageError(
                f"--compile: nothing could be built, is a C compiler there? {WITHOUT}\n{said}"
            )
        return built[0].name, built[0].read_bytes()


def is_built(folder: Path) -> bool:
    """Whether a package has an extension module for this Python."""
    return bool(_built(folder))


def remove(folder: Path) -> None:
    """Remove what was built in a package for this Python."""
    for path in _built(folder):
        path.unlink()


def _built(folder: Path) -> list[Path]:
    found = (folder / f"{MODULE}{suffix}" for suffix in EXTENSION_SUFFIXES)
    return [path for path in found if path.is_file()]
