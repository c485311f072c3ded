"""What becomes of a trading request: each sequence of events, and the recorded ones as the oracle.

The letters are those of the sequences as the facts about the wire list them.
"""

import base64
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    AuthError,
    BadPayload,
    DecodeError,
    Message,
    OrderError,
    ProtoErrorRes,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderErrorEvent,
    ProtoOAPositionStatus,
    ProtoOAVersionRes,
    RateLimited,
    Request,
    UnexpectedReply,
    UnknownPayload,
)
from ctrader_typed.orders import order_tracker as book_module
from ctrader_typed.orders.order_states import OrderStatus
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.envelope import Received
from tests.support.trading import (
    ACCEPTED,
    ACCOUNT,
    CANCEL_REJECTED,
    CANCELLED,
    CLOSED,
    CREATED,
    EXPIRED,
    FILLED,
    LIMIT,
    MARKET,
    OPEN,
    PARTLY,
    REJECTED,
    REPLACED,
    SELL,
    Desk,
    close,
    deal,
    execution,
    new_order,
    position,
    protective,
)

CANCEL = ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7)
AMEND = ProtoOAAmendOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7, limit_price=1.25)
PROTECT = ProtoOAAmendPositionSLTPReq(ctid_trader_account_id=ACCOUNT, position_id=5, stop_loss=1.0)


def pending(desk: Desk, **fields: Any):
    """A limit order that the server has accepted."""
    tracked = desk.send(new_order(order_type=LIMIT, limit_price=1.2, **fields))
    desk.reply(execution(ACCEPTED, order_type=LIMIT, at=position(CREATED, 0)))
    return tracked


# --- the recorded sequences ---


def recorded(recordings: Path) -> list[tuple[str, Message]]:
    """The execution events of the recorded session, from their bytes."""
    lines = (recordings / "manual_trading.jsonl").read_text(encoding="utf-8").splitlines()
    messages = []
    for line in lines:
        entry = json.loads(line)
        cls = SCHEMA.by_payload_type[entry["payloadType"]]
        messages.append((entry["note"], cls.FromString(base64.b64decode(entry["wire_b64"]))))
    return [(note, message) for note, message in messages if type(message) is ProtoOAExecutionEvent]


def request_for(event: Any) -> Request[Any]:
    """The request that the terminal's order amounts to."""
    order = event.order
    return new_order(
        order_type=order.order_type,
        trade_side=order.trade_data.trade_side,
        volume=order.trade_data.volume,
        limit_price=order.limit_price,
        relative_stop_loss=order.relative_stop_loss,
        relative_take_profit=order.relative_take_profit,
    )


def test_a_recorded_market_order_with_levels(recordings: Path) -> None:
    """A: accepted, filled without levels, then protected."""
    events = [event for _, event in recorded(recordings)]
    desk = Desk()
    tracked = desk.send(request_for(events[0]))
    desk.reply(events[0])
    assert (tracked.status, tracked.order_id, tracked.position_id) == (
        OrderStatus.ACCEPTED,
        6000001,
        5000001,
    )
    assert (tracked.filled_volume, tracked.remaining_volume, tracked.average_price) == (
        0,
        100,
        None,
    )
    desk.reply(events[1])
    assert tracked.status is OrderStatus.FILLED
    assert (tracked.fill.volume, tracked.fill.average_price) == (100, 85287.21)
    assert [d.deal_id for d in tracked.deals] == [7000001]
    assert (tracked.settled, tracked.protection) == (False, None)
    desk.push(events[2])
    assert tracked.settled
    assert tracked.protection.order_id == 6000002
    assert (tracked.position.stop_loss, tracked.position.take_profit) == (85197.2, 85387.22)
    assert [event.status for event in tracked.events] == [
        OrderStatus.ACCEPTED,
        *[OrderStatus.FILLED] * 2,
    ]
    assert [event.execution for event in tracked.events] == events[:3]


def test_nothing_in_the_rest_of_the_recorded_session_moves_it(recordings: Path) -> None:
    """E, G, I, B, C, and other orders: all under the very clientOrderId that ours has."""
    events = [event for _, event in recorded(recordings)]
    desk = Desk()
    request = request_for(events[0])
    request.client_order_id = "scrubbed"
    tracked = desk.send(request)
    desk.reply(*events[:2])
    known = (tracked.status, tracked.deals, tracked.filled_volume, tracked.average_price)
    desk.push(*events[2:])
    assert (tracked.status, tracked.deals, tracked.filled_volume, tracked.average_price) == known
    assert tracked.position.position_id == 5000001


def test_a_recorded_partial_close(recordings: Path) -> None:
    """G: accepted, filled with the smaller position, and the protective order follows."""
    notes = recorded(recordings)
    at = next(i for i, (note, _) in enumerate(notes) if note == "manual partial close: accepted")
    accepted, filled, follows = (event for _, event in notes[at : at + 3])
    desk = Desk()
    tracked = desk.send(close(5000001, 1))
    desk.reply(accepted)
    assert (tracked.status, tracked.order_id) == (OrderStatus.ACCEPTED, 6000003)
    desk.reply(filled)
    assert (tracked.status, tracked.fill.average_price, tracked.fill.volume) == (
        OrderStatus.FILLED,
        85219.06,
        1,
    )
    assert tracked.deals[0].close_position_detail.gross_profit == -68
    assert (tracked.position.trade_data.volume, tracked.position_closed, tracked.settled) == (
        99,
        False,
        True,
    )
    desk.push(follows)
    assert tracked.position.trade_data.volume == 99


def test_recorded_amendments_of_a_position(recordings: Path) -> None:
    """E: each is one ORDER_REPLACED of the protective order."""
    desk = Desk()
    for note, event in recorded(recordings):
        if note in {
            "stop-loss moved by hand",
            "take-profit removed by hand",
            "take-profit put back",
        }:
            tracked = desk.send(
                ProtoOAAmendPositionSLTPReq(ctid_trader_account_id=ACCOUNT, position_id=5000001)
            )
            desk.reply(event)
            assert (tracked.status, tracked.settled) == (OrderStatus.REPLACED, True)
            assert (tracked.position.stop_loss, tracked.events[0].execution) == (85200.2, event)


def test_a_recorded_pending_order_and_its_cancellation(recordings: Path) -> None:
    """B and C: the order ends with the event that answers the cancellation."""
    notes = recorded(recordings)
    at = next(i for i, (note, _) in enumerate(notes) if note.startswith("manual LIMIT order"))
    accepted, cancelled = notes[at][1], notes[at + 1][1]
    desk = Desk()
    order = desk.send(request_for(accepted))
    desk.reply(accepted)
    assert (order.status, order.position_id) == (OrderStatus.ACCEPTED, 5000003)
    cancellation = desk.send(
        ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=6000006)
    )
    desk.reply(cancelled)
    assert order.status is cancellation.status is OrderStatus.CANCELLED
    assert (order.filled_volume, order.settled, cancellation.settled) == (0, True, True)


def test_recorded_stops_and_take_profits_fill_no_order_of_ours(recordings: Path) -> None:
    """I: the protective order fills, whose position is that of an order of ours."""
    desk = Desk()
    events = [event for _, event in recorded(recordings)]
    tracked = desk.send(request_for(events[0]))
    desk.reply(*events[:2])  # its protective order is not announced
    (stopped,) = (e for n, e in recorded(recordings) if "stop-loss triggered" in n)
    desk.push(stopped)
    assert (tracked.status, tracked.filled_volume, len(tracked.deals)) == (
        OrderStatus.FILLED,
        100,
        1,
    )
    assert (tracked.position_closed, tracked.settled) == (True, True)
    assert tracked.protection.order_id == 6000002


# --- the sequences that are described, not recorded ---


def test_a_full_close_is_closed_only_with_the_end_of_its_protective_order() -> None:
    """H: the fill still says CREATED."""
    desk = Desk()
    tracked = desk.send(close())
    desk.reply(execution(ACCEPTED, at=position(), side=SELL, closing_order=True))
    assert (tracked.status, tracked.position_closed) == (OrderStatus.ACCEPTED, False)
    gone = position(CREATED, 0, stop_loss=1.0)
    desk.reply(execution(FILLED, at=gone, of=deal(1), side=SELL, closing_order=True))
    assert (tracked.status, tracked.position_closed, tracked.settled) == (
        OrderStatus.FILLED,
        True,
        False,
    )
    desk.push(protective(CANCELLED, position(CLOSED, 0)))
    assert (tracked.status, tracked.settled) == (OrderStatus.FILLED, True)
    assert tracked.position.position_status == CLOSED
    assert [event.status for event in tracked.events] == [
        OrderStatus.ACCEPTED,
        *[OrderStatus.FILLED] * 2,
    ]


def test_a_full_close_without_a_protective_order_is_closed_at_once() -> None:
    desk = Desk()
    tracked = desk.send(close())
    desk.reply(execution(FILLED, at=position(CLOSED, 0), of=deal(1), closing_order=True))
    assert (tracked.status, tracked.position_closed, tracked.settled) == (
        OrderStatus.FILLED,
        True,
        True,
    )


def test_a_protective_order_announced_under_the_requests_id_is_not_its_order() -> None:
    """The id of that event is not known."""
    desk = Desk()
    tracked = desk.send(new_order(relative_stop_loss=100_000))
    desk.reply(execution(ACCEPTED, at=position(CREATED, 0)))
    desk.reply(execution(FILLED, at=position(), of=deal(1)))
    desk.reply(protective(ACCEPTED, position(stop_loss=1.4)))
    assert (tracked.status, tracked.order_id, tracked.protection.order_id) == (
        OrderStatus.FILLED,
        7,
        8,
    )


def test_a_pending_order_fills_without_anybody_asking() -> None:
    """B: its fill carries no id; another's does not count."""
    desk = Desk()
    tracked = pending(desk)
    desk.push(execution(FILLED, order_id=9, order_type=LIMIT, executed_volume=100, position_id=6))
    assert tracked.status is OrderStatus.ACCEPTED
    desk.push(execution(FILLED, order_type=LIMIT, executed_volume=100, at=position(), of=deal(1)))
    assert (tracked.status, tracked.fill.volume, tracked.settled) == (OrderStatus.FILLED, 100, True)


def test_a_pending_order_expires() -> None:
    desk = Desk()
    tracked = pending(desk)
    desk.push(execution(EXPIRED, order_type=LIMIT))
    assert (tracked.status, tracked.settled) == (OrderStatus.EXPIRED, True)


def test_an_amended_order_keeps_its_fate() -> None:
    """D: one ORDER_REPLACED answers the amendment, and the order goes on with other terms."""
    desk = Desk()
    tracked = pending(desk)
    amendment = desk.send(AMEND)
    desk.reply(execution(REPLACED, order_type=LIMIT, volume=300, limit_price=1.25))
    assert (amendment.status, tracked.status) == (OrderStatus.REPLACED, OrderStatus.ACCEPTED)
    assert (tracked.volume, tracked.remaining_volume, tracked.order.limit_price) == (300, 300, 1.25)
    assert [event.status for event in tracked.events] == [OrderStatus.ACCEPTED] * 2


def test_an_order_filled_in_parts() -> None:
    """J: each part is a deal, and the average is weighted by volume."""
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(ACCEPTED))
    desk.reply(execution(PARTLY, executed_volume=30, of=deal(1, 30, 1.1), at=position()))
    assert (tracked.status, tracked.filled_volume) == (OrderStatus.PARTIALLY_FILLED, 30)
    assert tracked.remaining_volume == 70
    desk.reply(execution(PARTLY, executed_volume=50, of=deal(2, 20, 1.2), at=position()))
    desk.reply(execution(FILLED, executed_volume=100, of=deal(3, 50, 1.3), at=position()))
    assert tracked.status is OrderStatus.FILLED
    assert tracked.fill.average_price == 1.22  # (30 * 1.1 + 20 * 1.2 + 50 * 1.3) / 100
    assert [d.deal_id for d in tracked.fill.deals] == [1, 2, 3]
    assert [[d.deal_id for d in event.deals] for event in tracked.events] == [[], [1], [2], [3]]


def test_the_rest_of_a_partly_filled_order_is_cancelled() -> None:
    """J: an IOC order that the market could not fill wholly; its position stays."""
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(ACCEPTED))
    desk.reply(execution(PARTLY, executed_volume=30, of=deal(1, 30), at=position(volume=30)))
    desk.reply(execution(CANCELLED, executed_volume=30, at=position(volume=30)))
    assert (tracked.status, tracked.filled_volume, tracked.remaining_volume) == (
        OrderStatus.CANCELLED,
        30,
        70,
    )
    assert (tracked.average_price, tracked.position_closed, tracked.settled) == (1.5, False, True)


def test_stop_outs_money_and_swaps_move_nothing() -> None:
    """K and L: a server's own close of the position, and events without an order."""
    desk = Desk()
    tracked = desk.send(new_order(relative_stop_loss=100_000))
    desk.reply(execution(ACCEPTED), execution(FILLED, at=position(), of=deal(1)))
    events = len(tracked.events)
    for kind in ("DEPOSIT_WITHDRAW", "BONUS_DEPOSIT_WITHDRAW", "SWAP"):
        desk.push(
            ProtoOAExecutionEvent(
                ctid_trader_account_id=ACCOUNT, execution_type=ProtoOAExecutionType[kind]
            )
        )
    assert (tracked.status, len(tracked.events)) == (OrderStatus.FILLED, events)
    stop_out = execution(
        FILLED, at=position(CLOSED, 0), of=deal(2, order_id=9), order_id=9, is_stop_out=True
    )
    desk.push(stop_out)
    assert (tracked.status, len(tracked.deals)) == (OrderStatus.FILLED, 1)
    assert (tracked.position_closed, tracked.settled) == (True, True)


# --- refusals, in all their carriers ---

REFUSALS = [
    ProtoOAOrderErrorEvent(ctid_trader_account_id=ACCOUNT, error_code="TRADING_BAD_VOLUME"),
    ProtoOAOrderErrorEvent(
        ctid_trader_account_id=ACCOUNT, error_code="POSITION_NOT_FOUND", order_id=0, position_id=0
    ),
    ProtoOAOrderErrorEvent(ctid_trader_account_id=ACCOUNT, error_code="NEVER_HEARD_OF"),
    ProtoOAErrorRes(error_code="INVALID_REQUEST", description="Relative stop loss has invalid"),
    ProtoErrorRes(error_code="CANT_ROUTE_REQUEST"),
    execution(REJECTED, error_code="NOT_ENOUGH_MONEY"),
    execution(REJECTED),
    execution(CANCEL_REJECTED, error_code="UNABLE_TO_CANCEL_ORDER"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda r: getattr(r, "error_code", None) or "-")
@pytest.mark.parametrize("request_", [new_order(), close(), AMEND, PROTECT, CANCEL])
def test_a_refusal_in_any_carrier(request_: Request[Any], refusal: Message) -> None:
    desk = Desk()
    tracked = desk.send(request_)
    desk.reply(refusal)
    assert (tracked.status, tracked.settled) == (OrderStatus.REJECTED, True)
    assert isinstance(tracked.error, OrderError)
    code = getattr(refusal, "error_code", None)
    assert tracked.error.code == ("ORDER_REJECTED" if code is None else code)


def test_the_recorded_refusals_reject(recordings: Path) -> None:
    for line in (recordings / "errors.jsonl").read_text(encoding="utf-8").splitlines():
        refusal = ProtoOAErrorRes.from_dict(json.loads(line)["payload"], strict=True)
        desk = Desk()
        tracked = desk.send(new_order())
        desk.reply(refusal)
        assert tracked.status is OrderStatus.REJECTED
        assert isinstance(tracked.error, OrderError | AuthError | RateLimited)
        assert tracked.error.code == refusal.error_code


def test_the_ids_that_the_server_left_out_come_from_the_request() -> None:
    desk = Desk()
    for request, ids in ((close(), (None, 5)), (CANCEL, (7, None)), (PROTECT, (None, 5))):
        tracked = desk.send(request)
        desk.reply(REFUSALS[1])  # explicit zeros
        assert (tracked.error.order_id, tracked.error.position_id) == ids


def test_an_order_rejected_after_its_acceptance_names_itself() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(ACCEPTED))
    desk.reply(REFUSALS[0])
    assert tracked.status is OrderStatus.REJECTED
    assert (tracked.error.order_id, tracked.error.position_id) == (7, 5)


def test_a_pending_order_rejected_at_its_trigger() -> None:
    desk = Desk()
    tracked = pending(desk)
    desk.push(execution(REJECTED, order_type=LIMIT, error_code="NOT_ENOUGH_MONEY"))
    assert (tracked.status, tracked.error.code) == (OrderStatus.REJECTED, "NOT_ENOUGH_MONEY")


def test_an_order_outlives_the_refusal_of_its_cancellation() -> None:
    desk = Desk()
    order = pending(desk)
    cancellation = desk.send(CANCEL)
    desk.reply(execution(CANCEL_REJECTED, order_type=LIMIT, error_code="UNABLE_TO_CANCEL_ORDER"))
    assert (cancellation.status, order.status) == (OrderStatus.REJECTED, OrderStatus.ACCEPTED)
    assert order.error is None


def test_a_rejection_that_shows_a_living_order_is_asked_about() -> None:
    desk = Desk()
    order = pending(desk)
    amendment = desk.send(AMEND)
    event = execution(REPLACED, order_type=LIMIT, error_code="TRADING_BAD_PRICES")
    event.execution_type = REJECTED
    desk.reply(event)
    assert (amendment.status, order.status) == (OrderStatus.REJECTED, OrderStatus.ACCEPTED)
    assert desk.book.in_doubt(ACCOUNT) == [order]


def test_an_error_that_nobody_asked_for_is_asked_about() -> None:
    desk = Desk()
    order = pending(desk)
    error = ProtoOAOrderErrorEvent(ctid_trader_account_id=ACCOUNT, error_code="X", order_id=7)
    desk.push(error)
    assert order.status is OrderStatus.ACCEPTED
    assert desk.book.in_doubt(ACCOUNT) == [order]
    error.order_id = 8
    Desk().push(error)  # nobody's: nothing happens


# --- doubt ---

DOUBTFUL = [
    ProtoOAErrorRes(error_code="TIMEOUT_ERROR"),
    ProtoErrorRes(error_code="UNKNOWN_ERROR"),
    ProtoErrorRes(error_code="NEVER_HEARD_OF"),
    ProtoOAOrderErrorEvent(ctid_trader_account_id=ACCOUNT, error_code="TIMEOUT_ERROR"),
]


@pytest.mark.parametrize("reply", DOUBTFUL, ids=lambda reply: reply.error_code)
def test_an_error_that_leaves_it_open(reply: Message) -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(reply)
    assert tracked.status is OrderStatus.UNKNOWN
    assert tracked.error.reply is reply
    assert tracked.in_doubt


UNREADABLE: list[tuple[Received, type[Exception]]] = [
    (UnknownPayload(9999, b"?", "c1"), UnexpectedReply),
    (BadPayload(2126, b"?", "c1", DecodeError("cut short")), DecodeError),
]


@pytest.mark.parametrize(("reply", "error"), UNREADABLE, ids=["unknown", "bad"])
def test_a_reply_that_cannot_be_read(reply: Received, error: type[Exception]) -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.feed([reply])
    assert tracked.status is OrderStatus.UNKNOWN
    assert isinstance(tracked.error, error)


def test_a_reply_that_is_none() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(ProtoOAVersionRes(version="91"))
    assert tracked.status is OrderStatus.UNKNOWN
    assert isinstance(tracked.error, UnexpectedReply)


def test_an_execution_type_that_nobody_knows_answers_nothing() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    event = execution(ACCEPTED)
    event.execution_type = ProtoOAExecutionType(99)
    desk.reply(event)
    assert tracked.status is OrderStatus.UNKNOWN
    desk.reply(execution(FILLED, at=position(), of=deal(1)))
    assert tracked.status is OrderStatus.FILLED


def test_a_link_lost_before_after_and_long_after() -> None:
    desk = Desk()
    order = pending(desk)
    amendment = desk.send(AMEND)
    unwritten = desk.send(CANCEL)
    desk.lose(unwritten)
    assert unwritten.status is OrderStatus.NOT_SENT
    assert order.status is amendment.status is OrderStatus.UNKNOWN
    assert [event.status for event in order.events] == [OrderStatus.ACCEPTED, OrderStatus.UNKNOWN]
    desk.reply(execution(REPLACED, order_type=LIMIT))  # ids of the old link mean nothing now …
    assert amendment.status is OrderStatus.UNKNOWN
    assert order.status is OrderStatus.ACCEPTED  # … but the order is the order


def test_what_is_over_is_over_when_the_link_is_lost() -> None:
    desk = Desk()
    filled, rejected = desk.send(new_order()), desk.send(new_order())
    desk.reply(REFUSALS[0])
    desk.reply(execution(FILLED, at=position(), of=deal(1)), to="c1")
    desk.lose()
    assert (filled.status, rejected.status) == (OrderStatus.FILLED, OrderStatus.REJECTED)
    assert rejected.error is not None


# --- late, repeated and out of order ---


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
def test_deals_count_once_in_whatever_order_they_come(order: list[int], again: list[int]) -> None:
    parts = [execution(PARTLY, executed_volume=25 * n, of=deal(n, 25, n / 4)) for n in (1, 2, 3)]
    parts.append(execution(FILLED, executed_volume=100, of=deal(4, 25, 1.0)))
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(ACCEPTED))
    desk.reply(*(parts[i] for i in (*order, *again) if i != 3), parts[3])
    assert (tracked.status, tracked.filled_volume, tracked.average_price) == (
        OrderStatus.FILLED,
        100,
        0.625,
    )
    assert [d.deal_id for d in tracked.deals] == [1, 2, 3, 4]


@given(
    st.lists(
        st.tuples(st.integers(1, 10**9), st.integers(1, 10**12)).map(
            lambda pair: (pair[0], pair[1] / 10**5)
        ),
        min_size=1,
        max_size=20,
    )
)
def test_the_average_is_the_nearest_double_to_the_exact_one(deals: list[tuple[int, float]]) -> None:
    total = sum(volume for volume, _ in deals)
    desk = Desk()
    tracked = desk.send(new_order(volume=total))
    desk.reply(execution(ACCEPTED, volume=total))
    done = 0
    for number, (volume, price) in enumerate(deals):
        done += volume
        kind = FILLED if done == total else PARTLY
        of = deal(number, volume, price)
        desk.reply(execution(kind, volume=total, executed_volume=done, of=of))
    exact = sum(Fraction(str(price)) * volume for volume, price in deals) / total
    assert tracked.average_price == float(exact)


def test_a_deal_that_is_missing_leaves_the_servers_own_average() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(FILLED, executed_volume=100, execution_price=1.25, of=deal(2, 60)))
    assert (tracked.fill.volume, tracked.fill.average_price) == (100, 1.25)


def test_deals_without_volume_count_for_nothing() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    missed = deal(1, 100)
    missed.filled_volume, missed.execution_price = 0, None
    desk.reply(execution(ACCEPTED), execution(PARTLY, of=missed))
    desk.reply(execution(FILLED, executed_volume=100, of=deal(2, 100, 1.1)))
    assert (tracked.filled_volume, tracked.average_price, len(tracked.deals)) == (100, 1.1, 2)


def test_a_filled_order_that_does_not_say_how_much_was_filled_wholly() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(ACCEPTED, executed_volume=None))
    assert (tracked.status, tracked.filled_volume) == (OrderStatus.ACCEPTED, 0)
    desk.reply(execution(FILLED, executed_volume=None, execution_price=1.25))
    assert (tracked.fill.volume, tracked.fill.average_price) == (100, 1.25)


def test_an_event_that_shows_no_order_answers_all_the_same() -> None:
    desk = Desk()
    tracked = desk.send(new_order(client_order_id="mine"))
    event = execution(ACCEPTED)
    event.order = None
    desk.reply(event)
    assert (tracked.status, tracked.order_id) == (OrderStatus.ACCEPTED, None)
    desk.push(execution(FILLED, client_order_id="mine", at=position(), of=deal(1)))
    assert (tracked.status, tracked.order_id) == (OrderStatus.FILLED, 7)


def test_memory_of_what_others_closed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "KEPT", 10)
    desk = Desk()
    for number in range(20, 50):
        desk.push(execution(FILLED, order_id=number, side=SELL, closing_order=True))
    assert [number for _, number in desk.book._taken] == list(range(40, 50))


def test_memory_of_orders_whose_protection_never_comes_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book_module, "KEPT", 10)
    desk = Desk()
    for number in range(30):
        desk.send(new_order(relative_stop_loss=100_000))
        at, of = position(position_id=number), deal(number, order_id=number)
        desk.reply(execution(FILLED, order_id=number, position_id=number, at=at, of=of))
    assert len(desk.book.followed(ACCOUNT)) == 10
    assert len(desk.book._by_order) == len(desk.book._by_position) == 10
    assert len(desk.book._by_message) == 10


def test_an_order_that_ended_stays_so() -> None:
    desk = Desk()
    tracked = desk.send(new_order(relative_stop_loss=100_000))
    desk.reply(execution(FILLED, executed_volume=100, at=position(OPEN), of=deal(1)))
    assert not tracked.settled
    for late in (ACCEPTED, PARTLY, REPLACED, CANCELLED, EXPIRED, REJECTED):
        desk.reply(execution(late, at=position(OPEN)))
        assert (tracked.status, tracked.filled_volume, tracked.error) == (
            OrderStatus.FILLED,
            100,
            None,
        )


def test_a_position_is_only_seen_where_it_is_ours() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(FILLED, at=position(OPEN, position_id=6), of=deal(1)))
    assert (tracked.position, tracked.position_closed) == (None, False)
    assert tracked.position_id == 5


def test_an_increased_position_is_protected_by_the_order_that_it_has() -> None:
    desk = Desk()
    tracked = desk.send(new_order(position_id=5, relative_stop_loss=100_000))
    desk.reply(execution(FILLED, at=position(volume=200), of=deal(1)))
    desk.push(protective(REPLACED, position(volume=200, stop_loss=1.4)))
    assert (tracked.settled, tracked.protection.order_id) == (True, 8)


def test_known_position_statuses_are_all_considered() -> None:
    assert set(ProtoOAPositionStatus.__members__) == {
        "POSITION_STATUS_OPEN",
        "POSITION_STATUS_CLOSED",
        "POSITION_STATUS_CREATED",
        "POSITION_STATUS_ERROR",
    }
    desk = Desk()
    tracked = desk.send(new_order())
    error = position(ProtoOAPositionStatus.POSITION_STATUS_ERROR)
    desk.reply(execution(FILLED, order_type=MARKET, at=error, of=deal(1)))
    assert tracked.settled
