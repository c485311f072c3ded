"""Which codec runs: the compiled one where it was built, else plain Python, or the one asked for.

A schema says which modules it has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

from .declaration import FieldedMessage

VARIABLE = "CTRADER_TYPED_CODEC"
"""The environment variable that asks for one of the two: `compiled` or `python`."""

Codecs: TypeAlias = Mapping[
    type[FieldedMessage], tuple[Callable[[bytes, int, int], Any], Callable[[Any], bytes]]
]
"""A module's straight-line functions: of each class the one that reads and the one that writes."""


@dataclass(frozen=True, slots=True)
class CodecInfo:
    """Which codec runs, and why that one. Both give the same messages, bytes and errors."""

    codec: Literal["compiled", "python"]
    why: str


def asked() -> str | None:
    """What the environment asks for, None if it leaves the choice; ValueError if it is misspelt."""
    value = os.environ.get(VARIABLE) or None
    if value not in (None, "compiled", "python"):
        raise ValueError(f"{VARIABLE}={value}: expected compiled or python, or nothing")
    return value


def may_be_compiled(module: str | None) -> bool:
    """Whether the compiled module of a schema is there and wanted; nothing is imported.

    ImportError if it is asked for and is not there. A schema that never had one is no error.
    """
    choice = asked()
    if module is None or choice == "python":
        return False
    if find_spec(module) is not None:
        return True
    if choice == "compiled":
        raise ImportError(
            f"{VARIABLE}=compiled, but {module} was not built for this Python: install "
            "ctrader-typed where a C compiler is (a generated package: `python -m codegen` with "
            "--compile), or unset the variable"
        )
    return False


def load(compiled: str | None, python: str, digest: str) -> tuple[Codecs, CodecInfo]:
    """The codecs of a schema with this digest, out of its compiled module or its Python one.

    ImportError if the compiled one is asked for and cannot be had.
    """
    choice = asked()
    why = f"{VARIABLE}={choice}" if choice is not None else "it is built"
    if may_be_compiled(compiled):
        try:
            codecs = _compiled(str(compiled), digest)
        except ImportError as error:
            if choice == "compiled":
                raise
            why = str(error)
        else:
            return codecs, CodecInfo("compiled", why)
    elif choice is None:
        why = (
            "this schema has no compiled codec" if compiled is None else f"{compiled} is not built"
        )
    codecs = import_module(python).CODECS
    return codecs, CodecInfo("python", why)


def _compiled(name: str, digest: str) -> Codecs:
    module = import_module(name)
    if digest != module.DIGEST:
        raise ImportError(
            f"{name} was built from another schema than what is installed: build it again"
        )
    codecs: Codecs = module.CODECS
    return codecs
