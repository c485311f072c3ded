"""Trend bars as columns. Pure; knows not where they come from."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain, compress, repeat
from operator import ne
from typing import Any, ClassVar, NamedTuple, Self

from ..message.columns import Columns
from ..units import PRICE_DIGITS, price, utc
from .columns import Column, added, highest, times
from .periods import Period
from .table import Table
from .tables import shown_price, shown_time

_MINUTE = 60_000


class Bar(NamedTuple):
    """A trend bar, of bid prices. `time` is when it begins, in ms since the Unix epoch.

    The prices are in 1/100000, whatever the symbol's digits; those with a name in `_price` are the
    same as exact decimals. `volume` counts the changes of bid and ask.
    """

    time: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    digits: int = PRICE_DIGITS
    """With how many decimals the prices are shown."""

    @property
    def opened(self) -> datetime:
        """When it begins, in UTC."""
        return utc(self.time)

    @property
    def open_price(self) -> Decimal:
        """The first bid."""
        return price(self.open, self.digits)

    @property
    def high_price(self) -> Decimal:
        """The highest bid."""
        return price(self.high, self.digits)

    @property
    def low_price(self) -> Decimal:
        """The lowest bid."""
        return price(self.low, self.digits)

    @property
    def close_price(self) -> Decimal:
        """The last bid."""
        return price(self.close, self.digits)


def _no_numbers() -> array[int]:
    return array("q")


_UNCHECKED: array[int] = array("q")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bars(Table[Bar]):
    """The bars of a symbol and period, oldest first, each of them once.

    `time` is when a bar begins, in ms since the Unix epoch; prices are in 1/100000, whatever the
    symbol's digits; `volume` counts ticks. All are `array('q')` of the same length. Without columns
    it is empty. Raises InvalidValue for columns that do not fit together; their order is not
    checked. Of tables that are joined the later one's bar counts, where both have it.

    Servers send bars whose high is below their open or close. Here it is the highest of the three,
    which is the least that it can have been; `repaired` counts such bars.
    """

    _later_wins: ClassVar[bool] = True

    symbol_id: int
    period: Period
    digits: int
    """With how many decimals the prices are shown."""
    time: array[int] = field(default_factory=_no_numbers)
    open: array[int] = field(default_factory=_no_numbers)
    high: array[int] = field(default_factory=_no_numbers)
    low: array[int] = field(default_factory=_no_numbers)
    close: array[int] = field(default_factory=_no_numbers)
    volume: array[int] = field(default_factory=_no_numbers)
    repaired_times: array[int] = field(default_factory=lambda: _UNCHECKED)
    """When the bars begin whose high was raised. If it is given, no other bar is looked at."""

    def __post_init__(self) -> None:
        self._check()
        if self.repaired_times is _UNCHECKED:
            self._repair()

    def _repair(self) -> None:
        high = highest([self.high, self.open, self.close])
        raised = high != self.high
        which = compress(self.time, map(ne, high, self.high)) if raised else ()
        object.__setattr__(self, "repaired_times", array("q", which))
        if raised:
            object.__setattr__(self, "high", high)

    @property
    def repaired(self) -> int:
        """Of how many bars the high was raised: the server's was below the open or the close."""
        return len(self.repaired_times)

    @classmethod
    def from_wire(
        cls, answer: Columns[Any], symbol_id: int, period: Period, digits: int = PRICE_DIGITS
    ) -> Self:
        """The bars of `client.columns(ProtoOAGetTrendbarsReq(…))`, in the server's order.

        There, minutes since the epoch, and differences to the low. Raises DecodeError for sums that
        do not fit in 64 bits.
        """
        low = answer["low"]
        return cls(
            symbol_id,
            period,
            digits,
            times(answer["utc_timestamp_in_minutes"], _MINUTE, "time"),
            added(low, answer["delta_open"], "open"),
            added(low, answer["delta_high"], "high"),
            low,
            added(low, answer["delta_close"], "close"),
            answer["volume"],
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, the time first."""
        return (
            Column("time", "time", self.time),
            Column("open", "price", self.open),
            Column("high", "price", self.high),
            Column("low", "price", self.low),
            Column("close", "price", self.close),
            Column("volume", "count", self.volume),
        )

    @property
    def kin(self) -> tuple[int, Period, int]:
        """Symbol, period and digits."""
        return self.symbol_id, self.period, self.digits

    def __iter__(self) -> Iterator[Bar]:
        return map(Bar, *self.arrays, repeat(self.digits))

    def _row(self, at: int) -> Bar:
        return Bar._make([*(values[at] for values in self.arrays), self.digits])

    def _like(self, columns: Sequence[array[int]]) -> Self:
        time, opened, high, low, close, volume = columns
        checked = high, low, close, volume, _no_numbers()
        return type(self)(self.symbol_id, self.period, self.digits, time, opened, *checked)

    # A dataclass with slots is not the class that `super()` without arguments would find.

    def _sliced(self, rows: slice) -> Self:
        return super(Bars, self)._sliced(rows).marked(self.repaired_times)

    def _appended(self, tables: Sequence[Self]) -> Self:
        times = chain.from_iterable(table.repaired_times for table in tables)
        return super(Bars, self)._appended(tables).marked(times)

    def _overlaid(self, other: Self) -> Self:
        replaced = set(other.time) if self.repaired else ()
        kept = [time for time in self.repaired_times if time not in replaced]
        return super(Bars, self)._overlaid(other).marked([*kept, *other.repaired_times])

    def marked(self, times: Iterable[int]) -> Self:
        """The same bars, of which those that begin at these times count as repaired too."""
        wanted = set(times)
        if not wanted:
            return self
        wanted.update(self.repaired_times)
        return replace(self, repaired_times=array("q", filter(wanted.__contains__, self.time)))

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        repaired = f", {self.repaired:,} repaired" if self.repaired else ""
        return f"Bars: {len(self):,} of {self.period}, symbol {self.symbol_id}, bid, UTC{repaired}"

    @property
    def _head(self) -> Sequence[str]:
        return [each.name for each in self.columns]

    def _cells(self, at: int) -> Sequence[str]:
        time, *prices, volume = (values[at] for values in self.arrays)
        return [
            shown_time(time),
            *(shown_price(each, self.digits) for each in prices),
            f"{volume:,}",
        ]
