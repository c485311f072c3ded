"""What a column of a table is, and how those of the wire are turned into one.

Sums are made by numpy where the program has it anyway: importing it takes longer than it saves.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from ..errors import DecodeError

if TYPE_CHECKING:
    import numpy.typing as npt


class Column(NamedTuple):
    """A column: times in ms since the Unix epoch, prices in 1/100000, or counts."""

    name: str
    kind: Literal["time", "price", "count"]
    values: array[int]
    missing: int = 0
    """So many rows at the beginning have no value; they hold a 0."""


# Each of these raises DecodeError where a number does not fit in 64 bits, as no server's should.


def added(some: array[int], others: array[int], what: str) -> array[int]:
    """The sums of two columns, row by row. `what` is the column's name in the error."""
    a, b = _vector(some), _vector(others)
    if a is None or b is None or _largest(a) + _largest(b) >> 63:
        return _column(map(add, some, others), what)
    return array("q", (a + b).tobytes())


def highest(columns: Sequence[array[int]]) -> array[int]:
    """The largest number of each row."""
    vectors = [_vector(each) for each in columns]
    if any(each is None for each in vectors):
        return array("q", map(max, *columns))
    numpy: Any = sys.modules["numpy"]
    return array("q", numpy.maximum.reduce(vectors).tobytes())


def times(some: array[int], factor: int, what: str) -> array[int]:
    """A column, each number times a factor."""
    a = _vector(some)
    if a is None or _largest(a) * factor >> 63:
        return _column(map(factor.__mul__, some), what)
    return array("q", (a * factor).tobytes())


def summed_up(differences: array[int], what: str) -> array[int]:
    """The first number, and then each the one before plus a difference; the last one first."""
    a = _vector(differences)
    if a is None or _largest(a) * len(a) >> 63:
        sums = _column(accumulate(differences), what)
        sums.reverse()
        return sums
    return array("q", a.cumsum()[::-1].tobytes())


def _column(values: Iterable[int], what: str) -> array[int]:
    try:
        return array("q", values)
    except OverflowError:
        raise DecodeError(f"{what}: a number does not fit in a column of 64 bits") from None


def _vector(values: array[int]) -> npt.NDArray[Any] | None:
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not len(values):
        return None
    return cast("npt.NDArray[Any]", numpy.frombuffer(values, "int64"))


def _largest(vector: npt.NDArray[Any]) -> int:
    return max(int(vector.max()), -int(vector.min()))
