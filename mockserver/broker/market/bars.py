"""Trend bars: of ticks, of shorter bars, and in the making.

Bars are of bid prices, in 1/100000; their volume counts changes of bid and ask together (recorded
spot events). A minute that got no bid has no bar, and what its ask did counts nowhere. Minutes are
whole minutes since the Unix epoch (UTC).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ctrader_typed.proto import ProtoOATrendbar

from .periods import MINUTE, Period, period_end, period_start

TickLike = tuple[int, int, int | None, int | None]
"""Symbol id, ms since the epoch, bid, ask."""


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
        minute, opened, high, low, close, volume = self
        return Bar(minute, opened + by, high + by, low + by, close + by, volume)

    def joined(self, later: Bar) -> Bar:
        """This bar grown by one that comes after it."""
        return Bar(
            self.minute,
            self.open,
            max(self.high, later.high),
            min(self.low, later.low),
            later.close,
            self.volume + later.volume,
        )

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


def bars_of(ticks: Iterable[TickLike]) -> Iterator[Bar]:
    """The one-minute bars of one symbol's ticks in time order."""
    growing = MinuteBar()
    for tick in ticks:
        done = growing.add(tick)
        if done is not None:
            yield done
    if growing.bar is not None:
        yield growing.bar


def hours_of(minutes: Iterable[Bar]) -> Iterator[Bar]:
    """The one-hour bars of one-minute bars."""
    return bars(Period.H1, minutes)


def bars(period: Period, shorter: Iterable[Bar]) -> Iterator[Bar]:
    """The bars of a period, made of shorter ones in time order that do not straddle its
    boundaries.
    """
    begins = ends = 0
    opened = high = low = close = volume = 0
    for bar in shorter:
        if bar.minute >= ends:
            if ends:
                yield Bar(begins, opened, high, low, close, volume)
            begins = period_start(period, bar.minute)
            ends = period_end(period, begins)
            _, opened, high, low, close, volume = bar
        else:
            high = max(high, bar.high)
            low = min(low, bar.low)
            close = bar.close
            volume += bar.volume
    if ends:
        yield Bar(begins, opened, high, low, close, volume)


class MinuteBar:
    """The one-minute bar that is growing; `bar` is None until the minute has a bid."""

    __slots__ = ("_asks", "_minute", "bar")

    def __init__(self) -> None:
        self.bar: Bar | None = None
        self._minute: int | None = None
        self._asks = 0

    def add(self, tick: TickLike) -> Bar | None:
        """Grow by a tick; returns the bar of an earlier minute that this tick has ended."""
        _, time_ms, bid, ask = tick
        minute = time_ms // MINUTE
        done = None
        if minute != self._minute:
            done, self.bar, self._minute, self._asks = self.bar, None, minute, 0
        changes = (bid is not None) + (ask is not None)
        if self.bar is not None:
            _, opened, high, low, close, volume = self.bar
            if bid is not None:
                high, low, close = max(high, bid), min(low, bid), bid
            self.bar = Bar(minute, opened, high, low, close, volume + changes)
        elif bid is not None:
            self.bar = Bar(minute, bid, bid, bid, bid, self._asks + changes)
        else:
            # Asks before the minute's first bid count for the bar that the bid opens.
            self._asks += 1
        return done


class LiveBar:
    """The bar of any period that is growing: its minutes so far and the one that grows."""

    __slots__ = ("_growing", "_past", "period")

    def __init__(self, period: Period, minutes: Iterable[Bar], ticks: Iterable[TickLike]) -> None:
        """Begin with the past: finished bars of the period, ticks of the minute after them."""
        self.period = period
        self._past: Bar | None = None
        self._growing = MinuteBar()
        for bar in minutes:
            self._extend(bar)
        for tick in ticks:
            self.add(tick)

    @property
    def bar(self) -> Bar | None:
        """What there is of it; None if the current minute has no bid yet."""
        minute = self._growing.bar
        if minute is None:
            return None
        start = period_start(self.period, minute.minute)
        if self._past is None or self._past.minute != start:
            return minute._replace(minute=start)
        return self._past.joined(minute)

    def at(self, time_ms: int) -> Bar | None:
        """What there is of the bar of this moment, of which the current minute may have no part."""
        start = period_start(self.period, time_ms // MINUTE)
        made = self._past if self.bar is None else self.bar
        return made if made is not None and made.minute == start else None

    def add(self, tick: TickLike) -> None:
        """Grow by a tick."""
        done = self._growing.add(tick)
        if done is not None:
            self._extend(done)

    def _extend(self, bar: Bar) -> None:
        start = period_start(self.period, bar.minute)
        if self._past is None or self._past.minute != start:
            self._past = bar._replace(minute=start)
        else:
            self._past = self._past.joined(bar)
