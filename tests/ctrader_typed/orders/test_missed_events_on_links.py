"""What handles wait for after a lost link, and what they raise where an answer makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    Message,
    OrderError,
    OutcomeUnknown,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderStatus,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    Request,
)
from ctrader_typed.orders.order_states import OrderStatus
from tests.ctrader_typed.orders.test_orders import Line, details, reconcile, unknown
from tests.support.trading import (
    ACCEPTED,
    ACCOUNT,
    CREATED,
    FILLED,
    LIMIT,
    deal,
    execution,
    new_order,
    order,
    position,
)

DONE = ProtoOAOrderStatus.ORDER_STATUS_FILLED


@pytest.fixture
async def line() -> Line:
    return Line()


async def test_events_of_what_nobody_will_know_end_with_that(
    line: Line, nursery: trio.Nursery, autojump_clock
) -> None:
    mine = await unknown(line)
    line.answers = reconcile(pending=order(order_id=99, client_order_id="another"))
    nursery.start_soon(line.reconnect)
    events = mine.events
    assert (await anext(events)).status is OrderStatus.UNKNOWN
    with trio.fail_after(60), pytest.raises(OutcomeUnknown, match="asked 5 times"):
        await anext(events)
    nursery.cancel_scope.cancel()


async def test_resolved_is_what_has_its_position_too(line: Line, nursery: trio.Nursery) -> None:
    """The outcome is known before the position that it led to."""
    mine = await line.place(nursery, new_order(), execution(ACCEPTED, at=position(CREATED, 0)))
    line.lose()
    asked: list[Request[Any]] = []
    plain = details(order_status=DONE)

    def answer(question: Request[Any]) -> Message | None:
        asked.append(question)
        if isinstance(question, ProtoOAReconcileReq) and len(asked) > 1:
            assert (mine.status, mine.position_closed) == (OrderStatus.FILLED, False)
            return ProtoOAReconcileRes(ctid_trader_account_id=ACCOUNT, position=[position()])
        return plain(question)

    line.answers = answer
    nursery.start_soon(line.reconnect)
    assert await mine.resolved() is OrderStatus.FILLED
    assert (mine.position, mine.position_closed) == (position(), False)
    assert [event.status async for event in mine.events][-1] is OrderStatus.FILLED
    nursery.cancel_scope.cancel()


async def test_filled_waits_for_the_deals_that_were_missed(line, nursery) -> None:
    mine = await line.place(
        nursery, new_order(volume=300, order_type=LIMIT), execution(ACCEPTED, volume=300)
    )
    line.lose()
    line.up()
    filled = {"volume": 300, "executed_volume": 300, "execution_price": 1.25}
    line.receive(execution(FILLED, at=position(), of=deal(2, 200), order_type=LIMIT, **filled))
    fills = []

    async def wait() -> None:
        fills.append(await mine.filled())

    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    assert (mine.status, fills) == (OrderStatus.FILLED, [])

    def answer(question: Request[Any]) -> Message | None:
        if isinstance(question, ProtoOAOrderDetailsReq):
            return ProtoOAOrderDetailsRes(
                ctid_trader_account_id=ACCOUNT,
                order=order(DONE, **filled),
                deal=[deal(1, 100), deal(2, 200)],
            )
        return ProtoOAReconcileRes(ctid_trader_account_id=ACCOUNT, position=[position()])

    line.answers = answer
    nursery.start_soon(line.reconnect)
    await wait_all_tasks_blocked()
    assert [[d.deal_id for d in fill.deals] for fill in fills] == [[1, 2]]
    nursery.cancel_scope.cancel()


async def test_deals_that_were_missed_keep_nobody_waiting_when_the_client_is_closed(
    line, nursery
) -> None:
    mine = await line.place(
        nursery, new_order(volume=300, order_type=LIMIT), execution(ACCEPTED, volume=300)
    )
    line.lose()
    line.up()
    filled = {"volume": 300, "executed_volume": 300, "execution_price": 1.25}
    line.receive(execution(FILLED, at=position(), of=deal(2, 200), order_type=LIMIT, **filled))
    line.orders.close("the client was closed")
    fill = await mine.filled()
    assert (fill.volume, fill.average_price, len(fill.deals)) == (300, 1.25, 1)


# --- answers with an error in them ---


@pytest.mark.parametrize("kind", [ACCEPTED, FILLED])
async def test_an_answer_with_an_error_is_raised(line, nursery, kind) -> None:
    async def placing() -> None:
        with pytest.raises(OrderError, match="NOT_ENOUGH_MONEY"):
            await line.orders.place(new_order())

    nursery.start_soon(placing)
    await wait_all_tasks_blocked()
    line.write()
    line.reply(execution(kind, error_code="NOT_ENOUGH_MONEY"))
    await wait_all_tasks_blocked()
    assert list(line.orders) == []


async def test_a_fill_with_an_error_after_the_acceptance_is_raised(line, nursery) -> None:
    mine = await line.place(nursery, new_order(), execution(ACCEPTED))
    line.reply(execution(FILLED, error_code="NOT_ENOUGH_MONEY"))
    with pytest.raises(OrderError, match="NOT_ENOUGH_MONEY"):
        await mine.filled()


async def test_a_fill_without_a_price_is_unknown_until_the_server_was_asked(line, nursery) -> None:
    mine = await line.place(nursery, new_order(), execution(ACCEPTED))
    nursery.start_soon(line.reconnect)
    line.answers = details(order_status=DONE)
    line.reply(execution(FILLED, executed_volume=100), to=line.tickets[0])
    with pytest.raises(OutcomeUnknown, match="ORDER_FILLED names no volume or no price"):
        await mine.filled()
    assert await mine.resolved() is OrderStatus.FILLED
    fill = await mine.filled()
    assert (fill.volume, fill.average_price, len(fill.deals)) == (100, 1.5, 1)
    nursery.cancel_scope.cancel()
