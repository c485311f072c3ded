"""Money to the last digit: the recorded cases, and the mock's broker as an oracle."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    ProtoOACommissionType,
    ProtoOADynamicLeverageTier,
    ProtoOAMinCommissionType,
    ProtoOASymbol,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
    units,
)
from ctrader_typed.account import arithmetic, costs
from ctrader_typed.account.costs import Rates
from mockserver.broker.trading import margin

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
TOTAL = ProtoOATotalMarginCalculationType
TIERS = st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 50_000)), min_size=1, max_size=5)
ONE = Fraction(1)


def test_recorded_profits() -> None:
    assert arithmetic.gross_profit(BUY, 1, 85287.21, 8_521_906_000, ONE, 2) == -68
    assert arithmetic.gross_profit(SELL, 1, 85287.21, 8_521_906_000, ONE, 2) == 68


def test_recorded_margins() -> None:
    leverage = Fraction(100)
    assert arithmetic.margin(100_000, Fraction("1.12569"), leverage, 2) == 1126
    assert arithmetic.margin(300_000, Fraction("1.1198733"), leverage, 2) == 3360
    assert arithmetic.margin(100, Fraction("85287.22"), Fraction("3.33"), 2) == 2_561_178


def test_a_raised_position_shows_a_rounded_average() -> None:
    assert arithmetic.cost(300_000, 1.119873333333333) == 200_000 * 111_987 + 100_000 * 111_988


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**8)), min_size=1, max_size=6))
def test_the_cost_of_any_average_is_whole_again(deals: list[tuple[int, int]]) -> None:
    volume = sum(part for part, _ in deals)
    worth = sum(part * price for part, price in deals)
    average = float(Fraction(worth, volume) / 100_000)
    if worth < 2**50:  # as many digits as a double has, with some to spare
        assert arithmetic.cost(volume, average) == worth


def usd_per_lot(volume: int) -> int | None:
    symbol = ProtoOASymbol(
        symbol_id=1,
        digits=5,
        pip_position=4,
        lot_size=10_000_000,
        commission_type=ProtoOACommissionType.USD_PER_LOT,
        precise_trading_commission_rate=250_000_000,
    )
    rates = Rates(Fraction("1.1"), ONE, Fraction("1.1"), ONE, ONE)
    return costs.commission(symbol, volume, rates, 2)


def test_recorded_commissions_and_their_split() -> None:
    assert (usd_per_lot(200_000), usd_per_lot(300_000)) == (-5, -8)
    assert (units.share(5, 1, 2), units.share(-5, 1, 2)) == (3, -3)
    assert units.share(2772, 1, 100) == 28


@pytest.mark.parametrize("how", [ProtoOACommissionType.PERCENTAGE_OF_VALUE, None])
def test_other_commissions(how: ProtoOACommissionType | None) -> None:
    """0.0007 % of 4000 USD an ounce; and the schema's default, USD per million USD."""
    symbol = ProtoOASymbol(
        symbol_id=1,
        digits=2,
        pip_position=1,
        lot_size=10_000,
        commission_type=how,
        precise_trading_commission_rate=70 if how else 30 * 10**8,
    )
    price = Fraction(4000)
    rates = Rates(price, ONE, price, price, ONE)
    assert costs.commission(symbol, 10_000, rates, 2) == (-280 if how else -1200)


def test_a_minimum_commission_and_the_conversion_fee() -> None:
    symbol = ProtoOASymbol(
        symbol_id=1,
        digits=2,
        pip_position=1,
        pnl_conversion_fee_rate=70,
        precise_min_commission=3 * 10**8,
    )
    assert costs.conversion_fee(symbol, -10_000) == -70
    assert costs.conversion_fee(symbol, 10_001) == -71
    assert costs.conversion_fee(symbol, 0) == 0
    rates = Rates(ONE, ONE, ONE, ONE, ONE, minimum=Fraction(2))
    assert costs.commission(symbol, 100, rates, 2) == -600
    in_quote = symbol.__replace__(min_commission_type=ProtoOAMinCommissionType.QUOTE_CURRENCY)
    assert costs.commission(in_quote, 100, rates, 2) == -300


def test_a_commission_whose_rate_nobody_knows() -> None:
    free = ProtoOASymbol(symbol_id=1, digits=2, pip_position=1, lot_size=100)
    symbol = free.__replace__(commission=250)
    assert costs.commission(symbol, 100, Rates(ONE, ONE, ONE), 2) is None
    assert costs.commission(symbol, 100, Rates(ONE, ONE, ONE, usd=ONE), 2) is None
    assert costs.commission(free, 100, Rates(ONE, ONE, ONE), 2) == 0


@given(TIERS, st.integers(1, 50_000), st.fractions(0, 10**8), st.fractions(Fraction(1, 100), 10**8))
def test_leverage_as_the_broker_has_it(
    tiers: list[tuple[int, int]], cap: int, before: Fraction, added: Fraction
) -> None:
    steps = [ProtoOADynamicLeverageTier(volume=v, leverage=lev) for v, lev in sorted(tiers)]
    ours = arithmetic.effective_leverage(steps, Fraction(cap, 100), before, added)
    assert ours == margin.effective_leverage(steps, Fraction(cap, 100), before, added)


@pytest.mark.parametrize(("how", "total"), [(TOTAL.SUM, 70), (TOTAL.MAX, 50), (TOTAL.NET, 30)])
def test_both_sides_of_a_symbol(how: ProtoOATotalMarginCalculationType, total: int) -> None:
    bound = [(1, BUY, 10), (1, SELL, 20), (1, BUY, 10), (2, SELL, 30)]
    assert arithmetic.used_margin(how, bound) == total


def test_the_margin_level_is_in_percent() -> None:
    assert arithmetic.margin_level(1000, 500, 300) == 500
    assert arithmetic.margin_level(1000, 0, 0) is None
