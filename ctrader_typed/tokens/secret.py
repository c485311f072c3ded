"""Tokens whose first pair is a secret: of the environment, of a command, or of a read-only file.

Such a place cannot keep what a refresh makes of the pair, so that is kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import trio

from ..errors import InvalidValue, TokenStoreError
from ..files import explained
from ..trio_run import TrioRun
from ..units import checks
from .file import FileTokenStore, parsed
from .store import Held, Kept
from .value import Tokens

LASTS = 30 * 86_400.0
"""Seconds that an access token lasts if its secret does not say it. Should it have ended before
that, the server refuses it, and it is refreshed then."""

First = Callable[[], Awaitable[Tokens]]
"""Gives the first pair; TokenStoreError if it cannot."""

log = logging.getLogger(__name__)


class SecretTokenStore:
    """A TokenStore for a pair of tokens that is a secret elsewhere, and is never written there.

    `first` reads that pair: `tokens_in_environment()`, `tokens_of_command(…)`, `tokens_in_file(…)`,
    or an async function of yours. What a refresh makes of it is kept in `folder`, which has to be
    writable and to last, as a FileTokenStore; in a file for each first pair, so a secret that is
    replaced, because the user has authorised again, begins anew.
    """

    def __init__(self, first: First, folder: str | os.PathLike[str]) -> None:
        expected = "an async function that gives Tokens, such as tokens_in_environment()"
        self._read = checks.function(first, "first", expected)
        self._folder = Path(checks.path(folder, "folder"))
        self._first: Tokens | None = None

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[Held, None]:
        """Have what follows alone: see TokenStore. OutsideTrio where no trio runs."""
        TrioRun()
        try:
            self._first = await self._read()
        except TokenStoreError as error:
            if self._first is None:
                raise
            log.warning("the secret of before is used: %s", error)
        name = hashlib.sha256(self._first.refresh_token.encode()).hexdigest()[:16]
        async with FileTokenStore(self._folder / f"tokens-{name}.json").hold() as held:
            yield _Following(held, self._first)


class _Following:
    """What follows a first pair, while it is held: see Held."""

    def __init__(self, held: Held, first: Tokens) -> None:
        self._held = held
        self._first = first

    async def load(self) -> Kept | None:
        """What followed, or the first pair."""
        kept = await self._held.load()
        return Kept(self._first) if kept is None else kept

    async def save(self, kept: Kept) -> None:
        """Keep it in the place of what followed."""
        await self._held.save(kept)


def tokens_in_environment(
    access_token: str = "CTRADER_ACCESS_TOKEN",
    refresh_token: str = "CTRADER_REFRESH_TOKEN",
    expires_at: str = "CTRADER_TOKEN_EXPIRES_AT",
) -> First:
    """The pair in the environment variables of these names, without white space around it.

    The third may be missing, or says in seconds since 1970 until when the access token lasts.
    """
    checks.text(access_token, "access_token", "CTRADER_ACCESS_TOKEN")
    checks.text(refresh_token, "refresh_token", "CTRADER_REFRESH_TOKEN")
    checks.text(expires_at, "expires_at", "CTRADER_TOKEN_EXPIRES_AT")

    async def read() -> Tokens:
        await trio.lowlevel.checkpoint()
        fields = {
            "access_token": os.environ.get(access_token),
            "refresh_token": os.environ.get(refresh_token),
            "expires_at": os.environ.get(expires_at) or None,
        }
        return _pair(fields, f"the environment ({access_token}, {refresh_token})")

    return read


def tokens_of_command(*command: str) -> First:
    """The pair that a command prints, as JSON: `tokens_of_command("vault", "read", …)`.

    As `tokens_in_file`. It runs without a shell, in the environment of this process.
    """
    if not command:
        raise TypeError("tokens_of_command() needs a command: a program and its arguments")
    for word in command:
        checks.text(word, "command", "vault")
    where = f"the output of {command[0]}"

    async def read() -> Tokens:
        try:
            done = await trio.run_process(command, capture_stdout=True, check=False)
        except OSError as error:
            raise TokenStoreError(f"cannot run {command[0]}: {explained(error)}") from error
        if done.returncode != 0:  # what it says may be a secret
            raise TokenStoreError(f"{command[0]} ended with status {done.returncode}")
        return _of_json(done.stdout, where)

    return read


def tokens_in_file(path: str | os.PathLike[str]) -> First:
    """The pair in a file that is only read, whatever its mode: a mounted secret.

    JSON with access_token and refresh_token, or accessToken and refreshToken as the token address
    gives them; expires_at, in seconds since 1970, may be there. A file of a FileTokenStore will do.
    """
    checks.path(path, "path")

    async def read() -> Tokens:
        try:
            text = await trio.Path(path).read_bytes()
        except OSError as error:
            raise TokenStoreError(f"cannot read {path}: {explained(error)}") from error
        return _of_json(text, str(path))

    return read


def _of_json(text: bytes, where: str) -> Tokens:
    """No exception has the text in it."""
    kept = parsed(text)
    if kept is not None:
        return kept.tokens
    try:
        fields: Any = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise TokenStoreError(f"{where} is no JSON object with access_token and refresh_token")
    named = cast("Mapping[str, Any]", fields)
    return _pair(
        {
            "access_token": named.get("access_token", named.get("accessToken")),
            "refresh_token": named.get("refresh_token", named.get("refreshToken")),
            "expires_at": named.get("expires_at"),
        },
        where,
    )


def _pair(fields: Mapping[str, Any], where: str) -> Tokens:
    access, refresh, until = (
        fields[name] for name in ("access_token", "refresh_token", "expires_at")
    )
    missing = [name for name in ("access_token", "refresh_token") if not _text(fields[name])]
    if missing:
        raise TokenStoreError(f"{where} has no {' and no '.join(missing)}")
    now = time.time()
    try:
        expires_at = now + LASTS if until is None else float(until)
        return Tokens(_text(access), _text(refresh), min(now, expires_at), expires_at)
    except (TypeError, ValueError, InvalidValue):
        raise TokenStoreError(
            f"{where}: expires_at has to be a number, in seconds since 1970"
        ) from None


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
