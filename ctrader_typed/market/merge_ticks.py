"""The ticks of two sides in one order of time. Pure; knows neither tables nor files."""

from __future__ import annotations

import sys
from array import array
from itertools import chain, repeat
from typing import Any, NamedTuple, TypeAlias

Side: TypeAlias = "tuple[array[int], array[int]]"
"""Times, in order, and prices."""

_NEVER = 1 << 63


class MergedTicks(NamedTuple):
    """A row for each change: its time, the last price of both sides (0 before the first), and what
    has changed: 1 the bid, 2 the ask, 3 both.
    """

    time: array[int]
    bid: array[int]
    ask: array[int]
    moved: bytes

    def rows_before(self, side: int) -> int:
        """So many rows come before the first change of a side."""
        firsts = [at for at in (self.moved.find(side), self.moved.find(3)) if at >= 0]
        return min(firsts, default=len(self.moved))


def merge_ticks(bids: Side, asks: Side) -> MergedTicks:
    """Both sides. Where both have changed in the same ms they share a row: the first of one with
    the first of the other, and so on.

    By numpy, where the program has it anyway: that is ten times as fast.
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not len(bids[0]) or not len(asks[0]):
        return _one_by_one(bids, asks)
    return _at_once(numpy, bids, asks)


def _one_by_one(bids: Side, asks: Side) -> MergedTicks:
    time, bid, ask, moved = array("q"), array("q"), array("q"), bytearray()
    coming_bids = chain(zip(*bids, strict=True), repeat((_NEVER, 0)))
    coming_asks = chain(zip(*asks, strict=True), repeat((_NEVER, 0)))
    bid_at, next_bid = next(coming_bids)
    ask_at, next_ask = next(coming_asks)
    last_bid = last_ask = 0
    while (now := min(bid_at, ask_at)) < _NEVER:
        changed = 0
        if bid_at == now:
            last_bid, changed = next_bid, 1
            bid_at, next_bid = next(coming_bids)
        if ask_at == now:
            last_ask, changed = next_ask, changed | 2
            ask_at, next_ask = next(coming_asks)
        time.append(now)
        bid.append(last_bid)
        ask.append(last_ask)
        moved.append(changed)
    return MergedTicks(time, bid, ask, bytes(moved))


def _at_once(numpy: Any, bids: Side, asks: Side) -> MergedTicks:
    sides = [[numpy.frombuffer(values, "int64") for values in side] for side in (bids, asks)]
    places = [numpy.arange(len(time)) - time.searchsorted(time) for time, _ in sides]
    width = 1 + max(int(place.max()) for place in places)
    if any(max(abs(int(time[0])), abs(int(time[-1]))) * width + width >> 63 for time, _ in sides):
        return _one_by_one(bids, asks)
    keys = [time * width + place for (time, _), place in zip(sides, places, strict=True)]
    rows = numpy.sort(numpy.concatenate(keys), kind="stable")  # quick where two orders are merged
    rows = rows[numpy.append(True, rows[1:] != rows[:-1])]
    moved = numpy.zeros(len(rows), "uint8")

    def last(bit: int, key: Any, prices: Any) -> array[int]:
        moved[rows.searchsorted(key)] |= bit
        newest = key.searchsorted(rows, "right") - 1
        return array("q", numpy.where(newest < 0, 0, prices[newest]).tobytes())

    bid, ask = (
        last(bit, key, prices) for bit, key, (_, prices) in zip((1, 2), keys, sides, strict=True)
    )
    return MergedTicks(array("q", (rows // width).tobytes()), bid, ask, moved.tobytes())
