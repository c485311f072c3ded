"""A path of prices out of a seed: any minute of any year at once, without what lies before it.

From the top down: the drift of assets gives the level at every full hour; an hour is a bar between
two levels; it is split into the bars of its open minutes, and a minute into ticks. Each split is
exact, so the bars of history are those of the ticks that were streamed. All noise is hashed from
the seed and its place: the same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import shake_128
from math import sqrt
from typing import Any, NamedTuple

from . import bar_to_ticks
from .bar_to_ticks import Part
from .bars import Bar
from .instruments import Instruments
from .periods import DAY, HOUR, MINUTE
from .prices import NO_QUOTE, UNIT, Quote, Tick
from .random_walk import UNKNOWN, WALK_PARAMETERS, RandomWalk, WalkParameters
from .trading_hours import TradingSchedule

SINCE = 1_420_070_400_000
"""Where history begins unless told otherwise: 2015-01-01."""

# Changes of a quote in a minute, for each hour (UTC): most while both London and New York trade.
_ACTIVITY = (
    *(24, 24, 22, 22, 22, 24, 30, 44, 52, 50, 44, 42),
    *(50, 64, 68, 64, 54, 44, 38, 34, 28, 18, 18, 22),
)
_YEAR = 366 * DAY
_CACHED = 64
_DIVISORS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
_QUIET = 4  # ticks of the quietest minute: its open, high, low and close


class RandomPrices:
    """A PriceSource: prices for every symbol of a catalogue, from `since_ms` on, while its hours
    are open.

    The same seed gives the same path, whoever asks for what and in which order. Levels come from
    the assets, so EURJPY stays what EURUSD and USDJPY make it, but for noise within the hour.
    `natures` says what assets are worth.

    Ticks come as often as in a lively market, or, with `tick_seconds`, one in about so many seconds
    at any hour: a week then costs as little as that needs. Above 15 they come in bunches of four or
    five, because a minute that has any has all that its bar needs; the others have no bar. Levels
    at full hours are the same. ValueError for less than a second, or more than 900.
    """

    def __init__(
        self,
        catalogue: Instruments,
        seed: int = 0,
        *,
        natures: Mapping[str, WalkParameters] = WALK_PARAMETERS,
        since_ms: int = SINCE,
        tick_seconds: float | None = None,
    ) -> None:
        pace = _Pace() if tick_seconds is None else _Pace.of(tick_seconds)
        drifts = {
            asset.asset_id: RandomWalk(f"{seed}/{asset.name}", natures.get(asset.name, UNKNOWN))
            for asset in catalogue.assets
        }
        self._processes = {
            light.symbol_id: _Process(
                f"{seed}/{light.symbol_id}",
                light.symbol_id,
                drifts[light.base_asset_id or 0],
                drifts[light.quote_asset_id or 0],
                catalogue.tick_size(light.symbol_id),
                catalogue.schedule(light.symbol_id),
                since_ms // MINUTE,
                pace,
            )
            for light in catalogue.light_symbols
        }

    def __deepcopy__(self, memo: Any) -> RandomPrices:
        return self  # nothing in it changes but caches

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """See PriceSource."""
        process = self._processes[symbol_id]
        ticks: list[Tick] = []
        for minute in process.open_minutes(start // MINUTE, -(-end // MINUTE)):
            ticks += process.ticks(minute)
        if ticks and (ticks[0].time_ms < start or ticks[-1].time_ms >= end):
            ticks = [tick for tick in ticks if start <= tick.time_ms < end]
        return ticks

    def next_at(self, symbol_id: int, when: int) -> int | None:
        """See PriceSource; None if the symbol does not open within a year."""
        process = self._processes[symbol_id]
        at = max(when // MINUTE, process.since)
        for minute in process.open_minutes(at, at + _YEAR):
            for tick in process.ticks(minute):
                if tick.time_ms >= when:
                    return tick.time_ms
        return None

    def quote(self, symbol_id: int, before: int) -> Quote:
        """See PriceSource."""
        process = self._processes[symbol_id]
        minute = before // MINUTE
        quote = NO_QUOTE
        for tick in self.ticks(symbol_id, minute * MINUTE, before):
            quote = quote.after(tick)
        # The first tick of a minute names both sides.
        return quote if quote.bid is not None else process.quote_before(minute)

    def minutes(self, symbol_id: int, start: int, end: int) -> Iterator[Bar]:
        """See PriceSource."""
        process = self._processes[symbol_id]
        step = process.step
        for minute in process.open_minutes(start, end):
            opened, high, low, close, volume, _ = process.minute(minute)
            yield Bar(minute, opened * step, high * step, low * step, close * step, volume)

    def hours(self, symbol_id: int, start: int, end: int) -> Iterator[Bar]:
        """See PriceSource."""
        process = self._processes[symbol_id]
        step = process.step
        for hour in range(start // HOUR, end // HOUR):
            count = sum(map(len, process.open_spans(hour * HOUR, hour * HOUR + HOUR)))
            if count:
                opened, high, low, close, volume, _ = process.hour(hour, count)
                yield Bar(hour * HOUR, opened * step, high * step, low * step, close * step, volume)


class _Pace(NamedTuple):
    """Prices move in one minute out of `every`, a divisor of 60, and change so often in it: None
    for what is usual at that hour.
    """

    every: int = 1
    changes: int | None = None

    @classmethod
    def of(cls, tick_seconds: float) -> _Pace:
        if not 1 <= tick_seconds <= 900:
            raise ValueError(f"expected 1 to 900 seconds from tick to tick, got {tick_seconds:g}")
        every = next(m for m in _DIVISORS if m * 60 >= tick_seconds * _QUIET)
        ticks = 60 * every / tick_seconds
        # Both sides move in the ticks that a bar needs, mostly one of them in the others: counted.
        return cls(every, max(bar_to_ticks.LEAST_VOLUME, round(1.2 * (ticks + 3))))


class _Process:
    """The path of one symbol, in points; minutes and hours count from the epoch."""

    def __init__(
        self,
        key: str,
        symbol_id: int,
        base: RandomWalk,
        quote: RandomWalk,
        step: int,
        schedule: TradingSchedule,
        since: int,
        pace: _Pace,
    ) -> None:
        self.step = step
        self._key = key
        self._symbol_id = symbol_id
        self._base, self._quote = base, quote
        self._schedule = schedule
        self.since = since
        self._pace = pace
        price = base.nature.worth / quote.nature.worth * UNIT / step
        volatility = base.nature.volatility**2 + quote.nature.volatility**2
        self._reach = max(4, int(price * sqrt(volatility) / 1_000_000))
        spread = base.nature.spread + quote.nature.spread
        self._spread = max(1, round(price * spread / 1_000_000))
        self._split: dict[int, dict[int, Part]] = {}
        self._ticks: dict[int, list[Tick]] = {}

    def open_minutes(self, start: int, end: int) -> Iterator[int]:
        """The minutes in `[start, end)` with prices, which lie wholly within the trading hours."""
        for span in self.open_spans(start, end):
            yield from span

    def open_spans(self, start: int, end: int) -> Iterator[range]:
        """The same, as unbroken stretches."""
        every = self._pace.every
        for opens, closes in self._schedule.spans(max(start, self.since) * MINUTE, end * MINUTE):
            yield range(-(-opens // (MINUTE * every)) * every, closes // MINUTE, every)

    def hour(self, hour: int, open_minutes: int) -> Part:
        """An hour as one bar, given how many of its minutes are open."""
        chance = shake_128(f"{self._key}/{hour}".encode()).digest(4)
        opened = self._level(hour) + (1 if chance[0] & 1 else -1)
        close = self._level(hour + 1)
        high = max(opened, close) + self._reach * (chance[1] + 60) // 300
        low = min(opened, close) - self._reach * (chance[2] + 60) // 300
        changes = self._pace.changes
        if changes is None:
            changes = _ACTIVITY[hour % 24] * (160 + chance[3]) // 256
        volume = changes * open_minutes
        return Part(opened, high, max(1, low), close, volume, self._spread)

    def minute(self, minute: int) -> Part:
        """An open minute."""
        parts = self._split.get(minute // HOUR)
        if parts is None:
            _make_room(self._split)
            parts = self._split[minute // HOUR] = self._minutes(minute // HOUR)
        return parts[minute]

    def ticks(self, minute: int) -> list[Tick]:
        """The ticks of an open minute."""
        ticks = self._ticks.get(minute)
        if ticks is None:
            _make_room(self._ticks)
            ticks = self._ticks[minute] = self._stream(minute)
        return ticks

    def quote_before(self, minute: int) -> Quote:
        """The quote that the last open minute before this one left behind."""
        while minute > self.since:
            spans = [span for span in self.open_spans(minute - DAY, minute) if span]
            if spans:
                part = self.minute(spans[-1][-1])
                return Quote(part.close * self.step, part.last_ask * self.step)
            minute -= DAY
        return NO_QUOTE

    def _level(self, hour: int) -> int:
        """The bid at a full hour."""
        return round(self._base.worth(hour) / self._quote.worth(hour) * UNIT / self.step)

    def _minutes(self, hour: int) -> dict[int, Part]:
        minutes = list(self.open_minutes(hour * HOUR, hour * HOUR + HOUR))
        count = len(minutes)
        noise = shake_128(f"{self._key}/{hour}/minutes".encode())
        parts = bar_to_ticks.minutes(
            self.hour(hour, count), count, noise.digest(bar_to_ticks.minute_noise(count))
        )
        return dict(zip(minutes, parts, strict=True))

    def _stream(self, minute: int) -> list[Tick]:
        part, step = self.minute(minute), self.step
        noise = shake_128(f"{self._key}/{minute}/ticks".encode()).digest(
            bar_to_ticks.tick_noise(part)
        )
        quotes = bar_to_ticks.quotes(part, noise)
        times = bar_to_ticks.times(len(quotes), noise[-2 * len(quotes) :])
        return [
            Tick(
                self._symbol_id,
                minute * MINUTE + time,
                None if bid is None else bid * step,
                None if ask is None else ask * step,
            )
            for time, (bid, ask) in zip(times, quotes, strict=True)
        ]


def _make_room(cache: dict[int, Any]) -> None:
    """A cache needs no more than what one walk through the path comes back to."""
    if len(cache) >= _CACHED:
        cache.clear()
