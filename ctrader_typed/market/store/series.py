"""What a store keeps apart: a symbol's bars of one period, or its ticks. Names and bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from ...errors import InvalidValue
from ...proto import ProtoOATrendbarPeriod
from ...units import milliseconds, utc
from ..bars import Bars
from ..periods import Period, PeriodName
from ..ticks import Ticks

What = Period | ProtoOATrendbarPeriod | PeriodName | Literal["ticks"]
"""What is kept: bars of a period, or the ticks of both sides."""

PartitionKey = Literal["bars", "bid", "ask"]
"""What is downloaded by itself: bars, or one side of the ticks."""


@dataclass(frozen=True, slots=True)
class File:
    """One Parquet file of a series: its name, and the span of the rows that belong into it."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Series:
    """A symbol's bars of one period, or its ticks where `period` is None."""

    symbol_id: int
    period: Period | None

    @classmethod
    def of(cls, symbol_id: int, what: What) -> Series:
        """Raises InvalidValue for what is neither a period of the server nor "ticks"."""
        if what == "ticks":
            return cls(symbol_id, None)
        period = Period.of(what)
        if period.native is None:
            raise InvalidValue(
                f"the server has no {period} bars: keep {period.source}, {period} is made of them"
            )
        return cls(symbol_id, period)

    def __str__(self) -> str:
        return f"{self.period or 'ticks'} of symbol {self.symbol_id}"

    @property
    def folder(self) -> Path:
        """Below the store's. Readers that know hive partitions see symbol and period as columns."""
        if self.period is None:
            return Path("ticks") / f"symbol={self.symbol_id}"
        return Path("bars") / f"symbol={self.symbol_id}" / f"period={self.period}"

    @property
    def parts(self) -> tuple[PartitionKey, ...]:
        """What it is downloaded in."""
        return ("bid", "ask") if self.period is None else ("bars",)

    def empty(self, part: PartitionKey, digits: int) -> Bars | Ticks:
        """A table of a part without rows."""
        if part == "bars":
            assert self.period is not None
            return Bars(self.symbol_id, self.period, digits)
        return Ticks(self.symbol_id, digits, part)

    def file_at(self, time: int) -> File:
        """The file in which a row of this time lies: of a week of ticks (from Monday 00:00 UTC), a
        month of bars that are shorter than an hour, a year of others.
        """
        day = utc(time).date()
        if self.period is None:
            year, week, weekday = day.isocalendar()
            first = day - timedelta(days=weekday - 1)
            return _file(f"{year}-W{week:02}", first, first + timedelta(days=7))
        if self.period.nominal < Period.H1.nominal:
            first = day.replace(day=1)
            return _file(f"{day:%Y-%m}", first, (first + timedelta(days=31)).replace(day=1))
        return _file(f"{day.year}", date(day.year, 1, 1), date(day.year + 1, 1, 1))

    def files(self, start: int, end: int) -> Iterator[File]:
        """The files of `[start, end)`, whether there are any or not, from the oldest on."""
        at = start
        while at < end:
            file = self.file_at(at)
            yield file
            at = file.end

    def file_named(self, name: str) -> File | None:
        """The file of a name; None if a store gives no such name."""
        stem = name.removesuffix(".parquet")
        try:
            first = date.fromisoformat(
                {8: f"{stem}-1", 7: f"{stem}-01"}.get(len(stem), f"{stem}-01-01")
            )
        except ValueError:
            return None
        file = self.file_at(milliseconds(first))
        return file if file.name == name else None


def _file(stem: str, first: date, beyond: date) -> File:
    return File(f"{stem}.parquet", milliseconds(first), milliseconds(beyond))
