"""Noise that is a function of its place: the slow drift of an asset's worth.

Only sums, products and quotients of doubles are used, which are the same on every machine.
"""

from __future__ import annotations

from hashlib import blake2b
from math import sqrt
from typing import NamedTuple

_OCTAVES = 15  # the slowest turns every 2^14 hours, about two years
# A random walk's deviation after 2^octave hours. IEEE 754 prescribes the square root to the bit.
_ROOTS = [sqrt(1 << octave) for octave in range(_OCTAVES)]
_BYTES_MEAN, _BYTES_DEVIATION = 1020.0, 209.02  # of the sum of eight bytes
_CACHED = 20_000


class WalkParameters(NamedTuple):
    """How an asset behaves: what it is worth in US dollars, and two rates in millionths of that."""

    worth: float
    volatility: int
    """Typical change in an hour."""
    spread: int
    """Its part of a typical spread."""


WALK_PARAMETERS = {
    "USD": WalkParameters(1.0, 0, 5),
    "EUR": WalkParameters(1.148, 600, 5),
    "GBP": WalkParameters(1.337, 700, 7),
    "JPY": WalkParameters(1 / 148.2, 800, 9),
    "AUD": WalkParameters(0.661, 900, 10),
    "CHF": WalkParameters(1.257, 600, 9),
    "XAU": WalkParameters(3_684.0, 1_500, 30),
    "BTC": WalkParameters(85_290.0, 4_000, 50),
    "US100.cash": WalkParameters(24_500.0, 2_000, 35),
    "US500.cash": WalkParameters(6_610.0, 1_600, 45),
    "GER40.cash": WalkParameters(29_027.0, 1_500, 40),
}
"""Rounded from the recorded quotes where there are any."""

UNKNOWN = WalkParameters(1.0, 1_000, 20)
"""An asset of which nothing is known is worth a dollar."""


class RandomWalk:
    """An asset's worth in US dollars at every full hour since the epoch.

    A sum of octaves of value noise: it wanders like a market, stays within some tens of per cent
    of its nature's worth for ever, and any hour can be computed without those before it.
    """

    def __init__(self, key: str, nature: WalkParameters) -> None:
        self.nature = nature
        self._key = key
        # Neighbouring hours then differ by the volatility, all octaves together.
        self._amplitude = nature.volatility / 2_000_000
        # The piece that each octave was last asked for: neighbouring hours mostly share it.
        self._segments = [(-1, 0.0, 0.0)] * _OCTAVES
        self._worths: dict[int, float] = {}

    def worth(self, hour: int) -> float:
        """In US dollars, at the beginning of an hour."""
        worth = self._worths.get(hour)
        if worth is None:
            if len(self._worths) > _CACHED:
                self._worths.clear()
            worth = self._worths[hour] = self.nature.worth * self._factor(hour)
        return worth

    def _factor(self, hour: int) -> float:
        if not self._amplitude:
            return 1.0
        change = 0.0
        for octave, root in enumerate(_ROOTS):
            at, here, slope = self._segments[octave]
            if at != hour >> octave:
                at, here, slope = self._segments[octave] = self._segment(octave, hour >> octave)
            change += root * (here + slope * (hour - (at << octave)))
        change *= self._amplitude
        # Positive for every change, and up by as much as down.
        return 1.0 + change if change >= 0 else 1.0 / (1.0 - change)

    def _segment(self, octave: int, at: int) -> tuple[int, float, float]:
        """A straight piece of an octave: its number, its value at first, its change an hour."""
        here, there = self._node(octave, at), self._node(octave, at + 1)
        return at, here, (there - here) / (1 << octave)

    def _node(self, octave: int, at: int) -> float:
        digest = blake2b(f"{self._key}/{octave}/{at}".encode(), digest_size=8).digest()
        return (sum(digest) - _BYTES_MEAN) / _BYTES_DEVIATION
