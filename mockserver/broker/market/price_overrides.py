"""The path that prices really took: a source's, shifted and patched where somebody set a price.

A patch is the stretch of minutes from a price set by hand until the path has gone on from there;
in it the path is a list of ticks. After it the source goes on, shifted. Minutes and times as in
`prices`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .bars import Bar, bars_of, hours_of
from .periods import HOUR, MINUTE
from .prices import NO_QUOTE, PriceSource, Quote, Tick


@dataclass(slots=True)
class PriceOverride:
    """Ticks that replace the source's in `[start, end)`, whole minutes in ms; `end` is None while
    it grows.
    """

    start: int
    end: int | None
    ticks: list[Tick]
    shift: int


class OverriddenPrices:
    """Answers as a PriceSource does, for the time up to now."""

    def __init__(self, source: PriceSource) -> None:
        self._source = source
        self._patches: dict[int, list[PriceOverride]] = {}

    def shift(self, symbol_id: int) -> int:
        """What is added to the source's prices from now on."""
        patches = self._patches.get(symbol_id)
        return patches[-1].shift if patches else 0

    def patch(self, symbol_id: int, now_ms: int) -> PriceOverride:
        """The patch that covers the current minute, to be appended to: the last one if it does,
        else a new one.
        """
        patches = self._patches.setdefault(symbol_id, [])
        if patches and (patches[-1].end is None or now_ms < patches[-1].end):
            return patches[-1]
        start = now_ms // MINUTE * MINUTE
        earlier = list(self.ticks(symbol_id, start, now_ms + 1))
        patches.append(PriceOverride(start, None, earlier, self.shift(symbol_id)))
        return patches[-1]

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """The ticks in `[start, end)`, in time order."""
        if not self._patches.get(symbol_id):
            return self._source.ticks(symbol_id, start, end)
        ticks: list[Tick] = []
        for a, b, shift, patch in self._stretches(symbol_id, start, end):
            if patch is not None:
                first = bisect_left(patch.ticks, a, key=_time)
                ticks += patch.ticks[first : bisect_left(patch.ticks, b, key=_time)]
            else:
                ticks += (_shifted_tick(t, shift) for t in self._source.ticks(symbol_id, a, b))
        return ticks

    def begins(self, symbol_id: int) -> int | None:
        """The time of the first tick of all; None if there is none."""
        patches = self._patches.get(symbol_id)
        first = self._source.next_at(symbol_id, 0)
        if patches and (first is None or patches[0].start < first):
            return patches[0].start
        return first

    def quote(self, symbol_id: int, before: int) -> Quote:
        """The last price of each side before a time."""
        for patch in reversed(self._patches.get(symbol_id, ())):
            if patch.end is not None and before > patch.end:
                return self._source.quote(symbol_id, before).shifted(patch.shift)
            seen = bisect_left(patch.ticks, before, key=_time)
            if before > patch.start and seen:
                quote = NO_QUOTE
                for tick in patch.ticks[:seen]:
                    quote = quote.after(tick)
                if quote.bid is None or quote.ask is None:
                    older = self.quote(symbol_id, patch.start)
                    quote = Quote(
                        older.bid if quote.bid is None else quote.bid,
                        older.ask if quote.ask is None else quote.ask,
                    )
                return quote
        return self._source.quote(symbol_id, before)

    def minutes(self, symbol_id: int, start: int, end: int) -> Iterator[Bar]:
        """The one-minute bars that open in `[start, end)`, in minutes since the epoch."""
        for a, b, shift, patch in self._stretches(symbol_id, start * MINUTE, end * MINUTE):
            if patch is not None:
                yield from bars_of(self.ticks(symbol_id, a, b))
            else:
                bars = self._source.minutes(symbol_id, a // MINUTE, b // MINUTE)
                yield from (bar.shifted(shift) for bar in bars) if shift else bars

    def hours(self, symbol_id: int, start: int, end: int) -> Iterator[Bar]:
        """The one-hour bars; start and end, in minutes since the epoch, are whole hours."""
        at = start
        for a, b, shift, patch in self._stretches(symbol_id, start * MINUTE, end * MINUTE):
            first, last = -(-a // MINUTE // HOUR) * HOUR, b // MINUTE // HOUR * HOUR
            if patch is not None or last <= max(first, at):
                continue
            first = max(first, at)
            # What lies between whole untouched hours is put together from minutes.
            yield from hours_of(self.minutes(symbol_id, at, first))
            bars = self._source.hours(symbol_id, first, last)
            yield from (bar.shifted(shift) for bar in bars) if shift else bars
            at = last
        yield from hours_of(self.minutes(symbol_id, at, end))

    def _stretches(
        self, symbol_id: int, start: int, end: int
    ) -> Iterator[tuple[int, int, int, PriceOverride | None]]:
        """`[start, end)` cut where patches begin and end, with the shift or the patch that is in
        force.
        """
        at, shift = start, 0
        for patch in self._patches.get(symbol_id, ()):
            if patch.start >= end:
                break
            stop = end if patch.end is None else min(patch.end, end)
            if at < patch.start:
                yield at, patch.start, shift, None
                at = patch.start
            if at < stop:
                yield at, stop, 0, patch
                at = stop
            shift = patch.shift
        if at < end:
            yield at, end, shift, None


def _time(tick: Tick) -> int:
    return tick.time_ms


def _plus(price: int | None, shift: int) -> int | None:
    return None if price is None else price + shift


def _shifted_tick(tick: Tick, shift: int) -> Tick:
    return tick._replace(bid=_plus(tick.bid, shift), ask=_plus(tick.ask, shift)) if shift else tick
