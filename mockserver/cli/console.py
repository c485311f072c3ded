"""How the commands speak to a person, a script and a shell. Imports next to nothing."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CANNOT_START = 2
"""Exit status, as argparse has it."""
STOPPED = 128
"""Exit status, plus the number of the signal, as shells have it."""


class CannotStart(Exception):
    """The text says why."""


def tell(text: str) -> None:
    """To whoever reads standard error; nobody may."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def announce(where: Mapping[str, Any]) -> None:
    """The ready line: one object of JSON on standard output. CannotStart if nobody reads it."""
    try:
        sys.stdout.write(json.dumps(where) + "\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or exiting fails again
        raise CannotStart(f"nobody reads where it listens: {error.strerror}") from None


def write(path: str, data: bytes, what: str) -> None:
    """Write a file; CannotStart says what could not be written."""
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise CannotStart(f"cannot write {what} to {path}: {error.strerror or error}") from None


def append_to(path: str, what: str) -> int:
    """A descriptor that appends to a file: what is written to it survives the process."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot write {what} to {path}: {error.strerror or error}") from None


def port(text: str) -> int:
    """An argument that is a port."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port, 0 to 65535, got {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """An argument that is a length of time."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return number


def count(text: str) -> int:
    """An argument that counts something."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number, 0 for no end, got {text!r}")
    return int(text)


def say(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
