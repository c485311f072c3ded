"""What a place that keeps tokens has to offer. Knows none of them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ..units import checks
from .value import Tokens


@dataclass(frozen=True, slots=True)
class Kept:
    """What is in a store.

    `refresh_sent_at` is written before a refresh leaves and taken back with its reply (seconds
    since 1970). Where it stands and nobody holds the store, that reply is lost.
    """

    tokens: Tokens
    refresh_sent_at: float | None = None


class Held(Protocol):
    """A store while it is held."""

    async def load(self) -> Kept | None:
        """What is kept, None if nothing is; TokenStoreError if that cannot be told."""
        ...

    async def save(self, kept: Kept) -> None:
        """Keep this instead, for good when it returns; TokenStoreError if it cannot be kept.

        Nobody may ever see a half of it, whatever happens meanwhile.
        """
        ...


class TokenStore(Protocol):
    """A place that keeps the tokens of one user for any number of processes."""

    def hold(self) -> AbstractAsyncContextManager[Held]:
        """Have the store alone, among all tasks and processes, until the block is left.

        Waits for its turn; that can be cancelled. If the process dies, the next one gets it.
        """
        ...


def check_store(store: object, what: str) -> None:
    """InvalidValue for what cannot be held, such as the path of a file."""
    checks.able(store, what, "hold", "a TokenStore, such as FileTokenStore(path)")
