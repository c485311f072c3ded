"""Pending orders cancelled and amended."""

from __future__ import annotations

import pytest

from ctrader_typed.proto import (
    ProtoOAOrderErrorEvent,
    ProtoOAPositionStatus,
)
from tests.broker.trading.harness import EURUSD, KIND, Session, error, executions, kinds
from tests.broker.trading.test_pending_orders import amend, cancel, limit, number


@pytest.fixture
def session() -> Session:
    return Session()


# --- cancelling -----------------------------------------------------------------------------------


def test_cancel(session: Session) -> None:
    accepted = limit(session)
    (sent,) = session.do(cancel(session, number(accepted)))
    assert sent.client_msg_id == "m2"
    (event,) = executions([sent])
    assert event.execution_type == KIND.ORDER_CANCELLED
    assert event.is_server_event is False
    again = error(session.send(cancel(session, number(accepted))))
    assert again == ("ORDER_NOT_FOUND", f"Order not found with id {number(accepted)}")


def test_cancel_in_execution_is_an_execution_event(session: Session) -> None:
    accepted = limit(session)
    session.price(EURUSD, 108_380, 108_390)
    (event,) = executions(session.send(cancel(session, number(accepted))))
    assert event.execution_type == KIND.ORDER_CANCEL_REJECTED
    assert event.error_code == "UNABLE_TO_CANCEL_ORDER"
    assert kinds(session.wait()) == ["ORDER_FILLED"]


def test_a_protective_order_cannot_be_cancelled_or_amended(session: Session) -> None:
    session.opened(relative_stop_loss=100)
    (order_id,) = session.account.working
    assert error(session.send(cancel(session, order_id)))[0] == "UNABLE_TO_CANCEL_ORDER"
    refused = error(session.send(amend(session, order_id, stop_price=1.0)))
    assert refused[0] == "UNABLE_TO_AMEND_ORDER"


# --- amending -------------------------------------------------------------------------------------


def test_amend_keeps_the_number(session: Session) -> None:
    accepted = limit(session, relative_stop_loss=100)
    request = amend(
        session, number(accepted), limit_price=1.083, volume=2_000_000, relative_stop_loss=100
    )
    (sent,) = session.do(request)
    assert sent.client_msg_id == "m2"
    (event,) = executions([sent])
    assert event.execution_type == KIND.ORDER_REPLACED
    assert event.order is not None
    assert event.position is not None
    assert number(event) == number(accepted)
    assert (event.order.limit_price, event.order.trade_data.volume) == (1.083, 2_000_000)
    assert event.order.relative_stop_loss == 100
    assert event.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_CREATED
    first = accepted.order
    assert first is not None
    assert event.order.trade_data.open_timestamp == first.trade_data.open_timestamp
    assert event.order.utc_last_update_timestamp != first.utc_last_update_timestamp


def test_levels_left_out_are_removed(session: Session) -> None:
    accepted = limit(session, relative_stop_loss=100, relative_take_profit=100)
    request = amend(session, number(accepted), relative_take_profit=150)
    (event,) = executions(session.do(request))
    assert event.order is not None
    assert event.order.relative_stop_loss is None
    assert event.order.relative_take_profit == 150


def test_an_amended_limit_may_fill_at_once(session: Session) -> None:
    accepted = limit(session)
    sent = session.do(amend(session, number(accepted), limit_price=1.09))
    assert kinds(sent) == ["ORDER_REPLACED", "ORDER_FILLED"]
    assert sent[1].client_msg_id is None


def test_nothing_to_amend(session: Session) -> None:
    accepted = limit(session)
    refused = error(session.send(amend(session, number(accepted), limit_price=1.084)))
    assert refused == ("INVALID_REQUEST", "Nothing to amend.")


def test_amend_in_execution_is_refused(session: Session) -> None:
    accepted = limit(session)
    session.price(EURUSD, 108_380, 108_390)
    refused = error(session.send(amend(session, number(accepted), limit_price=1.083)))
    assert refused[0] == "UNABLE_TO_AMEND_ORDER"


def test_amend_of_an_unknown_order(session: Session) -> None:
    (sent,) = session.send(amend(session, 99, limit_price=1.083))
    assert isinstance(sent.message, ProtoOAOrderErrorEvent)
    assert sent.message.order_id == 99
    assert sent.message.position_id is None
