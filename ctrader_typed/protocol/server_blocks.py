"""Blocks after a refusal for too many requests: of what, until when, longer each time.

Times are seconds of any clock that does not run backwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")

FIRST_GUESS = 1.0
"""Seconds to wait after a first refusal that does not say how long."""

LONGEST_GUESS = 120.0
"""Seconds that a guess never exceeds; each one is twice the one before."""


@dataclass(frozen=True, slots=True)
class _Block:
    until: float
    guess: float  # what the next refusal in a row costs at least


class ServerBlocks(Generic[K]):
    """What is blocked, by any key."""

    def __init__(self) -> None:
        self._blocks: dict[K, _Block] = {}

    def none(self) -> bool:
        """Whether nothing is blocked, nor was lately."""
        return not self._blocks

    def until(self, key: K) -> float:
        """When its block is (or was) over; minus infinity if it was never blocked."""
        block = self._blocks.get(key)
        return float("-inf") if block is None else block.until

    def active(self, now: float) -> Mapping[K, float]:
        """All that is blocked now, and until when."""
        return {key: block.until for key, block in self._blocks.items() if block.until > now}

    def refused(self, key: K, sent_at: float, now: float, hint: float | None) -> None:
        """A request that was sent at `sent_at` was refused; `hint` is what the server says.

        The server's word is enough the first time. Refused again right after that, we wait longer
        each time whatever it says: it has a longer quota too, for which the hint is too short.
        """
        block = self._blocks.get(key)
        if block is not None and sent_at < block.until:
            # Sent before we knew: nothing new, unless the server names a later time.
            if hint is not None and now + hint > block.until:
                self._blocks[key] = _Block(now + hint, block.guess)
            return
        if block is None:
            wait, guess = FIRST_GUESS if hint is None else hint, FIRST_GUESS
        else:
            guess = block.guess
            wait = guess if hint is None else max(hint, guess)
        self._blocks[key] = _Block(now + max(wait, 0.0), min(2 * guess, LONGEST_GUESS))

    def block(self, key: K, until: float) -> None:
        """Block it until then, or longer if it is so already."""
        block = self._blocks.get(key)
        if block is None or until > block.until:
            self._blocks[key] = _Block(until, FIRST_GUESS)

    def passed(self, key: K, sent_at: float) -> None:
        """A request that was sent at `sent_at` was answered: the next refusal is a first one."""
        block = self._blocks.get(key)
        if block is not None and sent_at >= block.until:
            del self._blocks[key]
