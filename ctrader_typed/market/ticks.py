"""Ticks as columns: those of one side, and those of both. Pure; knows not where they come from."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice, repeat, starmap
from typing import Any, Literal, NamedTuple, Self

from ..errors import InvalidValue
from ..message.columns import Columns
from ..units import PRICE_DIGITS, checks, price, utc
from .columns import Column, summed_up
from .merge_ticks import merge_ticks
from .table import Row, Table
from .tables import shown_price, shown_time

Side = Literal["bid", "ask"]


class Tick(NamedTuple):
    """A price of one side: `time` in ms since the Unix epoch, `price` in 1/100000."""

    time: int
    price: int
    digits: int = PRICE_DIGITS
    """With how many decimals the price is shown."""

    @property
    def at(self) -> datetime:
        """When, in UTC."""
        return utc(self.time)

    @property
    def decimal(self) -> Decimal:
        """The price as an exact decimal."""
        return price(self.price, self.digits)


class QuoteTick(NamedTuple):
    """Bid and ask after one of them, or both, has changed; None for one that is not known yet.

    `time` is in ms since the Unix epoch, the prices are in 1/100000.
    """

    time: int
    bid: int | None
    ask: int | None
    digits: int = PRICE_DIGITS
    """With how many decimals the prices are shown."""

    @property
    def at(self) -> datetime:
        """When, in UTC."""
        return utc(self.time)

    @property
    def bid_price(self) -> Decimal | None:
        """What one sells at."""
        return None if self.bid is None else price(self.bid, self.digits)

    @property
    def ask_price(self) -> Decimal | None:
        """What one buys at."""
        return None if self.ask is None else price(self.ask, self.digits)

    @property
    def spread(self) -> Decimal | None:
        """Ask less bid, in price units."""
        if self.bid is None or self.ask is None:
            return None
        return price(self.ask - self.bid, self.digits)


def _no_numbers() -> array[int]:
    return array("q")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ticks(Table[Tick]):
    """The ticks of one side of a symbol, oldest first; those of one ms in the server's order.

    Tables that are joined may overlap. Of a ms that two have, all ticks are taken once: where the
    one has what the other has and more, as it has them; where each has its own (they were cut in
    the middle of the ms), those of the table that begins earlier come first.

    `time` is in ms since the Unix epoch, `price` in 1/100000, whatever the symbol's digits: both
    `array('q')` of the same length. Without columns it is empty. Raises InvalidValue for columns
    that do not fit together; their order is not checked.
    """

    symbol_id: int
    digits: int
    """With how many decimals the prices are shown."""
    side: Side
    time: array[int] = field(default_factory=_no_numbers)
    price: array[int] = field(default_factory=_no_numbers)

    def __post_init__(self) -> None:
        checks.choice(self.side, "side", ("bid", "ask"))
        self._check()

    @classmethod
    def from_wire(
        cls, answer: Columns[Any], symbol_id: int, side: Side, digits: int = PRICE_DIGITS
    ) -> Self:
        """The ticks of `client.columns(ProtoOAGetTickDataReq(…))`.

        There, newest first, and from the second on both time and price as differences to the one
        before. Raises DecodeError for sums that do not fit in 64 bits.
        """
        time = summed_up(answer["timestamp"], "time")
        return cls(symbol_id, digits, side, time, summed_up(answer["tick"], "price"))

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, the time first."""
        return Column("time", "time", self.time), Column("price", "price", self.price)

    @property
    def kin(self) -> tuple[int, Side, int]:
        """Symbol, side and digits."""
        return self.symbol_id, self.side, self.digits

    def __iter__(self) -> Iterator[Tick]:
        return map(Tick, self.time, self.price, repeat(self.digits))

    def _row(self, at: int) -> Tick:
        return Tick(self.time[at], self.price[at], self.digits)

    def _like(self, columns: Sequence[array[int]]) -> Self:
        return type(self)(self.symbol_id, self.digits, self.side, *columns)

    def _of_one_ms(self, mine: Sequence[Row], others: Sequence[Row]) -> Sequence[Row]:
        for part, whole in ((mine, others), (others, mine)):
            if any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1)):
                return whole
        return min(_chained(mine, others), _chained(others, mine), key=len)

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"Ticks: {len(self):,} of symbol {self.symbol_id}, {self.side}, UTC"

    @property
    def _head(self) -> Sequence[str]:
        return "time", self.side

    def _cells(self, at: int) -> Sequence[str]:
        return shown_time(self.time[at]), shown_price(self.price[at], self.digits)


def _chained(before: Sequence[Row], after: Sequence[Row]) -> Sequence[Row]:
    """The one and the other; what ends the one and begins the other comes once."""
    most = min(len(before), len(after))
    common = next(n for n in range(most, -1, -1) if before[len(before) - n :] == after[:n])
    return [*before, *after[common:]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class QuoteTicks(Table[QuoteTick]):
    """Bid and ask of a symbol, a row for each change of either, oldest first.

    A row has the last known of both sides. Before the first of a side there is none: the first
    `no_bid` (`no_ask`) rows have a 0 in the column, None in the rows, and null in frames. `time` is
    in ms since the Unix epoch, `bid` and `ask` are in 1/100000: `array('q')` of the same length.

    Tables that are joined must not overlap (InvalidValue): join the ticks of each side instead. A
    side goes on from one to the next.
    """

    symbol_id: int
    digits: int
    """With how many decimals the prices are shown."""
    time: array[int] = field(default_factory=_no_numbers)
    bid: array[int] = field(default_factory=_no_numbers)
    ask: array[int] = field(default_factory=_no_numbers)
    no_bid: int = 0
    no_ask: int = 0

    def __post_init__(self) -> None:
        self._check()

    @classmethod
    def of(cls, bids: Ticks, asks: Ticks) -> Self:
        """Both sides of a symbol in one table.

        Where both have changed in the same ms they share a row: the first of one with the first of
        the other, and so on. Raises InvalidValue for two of a side or of different symbols.
        """
        checks.instance(bids, "bids", Ticks, "Ticks")
        checks.instance(asks, "asks", Ticks, "Ticks")
        if (bids.side, asks.side) != ("bid", "ask") or bids.symbol_id != asks.symbol_id:
            raise InvalidValue(f"bids and asks of one symbol expected: {bids.title}; {asks.title}")
        rows = merge_ticks((bids.time, bids.price), (asks.time, asks.price))
        digits = max(bids.digits, asks.digits)
        missing = rows.rows_before(1), rows.rows_before(2)
        return cls(bids.symbol_id, digits, rows.time, rows.bid, rows.ask, *missing)

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, the time first."""
        return (
            Column("time", "time", self.time),
            Column("bid", "price", self.bid, self.no_bid),
            Column("ask", "price", self.ask, self.no_ask),
        )

    @property
    def kin(self) -> tuple[int, int]:
        """Symbol and digits."""
        return self.symbol_id, self.digits

    def _appended(self, tables: Sequence[Any]) -> Self:
        time, bid, ask = _no_numbers(), _no_numbers(), _no_numbers()
        no_bid = no_ask = 0
        for each in tables:
            time.extend(each.time)
            no_bid += _carry_on(bid, no_bid, each.bid, each.no_bid)
            no_ask += _carry_on(ask, no_ask, each.ask, each.no_ask)
        return type(self)(*self.kin, time, bid, ask, no_bid, no_ask)

    def _overlaid(self, other: Any) -> Self:
        if self.time[-1] > other.time[0]:
            raise InvalidValue("quote ticks that overlap cannot be joined: join each side's ticks")
        return self._appended([self, other])  # they share a ms at the most

    def __iter__(self) -> Iterator[QuoteTick]:
        unknown = max(self.no_bid, self.no_ask)
        known = islice(zip(*self.arrays, repeat(self.digits), strict=False), unknown, None)
        return chain(map(self._row, range(unknown)), starmap(QuoteTick, known))

    def _like(self, columns: Sequence[array[int]]) -> Self:
        time, bid, ask = columns
        return type(self)(*self.kin, time, bid, ask, self.no_bid, self.no_ask)

    def _row(self, at: int) -> QuoteTick:
        bid = None if at < self.no_bid else self.bid[at]
        ask = None if at < self.no_ask else self.ask[at]
        return QuoteTick(self.time[at], bid, ask, self.digits)

    def _sliced(self, rows: slice) -> Self:
        taken = range(len(self))[rows]
        no_bid, no_ask = (
            len(range(taken.start, min(taken.stop, n), taken.step))
            for n in (self.no_bid, self.no_ask)
        )
        time, bid, ask = (values[rows] for values in self.arrays)
        return type(self)(*self.kin, time, bid, ask, no_bid, no_ask)

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"QuoteTicks: {len(self):,} of symbol {self.symbol_id}, UTC"

    @property
    def _head(self) -> Sequence[str]:
        return "time", "bid", "ask"

    def _cells(self, at: int) -> Sequence[str]:
        row = self._row(at)
        prices = ("" if each is None else shown_price(each, self.digits) for each in row[1:3])
        return shown_time(row.time), *prices


def _carry_on(values: array[int], unknown: int, more: array[int], missing: int) -> int:
    """Append a part of a side; returns how many more rows at the beginning have no value."""
    if missing and len(values) > unknown:
        values.extend(values[-1:] * missing)
        values.extend(more[missing:])
        return 0
    values.extend(more)
    return missing
