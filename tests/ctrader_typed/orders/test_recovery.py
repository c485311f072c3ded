"""What is asked after a lost link, and what each answer says of the requests in doubt."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from ctrader_typed import (
    Message,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOAOrder,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAOrderStatus,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    Request,
)
from ctrader_typed.orders.order_states import OrderStatus
from ctrader_typed.orders.recovery import ALL_TIMES, DAY, WEEK, check
from ctrader_typed.orders.tracked_order import CHECKS, LAST_ARRIVAL, TrackedOrder
from tests.support.trading import (
    ACCEPTED,
    ACCOUNT,
    BUY,
    CLOSED,
    FILLED,
    LIMIT,
    MARKET,
    NOW,
    PROTECTIVE,
    SELL,
    Desk,
    close,
    deal,
    execution,
    new_order,
    order,
    position,
    protective,
)

LIVING = ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
DONE = ProtoOAOrderStatus.ORDER_STATUS_FILLED
GONE = ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
REFUSED = ProtoOAOrderStatus.ORDER_STATUS_REJECTED
LATE = ProtoOAOrderStatus.ORDER_STATUS_EXPIRED

Asked = Request[Any]


class Server:
    """Answers questions from what a test puts here, and remembers them."""

    def __init__(self) -> None:
        self.orders: list[ProtoOAOrder] = []  # newest first
        self.pending: list[ProtoOAOrder] = []
        self.positions: list[Any] = []
        self.deals: list[Any] = []
        self.hidden_deals: list[Any] = []  # known by position only
        self.page = 1000
        self.refuses: Callable[[Asked], bool] = lambda _: False
        self.questions: list[Any] = []
        self.answers = self.ANSWERS

    def answer(self, question: Any) -> Message | None:
        self.questions.append(question)
        assert question.ctid_trader_account_id == ACCOUNT
        if self.refuses(question):
            return None
        return self.answers[type(question)](self, question)

    def reconcile(self, question: ProtoOAReconcileReq) -> Message:
        assert question.return_protection_orders is True
        return ProtoOAReconcileRes(
            ctid_trader_account_id=ACCOUNT, position=self.positions, order=self.pending
        )

    def rows(self, of: list[ProtoOAOrder], start: int | None, end: int | None) -> Any:
        start, end = start or 0, ALL_TIMES[1] if end is None else end
        rows = [o for o in of if start <= (o.utc_last_update_timestamp or NOW) <= end]
        return rows[: self.page], len(rows) > self.page

    def order_list(self, question: ProtoOAOrderListReq) -> Message:
        rows, more = self.rows(self.orders, question.from_timestamp, question.to_timestamp)
        return ProtoOAOrderListRes(ctid_trader_account_id=ACCOUNT, order=rows, has_more=more)

    def of_position(self, question: ProtoOAOrderListByPositionIdReq) -> Message:
        of = [o for o in self.orders if o.position_id == question.position_id]
        rows, more = self.rows(of, None, question.to_timestamp)
        return ProtoOAOrderListByPositionIdRes(
            ctid_trader_account_id=ACCOUNT, order=rows, has_more=more
        )

    def details(self, question: ProtoOAOrderDetailsReq) -> Message | None:
        found = [o for o in (*self.orders, *self.pending) if o.order_id == question.order_id]
        if not found:
            return None
        return ProtoOAOrderDetailsRes(
            ctid_trader_account_id=ACCOUNT, order=found[0], deal=self.deals
        )

    def deals_of(self, question: ProtoOADealListByPositionIdReq) -> Message:
        return ProtoOADealListByPositionIdRes(
            ctid_trader_account_id=ACCOUNT, deal=self.deals + self.hidden_deals, has_more=False
        )

    ANSWERS: ClassVar[Any] = {
        ProtoOAReconcileReq: reconcile,
        ProtoOAOrderListReq: order_list,
        ProtoOAOrderListByPositionIdReq: of_position,
        ProtoOAOrderDetailsReq: details,
        ProtoOADealListByPositionIdReq: deals_of,
    }

    def asked(self) -> list[str]:
        """The questions by their names, without what all have in common."""
        return [
            type(q).__name__.removeprefix("ProtoOA").removesuffix("Req") for q in self.questions
        ]

    def check(self, desk: Desk, now: int = NOW, age: float = LAST_ARRIVAL) -> bool:
        asking = check(desk.book, ACCOUNT, now, age)
        answer: Message | None = None
        while True:
            try:
                question = asking.send(answer)
            except StopIteration as end:
                return bool(end.value)
            answer = self.answer(question)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def server() -> Server:
    return Server()


def lost(desk: Desk, request: Asked, *replies: Message) -> TrackedOrder:
    """A request that was written, answered by these, and then the link was lost."""
    tracked = desk.send(request)
    desk.reply(*replies)
    desk.lose()
    assert tracked.status is OrderStatus.UNKNOWN
    return tracked


# --- new orders ---


def mine(**fields: Any) -> Any:
    return new_order(client_order_id="mine", **fields)


def test_a_pending_order_is_in_the_reconciliation(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine(order_type=LIMIT))
    server.pending = [order(order_type=LIMIT, client_order_id="mine")]
    assert server.check(desk)
    assert (tracked.status, tracked.order_id, tracked.position_id) == (OrderStatus.ACCEPTED, 7, 5)
    assert server.asked() == ["Reconcile"]


def test_a_pending_order_filled_in_part_needs_its_deals(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine(order_type=LIMIT))
    server.pending = [order(order_type=LIMIT, client_order_id="mine", executed_volume=30)]
    server.deals = [deal(1, 30)]
    assert server.check(desk)
    assert (tracked.status, tracked.filled_volume) == (OrderStatus.PARTIALLY_FILLED, 30)
    assert [d.deal_id for d in tracked.deals] == [1]
    assert server.asked() == ["Reconcile", "OrderDetails", "Reconcile"]


@pytest.mark.parametrize(
    ("status", "executed", "known"),
    [
        (DONE, 100, OrderStatus.FILLED),
        (GONE, 0, OrderStatus.CANCELLED),
        (GONE, 40, OrderStatus.CANCELLED),
        (LATE, 0, OrderStatus.EXPIRED),
        (REFUSED, 0, OrderStatus.REJECTED),
        (LIVING, 0, OrderStatus.ACCEPTED),
    ],
)
@pytest.mark.parametrize("answered", [False, True])
def test_an_order_that_is_not_pending_is_in_the_lists(
    desk: Desk, server: Server, status: Any, executed: int, known: OrderStatus, answered: bool
) -> None:
    replies = [execution(ACCEPTED, client_order_id="mine")] if answered else []
    tracked = lost(desk, mine(), *replies)
    server.orders = [order(status, executed_volume=executed, client_order_id="mine")]
    server.deals = [deal(1, executed)] if executed else []
    assert server.check(desk)
    assert (tracked.status, tracked.filled_volume, len(tracked.deals)) == (
        known,
        executed,
        executed > 0,
    )
    assert server.asked() == [
        "Reconcile",
        *([] if answered else ["OrderList"]),
        "OrderDetails",
        *(["Reconcile"] if executed else []),  # its position was changed by what was found out
    ]


def test_a_rejection_that_was_found_out_says_so(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine())
    server.orders = [order(REFUSED, client_order_id="mine")]
    server.check(desk)
    assert (tracked.error.code, tracked.error.order_id) == ("ORDER_STATUS_REJECTED", 7)
    assert "found out by asking" in tracked.error.description


OTHERS = {
    "another id": {"client_order_id": "another"},
    "no id": {},
    "another side": {"client_order_id": "mine", "side": SELL},
    "another type": {"client_order_id": "mine", "order_type": LIMIT},
    "a protective order with its id": {"client_order_id": "mine", "order_type": PROTECTIVE},
    "an order from before": {"client_order_id": "mine", "opened": NOW - 10_000},
}


@pytest.mark.parametrize("fields", OTHERS.values(), ids=OTHERS)
def test_another_order_is_not_taken_for_ours(
    desk: Desk, server: Server, fields: dict[str, Any]
) -> None:
    desk.push(execution(FILLED, order_id=6, utc_last_update_timestamp=NOW))  # what time it is there
    tracked = lost(desk, mine())
    server.orders = [order(DONE, executed_volume=100, **fields)]
    server.pending = [order(**fields)]
    for _ in range(CHECKS):
        assert tracked.in_doubt
        server.check(desk)
    assert (tracked.status, tracked.in_doubt) == (OrderStatus.UNKNOWN, False)


def test_an_id_that_two_orders_have_tells_nothing(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine())
    server.orders = [
        order(DONE, executed_volume=100, client_order_id="mine", order_id=number)
        for number in (7, 8)
    ]
    server.check(desk)
    assert tracked.status is OrderStatus.UNKNOWN


def test_where_it_looks(desk: Desk, server: Server) -> None:
    """By our clock a week at a time, then by the server's, then everywhere."""
    there = NOW - 50 * WEEK
    desk.push(execution(FILLED, order_id=6, utc_last_update_timestamp=there))
    desk.send(mine(), at=NOW - WEEK)
    desk.lose()
    server.check(desk, now=NOW)
    windows = [
        (q.from_timestamp, q.to_timestamp)
        for q in server.questions
        if isinstance(q, ProtoOAOrderListReq)
    ]
    assert windows == [
        (NOW + DAY - WEEK, NOW + DAY),
        (NOW - WEEK - DAY, NOW + DAY - WEEK),
        (there - DAY, there + DAY),
        ALL_TIMES,
    ]


def test_it_stops_looking_when_all_is_found(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine())
    server.orders = [order(GONE, client_order_id="mine", utc_last_update_timestamp=NOW)]
    server.check(desk, now=NOW + 9 * WEEK)
    assert tracked.status is OrderStatus.CANCELLED
    assert server.asked().count("OrderList") == 10


def test_it_turns_pages(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine())
    server.page = 3
    # Three of them in one ms fill a page.
    times = [NOW + 9, NOW + 8, NOW + 7, NOW + 7, NOW + 7, NOW + 6, NOW + 5]
    server.orders = [
        order(DONE, order_id=100 + n, utc_last_update_timestamp=at) for n, at in enumerate(times)
    ]
    server.orders.append(order(GONE, client_order_id="mine", utc_last_update_timestamp=NOW))
    server.check(desk)
    assert tracked.status is OrderStatus.CANCELLED
    upto = [q.to_timestamp for q in server.questions if isinstance(q, ProtoOAOrderListReq)]
    assert upto == [NOW + DAY, NOW + 7, NOW + 6]


def test_a_list_without_times_is_not_turned_for_ever(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine())
    server.page = 1
    server.orders = [order(DONE, order_id=n) for n in (100, 101)]
    server.check(desk)
    assert tracked.status is OrderStatus.UNKNOWN


def test_as_long_as_deals_are_missing_it_asks_again(desk: Desk, server: Server) -> None:
    """Histories were seen to lag. At last the server's own figures have to do."""
    tracked = lost(desk, mine())
    server.orders = [order(DONE, executed_volume=100, client_order_id="mine", execution_price=1.25)]
    server.deals = [deal(1, 60)]
    for number in range(1, CHECKS):
        server.check(desk)
        assert (tracked.status, tracked.checks) == (OrderStatus.UNKNOWN, number)
    server.check(desk)
    assert tracked.status is OrderStatus.FILLED
    assert (tracked.fill.volume, tracked.fill.average_price, len(tracked.deals)) == (100, 1.25, 1)


def test_deals_that_the_details_lack_are_those_of_the_position(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine())
    server.orders = [order(DONE, executed_volume=100, client_order_id="mine")]
    server.deals = [deal(1, 60)]
    server.hidden_deals = [deal(2, 40), deal(3, 100, order_id=99)]
    server.check(desk)
    assert (tracked.status, [d.deal_id for d in tracked.deals]) == (OrderStatus.FILLED, [1, 2])
    assert server.asked()[-2:] == ["DealListByPositionId", "Reconcile"]


def test_what_happens_while_it_asks_is_newer_than_the_answers(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine(), execution(ACCEPTED))
    stale = server.details
    server.orders = [order(LIVING, client_order_id="mine")]

    def overtaken(_: Server, question: Any) -> Message | None:
        answer = stale(question)
        desk.push(execution(FILLED, executed_volume=100, at=position(), of=deal(1)))
        return answer

    server.answers = {**Server.ANSWERS, ProtoOAOrderDetailsReq: overtaken}
    server.check(desk)
    assert (tracked.status, tracked.filled_volume) == (OrderStatus.FILLED, 100)


# --- refusals ---


def test_an_account_that_may_not_be_asked_about_counts_no_check(desk, server) -> None:
    tracked = lost(desk, mine())
    server.refuses = lambda _: True
    assert not server.check(desk)
    assert (tracked.checks, server.asked()) == (0, ["Reconcile"])


@pytest.mark.parametrize("request_", [mine(), close()], ids=["open", "close"])
def test_what_a_server_refuses_to_list_is_unknown(desk, server, request_) -> None:
    tracked = lost(desk, request_)
    server.refuses = lambda question: not isinstance(question, ProtoOAReconcileReq)
    assert server.check(desk)
    assert (tracked.status, tracked.checks) == (OrderStatus.UNKNOWN, 1)


def test_what_a_server_refuses_to_detail_is_unknown(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine(), execution(ACCEPTED))
    server.refuses = lambda question: isinstance(question, ProtoOAOrderDetailsReq)
    assert server.check(desk)
    assert (tracked.status, tracked.checks) == (OrderStatus.UNKNOWN, 1)


def test_deals_that_a_server_refuses_are_missing(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine(), execution(ACCEPTED))
    server.orders = [order(DONE, executed_volume=100)]
    server.refuses = lambda question: isinstance(question, ProtoOADealListByPositionIdReq)
    assert server.check(desk)
    assert (tracked.status, tracked.checks) == (OrderStatus.UNKNOWN, 1)


# --- closes ---


def closing(status: Any = DONE, **fields: Any) -> ProtoOAOrder:
    given: dict[str, Any] = {"side": SELL, "closing_order": True, "executed_volume": 100}
    return order(status, **(given | fields))


def test_a_close_is_found_in_the_history_of_its_position(desk: Desk, server: Server) -> None:
    tracked = lost(desk, close())
    server.orders = [closing(), order(DONE, order_id=6, executed_volume=100)]
    server.deals = [deal(1)]
    server.check(desk)
    assert (tracked.status, tracked.order_id, tracked.filled_volume) == (OrderStatus.FILLED, 7, 100)
    assert server.asked() == [
        "Reconcile",
        "OrderListByPositionId",
        "OrderDetails",
        "Reconcile",
    ]


def test_a_close_that_was_answered_is_asked_for_by_its_order(desk: Desk, server: Server) -> None:
    tracked = lost(desk, close(), execution(ACCEPTED, side=SELL, closing_order=True))
    server.orders = [closing()]
    server.deals = [deal(1)]
    server.check(desk)
    assert tracked.status is OrderStatus.FILLED
    assert server.asked() == ["Reconcile", "OrderDetails", "Reconcile"]


NOT_OURS = {
    "another volume": closing(volume=30),
    "before": closing(opened=NOW - 10_000),
    "no time": closing(opened=None),
    "protective": closing(order_type=PROTECTIVE),
    "a stop-out": closing(is_stop_out=True),
    "an opening order": order(DONE, executed_volume=100),
}


@pytest.mark.parametrize("other", NOT_OURS.values(), ids=NOT_OURS)
@pytest.mark.parametrize("told_the_time", [True, False])
def test_another_close_is_not_taken_for_ours(
    desk: Desk, server: Server, other: ProtoOAOrder, told_the_time: bool
) -> None:
    if told_the_time:
        desk.push(execution(FILLED, order_id=6, utc_last_update_timestamp=NOW))
        tracked = lost(desk, close())
    else:
        tracked = desk.send(close(), at=NOW + 60_000 - 10_000 + 1)
        desk.lose()
    server.orders = [other]
    server.check(desk)
    assert tracked.status is OrderStatus.UNKNOWN


def test_a_close_that_a_stranger_was_seen_to_make_is_not_ours(desk: Desk, server: Server) -> None:
    tracked = desk.send(close())
    desk.push(execution(ACCEPTED, order_id=9, side=SELL, closing_order=True))
    desk.lose()
    server.orders = [closing(order_id=9)]
    server.check(desk)
    assert tracked.status is OrderStatus.UNKNOWN
    server.orders = [closing(order_id=7), closing(order_id=9)]
    server.deals = [deal(1)]
    server.check(desk)
    assert (tracked.status, tracked.order_id) == (OrderStatus.FILLED, 7)


def test_a_close_of_ours_is_not_found_twice(desk: Desk, server: Server) -> None:
    first = desk.send(close(volume=30))
    done = execution(FILLED, volume=30, side=SELL, closing_order=True, of=deal(1, 30))
    desk.reply(done)
    assert first.settled
    second = lost(desk, close(volume=30))
    server.orders = [closing(volume=30, executed_volume=30)]
    server.check(desk)
    assert second.status is OrderStatus.UNKNOWN


def test_two_equal_closes_are_told_apart_only_if_both_are_there(desk, server) -> None:
    tracked_orders = [desk.send(close(volume=30)) for _ in range(2)]
    desk.lose()
    server.orders = [closing(GONE, volume=30, executed_volume=0, order_id=8, opened=NOW + 2)]
    server.check(desk)
    assert [tracked.status for tracked in tracked_orders] == [OrderStatus.UNKNOWN] * 2
    server.orders.append(closing(GONE, volume=30, executed_volume=0, order_id=9, opened=NOW + 1))
    server.check(desk)
    assert [tracked.order_id for tracked in tracked_orders] == [9, 8]
    assert [tracked.status for tracked in tracked_orders] == [OrderStatus.CANCELLED] * 2


def test_a_close_in_a_long_history(desk: Desk, server: Server) -> None:
    tracked = lost(desk, close())
    server.page = 2
    server.orders = [
        order(GONE, order_id=20 + n, utc_last_update_timestamp=NOW + 9 - n) for n in range(5)
    ]
    server.orders.append(closing(utc_last_update_timestamp=NOW))
    server.deals = [deal(1)]
    server.check(desk)
    assert tracked.status is OrderStatus.FILLED


def test_a_close_seen_alive_in_the_history_is_followed_from_then_on(desk, server) -> None:
    """Its fill may have been pushed before the list was read: so the order itself is asked."""
    tracked = lost(desk, close())
    server.orders = [closing(LIVING, executed_volume=0)]
    server.check(desk)
    assert (tracked.status, tracked.order_id) == (OrderStatus.ACCEPTED, 7)
    done = execution(FILLED, side=SELL, closing_order=True, at=position(CLOSED, 0), of=deal(1))
    desk.push(done)
    assert (tracked.status, tracked.settled) == (OrderStatus.FILLED, True)


# --- amendments and cancellations ---

AMEND = ProtoOAAmendOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7, limit_price=1.25)
PROTECT = ProtoOAAmendPositionSLTPReq(ctid_trader_account_id=ACCOUNT, position_id=5, stop_loss=1.0)
CANCEL = ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7)


@pytest.mark.parametrize(
    ("status", "known"),
    [
        (GONE, OrderStatus.CANCELLED),
        (DONE, OrderStatus.REJECTED),
        (LATE, OrderStatus.REJECTED),
        (LIVING, OrderStatus.UNKNOWN),
    ],
)
def test_a_cancellation(desk: Desk, server: Server, status: Any, known: OrderStatus) -> None:
    tracked = lost(desk, CANCEL)
    server.orders = [order(status, order_type=LIMIT)]
    server.check(desk)
    assert tracked.status is known
    if known is OrderStatus.REJECTED:
        assert (tracked.error.code, tracked.error.order_id) == (status.name, 7)


@pytest.mark.parametrize(
    ("price", "known"), [(1.25, OrderStatus.REPLACED), (1.2, OrderStatus.UNKNOWN)]
)
def test_an_amendment(desk: Desk, server: Server, price: float, known: OrderStatus) -> None:
    tracked = lost(desk, AMEND)
    server.pending = [order(order_type=LIMIT, limit_price=price)]
    server.check(desk)
    assert tracked.status is known


@pytest.mark.parametrize(
    ("positions", "known"),
    [
        ([position(stop_loss=1.0)], OrderStatus.REPLACED),
        ([position(stop_loss=1.1)], OrderStatus.UNKNOWN),
        ([position(stop_loss=1.0, position_id=6)], OrderStatus.UNKNOWN),
        ([], OrderStatus.UNKNOWN),
    ],
)
def test_an_amendment_of_a_position(desk, server, positions, known) -> None:
    tracked = lost(desk, PROTECT)
    server.positions = positions
    server.check(desk)
    assert tracked.status is known
    assert server.asked() == ["Reconcile"]


# --- what follows a fill ---


def test_a_position_that_opened_after_the_question_is_not_closed(desk, server) -> None:
    """The answer may be older than the fill that overtook it."""
    tracked = lost(desk, mine(relative_stop_loss=100_000), execution(ACCEPTED))
    plain = Server.ANSWERS[ProtoOAReconcileReq]

    def overtaken(_: Server, question: Any) -> Message:
        answer = plain(server, question)
        desk.push(execution(FILLED, executed_volume=100, at=position(), of=deal(1)))
        return answer

    server.answers = {**Server.ANSWERS, ProtoOAReconcileReq: overtaken}
    server.check(desk)
    assert (tracked.status, tracked.position_closed, tracked.settled) == (
        OrderStatus.FILLED,
        False,
        False,
    )


def test_the_protective_order_is_in_the_reconciliation(desk: Desk, server: Server) -> None:
    tracked = desk.send(mine(relative_stop_loss=100_000))
    desk.reply(execution(FILLED, executed_volume=100, at=position(), of=deal(1)))
    desk.lose()
    assert (tracked.status, tracked.settled) == (OrderStatus.FILLED, False)
    server.positions = [position(stop_loss=1.4)]
    server.pending = [protective(ACCEPTED, position()).order]
    server.check(desk)
    assert (tracked.settled, tracked.protection.order_id, tracked.position.stop_loss) == (
        True,
        8,
        1.4,
    )


def test_an_error_that_nobody_explained_is_forgotten_after_five_checks(desk, server) -> None:
    tracked = desk.send(mine())
    desk.reply(execution(ACCEPTED))
    tracked.doubt()
    for _ in range(CHECKS):
        assert desk.book.in_doubt(ACCOUNT) == [tracked]
        server.check(desk)
    assert desk.book.in_doubt(ACCOUNT) == []
    assert tracked.status is OrderStatus.ACCEPTED


def test_a_suspicion_that_was_right(desk: Desk, server: Server) -> None:
    tracked = desk.send(mine())
    desk.reply(execution(ACCEPTED))
    tracked.doubt()
    server.orders = [order(GONE, client_order_id="mine")]
    server.check(desk)
    assert (tracked.status, tracked.in_doubt) == (OrderStatus.CANCELLED, False)


def test_the_orders_of_these_tests_are_what_was_asked_for() -> None:
    """Or nothing would be found in any of them."""
    assert (order().order_type, order().trade_data.trade_side) == (MARKET, BUY)
