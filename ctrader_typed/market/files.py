"""Files that are replaced as a whole or not at all, and what one writer holds at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreInUse


@contextmanager
def held(lock: Path, what: str) -> Generator[None]:
    """Keep other writers out, by a file that is made if need be. `what` is held, for the error.

    Whatever ends the process lets go of it. Raises StoreInUse, OSError.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(file, what)
        yield
    finally:
        os.close(file)


def replaced(path: Path, unfinished: Path, write: Callable[[Path], object]) -> None:
    """Have a file written and put it in the place of the one at `path`, if there is any.

    It is written as `unfinished`, on the same disk; what a killed process left there is in nobody's
    way. Returns when it is on the disk: killed at any moment, there is either the old or the new.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(unfinished)
        _to_disk(unfinished)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if sys.platform != "win32":
        _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(file: int, what: str) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - each exists on its own system only

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - as above

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # the latter on Windows
        raise StoreInUse(f"somebody else is writing {what}") from error
