"""Pending orders cancelled and amended."""

from __future__ import annotations

import pytest

from ctrader_typed.proto import (
    ProtoOAOrderErrorEvent,
    ProtoOAOrderTriggerMethod,
    ProtoOAPositionStatus,
)
from tests.mockserver.broker.trading.harness import (
    EURUSD,
    KIND,
    STOP_LIMIT,
    Session,
    error,
    executions,
    kinds,
)
from tests.mockserver.broker.trading.test_pending_orders import amend, cancel, limit, number, stop


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


def test_amend_a_stop_limit(session: Session) -> None:
    accepted = stop(session, order_type=STOP_LIMIT, slippage_in_points=10)
    opposite = ProtoOAOrderTriggerMethod.OPPOSITE
    request = amend(
        session,
        number(accepted),
        stop_price=1.086,
        slippage_in_points=20,
        stop_trigger_method=opposite,
        limit_price=1.0,  # of no use to it, and ignored
    )
    (event,) = executions(session.do(request))
    assert event.order is not None
    assert (event.order.stop_price, event.order.slippage_in_points) == (1.086, 20)
    assert event.order.stop_trigger_method == opposite
    assert event.order.limit_price is None
    refused = error(session.send(amend(session, number(accepted), stop_price=1.08)))
    assert refused[0] == "TRADING_BAD_STOPS"


def test_a_volume_that_is_filled_already(session: Session) -> None:
    session.liquidity(EURUSD, available=600_000)
    accepted = limit(session)
    session.price(EURUSD, 108_380, 108_390)
    session.wait()
    refused = error(session.send(amend(session, number(accepted), volume=600_000)))
    assert refused == ("TRADING_BAD_VOLUME", "More than this volume is filled already")


def test_the_trailing_flag_stays(session: Session) -> None:
    accepted = limit(session, relative_stop_loss=100, trailing_stop_loss=True)
    request = amend(session, number(accepted), relative_stop_loss=150)
    (event,) = executions(session.do(request))
    assert event.order is not None
    assert event.order.trailing_stop_loss is True


def test_a_stop_once_passed_fills_with_any_tick(session: Session) -> None:
    session.liquidity(EURUSD, available=600_000)
    stop(session)
    session.price(EURUSD, 108_490, 108_500)
    assert kinds(session.wait()) == ["ORDER_PARTIAL_FILL"]
    session.price(EURUSD, 108_390, 108_400)
    assert kinds(session.wait()) == ["ORDER_FILLED"]
