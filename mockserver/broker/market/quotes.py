"""The market as it stands: the prices of now, moved along a path of prices as time passes. Knows
no connection.

A price that is set by hand shifts the path: what follows goes on from there, and history shows it.
Times are ms since the Unix epoch (UTC), prices integers in 1/100000.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .instruments import Instruments
from .periods import MINUTE
from .price_overrides import OverriddenPrices, PriceOverride
from .prices import NO_QUOTE, PriceSource, Quote, Tick


@dataclass(slots=True)
class _Cursor:
    """Where a symbol stands on its path: all plain data, so that a market can be copied."""

    raw: Quote = NO_QUOTE  # as the source has it
    shown: Quote = NO_QUOTE  # as the world sees it
    coming: Sequence[Tick] = ()
    at: int = 0
    next_at: int | None = None  # when the next tick comes; None if there is none any more
    patch: PriceOverride | None = None  # while the path is written down tick by tick


class Market:
    """Current prices of every symbol of a catalogue.

    `advance` moves them to a time and says what changed on the way. Never goes back in time.

    It follows the symbols that it is told to, and all of them until it is told: so the others cost
    nothing, however much time passes. Their prices are looked up when somebody asks.
    """

    def __init__(
        self,
        catalogue: Instruments,
        source: PriceSource,
        start_ms: int,
        followed: Collection[int] | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.path = OverriddenPrices(source)
        self.now_ms = start_ms
        self._source = source
        symbol_ids = sorted(s.symbol_id for s in catalogue.symbols)
        # Behind at first, as those are that nobody follows.
        self._cursors = {symbol_id: _Cursor(next_at=start_ms) for symbol_id in symbol_ids}
        self._followed = frozenset(symbol_ids if followed is None else followed)
        self._coming: list[tuple[int, int]] = []  # a heap of (time of the next tick, symbol id)
        self._queue()

    def quote(self, symbol_id: int) -> Quote:
        """Bid and ask; a side is None before its first tick. KeyError for a symbol that is not
        traded.
        """
        return self._current(symbol_id).shown

    def bid(self, symbol_id: int) -> int | None:
        """The bid, None before the first tick; KeyError for a symbol that is not traded."""
        return self._current(symbol_id).shown.bid

    def ask(self, symbol_id: int) -> int | None:
        """The ask, None before the first tick; KeyError for a symbol that is not traded."""
        return self._current(symbol_id).shown.ask

    def closed(self, symbol_id: int) -> bool:
        """Whether the symbol's hours and holidays forbid trading now."""
        return not self.catalogue.is_open(symbol_id, self.now_ms)

    def follow(self, symbol_ids: Collection[int]) -> None:
        """Let `advance` tell of these symbols alone.

        One whose price was set by hand is followed besides, until its path has gone on from there.
        """
        followed = frozenset(symbol_ids)
        if followed != self._followed:
            self._followed = followed
            self._queue()

    def next_tick_at(self) -> int | None:
        """When the next price of those that are followed changes by itself; None for never."""
        return self._coming[0][0] if self._coming else None

    def advance(self, now_ms: int) -> list[Tick]:
        """Let time pass until `now_ms`, that ms included, and return the ticks on the way.

        In order of time; ticks of the same ms in order of symbol id, those of one symbol as its
        path has them.
        """
        ticks: list[Tick] = []
        while self._coming and self._coming[0][0] <= now_ms:
            symbol_id = self._coming[0][1]
            cursor = self._cursors[symbol_id]
            ticks.append(self._take(symbol_id, cursor))
            following = cursor.next_at
            if following is None or not self._follows(symbol_id, cursor):
                heapq.heappop(self._coming)
            else:
                heapq.heapreplace(self._coming, (following, symbol_id))
        self.now_ms = max(self.now_ms, now_ms)
        return ticks

    def skip(self, now_ms: int) -> None:
        """Let time pass as `advance` does, but unseen: a year costs no more than an hour."""
        if now_ms > self.now_ms:
            self.now_ms = now_ms
            self._queue()

    def set_price(self, symbol_id: int, bid: int, ask: int | None = None) -> Tick:
        """Put a tick into the path, now; without an ask the spread stays as it is.

        Both are in 1/100000. Whatever the path does later it does from here: all its later prices
        are shifted by the same amount. ValueError for a price that is no multiple of the symbol's
        tick size, or an ask below the bid.
        """
        cursor = self._current(symbol_id)
        ask = bid + cursor.shown.spread if ask is None else ask
        self._check(symbol_id, bid, ask)
        patch = cursor.patch = self.path.patch(symbol_id, self.now_ms)
        if cursor.raw.bid is not None:
            patch.shift = bid - cursor.raw.bid
        patch.end = None
        tick = Tick(symbol_id, self.now_ms, bid, ask)
        patch.ticks.append(tick)
        cursor.shown = Quote(bid, ask)
        if symbol_id not in self._followed:
            self._queue()
        return tick

    def _check(self, symbol_id: int, bid: int, ask: int) -> None:
        step = self.catalogue.tick_size(symbol_id)
        name = self.catalogue.light(symbol_id).symbol_name
        if bid % step or ask % step or bid <= 0:
            raise ValueError(
                f"{name}: expected positive multiples of {step}, got bid {bid}, ask {ask}"
            )
        if ask < bid:
            raise ValueError(f"{name}: expected an ask that is not below the bid {bid}, got {ask}")

    def _follows(self, symbol_id: int, cursor: _Cursor) -> bool:
        """Prices set by hand are history only once the path has gone on from them."""
        return symbol_id in self._followed or cursor.patch is not None

    def _queue(self) -> None:
        """Line up the next ticks of the symbols that are followed."""
        self._coming = []
        for symbol_id, cursor in self._cursors.items():
            if self._follows(symbol_id, cursor):
                at = self._current(symbol_id).next_at
                if at is not None:
                    self._coming.append((at, symbol_id))
        heapq.heapify(self._coming)

    def _current(self, symbol_id: int) -> _Cursor:
        """Where a symbol stands now. If it has fallen behind, that is looked up."""
        cursor, now = self._cursors[symbol_id], self.now_ms
        while cursor.next_at is not None and cursor.next_at <= now:
            if cursor.patch is not None:
                self._take(symbol_id, cursor)
            else:
                cursor.raw = self._source.quote(symbol_id, now + 1)
                cursor.shown = cursor.raw.shifted(self.path.shift(symbol_id))
                self._ready(symbol_id, cursor, now + 1)
        return cursor

    def _ready(self, symbol_id: int, cursor: _Cursor, when: int) -> None:
        """Have the ticks of the next minute with any at hand, from `when` on."""
        first = cursor.next_at = self._source.next_at(symbol_id, when)
        cursor.at = 0
        cursor.coming = (
            ()
            if first is None
            else self._source.ticks(symbol_id, first, first // MINUTE * MINUTE + MINUTE)
        )

    def _take(self, symbol_id: int, cursor: _Cursor) -> Tick:
        """Let the next tick of a symbol happen."""
        raw = cursor.coming[cursor.at]
        cursor.at += 1
        if cursor.at == len(cursor.coming):
            self._ready(symbol_id, cursor, raw.time_ms // MINUTE * MINUTE + MINUTE)
        else:
            cursor.next_at = cursor.coming[cursor.at].time_ms
        return self._show(cursor, raw)

    def _show(self, cursor: _Cursor, tick: Tick) -> Tick:
        """The source's next tick as the world sees it: shifted, and complete after a price set by
        hand.
        """
        raw = cursor.raw = cursor.raw.after(tick)
        shift = self.path.shift(tick.symbol_id)
        if shift or cursor.patch is not None:
            tick = tick._replace(
                bid=_moved(raw.bid, shift, tick.bid is not None, cursor.shown.bid),
                ask=_moved(raw.ask, shift, tick.ask is not None, cursor.shown.ask),
            )
        cursor.shown = cursor.shown.after(tick)
        patch = cursor.patch
        if patch is not None:
            minute_end = tick.time_ms // MINUTE * MINUTE + MINUTE
            patch.end = minute_end if patch.end is None else patch.end
            if tick.time_ms < patch.end:
                patch.ticks.append(tick)
            else:
                cursor.patch = None
        return tick


def _moved(raw: int | None, shift: int, given: bool, shown: int | None) -> int | None:
    """A side of a shifted tick: absent if the source did not give it and it does not differ from
    what is shown.
    """
    if raw is None:
        return None
    moved = raw + shift
    return moved if given or moved != shown else None
