"""Where a price or a way to another currency is missing, or the market closes on an order."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ctrader_typed.proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOAExpectedMarginReq,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOATimeInForce,
)
from mockserver.broker.market.prices import TickList
from mockserver.broker.trading.account import Terms
from mockserver.broker.trading.margin import effective_leverage
from tests.mockserver.broker.trading.harness import (
    ACCOUNT,
    EUR,
    EURUSD,
    LIMIT,
    LOT,
    MARKET_RANGE,
    USDJPY,
    Session,
    error,
    executions,
    kinds,
)
from tests.mockserver.broker.trading.test_closing import close
from tests.mockserver.broker.trading.test_market_orders import SATURDAY

DAY = 86_400_000
YEN = TickList.still([(USDJPY, 14_900_000, 14_902_000)])


def cut_off(**terms: Any) -> tuple[Session, int]:
    """A position in yen whose account is suddenly in euros, to which no price leads."""
    session = Session(Terms(**terms), prices=YEN)
    session.change(USDJPY, guaranteed_stop_loss=True)
    position = session.opened(
        symbol_id=USDJPY,
        relative_stop_loss=100_000,
        guaranteed_stop_loss=terms.get("is_limited_risk", False),
    )
    session.account.change(deposit_asset_id=EUR)
    return session, position


def test_nothing_can_be_opened() -> None:
    session = Session(Terms(deposit_asset_id=EUR), prices=YEN)
    refused = error(session.send(session.order(symbol_id=USDJPY)))
    assert refused == ("NO_QUOTES", "EURJPY has no price yet")
    request = ProtoOAExpectedMarginReq(
        ctid_trader_account_id=ACCOUNT, symbol_id=USDJPY, volume=[LOT]
    )
    assert error(session.send(request)) == ("NO_QUOTES", "EURJPY has no price yet")


def test_what_is_open_has_no_profit_and_no_swap() -> None:
    session, position = cut_off()
    answer = session.ask(ProtoOAGetPositionUnrealizedPnLReq(ctid_trader_account_id=ACCOUNT))
    assert isinstance(answer, ProtoOAGetPositionUnrealizedPnLRes)
    commission = session.account.positions[position].commission
    (row,) = answer.position_unrealized_pnl
    assert (row.gross_unrealized_pnl, row.net_unrealized_pnl) == (0, commission)
    assert session.wait(DAY) == []


def test_a_close_is_rejected_and_a_stop_loss_waits() -> None:
    session, position = cut_off()
    sent = session.do(close(session, position))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_REJECTED"]
    assert executions(sent)[-1].error_code == "NO_QUOTES"
    session.price(USDJPY, 14_700_000)
    assert session.wait() == []
    session.broker.set_price("EURUSD", 1.08, 1.09)
    session.broker.set_price("EURJPY", 160.0, 160.1)
    session.price(USDJPY, 14_699_000)
    assert kinds(session.wait()) == ["ORDER_FILLED*"]


def test_a_limited_risk_cannot_be_reckoned() -> None:
    by_stop = ProtoOALimitedRiskMarginCalculationStrategy.ACCORDING_TO_GSL
    session, position = cut_off(is_limited_risk=True, limited_risk_strategy=by_stop)
    request = ProtoOAAmendPositionSLTPReq(
        ctid_trader_account_id=ACCOUNT, position_id=position, stop_loss=148.5
    )
    assert error(session.send(request))[0] == "NO_QUOTES"


def test_a_fill_by_hand_needs_a_price() -> None:
    session = Session(prices=TickList([]), start_ms=SATURDAY)
    waiting = session.order(time_in_force=ProtoOATimeInForce.MARKET_ON_OPEN)
    assert error(session.send(waiting))[0] == "NO_QUOTES"  # nor can its margin be reckoned
    session = Session()
    ranged = session.order(order_type=MARKET_RANGE, base_slippage_price=1.0, slippage_in_points=1)
    session.send(ranged)
    (order_id,) = session.account.working
    with pytest.raises(ValueError, match="expected a price for order"):
        session.broker.fill(order_id)


def test_a_limit_that_the_closing_market_leaves_behind_waits() -> None:
    session = Session(start_ms=1_772_830_499_900)  # 100 ms before the weekend
    session.send(session.order(order_type=LIMIT, limit_price=1.09))
    assert session.wait() == []
    (order,) = session.account.working.values()
    assert order.executing is False


def test_no_stop_out_in_a_closed_market() -> None:
    session = Session(start_ms=1_772_830_499_900 - 60_000, deposit=1200)
    session.opened(volume=LOT)
    session.wait(60_000)
    assert kinds(session.price(EURUSD, 107_000)) == []
    session.wait(2 * DAY + 3_600_000)
    assert kinds(session.price(EURUSD, 107_001)) == ["ORDER_ACCEPTED*"]


def test_leverage_without_tiers_is_the_accounts() -> None:
    hundred = Fraction(100)
    assert effective_leverage([], hundred, Fraction(0), Fraction(1)) == hundred
