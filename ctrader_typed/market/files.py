"""Files that are replaced as a whole or not at all, and folders that one writer holds at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreInUse

_LOCK = ".lock"
_UNFINISHED = ".unfinished-"
"""Names that begin with a dot: readers of folders leave them alone."""


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Keep other writers out of a folder, which is made if need be; readers need not care.

    Whatever ends the process lets go of it. What a writer that was killed has left is removed.
    Raises StoreInUse, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(file, folder)
        for left in folder.glob(f"{_UNFINISHED}*"):
            left.unlink()
        yield
    finally:
        os.close(file)


def replaced(path: Path, write: Callable[[Path], object]) -> None:
    """Have a file written and put it in the place of the one at `path`, if there is any.

    Returns when it is on the disk. Killed at any moment, there is either the old one or the new.
    """
    unfinished = path.with_name(_UNFINISHED + path.name)
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


def _lock(file: int, folder: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - each exists on its own system only

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - as above

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StoreInUse(f"somebody else is writing {folder}") from error
