"""Sums of columns: the same with numpy and without, and never a number that wrapped around."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.errors import DecodeError
from ctrader_typed.market.columns import added, summed_up, times

any_number = st.integers(-(1 << 63), (1 << 63) - 1)
numbers = st.lists(st.one_of(any_number, st.integers(-(10**6), 10**12)))
Make = Callable[[], "array[int]"]


def both_ways(make: Make) -> list[int] | None:
    """What comes out, with numpy and without; None for a DecodeError."""
    assert "numpy" in sys.modules
    with_numpy = outcome(make)
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "numpy")
        assert outcome(make) == with_numpy
    return with_numpy


def outcome(make: Make) -> list[int] | None:
    try:
        return make().tolist()
    except DecodeError:
        return None


def fitting(values: list[int]) -> list[int] | None:
    return values if all(-(1 << 63) <= value < 1 << 63 for value in values) else None


@given(numbers, numbers)
def test_added(some: list[int], others: list[int]) -> None:
    rows = min(len(some), len(others))
    a, b = array("q", some[:rows]), array("q", others[:rows])
    assert both_ways(lambda: added(a, b, "price")) == fitting(
        [x + y for x, y in zip(a, b, strict=True)]
    )


@given(numbers)
def test_times(some: list[int]) -> None:
    a = array("q", some)
    assert both_ways(lambda: times(a, 60_000, "price")) == fitting([x * 60_000 for x in a])


@given(numbers)
def test_summed_up(some: list[int]) -> None:
    a = array("q", some)
    assert both_ways(lambda: summed_up(a, "price")) == fitting(list(accumulate(a))[::-1])


def test_the_column_is_named() -> None:
    most = array("q", [(1 << 63) - 1])
    for make in (
        lambda: added(most, most, "price"),
        lambda: times(most, 2, "price"),
        lambda: summed_up(most * 2, "price"),
    ):
        with pytest.raises(DecodeError, match="price: a number does not fit in a column of 64"):
            make()


def test_numpy_is_used_where_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    class Numpy:
        def frombuffer(self, *arguments: object) -> object:
            used.append("frombuffer")
            return np.frombuffer(*arguments)  # type: ignore[call-overload]

    monkeypatch.setitem(sys.modules, "numpy", Numpy())  # type: ignore[arg-type]
    assert summed_up(array("q", [5, -1, -1]), "time").tolist() == [3, 4, 5]
    assert used == ["frombuffer"]
