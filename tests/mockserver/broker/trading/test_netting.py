"""Netted accounts: one position a symbol, raised, reduced, turned; and what offset what."""

from __future__ import annotations

import pytest

from ctrader_typed.proto import (
    ProtoOAAccountType,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAClosePositionReq,
    ProtoOADealOffsetListReq,
    ProtoOADealOffsetListRes,
    ProtoOAPositionStatus,
)
from mockserver.broker.trading.account import Terms
from tests.mockserver.broker.trading.harness import (
    BUY,
    EURUSD,
    LIMIT,
    SELL,
    Session,
    error,
    executions,
    kinds,
)
from tests.mockserver.broker.trading.test_closing import detail

NETTED = Terms(account_type=ProtoOAAccountType.NETTED)


@pytest.fixture
def session() -> Session:
    return Session(NETTED)


def test_the_same_side_raises(session: Session) -> None:
    first = session.opened(volume=200_000)
    session.price(EURUSD, 108_550, 108_560)
    assert session.opened(volume=200_000) == first
    (position,) = session.account.positions.values()
    assert position.volume == 400_000
    assert position.message().price == 1.0851


def test_the_other_side_reduces(session: Session) -> None:
    first = session.opened(volume=300_000)
    accepted, filled = executions(session.do(session.order(trade_side=SELL, volume=100_000)))
    assert accepted.position is not None
    assert accepted.position.trade_data.volume == 300_000
    assert detail(filled).closed_volume == 100_000
    (position,) = session.account.positions.values()
    assert (position.position_id, position.volume, position.side) == (first, 200_000, BUY)


def test_more_of_the_other_side_turns_it(session: Session) -> None:
    first = session.opened(volume=200_000)
    session.price(EURUSD, 108_560, 108_570)
    filled = executions(session.do(session.order(trade_side=SELL, volume=500_000)))[-1]
    assert filled.deal is not None
    assert filled.deal.filled_volume == 500_000
    closing = detail(filled)
    assert closing.closed_volume == 200_000
    assert closing.gross_profit == 200
    # 13 cents for 5 lots' hundredths; two fifths of it, 5, belong to what was closed.
    assert filled.deal.commission == -13
    assert closing.commission == -5 - 5
    (position,) = session.account.positions.values()
    assert (position.position_id, position.volume, position.side) == (first, 300_000, SELL)
    assert position.commission == -8
    assert position.message().price == 1.0856


def test_turning_ends_the_old_levels(session: Session) -> None:
    session.opened(volume=200_000, relative_stop_loss=400)
    sent = session.do(session.order(trade_side=SELL, volume=500_000, relative_stop_loss=300))
    assert kinds(sent) == [
        "ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_CANCELLED*", "ORDER_ACCEPTED*"
    ]  # fmt: skip
    cancelled, accepted = executions(sent)[2:]
    assert cancelled.position is not None
    assert cancelled.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_OPEN
    assert cancelled.position.stop_loss is None
    assert accepted.order is not None
    assert accepted.order.trade_data.trade_side == BUY
    assert accepted.order.stop_price == 1.0875


def reverse(session: Session) -> None:
    """Turn a short position of 100_000 into a long one of the same volume, up to the fill."""
    sent = session.do(session.order(volume=200_000), 130)
    assert kinds(sent)[:2] == ["ORDER_ACCEPTED", "ORDER_FILLED"]


def test_levels_set_at_once_after_a_reversal_close_the_new_side(session: Session) -> None:
    """Found by hypothesis: the old side's protective order got the new levels and raised."""
    number = session.opened(trade_side=SELL, volume=100_000, relative_stop_loss=400)
    reverse(session)
    stop = ProtoOAAmendPositionSLTPReq(
        ctid_trader_account_id=session.account_id, position_id=number, stop_loss=1.08
    )
    sent = session.do(stop)
    assert kinds(sent) == ["ORDER_CANCELLED*", "ORDER_ACCEPTED"]
    accepted = executions(sent)[1].order
    assert accepted is not None
    assert accepted.trade_data.trade_side == SELL
    session.price(EURUSD, 107_990, 108_000)
    session.wait()
    assert not session.account.positions
    assert not session.account.working


@pytest.mark.parametrize("brought", [{}, {"relative_stop_loss": 300}])
def test_a_stop_in_execution_does_not_raise_what_was_reversed(
    session: Session, brought: dict[str, int]
) -> None:
    number = session.opened(trade_side=SELL, volume=100_000, relative_stop_loss=400)
    session.send(session.order(volume=200_000, **brought))
    session.wait(50)
    session.price(EURUSD, 108_850, 108_860)  # touches the stop; the reversal fills before it does
    sent = session.wait(1_000)
    assert kinds(sent)[:2] == ["ORDER_FILLED", "ORDER_CANCELLED*"]
    position = session.account.positions[number]
    assert (position.side, position.volume) == (BUY, 100_000)
    assert position.protection.empty is (not brought)
    protecting = [order.side for order in session.account.working.values()]
    assert protecting == ([SELL] if brought else [])


def test_a_close_on_its_way_does_not_raise_what_was_reversed(session: Session) -> None:
    number = session.opened(trade_side=SELL, volume=100_000)
    session.send(session.order(volume=200_000))
    close = ProtoOAClosePositionReq(
        ctid_trader_account_id=session.account_id, position_id=number, volume=100_000
    )
    sent = session.do(close)
    assert executions(sent)[-1].error_code == "POSITION_NOT_OPEN"
    position = session.account.positions[number]
    assert (position.side, position.volume) == (BUY, 100_000)


def test_reducing_keeps_the_levels_on_what_is_left(session: Session) -> None:
    session.opened(volume=200_000, relative_stop_loss=400)
    sent = session.do(session.order(trade_side=SELL, volume=100_000))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_REPLACED*"]


def test_exactly_the_other_side_closes(session: Session) -> None:
    session.opened(volume=200_000)
    filled = executions(session.do(session.order(trade_side=SELL, volume=200_000)))[-1]
    assert filled.position is not None
    assert filled.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_CLOSED
    assert session.account.positions == {}


def test_pending_orders_join_the_position_that_is_there(session: Session) -> None:
    session.do(session.order(order_type=LIMIT, limit_price=1.084, volume=100_000))
    first = session.opened(volume=200_000)
    session.price(EURUSD, 108_390, 108_400)
    (filled,) = executions(session.wait())
    assert filled.position is not None
    assert filled.position.position_id == first
    assert filled.position.trade_data.volume == 300_000


def test_a_pending_order_of_a_closed_position_opens_a_new_one(session: Session) -> None:
    first = session.opened(volume=200_000)
    session.do(session.order(order_type=LIMIT, limit_price=1.084, volume=100_000))
    session.do(session.order(trade_side=SELL, volume=200_000))
    session.price(EURUSD, 108_390, 108_400)
    (filled,) = executions(session.wait())
    assert filled.position is not None
    assert filled.order is not None
    assert filled.position.position_id == filled.order.position_id != first


def test_close_position_works_here_too(session: Session) -> None:
    position = session.opened(volume=200_000)
    request = ProtoOAClosePositionReq(
        ctid_trader_account_id=session.account_id, position_id=position, volume=200_000
    )
    assert kinds(session.do(request)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert session.account.positions == {}


def test_an_order_that_only_reduces_needs_no_margin() -> None:
    session = Session(NETTED, deposit=11_000)
    session.opened(volume=100_000_000)
    sent = session.do(session.order(trade_side=SELL, volume=100_000_000))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert error(session.do(session.order(volume=200_000_000)))[0] == "NOT_ENOUGH_MONEY"


def offsets(session: Session, deal: int) -> ProtoOADealOffsetListRes:
    answer = session.ask(
        ProtoOADealOffsetListReq(ctid_trader_account_id=session.account_id, deal_id=deal)
    )
    assert isinstance(answer, ProtoOADealOffsetListRes)
    return answer


def test_deal_offsets(session: Session) -> None:
    session.opened(volume=100_000)
    session.opened(volume=200_000)
    session.do(session.order(trade_side=SELL, volume=500_000))
    one, two, three = session.account.deals
    closed_by = [(o.deal_id, o.volume) for o in offsets(session, one).offset_by]
    assert closed_by == [(three, 100_000)]
    assert [(o.deal_id, o.volume) for o in offsets(session, two).offset_by] == [(three, 200_000)]
    last = offsets(session, three)
    assert last.offset_by == []
    assert [(o.deal_id, o.volume) for o in last.offsetting] == [(one, 100_000), (two, 200_000)]
    assert last.offsetting[0].execution_price == 1.0846
    assert last.offsetting[0].execution_timestamp == session.account.deals[one].executed_at


def test_offsets_of_an_unknown_deal(session: Session) -> None:
    sent = session.send(
        ProtoOADealOffsetListReq(ctid_trader_account_id=session.account_id, deal_id=3)
    )
    assert error(sent) == ("ENTITY_NOT_FOUND", "Deal not found with id 3")
