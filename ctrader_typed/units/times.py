"""Times: ms since the Unix epoch on the wire, aware datetimes in UTC in hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from ..errors import InvalidValue
from .numbers import as_int

Time = datetime | date | str | int
"""An instant: an aware datetime, a date (its midnight in UTC), ISO text, or ms since the epoch."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_SECONDS = 10**11
LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
"""The last ms of the year 9999."""


def utc(ms: int) -> datetime:
    """Milliseconds since the Unix epoch as an aware datetime in UTC, exactly.

    Raises InvalidValue beyond the year 9999, or for what is no int.

    >>> utc(1_767_225_600_000)
    datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    return _EPOCH + _within_reach(_whole(ms), ms, "time") * _MS


def milliseconds(at: Time, what: str = "time") -> int:
    """An instant in ms since the Unix epoch; parts of a ms are cut off. `what` is its name in the
    error.

    ISO text without a zone, and dates, mean UTC. Raises InvalidValue for a naive datetime, text
    that is no time, times outside the years 1970 to 9999, and numbers that are seconds: 1 to
    10^11, which as ms would be before March 1973 (give a date for such a time).

    >>> milliseconds("2026-01-01")
    1767225600000
    >>> milliseconds("2026-01-01T09:00+09:00")
    1767225600000
    """
    counted = as_int(at)
    if counted is None:
        return _within_reach((_aware(at, what) - _EPOCH) // _MS, at, what)
    if 0 < counted < _SECONDS:  # 0 is the same in both
        raise InvalidValue(
            f"{what} = {at!r} is {_shown(counted)} in milliseconds, which are expected: if these "
            f"are seconds, {counted * 1000} is {_shown(counted * 1000)}"
        )
    return _within_reach(counted, at, what)


def _shown(ms: int) -> str:
    return f"{utc(ms):%Y-%m-%d %H:%M:%S} UTC"


def _within_reach(ms: int, at: object, what: str) -> int:
    if not 0 <= ms <= LATEST:
        raise InvalidValue(f"{what} = {at!r} is out of reach: expected 1970-01-01 to 9999-12-31")
    return ms


def _whole(value: int, what: str = "time") -> int:
    counted = as_int(value)
    if counted is None:
        raise InvalidValue(f"{what} = {value!r} ({type(value).__name__}): expected an int in ms")
    return counted


def _aware(at: object, what: str) -> datetime:
    if isinstance(at, str):
        parsed = _parsed(at, what)
        return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    if isinstance(at, datetime):
        if at.utcoffset() is None:
            meant = f"datetime(…, tzinfo=UTC), or {what}={at.isoformat()!r}, which means UTC"
            raise InvalidValue(f"{what} = {at!r} names no time zone: expected {meant}")
        return at
    if isinstance(at, date):
        return datetime.combine(at, time(), UTC)
    expected = "an aware datetime, a date, ISO text, or an int in ms"
    raise InvalidValue(f"{what} = {at!r} ({type(at).__name__}): expected {expected}")


def _parsed(text: str, what: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        expected = "expected such as '2026-01-31' or '2026-01-31T09:30:00Z'"
        raise InvalidValue(f"{what} = {text!r} is no ISO time, {expected}") from None
