"""How a bar falls apart: an hour into minutes, a minute into ticks, exactly.

Prices here are whole points, the smallest steps of a symbol. The noise comes as bytes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from .periods import MINUTE

LEAST_VOLUME = 8
"""A minute needs so many changes to visit its open, high, low and close."""
MINUTE_NOISE = 7
"""Bytes that a minute of an hour needs."""


class Part(NamedTuple):
    """A stretch of the path, in points; its bid goes from `open` to `close`, the ask is higher by
    `spread`.
    """

    open: int
    high: int
    low: int
    close: int
    volume: int
    spread: int

    @property
    def last_ask(self) -> int:
        """The ask that a minute leaves: an odd volume ends with a change of the ask alone."""
        return self.close + self.spread + (self.volume & 1)


def minute_noise(count: int) -> int:
    """How many bytes `minutes` needs for so many minutes."""
    return MINUTE_NOISE * count


def tick_noise(minute: Part) -> int:
    """How many bytes `quotes` and `times` need for a minute."""
    return 3 * minute.volume + 4


def minutes(hour: Part, count: int, noise: bytes) -> list[Part]:
    """The hour as `count` minutes: they begin at its open, end at its close, reach its high and
    low, share its volume.

    The hour's volume must be a multiple of `count`, and its minutes' part at least LEAST_VOLUME.
    """
    first, top, bottom, _, _, _ = hour
    closes = _closes(hour, count, noise)
    reach = max(2, (top - bottom) // 10)
    parts: list[Part] = []
    opened = first
    for at in range(count):
        up, down, flags = noise[MINUTE_NOISE * at + 2 : MINUTE_NOISE * at + 5]
        close = closes[at]
        if at:
            # The first quote of a minute is one point away from the last of the minute before.
            step = 1 if flags & 1 else -1
            before = closes[at - 1]
            opened = before + step if bottom <= before + step <= top else before - step
            opened = min(max(opened, bottom), top)
        high = min(top, max(opened, close) + (up * reach >> 8))
        low = max(bottom, min(opened, close) - (down * reach >> 8))
        spread = hour.spread + (flags >> 1) % (hour.spread // 2 + 1)
        parts.append(Part(opened, high, low, close, 0, spread))
    highest = max(range(count), key=lambda at: parts[at].high)
    parts[highest] = parts[highest]._replace(high=top)
    lowest = min(range(count), key=lambda at: parts[at].low)
    parts[lowest] = parts[lowest]._replace(low=bottom)
    return [
        part._replace(volume=volume)
        for part, volume in zip(parts, _volumes(hour.volume, count, noise), strict=True)
    ]


def _closes(hour: Part, count: int, noise: bytes) -> list[int]:
    """A random walk from the hour's open to its close, drawn to fit between its low and high."""
    first, top, bottom, last, _, _ = hour
    walk, steps = 0, [0]
    for at in range(count):
        walk += noise[MINUTE_NOISE * at] + noise[MINUTE_NOISE * at + 1] - 255
        steps.append(walk)
    # A walk of 60 such steps strays by about 800.
    size = (top - bottom) / 1_600
    path = [
        first + (last - first) * at / count + (steps[at] - walk * at / count) * size
        for at in range(1, count)
    ]
    upper, lower = max(first, last), min(first, last)
    above = max(1.0, max(path, default=upper) - upper)
    below = max(1.0, lower - min(path, default=lower))
    up, down = min(1.0, (top - upper) / above), min(1.0, (lower - bottom) / below)
    closes = [
        int(upper + (at - upper) * up)
        if at > upper
        else int(lower - (lower - at) * down)
        if at < lower
        else int(at)
        for at in path
    ]
    return [min(max(at, bottom), top) for at in closes] + [last]


def _volumes(volume: int, count: int, noise: bytes) -> list[int]:
    """The volume in so many parts: neighbours get as much more and less than their share."""
    share = volume // count
    volumes = [share] * count
    for at in range(0, count - 1, 2):
        more = noise[MINUTE_NOISE * at + 5] * (share - LEAST_VOLUME + 1) >> 8
        volumes[at] += more
        volumes[at + 1] -= more
    return volumes


def quotes(minute: Part, noise: bytes) -> list[tuple[int | None, int | None]]:
    """The minute as changes of (bid, ask): as many sides change as its volume says, and every bid
    is another one.

    The first names both sides, as recorded servers do. Most move both together; pairs of changes
    of one side alone go there and back.
    """
    _, high, low, close, volume, spread = minute
    stops = _stops(minute, noise[0])
    distance = sum(abs(b - a) for a, b in pairwise(stops))
    legs = len(stops) - 1
    most = min(distance, (volume - 2) // 2)
    moves = legs + ((most - legs) * noise[1] >> 8)
    bids = _visits(stops, moves, distance)
    pairs, odd = divmod(volume - 2 - 2 * moves, 2)
    inserted: list[list[int]] = [[] for _ in bids]
    for at in range(pairs):
        inserted[noise[4 + at] * len(bids) >> 8].append(noise[4 + at])
    changes: list[tuple[int | None, int | None]] = []
    for bid, kinds in zip(bids, inserted, strict=True):
        ask = bid + spread
        changes.append((bid, ask))
        for kind in kinds:
            if kind & 1 and bid > low:
                changes += [(bid - 1, None), (bid, None)]
            elif kind & 2 and bid < high and spread > 1:
                changes += [(bid + 1, None), (bid, None)]
            else:
                changes += [(None, ask + 1), (None, ask)]
    if odd:
        changes.append((None, close + spread + 1))
    return changes


def _stops(minute: Part, noise: int) -> list[int]:
    """Open, high and low in either order, close; each only where it is somewhere else than the one
    before.
    """
    opened, high, low, close, _, _ = minute
    stops = [opened]
    for stop in (high, low, close) if noise & 1 else (low, high, close):
        if stop != stops[-1]:
            stops.append(stop)
    return stops


def _visits(stops: list[int], moves: int, distance: int) -> list[int]:
    """From stop to stop in so many moves: at least one a leg, at most one a point."""
    spare, room = moves - (len(stops) - 1), max(1, distance - (len(stops) - 1))
    visits = [stops[0]]
    passed = given = 0
    for start, stop in pairwise(stops):
        passed += abs(stop - start) - 1
        now = spare * passed // room
        count = 1 + now - given
        given = now
        # Whole steps of at least one point, as there are no more moves than points.
        visits += (
            start + (stop - start) * move // count
            if stop > start
            else start - (start - stop) * move // count
            for move in range(1, count + 1)
        )
    return visits


def times(count: int, noise: bytes) -> list[int]:
    """So many moments of a minute in order, in ms; now and then two are the same."""
    return sorted((noise[at] << 8 | noise[at + 1]) * MINUTE >> 16 for at in range(0, 2 * count, 2))
