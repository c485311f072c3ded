"""Trend bars: where periods begin, bars of ticks, bars of shorter bars. Knows no source of prices.

Bars are of bid prices, in 1/100000; their volume counts changes of bid and ask together (recorded
spot events). A bar that got no bid does not exist. Minutes are whole minutes since the Unix epoch
(UTC).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ctrader_typed.proto import ProtoOATrendbar, ProtoOATrendbarPeriod

MINUTE = 60_000
"""Milliseconds."""
HOUR = 60
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
_NEW_YORK = ZoneInfo("America/New_York")


class Bar(NamedTuple):
    """A trend bar; `minute` is when its period begins."""

    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int

    def shifted(self, by: int) -> Bar:
        """The bar with all prices moved."""
        minute, first, high, low, close, volume = self
        return Bar(minute, first + by, high + by, low + by, close + by, volume)

    def historical(self) -> ProtoOATrendbar:
        """As GetTrendbars sends it: no period, everything as a difference to the low."""
        return ProtoOATrendbar(
            volume=self.volume,
            low=self.low,
            delta_open=self.open - self.low,
            delta_close=self.close - self.low,
            delta_high=self.high - self.low,
            utc_timestamp_in_minutes=self.minute,
        )

    def live(self, period: Period) -> ProtoOATrendbar:
        """As a spot event carries it: the close is left out, it is the event's bid."""
        return ProtoOATrendbar(
            volume=self.volume,
            period=period,
            low=self.low,
            delta_open=self.open - self.low,
            delta_high=self.high - self.low,
            utc_timestamp_in_minutes=self.minute,
        )


def is_short(period: Period) -> bool:
    """Whether bars of the period are made of minutes; those of the others are made of hours."""
    return _ALIGNED.get(period, HOUR) < HOUR


def period_start(period: Period, minute: int) -> int:
    """When the bar that holds this minute begins; ValueError for a period that the schema does not
    name.

    H1 and below are aligned to the hour. The trading day begins at 17:00 in New York whatever the
    season, and with it D1, H4 and H12; W1 begins with Monday's trading day, MN1 with that of the
    first of the month [seen live for D1, H4, H12].
    """
    length = _ALIGNED.get(period)
    if length is not None:
        return minute - minute % length
    if period in _OF_A_DAY:
        begins, length = day_start(minute), _OF_A_DAY[period]
        # On a day with daylight saving's change the last bar is shorter or longer than the others.
        last = 24 * HOUR // length - 1
        return begins + min((minute - begins) // length, last) * length
    try:
        return {Period.D1: day_start, Period.W1: _week_start, Period.MN1: _month_start}[period](
            minute
        )
    except KeyError:
        raise ValueError(f"expected a trend bar period of the schema, got {period!r}") from None


def day_start(minute: int) -> int:
    """The last 17:00 in New York at or before this minute."""
    # New York's offset moves by whole hours, at 2:00 of a Sunday: within an hour of UTC nothing
    # changes.
    return _day_start(minute // HOUR)


@lru_cache(maxsize=4096)
def _day_start(hour: int) -> int:
    wall = datetime.fromtimestamp(hour * 3600, _NEW_YORK)
    five = wall.replace(hour=17, fold=0)
    return _minute(five if five <= wall else _at_five(wall - timedelta(days=1)))


def _week_start(minute: int) -> int:
    begins = _trading_day(minute)
    return _minute(_at_five(begins - timedelta(days=begins.weekday() + 1)))


def _month_start(minute: int) -> int:
    return _minute(_at_five(_trading_day(minute).replace(day=1) - timedelta(days=1)))


def _trading_day(minute: int) -> datetime:
    """The day that a trading day is called after: the one on which it ends."""
    return datetime.fromtimestamp(day_start(minute) * 60, _NEW_YORK) + timedelta(days=1)


def _at_five(wall: datetime) -> datetime:
    return wall.replace(hour=17, minute=0, fold=0)


def _minute(wall: datetime) -> int:
    return int(wall.timestamp()) // 60


def bars_of(ticks: Iterable[tuple[int, int, int | None, int | None]]) -> Iterator[Bar]:
    """The one-minute bars of one symbol's ticks in time order."""
    forming = Forming(Period.M1)
    for tick in ticks:
        done = forming.add(tick)
        if done is not None:
            yield done
    if forming.bar is not None:
        yield forming.bar


def hours_of(minutes: Iterable[Bar]) -> Iterator[Bar]:
    """The one-hour bars of one-minute bars."""
    return merged(minutes, lambda minute: minute - minute % HOUR)


def bars(period: Period, shorter: Iterable[Bar]) -> Iterator[Bar]:
    """The bars of a period, made of shorter bars in time order that do not straddle its
    boundaries.
    """
    return merged(shorter, lambda minute: period_start(period, minute))


def merged(shorter: Iterable[Bar], start_of: Callable[[int], int]) -> Iterator[Bar]:
    """One bar of all neighbours that have the same start."""
    begins: int | None = None
    opened = high = low = close = volume = 0
    for bar in shorter:
        start = start_of(bar.minute)
        if start != begins:
            if begins is not None:
                yield Bar(begins, opened, high, low, close, volume)
            begins, (_, opened, high, low, close, volume) = start, bar
        else:
            high = max(high, bar.high)
            low = min(low, bar.low)
            close = bar.close
            volume += bar.volume
    if begins is not None:
        yield Bar(begins, opened, high, low, close, volume)


class Forming:
    """The bar of a period that is still growing."""

    __slots__ = ("_asks", "_start", "bar", "period")

    def __init__(self, period: Period, bar: Bar | None = None, asks: int = 0) -> None:
        """Begin with what there is of the bar; `asks` ticks came before its first bid."""
        self.period = period
        self.bar = bar
        self._start: int | None = None if bar is None else bar.minute
        self._asks = asks

    def add(self, tick: tuple[int, int, int | None, int | None]) -> Bar | None:
        """Let it grow by a tick; returns the bar before, if the tick has begun a new one."""
        _, time_ms, bid, ask = tick
        start = period_start(self.period, time_ms // MINUTE)
        done = None
        if start != self._start:
            done, self.bar, self._start, self._asks = self.bar, None, start, 0
        changes = (bid is not None) + (ask is not None)
        if self.bar is not None:
            _, opened, high, low, close, volume = self.bar
            if bid is not None:
                high, low, close = max(high, bid), min(low, bid), bid
            self.bar = Bar(start, opened, high, low, close, volume + changes)
        elif bid is not None:
            self.bar = Bar(start, bid, bid, bid, bid, self._asks + changes)
        else:
            # Asks before the first bid count for the bar that the bid opens.
            self._asks += 1
        return done
