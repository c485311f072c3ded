"""Answers that carry an error without rejecting, and fills that do not say how much or at what."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed import (
    OrderError,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    Request,
)
from ctrader_typed.orders.order_states import OrderStatus
from ctrader_typed.orders.tracked_order import CHECKS, TrackedOrder
from tests.ctrader_typed.orders.test_recovery import DONE, LIVING, Server, order
from tests.support.trading import (
    ACCEPTED,
    ACCOUNT,
    CANCELLED,
    EXPIRED,
    FILLED,
    LIMIT,
    OPEN,
    PARTLY,
    REPLACED,
    Desk,
    close,
    deal,
    execution,
    new_order,
    position,
)

CODE = "NOT_ENOUGH_MONEY"
AMEND = ProtoOAAmendOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7, limit_price=1.25)
PROTECT = ProtoOAAmendPositionSLTPReq(ctid_trader_account_id=ACCOUNT, position_id=5, stop_loss=1.0)
CANCEL = ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7)


def placed(desk: Desk) -> TrackedOrder:
    tracked = desk.send(new_order(order_type=LIMIT))
    desk.reply(execution(ACCEPTED, order_type=LIMIT))
    return tracked


@pytest.mark.parametrize("kind", [ACCEPTED, FILLED, PARTLY, REPLACED, CANCELLED, EXPIRED])
@pytest.mark.parametrize("request_", [new_order(), close(), AMEND, PROTECT, CANCEL])
def test_an_answer_with_an_error_that_shows_nothing_done_is_a_rejection(
    request_: Request[Any], kind: ProtoOAExecutionType
) -> None:
    event = ProtoOAExecutionEvent(
        ctid_trader_account_id=ACCOUNT, execution_type=kind, error_code=CODE
    )
    desk = Desk()
    tracked = desk.send(request_)
    desk.reply(event)
    assert (tracked.status, tracked.settled) == (OrderStatus.REJECTED, True)
    assert isinstance(tracked.error, OrderError)
    assert (tracked.error.code, tracked.error.reply) == (CODE, event)


def test_an_acceptance_with_an_error_is_a_rejection() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(ACCEPTED, error_code=CODE, at=position(OPEN, 0)))
    assert (tracked.status, tracked.error.code, tracked.error.order_id) == (
        OrderStatus.REJECTED,
        CODE,
        7,
    )


def test_a_fill_with_an_error_after_the_acceptance_is_a_rejection() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(ACCEPTED))
    event = execution(FILLED, error_code=CODE)
    event.order = None
    desk.reply(event)
    assert (tracked.status, tracked.error.code) == (OrderStatus.REJECTED, CODE)


DOINGS = {
    "filled": (new_order(), execution(FILLED, error_code=CODE, of=deal(1), at=position())),
    "filled without a deal": (new_order(), execution(FILLED, error_code=CODE, executed_volume=100)),
    "a part": (close(volume=100), execution(PARTLY, error_code=CODE, of=deal(1, 40))),
    "amended": (AMEND, execution(REPLACED, order_type=LIMIT, limit_price=1.25, error_code=CODE)),
    "protected": (PROTECT, execution(REPLACED, error_code=CODE, at=position(stop_loss=1.0))),
    "cancelled": (CANCEL, execution(CANCELLED, order_type=LIMIT, error_code=CODE)),
}


@pytest.mark.parametrize(("request_", "event"), DOINGS.values(), ids=DOINGS)
def test_an_answer_with_an_error_that_shows_it_done_is_neither_success_nor_rejection(
    request_: Request[Any], event: ProtoOAExecutionEvent
) -> None:
    desk = Desk()
    tracked = desk.send(request_)
    desk.reply(event)
    assert (tracked.status, tracked.in_doubt) == (OrderStatus.UNKNOWN, True)
    assert isinstance(tracked.error, OrderError)
    assert f"{event.execution_type.name} shows that it was done and carries an" in tracked.reason


def test_a_fill_with_an_error_is_asked_about_and_found_filled() -> None:
    desk, server = Desk(), Server()
    tracked = desk.send(new_order(client_order_id="mine"))
    desk.reply(execution(FILLED, error_code=CODE, executed_volume=100, of=deal(1), at=position()))
    server.positions = [position()]
    server.orders = [order(DONE, executed_volume=100, client_order_id="mine")]
    server.deals = [deal(1)]
    server.check(desk)
    assert (tracked.status, tracked.fill.volume, tracked.error) == (OrderStatus.FILLED, 100, None)
    assert tracked.settled


@pytest.mark.parametrize("kind", [FILLED, CANCELLED, EXPIRED, REPLACED])
def test_an_event_with_an_error_that_answers_nobody_is_asked_about(
    kind: ProtoOAExecutionType,
) -> None:
    desk, server = Desk(), Server()
    tracked = placed(desk)
    desk.push(execution(kind, order_type=LIMIT, error_code=CODE))
    assert (tracked.status, tracked.in_doubt) == (OrderStatus.ACCEPTED, True)
    server.pending = [order(LIVING, order_type=LIMIT)]
    server.check(desk)
    assert (tracked.status, tracked.in_doubt) == (OrderStatus.ACCEPTED, False)


# --- fills that do not say how much, or at what price ---


def test_a_fill_without_a_deal_is_what_the_order_states() -> None:
    desk = Desk()
    tracked = desk.send(new_order())
    desk.reply(execution(FILLED, execution_price=1.25))  # the executed volume is an explicit 0
    assert (tracked.status, tracked.fill.volume, tracked.fill.average_price) == (
        OrderStatus.FILLED,
        100,
        1.25,
    )


def nameless() -> ProtoOAExecutionEvent:
    event = execution(FILLED)
    event.order = None
    return event


FIGURELESS = {
    "no price": execution(FILLED, executed_volume=100),
    "no order": nameless(),
    "a deal without a price": execution(
        FILLED, executed_volume=100, of=deal(1, execution_price=None)
    ),
}


@pytest.mark.parametrize("event", FIGURELESS.values(), ids=FIGURELESS)
@pytest.mark.parametrize("accepted", [False, True])
def test_a_fill_without_volume_or_price_is_asked_about(
    event: ProtoOAExecutionEvent, accepted: bool
) -> None:
    desk, server = Desk(), Server()
    tracked = desk.send(new_order(client_order_id="mine"))
    if accepted:
        desk.reply(execution(ACCEPTED))
    desk.reply(event)
    assert (tracked.status, tracked.reason) == (
        OrderStatus.UNKNOWN,
        "ORDER_FILLED names no volume or no price",
    )
    server.orders = [order(DONE, executed_volume=100, client_order_id="mine")]
    server.deals = [deal(1, price=1.25)]
    if event.deal is not None:  # the list tells no more of it than the event did
        server.orders[0].execution_price = 1.25
    server.check(desk)
    assert (tracked.status, tracked.fill.volume, tracked.fill.average_price) == (
        OrderStatus.FILLED,
        100,
        1.25,
    )


def test_a_fill_whose_price_nobody_ever_names_stays_unknown() -> None:
    desk, server = Desk(), Server()
    tracked = desk.send(new_order(client_order_id="mine"))
    desk.reply(execution(FILLED, executed_volume=100))
    server.orders = [order(DONE, executed_volume=100, client_order_id="mine")]
    for _ in range(CHECKS):
        server.check(desk)
    assert (tracked.status, tracked.in_doubt, tracked.filled_volume) == (
        OrderStatus.UNKNOWN,
        False,
        100,
    )
