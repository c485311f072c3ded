"""What a price path is made of: ticks, quotes, sources of them.

Prices are integers in 1/100000 of a price unit whatever a symbol's digits; times are ms since the
Unix epoch (UTC). A source answers for any time, past or to come, and always the same: so history
and live prices are one path.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from .bars import Bar, bars_of, hours_of
from .periods import MINUTE

UNIT = 100_000
"""Integer prices count this part of a price unit."""


class Tick(NamedTuple):
    """A change of a quote; a side that is None did not change."""

    symbol_id: int
    time_ms: int
    bid: int | None
    ask: int | None


class Quote(NamedTuple):
    """The last price of each side; None before its first tick."""

    bid: int | None
    ask: int | None

    @property
    def spread(self) -> int:
        """Ask less bid; 0 while one of them is missing, or if a recorded quote was crossed."""
        return 0 if self.bid is None or self.ask is None else max(0, self.ask - self.bid)

    def shifted(self, by: int) -> Quote:
        """The quote with both prices moved."""
        return Quote(
            None if self.bid is None else self.bid + by, None if self.ask is None else self.ask + by
        )

    def after(self, tick: Tick) -> Quote:
        """The quote once the tick has come."""
        return Quote(
            self.bid if tick.bid is None else tick.bid, self.ask if tick.ask is None else tick.ask
        )


NO_QUOTE = Quote(None, None)


def to_price(price: float | str | Decimal) -> int:
    """A price such as 1.0845 in 1/100000: 108450. ValueError if it is no multiple of that."""
    exact = Decimal(str(price)) * UNIT
    if not exact.is_finite() or exact != int(exact):
        raise ValueError(f"expected a price with at most five decimals, got {price}")
    return int(exact)


class PriceSource(Protocol):
    """A path of prices for each symbol: known at any time, the same whenever and in whatever order
    it is asked.
    """

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """The ticks in `[start, end)`, in time order. Several may share a ms."""
        ...

    def next_at(self, symbol_id: int, when: int) -> int | None:
        """The time of the first tick at `when` or later; None if there is none any more."""
        ...

    def quote(self, symbol_id: int, before: int) -> Quote:
        """The last price of each side before a time."""
        ...

    def minutes(self, symbol_id: int, start: int, end: int) -> Iterable[Bar]:
        """The one-minute bars that open in `[start, end)`, both in minutes since the epoch, oldest
        first.
        """
        ...

    def hours(self, symbol_id: int, start: int, end: int) -> Iterable[Bar]:
        """The one-hour bars; start and end, in minutes since the epoch, are whole hours."""
        ...


class TickList:
    """The path that a list of ticks is: they come in time order, each symbol's prices stay as the
    last one left them.

    With one tick a symbol it is a market that stands still, and moves only when a test sets a
    price.
    """

    def __init__(self, ticks: Iterable[Tick]) -> None:
        self._ticks: dict[int, list[Tick]] = {}
        for tick in sorted(ticks, key=_time):
            self._ticks.setdefault(tick.symbol_id, []).append(tick)
        self._times = {
            symbol_id: [t.time_ms for t in ticks] for symbol_id, ticks in self._ticks.items()
        }

    def __deepcopy__(self, memo: Any) -> TickList:
        return self  # it never changes

    @classmethod
    def still(cls, quotes: Iterable[tuple[int, int, int]], time_ms: int = 0) -> TickList:
        """A market that stands still at quotes `(symbol_id, bid, ask)`."""
        return cls(Tick(symbol_id, time_ms, bid, ask) for symbol_id, bid, ask in quotes)

    def shifted(self, by_ms: int) -> TickList:
        """The same path at another time: recorded prices played today."""
        return TickList(
            tick._replace(time_ms=tick.time_ms + by_ms)
            for ticks in self._ticks.values()
            for tick in ticks
        )

    def span(self) -> tuple[int, int]:
        """The times of the first and the last tick; ValueError if there is none."""
        if not self._times:
            raise ValueError("expected at least one tick, got none")
        return min(t[0] for t in self._times.values()), max(t[-1] for t in self._times.values())

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """See PriceSource."""
        times = self._times.get(symbol_id, ())
        first = bisect_left(times, start)
        return self._ticks.get(symbol_id, [])[first : bisect_left(times, end, lo=first)]

    def next_at(self, symbol_id: int, when: int) -> int | None:
        """See PriceSource."""
        times = self._times.get(symbol_id, ())
        at = bisect_left(times, when)
        return times[at] if at < len(times) else None

    def quote(self, symbol_id: int, before: int) -> Quote:
        """See PriceSource."""
        ticks = self._ticks.get(symbol_id, [])
        bid = ask = None
        for at in range(bisect_left(self._times.get(symbol_id, ()), before) - 1, -1, -1):
            bid = ticks[at].bid if bid is None else bid
            ask = ticks[at].ask if ask is None else ask
            if bid is not None and ask is not None:
                break
        return Quote(bid, ask)

    def minutes(self, symbol_id: int, start: int, end: int) -> Iterator[Bar]:
        """See PriceSource."""
        return bars_of(self.ticks(symbol_id, start * MINUTE, end * MINUTE))

    def hours(self, symbol_id: int, start: int, end: int) -> Iterator[Bar]:
        """See PriceSource."""
        return hours_of(self.minutes(symbol_id, start, end))


def _time(tick: Tick) -> int:
    return tick.time_ms
