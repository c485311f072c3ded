"""Values that a session leaves open until it is played: `<request:…>`, `<fresh:…>`, `<now…>`.

What they stand for, and what a connection has made up for them so far.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_REQUEST = re.compile(r"<request:([A-Za-z0-9_.]+)>")
_FRESH = re.compile(r"<fresh:([A-Za-z0-9_.-]+)>")
_NOW = re.compile(r"<now(?:([+-][0-9]+)(ms|s|min|h|d))?>")
_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

FIRST_FRESH = 900_000_001
"""Fresh numbers begin here: out of the way of those that brokers use, and 32 bits are enough."""


_SOME_DAY = 1_700_000_000_000


def request_field(value: object) -> str | None:
    """The path that `<request:path>` names; None for any other value."""
    return _named(_REQUEST, value)


def fresh_name(value: object) -> str | None:
    """The name in `<fresh:name>`; None for any other value."""
    return _named(_FRESH, value)


def since_now(value: object) -> int | None:
    """How many ms after now `<now+5min>` means, less than 0 for before; None if it is none."""
    found = _NOW.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    return 0 if found[1] is None else int(found[1]) * _UNITS[found[2]]


def is_template(value: object) -> bool:
    """Whether this stands for a value that is only known when it is sent."""
    return (
        request_field(value) is not None
        or fresh_name(value) is not None
        or since_now(value) is not None
    )


def _named(pattern: re.Pattern[str], value: object) -> str | None:
    found = pattern.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else found[1]


class Made:
    """What was made up on one connection. `now_ms` is the time, in ms since the Unix epoch."""

    def __init__(self, numbers: Iterator[int], now_ms: int = _SOME_DAY) -> None:
        self.now_ms = now_ms
        self.fresh: dict[str, int] = {}
        """The fresh numbers by name."""
        self._numbers = numbers

    def number(self, name: str) -> int:
        """The fresh number of that name: a new one the first time, then always the same."""
        if name not in self.fresh:
            self.fresh[name] = next(self._numbers)
        return self.fresh[name]
