"""A pair of tokens as a value that is hard to leak. Knows no file and no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, Self


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, the refresh token that replaces it, and how long it lasts.

    Times are seconds since 1970. `scope` is "accounts" (look) or "trading", if it is known. The
    repr shows neither token, and tokens cannot be pickled: both would end in places that nobody
    thinks of. They are kept in a TokenStore.
    """

    access_token: str
    refresh_token: str
    issued_at: float
    expires_at: float
    scope: str | None = None

    @classmethod
    def granted(
        cls,
        *,
        access_token: str,
        refresh_token: str,
        expires_in: float,
        now: float,
        scope: str | None = None,
    ) -> Self:
        """Tokens that the server just gave for `expires_in` seconds; the real one gives 30 days."""
        return cls(access_token, refresh_token, now, now + expires_in, scope)

    def due_at(self, ahead: float) -> float:
        """When to refresh: `ahead` seconds before the end, but not in the first nine tenths."""
        return self.expires_at - min(ahead, (self.expires_at - self.issued_at) / 10)

    def __repr__(self) -> str:
        until = stamp(self.expires_at)
        return f"Tokens('***', '***', expires_at={until}, scope={self.scope!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("tokens are not pickled: keep them in a TokenStore")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def stamp(seconds: float) -> str:
    """A time for people, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
