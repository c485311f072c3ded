"""Market and market range orders: the sequence of events, who gets them, fills, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed.proto import (
    ProtoOAAccessRights,
    ProtoOACommissionType,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOATimeInForce,
    ProtoOATradingMode,
)
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.prices import TickList
from mockserver.broker.rules import Latency, TradingRules
from mockserver.broker.trading.account import Terms
from mockserver.broker.trading.state import RefusalCarrier
from tests.mockserver.broker.trading.harness import (
    BTCUSD,
    EUR,
    EURGBP,
    EURUSD,
    GBPUSD,
    LOT,
    MARKET_RANGE,
    SELL,
    Session,
    error,
    executions,
    kinds,
)

TIME, STATUS = ProtoOATimeInForce, ProtoOAOrderStatus


@pytest.fixture
def session() -> Session:
    return Session()


def test_without_levels_two_events(session: Session) -> None:
    assert kinds(session.do(session.order())) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


def test_with_levels_a_server_event_follows(session: Session) -> None:
    sent = session.do(session.order(relative_stop_loss=100, relative_take_profit=200))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_ACCEPTED*"]


def test_the_events_keep_their_times(session: Session) -> None:
    assert kinds(session.send(session.order(relative_stop_loss=100))) == ["ORDER_ACCEPTED"]
    assert session.wait(129) == []
    assert kinds(session.wait(1)) == ["ORDER_FILLED"]
    assert session.wait(17) == []
    assert kinds(session.wait(1)) == ["ORDER_ACCEPTED*"]


def test_wake_at_names_the_next_of_them(session: Session) -> None:
    session.send(session.order(relative_stop_loss=100))
    assert session.broker.wake_at() == pytest.approx(0.130)
    session.wait(130)
    assert session.broker.wake_at() == pytest.approx(0.148)


def test_latencies_can_be_chosen() -> None:
    session = Session(rules=TradingRules(Latency(accept=10, fill=0, protect=0)))
    assert session.send(session.order(relative_stop_loss=100)) == []
    assert len(kinds(session.wait(10))) == 3


def test_the_requester_gets_the_id_and_the_account_the_event(session: Session) -> None:
    session.broker.connected(2, 0.0)
    sent = session.do(session.order(relative_stop_loss=100))
    assert [(o.connection, o.client_msg_id) for o in sent] == [(1, "m1"), (1, "m1"), (None, None)]
    assert {o.account_id for o in sent} == {session.account_id}


def test_who_has_gone_is_not_answered_but_the_account_is_told(session: Session) -> None:
    session.send(session.order())
    session.broker.disconnected(1, 0.0)
    (filled,) = session.wait()
    assert filled.connection is None
    assert filled.client_msg_id is None
    assert filled.account_id == session.account_id


def test_good_till_cancel_is_shown_as_immediate_or_cancel(session: Session) -> None:
    (accepted, _) = executions(session.do(session.order()))
    assert accepted.order is not None
    assert accepted.order.time_in_force == TIME.IMMEDIATE_OR_CANCEL


def test_the_placeholder_has_no_volume_and_no_times(session: Session) -> None:
    accepted, filled = executions(session.do(session.order(label="L", comment="C")))
    assert accepted.position is not None
    assert accepted.position.to_dict() == {
        "positionId": 5_000_001,
        "tradeData": {
            "symbolId": EURUSD,
            "volume": 0,
            "tradeSide": 1,
            "label": "L",
            "guaranteedStopLoss": False,
            "comment": "C",
            "measurementUnits": "",
        },
        "positionStatus": 3,
        "swap": 0,
        "price": 0.0,
        "commission": 0,
        "marginRate": 0.0,
        "mirroringCommission": 0,
        "guaranteedStopLoss": False,
        "usedMargin": 0,
        "moneyDigits": 2,
    }
    assert filled.position is not None
    assert filled.position.position_id == 5_000_001
    assert filled.position.price == 1.0846
    assert filled.position.used_margin == 10_846


def test_a_seller_gets_the_bid(session: Session) -> None:
    _, filled = executions(session.do(session.order(trade_side=SELL)))
    assert filled.deal is not None
    assert filled.deal.execution_price == 1.0845


def test_the_price_is_that_of_the_fill_and_slips(session: Session) -> None:
    session.liquidity(EURUSD, slippage=3)
    session.send(session.order())
    session.price(EURUSD, 108_500, 108_510)
    (filled,) = executions(session.wait())
    assert filled.deal is not None
    assert filled.deal.execution_price == 1.08513


# --- what is refused at the door ------------------------------------------------------------------

ABSOLUTE = "SL/TP in absolute values are allowed only for order types: [LIMIT, STOP, STOP_LIMIT]"
LOTS = "Order volume = 0.00 is smaller than minimum allowed volume = 0.01."


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"stop_loss": 1.08}, "INVALID_REQUEST", ABSOLUTE),
        ({"take_profit": 1.09}, "INVALID_REQUEST", ABSOLUTE),
        ({"order_type": MARKET_RANGE, "base_slippage_price": 1.0846, "slippage_in_points": 1,
          "stop_loss": 1.08}, "INVALID_REQUEST", ABSOLUTE),
        ({"symbol_id": BTCUSD, "volume": 100, "relative_stop_loss": 9_001_001},
         "INVALID_REQUEST", "Relative stop loss has invalid precision"),
        ({"symbol_id": BTCUSD, "volume": 100, "relative_take_profit": 10},
         "INVALID_REQUEST", "Relative take profit has invalid precision"),
        ({"relative_stop_loss": -5}, "INVALID_REQUEST", "Relative stop loss should be positive"),
        ({"trailing_stop_loss": True}, "INVALID_REQUEST", "trailingStopLoss needs a stop loss"),
        ({"client_order_id": "x" * 51}, "INVALID_REQUEST",
         "clientOrderId is longer than 50 characters: 51"),
        ({"label": "x" * 101}, "INVALID_REQUEST", "label is longer than 100 characters: 101"),
        ({"comment": "x" * 513}, "INVALID_REQUEST", "comment is longer than 512 characters: 513"),
        ({"order_type": ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT}, "INVALID_REQUEST",
         "Order type STOP_LOSS_TAKE_PROFIT is not allowed"),
        ({"order_type": ProtoOAOrderType(99)}, "INVALID_REQUEST",
         "Order type UNKNOWN_99 is not allowed"),
        ({"time_in_force": TIME(77)}, "INVALID_REQUEST", "tradeSide or timeInForce is unknown"),
        ({"order_type": MARKET_RANGE}, "INVALID_REQUEST",
         "MARKET_RANGE order needs slippageInPoints"),
        ({"symbol_id": 4711}, "SYMBOL_NOT_FOUND", "Symbol not found: 4711"),
        ({"volume": 0}, "TRADING_BAD_VOLUME", LOTS),
        ({"volume": 1000}, "TRADING_BAD_VOLUME", LOTS),
        ({"volume": 10**11}, "TRADING_BAD_VOLUME",
         "Order volume = 10000.00 is bigger than maximum allowed volume = 1000.00."),
        ({"volume": 150_000}, "TRADING_BAD_VOLUME",
         "Order volume = 0.015 is not a multiple of the volume step = 0.01."),
        ({"volume": 10_000_000_000}, "NOT_ENOUGH_MONEY", "Not enough free margin"),
        ({"position_id": 12}, "POSITION_NOT_FOUND", "Position not found with id 12"),
    ],
)  # fmt: skip
def test_refused(session: Session, fields: dict[str, Any], code: str, text: str) -> None:
    assert error(session.do(session.order(**fields))) == (code, text)
    assert session.account.orders == {}


def test_the_longest_texts_pass(session: Session) -> None:
    order = session.order(client_order_id="i" * 50, label="l" * 100, comment="c" * 512)
    assert kinds(session.do(order)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


def test_bad_volume_is_an_order_error_without_ids(session: Session) -> None:
    (sent,) = session.send(session.order(volume=1000))
    assert sent.client_msg_id == "m1"
    assert sent.account_id is None
    assert sent.message == ProtoOAOrderErrorEvent(
        ctid_trader_account_id=session.account_id,
        error_code="TRADING_BAD_VOLUME",
        description=LOTS,
    )


def test_position_not_found_carries_two_zeros(session: Session) -> None:
    (sent,) = session.send(session.order(position_id=12))
    assert isinstance(sent.message, ProtoOAOrderErrorEvent)
    assert (sent.message.order_id, sent.message.position_id) == (0, 0)


def test_client_order_ids_may_repeat_unless_the_rules_say_no(session: Session) -> None:
    for _ in range(2):
        session.do(session.order(client_order_id="one"))
    assert [o.client_order_id for o in session.account.orders.values()] == ["one", "one"]
    strict = Session(rules=TradingRules(unique_client_order_ids=True))
    strict.send(strict.order(client_order_id="one"))
    taken = error(strict.send(strict.order(client_order_id="one")))
    assert taken == ("INVALID_REQUEST", "clientOrderId is in use")


def test_an_unknown_account_is_not_authorized(session: Session) -> None:
    refused = error(session.send(session.order(ctid_trader_account_id=5)))
    assert refused == ("INVALID_REQUEST", "Trading account is not authorized")


# --- market range, market on open, modes ----------------------------------------------------------


@pytest.mark.parametrize(("ask", "last"), [(108_465, "ORDER_FILLED"), (108_466, "ORDER_CANCELLED")])
def test_market_range(session: Session, ask: int, last: str) -> None:
    sent = session.send(
        session.order(order_type=MARKET_RANGE, base_slippage_price=1.0846, slippage_in_points=5)
    )
    session.price(EURUSD, 108_450, ask)
    sent += session.wait()
    assert kinds(sent) == ["ORDER_ACCEPTED", last]
    order = executions(sent)[0].order
    assert order is not None
    assert (order.base_slippage_price, order.slippage_in_points) == (1.0846, 5)


SATURDAY = 1_772_875_800_000


def test_a_closed_market_refuses_and_market_on_open_waits() -> None:
    session = Session(start_ms=SATURDAY)
    assert error(session.do(session.order())) == ("MARKET_CLOSED", "Market is closed")
    sent = session.do(session.order(time_in_force=TIME.MARKET_ON_OPEN), 60_000)
    assert kinds(sent) == ["ORDER_ACCEPTED"]
    assert session.price(EURUSD, 108_500) == []
    session.wait(2 * 86_400_000)
    session.price(EURUSD, 108_600, 108_610)
    (filled,) = executions(session.wait())
    assert filled.deal is not None
    assert filled.deal.execution_price == 1.0861


def test_a_holiday_has_a_code_of_its_own() -> None:
    new_year = 1_767_268_800_000  # 2026-01-01, 12:00 UTC, a Thursday
    session = Session(start_ms=new_year)
    refused = error(session.do(session.order(symbol_id=GBPUSD)))
    assert refused == ("SYMBOL_HAS_HOLIDAY", "The symbol has a holiday")


def test_market_on_open_fills_at_once_in_an_open_market(session: Session) -> None:
    sent = session.do(session.order(time_in_force=TIME.MARKET_ON_OPEN))
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_FILLED"]


def test_a_market_that_closes_before_the_fill_rejects() -> None:
    friday = 1_772_830_499_900  # 100 ms before EURUSD closes for the weekend
    session = Session(start_ms=friday)
    sent = session.do(session.order())
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_REJECTED"]
    rejected = executions(sent)[-1]
    assert rejected.error_code == "MARKET_CLOSED"
    assert rejected.order is not None
    assert rejected.order.order_status == STATUS.ORDER_STATUS_REJECTED


@pytest.mark.parametrize(
    ("mode", "rights", "code"),
    [(1, 0, "TRADING_DISABLED"), (2, 0, "TRADING_DISABLED"), (3, 0, "TRADING_DISABLED"),
     (0, 1, "TRADING_NOT_ALLOWED"), (0, 2, "TRADING_NOT_ALLOWED"), (0, 3, "TRADING_NOT_ALLOWED")],
)  # fmt: skip
def test_modes_and_rights(session: Session, mode: int, rights: int, code: str) -> None:
    session.change(EURUSD, trading_mode=ProtoOATradingMode(mode))
    session.account.change(access_rights=ProtoOAAccessRights(rights))
    assert error(session.send(session.order()))[0] == code


def test_short_selling_and_exposure(session: Session) -> None:
    session.change(EURUSD, enable_short_selling=False, max_exposure=1_500_000)
    refused = error(session.send(session.order(trade_side=SELL)))
    assert refused == ("SHORT_SELLING_NOT_ALLOWED", "The symbol cannot be sold short")
    session.do(session.order())
    refused = error(session.send(session.order()))
    assert refused[0] == "MAX_EXPOSURE_REACHED"


def test_too_many_positions() -> None:
    session = Session(rules=TradingRules(max_positions=1))
    session.do(session.order())
    assert error(session.send(session.order()))[0] == "TOO_MANY_POSITIONS"


def test_no_quotes() -> None:
    session = Session(prices=TickList([]))
    assert error(session.send(session.order()))[0] == "NO_QUOTES"


def test_without_dollars_there_is_no_rate_to_them() -> None:
    """A catalogue of its own, with a pair that has nothing to do with US dollars."""
    standard = Instruments.standard()
    catalogue = Instruments(
        assets=[standard.asset(EUR), standard.asset(6)],
        symbols=[
            standard.symbol(EURGBP).__replace__(
                commission_type=ProtoOACommissionType.QUOTE_CCY_PER_LOT
            )
        ],
        light_symbols=[standard.light(EURGBP)],
        leverages=standard.leverages,
    )
    prices = TickList.still([(EURGBP, 85_380, 85_400)])
    session = Session(Terms(deposit_asset_id=6), catalogue=catalogue, prices=prices)
    filled = executions(session.do(session.order(symbol_id=EURGBP)))[-1]
    assert filled.deal is not None
    assert filled.deal.base_to_usd_conversion_rate is None
    assert filled.deal.margin_rate == 0.854
    session.change(EURGBP, commission_type=ProtoOACommissionType.USD_PER_LOT)
    rejected = executions(session.do(session.order(symbol_id=EURGBP)))[-1]
    assert rejected.error_code == "NO_QUOTES"


def test_two_orders_that_only_one_can_afford() -> None:
    session = Session(deposit=2000, terms=Terms(leverage_in_cents=10_000))
    big = session.order(volume=10 * LOT // 10)
    sent = session.send(big) + session.send(big) + session.wait()
    assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_ACCEPTED", "ORDER_FILLED", "ORDER_REJECTED"]
    assert executions(sent)[-1].error_code == "NOT_ENOUGH_MONEY"


@pytest.mark.parametrize("manner", list(RefusalCarrier))
def test_the_next_order_can_be_refused_by_a_test(session: Session, manner: RefusalCarrier) -> None:
    session.broker.reject_next("NOT_ENOUGH_MONEY", "No", manner=manner)
    sent = session.do(session.order())
    if manner is RefusalCarrier.REJECTED:
        assert kinds(sent) == ["ORDER_ACCEPTED", "ORDER_REJECTED"]
        assert executions(sent)[-1].error_code == "NOT_ENOUGH_MONEY"
    else:
        assert error(sent) == ("NOT_ENOUGH_MONEY", "No")
        assert type(sent[0].message).__name__ == manner.value
    assert kinds(session.do(session.order())) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
