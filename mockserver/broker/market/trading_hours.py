"""When a symbol trades: its weekly hours, in its own time zone, less its holidays.

Times are ms since the Unix epoch (UTC). A span is a pair `(start, end)`: the start belongs to it,
the end does not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ctrader_typed.proto import ProtoOAHoliday, ProtoOASymbol
from ctrader_typed.units import time_zone

Span = tuple[int, int]

DAY = 86_400_000
WEEK = 7 * DAY
# The Unix epoch was a Thursday; schedules count from Sunday.
_FIRST_SUNDAY = 3 * DAY
_EPOCH = date(1970, 1, 1)


class TradingSchedule:
    """The trading hours that a ProtoOASymbol states.

    `schedule` counts seconds of the wall clock from Sunday 00:00 in `scheduleTimeZone`, so
    daylight saving moves the hours. A symbol without intervals always trades: the schema does not
    say what an empty schedule means.
    """

    __slots__ = ("_always", "_holidays", "_intervals", "_weeks", "_zone")

    def __init__(self, symbol: ProtoOASymbol) -> None:
        self._zone = time_zone(symbol.schedule_time_zone or "UTC")
        self._intervals = sorted((i.start_second, i.end_second) for i in symbol.schedule)
        self._holidays = tuple(symbol.holiday)
        self._always = not self._intervals and not self._holidays
        self._weeks: dict[int, list[Span]] = {}

    def is_open(self, when: int) -> bool:
        """Whether the symbol trades at this ms."""
        spans = self._week((when - _FIRST_SUNDAY) // WEEK)
        at = bisect_right(spans, when, key=_start) - 1
        return at >= 0 and when < spans[at][1]

    def spans(self, start: int, end: int) -> Iterator[Span]:
        """The open spans inside `[start, end)`, oldest first. One that touches a week's end may
        come in two parts.
        """
        for week in range((start - _FIRST_SUNDAY) // WEEK, (end - 1 - _FIRST_SUNDAY) // WEEK + 1):
            for opens, closes in self._week(week):
                if closes > start and opens < end:
                    yield max(opens, start), min(closes, end)

    def next_open(self, when: int) -> int | None:
        """The first ms from `when` on at which the symbol trades; None if there is none within a
        year.
        """
        for opens, _ in self.spans(when, when + 53 * WEEK):
            return opens
        return None

    def _week(self, week: int) -> list[Span]:
        """The spans of one UTC week, counted from the first Sunday after the epoch."""
        spans = self._weeks.get(week)
        if spans is None:
            start = _FIRST_SUNDAY + week * WEEK
            spans = self._weeks[week] = list(self._open_spans(start, start + WEEK))
        return spans

    def _open_spans(self, start: int, end: int) -> Iterator[Span]:
        if self._always:
            yield start, end
            return
        spans = [(start, end)] if not self._intervals else self._weekly(start)
        closed = sorted(self._closed(start, end))
        for opens, closes in _merged(spans):
            for part in _without((max(opens, start), min(closes, end)), closed):
                if part[0] < part[1]:
                    yield part

    def _weekly(self, start: int) -> list[Span]:
        """The hours of the week that begins at `start`, and of its neighbours: zones lie up to 14
        hours apart.
        """
        sunday = _midnight(_EPOCH + timedelta(milliseconds=start))
        return [
            (self._utc(first + timedelta(seconds=a)), self._utc(first + timedelta(seconds=b)))
            for first in (sunday - timedelta(weeks=1), sunday, sunday + timedelta(weeks=1))
            for a, b in self._intervals
        ]

    def _utc(self, wall: datetime) -> int:
        return _utc(wall, self._zone)

    def _closed(self, start: int, end: int) -> Iterator[Span]:
        for holiday in self._holidays:
            zone = time_zone(holiday.schedule_time_zone)
            for day in _days_of(holiday, start, end):
                midnight = _midnight(day)
                begins = 0 if holiday.start_second is None else holiday.start_second
                ends = 86_400 if holiday.end_second is None else holiday.end_second
                yield (
                    _utc(midnight + timedelta(seconds=begins), zone),
                    _utc(midnight + timedelta(seconds=ends), zone),
                )


def _start(span: Span) -> int:
    return span[0]


def _midnight(day: date) -> datetime:
    """A wall clock without a zone; `_utc` places it in one."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  # see above


def _utc(wall: datetime, zone: ZoneInfo) -> int:
    return int(wall.replace(tzinfo=zone).timestamp()) * 1000


def _days_of(holiday: ProtoOAHoliday, start: int, end: int) -> Iterator[date]:
    """The days on which a holiday falls that may touch `[start, end)`."""
    first = _EPOCH + timedelta(days=holiday.holiday_date)
    if not holiday.is_recurring:
        yield first
        return
    for ms in (start - DAY, end + DAY):
        year = (_EPOCH + timedelta(days=ms // DAY)).year
        with suppress(ValueError):  # 29 February of another year
            if year >= first.year:
                yield first.replace(year=year)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for opens, closes in sorted(spans):
        if merged and opens <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(closes, merged[-1][1])
        else:
            merged.append((opens, closes))
    return merged


def _without(span: Span, closed: Iterable[Span]) -> Iterator[Span]:
    """What is left of a span; `closed` is sorted."""
    opens, end = span
    for begins, ends in closed:
        if ends <= opens or begins >= end:
            continue
        yield opens, begins
        opens = max(opens, ends)
    yield opens, end
