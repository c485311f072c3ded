"""A broker's state at one moment, to go back to. Knows nothing of what is in it.

Everything that changes is plain data, so a copy of it is a snapshot; sources of prices, which never
change, are shared.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from .core import Outgoing
from .desk import Books
from .reference import MarketData


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `Broker.snapshot` returned. It can be restored any number of times."""

    books: Books
    market_data: MarketData
    out: tuple[Outgoing, ...]

    @classmethod
    def of(cls, books: Books, market_data: MarketData, out: Sequence[Outgoing]) -> Snapshot:
        """A copy of this state, in which what was one object is still one."""
        books, market_data = copy.deepcopy((books, market_data))
        return cls(books, market_data, tuple(out))

    def copied(self) -> tuple[Books, MarketData, list[Outgoing]]:
        """The state, for a broker to go on with."""
        books, market_data = copy.deepcopy((self.books, self.market_data))
        return books, market_data, list(self.out)
