"""Lists, windows, pages, cash flow; and the profit that is asked for or streamed."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOAv1PnLChangeEvent,
    ProtoOAv1PnLChangeSubscribeReq,
    ProtoOAv1PnLChangeSubscribeRes,
    ProtoOAv1PnLChangeUnSubscribeReq,
    ProtoOAv1PnLChangeUnSubscribeRes,
)
from mockserver.broker.rules import TradingRules
from mockserver.broker.trading.account import Terms
from tests.mockserver.broker.trading.harness import (
    ACCOUNT,
    EURUSD,
    LIMIT,
    LOT,
    SELL,
    Session,
    error,
    kinds,
)
from tests.mockserver.broker.trading.test_closing import close

WEEK = 604_800_000


@pytest.fixture
def session() -> Session:
    return Session()


def ask(session: Session, cls: type[Message], **fields: Any) -> Any:
    return session.ask(cls(ctid_trader_account_id=ACCOUNT, **fields))


def test_the_trader_shows_what_the_terms_say() -> None:
    session = Session(Terms(trader_login=2_000_002, broker_name="Us", registered_at=5))
    answer = ask(session, ProtoOATraderReq)
    assert isinstance(answer, ProtoOATraderRes)
    assert answer.to_dict()["trader"] == {
        "ctidTraderAccountId": ACCOUNT, "balance": 10_000_000, "balanceVersion": 2,
        "accessRights": 0, "depositAssetId": 15, "swapFree": False, "leverageInCents": 10_000,
        "totalMarginCalculationType": 1, "maxLeverage": 10_000, "frenchRisk": False,
        "traderLogin": 2_000_002, "accountType": 0, "brokerName": "Us",
        "registrationTimestamp": 5, "isLimitedRisk": False, "moneyDigits": 2,
    }  # fmt: skip


def test_reconcile_of_an_empty_account_is_its_id_alone(session: Session) -> None:
    answer = ask(session, ProtoOAReconcileReq)
    assert answer.to_dict() == {"ctidTraderAccountId": ACCOUNT}


def test_reconcile_leaves_out_what_is_on_its_way_and_what_has_ended(session: Session) -> None:
    position = session.opened(relative_stop_loss=400)
    session.do(session.order(order_type=LIMIT, limit_price=1.0))
    session.send(session.order())
    for protective, count in ((None, 1), (False, 1), (True, 2)):
        answer = ask(session, ProtoOAReconcileReq, return_protection_orders=protective)
        assert isinstance(answer, ProtoOAReconcileRes)
        assert [p.position_id for p in answer.position] == [position]
        assert len(answer.order) == count


# --- pages and windows ----------------------------------------------------------------------------


def traded(session: Session, times: int) -> list[int]:
    """Open so many positions a second apart; the times of their deals, newest first."""
    for _ in range(times):
        session.opened(volume=100_000)
    return [deal.executed_at for deal in reversed(session.account.deals.values())]


def test_deals_newest_first_page_by_page(session: Session) -> None:
    executed = traded(session, 5)
    seen: list[int] = []
    until = None
    more = True
    while more:
        answer = ask(session, ProtoOADealListReq, to_timestamp=until, max_rows=2)
        assert isinstance(answer, ProtoOADealListRes)
        seen += [deal.execution_timestamp for deal in answer.deal]
        more, until = answer.has_more, seen[-1] - 1
    assert seen == executed


def test_a_window_includes_both_ends(session: Session) -> None:
    executed = traded(session, 4)
    window = {"from_timestamp": executed[2], "to_timestamp": executed[1]}
    deals = ask(session, ProtoOADealListReq, **window)
    assert [d.execution_timestamp for d in deals.deal] == executed[1:3]
    orders = ask(session, ProtoOAOrderListReq, **window)
    assert isinstance(orders, ProtoOAOrderListRes)
    assert [o.utc_last_update_timestamp for o in orders.order] == executed[1:3]


def test_in_lists_a_deals_last_update_is_its_creation(session: Session) -> None:
    traded(session, 1)
    (deal,) = ask(session, ProtoOADealListReq).deal
    assert deal.utc_last_update_timestamp == deal.create_timestamp
    assert deal.execution_timestamp == deal.create_timestamp + 130


def test_a_page_has_a_length() -> None:
    session = Session(rules=TradingRules(page=3))
    traded(session, 4)
    assert [len(ask(session, ProtoOADealListReq).deal), ask(session, ProtoOADealListReq).has_more] \
        == [3, True]  # fmt: skip
    assert ask(session, ProtoOAOrderListReq).has_more is True
    assert len(ask(session, ProtoOADealListReq, max_rows=100).deal) == 3
    request = ProtoOADealListReq(ctid_trader_account_id=ACCOUNT, max_rows=0)
    assert error(session.send(request)) == ("INVALID_REQUEST", "maxRows 0 is not positive")


def test_by_position(session: Session) -> None:
    position = session.opened(relative_stop_loss=400)
    other = session.opened()
    session.do(close(session, position))
    orders = ask(session, ProtoOAOrderListByPositionIdReq, position_id=position)
    assert isinstance(orders, ProtoOAOrderListByPositionIdRes)
    assert [(o.order_type, o.order_status) for o in orders.order] == [(4, 5), (1, 2), (1, 2)]
    closing = orders.order[1]
    assert closing.closing_order is True
    assert closing.stop_loss == 1.0806  # the position's level at the close, in lists only
    deals = ask(session, ProtoOADealListByPositionIdReq, position_id=position)
    assert isinstance(deals, ProtoOADealListByPositionIdRes)
    assert [d.order_id for d in deals.deal] == [closing.order_id, orders.order[2].order_id]
    assert len(ask(session, ProtoOAOrderListByPositionIdReq, position_id=other).order) == 1
    assert ask(session, ProtoOAOrderListByPositionIdReq, position_id=1).order == []


def test_details_of_an_ended_order(session: Session) -> None:
    session.liquidity(EURUSD, per_deal=600_000)
    session.do(session.order())
    (order_id,) = session.account.orders
    answer = ask(session, ProtoOAOrderDetailsReq, order_id=order_id)
    assert isinstance(answer, ProtoOAOrderDetailsRes)
    assert answer.order.executed_volume == 1_000_000
    assert [d.filled_volume for d in answer.deal] == [400_000, 600_000]


@pytest.mark.parametrize(
    ("cls", "start", "end"),
    [
        (ProtoOADealListReq, 10, 10),
        (ProtoOADealListReq, 11, 10),
        (ProtoOAOrderListReq, -1, 10),
        (ProtoOAOrderListReq, 0, 2_147_483_646_001),
        (ProtoOACashFlowHistoryListReq, 0, WEEK + 1),
        (ProtoOACashFlowHistoryListReq, 5, 5),
    ],
)
def test_incorrect_boundaries(session: Session, cls: Any, start: int, end: int) -> None:
    request = cls(ctid_trader_account_id=ACCOUNT, from_timestamp=start, to_timestamp=end)
    code, text = error(session.send(request))
    assert code == "INCORRECT_BOUNDARIES"
    begins = "Incorrect period boundaries or requested period is longer than allowed "
    assert text is not None
    assert text.startswith(begins)
    if cls is ProtoOACashFlowHistoryListReq:
        assert text == f"{begins}604800000 (7d)."


def test_wide_windows_are_refused_by_strict_rules_only(session: Session) -> None:
    wide = ProtoOADealListReq(
        ctid_trader_account_id=ACCOUNT, from_timestamp=0, to_timestamp=WEEK + 1
    )
    assert isinstance(session.ask(wide), ProtoOADealListRes)
    strict = Session(rules=TradingRules(strict_windows=True))
    assert error(strict.send(wide))[0] == "INCORRECT_BOUNDARIES"
    by_position = ProtoOADealListByPositionIdReq(ctid_trader_account_id=ACCOUNT, position_id=1)
    assert isinstance(strict.ask(by_position), ProtoOADealListByPositionIdRes)


# --- cash -----------------------------------------------------------------------------------------


def test_deposits_and_withdrawals_are_events_and_history(session: Session) -> None:
    session.opened(volume=LOT)
    session.broker.deposit(ACCOUNT, "99.50", note="a gift")
    session.broker.withdraw(ACCOUNT, 500)
    sent = session.wait(0)
    assert kinds(sent) == ["DEPOSIT_WITHDRAW*", "DEPOSIT_WITHDRAW*"]
    now = session.broker.now_ms
    answer = ask(
        session, ProtoOACashFlowHistoryListReq, from_timestamp=now - WEEK, to_timestamp=now
    )
    assert isinstance(answer, ProtoOACashFlowHistoryListRes)
    first, gift, spent = answer.deposit_withdraw
    assert (first.balance, first.delta, first.balance_version) == (10_000_000, 10_000_000, 2)
    assert (gift.operation_type, gift.delta, gift.external_note) == (0, 9950, "a gift")
    assert gift.balance == 10_009_950
    assert gift.equity == 10_009_950 - 1000 - 250  # the spread and the commission of a lot
    assert (spent.operation_type, spent.delta, spent.balance) == (1, -50_000, 9_959_950)
    assert spent.balance_version == 4
    # The event that was sent shows what the history shows.
    events = [getattr(o.message, "deposit_withdraw") for o in sent]  # noqa: B009
    assert events == [gift, spent]
    assert all(o.account_id == ACCOUNT and o.connection is None for o in sent)


@pytest.mark.parametrize("amount", ["0", "-1", "0.001"])
def test_impossible_deposits(session: Session, amount: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        session.broker.deposit(ACCOUNT, amount)


def test_a_withdrawal_must_be_covered(session: Session) -> None:
    with pytest.raises(ValueError, match="expected a withdrawal that is covered"):
        session.broker.withdraw(ACCOUNT, 100_001)
    session.opened(volume=90 * LOT)
    with pytest.raises(ValueError, match="expected a withdrawal that is covered"):
        session.broker.withdraw(ACCOUNT, 5_000)


def test_a_bonus_is_an_event_of_its_own(session: Session) -> None:
    session.broker.grant_bonus(ACCOUNT, 100, note="welcome")
    session.broker.grant_bonus(ACCOUNT, -40)
    sent = session.wait(0)
    assert kinds(sent) == ["BONUS_DEPOSIT_WITHDRAW*"] * 2
    told = [getattr(o.message, "bonus_deposit_withdraw") for o in sent]  # noqa: B009
    assert [(b.operation_type, b.manager_delta, b.manager_bonus) for b in told] == [
        (0, 10_000, 10_000), (1, -4000, 6000)
    ]  # fmt: skip
    with pytest.raises(ValueError, match="below zero"):
        session.broker.grant_bonus(ACCOUNT, -61)


def test_the_account_list_shows_when_something_happened_last(session: Session) -> None:
    listed = session.account.listed()
    assert listed.last_closing_deal_timestamp is None
    assert listed.last_balance_update_timestamp == session.broker.now_ms
    session.do(close(session, session.opened()))
    assert session.account.listed().last_closing_deal_timestamp is not None


# --- profit ---------------------------------------------------------------------------------------


def test_unrealised_profit(session: Session) -> None:
    long = session.opened(volume=LOT)
    short = session.opened(volume=LOT, trade_side=SELL)
    session.price(EURUSD, 108_560, 108_570)
    answer = ask(session, ProtoOAGetPositionUnrealizedPnLReq)
    assert isinstance(answer, ProtoOAGetPositionUnrealizedPnLRes)
    assert answer.money_digits == 2
    rows = [
        (p.position_id, p.gross_unrealized_pnl, p.net_unrealized_pnl)
        for p in answer.position_unrealized_pnl
    ]
    assert rows == [(long, 10_000, 9750), (short, -12_000, -12_250)]


def test_the_profit_stream(session: Session) -> None:
    stream = ProtoOAv1PnLChangeSubscribeReq(ctid_trader_account_id=ACCOUNT)
    answer, first = session.send(stream)
    assert isinstance(answer.message, ProtoOAv1PnLChangeSubscribeRes)
    assert (answer.connection, answer.client_msg_id) == (1, "m1")
    assert (first.connection, first.client_msg_id, first.account_id) == (1, None, None)
    assert told([first]) == [(0, 0)]
    assert error(session.send(stream))[0] == "ALREADY_SUBSCRIBED"
    assert told(session.do(session.order(volume=LOT))) == [(-1000, -1250)]
    assert told(session.price(EURUSD, 108_560, 108_570)) == [(10_000, 9750)]
    assert told(session.price(EURUSD, 108_560, 108_571)) == []
    stop = ProtoOAv1PnLChangeUnSubscribeReq(ctid_trader_account_id=ACCOUNT)
    (answer,) = session.send(stop)
    assert isinstance(answer.message, ProtoOAv1PnLChangeUnSubscribeRes)
    assert told(session.price(EURUSD, 108_600, 108_610)) == []
    assert error(session.send(stop))[0] == "NOT_SUBSCRIBED_TO_PNL"


def test_a_stream_ends_with_its_session(session: Session) -> None:
    session.opened(volume=LOT)
    stream = ProtoOAv1PnLChangeSubscribeReq(ctid_trader_account_id=ACCOUNT)
    session.broker.connected(2, 0.0)
    session.send(stream)
    session.send(stream, connection=2)
    assert len(told(session.price(EURUSD, 108_560, 108_570))) == 2
    session.broker.logged_out(2, ACCOUNT)
    assert len(told(session.price(EURUSD, 108_570, 108_580))) == 1
    session.broker.disconnected(1, 0.0)
    assert told(session.price(EURUSD, 108_580, 108_590)) == []


def told(sent: Any) -> list[tuple[int, int]]:
    return [
        (o.message.gross_unrealized_pnl, o.message.net_unrealized_pnl)
        for o in sent
        if isinstance(o.message, ProtoOAv1PnLChangeEvent)
    ]
