"""Prices and distances, exactly: recorded cases, round trips, and what is refused."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import CTraderError, InvalidValue
from ctrader_typed.units import (
    from_double,
    grid,
    mid,
    number,
    pip,
    pips,
    points,
    price,
    raw_price,
    relative,
    tick,
    to_double,
)

RAW = st.integers(min_value=0, max_value=2**63 - 1)
DIGITS = st.integers(min_value=0, max_value=8)


@given(RAW, DIGITS)
def test_integers_come_back(raw: int, digits: int) -> None:
    value = price(raw, digits)
    assert Fraction(value) == Fraction(raw, 100_000)
    on_grid = raw - raw % grid(digits)
    assert raw_price(price(on_grid, digits), digits) == on_grid
    if raw % grid(digits):
        with pytest.raises(InvalidValue, match="nearest") as refused:
            raw_price(value, digits)
        below, above = nearest(refused.value)
        assert below < value < above
        assert above - below == tick(min(digits, 5))
        assert raw_price(below, digits) == on_grid


@given(st.integers(min_value=1, max_value=10**15 - 1), st.integers(min_value=0, max_value=8))
def test_doubles_come_back(coefficient: int, digits: int) -> None:
    exact = Decimal(coefficient).scaleb(-digits)
    assert from_double(to_double(exact), digits) == exact
    assert from_double(to_double(exact)) == exact


@given(RAW, DIGITS)
def test_the_precision_of_the_caller_does_not_matter(raw: int, digits: int) -> None:
    with localcontext() as context:
        context.prec = 3
        narrow = price(raw, digits), raw_price(price(raw))
    assert narrow == (price(raw, digits), raw)


@given(st.integers(min_value=1, max_value=10**9), DIGITS, st.integers(min_value=0, max_value=5))
def test_distances_come_back(count: int, digits: int, pip_position: int) -> None:
    raw = count * grid(digits)
    apart = price(raw)
    forms: list[dict[str, Any]] = [
        {"price": apart},
        {"pips": pips(apart, pip_position)},
        {"points": points(apart, digits)},
    ]
    for form in forms:
        assert relative(**form, digits=digits, pip_position=pip_position) == raw


@given(st.integers(min_value=1, max_value=10**9), st.integers(min_value=0, max_value=4))
def test_a_distance_off_the_grid_names_its_neighbours(raw: int, digits: int) -> None:
    if raw % grid(digits) == 0:
        assert relative(price=price(raw), digits=digits, pip_position=2) == raw
        return
    with pytest.raises(InvalidValue, match="off the grid") as refused:
        relative(price=price(raw), digits=digits, pip_position=2)
    for each in nearest(refused.value):
        found = relative(pips=each, digits=digits, pip_position=2)
        assert abs(found - raw) < grid(digits)


def nearest(error: InvalidValue) -> list[Decimal]:
    """The numbers that an error offers."""
    offered = str(error).rsplit("nearest ", 1)[1].removesuffix(" pips")
    return [Decimal(each) for each in offered.split(" or ")]


def test_integer_prices_count_five_decimals_whatever_the_digits() -> None:
    assert price(2_528_164_000, 2) == Decimal("25281.64")
    assert str(price(2_528_164_000, 2)) == "25281.64"
    assert str(price(108_450)) == "1.08450"
    assert str(price(150_123_000, 3)) == "1501.230"
    assert str(price(108_451, 3)) == "1.08451"  # off the grid: nothing is lost
    assert str(price(108_451, 6)) == "1.084510"
    assert raw_price("85287.21", 2) == 8_528_721_000
    assert raw_price(85_287, 2) == 8_528_700_000


def test_recorded_distances_give_the_recorded_levels(recordings: Path) -> None:
    """Fill 85287.21, distances 9001000 and 10001000: 85197.20 and 85387.22."""
    lines = (recordings / "manual_trading.jsonl").read_text().splitlines()
    events = [json.loads(line)["payload"] for line in lines]
    asked = next(e for e in events if e.get("order", {}).get("relativeStopLoss"))["order"]
    filled = next(e for e in events if e.get("executionType") == 3)
    levels = next(e for e in events if e.get("position", {}).get("stopLoss"))["position"]
    entry = from_double(filled["deal"]["executionPrice"], 2)
    below, above = asked["relativeStopLoss"], asked["relativeTakeProfit"]
    assert (entry, below, above) == (Decimal("85287.21"), 9_001_000, 10_001_000)
    assert entry - price(below, 2) == from_double(levels["stopLoss"], 2)
    assert entry + price(above, 2) == from_double(levels["takeProfit"], 2)
    assert relative(price="90.01", digits=2, pip_position=0) == below
    assert relative(pips="100.01", digits=2, pip_position=0) == above
    assert to_double("85197.20") == levels["stopLoss"]


def test_recorded_prices_are_on_the_grids_of_their_symbols(recordings: Path) -> None:
    lines = (recordings / "market_data.jsonl").read_text().splitlines()
    messages = [json.loads(line) for line in lines]
    symbols = {
        symbol["symbolId"]: symbol
        for message in messages
        if message["message"] == "ProtoOASymbolByIdRes"
        for symbol in message["payload"]["symbol"]
    }
    spots = [m["payload"] for m in messages if m["message"] == "ProtoOASpotEvent"]
    assert len(spots) == 7
    for spot in spots:
        digits = symbols[spot["symbolId"]]["digits"]
        for raw in (spot[side] for side in ("bid", "ask") if side in spot):
            assert raw % grid(digits) == 0
            assert raw_price(price(raw, digits), digits) == raw


def test_an_average_keeps_its_digits() -> None:
    assert from_double(1.119873333333333) == Decimal("1.119873333333333")
    assert from_double(1.119873333333333, 5) == Decimal("1.11987")
    assert from_double(1.119875, 5) == Decimal("1.11988")
    assert from_double(-1.119875, 5) == Decimal("-1.11988")
    assert from_double(1.119865, 5) == Decimal("1.11987")


def test_pips_and_points() -> None:
    assert (pip(4), tick(5), pip(0), tick(2)) == tuple(
        map(Decimal, ("0.0001", "0.00001", "1", "0.01"))
    )
    assert str(pips("0.0020", 4)) == "20"
    assert str(pips("0.00123", 4)) == "12.3"
    assert str(points("0.00123", 5)) == "123"
    assert str(pips("-1.5", 0)) == "-1.5"
    assert relative(points=5, digits=5, pip_position=4) == 5
    assert relative(points=5, digits=2, pip_position=0) == 5_000
    assert relative(pips="0.1", digits=5, pip_position=4) == 1
    # Beyond five digits the wire has none: a distance ends there.
    assert grid(6) == 1
    with pytest.raises(InvalidValue, match=r"nearest 0\.01 pips"):
        relative(points=1, digits=6, pip_position=3)


def test_mid() -> None:
    assert mid(108_450, 108_451) == Fraction(216_901, 200_000)
    assert mid(None, 108_450) == mid(108_450, None) == Fraction(10_845, 10_000)
    assert mid(None, None) is None


NO_NUMBERS: list[tuple[Any, str]] = [
    (0.1, r"lots = 0\.1 \(float\): expected a Decimal, an int or a str, such as lots='0\.10'"),
    (True, "bool"),
    (None, "NoneType"),
    ("a lot", "is no number"),
    ("", "is no number"),
    ("NaN", "is not finite"),
    (Decimal("-Infinity"), "is not finite"),
    ("1e999999999", "out of reach"),
    ("1e-999999999", "out of reach"),
    (10**25, "out of reach"),
]


@pytest.mark.parametrize(("value", "text"), NO_NUMBERS)
def test_what_is_no_exact_number_is_refused(value: Any, text: str) -> None:
    with pytest.raises(InvalidValue, match=text) as refused:
        number(value, "lots")
    assert isinstance(refused.value, CTraderError)
    assert isinstance(refused.value, ValueError)


def test_what_is_at_the_edge_is_a_number() -> None:
    assert number(10**25 - 1) == 10**25 - 1
    assert number("1e-40") == Decimal("1e-40")
    assert number(0) == number("0e-999") == 0


def test_what_is_no_price_or_distance_is_refused() -> None:
    no_int: Any = 1.0845
    with pytest.raises(InvalidValue, match=r"price = 1\.0845 \(float\): expected an int"):
        price(no_int)
    with pytest.raises(InvalidValue, match=r"level = 1\.084501 has more .*1\.08450 or 1\.08451"):
        raw_price("1.084501", 5, "level")
    with pytest.raises(InvalidValue, match=r"more than the 5 digits: nearest 1\.08451 or 1\.08452"):
        raw_price("1.084511", 6)  # orders may have six, integer prices may not
    with pytest.raises(InvalidValue, match="not finite"):
        from_double(float("inf"))
    with pytest.raises(InvalidValue, match="more digits than a double"):
        to_double("1.00000000000000000001")
    for none in ({}, {"pips": 1, "points": 10}):
        with pytest.raises(InvalidValue, match="expected pips, points or a price difference"):
            relative(**none, digits=5, pip_position=4)
    for nothing in ("0", "-1"):
        with pytest.raises(InvalidValue, match=r"not positive: the least is 0\.1 pips"):
            relative(pips=nothing, digits=5, pip_position=4)
