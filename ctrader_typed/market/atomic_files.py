"""Files that are replaced as a whole or not at all, and what one writer holds at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreInUse
from ..files import explained, real, sync_folder, try_lock


@contextmanager
def locked_file(lock: Path, what: str) -> Generator[None]:
    """Keep other writers out, by a file that is made if need be. `what` is held, for the error.

    Whatever ends the process lets go of it. Raises StoreInUse, OSError.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {what}: {explained(error)}") from error
    try:
        if not try_lock(file):
            raise StoreInUse(f"somebody else is writing {what}")
        yield
    finally:
        os.close(file)


def replace_file(path: Path, unfinished: Path, write: Callable[[Path], object]) -> None:
    """Have a file written and put it in the place of the one at `path`, or that this leads to.

    It is written as `unfinished`, or beside a file that lies on another disk; what a killed process
    left there is in nobody's way. Returns when it is on the disk: killed at any moment, there is
    either the old or the new.
    """
    path = real(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.stat().st_dev != unfinished.parent.stat().st_dev:
        unfinished = path.with_name(f".{unfinished.name}")
    try:
        write(unfinished)
        _to_disk(unfinished)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
