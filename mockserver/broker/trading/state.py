"""What all trading works on: the accounts, the agenda, the time, and what is to be sent.

`LedgerState` is all state of the trading side, plain data from top to bottom, so a snapshot is a
copy of it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ctrader_typed.message import Message
from ctrader_typed.proto import ProtoOASymbol

from ..interface import Outgoing
from ..market.market_requests import MarketRequests
from ..rules import Liquidity, TradingRules
from .account import Account
from .scheduler import Scheduler
from .venue import Venue


@dataclass(slots=True)
class IdCounters:
    """The next ids. Each kind counts for the whole server, as ids are unique at a broker."""

    position: int = 5_000_001
    order: int = 6_000_001
    deal: int = 7_000_001
    operation: int = 8_000_001

    def next_position(self) -> int:
        """A fresh positionId."""
        self.position += 1
        return self.position - 1

    def next_order(self) -> int:
        """A fresh orderId."""
        self.order += 1
        return self.order - 1

    def next_deal(self) -> int:
        """A fresh dealId."""
        self.deal += 1
        return self.deal - 1

    def next_operation(self) -> int:
        """A fresh balanceHistoryId or bonusHistoryId."""
        self.operation += 1
        return self.operation - 1


class RefusalCarrier(Enum):
    """How a request is refused."""

    ORDER_ERROR = "ProtoOAOrderErrorEvent"
    ERROR = "ProtoOAErrorRes"
    REJECTED = "ORDER_ACCEPTED, then ORDER_REJECTED"


@dataclass(frozen=True, slots=True)
class PlannedRefusal:
    """A request that a test wants refused: the next one of this class, in this manner."""

    request: type[Message]
    error_code: str
    description: str | None
    manner: RefusalCarrier


@dataclass(slots=True)
class LedgerState:
    """Everything that trading has changed so far. `now` is in ms since the Unix epoch.

    `pnl_streams` are the connections that listen to an account's profit, with what each heard last.
    """

    now: int
    accounts: dict[int, Account] = field(default_factory=dict[int, Account])
    numbers: IdCounters = field(default_factory=IdCounters)
    scheduler: Scheduler = field(default_factory=Scheduler)
    liquidity: dict[int, Liquidity] = field(default_factory=dict[int, Liquidity])
    rejections: list[PlannedRefusal] = field(default_factory=list[PlannedRefusal])
    pnl_streams: dict[tuple[int, int], tuple[int, int] | None] = field(
        default_factory=dict[tuple[int, int], tuple[int, int] | None]
    )


@dataclass(slots=True)
class TradingState:
    """The books with the world around them. `out` collects what has to be sent, in order."""

    venue: Venue
    rules: TradingRules
    books: LedgerState
    out: list[Outgoing] = field(default_factory=list[Outgoing])

    @property
    def now(self) -> int:
        """The time in ms since the Unix epoch."""
        return self.books.now

    @property
    def accounts(self) -> Mapping[int, Account]:
        """The accounts by id."""
        return self.books.accounts

    def symbol(self, symbol_id: int) -> ProtoOASymbol:
        """The specification of a symbol; KeyError if it is not traded."""
        return self.venue.symbol(symbol_id)

    def liquidity(self, symbol_id: int) -> Liquidity:
        """What a symbol's market takes from an order."""
        return self.books.liquidity.get(symbol_id, self.rules.liquidity)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `Broker.snapshot` returned. It can be restored any number of times."""

    books: LedgerState
    market_data: MarketRequests
    out: tuple[Outgoing, ...]

    @classmethod
    def of(
        cls, books: LedgerState, market_data: MarketRequests, out: Sequence[Outgoing]
    ) -> Snapshot:
        """A copy of this state, in which what was one object is still one."""
        books, market_data = copy.deepcopy((books, market_data))
        return cls(books, market_data, tuple(out))

    def copied(self) -> tuple[LedgerState, MarketRequests, list[Outgoing]]:
        """The state, for a broker to go on with."""
        books, market_data = copy.deepcopy((self.books, self.market_data))
        return books, market_data, list(self.out)
