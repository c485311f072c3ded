"""When to try again after a connection was lost, and what no further attempt can mend.

Pure: chance is an argument.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..error_codes import Category
from ..errors import CTraderError
from ..units import checks
from .errors import RateLimited, ServerError

_FOR_NOW = frozenset((Category.RATE_LIMIT, Category.UNAVAILABLE, Category.UNKNOWN, Category.BUSY))
_MOST_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How a lost connection is replaced.

    At most `attempts` failures in a row, None for any number, 0 for no attempt at all. Before each
    attempt a pause: any time up to `first` seconds, after each failure up to twice as long, up to
    `ceiling` seconds in the end. Chance chooses, so that a thousand clients of a server that comes
    back do not come back as one. A connection that is lost before it has stood for `ceiling`
    seconds is a failure, too, but no second one: a server that cuts each connection sees an attempt
    or two a second, and whoever is cut off now and then is back soon.
    """

    attempts: int | None = None
    first: float = 0.5
    ceiling: float = 30.0

    def __post_init__(self) -> None:
        if self.attempts is not None:
            checks.whole(self.attempts, "attempts", 0)
        checks.seconds(self.first, "first")
        if checks.seconds(self.ceiling, "ceiling") < self.first:
            checks.refuse(self.ceiling, "ceiling", f"seconds, no less than first = {self.first}")

    def pause(self, failures: int, chance: float) -> float:
        """Seconds before the next attempt, after this many failures; `chance` is from 0 to 1."""
        longest: float = self.first * 2.0 ** min(failures, _MOST_DOUBLINGS)
        return chance * min(longest, self.ceiling)

    def allows(self, failures: int) -> bool:
        """Whether another attempt may be made after this many failures in a row."""
        return self.attempts is None or failures < self.attempts


class BackoffState:
    """How often in a row something failed, or was lost soon after it was there: so long is the next
    pause.

    A row of failures ends with the first success; one of losses when what was brought back has
    stood for `ceiling` seconds, and it counts as `quick` at most. Times are seconds of any clock
    that does not run backwards.
    """

    def __init__(self, reconnect: Reconnect, quick: int | None = None) -> None:
        self._reconnect = reconnect
        self._quick = quick
        self._calm_at = -math.inf
        self._failed = 0
        self._lost = 0

    @property
    def failures(self) -> int:
        """The length of the row."""
        lost = self._lost if self._quick is None else min(self._lost, self._quick)
        return max(self._failed, lost)

    def failed(self) -> None:
        """One more attempt came to nothing."""
        self._failed += 1

    def stands(self, now: float) -> None:
        """It is back, which it has yet to prove."""
        self._failed = 0
        self._calm_at = now + self._reconnect.ceiling

    def lost(self, now: float) -> None:
        """It is gone: too soon, or for the first time in a while."""
        self._lost = 0 if now >= self._calm_at else self._lost + 1

    def pause(self, chance: float) -> float:
        """Seconds before the next attempt; `chance` is from 0 to 1."""
        return self._reconnect.pause(self.failures, chance)


NO_RECONNECT = Reconnect(attempts=0)
"""When the connection ends, or the server ends all sessions on it and no stream is open for the
event that says so, requests and streams end, too; nothing is restored."""


def may_pass(error: CTraderError) -> bool:
    """Whether what the server refuses now it may take later, although nobody changes anything."""
    if isinstance(error, RateLimited):
        return True
    return isinstance(error, ServerError) and error.advice.category in _FOR_NOW
