"""When a simulated broker's clock starts: a fixed moment, a given one, or now."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TypeAlias

from .market.instruments import Instruments
from .market.trading_hours import DAY

START = 1_772_442_000_000
"""When a broker starts unless told otherwise: Monday 2026-03-02, 09:00 UTC. Ms since 1970."""

Start: TypeAlias = datetime | int | str
"""An aware datetime, its ISO 8601 text, ms since 1970, or "now"."""

_MINUTE = 60_000
_WATCHED = "EURUSD"


def start_ms(start: Start | None, catalogue: Instruments) -> int:
    """The start in ms since 1970; None is `START`.

    "now" at a weekend, or whenever EURUSD does not trade, is the last minute in which it did; a
    time that is named is taken as it is. Raises ValueError for a text that is no time, or a time
    without a zone.
    """
    if start is None:
        return START
    if start == "now":
        return _last_open(time.time_ns() // 1_000_000, catalogue)
    if isinstance(start, int):
        return _plausible(start)
    if isinstance(start, str):
        try:
            start = datetime.fromisoformat(start)
        except ValueError:
            raise ValueError(
                f"expected now or an ISO 8601 time such as 2026-03-02T09:00Z, got {start!r}"
            ) from None
    if start.tzinfo is None:
        raise ValueError(
            f"expected a time with its zone, such as {start.isoformat()}Z, got {start.isoformat()}"
        )
    return _plausible(round(start.timestamp() * 1000))


def shown(moment_ms: int) -> str:
    """The moment as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(moment_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def _plausible(moment_ms: int) -> int:
    lowest, highest = datetime(2015, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    if lowest.timestamp() * 1000 <= moment_ms < highest.timestamp() * 1000:
        return moment_ms
    raise ValueError(
        f"expected a start from 2015-01-02 to 2099-12-31, in ms since 1970, got {moment_ms}"
    )


def _last_open(moment_ms: int, catalogue: Instruments) -> int:
    symbol_id = catalogue.id_of(_WATCHED)
    if catalogue.is_open(symbol_id, moment_ms):
        return moment_ms
    spans = catalogue.schedule(symbol_id).spans(moment_ms - 14 * DAY, moment_ms)
    closed = max((close for _, close in spans), default=moment_ms)
    return closed // _MINUTE * _MINUTE - _MINUTE
