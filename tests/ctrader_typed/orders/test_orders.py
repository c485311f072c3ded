"""Orders as handles: placing, waiting, cancelling, lost links, asking, and the journal."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    ConnectionLost,
    EncodeError,
    LocalProtocolError,
    Message,
    NotFilled,
    NotSent,
    OrderError,
    OutcomeUnknown,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOACancelOrderReq,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAOrderStatus,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATraderReq,
    Request,
    ServerError,
)
from ctrader_typed.orders import order_tracker as book_module
from ctrader_typed.orders.journal import Journal, OpenOrder
from ctrader_typed.orders.order import Order
from ctrader_typed.orders.order_manager import PAUSES, REMEMBERED, OrderManager
from ctrader_typed.orders.order_states import OrderStatus
from ctrader_typed.proto import SCHEMA
from ctrader_typed.protocol import request_tracker as exchange_module
from ctrader_typed.protocol.reply_outcome import judge
from ctrader_typed.protocol.request_tracker import RequestTracker, Ticket
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope
from tests.support.trading import (
    ACCEPTED,
    ACCOUNT,
    CANCELLED,
    CLOSED,
    FILLED,
    LIMIT,
    PARTLY,
    REJECTED,
    close,
    deal,
    execution,
    new_order,
    order,
    position,
    protective,
)

CANCEL = ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7)
FILL = execution(FILLED, executed_volume=100, at=position(), of=deal(1))
EMPTY = ProtoOAReconcileRes(ctid_trader_account_id=ACCOUNT)
NO_ORDERS = ProtoOAOrderListRes(ctid_trader_account_id=ACCOUNT, has_more=False)

Answers = Callable[[Request[Any]], Message | None]


class Line:
    """A connection that a test plays by hand: what is queued is written when it says so."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.count = 0
        self.tracker: RequestTracker | None = None
        self.orders = OrderManager(SCHEMA, journal)
        self.up()
        self.tickets: list[Ticket] = []
        self.written: list[bytes] = []
        self.asked: list[tuple[float, Request[Any]]] = []
        self.answers: Answers = lambda _: None

    def up(self) -> None:
        self.count += 1
        self.tracker = RequestTracker(SCHEMA, Connection(SCHEMA).send, f"l{self.count}.")
        self.orders.connected(self.submit, self.withdraw)

    def submit(self, request: Request[Any]) -> Ticket:
        assert self.tracker is not None
        self.tickets.append(self.tracker.submit(request, trio.current_time()))
        return self.tickets[-1]

    def withdraw(self, ticket: Ticket) -> None:
        assert self.tracker is not None
        self.tracker.cancel(ticket)

    def write(self) -> None:
        assert self.tracker is not None
        while (frame := self.tracker.pop(trio.current_time())) is not None:
            self.written.append(frame)

    def reply(self, *messages: Message, to: Ticket | None = None) -> None:
        ticket = self.tickets[-1] if to is None else to
        self.receive(*messages, client_msg_id=ticket.client_msg_id)

    def receive(self, *messages: Message, client_msg_id: str | None = None) -> None:
        assert self.tracker is not None
        received = [Envelope(message, client_msg_id) for message in messages]
        batch = self.tracker.receive(received, trio.current_time())
        self.orders.receive(received, batch.answered)

    def lose(self, reason: str = "the connection broke") -> None:
        assert self.tracker is not None
        self.tracker.lose(reason)
        self.tracker = None
        self.orders.link_lost(reason)

    async def ask(self, question: Request[Any]) -> Message:
        await trio.lowlevel.checkpoint()
        if self.tracker is None:
            raise ConnectionLost("the connection is down")
        self.asked.append((trio.current_time(), question))
        answer = self.answers(question)
        if answer is None:
            refusal = ProtoOAErrorRes(error_code="INVALID_REQUEST")
            raise ServerError("INVALID_REQUEST", "no", question, refusal)
        return answer

    async def reconnect(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        self.up()
        self.receive(
            ProtoOAAccountAuthRes(ctid_trader_account_id=ACCOUNT), client_msg_id="supervisor"
        )
        task_status.started()
        await self.orders.restored(self.ask)

    async def place(self, nursery: trio.Nursery, request: Request[Any], *replies: Message) -> Order:
        """Place an order that is answered at once."""
        placed: list[Order] = []

        async def placing() -> None:
            placed.append(await self.orders.place(request))

        nursery.start_soon(placing)
        while not self.tickets or self.tickets[-1].request not in (request, *self._copies(request)):
            await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        self.write()
        self.reply(*replies)
        await wait_all_tasks_blocked()
        (got,) = placed
        return got

    def _copies(self, request: Request[Any]) -> list[Request[Any]]:
        """A new order is sent as a copy with an id."""
        return [o.request for o in self.orders if type(o.request) is type(request)]


@pytest.fixture
async def line() -> Line:
    return Line()


# --- placing ---


async def test_place_returns_with_the_answer(line: Line, nursery: trio.Nursery) -> None:
    order = await line.place(nursery, new_order(), execution(ACCEPTED))
    assert (order.status, order.order_id, order.position_id) == (OrderStatus.ACCEPTED, 7, 5)
    assert order.client_order_id == order.key == order.request.client_order_id
    assert repr(order) == f"<Order {order.key}: ProtoOANewOrderReq, ACCEPTED>"
    await order.accepted()
    line.reply(FILL)
    fill = await order.filled()
    assert (fill.volume, fill.average_price, [d.deal_id for d in fill.deals]) == (100, 1.5, [1])
    assert (order.filled_volume, order.remaining_volume, order.average_price) == (100, 0, 1.5)
    assert await order.resolved() is OrderStatus.FILLED
    assert list(line.orders) == []
    assert line.orders.find(order.key) is order


async def test_place_raises_the_refusal(line: Line, nursery: trio.Nursery) -> None:
    refusal = ProtoOAOrderErrorEvent(ctid_trader_account_id=ACCOUNT, error_code="NOT_ENOUGH_MONEY")

    async def placing() -> None:
        with pytest.raises(OrderError, match="NOT_ENOUGH_MONEY") as caught:
            await line.orders.place(close())
        assert (caught.value.position_id, caught.value.reply) == (5, refusal)

    nursery.start_soon(placing)
    await wait_all_tasks_blocked()
    line.write()
    line.reply(refusal)


@pytest.mark.parametrize(
    "reply",
    [
        execution(ACCEPTED),
        execution(REJECTED, error_code="NOT_ENOUGH_MONEY"),
        ProtoOAOrderErrorEvent(ctid_trader_account_id=ACCOUNT, error_code="NO_QUOTES"),
        ProtoOAErrorRes(error_code="INVALID_REQUEST"),
    ],
    ids=lambda reply: getattr(reply, "error_code", None) or "accepted",
)
async def test_a_reply_to_an_order_is_judged_once(
    line: Line, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, reply: Message
) -> None:
    judged: list[Message] = []

    def judging(*arguments: Any) -> Any:
        judged.append(arguments[-1].message)
        return judge(*arguments)

    for module in (exchange_module, book_module):
        monkeypatch.setattr(module, "judge", judging, raising=False)

    async def placing() -> None:
        with suppress(OrderError):
            await line.orders.place(new_order())

    nursery.start_soon(placing)
    await wait_all_tasks_blocked()
    line.write()
    line.reply(reply)
    assert judged == [reply]


async def test_an_order_rejected_later(line: Line, nursery: trio.Nursery) -> None:
    order = await line.place(nursery, new_order(), execution(ACCEPTED))
    line.reply(ProtoOAOrderErrorEvent(ctid_trader_account_id=ACCOUNT, error_code="NO_QUOTES"))
    for waiting in (order.accepted, order.filled):
        with pytest.raises(OrderError, match="NO_QUOTES"):
            await waiting()
    assert order.error.code == "NO_QUOTES"


async def test_amendments_and_cancellations_have_nothing_to_fill(line, nursery) -> None:
    order = await line.place(nursery, CANCEL, execution(CANCELLED, order_type=LIMIT))
    assert (order.status, order.volume, order.client_order_id) == (OrderStatus.CANCELLED, 0, None)
    await order.accepted()
    with pytest.raises(LocalProtocolError, match="ProtoOACancelOrderReq is never filled"):
        await order.filled()


async def test_an_order_that_is_not_filled_wholly(line: Line, nursery: trio.Nursery) -> None:
    order = await line.place(nursery, new_order(), execution(ACCEPTED))
    line.reply(execution(PARTLY, executed_volume=30, of=deal(1, 30), at=position(volume=30)))
    line.reply(execution(CANCELLED, executed_volume=30, at=position(volume=30)))
    with pytest.raises(NotFilled) as caught:
        await order.filled()
    error = caught.value
    assert (error.status, error.volume, error.filled_volume) == ("CANCELLED", 100, 30)
    assert (error.average_price, len(order.deals)) == (1.5, 1)


async def test_what_cannot_be_sent_leaves_nothing_behind(line: Line) -> None:
    with pytest.raises(LocalProtocolError, match="no trading request"):
        await line.orders.place(ProtoOATraderReq(ctid_trader_account_id=1))
    with pytest.raises(EncodeError):
        await line.orders.place(new_order(volume="many"))
    line.lose()
    with pytest.raises(NotSent, match="ProtoOANewOrderReq: there is no connection"):
        await line.orders.place(new_order())
    assert list(line.orders) == []
    assert line.written == []


# --- cancelling waits ---


async def test_cancelled_before_it_is_queued_not_one_byte_leaves(line: Line) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await line.orders.place(new_order())
    assert line.tickets == []
    assert list(line.orders) == []


async def test_cancelled_while_queued_not_one_byte_leaves(line: Line) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.orders.place, new_order())
        await wait_all_tasks_blocked()
        assert len(line.tickets) == 1
        nursery.cancel_scope.cancel()
    line.write()
    assert line.written == []
    assert list(line.orders) == []


async def test_cancelled_while_the_journal_is_written_not_one_byte_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread cannot be cancelled; what comes after it can."""
    scope = trio.CancelScope()
    opened = Journal.opened

    def cancelled_then(journal: Journal, entry: OpenOrder) -> None:
        trio.from_thread.run_sync(scope.cancel)
        opened(journal, entry)

    monkeypatch.setattr(Journal, "opened", cancelled_then)
    with Journal(tmp_path / "orders") as journal:
        line = Line(journal)
        with scope:
            await line.orders.place(new_order())
        assert scope.cancelled_caught
        assert line.tickets == []
        assert list(line.orders) == []
        assert list(journal.open_orders()) == []


async def test_cancelled_after_the_write_the_order_goes_its_way(line, nursery) -> None:
    scope = trio.CancelScope()

    async def placing() -> None:
        with scope:
            await line.orders.place(new_order(client_order_id="mine"))

    nursery.start_soon(placing)
    await wait_all_tasks_blocked()
    line.write()
    scope.cancel()
    await wait_all_tasks_blocked()
    order = line.orders.find("mine")
    assert order.status is OrderStatus.WRITING
    line.reply(execution(ACCEPTED), FILL)
    assert (await order.filled()).volume == 100


async def test_a_cancelled_wait_changes_nothing_for_others(line, nursery) -> None:
    order = await line.place(nursery, new_order(), execution(ACCEPTED))
    fills = []

    async def wait() -> None:
        fills.append(await order.filled())

    nursery.start_soon(wait)
    for waiting in (order.filled, order.events.__anext__, order.resolved, order.accepted):
        with trio.CancelScope() as scope:
            scope.cancel()
            await waiting()
    await wait_all_tasks_blocked()
    assert order.status is OrderStatus.ACCEPTED
    line.reply(FILL)
    await wait_all_tasks_blocked()
    assert len(fills) == 1


# --- events ---


async def test_events_from_the_first_to_the_last(line: Line, nursery: trio.Nursery) -> None:
    order = await line.place(nursery, new_order(relative_stop_loss=100_000), execution(ACCEPTED))
    seen: list[list[OrderStatus]] = [[], []]

    async def listen(to: list[OrderStatus]) -> None:
        async for event in order.events:
            to.append(event.status)  # noqa: PERF401 - each at once

    nursery.start_soon(listen, seen[0])
    await wait_all_tasks_blocked()
    line.reply(FILL)
    nursery.start_soon(listen, seen[1])
    await wait_all_tasks_blocked()
    assert seen[0] == seen[1] == [OrderStatus.ACCEPTED, OrderStatus.FILLED]
    line.receive(protective(ACCEPTED, position(stop_loss=1.4)))
    await wait_all_tasks_blocked()
    assert seen[0] == seen[1] == [OrderStatus.ACCEPTED, OrderStatus.FILLED, OrderStatus.FILLED]
    assert (order.protection.order_id, order.position.stop_loss) == (8, 1.4)
    assert [event.status async for event in order.events] == seen[0]  # they have ended


async def test_a_lost_link_is_an_event_and_streams_go_on(line, nursery) -> None:
    order = await line.place(nursery, new_order(order_type=LIMIT), execution(ACCEPTED))
    events = order.events
    assert (await anext(events)).status is OrderStatus.ACCEPTED
    line.lose()
    assert (await anext(events)).status is OrderStatus.UNKNOWN
    line.up()
    line.receive(execution(FILLED, executed_volume=100, order_type=LIMIT, of=deal(1)))
    assert [event.status async for event in events] == [OrderStatus.FILLED]


# --- lost links ---


async def test_a_link_lost_before_the_write(line: Line, nursery: trio.Nursery) -> None:
    async def placing() -> None:
        with pytest.raises(NotSent, match="the connection broke"):
            await line.orders.place(new_order())

    nursery.start_soon(placing)
    await wait_all_tasks_blocked()
    line.lose()
    await wait_all_tasks_blocked()
    assert list(line.orders) == []


async def test_a_link_lost_after_the_write_is_told_at_once(line, nursery) -> None:
    raised = []

    async def placing() -> None:
        with pytest.raises(OutcomeUnknown, match=r"the connection broke; it may have") as caught:
            await line.orders.place(new_order())
        raised.append(caught.value)

    nursery.start_soon(placing)
    await wait_all_tasks_blocked()
    line.write()
    line.lose()
    await wait_all_tasks_blocked()
    (error,) = raised
    assert error.order.status is OrderStatus.UNKNOWN
    assert list(line.orders) == [error.order]
    assert error.request is error.order.request
    for waiting in (error.order.accepted, error.order.filled):
        with pytest.raises(OutcomeUnknown):
            await waiting()


async def test_who_waits_for_a_fill_is_told_at_once(line, nursery, autojump_clock) -> None:
    order = await line.place(nursery, new_order(), execution(ACCEPTED))

    async def wait() -> None:
        with pytest.raises(OutcomeUnknown):
            await order.filled()

    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    line.lose()
    await wait_all_tasks_blocked()
    line.answers = details(order_status=ProtoOAOrderStatus.ORDER_STATUS_FILLED)
    with trio.fail_after(1):
        nursery.start_soon(line.reconnect)
        assert await order.resolved() is OrderStatus.FILLED
    assert (await order.filled()).average_price == 1.5
    nursery.cancel_scope.cancel()


async def test_an_answer_that_leaves_it_open(line, nursery, autojump_clock) -> None:
    """No link is lost: the server is asked all the same."""
    raised = []

    async def placing() -> None:
        with pytest.raises(OutcomeUnknown, match=r"leaves it open: .* TIMEOUT_ERROR") as caught:
            await line.orders.place(new_order(client_order_id="mine"))
        raised.append(caught.value)

    line.receive(ProtoOAAccountAuthRes(ctid_trader_account_id=ACCOUNT))
    line.answers = reconcile(pending=order(order_type=1, client_order_id="mine"))
    nursery.start_soon(line.orders.restored, line.ask)
    nursery.start_soon(placing)
    await wait_all_tasks_blocked()
    line.write()
    assert line.asked == []
    line.reply(ProtoOAErrorRes(error_code="TIMEOUT_ERROR"))
    await trio.sleep(0.1)
    (error,) = raised
    assert isinstance(error.__cause__, OrderError)
    assert error.order.status is OrderStatus.ACCEPTED
    nursery.cancel_scope.cancel()


# --- asking ---


def details(**fields: Any) -> Answers:
    """The server knows order 7, filled by one deal."""
    shown = order(fields.pop("order_status"), executed_volume=100, **fields)

    def answer(question: Request[Any]) -> Message | None:
        if isinstance(question, ProtoOAReconcileReq):
            return EMPTY
        if isinstance(question, ProtoOAOrderDetailsReq):
            return ProtoOAOrderDetailsRes(
                ctid_trader_account_id=ACCOUNT, order=shown, deal=[deal(1)]
            )
        return None

    return answer


def reconcile(pending: Any) -> Answers:
    """The server shows one pending order, and knows nothing else."""

    def answer(question: Request[Any]) -> Message | None:
        if isinstance(question, ProtoOAReconcileReq):
            return ProtoOAReconcileRes(ctid_trader_account_id=ACCOUNT, order=[pending])
        return NO_ORDERS if isinstance(question, ProtoOAOrderListReq) else None

    return answer


async def unknown(line: Line) -> Order:
    """An order that was written, and whose link was then lost."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.orders.place, new_order(client_order_id="mine"))
        while not line.tickets:  # a journal's thread blocks no task
            await trio.lowlevel.checkpoint()
        line.write()
        nursery.cancel_scope.cancel()
    line.lose()
    found = line.orders.find("mine")
    assert found is not None
    assert found.status is OrderStatus.UNKNOWN
    return found


async def test_five_checks_and_then_it_is_reported_as_unknown(
    line, nursery, autojump_clock
) -> None:
    mine = await unknown(line)
    line.answers = reconcile(pending=order(order_id=99, client_order_id="another"))
    began = trio.current_time()
    nursery.start_soon(line.reconnect)
    with pytest.raises(OutcomeUnknown, match="asked 5 times and does not show it"):
        await mine.resolved()
    checks = [at - began for at, asked in line.asked if isinstance(asked, ProtoOAReconcileReq)]
    assert checks == [0, 1, 3, 7, 15]
    assert sum(PAUSES) == 15
    await trio.sleep(60)
    assert len(line.asked) == 5 + sum(isinstance(q, ProtoOAOrderListReq) for _, q in line.asked)
    assert all(at - began <= 15 for at, _ in line.asked)
    late = execution(FILLED, executed_volume=100, client_order_id="mine", opened=None, of=deal(1))
    line.receive(late)  # nobody asks any more, but whoever says so is heard
    assert await mine.resolved() is OrderStatus.FILLED
    nursery.cancel_scope.cancel()


async def test_an_account_that_is_not_authorised_is_not_asked_about(line, nursery) -> None:
    order = await unknown(line)
    line.up()
    nursery.start_soon(line.orders.restored, line.ask)
    await wait_all_tasks_blocked()
    assert line.asked == []
    line.answers = reconcile(
        pending=order_like(order, order_status=ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED)
    )
    line.receive(ProtoOAAccountAuthRes(ctid_trader_account_id=ACCOUNT))
    assert await order.resolved() is OrderStatus.ACCEPTED
    nursery.cancel_scope.cancel()


LOSSES = [
    ProtoOAAccountDisconnectEvent(ctid_trader_account_id=ACCOUNT),
    ProtoOAAccountsTokenInvalidatedEvent(ctid_trader_account_ids=[1, ACCOUNT]),
    ProtoOAClientDisconnectEvent(),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
async def test_a_session_lost_and_found_on_a_connection_that_stands(line, nursery, loss) -> None:
    """What happened in between was told to nobody. What was just sent will be answered."""
    line.receive(ProtoOAAccountAuthRes(ctid_trader_account_id=ACCOUNT))
    waits = await line.place(nursery, new_order(order_type=LIMIT), execution(ACCEPTED))
    nursery.start_soon(line.orders.restored, line.ask)
    nursery.start_soon(line.orders.place, new_order(client_order_id="mine"))
    await wait_all_tasks_blocked()
    line.write()
    line.receive(loss)
    assert waits.status is OrderStatus.UNKNOWN
    assert line.orders.find("mine").status is OrderStatus.WRITING
    with pytest.raises(OutcomeUnknown, match="the account's session was lost"):
        await waits.filled()
    assert line.asked == []
    line.reply(execution(ACCEPTED, order_id=8))
    line.answers = details(order_status=ProtoOAOrderStatus.ORDER_STATUS_FILLED)
    line.receive(ProtoOAAccountAuthRes(ctid_trader_account_id=ACCOUNT))
    assert await waits.resolved() is OrderStatus.FILLED
    nursery.cancel_scope.cancel()


async def test_a_session_of_another_account_is_another_matter(line, nursery) -> None:
    waits = await line.place(nursery, new_order(order_type=LIMIT), execution(ACCEPTED))
    line.receive(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=1))
    assert waits.status is OrderStatus.ACCEPTED


def order_like(handle: Order, order_status: ProtoOAOrderStatus, **fields: Any) -> Any:
    return order(order_status, client_order_id=handle.client_order_id, opened=None, **fields)


async def test_a_refused_check_does_not_count(line, nursery, autojump_clock) -> None:
    order = await unknown(line)
    began = trio.current_time()
    nursery.start_soon(line.reconnect)
    await trio.sleep(60)
    assert all(isinstance(question, ProtoOAReconcileReq) for _, question in line.asked)
    assert [at - began for at, _ in line.asked][:6] == [0, 1, 3, 7, 15, 23]
    assert order.status is OrderStatus.UNKNOWN
    line.answers = reconcile(
        pending=order_like(order, order_status=ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED)
    )
    assert await order.resolved() is OrderStatus.ACCEPTED
    nursery.cancel_scope.cancel()


async def test_a_link_lost_while_asking(line, nursery, autojump_clock) -> None:
    order = await unknown(line)
    async with trio.open_nursery() as inner:
        await inner.start(line.reconnect)
        line.lose()  # and `restored` ends by itself
    line.answers = reconcile(
        pending=order_like(order, order_status=ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED)
    )
    nursery.start_soon(line.reconnect)
    assert await order.resolved() is OrderStatus.ACCEPTED
    nursery.cancel_scope.cancel()


async def test_a_link_lost_before_an_answer(line, nursery, autojump_clock) -> None:
    order = await unknown(line)

    def gone(question: Request[Any]) -> Message | None:
        line.lose("it broke again")
        raise ConnectionLost("it broke again", maybe_delivered=True)

    line.answers = gone
    with trio.fail_after(1):
        await line.reconnect()  # ends by itself
    assert (order.status, order.tracked.checks) == (OrderStatus.UNKNOWN, 0)


async def test_an_order_that_settles_while_its_position_is_asked_about(line, nursery) -> None:
    """It is not followed any more when the answer comes."""
    order = await line.place(
        nursery, new_order(relative_stop_loss=100_000), execution(ACCEPTED), FILL
    )
    line.lose()

    def overtaken(question: Request[Any]) -> Message | None:
        line.receive(protective(ACCEPTED, position(stop_loss=1.4)))
        return EMPTY

    line.answers = overtaken
    nursery.start_soon(line.reconnect)
    await wait_all_tasks_blocked()
    assert (order.tracked.settled, order.protection.order_id) == (True, 8)
    assert list(line.orders) == []
    assert not line.orders._book._by_order
    nursery.cancel_scope.cancel()


async def test_after_a_reconnect_what_follows_a_fill_is_asked_once(line, nursery) -> None:
    """The protective order was announced while the link was down."""
    order = await line.place(
        nursery, new_order(relative_stop_loss=100_000), execution(ACCEPTED), FILL
    )
    assert (order.status, order.tracked.settled) == (OrderStatus.FILLED, False)
    line.lose()
    line.answers = lambda _: ProtoOAReconcileRes(
        ctid_trader_account_id=ACCOUNT,
        position=[position(stop_loss=1.4)],
        order=[protective(ACCEPTED, position()).order],
    )
    nursery.start_soon(line.reconnect)
    await wait_all_tasks_blocked()
    assert (order.position.stop_loss, order.protection.order_id) == (1.4, 8)
    assert [event.status async for event in order.events][-1] is OrderStatus.FILLED
    assert len(line.asked) == 1
    nursery.cancel_scope.cancel()


async def test_a_position_closed_while_the_link_was_down(line, nursery) -> None:
    order = await line.place(
        nursery, new_order(relative_stop_loss=100_000), execution(ACCEPTED), FILL
    )
    line.lose()
    line.answers = lambda _: EMPTY
    nursery.start_soon(line.reconnect)
    await wait_all_tasks_blocked()
    assert (order.position_closed, order.position.position_status) == (True, CLOSED)
    assert FILL.position.trade_data.volume == 100  # the server's own message stays as it was
    nursery.cancel_scope.cancel()


# --- the end ---


async def test_a_client_that_is_closed_keeps_nobody_waiting(line, nursery) -> None:
    order = await unknown(line)
    raised = []

    async def wait(waiting: Callable[[], Any]) -> None:
        with pytest.raises(OutcomeUnknown):
            await waiting()
        raised.append(waiting)

    async def listen() -> None:
        async for _ in order.events:
            pass

    nursery.start_soon(wait, order.resolved)
    nursery.start_soon(wait, listen)
    await wait_all_tasks_blocked()
    line.orders.close("the client was closed")
    await wait_all_tasks_blocked()
    assert len(raised) == 2


async def test_events_of_an_ended_order_end_when_the_client_is_closed(line, nursery) -> None:
    order = await line.place(
        nursery, new_order(relative_stop_loss=100_000), execution(ACCEPTED), FILL
    )
    line.lose()
    line.orders.close("the client was closed")
    assert [event.status async for event in order.events] == [
        OrderStatus.ACCEPTED,
        OrderStatus.FILLED,
    ]


# --- memory ---


async def test_settled_orders_are_forgotten_in_the_end(line: Line, nursery: trio.Nursery) -> None:
    gone = await line.place(nursery, new_order(), execution(ACCEPTED), FILL)
    key, memory = gone.key, weakref.ref(gone)
    del gone
    for number in range(REMEMBERED):
        assert line.orders.find(key) is not None
        line.answers = details(order_status=ProtoOAOrderStatus.ORDER_STATUS_FILLED)
        async with trio.open_nursery() as placing:
            placing.start_soon(line.orders.place, new_order(client_order_id=f"{number}"))
            await wait_all_tasks_blocked()
            placing.cancel_scope.cancel()
    assert line.orders.find(key) is None
    gc.collect()
    assert memory() is None
    book = line.orders._book
    assert not book._tracked_orders
    assert not book._by_order
    assert not book._by_client_order
    assert not book._by_position
    assert not book._by_message
    assert not book._places
    assert not book._names
    assert not line.orders._tickets


async def test_an_order_that_stays_unknown_can_be_forgotten(tmp_path, nursery) -> None:
    with Journal(tmp_path / "orders") as journal:
        line = Line(journal)
        order = await unknown(line)
        raised = []

        async def wait() -> None:
            with pytest.raises(OutcomeUnknown):
                await order.resolved()
            raised.append(order)

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        line.orders.forget(order)
        await wait_all_tasks_blocked()
        assert raised == [order]
        assert (list(line.orders), line.orders.find("mine")) == ([], None)
        assert journal.open_orders() == []
        line.orders.forget(order)
        line.up()
        late = execution(ACCEPTED, client_order_id="mine", opened=None)
        line.receive(late)
        assert order.status is OrderStatus.UNKNOWN
        again = line.orders._book.open(new_order(client_order_id="mine"), 0)
        assert again is not order.tracked


async def test_one_that_lives_can_be_forgotten_too(line: Line, nursery: trio.Nursery) -> None:
    order = await line.place(nursery, new_order(order_type=LIMIT), execution(ACCEPTED))
    line.orders.forget(order)
    with pytest.raises(OutcomeUnknown, match="not followed any more"):
        await order.filled()
    with pytest.raises(OutcomeUnknown):
        await order.resolved()


# --- the journal ---


async def test_without_a_connection_nothing_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "orders"
    with Journal(path) as journal:
        line = Line(journal)
        line.lose()
        size = path.stat().st_size
        with pytest.raises(NotSent):
            await line.orders.place(new_order())
        assert path.stat().st_size == size


async def test_a_request_is_on_the_disk_before_it_is_queued(tmp_path, monkeypatch, nursery) -> None:
    path = tmp_path / "orders"
    with Journal(path) as journal:
        line = Line(journal)

        def submit_and_look(request: Request[Any]) -> Ticket:
            last = path.read_bytes().splitlines()[-1]
            assert b'"opened"' in last
            assert request.client_order_id.encode() in last
            return line.submit(request)

        line.orders.connected(submit_and_look, line.withdraw)
        order = await line.place(nursery, new_order(), execution(ACCEPTED))
        (entry,) = journal.open_orders()
        assert (entry.key, entry.order_id, entry.position_id) == (order.key, 7, 5)
        line.reply(FILL)
        assert journal.open_orders() == []


async def test_a_journal_that_cannot_be_written_sends_nothing(tmp_path, monkeypatch) -> None:
    with Journal(tmp_path / "orders") as journal:
        line = Line(journal)

        def full(entry: OpenOrder) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(journal, "opened", full)
        with pytest.raises(NotSent, match=r"the journal cannot be written: .*No space left"):
            await line.orders.place(new_order())
        line.write()
        assert line.written == []
        assert list(line.orders) == []


async def test_a_link_lost_during_the_journals_write(tmp_path, monkeypatch, nursery) -> None:
    with Journal(tmp_path / "orders") as journal:
        line = Line(journal)
        opened = journal.opened

        def lose_meanwhile(entry: OpenOrder) -> None:
            opened(entry)
            trio.from_thread.run_sync(line.lose)
            trio.from_thread.run_sync(line.up)

        monkeypatch.setattr(journal, "opened", lose_meanwhile)
        with pytest.raises(NotSent, match="the connection broke"):
            await line.orders.place(new_order())
        assert line.tickets == []
        assert journal.open_orders() == []


async def test_cancelled_before_the_journals_write(tmp_path: Path) -> None:
    with Journal(tmp_path / "orders") as journal:
        line = Line(journal)
        with trio.CancelScope() as scope:
            scope.cancel()
            await line.orders.place(new_order())
        assert journal.open_orders() == []
        assert list(line.orders) == []
        assert line.tickets == []


async def test_a_journal_that_fails_later_disturbs_nobody(tmp_path, monkeypatch, nursery) -> None:
    with Journal(tmp_path / "orders") as journal:
        line = Line(journal)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(journal, "known", full)
        monkeypatch.setattr(journal, "ended", full)
        order = await line.place(nursery, new_order(), execution(ACCEPTED), FILL)
        assert order.status is OrderStatus.FILLED
        assert len(journal.open_orders()) == 1


async def test_two_orders_of_one_id_in_a_journal_cannot_be_told_apart(tmp_path, caplog) -> None:
    with Journal(tmp_path / "orders") as journal:
        for key in ("k1", "k2"):
            journal.opened(OpenOrder(key, new_order(client_order_id="same"), 0, None))
        orders = OrderManager(SCHEMA, journal)
        assert [order.key for order in orders] == ["k1"]
        assert "the journal's k2 is left alone" in caplog.text
        assert [order.key for order in journal.open_orders()] == ["k1", "k2"]


async def test_nothing_can_be_withdrawn_from_no_connection(line: Line) -> None:
    ticket = line.submit(new_order())
    with pytest.raises(LocalProtocolError, match="queued on no connection"):
        OrderManager(SCHEMA)._withdraw(ticket)


async def test_what_an_earlier_process_left_is_resolved(tmp_path, nursery, autojump_clock) -> None:
    path = tmp_path / "orders"
    with Journal(path) as journal:
        line = Line(journal)
        left = [
            await line.place(nursery, new_order(client_order_id="a"), execution(ACCEPTED)),
            await line.place(nursery, CANCEL, execution(CANCELLED, order_id=70)),
        ]
        assert [o.status for o in left] == [OrderStatus.ACCEPTED, OrderStatus.CANCELLED]
    with Journal(path) as journal:
        line = Line(journal)
        (order,) = line.orders
        assert (order.key, order.client_order_id) == (left[0].key, "a")
        assert (order.status, order.order_id) == (OrderStatus.UNKNOWN, 7)
        with pytest.raises(OutcomeUnknown, match="an earlier process left it"):
            await order.accepted()
        line.answers = details(order_status=ProtoOAOrderStatus.ORDER_STATUS_FILLED)
        nursery.start_soon(line.reconnect)
        assert await order.resolved() is OrderStatus.FILLED
        assert (await order.filled()).volume == 100
        assert journal.open_orders() == []
        nursery.cancel_scope.cancel()
