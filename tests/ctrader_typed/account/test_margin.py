"""Margin, profit and costs reckoned here are the broker's, to the last digit, in any portfolio."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    ProtoOAAccountType,
    ProtoOAClosePositionReq,
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
    units,
)
from ctrader_typed.account import costs
from ctrader_typed.account.costs import Opening
from mockserver.broker.trading import margin
from mockserver.broker.trading.account import Terms
from tests.ctrader_typed.account.reckoned import Reckoned
from tests.mockserver.broker.trading.harness import QUOTES

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
KINDS, TOTALS = list(ProtoOAAccountType), list(ProtoOATotalMarginCalculationType)
FX = (1, 2, 3, 4, 5, 6, 9)
ASSETS = (5, 6, 7, 15)

terms = st.builds(
    Terms,
    account_type=st.sampled_from(KINDS),
    total_margin=st.sampled_from(TOTALS),
    deposit_asset_id=st.sampled_from(ASSETS),
    money_digits=st.sampled_from((0, 2, 8)),
    leverage_in_cents=st.sampled_from((100, 3_000, 10_000, 50_000)),
)
trades = st.lists(
    st.tuples(st.sampled_from(sorted(QUOTES)), st.sampled_from((BUY, SELL)), st.integers(1, 300)),
    min_size=1,
    max_size=6,
)
moves = st.dictionaries(st.sampled_from(sorted(QUOTES)), st.integers(-900, 900), max_size=5)


def volume(account: Reckoned, symbol_id: int, steps: int) -> int:
    """So many tenths of a lot, up to 30 lots: through all tiers."""
    return account.symbol(symbol_id).lot_size * steps // 10


def move(account: Reckoned, moves: dict[int, int]) -> None:
    """Prices by so many ticks."""
    for symbol_id, ticks in moves.items():
        bid, ask = QUOTES[symbol_id]
        step = 10 ** (5 - account.symbol(symbol_id).digits) * ticks
        account.price(symbol_id, bid + step, ask + step)


def expected(account: Reckoned, symbol_id: int, wanted: int) -> tuple[int, int]:
    request = ProtoOAExpectedMarginReq(
        ctid_trader_account_id=account.session.account_id, symbol_id=symbol_id, volume=[wanted]
    )
    answer = account.session.ask(request)
    assert isinstance(answer, ProtoOAExpectedMarginRes), answer
    (row,) = answer.margin
    return row.buy_margin, row.sell_margin


def ours(account: Reckoned, symbol_id: int, wanted: int) -> tuple[int | None, ...]:
    symbol, tiers = account.symbol(symbol_id), account.tiers(symbol_id)
    reckon = account.valuation.expected_margin
    return tuple(reckon(symbol, side, wanted, tiers) for side in (BUY, SELL))


def deal_of(messages: list[Any]) -> ProtoOADeal | None:
    deals = [m.deal for m in messages if isinstance(m, ProtoOAExecutionEvent) and m.deal]
    return deals[-1] if deals else None


def agrees(account: Reckoned) -> None:
    """Profit of each position, margin, equity and what is left of it."""
    broker, valuation = account.session.broker, account.valuation
    desk, theirs = broker._state, account.session.account  # the ledger itself
    number = account.session.account_id
    answer: Any = account.session.ask(
        ProtoOAGetPositionUnrealizedPnLReq(ctid_trader_account_id=number)
    )
    assert isinstance(answer, ProtoOAGetPositionUnrealizedPnLRes)
    said = {
        row.position_id: (row.gross_unrealized_pnl, row.net_unrealized_pnl)
        for row in answer.position_unrealized_pnl
    }
    assert said == {
        number: valuation.unrealised(position)
        for number, position in account.book.positions.items()
    }
    assert valuation.used_margin() == margin.used_margin(theirs)
    assert valuation.equity() == margin.equity(desk, theirs)
    assert valuation.free_margin() == margin.free_margin(desk, theirs)
    account.same_books()


@given(terms, trades, moves)
def test_any_portfolio_binds_and_is_worth_what_the_server_says(
    terms: Terms, trades: list[tuple[int, ProtoOATradeSide, int]], moves: dict[int, int]
) -> None:
    """Expected before each trade, used after it; both sides, through the tiers of leverage."""
    account = Reckoned(terms, deposit=10**9)
    for symbol_id, side, steps in trades:
        wanted = volume(account, symbol_id, steps)
        told = expected(account, symbol_id, wanted)
        assert ours(account, symbol_id, wanted) == told
        others = account.book.positions.keys()
        request = account.session.order(symbol_id=symbol_id, trade_side=side, volume=wanted)
        account.do(request)
        agrees(account)
        for position in account.book.positions.values():
            if position.position_id not in others:
                assert position.message.used_margin == told[side == SELL]
        move(account, moves)
        agrees(account)


@given(terms, st.sampled_from(sorted(QUOTES)), st.sampled_from((BUY, SELL)), st.integers(1, 300))
def test_commissions_are_those_of_the_deals(
    terms: Terms, symbol_id: int, side: ProtoOATradeSide, steps: int
) -> None:
    account = Reckoned(terms, deposit=10**9)
    symbol, wanted = account.symbol(symbol_id), volume(account, symbol_id, steps)
    rates = account.valuation.rates(symbol, side)
    assert rates is not None
    request = account.session.order(symbol_id=symbol_id, trade_side=side, volume=wanted)
    deal = deal_of(account.do(request))
    assert deal is not None
    assert deal.commission == costs.commission(symbol.details, wanted, rates, terms.money_digits)
    assert deal.margin_rate == float(rates.margin)
    assert deal.base_to_usd_conversion_rate == float(rates.base_to_usd or 0)


@given(
    terms,
    st.sampled_from(sorted(QUOTES)),
    st.sampled_from((BUY, SELL)),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.lists(st.integers(-500, 500), min_size=4, max_size=4),
    st.fractions(Fraction(1, 100), 1),
)
def test_closing_books_what_is_reckoned(
    terms: Terms,
    symbol_id: int,
    side: ProtoOATradeSide,
    raises: list[int],
    ticks: list[int],
    part: Fraction,
) -> None:
    """Opened in several deals, closed in part and then wholly; first in, first out."""
    account = Reckoned(terms, deposit=10**9)
    symbol, position_id = account.symbol(symbol_id), None
    openings: list[Opening] = []
    for steps, by in zip(raises, ticks, strict=False):
        wanted = volume(account, symbol_id, steps)
        request = account.session.order(
            symbol_id=symbol_id, trade_side=side, volume=wanted, position_id=position_id
        )
        deal = deal_of(account.do(request))
        assert deal is not None
        position_id = deal.position_id
        at = units.raw_price(units.from_double(deal.execution_price or 0.0))
        openings.append(Opening(wanted, at, deal.commission or 0))
        move(account, {symbol_id: by})
    assert position_id is not None
    there = sum(opening.volume for opening in openings)
    step = symbol.step_volume or 1
    first = max(int(part * there) // step * step, symbol.min_volume or 1)
    for closed in (min(first, there), there - min(first, there)):
        if closed:
            openings = close_and_compare(account, position_id, openings, closed)
    assert account.book.positions == {}


def close_and_compare(
    account: Reckoned, position_id: int, openings: list[Opening], closed: int
) -> list[Opening]:
    position = account.book.positions[position_id]
    symbol, digits = account.symbol(position.symbol_id), account.book.money_digits
    other = SELL if position.side == BUY else BUY
    rates = account.valuation.rates(symbol, other)
    assert rates is not None
    fee = costs.commission(symbol.details, closed, rates, digits)
    ways = account.valuation.conversion(symbol.id)
    assert fee is not None
    assert ways is not None
    taken, left = costs.take(openings, closed)
    price = account.valuation.opening(symbol.id, other)
    assert price is not None
    booked = costs.closing(
        position.side,
        taken,
        price,
        rates.quote,
        digits,
        commission=fee,
        fee_of=symbol.details if ways[0] != ways[1] else None,
    )
    before = account.book.balance
    request = ProtoOAClosePositionReq(
        ctid_trader_account_id=account.session.account_id, position_id=position_id, volume=closed
    )
    deal = deal_of(account.do(request))
    assert deal is not None
    detail = deal.close_position_detail
    assert detail is not None
    assert (detail.gross_profit, detail.commission) == (booked.gross, booked.commission)
    assert (detail.pnl_conversion_fee or 0, detail.swap) == (booked.conversion_fee, booked.swap)
    assert account.book.balance == before + booked.total == detail.balance
    agrees(account)
    return left


def test_recorded_balances() -> None:
    """100889 - 347 - 900 = 99642; 5122399685 - 8081 - 5485 = 5122386119."""
    assert 100_889 + costs.ClosingResult(-347, 0, -900, 0).total == 99_642
    assert 5_122_399_685 + costs.ClosingResult(-8_081, 0, -5_485, 0).total == 5_122_386_119


def test_the_recorded_partial_close_takes_the_oldest_deal() -> None:
    """3000 units = 2000 @ 1.11987 + 1000 @ 1.11988; closing 1000 leaves 2000 @ 1.119875."""
    openings = [Opening(200_000, 111_987, -5), Opening(100_000, 111_988, -3)]
    taken, left = costs.take(openings, 100_000)
    assert taken == [Opening(100_000, 111_987, -3)]
    assert left == [Opening(100_000, 111_987, -2), Opening(100_000, 111_988, -3)]
    worth = sum(part.volume * part.price for part in left)
    assert Fraction(worth, 200_000) == Fraction("111987.5")


@pytest.mark.parametrize("kind", KINDS)
def test_without_prices_nothing_is_reckoned(kind: ProtoOAAccountType) -> None:
    account = Reckoned(Terms(account_type=kind))
    account.quotes.clear()
    assert ours(account, 1, 100_000) == (None, None)
    assert account.valuation.rates(account.symbol(1), BUY) is None
