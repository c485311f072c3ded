"""The periods of trend bars and where they begin and end. Pure; knows no bar and no price."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from ..errors import InvalidValue
from ..proto import ProtoOATrendbarPeriod
from ..units import NEW_YORK, time_zone

PeriodName: TypeAlias = Literal[
    "M1", "M2", "M3", "M4", "M5", "M6", "M10", "M12", "M15", "M20", "M30",
    "H1", "H2", "H3", "H4", "H6", "H8", "H12", "D1", "W1", "MN1",
    "1m", "2m", "3m", "4m", "5m", "6m", "10m", "12m", "15m", "20m", "30m",
    "1h", "2h", "3h", "4h", "6h", "8h", "12h", "1d", "1w", "1mo",
]  # fmt: skip
"""What type checkers take for the name of a period; `Period.of` takes any text and may refuse."""

_UNITS = {"m": "M", "min": "M", "h": "H", "d": "D", "w": "W", "mo": "MN"}
_COUNTED = re.compile(r"([1-9][0-9]*) ?([A-Za-z]+)", re.ASCII)

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY = timedelta(days=1)


class Period(Enum):
    """The length of a trend bar: those that the server has, and those that are made of them.

    Bars of up to an hour begin on round times of UTC: an H1 bar on the hour, an M20 bar at 00, 20
    and 40 past.

    Longer ones follow the trading day, which turns at **17:00 in New York**, summer and winter: at
    21:00 UTC while New York has daylight saving time, at 22:00 UTC otherwise. That is where a D1
    bar begins; H4 bars begin then and every four hours after it (so not at 00:00 UTC), and in the
    same way H2, H3, H6, H8 and H12. On the two days a year that have 23 or 25 hours the day's last
    bar is the one that is shorter or longer. Those days are Sundays, when few symbols trade.

    A trading day is called after the day on which it ends. A W1 bar begins with Monday's trading
    day, on Sunday at 17:00, and an MN1 bar with that of the first of the month, on the evening
    before. D1, H4 and H12 were seen live to lie so; how W1 and MN1 lie nobody has written down,
    but days must fit into them.

    Times are ms since the Unix epoch.
    """

    M1 = "M1"
    M2 = "M2"
    M3 = "M3"
    M4 = "M4"
    M5 = "M5"
    M6 = "M6"
    """Made of M3."""
    M10 = "M10"
    M12 = "M12"
    """Made of M4."""
    M15 = "M15"
    M20 = "M20"
    """Made of M10."""
    M30 = "M30"
    H1 = "H1"
    H2 = "H2"
    """Made of H1."""
    H3 = "H3"
    """Made of H1."""
    H4 = "H4"
    H6 = "H6"
    """Made of H1."""
    H8 = "H8"
    """Made of H4."""
    H12 = "H12"
    D1 = "D1"
    W1 = "W1"
    MN1 = "MN1"

    @classmethod
    def of(cls, value: Period | ProtoOATrendbarPeriod | str) -> Period:
        """The period that is meant: itself, that of the schema, or its name in any case, also as
        "5m", "1h", "1d", "1w" and "1mo". "1M" is refused, for it could be a minute or a month.

        Raises InvalidValue, which names all that there are.
        """
        if isinstance(value, Period):
            return value
        name: Any = value
        if not isinstance(value, str):
            name = getattr(value, "name", value)  # that of any release
        if isinstance(name, str):
            found = cls.__members__.get(name.upper()) or cls.__members__.get(_turned(name))
            if found is not None:
                return found
        names = ", ".join(cls.__members__)
        hint = '; "1m" is a minute, "1mo" a month' if name == "1M" else ""
        raise InvalidValue(
            f'no period {name!r}: there are {names}, also as "5m", "1h", "1d", "1w", "1mo"{hint}'
        )

    def __str__(self) -> str:
        return self.name

    @property
    def native(self) -> ProtoOATrendbarPeriod | None:
        """What the server calls it; None if it has no such bars."""
        return ProtoOATrendbarPeriod.__members__.get(self.name)

    @property
    def source(self) -> Period:
        """The longest period of the server whose bars it can be made of: itself if the server has
        it.
        """
        return _SOURCES.get(self, self)

    @property
    def nominal(self) -> int:
        """How long a bar is in ms where no clock is put forward or back; of an MN1 bar, 30 days."""
        return _NOMINAL[self]

    def start_of(self, time: int) -> int:
        """When the bar that holds this time begins; at a boundary, that boundary."""
        return self._bounds(time)[0]

    def next(self, time: int) -> int:
        """When the bar that holds this time ends: the first boundary after it."""
        return self._bounds(time)[1]

    def starts(self, start: int, end: int) -> Iterator[int]:
        """All boundaries in `[start, end)`, trading hours or not."""
        at = self.start_of(start)
        if at < start:
            at = self.next(at)
        while at < end:
            yield at
            at = self.next(at)

    def fits_in(self, longer: Period) -> bool:
        """Whether bars of the longer period can be made of bars of this one, always and exactly."""
        mine, other = _NOMINAL[self], _NOMINAL[longer]
        if mine <= _HOUR or other <= _DAY:
            return other % mine == 0 if other <= _DAY else True
        return mine <= _DAY or self is longer

    def _bounds(self, time: int) -> tuple[int, int]:
        length = _NOMINAL[self]
        if length <= _HOUR:
            start = time - time % length
            return start, start + length
        if length < _DAY:
            begins, ends = _day(time // _HOUR)
            start = begins + min((time - begins) // length, _DAY // length - 1) * length
            return start, ends if start - begins == _DAY - length else start + length
        return {Period.D1: _day, Period.W1: _week, Period.MN1: _month}[self](time // _HOUR)


def _turned(name: str) -> str:
    """ "5m" as M5, "1mo" as MN1; in small letters or capitals, but "M" is a minute to some and a
    month to others.
    """
    match = _COUNTED.fullmatch(name)
    if match is None or match[2] == "M":
        return ""
    unit = _UNITS.get(match[2].lower())
    return "" if unit is None else f"{unit}{match[1]}"


_NOMINAL = {
    period: int(period.name[1:]) * (_MINUTE if period.name[0] == "M" else _HOUR)
    for period in Period
    if period.name[0] in "MH" and period is not Period.MN1
} | {Period.D1: _DAY, Period.W1: 7 * _DAY, Period.MN1: 30 * _DAY}

_SOURCES = {
    Period.M6: Period.M3,
    Period.M12: Period.M4,
    Period.M20: Period.M10,
    Period.H2: Period.H1,
    Period.H3: Period.H1,
    Period.H6: Period.H1,
    Period.H8: Period.H4,
}


# New York is whole hours from UTC: within an hour of UTC no bound of a day lies.


@lru_cache(maxsize=4096)
def _day(hour: int) -> tuple[int, int]:
    day = _trading_day(hour)
    return _opening(day), _opening(day + _ONE_DAY)


@lru_cache(maxsize=4096)
def _week(hour: int) -> tuple[int, int]:
    day = _trading_day(hour)
    monday = day - timedelta(days=day.weekday())
    return _opening(monday), _opening(monday + timedelta(days=7))


@lru_cache(maxsize=4096)
def _month(hour: int) -> tuple[int, int]:
    first = _trading_day(hour).replace(day=1)
    return _opening(first), _opening((first + timedelta(days=31)).replace(day=1))


def _trading_day(hour: int) -> date:
    """The day on which the trading day ends that holds this hour since the epoch."""
    wall = (_EPOCH + timedelta(hours=hour)).astimezone(_new_york())
    return (wall.replace(tzinfo=None) + timedelta(hours=7)).date()


def _opening(day: date) -> int:
    """When a trading day begins: at 17:00 in New York on the evening before."""
    evening = day - _ONE_DAY
    wall = datetime(evening.year, evening.month, evening.day, 17, tzinfo=_new_york())
    return (wall - _EPOCH) // timedelta(milliseconds=1)


def _new_york() -> ZoneInfo:
    """Read when it is needed: without a database the error is about what was asked for."""
    return time_zone(NEW_YORK)
