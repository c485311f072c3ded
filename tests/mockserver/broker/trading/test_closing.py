"""Closing, wholly and in part; raising; what goes first; orders that meet on the way."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed.proto import (
    ProtoOAAccessRights,
    ProtoOAClosePositionDetail,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOAPositionStatus,
    ProtoOATradingMode,
)
from mockserver.broker.rules import Latency, TradingRules
from tests.mockserver.broker.trading.harness import (
    EURUSD,
    GBPUSD,
    KIND,
    LIMIT,
    LOT,
    SELL,
    Session,
    error,
    executions,
    kinds,
)
from tests.mockserver.broker.trading.test_market_orders import SATURDAY
from tests.mockserver.broker.trading.test_protective_orders import amend

STATUS = ProtoOAPositionStatus


@pytest.fixture
def session() -> Session:
    return Session()


def close(session: Session, position: int, volume: int = LOT // 10) -> ProtoOAClosePositionReq:
    return ProtoOAClosePositionReq(
        ctid_trader_account_id=session.account_id, position_id=position, volume=volume
    )


def detail(event: ProtoOAExecutionEvent) -> ProtoOAClosePositionDetail:
    assert event.deal is not None
    assert event.deal.close_position_detail is not None
    return event.deal.close_position_detail


def status(event: ProtoOAExecutionEvent) -> ProtoOAPositionStatus:
    assert event.position is not None
    return event.position.position_status


def test_full_close_with_a_protective_order(session: Session) -> None:
    position = session.opened(relative_stop_loss=400, relative_take_profit=400)
    sent = session.do(close(session, position))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_CANCELLED*"]
    assert [o.client_msg_id for o in sent] == ["m2", "m2", None]
    accepted, filled, cancelled = executions(sent)
    assert [status(e) for e in (accepted, filled, cancelled)] == [
        STATUS.POSITION_STATUS_OPEN, STATUS.POSITION_STATUS_CREATED, STATUS.POSITION_STATUS_CLOSED
    ]  # fmt: skip
    assert filled.position is not None
    assert filled.position.trade_data.volume == 0
    assert filled.position.price == 0.0
    assert filled.position.stop_loss == 1.0806  # levels are still shown
    assert filled.position.trade_data.close_timestamp is None
    assert cancelled.position is not None
    assert cancelled.position.stop_loss is None
    assert cancelled.position.trade_data.close_timestamp is not None
    assert cancelled.order is not None
    assert cancelled.order.order_status == 5
    assert cancelled.order.trade_data.close_timestamp == cancelled.order.utc_last_update_timestamp


def test_levels_that_a_client_takes_away_end_their_order_without_a_close_time(
    session: Session,
) -> None:
    """As the cancel of a pending order was recorded: only the server's cancels carry one."""
    position = session.opened(relative_stop_loss=400)
    (cancelled,) = executions(session.do(amend(session, position)))
    assert cancelled.execution_type == KIND.ORDER_CANCELLED
    assert cancelled.order is not None
    assert cancelled.order.trade_data.close_timestamp is None


def test_full_close_without_one(session: Session) -> None:
    sent = session.do(close(session, session.opened()))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert status(executions(sent)[-1]) == STATUS.POSITION_STATUS_CLOSED


def test_a_close_before_the_protective_order_is_there() -> None:
    session = Session(rules=TradingRules(Latency(protect=500)))
    session.send(session.order(relative_stop_loss=400))
    session.wait(130)
    (position,) = session.account.positions
    sent = session.do(close(session, position), 5000)
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert status(executions(sent)[-1]) == STATUS.POSITION_STATUS_CLOSED


def test_balance_after_a_close(session: Session) -> None:
    position = session.opened()
    before = session.account.balance, session.account.balance_version
    session.price(EURUSD, 108_560, 108_570)
    filled = executions(session.do(close(session, position)))[-1]
    closing = detail(filled)
    assert (closing.gross_profit, closing.commission, closing.swap) == (1000, -50, 0)
    assert closing.entry_price == 1.0846
    assert closing.balance == before[0] + 1000 - 50 == session.account.balance
    assert closing.balance_version == before[1] + 1
    assert filled.deal is not None
    assert filled.deal.commission == -25


# --- raising, and what leaves first ---------------------------------------------------------------


def raised(session: Session) -> int:
    """The recorded case: 2000 units at 1.11987 and 1000 at 1.11988 in one position."""
    session.price(EURUSD, 111_980, 111_987)
    position = session.opened(volume=200_000)
    session.price(EURUSD, 111_980, 111_988)
    sent = session.do(session.order(volume=100_000, position_id=position))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    accepted, filled = executions(sent)
    assert accepted.position is not None
    assert accepted.position.trade_data.volume == 200_000  # the real one, no placeholder
    assert filled.position is not None
    assert filled.position.position_id == position
    return position


def test_raising_averages_by_volume_with_fifteen_decimals(session: Session) -> None:
    position = session.account.positions[raised(session)].message()
    assert position.price == 1.119873333333333
    assert position.margin_rate == 1.119873333333333
    assert position.used_margin == 3360
    assert position.commission == -8
    assert position.trade_data.volume == 300_000


def test_a_partial_close_takes_the_oldest_first(session: Session) -> None:
    position = raised(session)
    filled = executions(session.do(close(session, position, 100_000)))[-1]
    assert detail(filled).entry_price == 1.11987
    assert detail(filled).commission == -6  # 3 of the 5 cents of the opening, 3 for this side
    left = session.account.positions[position].message()
    assert left.price == 1.119875
    assert left.commission == -5
    filled = executions(session.do(close(session, position, 200_000)))[-1]
    assert detail(filled).entry_price == 1.119875
    assert detail(filled).commission == -10


def test_one_unit_of_the_recording(session: Session) -> None:
    """1000 x 1.12569 at 1:100 binds 11.26."""
    session.price(EURUSD, 112_560, 112_569)
    position = session.opened(volume=100_000)
    assert session.account.positions[position].used_margin == 1126
    assert session.account.positions[position].commission == -3  # 2.5 cents, half away from zero


def test_the_other_side_with_a_position_id_closes(session: Session) -> None:
    position = session.opened()
    sent = session.do(session.order(trade_side=SELL, position_id=position, volume=400_000))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    accepted, filled = executions(sent)
    assert accepted.order is not None
    assert accepted.order.closing_order is True
    assert detail(filled).closed_volume == 400_000
    refused = error(session.do(session.order(trade_side=SELL, position_id=position, volume=LOT)))
    assert refused == (
        "TRADING_BAD_VOLUME",
        "Order volume = 1.00 is bigger than maximum allowed volume = 0.06.",
    )


def test_raising_with_levels_replaces_them(session: Session) -> None:
    position = session.opened(relative_stop_loss=100)
    sent = session.do(session.order(position_id=position, relative_stop_loss=300))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_REPLACED*"]
    replaced = executions(sent)[-1]
    assert replaced.order is not None
    assert replaced.order.stop_price == 1.0816
    assert replaced.order.trade_data.volume == 2_000_000


def test_raising_another_symbols_position(session: Session) -> None:
    position = session.opened()
    refused = error(session.do(session.order(symbol_id=GBPUSD, position_id=position)))
    assert refused == ("INVALID_REQUEST", "The position is on another symbol")


def test_a_raise_that_comes_too_late_is_rejected(session: Session) -> None:
    position = session.opened()
    session.do(session.order(order_type=LIMIT, limit_price=1.08, position_id=position))
    session.do(close(session, position))
    session.price(EURUSD, 107_900, 107_910)
    (rejected,) = executions(session.wait())
    assert rejected.execution_type == KIND.ORDER_REJECTED
    assert rejected.error_code == "POSITION_NOT_FOUND"


# --- orders that meet on the way ------------------------------------------------------------------


def test_no_more_than_there_is_can_be_on_its_way(session: Session) -> None:
    position = session.opened()
    session.send(close(session, position, 600_000))
    refused = error(session.send(close(session, position, 500_000)))
    assert refused == ("PENDING_EXECUTION", "Position has an order in execution")
    assert kinds(session.send(close(session, position, 400_000))) == ["ORDER_ACCEPTED"]
    assert kinds(session.wait()) == ["ORDER_FILLED", "ORDER_FILLED"]
    assert session.account.positions == {}


def test_a_stop_loss_in_execution_loses_against_a_close(session: Session) -> None:
    position = session.opened(relative_stop_loss=100)
    session.send(close(session, position))
    session.price(EURUSD, 108_000, 108_010)
    sent = session.wait()
    assert kinds(sent) == ["ORDER_FILLED", "ORDER_CANCELLED*"]
    assert status(executions(sent)[-1]) == STATUS.POSITION_STATUS_CLOSED
    assert session.account.working == {}


def test_a_close_in_execution_loses_against_a_stop_loss(session: Session) -> None:
    position = session.opened(relative_stop_loss=100)
    session.price(EURUSD, 108_000, 108_010)
    session.wait(100)
    session.send(close(session, position))
    sent = session.wait()
    assert kinds(sent) == ["ORDER_FILLED*", "ORDER_REJECTED"]
    rejected = executions(sent)[-1]
    assert rejected.error_code == "POSITION_NOT_OPEN"
    assert sent[-1].client_msg_id == "m2"
    assert session.account.working == {}


def test_a_stop_loss_closes_what_a_partial_close_left() -> None:
    session = Session(rules=TradingRules(Latency(protect=500)))
    position = session.opened(relative_stop_loss=100)
    session.wait()
    session.send(close(session, position, 300_000))
    session.price(EURUSD, 108_000, 108_010)
    sent = session.wait()
    assert kinds(sent) == ["ORDER_FILLED", "ORDER_FILLED*"]
    last = executions(sent)[-1]
    assert last.order is not None
    assert last.order.trade_data.volume == 700_000
    assert status(last) == STATUS.POSITION_STATUS_CLOSED


def test_a_stop_loss_with_little_liquidity_goes_on_with_the_next_tick(session: Session) -> None:
    position = session.opened(relative_stop_loss=100)
    session.liquidity(EURUSD, available=600_000)
    session.price(EURUSD, 108_000, 108_010)
    sent = session.wait()
    assert kinds(sent) == ["ORDER_PARTIAL_FILL*"]
    assert session.account.positions[position].volume == 400_000
    session.price(EURUSD, 107_990, 108_000)
    assert kinds(session.wait()) == ["ORDER_FILLED*"]
    assert session.account.positions == {}


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        (0, "Order volume = 0.00 is smaller than minimum allowed volume = 0.01."),
        (LOT, "Order volume = 1.00 is bigger than maximum allowed volume = 0.10."),
        (150_000, "Order volume = 0.015 is not a multiple of the volume step = 0.01."),
    ],
)
def test_bad_volumes(session: Session, volume: int, text: str) -> None:
    position = session.opened()
    refused = error(session.send(close(session, position, volume)))
    assert refused == ("TRADING_BAD_VOLUME", text)


def test_unknown_closed_and_unfilled_positions(session: Session) -> None:
    position = session.opened()
    session.do(close(session, position))
    for unknown in (position, 12):
        assert error(session.send(close(session, unknown))) == (
            "POSITION_NOT_FOUND", f"Position not found with id {unknown}"
        )  # fmt: skip
    session.do(session.order(order_type=LIMIT, limit_price=1.0))
    (order,) = session.account.working.values()
    assert error(session.send(close(session, order.position_id)))[0] == "POSITION_NOT_OPEN"


@pytest.mark.parametrize(
    ("mode", "allowed"),
    [(ProtoOATradingMode.CLOSE_ONLY_MODE, True),
     (ProtoOATradingMode.DISABLED_WITH_PENDINGS_EXECUTION, False)],
)  # fmt: skip
def test_modes(session: Session, mode: ProtoOATradingMode, allowed: bool) -> None:
    position = session.opened()
    session.change(EURUSD, trading_mode=mode)
    sent = session.send(close(session, position))
    if allowed:
        assert kinds(sent) == ["ORDER_ACCEPTED"]
    else:
        assert error(sent)[0] == "TRADING_DISABLED"


@pytest.mark.parametrize(("rights", "allowed"), [(1, True), (2, False)])
def test_rights(session: Session, rights: Any, allowed: bool) -> None:
    position = session.opened()
    session.account.change(access_rights=ProtoOAAccessRights(rights))
    sent = session.send(close(session, position))
    assert (kinds(sent) == ["ORDER_ACCEPTED"]) is allowed


def test_market_closed() -> None:
    session = Session(start_ms=SATURDAY - 8 * 3_600_000 - 86_400_000)
    position = session.opened()
    session.wait(86_400_000 + 7 * 3_600_000)
    assert error(session.send(close(session, position)))[0] == "MARKET_CLOSED"
