"""The levels of positions: amended, trailing, guaranteed, reached, refused."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed.proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOAPositionStatus,
    ProtoOASymbolDistanceType,
    ProtoOATrailingSLChangedEvent,
)
from mockserver.broker.rules import TradingRules
from mockserver.broker.trading.account import Terms
from tests.mockserver.broker.trading.harness import (
    EURUSD,
    KIND,
    LOT,
    SELL,
    Session,
    error,
    executions,
    kinds,
)

METHOD = ProtoOAOrderTriggerMethod


@pytest.fixture
def session() -> Session:
    return Session()


def amend(session: Session, position: int, **fields: Any) -> ProtoOAAmendPositionSLTPReq:
    return ProtoOAAmendPositionSLTPReq(
        ctid_trader_account_id=session.account_id, position_id=position, **fields
    )


def the_event(sent: Any) -> ProtoOAExecutionEvent:
    (event,) = executions(sent)
    assert event.order is not None
    assert event.position is not None
    return event


def test_first_levels_make_a_protective_order(session: Session) -> None:
    position = session.opened()
    sent = session.do(amend(session, position, stop_loss=1.08))
    event = the_event(sent)
    assert sent[0].client_msg_id == "m2"
    assert (event.execution_type, event.is_server_event) == (KIND.ORDER_ACCEPTED, False)
    assert event.order is not None
    assert event.order.order_type == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
    assert (event.order.stop_price, event.order.limit_price) == (1.08, None)
    assert event.order.closing_order is True
    assert event.order.trade_data.trade_side == SELL
    assert event.deal is None


def test_levels_are_overwritten_on_the_same_order(session: Session) -> None:
    position = session.opened(relative_stop_loss=400, relative_take_profit=400)
    (order_id,) = session.account.working
    event = the_event(session.do(amend(session, position, take_profit=1.09)))
    assert event.execution_type == KIND.ORDER_REPLACED
    assert event.order is not None
    assert event.position is not None
    assert event.order.order_id == order_id
    assert (event.order.stop_price, event.order.limit_price) == (None, 1.09)
    assert (event.position.stop_loss, event.position.take_profit) == (None, 1.09)
    assert event.position.stop_loss_trigger_method is None


def test_without_levels_the_protective_order_is_cancelled(session: Session) -> None:
    position = session.opened(relative_stop_loss=400)
    event = the_event(session.do(amend(session, position)))
    assert event.execution_type == KIND.ORDER_CANCELLED
    assert event.position is not None
    assert event.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_OPEN
    assert event.position.stop_loss is None
    again = the_event(session.do(amend(session, position, stop_loss=1.08)))
    assert again.execution_type == KIND.ORDER_ACCEPTED


def test_amending_before_the_protective_order_is_there(session: Session) -> None:
    session.send(session.order(relative_stop_loss=400))
    session.wait(130)
    (position,) = session.account.positions
    event = the_event(session.send(amend(session, position, stop_loss=1.07)))
    assert event.execution_type == KIND.ORDER_ACCEPTED
    assert session.wait() == []  # and none follows


def test_the_trigger_method_is_kept_by_order_and_position(session: Session) -> None:
    position = session.opened()
    request = amend(
        session, position, stop_loss=1.08, stop_loss_trigger_method=METHOD.DOUBLE_OPPOSITE
    )
    event = the_event(session.do(request))
    assert event.order is not None
    assert event.position is not None
    assert event.order.stop_trigger_method == METHOD.DOUBLE_OPPOSITE
    assert event.position.stop_loss_trigger_method == METHOD.DOUBLE_OPPOSITE


@pytest.mark.parametrize(
    ("method", "ticks"),
    [
        (METHOD.TRADE, [(107_999, 108_009)]),
        (METHOD.OPPOSITE, [(107_989, 108_001), (107_988, 107_999)]),
        (METHOD.DOUBLE_TRADE, [(107_999, 108_009), (108_001, 108_011), (107_999, 108_009),
                               (107_998, 108_008)]),
    ],
)  # fmt: skip
def test_a_stop_loss_is_set_off(
    session: Session, method: ProtoOAOrderTriggerMethod, ticks: list[tuple[int, int]]
) -> None:
    position = session.opened()
    session.do(amend(session, position, stop_loss=1.08, stop_loss_trigger_method=method))
    for bid, ask in ticks:
        assert session.wait() == []
        session.price(EURUSD, bid, ask)
    event = the_event(session.wait())
    assert event.execution_type == KIND.ORDER_FILLED
    assert event.is_server_event is True
    assert event.position is not None
    assert event.position.position_status == ProtoOAPositionStatus.POSITION_STATUS_CLOSED


def test_a_short_position_watches_the_ask(session: Session) -> None:
    session.opened(trade_side=SELL, relative_stop_loss=100, relative_take_profit=200)
    (order,) = session.account.working.values()
    assert (order.stop_price, order.limit_price) == (108_550, 108_250)
    session.price(EURUSD, 108_530, 108_549)
    assert session.wait() == []
    session.price(EURUSD, 108_240, 108_250)
    event = the_event(session.wait())
    assert event.deal is not None
    assert event.deal.close_position_detail is not None
    assert event.deal.execution_price == 1.0825
    assert event.deal.close_position_detail.gross_profit == 2000


def test_a_take_profit_through_the_market_fills_at_once(session: Session) -> None:
    position = session.opened()
    sent = session.do(amend(session, position, take_profit=1.08))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED*"]
    assert [o.client_msg_id for o in sent] == ["m2", None]
    deal = executions(sent)[-1].deal
    assert deal is not None
    assert deal.execution_price == 1.0845


def test_or_is_refused_with_the_text_that_was_seen() -> None:
    session = Session(rules=TradingRules(refuse_crossed_take_profit=True))
    session.price(EURUSD, 66_466, 66_470)
    position = session.opened()
    (sent,) = session.do(amend(session, position, take_profit=0.66464))
    assert isinstance(sent.message, ProtoOAOrderErrorEvent)
    assert sent.message.to_dict() == {
        "ctidTraderAccountId": session.account_id,
        "errorCode": "TRADING_BAD_STOPS",
        "orderId": 0,
        "positionId": 0,
        "description": "New TP for BUY position should be >= current BID price. "
        "current BID: 0.66466, TP: 0.66464",
    }


def test_a_stop_loss_beyond_the_market_is_refused(session: Session) -> None:
    long, short = session.opened(), session.opened(trade_side=SELL)
    refused = error(session.do(amend(session, long, stop_loss=1.085, take_profit=1.09)))
    assert refused == (
        "TRADING_BAD_STOPS",
        "New SL for BUY position should be <= current BID price. current BID: 1.0845, SL: 1.085",
    )
    refused = error(session.do(amend(session, short, stop_loss=1.084)))
    assert refused == (
        "TRADING_BAD_STOPS",
        "New SL for SELL position should be >= current ASK price. current ASK: 1.0846, SL: 1.084",
    )
    assert session.account.positions[long].protection.empty  # neither level was taken


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Nothing to amend."),
        ({"stop_loss": 1.08, "trailing_stop_loss": False, "take_profit": 1.09}, None),
        ({"trailing_stop_loss": False}, "trailingStopLoss needs a stop loss"),
        ({"take_profit": 1.09, "trailing_stop_loss": True}, "trailingStopLoss needs a stop loss"),
        ({"stop_loss": 1.08, "guaranteed_stop_loss": True},
         "The symbol has no guaranteed stop loss"),
        ({"take_profit": 1.09, "guaranteed_stop_loss": True},
         "guaranteedStopLoss needs a stop loss"),
        ({"stop_loss": 1.0799999},
         "Order protection = 1.0799999 has more digits than symbol allows. Allowed 5 digits"),
    ],
)  # fmt: skip
def test_amendments_that_make_no_sense(
    session: Session, fields: dict[str, Any], text: str | None
) -> None:
    position = session.opened()
    sent = session.do(amend(session, position, **fields))
    if text is None:
        assert kinds(sent) == ["ORDER_ACCEPTED"]
        assert error(session.do(amend(session, position, **fields)))[1] == "Nothing to amend."
    else:
        assert error(sent) == ("INVALID_REQUEST", text)


def test_an_unknown_position_carries_zeros(session: Session) -> None:
    (sent,) = session.do(amend(session, 77, stop_loss=1.0))
    assert isinstance(sent.message, ProtoOAOrderErrorEvent)
    assert sent.message.error_code == "POSITION_NOT_FOUND"
    assert sent.message.description == "Position not found with id 77"
    assert (sent.message.order_id, sent.message.position_id) == (0, 0)


def test_too_soon_after_the_fill_if_the_rules_say_so() -> None:
    session = Session(rules=TradingRules(amend_blackout=80))
    session.send(session.order())
    session.wait(130)
    (position,) = session.account.positions
    request = amend(session, position, stop_loss=1.08)
    assert error(session.send(request))[0] == "POSITION_NOT_FOUND"
    session.wait(80)
    assert kinds(session.send(request)) == ["ORDER_ACCEPTED"]


def test_not_while_an_order_is_in_execution(session: Session) -> None:
    position = session.opened(relative_stop_loss=400)
    close = ProtoOAClosePositionReq(
        ctid_trader_account_id=session.account_id, position_id=position, volume=100_000
    )
    session.send(close)
    assert error(session.send(amend(session, position, stop_loss=1.07)))[0] == "PENDING_EXECUTION"
    session.wait()
    session.price(EURUSD, 107_000, 107_010)
    assert error(session.send(amend(session, position, stop_loss=1.06)))[0] == "PENDING_EXECUTION"


# --- distances ------------------------------------------------------------------------------------


def test_minimum_distances_in_points(session: Session) -> None:
    position = session.opened()
    session.change(EURUSD, sl_distance=50, tp_distance=20)
    near = error(session.do(amend(session, position, stop_loss=1.08401)))
    assert near == (
        "PROTECTION_IS_TOO_CLOSE_TO_MARKET",
        "Protection 1.08401 is too close to the market",
    )
    near = error(session.do(amend(session, position, take_profit=1.08469)))
    assert near[0] == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"
    request = amend(session, position, stop_loss=1.084, take_profit=1.0847)
    assert kinds(session.do(request)) == ["ORDER_ACCEPTED"]
    refused = error(session.do(session.order(relative_stop_loss=49)))
    assert refused[0] == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"


def test_minimum_distances_in_per_cent(session: Session) -> None:
    percent = ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_PERCENTAGE
    session.change(EURUSD, sl_distance=1, distance_set_in=percent)
    position = session.opened()
    assert len(session.do(amend(session, position, stop_loss=1.07366))) == 1
    assert error(session.do(amend(session, position, stop_loss=1.0737)))[0] == (
        "PROTECTION_IS_TOO_CLOSE_TO_MARKET"
    )


# --- trailing -------------------------------------------------------------------------------------


def test_a_trailing_stop_moves_by_its_own_event_alone(session: Session) -> None:
    position = session.opened(relative_stop_loss=100, trailing_stop_loss=True)
    (order,) = session.account.working.values()
    before = session.account.positions[position].message(), order.message()
    assert before[0].trailing_stop_loss is True
    assert before[0].stop_loss == 1.0836
    assert session.price(EURUSD, 108_440, 108_450) == []  # never back
    (sent,) = session.price(EURUSD, 108_490, 108_500)
    assert isinstance(sent.message, ProtoOATrailingSLChangedEvent)
    assert sent.message.to_dict() == {
        "ctidTraderAccountId": session.account_id,
        "positionId": position,
        "orderId": order.order_id,
        "stopPrice": 1.084,  # as far behind as it was when it was set
        "utcLastUpdateTimestamp": session.broker.now_ms,
    }
    after = session.account.positions[position].message(), order.message()
    assert after[0].stop_loss == after[1].stop_price == 1.084
    assert after[0].utc_last_update_timestamp == before[0].utc_last_update_timestamp
    assert after[1].utc_last_update_timestamp == before[1].utc_last_update_timestamp


def test_a_short_position_trails_downwards(session: Session) -> None:
    session.opened(trade_side=SELL, relative_stop_loss=100, trailing_stop_loss=True)
    (sent,) = session.price(EURUSD, 108_390, 108_400)
    assert isinstance(sent.message, ProtoOATrailingSLChangedEvent)
    assert sent.message.stop_price == 1.0849
    session.price(EURUSD, 108_480, 108_490)
    assert kinds(session.wait()) == ["ORDER_FILLED*"]


def test_the_trailing_flag_stays_when_left_out(session: Session) -> None:
    position = session.opened(relative_stop_loss=100, trailing_stop_loss=True)
    event = the_event(session.do(amend(session, position, stop_loss=1.083)))
    assert event.position is not None
    assert event.position.trailing_stop_loss is True
    event = the_event(
        session.do(amend(session, position, stop_loss=1.083, trailing_stop_loss=False))
    )
    assert event.position is not None
    assert event.position.trailing_stop_loss is False
    assert session.price(EURUSD, 109_000, 109_010) == []


# --- guaranteed stops, limited risk ---------------------------------------------------------------


def guaranteed(session: Session, **fields: Any) -> int:
    session.change(EURUSD, guaranteed_stop_loss=True, gsl_distance=50, gsl_charge=250)
    return session.opened(relative_stop_loss=100, guaranteed_stop_loss=True, **fields)


def test_a_guaranteed_stop_fills_at_its_price_and_costs(session: Session) -> None:
    position = guaranteed(session)
    shown = session.account.positions[position].message()
    assert shown.guaranteed_stop_loss is True
    assert shown.trade_data.guaranteed_stop_loss is True
    session.price(EURUSD, 107_000, 107_010)
    sent = session.wait()
    assert kinds(sent) == ["ORDER_FILLED*", "DEPOSIT_WITHDRAW*"]
    filled, charged = executions(sent)
    assert filled.deal is not None
    assert filled.deal.execution_price == 1.0836
    assert charged.deposit_withdraw is not None
    assert charged.deposit_withdraw.delta == -25  # 2.50 dollars a lot
    assert charged.deposit_withdraw.operation_type == 17


def test_a_guaranteed_stop_never_gets_worse(session: Session) -> None:
    position = guaranteed(session)
    worse = amend(session, position, stop_loss=1.083)
    assert error(session.do(worse))[0] == "WORSE_GSL_NOT_ALLOWED"
    given_up = amend(session, position, stop_loss=1.0838, guaranteed_stop_loss=False)
    assert error(session.do(given_up))[0] == "WORSE_GSL_NOT_ALLOWED"
    assert error(session.do(amend(session, position, take_profit=1.09)))[0] == (
        "WORSE_GSL_NOT_ALLOWED"
    )
    assert kinds(session.do(amend(session, position, stop_loss=1.0838))) == ["ORDER_REPLACED"]


def test_its_distance_is_the_symbols_own(session: Session) -> None:
    session.change(EURUSD, guaranteed_stop_loss=True, gsl_distance=50)
    order = session.order(relative_stop_loss=49, guaranteed_stop_loss=True)
    assert error(session.do(order))[0] == "PROTECTION_IS_TOO_CLOSE_TO_MARKET"


def test_a_limited_risk_account_must_have_one() -> None:
    session = Session(Terms(is_limited_risk=True))
    session.change(EURUSD, guaranteed_stop_loss=True)
    refused = error(session.do(session.order(relative_stop_loss=100)))
    assert refused == (
        "TRADING_BAD_STOPS",
        "A limited-risk account needs a guaranteed stop loss",
    )


STRATEGY = ProtoOALimitedRiskMarginCalculationStrategy


@pytest.mark.parametrize(
    ("strategy", "distance", "margin"),
    [
        (STRATEGY.ACCORDING_TO_LEVERAGE, 1000, 108_460),
        (STRATEGY.ACCORDING_TO_GSL, 1000, 100_000),  # 100,000 units x 0.01
        (STRATEGY.ACCORDING_TO_GSL_AND_LEVERAGE, 1000, 108_460),
        (STRATEGY.ACCORDING_TO_GSL_AND_LEVERAGE, 2000, 200_000),
    ],
)
def test_the_margin_of_limited_risk(
    strategy: ProtoOALimitedRiskMarginCalculationStrategy, distance: int, margin: int
) -> None:
    session = Session(Terms(is_limited_risk=True, limited_risk_strategy=strategy))
    session.change(EURUSD, guaranteed_stop_loss=True)
    position = session.opened(volume=LOT, relative_stop_loss=distance, guaranteed_stop_loss=True)
    assert session.account.positions[position].used_margin == margin
