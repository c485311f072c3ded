"""A pair of tokens as a value that is hard to leak."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, Self

from ..errors import InvalidValue
from ..units import checks


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, the refresh token that replaces it, and how long it lasts.

    Times are seconds since 1970. `scope` is "accounts" (look) or "trading", if it is known. The
    repr shows neither token, and tokens cannot be pickled: both would end in places that nobody
    thinks of. They are kept in a TokenStore. InvalidValue for a token that is empty or has white
    space around it.
    """

    access_token: str
    refresh_token: str
    issued_at: float
    expires_at: float
    scope: str | None = None

    def __post_init__(self) -> None:
        check_secret("access_token", self.access_token)
        check_secret("refresh_token", self.refresh_token)
        if self.scope is not None:
            checks.instance(self.scope, "scope", str, "a text, such as 'trading'")
        checks.moment(self.issued_at, "issued_at")
        checks.moment(self.expires_at, "expires_at")

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
        checks.moment(now, "now")
        checks.moment(expires_in, "expires_in")
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


def check_secret(name: str, text: str) -> None:
    """Refuse what was read with a newline, or not at all; the text itself is not shown.

    Raises InvalidValue.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        raise InvalidValue(f"{name} is of type {type(text).__name__}: expected a text")
    if not text:
        raise InvalidValue(f"{name} is empty")
    if text != text.strip():
        raise InvalidValue(
            f"{name} has white space or a newline around it, as files and shells leave it: "
            "give it without (`.strip()`)"
        )


def stamp(seconds: float) -> str:
    """A time for people, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
