"""Tokens in a file that only its owner can read, shared by processes."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from ..errors import TokenStoreError
from ..files import explained, real, sync_folder, try_lock, write_all
from ..trio_run import TrioRun
from ..units import checks
from .store import Kept
from .value import Tokens

_FORMAT = 1
_OWNER_ONLY = 0o600
_FIRST_POLL, _LONGEST_POLL = 0.005, 0.1  # seconds between two looks at a lock that is taken


class FileTokenStore:
    """Tokens in a small JSON file.

    It has mode 0600 from its first instant, is replaced as a whole and synced to the disk, and is
    guarded by a lock on `<path>.lock`, which stays. Where `path` is a link, all this is about the
    file that it leads to, and the link stays. A file that others may read is refused, as is one
    that does not hold tokens. Directories that are missing are made for the owner alone. What
    cannot be written is said with what to do, before a refresh is sent.

    On Windows, which has no such modes, the file is as private as its folder: one below the user's
    profile is. Secrets of the environment, a command or a read-only mount: SecretTokenStore.

    Files are read and written without leaving the loop: they are small, and it happens once a
    month.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(checks.path(path, "path"))

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[_HeldFile, None]:
        """Have the file alone: see TokenStore. OutsideTrio where no trio runs."""
        TrioRun()
        await trio.lowlevel.checkpoint()
        while True:
            path = real(self._path)
            lock = _opened(path)
            try:
                await _locked(lock, path)
                if real(self._path) == path:  # else the link leads elsewhere by now
                    yield _HeldFile(path)
                    return
            finally:
                os.close(lock)  # which gives the lock back


class _HeldFile:
    """The file while it is held: see Held."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> Kept | None:
        """What the file holds, None if there is none: see Held."""
        await trio.lowlevel.checkpoint()
        try:
            text = _read(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TokenStoreError(f"cannot read {self._path}: {explained(error)}") from error
        kept = parsed(text)
        if kept is None:
            raise TokenStoreError(
                f"{self._path} does not hold tokens, or not whole ones: put a good copy there, or "
                "remove it and let the user authorise again"
            )
        return kept

    async def save(self, kept: Kept) -> None:
        """Replace the file: see Held."""
        await trio.lowlevel.checkpoint()
        try:
            _replace(self._path, _written(kept))
        except OSError as error:
            raise TokenStoreError(f"cannot write {self._path}: {explained(error)}") from error


def _opened(path: Path) -> int:
    """The file that is locked, beside the one at `path`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
    except OSError as error:
        raise TokenStoreError(f"cannot lock {path}: {explained(error)}") from error


async def _locked(lock: int, path: Path) -> None:
    # Polled, because a thread that waits in flock cannot be cancelled.
    pause = _FIRST_POLL
    try:
        while not try_lock(lock):
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL)
    except OSError as error:
        raise TokenStoreError(f"cannot lock {path}: {explained(error)}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & ~_OWNER_ONLY and sys.platform != "win32":
            raise TokenStoreError(
                f"{path} has mode {mode:04o}: others may have read the tokens. Make it 0600, and "
                "let the user authorise again if they are not to be trusted; or, if it is a secret "
                "that is mounted so, take SecretTokenStore(tokens_in_file(path), folder)"
            )
        return file.read()


def _replace(path: Path, data: bytes) -> None:
    """All of `data` or what was there before, even if the power fails. The lock must be held."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)  # left by a process that was killed
    binary = getattr(os, "O_BINARY", 0)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, _OWNER_ONLY)
    try:
        try:
            write_all(file, data)
        finally:
            os.close(file)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _written(kept: Kept) -> bytes:
    tokens = kept.tokens
    record = {
        "format": _FORMAT,
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "issued_at": tokens.issued_at,
        "expires_at": tokens.expires_at,
        "scope": tokens.scope,
        "refresh_sent_at": kept.refresh_sent_at,
    }
    return json.dumps(record, indent=1).encode() + b"\n"


def parsed(text: bytes) -> Kept | None:
    """None for what is no record: an exception of json would carry the text along."""
    try:
        record: Any = json.loads(text)
        if record["format"] != _FORMAT:
            return None
        tokens = Tokens(
            _text(record["access_token"]),
            _text(record["refresh_token"]),
            float(record["issued_at"]),
            float(record["expires_at"]),
            None if record["scope"] is None else _text(record["scope"]),
        )
        sent_at = record["refresh_sent_at"]
        return Kept(tokens, None if sent_at is None else float(sent_at))
    except (ValueError, KeyError, TypeError):  # InvalidValue is a ValueError
        return None


def _text(value: object) -> str:
    """Without white space around it, which editors and shells leave there."""
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return value.strip()
