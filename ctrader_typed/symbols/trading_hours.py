"""When a symbol trades: weekly hours in its own time zone, less its holidays. Pure; knows no clock.

Instants are ms since the Unix epoch; a span is `(start, end)`, and its end does not belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from ..proto import ProtoOAHoliday, ProtoOASymbol
from ..units import time_zone
from ..units.numbers import integer

Span = tuple[int, int]

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
HORIZON = 53 * WEEK // timedelta(milliseconds=1)
"""How far ahead an opening or closing is looked for, in ms: a year."""

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class TradingHours:
    """The trading hours of a symbol.

    `intervals` are (start, end) in seconds of the wall clock in `zone` from Sunday 00:00, as
    ProtoOASymbol.schedule; one that ends before it starts reaches into the next week. The clock
    moves them at daylight saving: a time that it skips counts as so much later, of a time that it
    shows twice the first counts. Without intervals the symbol always trades, holidays apart: the
    schema does not say what an empty schedule means.

    `holidays` are days, or parts of days, without trading; a part that ends before it begins
    reaches into the next day. A recurring one comes back on its day of each year from its own on.
    """

    zone: str
    intervals: tuple[tuple[int, int], ...]
    holidays: tuple[ProtoOAHoliday, ...] = ()

    @classmethod
    def of(cls, symbol: ProtoOASymbol) -> TradingHours:
        """The hours that a symbol states; UTC where it names no zone."""
        return cls(
            symbol.schedule_time_zone or "UTC",
            tuple((each.start_second, each.end_second) for each in symbol.schedule),
            tuple(symbol.holiday),
        )

    def is_open(self, at: int) -> bool:
        """Whether the symbol trades at this ms."""
        return any(True for _ in self.spans(integer(at, "at"), at + 1))

    def next_open(self, at: int) -> int | None:
        """The first ms from `at` on at which it trades: `at` itself if it does. None if there is
        none within a year.
        """
        return next((opens for opens, _ in self.spans(integer(at, "at"), at + HORIZON)), None)

    def next_close(self, at: int) -> int | None:
        """The first ms from `at` on at which it does not trade: `at` itself if it does not. None if
        there is none within a year.
        """
        opens, closes = next(self.spans(integer(at, "at"), at + HORIZON), (at + 1, at))
        if opens > at:
            return at
        return closes if closes < at + HORIZON else None

    def spans(self, start: int, end: int) -> Iterator[Span]:
        """The open spans within `[start, end)`, oldest first, cut off at both ends; no two touch.

        Raises InvalidValue for a zone that this machine's time zone database does not have.
        """
        start, end = integer(start, "start"), integer(end, "end")
        closed = sorted(self._closed(start, end))
        for opens, closes in _joined(self._weekly(start, end)):
            if opens < end and closes > start:
                yield from _without((max(opens, start), min(closes, end)), closed)

    def _weekly(self, start: int, end: int) -> Iterator[Span]:
        """The hours of each week that may touch `[start, end)`, as if there were no holidays."""
        if not self.intervals:
            yield start, end
            return
        zone = time_zone(self.zone)
        intervals = [_interval(each) for each in self.intervals]
        first, last = _wall(start, zone) - DAY, _wall(end, zone) + DAY
        sunday = _midnight(first.date()) - first.isoweekday() % 7 * DAY - WEEK
        while sunday <= last:
            yield from sorted(
                (_utc(sunday + opens, zone), _utc(sunday + closes, zone))
                for opens, closes in intervals
                if sunday + opens <= last and sunday + closes >= first
            )
            sunday += WEEK

    def _closed(self, start: int, end: int) -> Iterator[Span]:
        for holiday in self.holidays:
            zone = time_zone(holiday.schedule_time_zone)
            begins, ends = _pause(holiday)
            for day in _days(holiday, start, end):
                midnight = _midnight(day)
                closes, opens = _utc(midnight + begins, zone), _utc(midnight + ends, zone)
                if closes < opens:
                    yield closes, opens


def _interval(seconds: tuple[int, int]) -> tuple[timedelta, timedelta]:
    """From which time of the week to which, or to one in the next."""
    opens, closes = (timedelta(seconds=each) for each in seconds)
    return opens, closes + WEEK if closes < opens else closes


def _pause(holiday: ProtoOAHoliday) -> tuple[timedelta, timedelta]:
    """From which time of the day to which, or to one in the next. Servers send defaults too, so an
    end at 0 is none: midnight.
    """
    begins = timedelta(seconds=0 if holiday.start_second is None else holiday.start_second)
    ends = DAY if holiday.end_second in (None, 0) else timedelta(seconds=holiday.end_second)
    return begins, ends + DAY if ends < begins else ends


def _midnight(day: date) -> datetime:
    """A wall clock without a zone; `_utc` places it in one."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  # see above


def _wall(ms: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(ms // 1000, zone).replace(tzinfo=None)


def _utc(wall: datetime, zone: ZoneInfo) -> int:
    return int(wall.replace(tzinfo=zone).timestamp()) * 1000


def _days(holiday: ProtoOAHoliday, start: int, end: int) -> Iterator[date]:
    """The days on which a holiday falls that may touch `[start, end)`."""
    day = _EPOCH + holiday.holiday_date * DAY
    # Zones lie up to 14 hours from UTC.
    earliest = datetime.fromtimestamp(start // 1000, UTC).date() - 2 * DAY
    latest = datetime.fromtimestamp(end // 1000, UTC).date() + DAY
    for year in range(earliest.year, latest.year + 1) if holiday.is_recurring else (day.year,):
        with suppress(ValueError):  # 29 February of another year
            if max(day, earliest) <= (found := day.replace(year=year)) <= latest:
                yield found


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Spans that touch or overlap as one. They come sorted by their starts."""
    current: Span | None = None
    for opens, closes in spans:
        if current is None:
            current = opens, closes
        elif opens <= current[1]:
            current = current[0], max(current[1], closes)
        else:
            yield current
            current = opens, closes
    if current is not None:
        yield current


def _without(span: Span, closed: Iterable[Span]) -> Iterator[Span]:
    """What is left of a span; `closed` is sorted."""
    opens, end = span
    for begins, ends in closed:
        if ends <= opens or begins >= end:
            continue
        if opens < begins:
            yield opens, begins
        opens = max(opens, ends)
    if opens < end:
        yield opens, end
