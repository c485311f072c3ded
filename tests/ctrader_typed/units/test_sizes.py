"""Volumes and money, exactly: recorded cases, round trips, and what is refused."""

from __future__ import annotations

import doctest
import importlib
import json
import re
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ctrader_typed import InvalidValue
from ctrader_typed.units import (
    Sizes,
    amount_of,
    from_double,
    half_away,
    lots,
    money_of,
    rounded,
    share,
    units,
)

EURUSD = Sizes(lot_size=10_000_000, least=100_000, most=10_000_000_000, step=100_000)
GOLD = Sizes(lot_size=10_000, least=100, most=1_000_000_000, step=100)
INDEX = Sizes(lot_size=100, least=1, most=100_000, step=1)
SIZES = st.sampled_from([EURUSD, GOLD, INDEX])


@given(SIZES, st.integers(min_value=1, max_value=100_000))
def test_volumes_come_back(sizes: Sizes, count: int) -> None:
    volume = count * (sizes.step or 1)
    assume(volume <= (sizes.most or 0))
    assert sizes.volume(units=units(volume)) == volume
    assert sizes.volume(lots=lots(volume, sizes.lot_size or 1)) == volume
    assert sizes.volume(volume=volume) == volume


@given(SIZES, st.decimals(min_value="0.0001", max_value="2000", places=4))
def test_what_is_refused_names_what_is_not(sizes: Sizes, asked: Decimal) -> None:
    try:
        volume = sizes.volume(lots=asked)
    except InvalidValue as error:
        offered = [
            Decimal(part.split(" lots")[0])
            for part in str(error).rsplit("nearest ", 1)[-1].rsplit(" is ", 1)[-1].split(" or ")
        ]
        for each in offered:
            near = sizes.volume(lots=each)
            off = abs(Fraction(each) - Fraction(asked)) * (sizes.lot_size or 1)
            assert off < (sizes.step or 1) or near in {sizes.least, sizes.most}
    else:
        assert lots(volume, sizes.lot_size or 1) == asked


def test_recorded_symbols(recordings: Path) -> None:
    """A lot of EURUSD is 100,000 units, one of gold 100, one of an index 1."""
    lines = (recordings / "market_data.jsonl").read_text().splitlines()
    message = next(m for m in map(json.loads, lines) if m["message"] == "ProtoOASymbolByIdRes")
    found = {
        symbol["symbolId"]: Sizes(
            symbol["lotSize"], symbol["minVolume"], symbol["maxVolume"], symbol["stepVolume"]
        )
        for symbol in message["payload"]["symbol"]
    }
    assert found[1].volume(lots=1) == found[1].volume(units=100_000) == 10_000_000
    assert found[1].volume(lots="0.01") == 100_000
    assert found[41].volume(lots=1) == found[41].volume(units=100) == 10_000
    assert found[275].volume(lots="0.01") == found[279].volume(units="0.01") == 1


REFUSED: list[tuple[Sizes, dict[str, Any], str]] = [
    (EURUSD, {"lots": "0.123"}, r"0\.12 lots \(12000 units\) or 0\.13 lots \(13000 units\)"),
    (EURUSD, {"lots": "0.001"}, r"too little: the least is 0\.01 lots \(1000 units\)"),
    (EURUSD, {"lots": 0}, "too little"),
    (EURUSD, {"lots": -1}, "too little"),
    (EURUSD, {"lots": "1000.01"}, r"too much: the most is 1000 lots \(100000000 units\)"),
    (EURUSD, {"units": "1000.001"}, r"nearest 0\.01 lots .* or 0\.02 lots"),
    (EURUSD, {"volume": 100_001}, "off the step"),
    (EURUSD, {}, "expected one of lots, units, volume; got 0"),
    (EURUSD, {"lots": 1, "units": 1}, "got 2"),
    (EURUSD, {"lots": 0.1}, r"lots = 0\.1 \(float\)"),
    (Sizes(), {"lots": 1}, "no lot size: give volume= or units="),
    (Sizes(), {"volume": 0}, r"the least is 0\.01 units"),
    # A least and a most that are no multiples of the step are not offered.
    (Sizes(None, 150, 350, 100), {"volume": 100}, "the least is 2 units"),
    (Sizes(None, 150, 350, 100), {"volume": 160}, "nearest 2 units$"),
    (Sizes(None, 150, 350, 100), {"volume": 310}, "nearest 3 units$"),
    (Sizes(None, 150, 190, 100), {"volume": 160}, "nearest none$"),
    (Sizes(None, 150, 350, 100), {"volume": 400}, "the most is 3 units$"),
    (Sizes(None, 150, 190, 100), {"volume": 0}, "the least is none$"),
    (Sizes(None, 150, 190, 100), {"volume": 200}, "the most is none$"),
    # What is left of a position is offered, even if no order could be so small.
    (EURUSD, {"volume": 40_000, "most": 50_000}, r"the least is 0\.005 lots"),
    (EURUSD, {"volume": 60_000, "most": 50_000}, r"the most is 0\.005 lots"),
    (EURUSD, {"volume": 120_000, "most": 150_050}, r"0\.01 lots .* or 0\.015005 lots"),
    (EURUSD, {"volume": 0, "most": 150_050}, r"the least is 0\.01 lots"),
    # The wire has 63 bits.
    (Sizes(), {"volume": 2**63}, r"the most is 92233720368547758\.07 units"),
    (EURUSD, {"lots": "NaN"}, "lots = 'NaN' is not finite"),
    (EURUSD, {"lots": "Infinity"}, "is not finite"),
    (EURUSD, {"lots": "9" * 10_000}, r"lots = 1\.0+e\+10000 is out of reach"),
    (EURUSD, {"units": 1e3}, r"units = 1000\.0 \(float\)"),
    (EURUSD, {"volume": 100_000.0}, r"volume = 100000\.0 \(float\)"),
]


ANY_SIZES = st.builds(
    Sizes, st.just(100), st.integers(1, 30), st.integers(1, 60), st.integers(1, 12)
)


@given(ANY_SIZES, st.integers(-5, 80), st.none() | st.integers(1, 70))
def test_whatever_is_refused_offers_the_nearest_that_are_not(
    sizes: Sizes, asked: int, most: int | None
) -> None:
    """Of all symbols, those with odd sizes too."""

    def allowed(volume: int) -> bool:
        step, top = sizes.step or 1, (sizes.most or 0) if most is None else most
        return volume == most or ((sizes.least or 1) <= volume <= top and volume % step == 0)

    try:
        assert sizes.volume(volume=asked, most=most) == asked
    except InvalidValue as error:
        assert not allowed(asked)
        offered = re.findall(r"\((\S+) units\)", str(error).rsplit(": ", 1)[1])
        below = [each for each in range(1, asked) if allowed(each)][-1:]
        above = [each for each in range(asked + 1, 100) if allowed(each)][:1]
        assert [int(Decimal(each) * 100) for each in offered] == below + above
    else:
        assert allowed(asked)


@pytest.mark.parametrize(("sizes", "asked", "text"), REFUSED)
def test_volumes_that_are_refused(sizes: Sizes, asked: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidValue, match=text):
        sizes.volume(**asked)


def test_what_is_left_of_a_position_can_be_closed() -> None:
    assert EURUSD.volume(volume=150_050, most=150_050) == 150_050
    assert EURUSD.volume(lots="0.01", most=150_050) == 100_000
    with pytest.raises(InvalidValue, match="off the step"):
        EURUSD.volume(volume=150_049, most=150_050)
    with pytest.raises(InvalidValue, match="too much"):
        EURUSD.volume(lots="0.02", most=150_050)


def test_a_symbol_that_states_nothing_allows_any_volume() -> None:
    assert Sizes().volume(volume=1) == Sizes().volume(units="0.01") == 1
    with pytest.raises(InvalidValue, match=r"off the step of 0\.01 units: nearest"):
        Sizes().volume(units="0.015")


def test_lots_that_no_decimal_can_name() -> None:
    assert lots(100, 300) == Decimal(1) / 3
    assert lots(200, 300) == Decimal(2) / 3
    assert str(lots(150, 300)) == "0.5"


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1), st.integers(0, 8))
def test_money_comes_back(amount: int, digits: int) -> None:
    with localcontext() as context:
        context.prec = 3
        value = money_of(amount, digits)
        assert amount_of(value, digits) == amount
    assert Fraction(value) == Fraction(amount, 10**digits)
    assert rounded(value, digits) == amount


@given(st.fractions(), st.integers(0, 8))
def test_rounding_is_to_the_nearest_and_halves_go_away_from_zero(
    value: Fraction, digits: int
) -> None:
    found = rounded(value, digits)
    off = Fraction(found, 10**digits) - value
    assert abs(off) <= Fraction(1, 2 * 10**digits)
    if abs(off) == Fraction(1, 2 * 10**digits):
        assert (off > 0) == (value > 0)
    assert rounded(-value, digits) == -found


def test_recorded_money() -> None:
    assert rounded((Decimal("85219.06") - Decimal("85287.21")) * units(1)) == -68
    assert half_away(Fraction(2 * 250, 100)) == 5  # 0.02 lot at 2.50
    assert half_away(Fraction(3 * 250, 100)) == 8  # 0.03 lot
    assert (share(5, 1, 2), 5 - share(5, 1, 2)) == (3, 2)
    assert rounded(units(100_000) * Decimal("1.12569") / 100) == 1126
    assert rounded(units(300_000) * from_double(1.119873333333333) / 100) == 3360
    assert rounded(units(100) * from_double(85287.22) / Decimal("3.33")) == 2_561_178
    assert money_of(100_889) - money_of(347) - money_of(900) == money_of(99_642)
    assert str(money_of(5_122_386_119)) == "51223861.19"
    assert str(money_of(5_122_386_119, 8)) == "51.22386119"
    assert str(money_of(7, 0)) == "7"


def test_recorded_balances_add_up(recordings: Path) -> None:
    lines = (recordings / "manual_trading.jsonl").read_text().splitlines()
    closed = [
        deal["closePositionDetail"]
        for deal in (json.loads(line)["payload"].get("deal") for line in lines)
        if isinstance(deal, dict) and "closePositionDetail" in deal
    ]
    assert len(closed) == 3
    for before, after in pairwise(closed):
        balance = money_of(before["balance"], before["moneyDigits"])
        for part in ("grossProfit", "swap", "commission"):
            balance += money_of(after[part], after["moneyDigits"])
        assert amount_of(balance, after["moneyDigits"]) == after["balance"]


def test_money_that_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"fee = 0\.125 has more than 2 .*0\.12 or 0\.13"):
        amount_of("0.125", what="fee")
    with pytest.raises(InvalidValue, match=r"nearest -0\.13 or -0\.12"):
        amount_of("-0.125")
    no_int: Any = 12.5
    with pytest.raises(InvalidValue, match="expected an int"):
        money_of(no_int)


@pytest.mark.parametrize("module", ["numbers", "prices", "volumes", "money", "times"])
def test_the_examples_hold(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"ctrader_typed.units.{module}"))
    assert found.attempted
    assert not found.failed
