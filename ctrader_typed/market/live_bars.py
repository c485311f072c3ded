"""Trend bars in the making: how spot events make them grow, and when one is over.

Bars are of bid prices, in 1/100000; their volume counts changes of bid and ask together. What the
server leaves out is added here: the close, which is the event's bid; that a bar is over, which a
later one tells; and the asks that came after its last bid (all recorded). A high below the open or
the close, which servers send, is raised to the higher of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..proto import ProtoOASpotEvent, ProtoOATrendbar
from ..units import PRICE_DIGITS
from .bars import Bar
from .periods import Period

_MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class _OfBar:
    """What there is to tell of a bar."""

    symbol_id: int
    period: Period
    bar: Bar

    @property
    def time(self) -> int:
        """When the bar begins, in ms since the Unix epoch."""
        return self.bar.time


@dataclass(frozen=True, slots=True)
class BarUpdated(_OfBar):
    """A bar has grown, or begun. Its close is the last bid so far."""


@dataclass(frozen=True, slots=True)
class BarClosed(_OfBar):
    """A bar is over: there is a later one.

    Not `complete`, it is as it was before a gap, and how it went on is not known; between `bar` and
    the bar that follows there may have been others. The history has them all: ask for the bars from
    `bar.time` to `next_time`. It shows a bar up to a second after its end.
    """

    complete: bool
    next_time: int
    """When the later bar opens."""


BarEvent = BarUpdated | BarClosed
"""What a stream of live bars gives."""


class LiveBars:
    """The bars of one symbol, one for each period."""

    def __init__(self, symbol_id: int, digits: int = PRICE_DIGITS) -> None:
        self.symbol_id = symbol_id
        self.digits = digits
        self._bars: dict[Period, Bar] = {}
        self._stale: set[Period] = set()
        self._minute: int | None = None
        """That of the last bid, since the Unix epoch; None if nobody knows."""

    def current(self, period: Period) -> Bar | None:
        """The bar as it stands; None before its first event, and its first after a gap."""
        return None if period in self._stale else self._bars.get(period)

    def apply(self, event: ProtoOASpotEvent) -> list[BarEvent]:
        """What an event of the symbol says of its bars."""
        minute = None if event.timestamp is None else event.timestamp // _MINUTE
        if event.bid is not None:
            self._minute = minute
            return [told for each in event.trendbar for told in self._grown(each, event.bid)]
        if event.ask is not None and minute is not None and minute == self._minute:
            return list(self._asked())
        return []

    def gap(self) -> None:
        """Events may be missing here."""
        self._stale.update(self._bars)
        self._minute = None

    def forget(self, period: Period) -> None:
        """Nobody follows these bars any more."""
        self._bars.pop(period, None)
        self._stale.discard(period)

    def _grown(self, trendbar: ProtoOATrendbar, bid: int) -> Iterator[BarEvent]:
        period = Period.__members__.get(trendbar.period_or_default.name)
        bar = self._read(trendbar, bid)
        if period is None or bar is None:
            return  # of a later schema, or no bar at all
        before = self._bars.get(period)
        if before is not None and bar.time < before.time:
            return  # a bar that is over does not come back
        if before is not None and bar.time > before.time:
            whole = period not in self._stale
            yield BarClosed(self.symbol_id, period, before, whole, bar.time)
        self._bars[period] = bar
        self._stale.discard(period)  # the server's numbers are of the whole bar
        yield BarUpdated(self.symbol_id, period, bar)

    def _read(self, trendbar: ProtoOATrendbar, bid: int) -> Bar | None:
        minute, low = trendbar.utc_timestamp_in_minutes, trendbar.low
        if minute is None or low is None:
            return None
        opened = low + (trendbar.delta_open or 0)
        return Bar(
            minute * _MINUTE,
            open=opened,
            high=max(low + (trendbar.delta_high or 0), opened, bid),
            low=min(low, bid),
            close=bid,
            volume=trendbar.volume,
            digits=self.digits,
        )

    def _asked(self) -> Iterator[BarUpdated]:
        """An event with the ask alone brings no bar, and yet counts in it (recorded): in the minute
        of the last bid. Later ones the next bid's bar has counted, or they count nowhere: a minute
        without a bid has no bar that longer ones could be made of.
        """
        for period, bar in self._bars.items():
            if period not in self._stale:
                self._bars[period] = grown = bar._replace(volume=bar.volume + 1)
                yield BarUpdated(self.symbol_id, period, grown)
