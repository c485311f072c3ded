"""The books of an account: the recorded session, and events that race with a reconciliation."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    SCHEMA,
    BalanceChanged,
    InStep,
    Message,
    OrderEnded,
    OrderPlaced,
    OutOfStep,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    ProtoOAClosePositionDetail,
    ProtoOAExecutionEvent,
    ProtoOAReconcileRes,
    ProtoOATrader,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
    ProtoOATrailingSLChangedEvent,
)
from ctrader_typed.account.positions_book import EVENTS, PositionsBook
from tests.support.trading import ACCEPTED, ACCOUNT, CLOSED, CREATED, FILLED, OPEN, deal, position


def trader(balance: int = 1000, version: int = 5) -> ProtoOATraderRes:
    return ProtoOATraderRes(
        ctid_trader_account_id=ACCOUNT,
        trader=ProtoOATrader(
            ctid_trader_account_id=ACCOUNT,
            balance=balance,
            balance_version=version,
            deposit_asset_id=15,
        ),
    )


def state(*positions: Any) -> ProtoOAReconcileRes:
    return ProtoOAReconcileRes(ctid_trader_account_id=ACCOUNT, position=list(positions))


def in_step(*positions: Any) -> PositionsBook:
    book = PositionsBook()
    book.ask()
    assert book.reconcile(trader(), state(*positions))[-1] == InStep()
    return book


def recorded(recordings: Path) -> list[Message]:
    lines = (recordings / "manual_trading.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [
        SCHEMA.by_payload_type[entry["payloadType"]].FromString(base64.b64decode(entry["wire_b64"]))
        for entry in entries
    ]


def test_the_recorded_session_leads_where_its_snapshots_are(recordings: Path) -> None:
    """A, E, G, I, B and C of the recorded sequences; each snapshot on the way agrees."""
    book, told, compared = PositionsBook(), [], 0
    book.ask()
    first, empty, *rest = recorded(recordings)
    assert isinstance(first, ProtoOATraderRes)
    assert isinstance(empty, ProtoOAReconcileRes)
    book.reconcile(first, empty)
    for message in rest:
        if isinstance(message, EVENTS):
            told += [type(change) for change in book.apply(message)]
        elif isinstance(message, ProtoOAReconcileRes):
            assert [p.message for p in book.positions.values()] == message.position
            pending = [o for o in message.order if not o.closing_order]
            assert list(book.orders.values()) == pending
            compared += 1
        elif isinstance(message, ProtoOATraderRes):
            assert book.balance == message.trader.balance
            assert book.trader is not None
            assert book.trader.balance_version == message.trader.balance_version
            compared += 1
    assert compared == 5
    assert book.positions == {}
    assert book.orders == {}
    assert told == [
        PositionOpened,
        PositionChanged,  # levels
        PositionChanged,
        PositionChanged,
        PositionChanged,
        PositionChanged,  # closed in part
        BalanceChanged,
        PositionChanged,
        PositionChanged,
        PositionClosed,  # by its stop loss
        BalanceChanged,
        PositionOpened,
        PositionClosed,
        BalanceChanged,
        OrderPlaced,
        OrderEnded,
    ]


def test_a_full_close_calls_the_position_created_and_is_one_change() -> None:
    book = in_step(position(OPEN))
    event = ProtoOAExecutionEvent(
        ctid_trader_account_id=ACCOUNT,
        execution_type=FILLED,
        position=position(CREATED, 0),
        deal=deal(1),
    )
    assert [type(change) for change in book.apply(event)] == [PositionClosed]
    after = ProtoOAExecutionEvent(
        ctid_trader_account_id=ACCOUNT, execution_type=ACCEPTED, position=position(CLOSED, 0)
    )
    assert book.apply(after) == ()


def test_a_placeholder_is_no_position() -> None:
    book = in_step()
    event = ProtoOAExecutionEvent(
        ctid_trader_account_id=ACCOUNT, execution_type=ACCEPTED, position=position(CREATED, 0)
    )
    assert book.apply(event) == ()
    assert book.positions == {}


def test_a_trailing_stop_moves_without_a_timestamp() -> None:
    book = in_step(position(OPEN))
    (change,) = book.apply(
        ProtoOATrailingSLChangedEvent(
            ctid_trader_account_id=ACCOUNT,
            position_id=5,
            order_id=8,
            stop_price=1.25,
            utc_last_update_timestamp=1,
        )
    )
    assert isinstance(change, PositionChanged)
    assert change.position.message.stop_loss == 1.25
    assert change.before.message.stop_loss is None


def opened(number: int, at: int, volume: int = 100) -> ProtoOAExecutionEvent:
    shown = position(OPEN, volume).__replace__(position_id=number, utc_last_update_timestamp=at)
    return ProtoOAExecutionEvent(
        ctid_trader_account_id=ACCOUNT, execution_type=FILLED, position=shown
    )


def closed(number: int, at: int) -> ProtoOAExecutionEvent:
    shown = position(CLOSED, 0).__replace__(position_id=number, utc_last_update_timestamp=at)
    return ProtoOAExecutionEvent(
        ctid_trader_account_id=ACCOUNT, execution_type=FILLED, position=shown
    )


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=12), st.integers(0, 12))
def test_events_that_race_with_a_reconciliation(steps: list[tuple[int, int]], cut: int) -> None:
    """Wherever the server took its snapshot, events on both sides of it lead to the same books."""
    events = [
        opened(number, at, volume * 100) if volume else closed(number, at)
        for at, (number, volume) in enumerate(steps)
    ]
    truth: dict[int, Any] = {}
    snapshot: list[Any] = []
    for at, event in enumerate(events):
        if at == cut:
            snapshot = list(truth.values())
        shown: Any = event.position
        if shown.trade_data.volume:
            truth[shown.position_id] = shown
        else:
            truth.pop(shown.position_id, None)
    if cut >= len(events):
        snapshot = list(truth.values())
    book = PositionsBook()
    book.ask()
    for event in events:
        book.apply(event)
    book.reconcile(trader(), state(*snapshot))
    assert {number: p.message for number, p in book.positions.items()} == truth


def test_a_gap_during_the_question_leaves_it_out_of_step() -> None:
    book = in_step()
    book.ask()
    assert book.lose("cut") == (OutOfStep("cut"),)
    assert book.lose("again") == ()
    book.reconcile(trader(), state())
    assert not book.in_step


def dealt(balance: int, version: int | None) -> ProtoOAExecutionEvent:
    """A position was closed in part, and this is the balance now."""
    detail = ProtoOAClosePositionDetail(
        entry_price=1.1,
        gross_profit=-1,
        swap=0,
        commission=0,
        balance=balance,
        balance_version=version,
    )
    return ProtoOAExecutionEvent(
        ctid_trader_account_id=ACCOUNT,
        execution_type=FILLED,
        position=position(OPEN, 100).__replace__(utc_last_update_timestamp=2),
        deal=deal(1).__replace__(close_position_detail=detail),
    )


def test_what_events_have_told_a_reconciliation_does_not_tell_again() -> None:
    """Whichever the snapshot has seen of them: each deal is told once."""
    whole = position(OPEN, 200).__replace__(utc_last_update_timestamp=1)
    part = position(OPEN, 100).__replace__(utc_last_update_timestamp=2)
    for shown, money in [((whole,), (1000, 5)), ((part,), (990, 6)), ((part,), (995, 7))]:
        book = in_step(whole)
        book.lose("cut")
        book.ask()
        told = list(book.apply(dealt(990, 6)))
        told += book.apply(opened(9, 3))
        told += book.apply(closed(9, 4))
        kinds = [type(change) for change in told]
        assert kinds == [PositionChanged, BalanceChanged, PositionOpened, PositionClosed]
        again = list(book.reconcile(trader(*money), state(*shown)))
        if money[1] == 7:  # there was one more, which nobody has heard of
            assert again.pop(0) == BalanceChanged(Decimal("9.90"), Decimal("9.95"))
        assert again == [InStep()]
        assert [p.message for p in book.positions.values()] == [part]


def test_a_balance_without_a_version_is_that_of_now() -> None:
    book = in_step(position(OPEN))
    assert BalanceChanged in map(type, book.apply(dealt(990, None)))
    assert (book.balance, book.trader and book.trader.balance_version) == (990, 5)
    unversioned = trader(980).trader.__replace__(balance_version=None)
    event = ProtoOATraderUpdatedEvent(ctid_trader_account_id=ACCOUNT, trader=unversioned)
    assert book.apply(event) == (BalanceChanged(Decimal("9.90"), Decimal("9.80")),)


def test_an_older_balance_changes_nothing() -> None:
    book = in_step()
    assert book.reconcile(trader(900, 4), state()) == ()
    assert book.balance == 1000
    (change,) = book.reconcile(trader(1100, 6), state())
    assert change == BalanceChanged(Decimal(10), Decimal(11))
