"""The broker as a core: requests answered, time, determinism, snapshots, what tests can move."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed.message import Message, Request
from ctrader_typed.proto import (
    SCHEMA,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountType,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAApplicationAuthReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOADealListReq,
    ProtoOADealOffsetListReq,
    ProtoOAErrorRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
    ProtoOAMarginCall,
    ProtoOAMarginCallUpdateReq,
    ProtoOANewOrderReq,
    ProtoOAOrderDetailsReq,
    ProtoOARefreshTokenReq,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolByIdReq,
    ProtoOASymbolChangedEvent,
    ProtoOATraderReq,
)
from mockserver.broker import requests
from mockserver.broker.broker import START, Broker
from mockserver.broker.interface import BrokerInterface, Outgoing
from mockserver.broker.market.market_requests import MarketRequests
from mockserver.broker.rules import TradingRules
from mockserver.broker.trading.account import Terms
from tests.mockserver.broker.trading.harness import (
    ACCOUNT,
    EURUSD,
    KIND,
    LIMIT,
    LOT,
    Session,
    executions,
    kinds,
    still_market,
)

GATE = {
    ProtoOAApplicationAuthReq,
    ProtoOAAccountAuthReq,
    ProtoOAAccountLogoutReq,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOARefreshTokenReq,
}
"""What the gate answers: it knows clients, tokens and sessions."""


def core(broker: Broker) -> BrokerInterface:
    """A broker is what the gate wants."""
    return broker


# --- every request is answered --------------------------------------------------------------------


def test_the_broker_answers_everything_but_what_is_the_gates() -> None:
    mine = {*requests.TRADES, *requests.READS, *MarketRequests.answers}
    assert mine == set(SCHEMA.responses) - GATE
    assert len(SCHEMA.responses) == 42


def example(cls: type[Request[Any]], session: Session) -> Message:
    """A request that can succeed, given an open position, a pending order and subscriptions."""
    account = session.account
    position = next(iter(account.positions))
    order = next(o.order_id for o in account.working.values() if o.pending)
    now = session.broker.now_ms
    fields: dict[str, Any] = {
        "ctid_trader_account_id": ACCOUNT, "symbol_id": EURUSD, "position_id": position,
        "order_id": order, "from_timestamp": now - 60_000, "to_timestamp": now, "volume": LOT // 10,
        "deal_id": next(iter(account.deals)), "period": 1, "type": 1, "leverage_id": 1020,
        "first_asset_id": 5, "last_asset_id": 15, "order_type": 1, "trade_side": 1,
        "margin_call": ProtoOAMarginCall(margin_call_type=61, margin_level_threshold=50.0),
    }  # fmt: skip
    own = SPECIAL.get(cls, {})
    wanted = {f.name for f in cls.required_fields} | {"ctid_trader_account_id", *own}
    given: dict[str, Any] = {}
    for f in cls.message_fields:
        if f.name in wanted and f.name in fields | own:
            value = (fields | own)[f.name]
            given[f.name] = [value] if f.repeated else value
            if f.kind == "enum":
                given[f.name] = cls.class_of(f)(value)
        elif f.repeated and f.name in fields:
            given[f.name] = [fields[f.name]]
    return cls(**given)


SPECIAL: dict[type[Message], dict[str, Any]] = {
    ProtoOAAmendOrderReq: {"limit_price": 1.01},
    ProtoOAAmendPositionSLTPReq: {"stop_loss": 1.01},
    ProtoOAGetTrendbarsReq: {"from_timestamp": START - 60_000, "to_timestamp": START},
    ProtoOAGetTickDataReq: {"from_timestamp": START - 60_000, "to_timestamp": START},
}


def needs(cls: type[Message]) -> list[str]:
    """What has to be subscribed to before this request can succeed."""
    name = cls.__name__
    if name.startswith("ProtoOAUnsubscribe"):
        first = ["ProtoOASubscribeSpotsReq"]
        return first + ([] if "Spots" in name else [name.replace("Unsubscribe", "Subscribe")])
    if name in ("ProtoOASubscribeLiveTrendbarReq", "ProtoOASubscribeDepthQuotesReq"):
        return ["ProtoOASubscribeSpotsReq"]
    if name == "ProtoOAv1PnLChangeUnSubscribeReq":
        return ["ProtoOAv1PnLChangeSubscribeReq"]
    return []


@pytest.mark.parametrize("cls", sorted(set(SCHEMA.responses) - GATE, key=lambda c: c.__name__))
def test_a_request_is_answered_with_its_response(cls: type[Request[Any]]) -> None:
    session = Session()
    session.opened(relative_stop_loss=400)
    session.do(session.order(order_type=LIMIT, limit_price=1.0))
    for earlier in needs(cls):
        session.send(example(SCHEMA.by_name[earlier], session))
    sent = session.send(example(cls, session))
    assert type(sent[0].message) is SCHEMA.responses[cls]
    assert (sent[0].connection, sent[0].client_msg_id) == (1, f"m{session.sent}")
    for outgoing in sent:
        assert len(bytes(outgoing.message)) >= 0  # all of it can be sent


def test_what_is_no_request_is_unsupported() -> None:
    (sent,) = Session().send(ProtoHeartbeatEvent())
    assert isinstance(sent.message, ProtoOAErrorRes)
    assert sent.message.error_code == "UNSUPPORTED_MESSAGE"


# --- order of events, time ------------------------------------------------------------------------


def test_subscribers_hear_the_price_before_what_it_set_off() -> None:
    session = Session()
    session.send(ProtoOASubscribeSpotsReq(ctid_trader_account_id=ACCOUNT, symbol_id=[EURUSD]))
    session.opened(relative_stop_loss=100, trailing_stop_loss=True)
    spot, moved = session.price(EURUSD, 108_600)
    assert isinstance(spot.message, ProtoOASpotEvent)
    assert type(moved.message).__name__ == "ProtoOATrailingSLChangedEvent"


def test_what_was_due_before_a_request_comes_before_its_answer() -> None:
    session = Session()
    session.send(session.order())
    session.now += 500
    sent = session.send(ProtoOATraderReq(ctid_trader_account_id=ACCOUNT))
    assert [type(o.message).__name__ for o in sent] == ["ProtoOAExecutionEvent", "ProtoOATraderRes"]
    (event,) = executions(sent)
    assert event.order is not None
    assert event.order.utc_last_update_timestamp == START + 130


def test_an_idle_broker_in_a_still_market_never_wakes() -> None:
    broker = Broker(prices=still_market(EURUSD=(108_450, 108_460)))
    assert broker.wake_at() is None


def test_a_moving_market_wakes_it_by_itself() -> None:
    session = Session(prices=None, seed=1)
    assert session.broker.wake_at() is None  # nobody hears of prices
    session.send(ProtoOASubscribeSpotsReq(ctid_trader_account_id=ACCOUNT, symbol_id=[EURUSD]))
    first = session.broker.wake_at()
    assert first is not None
    (heard,) = session.broker.wake(first)
    assert isinstance(heard.message, ProtoOASpotEvent)
    second = session.broker.wake_at()
    assert second is not None
    assert second > first


def test_a_tests_hand_makes_it_due_at_once_and_says_so() -> None:
    session = Session()
    told: list[None] = []
    session.broker.on_change = lambda: told.append(None)
    session.broker.deposit(ACCOUNT, 1)
    assert len(told) == 1
    assert session.broker.wake_at() == 0.0
    assert kinds(session.broker.wake(0.0)) == ["DEPOSIT_WITHDRAW*"]
    assert session.broker.wake_at() is None


# --- determinism, snapshots -----------------------------------------------------------------------


def told_bytes(outgoing: list[Outgoing]) -> list[tuple[bytes, int | None, str | None]]:
    return [(bytes(o.message), o.connection, o.client_msg_id) for o in outgoing]


def a_day(session: Session) -> list[tuple[bytes, int | None, str | None]]:
    """Some trading in a moving market."""
    sent = session.do(session.order(relative_stop_loss=100, trailing_stop_loss=True), 60_000)
    sent += session.do(session.order(order_type=LIMIT, limit_price=1.05), 60_000)
    sent += session.do(session.order(volume=LOT, relative_take_profit=50), 600_000)
    return told_bytes(sent)


def test_the_same_seed_and_requests_give_the_same_bytes() -> None:
    runs = [a_day(Session(prices=None, seed=seed)) for seed in (7, 7, 8)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_snapshot_can_be_gone_back_to_again_and_again() -> None:
    session = Session(prices=None, seed=3)
    session.do(session.order(relative_stop_loss=100), 5000)
    session.send(session.order())  # on its way when the snapshot is taken
    snapshot = session.broker.snapshot()
    taken_at, balance = session.broker.now_ms, session.account.balance
    first = a_day(session)
    assert session.account.balance != balance or session.broker.now_ms != taken_at
    for _ in range(2):
        session.broker.restore(snapshot)
        assert (session.broker.now_ms, session.account.balance) == (taken_at, balance)
        session.sent = 2
        assert a_day(session) == first


def test_a_restored_broker_goes_on_from_the_snapshots_time() -> None:
    session = Session()
    snapshot = session.broker.snapshot()
    session.wait(3_600_000)
    session.broker.restore(snapshot)
    accepted, _ = executions(session.do(session.order()))
    assert accepted.order is not None
    assert accepted.order.trade_data.open_timestamp == START


def test_a_snapshot_fits_another_broker_too() -> None:
    session, other = Session(), Session()
    session.opened()
    other.broker.restore(session.broker.snapshot())
    assert other.account.positions.keys() == session.account.positions.keys()
    other.wait(1000)
    other.opened()
    assert len(session.account.positions) == 1


# --- what a test can move -------------------------------------------------------------------------


def test_set_price_by_name() -> None:
    session = Session()
    session.broker.set_price("EURUSD", 1.0945)
    assert session.broker.market.quote(EURUSD) == (109_450, 109_460)
    session.broker.set_price("EURUSD", "1.1", "1.2")
    assert session.broker.market.quote(EURUSD) == (110_000, 120_000)
    with pytest.raises(KeyError):
        session.broker.set_price("EURXXX", 1.0)


def test_fill_by_hand() -> None:
    session = Session()
    session.do(session.order(order_type=LIMIT, limit_price=1.0, relative_stop_loss=100))
    (order_id,) = session.account.working
    session.broker.fill(order_id, volume=400_000)
    session.broker.fill(order_id, price="0.99")
    sent = session.wait()
    assert kinds(sent) == ["ORDER_PARTIAL_FILL", "ORDER_FILLED", "ORDER_ACCEPTED*"]
    prices = [e.deal.execution_price for e in executions(sent) if e.deal is not None]
    assert prices == [1.0, 0.99]
    assert session.broker.order(order_id).working is False
    with pytest.raises(ValueError, match="expected a volume that order"):
        session.broker.fill(order_id)
    with pytest.raises(KeyError):
        session.broker.fill(1)


def test_fill_on_a_netted_account_joins_its_position() -> None:
    session = Session(Terms(account_type=ProtoOAAccountType.NETTED))
    (accepted,) = executions(session.do(session.order(order_type=LIMIT, limit_price=1.0)))
    position = session.opened()
    assert accepted.order is not None
    session.broker.fill(accepted.order)
    session.wait()
    assert list(session.account.positions) == [position]
    assert session.account.positions[position].volume == 2_000_000


def test_fill_ahead_of_the_market() -> None:
    """A market order that is filled by hand is not filled again when its time comes."""
    session = Session()
    session.send(session.order())
    (order_id,) = session.account.working
    session.broker.fill(order_id)
    assert kinds(session.wait()) == ["ORDER_FILLED"]


def test_fill_a_protective_order() -> None:
    session = Session()
    session.opened(relative_stop_loss=100, relative_take_profit=200)
    (order_id,) = session.account.working
    session.broker.fill(order_id)
    (event,) = executions(session.wait())
    assert event.is_server_event is True
    assert event.deal is not None
    assert event.deal.execution_price == 1.0866
    assert session.account.positions == {}


@pytest.mark.parametrize(
    "cls",
    [ProtoOATraderReq, ProtoOACancelOrderReq, ProtoOAOrderDetailsReq, ProtoOAMarginCallUpdateReq],
)
def test_any_request_can_be_refused(cls: type[Message]) -> None:
    session = Session()
    session.opened()
    session.do(session.order(order_type=LIMIT, limit_price=1.0))
    session.broker.reject_next("TIMEOUT_ERROR", request=cls)
    (sent,) = session.send(example(cls, session))
    assert getattr(sent.message, "error_code") == "TIMEOUT_ERROR"  # noqa: B009
    (sent, *_) = session.send(example(cls, session))
    assert not isinstance(sent.message, ProtoOAErrorRes)


def test_a_changed_symbol_is_told_to_every_account() -> None:
    session = Session()
    session.broker.open_account(2, deposit=5)
    session.broker.change_symbol(session.broker.catalogue.symbol(EURUSD).__replace__(digits=4))
    told = session.wait(0)
    assert [o.account_id for o in told] == [ACCOUNT, 2]
    assert all(isinstance(o.message, ProtoOASymbolChangedEvent) for o in told)


def test_accounts() -> None:
    broker = Broker()
    broker.open_account(1, deposit="12.34")
    assert broker.account(1).balance == 1234
    assert list(broker.accounts) == [1]
    with pytest.raises(ValueError, match="expected a new account id"):
        broker.open_account(1)
    with pytest.raises(KeyError):
        broker.account(2)
    assert list(broker.wake(0.0)) == []


def test_two_accounts_do_not_see_each_other() -> None:
    session = Session()
    session.broker.open_account(2, deposit=1000)
    position = session.opened()
    (order_id,) = session.account.orders
    for request in (
        ProtoOAClosePositionReq(ctid_trader_account_id=2, position_id=position, volume=100_000),
        ProtoOAOrderDetailsReq(ctid_trader_account_id=2, order_id=order_id),
        ProtoOADealOffsetListReq(
            ctid_trader_account_id=2, deal_id=next(iter(session.account.deals))
        ),
    ):
        (sent,) = session.send(request)
        assert "NOT_FOUND" in getattr(sent.message, "error_code")  # noqa: B009
    sent = session.send(
        ProtoOANewOrderReq.from_dict(session.order().to_dict() | {"ctidTraderAccountId": 2})
    )
    assert [o.account_id for o in sent] == [2]
    assert executions(sent)[0].execution_type == KIND.ORDER_ACCEPTED


def test_symbol_by_id_still_works_through_the_broker() -> None:
    answer = Session().ask(ProtoOASymbolByIdReq(ctid_trader_account_id=ACCOUNT, symbol_id=[EURUSD]))
    assert answer.to_dict()["symbol"][0]["symbolId"] == EURUSD


# --- fields of no schema --------------------------------------------------------------------------


def test_unpublished_fields_ride_along_where_the_rules_say_so() -> None:
    session = Session(rules=TradingRules(unpublished_fields=True))
    plain = Session()
    sent, usual = (executions(s.do(s.order()))[-1].deal for s in (session, plain))
    assert sent is not None
    assert usual is not None
    assert bytes(sent) == bytes(usual) + bytes.fromhex("9a0100")
    assert sent.to_dict() == usual.to_dict()
    request = ProtoOATraderReq(ctid_trader_account_id=ACCOUNT)
    trader, usual_trader = (getattr(s.ask(request), "trader") for s in (session, plain))  # noqa: B009
    assert bytes(trader) == bytes(usual_trader) + bytes.fromhex("b80104")
    listed = session.ask(ProtoOADealListReq(ctid_trader_account_id=ACCOUNT))
    assert bytes.fromhex("9a0100") in bytes(listed)
