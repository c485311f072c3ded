"""What an earlier process wrote down and never sent ends as such, once the server was asked."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed import OrderStatus, ProtoOAOrder, ProtoOAReconcileReq
from ctrader_typed.orders.tracked_order import CHECKS, LAST_ARRIVAL, TrackedOrder
from tests.ctrader_typed.orders.test_recovery import DONE, WEEK, Desk, Server, closing, mine, order
from tests.support.trading import LIMIT, NOW, close, deal

CLOCKS = [
    sign * by for by in (0, 1, 59_999, 60_000, 3_600_000, WEEK, 52 * WEEK) for sign in (-1, 1)
]
"""What the wall clock was set by since the order was written down, in ms."""
REQUESTS = {"open": mine(), "close": close()}


def adopted(desk: Desk, request: Any, order_id: int | None = None) -> TrackedOrder:
    return desk.book.adopt("k", request, NOW, None, order_id, None)


def ask(desk: Desk, server: Server, now: int = NOW) -> None:
    for _ in range(CHECKS):
        server.check(desk, now)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_what_the_server_does_not_have_was_never_sent(request_: Any) -> None:
    desk, server = Desk(), Server()
    tracked = adopted(desk, request_)
    server.orders = [order(DONE, order_id=9, client_order_id="another")]
    for _ in range(CHECKS - 1):
        server.check(desk)
        assert tracked.status is OrderStatus.UNKNOWN
    server.check(desk)
    assert tracked.status is OrderStatus.NOT_SENT
    assert tracked.reason == "an earlier process ended before it was sent"
    assert tracked.settled


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_until_its_last_bytes_have_arrived_it_is_asked_again_whatever_the_wall_clock_says(
    request_: Any, clock: int
) -> None:
    desk, server = Desk(), Server()
    tracked = adopted(desk, request_)
    for age in (0.0, 1.0, 3.0, 7.0, 15.0, 23.0, 59.999, LAST_ARRIVAL):
        assert tracked.status is OrderStatus.UNKNOWN
        assert tracked.in_doubt
        server.check(desk, NOW + clock, age)
    assert tracked.status is OrderStatus.NOT_SENT


@pytest.mark.parametrize("checks", [1, CHECKS, 3 * CHECKS])
def test_what_arrives_late_is_asked_about_as_often_as_anything_else(checks: int) -> None:
    desk, server = Desk(), Server()
    tracked = adopted(desk, mine())
    for _ in range(checks):
        server.check(desk, age=LAST_ARRIVAL - 1)
    server.orders = [order(DONE, client_order_id="mine", order_id=7, executed_volume=100)]
    server.check(desk)  # its deals are not in the lists yet
    assert (tracked.order_id, tracked.status) == (7, OrderStatus.UNKNOWN)
    server.deals = [deal(1)]
    server.check(desk)
    assert tracked.status is OrderStatus.FILLED
    assert tracked.deals == tuple(server.deals)


def test_what_this_process_has_sent_stays_unknown() -> None:
    desk, server = Desk(), Server()
    tracked = desk.send(mine())
    desk.lose()
    ask(desk, server)
    assert tracked.status is OrderStatus.UNKNOWN


def test_an_order_whose_id_is_known_was_sent() -> None:
    desk, server = Desk(), Server()
    tracked = adopted(desk, mine(), order_id=7)
    ask(desk, server)
    assert tracked.status is OrderStatus.UNKNOWN


@pytest.mark.parametrize(
    ("request_", "there"),
    [
        (mine(), [order(DONE, client_order_id="mine", order_id=n) for n in (7, 8)]),
        (mine(), [order(DONE, client_order_id="mine", order_type=LIMIT)]),
        (close(), [closing(opened=NOW - 3_600_000)]),
        (close(), [closing(opened=None)]),
    ],
    ids=["its id twice", "its id on another type", "an older close", "a close without a time"],
)
def test_where_something_might_be_it_nobody_knows(request_: Any, there: list[ProtoOAOrder]) -> None:
    desk, server = Desk(), Server()
    tracked = adopted(desk, request_)
    server.orders = there
    ask(desk, server)
    assert tracked.status is OrderStatus.UNKNOWN


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_where_lists_are_refused_or_broken_off_nobody_knows(request_: Any) -> None:
    desk, server = Desk(), Server()
    tracked = adopted(desk, request_)
    server.refuses = lambda question: not isinstance(question, ProtoOAReconcileReq)
    ask(desk, server)
    assert tracked.status is OrderStatus.UNKNOWN
    desk, server = Desk(), Server()
    tracked = adopted(desk, request_)
    server.page = 1
    server.orders = [closing(order_id=n, volume=5) for n in (100, 101)]  # no times: no next page
    ask(desk, server)
    assert tracked.status is OrderStatus.UNKNOWN


def test_a_window_over_all_times_may_be_refused() -> None:
    desk, server = Desk(), Server()
    tracked = adopted(desk, mine())
    server.refuses = lambda question: getattr(question, "from_timestamp", None) == 0
    ask(desk, server, NOW + 3 * WEEK)
    assert tracked.status is OrderStatus.NOT_SENT
