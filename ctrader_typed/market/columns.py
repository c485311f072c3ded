"""What a column of a table is. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Literal, NamedTuple

from ..errors import DecodeError


class Column(NamedTuple):
    """A column: times in ms since the Unix epoch, prices in 1/100000, or counts."""

    name: str
    kind: Literal["time", "price", "count"]
    values: array[int]
    missing: int = 0
    """So many rows at the beginning have no value; they hold a 0."""


def column(values: Iterable[int], what: str) -> array[int]:
    """Numbers as a column; DecodeError if one does not fit in 64 bits, as no server's should."""
    try:
        return array("q", values)
    except OverflowError:
        raise DecodeError(f"{what}: a number does not fit in a column of 64 bits") from None
