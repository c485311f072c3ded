"""The recorded session reckoned anew: what each deal earned, cost and bound, and the balance."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from ctrader_typed import (
    ProtoOACommissionType,
    ProtoOAExecutionEvent,
    ProtoOASymbol,
    ProtoOATradeSide,
    units,
)
from ctrader_typed.account import arithmetic, costs
from ctrader_typed.account.costs import Opening, Rates
from tests.ctrader_typed.account.test_positions_book import recorded

ONE = Fraction(1)
# Bitcoin's terms are not recorded; these are what its deals and margins were reckoned with.
BITCOIN = ProtoOASymbol(
    symbol_id=324,
    digits=2,
    pip_position=0,
    lot_size=100,
    commission_type=ProtoOACommissionType.PERCENTAGE_OF_VALUE,
    precise_trading_commission_rate=3_250,  # 0.0325 %
)
LEVERAGE = Fraction("3.33")


def exact(double: float | None) -> Fraction:
    assert double is not None
    return Fraction(units.from_double(double))


def test_every_recorded_deal_is_booked_as_reckoned(recordings: Path) -> None:
    left: dict[int, list[Opening]] = {}
    balance: int | None = None
    closings = 0
    for event in recorded(recordings):
        deal = event.deal if isinstance(event, ProtoOAExecutionEvent) else None
        if not isinstance(event, ProtoOAExecutionEvent) or deal is None:
            continue
        assert event.position is not None
        openings = left.setdefault(deal.position_id, [])
        raw = units.raw_price(units.from_double(deal.execution_price or 0.0), 2)
        price = Fraction(raw, 100_000)
        fee = costs.commission(BITCOIN, deal.filled_volume, Rates(price, ONE, price), 2)
        assert deal.commission == fee
        detail = deal.close_position_detail
        if detail is None:
            openings.append(Opening(deal.filled_volume, raw, fee))
            rate = exact(deal.margin_rate)
            bound = arithmetic.margin(deal.filled_volume, rate, LEVERAGE, 2)
            assert event.position.used_margin == bound
        else:
            taken, left[deal.position_id] = costs.take(openings, deal.filled_volume)
            booked = costs.closing(ProtoOATradeSide.BUY, taken, raw, ONE, 2, commission=fee)
            assert (detail.gross_profit, detail.commission) == (booked.gross, booked.commission)
            assert (detail.swap, detail.pnl_conversion_fee) == (booked.swap, booked.conversion_fee)
            before = detail.balance - booked.total if balance is None else balance
            assert before + booked.total == detail.balance
            balance = detail.balance
            closings += 1
        there = left[deal.position_id]
        assert event.position.trade_data.volume == sum(opening.volume for opening in there)
        assert event.position.commission == sum(opening.commission for opening in there)
    assert closings == 3


def test_a_recorded_conversion_fee_is_rounded_against_the_trader() -> None:
    """Gross -2621 at a rate of 70 was booked with a fee of -19, and so was the balance: 18.347."""
    symbol = ProtoOASymbol(symbol_id=279, digits=2, pip_position=0, pnl_conversion_fee_rate=70)
    taken = [Opening(100, 2_528_484_000, 0)]
    price = 2_528_484_000 - 2_621_000
    booked = costs.closing(ProtoOATradeSide.BUY, taken, price, ONE, 2, fee_of=symbol)
    assert (booked.gross, booked.conversion_fee, booked.total) == (-2621, -19, -2640)


def test_what_is_left_binds_its_share(recordings: Path) -> None:
    """1.00 binds 25611.78, and 0.99 of it 25355.66."""
    assert units.share(2_561_178, 99, 100) == 2_535_566
    rate = Fraction("85287.22")
    assert arithmetic.margin(99, rate, LEVERAGE, 2) == 2_535_566
    bound = [
        event.position.used_margin
        for event in recorded(recordings)
        if isinstance(event, ProtoOAExecutionEvent) and event.position is not None
    ]
    assert {2_561_178, 2_535_566} <= set(bound)


@pytest.mark.parametrize(
    ("symbol_id", "volume", "price", "fee"),
    [(1, 200_000, "1.1", -5), (1, 300_000, "1.1", -8), (41, 10_000, "4000", -280)],
)
def test_recorded_terms_of_commission(
    recordings: Path, symbol_id: int, volume: int, price: str, fee: int
) -> None:
    """2.50 USD a lot and side, 0.0007 % of gold; the deprecated field says the same."""
    lines = (recordings / "market_data.jsonl").read_text().splitlines()
    answer = next(m for m in map(json.loads, lines) if m["message"] == "ProtoOASymbolByIdRes")
    stated = next(s for s in answer["payload"]["symbol"] if s["symbolId"] == symbol_id)
    symbol = ProtoOASymbol().from_dict(stated)
    rates = Rates(Fraction(price), ONE, Fraction(price), Fraction(price), ONE)
    assert costs.commission(symbol, volume, rates, 2) == fee
    old = symbol.__replace__(precise_trading_commission_rate=None)
    assert costs.commission(old, volume, rates, 2) == fee
