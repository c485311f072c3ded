"""Where the periods of trend bars begin and end.

Minutes are whole minutes since the Unix epoch (UTC).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from ctrader_typed.proto import ProtoOATrendbarPeriod
from ctrader_typed.units import NEW_YORK, time_zone

MINUTE = 60_000
"""Milliseconds."""
HOUR = 60
"""Minutes."""
DAY = 24 * HOUR
"""Minutes."""

Period = ProtoOATrendbarPeriod

_ALIGNED = {
    Period.M1: 1,
    Period.M2: 2,
    Period.M3: 3,
    Period.M4: 4,
    Period.M5: 5,
    Period.M10: 10,
    Period.M15: 15,
    Period.M30: 30,
    Period.H1: HOUR,
}
_OF_A_DAY = {Period.H4: 4 * HOUR, Period.H12: 12 * HOUR}
# From a bar's begin into the bar after it, whatever daylight saving or the calendar does to its
# length.
_BEYOND = _ALIGNED | {
    Period.H4: 5 * HOUR,
    Period.H12: 13 * HOUR,
    Period.D1: DAY + HOUR,
    Period.W1: 7 * DAY + HOUR,
    Period.MN1: 32 * DAY,
}
_NEW_YORK = time_zone(NEW_YORK)


def is_known(period: Period) -> bool:
    """Whether the schema names this period."""
    return period in _BEYOND


def is_short(period: Period) -> bool:
    """Whether bars of the period are made of minutes; all others are made of hours."""
    return _ALIGNED.get(period, HOUR) < HOUR


def longest(period: Period) -> int:
    """No bar of the period is longer than so many minutes."""
    return _BEYOND[period]


def period_start(period: Period, minute: int) -> int:
    """When the bar that holds this minute begins; KeyError for a period that the schema does not
    name.

    H1 and below are aligned to the hour. The trading day begins at 17:00 in New York whatever the
    season, and with it D1, H4 and H12, as seen live. W1 begins with Monday's trading day and MN1
    with that of the first of the month; nobody wrote down how they lie, but days must fit into
    them.
    """
    length = _ALIGNED.get(period)
    if length is not None:
        return minute - minute % length
    length = _OF_A_DAY.get(period)
    if length is not None:
        begins = day_start(minute)
        # When daylight saving changes, the day's last bar is an hour shorter or longer.
        return begins + min((minute - begins) // length, DAY // length - 1) * length
    return {Period.D1: day_start, Period.W1: _week_start, Period.MN1: _month_start}[period](minute)


def period_end(period: Period, start: int) -> int:
    """When the bar that begins at `start` ends and the next begins."""
    return period_start(period, start + _BEYOND[period])


def day_start(minute: int) -> int:
    """The last 17:00 in New York at or before this minute."""
    # New York's offset is whole hours: within an hour of UTC nothing changes.
    return _day_start(minute // HOUR)


@lru_cache(maxsize=4096)
def _day_start(hour: int) -> int:
    wall = datetime.fromtimestamp(hour * 3600, _NEW_YORK)
    return _minute(_at_five(wall if wall.hour >= 17 else wall - timedelta(days=1)))


def _week_start(minute: int) -> int:
    day = _trading_day(minute)
    return _minute(_at_five(day - timedelta(days=day.weekday() + 1)))


def _month_start(minute: int) -> int:
    return _minute(_at_five(_trading_day(minute).replace(day=1) - timedelta(days=1)))


def _trading_day(minute: int) -> datetime:
    """The day that a trading day is called after: the one on which it ends."""
    return datetime.fromtimestamp(day_start(minute) * 60, _NEW_YORK) + timedelta(days=1)


def _at_five(wall: datetime) -> datetime:
    return wall.replace(hour=17, minute=0, fold=0)


def _minute(wall: datetime) -> int:
    return int(wall.timestamp()) // 60
