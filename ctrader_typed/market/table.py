"""What bars and ticks have in common: columns of 64-bit integers, in order of time."""

from __future__ import annotations

import operator
from abc import abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import (
    Any,
    ClassVar,
    Generic,
    Self,
    SupportsIndex,
    TypeVar,
    overload,
)

from ..errors import InvalidValue
from ..units import Time, checks, milliseconds
from .arrow import Frames
from .tables import TableView

R_co = TypeVar("R_co", bound=tuple[object, ...], covariant=True)
Row = tuple[int, ...]


class Table(Frames, TableView, Generic[R_co]):
    """Rows in order of time, kept as columns; a value, though its arrays could be changed.

    Indexing and iterating gives rows, slicing another table (`table[-10:]`, `table[::60]`).
    """

    __slots__ = ()

    _later_wins: ClassVar[bool] = False
    """Whether tables that overlap count in the order in which they are given, or that of time."""

    @property
    @abstractmethod
    def kin(self) -> tuple[Any, ...]:
        """What equal tables have in common, and those to be joined: symbol, period, digits …"""

    @abstractmethod
    def _like(self, columns: Sequence[array[int]]) -> Self:
        """A table of the same kind with other columns."""

    def _sliced(self, rows: slice) -> Self:
        return self._like([values[rows] for values in self.arrays])

    def _of_one_ms(self, mine: Sequence[Row], others: Sequence[Row]) -> Sequence[Row]:
        """What is kept of the rows of one time, where another table has some too."""
        return others

    @abstractmethod
    def _row(self, at: int) -> R_co:
        """The row at an index that is not negative."""

    @property
    def arrays(self) -> tuple[array[int], ...]:
        """The numbers of all columns, the times first."""
        return tuple(each.values for each in self.columns)

    def _check(self) -> None:
        lengths = {each.name: len(each.values) for each in self.columns}
        if len(set(lengths.values())) > 1:
            raise InvalidValue(f"columns of one length expected, not {lengths}")
        wrong = [each.name for each in self.columns if each.values.typecode != "q"]
        if wrong:
            raise InvalidValue(f"columns are array('q'), and {', '.join(wrong)} is not")

    # --- as a sequence of rows ---

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __iter__(self) -> Iterator[R_co]:
        return map(self._row, range(len(self)))

    def __reversed__(self) -> Iterator[R_co]:
        return map(self._row, range(len(self) - 1, -1, -1))

    @overload
    def __getitem__(self, index: SupportsIndex) -> R_co: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice) -> R_co | Self:
        """A row, or a table of some rows: they stay in order of time.

        Raises IndexError beyond the end, InvalidValue for a slice that goes backwards.
        """
        if isinstance(index, slice):
            if index.step is not None and index.step < 1:
                raise InvalidValue(f"step = {index.step}: rows stay in order; see reversed()")
            return self._sliced(index)
        at = operator.index(index)
        rows = len(self)
        if not -rows <= at < rows:
            raise IndexError(f"row {at} of {rows}")
        return self._row(at % rows)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, Table)
        return bool(self.kin == other.kin and self.columns == other.columns)

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # its arrays can be changed

    # --- by time ---

    def between(self, start: Time | None = None, end: Time | None = None) -> Self:
        """The rows with a time in `[start, end)`; a bar's is when it begins.

        Raises InvalidValue for a naive datetime or what is no time.
        """
        times = self.arrays[0]
        first = 0 if start is None else bisect_left(times, milliseconds(start, "start"))
        last = len(times) if end is None else bisect_left(times, milliseconds(end, "end"))
        return self[first:last]

    # --- joined ---

    def __add__(self, other: Self) -> Self:
        return self.concat([self, other])

    @classmethod
    def concat(cls, parts: Iterable[Self]) -> Self:
        """One table of several of the same kind, in order of time and without duplicates.

        They may come in any order; what counts where they overlap each kind says. Raises
        InvalidValue if there are none, or if they are of different symbols, periods or sides.
        """
        expected = f"several {cls.__name__} in a list"
        tables = checks.several(parts, "parts", expected)
        for table in tables:
            checks.instance(table, "parts", cls, expected)
        kinds = {table.kin for table in tables}
        if len(kinds) != 1:
            found = " and ".join(sorted(map(str, kinds))) or "none"
            raise InvalidValue(f"{cls.__name__} of one kind expected, got {found}")
        filled = [table for table in tables if len(table)]
        in_order = sorted(filled, key=lambda table: (table.arrays[0][0], table.arrays[0][-1]))
        if all(a.arrays[0][-1] < b.arrays[0][0] for a, b in pairwise(in_order)):
            return tables[0]._appended(in_order)
        first, *others = filled if cls._later_wins else in_order
        for table in others:
            first = first._overlaid(table)
        return first

    def _appended(self, tables: Sequence[Any]) -> Self:
        columns = tuple(array("q") for _ in self.columns)
        for table in tables:
            for values, more in zip(columns, table.arrays, strict=True):
                values.extend(more)
        return self._like(columns)

    def _overlaid(self, other: Any) -> Self:
        times, others = self.arrays[0], other.arrays[0]
        first, last = bisect_left(times, others[0]), bisect_right(times, others[-1])
        of_time = _by_time([values[first:last] for values in self.arrays])
        for time, rows in _by_time(other.arrays).items():
            of_time[time] = self._of_one_ms(of_time[time], rows) if time in of_time else rows
        mixed = zip(*(row for time in sorted(of_time) for row in of_time[time]), strict=True)
        columns = [
            mine[:first] + array("q", middle) + mine[last:]
            for mine, middle in zip(self.arrays, mixed, strict=True)
        ]
        return self._like(columns)


def _by_time(columns: Sequence[array[int]]) -> dict[int, Sequence[Row]]:
    rows = zip(*columns, strict=True)
    return {time: list(group) for time, group in groupby(rows, key=itemgetter(0))}
