"""Files that processes share: where links lead, locks, and what to do if one is not writable."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path


def real(path: str | os.PathLike[str]) -> Path:
    """The file itself where `path` is a link: what is locked and replaced, so that the link stays.

    It need not be there yet.
    """
    return Path(os.path.realpath(path))


def try_lock(file: int, offset: int = 0) -> bool:
    """Keep everybody else out until the file is closed, or the process is gone; False if somebody
    has it. On Windows the byte at `offset` is locked.

    Raises OSError where there are no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - each exists on its own system only

            os.lseek(file, offset, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - as above

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the latter on Windows
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make the name of a new file as lasting as what is in it, where the system knows how."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_all(file: int, data: bytes) -> None:
    """Write all of it and have it on the disk."""
    while data:
        data = data[os.write(file, data) :]
    os.fsync(file)


def explained(error: OSError) -> str:
    """What the system said, and what to do about it."""
    said = error.strerror or str(error)
    advice = _ADVICE.get(error.errno or 0)
    return said if advice is None else f"{said} ({advice})"


_ALONE = "a file that is mounted by itself cannot be replaced as a whole: mount its folder instead"
_NOT_HERE = "choose a place that this user may write to; a mount for secrets is for reading only"

_ADVICE = {
    errno.EBUSY: _ALONE,
    errno.EXDEV: _ALONE,
    errno.EROFS: _NOT_HERE,
    errno.EACCES: _NOT_HERE,
    errno.EPERM: _NOT_HERE,
}
