"""How many requests a connection may send: two windows of a second, and blocked payload types.

A pure function of what came when; knows no message.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateRules:
    """The limits. `retry_after` is in whole seconds, as it travels.

    `older` refuses what is too much with REQUEST_FREQUENCY_EXCEEDED and blocks nothing; otherwise
    it is BLOCKED_PAYLOAD_TYPE, and that payload type stays blocked for `retry_after`.
    """

    ordinary: int = 50
    historical: int = 5
    retry_after: int = 1
    older: bool = False


class RateLimit:
    """One connection's requests. A historical request counts as an ordinary one too."""

    def __init__(self, rates: RateRules) -> None:
        self._rates = rates
        self._ordinary: deque[float] = deque()
        self._historical: deque[float] = deque()
        self._blocked: dict[int, float] = {}  # until when, by payload type

    def take(self, payload_type: int, historical: bool, now: float) -> int | None:
        """Count a request. None if it may pass; else the seconds to wait, 0 where none are told."""
        until = self._blocked.get(payload_type, 0.0)
        if now < until:
            return math.ceil(until - now)
        rates = self._rates
        full = _fill(self._ordinary, now) >= rates.ordinary
        if historical:
            full = _fill(self._historical, now) >= rates.historical or full
        if not full:
            self._ordinary.append(now)
            if historical:
                self._historical.append(now)
            return None
        if rates.older:
            return 0
        self._blocked[payload_type] = now + rates.retry_after
        return rates.retry_after


def _fill(window: deque[float], now: float) -> int:
    """How many are left in the second before now."""
    while window and window[0] <= now - 1.0:
        window.popleft()
    return len(window)
