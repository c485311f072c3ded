"""Margin: leverage, tiers, totals; margin calls; stop-outs; bonus and negative balances."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ctrader_typed.proto import (
    ProtoOADynamicLeverageTier,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOAMarginCall,
    ProtoOAMarginCallListReq,
    ProtoOAMarginCallListRes,
    ProtoOAMarginCallTriggerEvent,
    ProtoOAMarginCallUpdateEvent,
    ProtoOAMarginCallUpdateReq,
    ProtoOAMarginCallUpdateRes,
    ProtoOAMarginChangedEvent,
    ProtoOANotificationType,
    ProtoOAStopOutStrategy,
    ProtoOATotalMarginCalculationType,
    ProtoOATraderUpdatedEvent,
)
from mockserver.broker.rules import TradingRules
from mockserver.broker.trading import margin
from mockserver.broker.trading.account import Terms
from mockserver.broker.trading.margin import effective_leverage
from tests.mockserver.broker.trading.harness import (
    BTCUSD,
    EURUSD,
    GBPUSD,
    LOT,
    SELL,
    Session,
    error,
    executions,
    kinds,
)

CALL = ProtoOANotificationType
TOTAL = ProtoOATotalMarginCalculationType


# --- leverage -------------------------------------------------------------------------------------

TIERS = [ProtoOADynamicLeverageTier(volume=v * 100, leverage=x * 100)
         for v, x in ((1_000_000, 500), (2_000_000, 200), (3_000_000, 100))]  # fmt: skip


@pytest.mark.parametrize(
    ("cap", "before", "added", "bound"),
    [
        (500, 0, 1_000_000, 2_000),
        (500, 0, 1_500_000, 2_000 + 2_500),
        (500, 900_000, 200_000, 200 + 500),
        (500, 0, 4_000_000, 2_000 + 5_000 + 20_000),  # the last tier covers everything above it
        (100, 0, 1_500_000, 15_000),  # never more than the account's own
        (500, 5_000_000, 100_000, 1_000),
    ],
)
def test_each_part_gets_its_tiers_leverage(cap: int, before: int, added: int, bound: int) -> None:
    leverage = effective_leverage(TIERS, Fraction(cap), Fraction(before), Fraction(added))
    assert Fraction(added) / leverage == bound


def test_a_second_position_starts_in_the_tier_that_is_reached() -> None:
    """BTCUSD: 1:3.33 up to 10 million dollars, 1:2 above; the account would have 1:100."""
    session = Session(deposit=10_000_000)
    session.change(BTCUSD, max_volume=100_000)
    first = session.opened(symbol_id=BTCUSD, volume=10_000)  # 6.5001 million dollars
    second = session.opened(symbol_id=BTCUSD, volume=10_000)
    positions = session.account.positions
    price = Fraction(650_010_000, 10_000)
    assert positions[first].used_margin == round(100 * price / Fraction(333, 100) * 100)
    cheap = 10_000_000 - 100 * price
    dear = 100 * price - cheap
    assert positions[second].used_margin == round((cheap / Fraction(333, 100) + dear / 2) * 100)


def expected(session: Session, symbol: int, *volumes: int) -> ProtoOAExpectedMarginRes:
    answer = session.ask(
        ProtoOAExpectedMarginReq(
            ctid_trader_account_id=session.account_id, symbol_id=symbol, volume=list(volumes)
        )
    )
    assert isinstance(answer, ProtoOAExpectedMarginRes)
    return answer


def test_expected_margin() -> None:
    session = Session()
    answer = expected(session, EURUSD, 100_000, LOT)
    assert answer.money_digits == 2
    assert [(m.volume, m.buy_margin, m.sell_margin) for m in answer.margin] == [
        (100_000, 1085, 1085), (LOT, 108_460, 108_450)
    ]  # fmt: skip
    position = session.opened(volume=LOT)
    assert session.account.positions[position].used_margin == answer.margin[1].buy_margin


def test_expected_margin_refuses() -> None:
    session = Session()
    request = ProtoOAExpectedMarginReq(
        ctid_trader_account_id=session.account_id, symbol_id=999, volume=[1]
    )
    assert error(session.send(request))[0] == "SYMBOL_NOT_FOUND"
    request.symbol_id, request.volume = EURUSD, [0]
    assert error(session.send(request)) == ("INVALID_REQUEST", "Volume 0 is not positive")


@pytest.mark.parametrize(
    ("how", "total"),
    [(TOTAL.SUM, 325_370 + 127_020), (TOTAL.MAX, 216_920 + 127_020),
     (TOTAL.NET, 108_470 + 127_020)],
)  # fmt: skip
def test_how_opposite_positions_add_up(how: ProtoOATotalMarginCalculationType, total: int) -> None:
    session = Session(Terms(total_margin=how))
    session.opened(volume=2 * LOT)
    session.opened(volume=LOT, trade_side=SELL)
    session.opened(volume=LOT, symbol_id=GBPUSD)
    assert margin.used_margin(session.account) == total


def test_hedging_needs_no_money_where_only_the_larger_side_counts() -> None:
    session = Session(Terms(total_margin=TOTAL.MAX), deposit=1100)
    session.opened(volume=LOT)
    assert kinds(session.do(session.order(volume=LOT, trade_side=SELL)))[-1] == "ORDER_FILLED"
    other = Session(Terms(total_margin=TOTAL.SUM), deposit=1100)
    other.opened(volume=LOT)
    assert error(other.do(other.order(volume=LOT, trade_side=SELL)))[0] == "NOT_ENOUGH_MONEY"


# --- margin calls ---------------------------------------------------------------------------------


def calls(sent: Any) -> list[str]:
    return [
        str(o.message.margin_call.margin_call_type)
        for o in sent
        if isinstance(o.message, ProtoOAMarginCallTriggerEvent)
    ]


def test_margin_calls_come_at_their_thresholds_and_not_twice_in_ten_minutes() -> None:
    """A lot binds 1084.60 dollars; the thresholds are 100, 80 and 60 per cent."""
    session = Session(Terms(stop_out_level=Fraction(1)), deposit=1200)
    session.opened(volume=LOT)
    assert calls(session.price(EURUSD, 108_400)) == []
    assert calls(session.price(EURUSD, 108_300)) == ["MARGIN_LEVEL_THRESHOLD_1"]
    assert calls(session.price(EURUSD, 108_290)) == []
    assert calls(session.price(EURUSD, 108_400)) == []
    session.wait(599_000)
    assert calls(session.price(EURUSD, 108_300)) == []  # too soon
    session.wait(1_000)
    assert calls(session.price(EURUSD, 108_301)) == ["MARGIN_LEVEL_THRESHOLD_1"]
    both = calls(session.price(EURUSD, 107_850))
    assert both == ["MARGIN_LEVEL_THRESHOLD_2", "MARGIN_LEVEL_THRESHOLD_3"]


def test_the_list_and_its_change() -> None:
    session = Session()
    listed = session.ask(ProtoOAMarginCallListReq(ctid_trader_account_id=session.account_id))
    assert isinstance(listed, ProtoOAMarginCallListRes)
    assert [(c.margin_call_type, c.margin_level_threshold) for c in listed.margin_call] == [
        (CALL.MARGIN_LEVEL_THRESHOLD_1, 100.0), (CALL.MARGIN_LEVEL_THRESHOLD_2, 80.0),
        (CALL.MARGIN_LEVEL_THRESHOLD_3, 60.0),
    ]  # fmt: skip
    wanted = ProtoOAMarginCall(
        margin_call_type=CALL.MARGIN_LEVEL_THRESHOLD_2, margin_level_threshold=77.5
    )
    answer, event = session.send(
        ProtoOAMarginCallUpdateReq(ctid_trader_account_id=session.account_id, margin_call=wanted)
    )
    assert answer.message == ProtoOAMarginCallUpdateRes()
    assert (answer.connection, answer.client_msg_id, answer.account_id) == (1, "m2", None)
    assert isinstance(event.message, ProtoOAMarginCallUpdateEvent)
    assert (event.connection, event.account_id) == (None, session.account_id)
    assert event.message.margin_call.margin_level_threshold == 77.5
    assert event.message.margin_call.utc_last_update_timestamp == session.broker.now_ms


@pytest.mark.parametrize(("kind", "level"), [(CALL.MARGIN_LEVEL_THRESHOLD_1, 0.0), (CALL(1), 50.0)])
def test_an_impossible_margin_call(kind: ProtoOANotificationType, level: float) -> None:
    session = Session()
    wanted = ProtoOAMarginCall(margin_call_type=kind, margin_level_threshold=level)
    request = ProtoOAMarginCallUpdateReq(
        ctid_trader_account_id=session.account_id, margin_call=wanted
    )
    assert error(session.send(request))[0] == "INVALID_REQUEST"


# --- stop-out -------------------------------------------------------------------------------------


def test_a_stop_out_closes_as_a_server_event() -> None:
    session = Session(deposit=1200)
    session.opened(volume=LOT, relative_stop_loss=50_000)
    sent = session.price(EURUSD, 107_700)
    sent += session.wait()
    assert kinds(sent) == ["ORDER_ACCEPTED*", "ORDER_FILLED*", "ORDER_CANCELLED*"]
    accepted, filled, _ = executions(sent)
    assert accepted.order is not None
    assert filled.order is not None
    assert accepted.order.is_stop_out is True
    assert accepted.order.closing_order is True
    assert filled.order.is_stop_out is True
    assert session.account.positions == {}
    assert all(o.client_msg_id is None for o in sent)


@pytest.mark.parametrize(
    ("strategy", "gone"),
    [(ProtoOAStopOutStrategy.MOST_MARGIN_USED_FIRST, GBPUSD),
     (ProtoOAStopOutStrategy.MOST_LOSING_FIRST, EURUSD), (None, GBPUSD)],
)  # fmt: skip
def test_strategies(strategy: ProtoOAStopOutStrategy | None, gone: int) -> None:
    session = Session(Terms(stop_out_strategy=strategy), deposit=2600)
    session.opened(volume=LOT)
    session.opened(volume=LOT, symbol_id=GBPUSD)
    session.price(EURUSD, 107_000)
    session.wait()
    assert gone not in [p.symbol_id for p in session.account.positions.values()]


def test_in_parts_only_as_much_as_is_needed() -> None:
    session = Session(Terms(fair_stop_out=False), deposit=1200)
    position = session.opened(volume=LOT)
    session.price(EURUSD, 107_801)
    left = session.account.positions[position].volume
    session.wait()
    after = session.account.positions[position].volume
    assert 0 < after < left == LOT
    assert (left - after) % 100_000 == 0
    level = margin.margin_level(session.broker._state, session.account)
    assert level is not None
    assert level > 50


def test_stop_outs_go_on_until_the_level_is_back() -> None:
    session = Session(deposit=2300)
    session.opened(volume=LOT)
    session.opened(volume=LOT)
    session.price(EURUSD, 106_700)
    sent = session.wait()
    assert kinds(sent) == ["ORDER_FILLED*", "ORDER_ACCEPTED*", "ORDER_FILLED*"]
    assert session.account.positions == {}


def test_a_negative_balance_is_lifted_where_the_terms_say_so() -> None:
    for protected, balance in ((True, 0), (False, -256_500)):
        terms = Terms(negative_balance_protection=protected)
        session = Session(terms, deposit=1200)
        session.opened(volume=LOT)
        session.price(EURUSD, 104_700)
        sent = session.wait()
        assert session.account.balance == balance
        assert ("DEPOSIT_WITHDRAW*" in kinds(sent)) is protected
        if protected:
            assert session.account.cash_flow[-1].operation_type == 39
            assert session.account.cash_flow[-1].delta == 256_500


def test_a_bonus_serves_as_margin() -> None:
    session = Session(deposit=100)
    assert error(session.do(session.order(volume=LOT)))[0] == "NOT_ENOUGH_MONEY"
    session.broker.grant_bonus(session.account_id, 1000)
    assert kinds(session.do(session.order(volume=LOT)))[-1] == "ORDER_FILLED"
    assert session.account.trader().manager_bonus == 100_000


# --- events that never came -----------------------------------------------------------------------


def test_account_events_only_where_the_rules_say_so() -> None:
    types = (ProtoOATraderUpdatedEvent, ProtoOAMarginChangedEvent)
    for wanted in (False, True):
        session = Session(rules=TradingRules(account_events=wanted))
        sent = session.do(session.order())
        assert any(isinstance(o.message, types) for o in sent) is wanted
    changed = [o.message for o in sent if isinstance(o.message, ProtoOAMarginChangedEvent)]
    assert [(c.used_margin, c.money_digits) for c in changed] == [(10_846, 2)]
