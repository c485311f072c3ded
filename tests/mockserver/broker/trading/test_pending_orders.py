"""Limit, stop and stop limit orders: waiting, filling, amending, cancelling, expiring."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed.proto import (
    ProtoOAAmendOrderReq,
    ProtoOACancelOrderReq,
    ProtoOAExecutionEvent,
    ProtoOAOrderStatus,
    ProtoOAOrderTriggerMethod,
    ProtoOAPositionStatus,
    ProtoOATimeInForce,
    ProtoOATradingMode,
)
from mockserver.broker.rules import TradingRules
from tests.mockserver.broker.trading.harness import (
    BUY,
    EURUSD,
    KIND,
    LIMIT,
    SELL,
    STOP,
    STOP_LIMIT,
    Session,
    error,
    executions,
    kinds,
)
from tests.mockserver.broker.trading.test_market_orders import SATURDAY

TIME, METHOD = ProtoOATimeInForce, ProtoOAOrderTriggerMethod


@pytest.fixture
def session() -> Session:
    return Session()


def limit(session: Session, **fields: Any) -> ProtoOAExecutionEvent:
    """Place a limit order at 1.08400; the event that accepts it."""
    order = session.order(**({"order_type": LIMIT, "limit_price": 1.084} | fields))
    (accepted,) = executions(session.do(order))
    assert accepted.execution_type == KIND.ORDER_ACCEPTED
    return accepted


def stop(session: Session, **fields: Any) -> ProtoOAExecutionEvent:
    """Place a stop order at 1.08500; the event that accepts it."""
    return limit(
        session, **({"order_type": STOP, "stop_price": 1.085, "limit_price": None} | fields)
    )


def number(event: ProtoOAExecutionEvent) -> int:
    assert event.order is not None
    return event.order.order_id


def cancel(session: Session, order_id: int) -> ProtoOACancelOrderReq:
    return ProtoOACancelOrderReq(ctid_trader_account_id=session.account_id, order_id=order_id)


def amend(session: Session, order_id: int, **fields: Any) -> ProtoOAAmendOrderReq:
    return ProtoOAAmendOrderReq(
        ctid_trader_account_id=session.account_id, order_id=order_id, **fields
    )


# --- waiting and filling --------------------------------------------------------------------------


def test_a_limit_waits_with_a_placeholder_and_its_distances(session: Session) -> None:
    accepted = limit(session, relative_stop_loss=100, relative_take_profit=200)
    assert accepted.position is not None
    assert accepted.order is not None
    assert accepted.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_CREATED
    assert accepted.order.limit_price == 1.084
    assert (accepted.order.relative_stop_loss, accepted.order.relative_take_profit) == (100, 200)
    assert accepted.order.stop_loss is None
    assert accepted.order.take_profit is None
    assert accepted.order.trailing_stop_loss is False
    assert accepted.position.trailing_stop_loss is False


def test_its_fill_answers_nobody(session: Session) -> None:
    accepted = limit(session, relative_stop_loss=100)
    session.price(EURUSD, 108_380, 108_390)
    sent = session.wait()
    assert kinds(sent) == ["ORDER_FILLED", "ORDER_ACCEPTED*"]
    assert [(o.connection, o.client_msg_id) for o in sent] == [(None, None)] * 2
    filled, protected = executions(sent)
    assert filled.order is not None
    assert filled.deal is not None
    assert filled.is_server_event is False
    assert number(filled) == number(accepted)
    assert filled.deal.execution_price == 1.0839  # better than asked for
    assert filled.deal.execution_timestamp - filled.deal.create_timestamp == 150
    assert protected.position is not None
    assert protected.position.stop_loss == 1.0829  # from the fill, not from the limit


def test_a_limit_fills_at_its_price_when_the_market_turns(session: Session) -> None:
    limit(session)
    session.price(EURUSD, 108_390, 108_400)
    session.price(EURUSD, 109_000, 109_010)
    (filled,) = executions(session.wait())
    assert filled.deal is not None
    assert filled.deal.execution_price == 1.084


def test_a_marketable_limit_fills_soon(session: Session) -> None:
    sent = session.do(session.order(order_type=LIMIT, limit_price=1.09))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    assert sent[1].client_msg_id is None


def test_a_stop_fills_at_the_market_with_its_slippage(session: Session) -> None:
    stop(session)
    assert session.price(EURUSD, 108_480, 108_499) == []
    assert session.wait() == []
    session.price(EURUSD, 108_490, 108_500)
    session.price(EURUSD, 108_530, 108_540)
    (filled,) = executions(session.wait())
    assert filled.deal is not None
    assert filled.deal.execution_price == 1.0854


def test_absolute_levels_are_kept_as_prices(session: Session) -> None:
    accepted = limit(session, stop_loss=1.083, take_profit=1.09)
    assert accepted.order is not None
    assert (accepted.order.stop_loss, accepted.order.take_profit) == (1.083, 1.09)
    session.price(EURUSD, 108_380, 108_390)
    protected = executions(session.wait())[-1]
    assert protected.position is not None
    assert (protected.position.stop_loss, protected.position.take_profit) == (1.083, 1.09)


def test_a_stop_limit_fills_within_its_range_only(session: Session) -> None:
    stop(session, order_type=STOP_LIMIT, slippage_in_points=10)
    session.price(EURUSD, 108_500, 108_515)
    assert session.wait() == []  # the stop was passed, but the market is too far
    session.price(EURUSD, 108_480, 108_490)
    (filled,) = executions(session.wait())
    assert filled.deal is not None
    assert filled.deal.execution_price == 1.0849  # as a limit order at 1.0851


def test_a_stop_limit_within_its_range_fills_at_once(session: Session) -> None:
    stop(session, order_type=STOP_LIMIT, slippage_in_points=10)
    session.price(EURUSD, 108_490, 108_510)
    assert kinds(session.wait()) == ["ORDER_FILLED"]


def test_what_is_not_filled_waits_for_the_next_tick(session: Session) -> None:
    session.liquidity(EURUSD, available=600_000)
    accepted = limit(session)
    session.price(EURUSD, 108_380, 108_390)
    assert kinds(session.wait()) == ["ORDER_PARTIAL_FILL"]
    assert session.account.working[number(accepted)].executed_volume == 600_000
    session.price(EURUSD, 108_381, 108_391)
    assert kinds(session.wait()) == ["ORDER_FILLED"]


def test_cancelled_after_a_part_the_position_stays(session: Session) -> None:
    session.liquidity(EURUSD, available=600_000)
    accepted = limit(session)
    session.price(EURUSD, 108_380, 108_390)
    session.wait()
    (cancelled,) = executions(session.do(cancel(session, number(accepted))))
    assert cancelled.position is not None
    assert cancelled.order is not None
    assert cancelled.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_OPEN
    assert cancelled.order.executed_volume == 600_000


@pytest.mark.parametrize(
    ("method", "side", "ticks"),
    [
        (METHOD.TRADE, BUY, [(108_490, 108_500)]),
        (METHOD.OPPOSITE, BUY, [(108_490, 108_500), (108_500, 108_510)]),
        (METHOD.DOUBLE_TRADE, BUY, [(108_490, 108_500), (108_480, 108_490), (108_495, 108_505),
                                    (108_495, 108_501)]),
        (METHOD.DOUBLE_OPPOSITE, BUY, [(108_500, 108_510), (108_501, 108_511)]),
        (METHOD.TRADE, SELL, [(108_400, 108_410)]),
        (METHOD.OPPOSITE, SELL, [(108_395, 108_405), (108_390, 108_400)]),
    ],
)  # fmt: skip
def test_trigger_methods(
    session: Session,
    method: ProtoOAOrderTriggerMethod,
    side: Any,
    ticks: list[tuple[int, int]],
) -> None:
    """Only the last of the ticks sets the stop off."""
    price = 1.085 if side == BUY else 1.084
    accepted = stop(session, stop_price=price, trade_side=side, stop_trigger_method=method)
    assert accepted.order is not None
    assert accepted.order.stop_trigger_method == method
    for bid, ask in ticks:
        assert session.wait() == []
        session.price(EURUSD, bid, ask)
    assert kinds(session.wait()) == ["ORDER_FILLED"]


@pytest.mark.parametrize("mode", list(ProtoOATradingMode))
def test_trading_modes(session: Session, mode: ProtoOATradingMode) -> None:
    limit(session)
    session.change(EURUSD, trading_mode=mode)
    session.price(EURUSD, 108_380, 108_390)
    fills = mode != ProtoOATradingMode.DISABLED_WITHOUT_PENDINGS_EXECUTION
    assert kinds(session.wait()) == (["ORDER_FILLED"] if fills else [])


def test_in_a_closed_market_orders_wait() -> None:
    session = Session(start_ms=SATURDAY)
    limit(session, limit_price=1.09)
    session.price(EURUSD, 108_380, 108_390)
    assert session.wait() == []


def test_without_money_the_fill_is_rejected() -> None:
    session = Session(deposit=50)
    limit(session)
    session.price(EURUSD, 108_380, 108_390)
    (rejected,) = executions(session.wait())
    assert rejected.execution_type == KIND.ORDER_REJECTED
    assert rejected.error_code == "NOT_ENOUGH_MONEY"
    assert rejected.position is not None
    assert rejected.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_CLOSED


# --- times in force -------------------------------------------------------------------------------


def test_a_dated_order_expires(session: Session) -> None:
    when = session.broker.now_ms + 5000
    accepted = limit(session, time_in_force=TIME.GOOD_TILL_DATE, expiration_timestamp=when)
    assert accepted.order is not None
    assert accepted.order.expiration_timestamp == when
    assert session.wait(3999) == []
    (expired,) = executions(session.wait(1))
    assert expired.execution_type == KIND.ORDER_EXPIRED
    assert expired.order is not None
    assert expired.position is not None
    assert expired.order.order_status == ProtoOAOrderStatus.ORDER_STATUS_EXPIRED
    assert expired.order.utc_last_update_timestamp == when
    assert expired.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_CLOSED
    assert session.account.working == {}


def test_an_order_in_execution_does_not_expire(session: Session) -> None:
    when = session.broker.now_ms + 1100
    limit(session, time_in_force=TIME.GOOD_TILL_DATE, expiration_timestamp=when)
    session.price(EURUSD, 108_380, 108_390)
    assert kinds(session.wait()) == ["ORDER_FILLED"]


def test_an_amended_date_counts(session: Session) -> None:
    now = session.broker.now_ms
    accepted = limit(session)
    session.do(amend(session, number(accepted), expiration_timestamp=now + 9000))
    order = session.account.working[number(accepted)]
    assert order.time_in_force == TIME.GOOD_TILL_DATE
    session.do(amend(session, number(accepted), expiration_timestamp=now + 20_000))
    assert session.wait(10_000) == []
    assert kinds(session.wait(10_000)) == ["ORDER_EXPIRED"]


@pytest.mark.parametrize("when", [-1, 0])
def test_a_date_in_the_past_is_refused(session: Session, when: int) -> None:
    fields = {
        "time_in_force": TIME.GOOD_TILL_DATE,
        "expiration_timestamp": session.broker.now_ms + when,
    }
    order = session.order(order_type=LIMIT, limit_price=1.084, **fields)
    assert error(session.send(order))[0] == "TRADING_BAD_EXPIRATION_DATE"


@pytest.mark.parametrize(
    ("resting", "kind", "price", "expected"),
    [
        (True, TIME.IMMEDIATE_OR_CANCEL, 1.084, ["ORDER_ACCEPTED"]),
        (False, TIME.IMMEDIATE_OR_CANCEL, 1.084, ["ORDER_ACCEPTED", "ORDER_CANCELLED"]),
        (True, TIME.FILL_OR_KILL, 1.084, ["ORDER_ACCEPTED", "ORDER_CANCELLED"]),
        (False, TIME.IMMEDIATE_OR_CANCEL, 1.09,
         ["ORDER_ACCEPTED", "ORDER_PARTIAL_FILL", "ORDER_CANCELLED"]),
        (True, TIME.FILL_OR_KILL, 1.09, ["ORDER_ACCEPTED", "ORDER_CANCELLED"]),
    ],
)  # fmt: skip
def test_impatient_limits(
    resting: bool, kind: ProtoOATimeInForce, price: float, expected: list[str]
) -> None:
    session = Session(rules=TradingRules(resting_ioc=resting))
    session.liquidity(EURUSD, available=600_000)
    sent = session.do(session.order(order_type=LIMIT, limit_price=price, time_in_force=kind))
    assert kinds(sent) == expected
    if expected[-1] == "ORDER_CANCELLED":
        assert {outgoing.client_msg_id for outgoing in sent} == {"m1"}


# --- prices that are refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"order_type": LIMIT}, "INVALID_REQUEST", "LIMIT order needs limitPrice"),
        ({"order_type": STOP}, "INVALID_REQUEST", "STOP order needs stopPrice"),
        ({"order_type": STOP_LIMIT, "stop_price": 1.09}, "INVALID_REQUEST",
         "STOP_LIMIT order needs slippageInPoints"),
        ({"order_type": LIMIT, "limit_price": 1.084, "time_in_force": TIME.GOOD_TILL_DATE},
         "INVALID_REQUEST", "GOOD_TILL_DATE order needs expirationTimestamp"),
        ({"order_type": LIMIT, "limit_price": 1.0840000000000003}, "INVALID_REQUEST",
         "Order price = 1.0840000000000003 has more digits than symbol allows. Allowed 5 digits"),
        ({"order_type": LIMIT, "limit_price": 1.084, "stop_loss": 1.0834567}, "INVALID_REQUEST",
         "Order protection = 1.0834567 has more digits than symbol allows. Allowed 5 digits"),
        ({"order_type": LIMIT, "limit_price": -1.0}, "TRADING_BAD_PRICES",
         "Order price = -1.0 is not positive"),
        ({"order_type": STOP, "stop_price": 1.0845}, "TRADING_BAD_STOPS",
         ("Stop price for BUY order should be >= current ASK price. "
          "current ASK: 1.0846, stop price: 1.0845")),
        ({"order_type": STOP, "stop_price": 1.0846, "trade_side": SELL}, "TRADING_BAD_STOPS",
         ("Stop price for SELL order should be <= current BID price. "
          "current BID: 1.0845, stop price: 1.0846")),
        ({"order_type": LIMIT, "limit_price": 1.084, "stop_loss": 1.084}, "TRADING_BAD_STOPS",
         "SL of BUY order is on the wrong side of its price"),
        ({"order_type": LIMIT, "limit_price": 1.084, "take_profit": 1.083}, "TRADING_BAD_STOPS",
         "TP of BUY order is on the wrong side of its price"),
        ({"order_type": LIMIT, "limit_price": 1.084, "stop_loss": 1.08, "relative_stop_loss": 9},
         "INVALID_REQUEST", "Stop loss is given both as a price and as a distance"),
    ],
)  # fmt: skip
def test_refused(session: Session, fields: dict[str, Any], code: str, text: str) -> None:
    assert error(session.send(session.order(**fields))) == (code, text)
