"""Time zones by their names, of this machine's database or the one that tzdata brings."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import InvalidValue
from . import checks

NEW_YORK = "America/New_York"
"""Where the trading day begins, at 17:00."""


def time_zone(name: str) -> ZoneInfo:
    """A time zone; InvalidValue if nothing knows it, which says how to get a database of them."""
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        checks.refuse(name, "name", "a time zone's, such as 'Europe/London'")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidValue(
            f"no time zone {name!r} in this machine's database: `pip install tzdata` brings one"
        ) from None
