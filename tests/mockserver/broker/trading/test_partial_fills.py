"""Orders that the market fills in parts, or not wholly, or not at all."""

from __future__ import annotations

import pytest

from ctrader_typed.proto import (
    ProtoOADealStatus,
    ProtoOAExecutionEvent,
    ProtoOAOrderStatus,
    ProtoOAPositionStatus,
    ProtoOATimeInForce,
)
from mockserver.broker.rules import Latency, TradingRules
from tests.mockserver.broker.trading.harness import EURUSD, KIND, Session, executions, kinds

TIME, STATUS = ProtoOATimeInForce, ProtoOAOrderStatus


@pytest.fixture
def session() -> Session:
    return Session()


def filled(events: list[ProtoOAExecutionEvent]) -> list[tuple[int, int, int]]:
    """Of each deal: volume sent, volume filled, and what the order says is executed."""
    rows: list[tuple[int, int, int]] = []
    for event in events:
        if event.deal is not None and event.order is not None:
            executed = event.order.executed_volume or 0
            rows.append((event.deal.volume, event.deal.filled_volume, executed))
    return rows


def test_several_deals_then_filled(session: Session) -> None:
    session.liquidity(EURUSD, per_deal=400_000)
    sent = session.do(session.order(relative_stop_loss=100))
    assert kinds(sent) == [
        "ORDER_ACCEPTED", "ORDER_PARTIAL_FILL", "ORDER_PARTIAL_FILL", "ORDER_FILLED",
        "ORDER_ACCEPTED*",
    ]  # fmt: skip
    assert [o.client_msg_id for o in sent] == ["m1"] * 4 + [None]
    rows = filled(executions(sent))
    assert rows == [
        (1_000_000, 400_000, 400_000), (600_000, 400_000, 800_000), (200_000, 200_000, 1_000_000)
    ]  # fmt: skip
    deals = [event.deal for event in executions(sent) if event.deal is not None]
    partly = ProtoOADealStatus.PARTIALLY_FILLED
    assert [d.deal_status for d in deals] == [partly, partly, ProtoOADealStatus.FILLED]
    (position,) = session.account.positions.values()
    assert position.volume == 1_000_000


def test_the_protective_order_grows_with_late_deals() -> None:
    session = Session(rules=TradingRules(Latency(next_deal=50)))
    session.liquidity(EURUSD, per_deal=600_000)
    sent = session.do(session.order(relative_stop_loss=100))
    assert kinds(sent) == [
        "ORDER_ACCEPTED", "ORDER_PARTIAL_FILL", "ORDER_ACCEPTED*", "ORDER_FILLED",
        "ORDER_REPLACED*",
    ]  # fmt: skip
    protective = executions(sent)[-1].order
    assert protective is not None
    assert protective.trade_data.volume == 1_000_000


def test_too_little_liquidity_cancels_the_rest(session: Session) -> None:
    session.liquidity(EURUSD, available=300_000)
    sent = session.do(session.order())
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_PARTIAL_FILL", "ORDER_CANCELLED"]
    cancelled = executions(sent)[-1]
    assert cancelled.order is not None
    assert cancelled.position is not None
    assert cancelled.order.executed_volume == 300_000
    assert cancelled.order.order_status == STATUS.ORDER_STATUS_CANCELLED
    assert cancelled.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_OPEN
    assert cancelled.position.trade_data.volume == 300_000


def test_no_liquidity_ends_the_placeholder(session: Session) -> None:
    session.liquidity(EURUSD, available=0)
    _, cancelled = executions(session.do(session.order()))
    assert cancelled.execution_type == KIND.ORDER_CANCELLED
    assert cancelled.deal is None
    assert cancelled.position is not None
    assert cancelled.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_CLOSED
    assert cancelled.position.trade_data.close_timestamp is not None


@pytest.mark.parametrize(
    ("available", "last"), [(1_000_000, "ORDER_FILLED"), (999_999, "ORDER_CANCELLED")]
)
def test_fill_or_kill_fills_wholly_or_not_at_all(
    session: Session, available: int, last: str
) -> None:
    session.liquidity(EURUSD, available=available)
    sent = session.do(session.order(time_in_force=TIME.FILL_OR_KILL))
    assert kinds(sent) == ["ORDER_ACCEPTED", last]
    first = executions(sent)[0].order
    assert first is not None
    assert first.time_in_force == TIME.FILL_OR_KILL
    assert (len(session.account.positions) == 1) is (last == "ORDER_FILLED")
