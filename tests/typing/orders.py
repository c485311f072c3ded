"""What type checkers know of orders. Checked by mypy and pyright, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from ctrader_typed import (
    Api,
    CTraderError,
    Fill,
    Journal,
    NotFilled,
    NotSent,
    OpenOrder,
    Order,
    OrderEvent,
    OrderManager,
    OrderStatus,
    OutcomeUnknown,
    ProtoOACancelOrderReq,
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAOrder,
    ProtoOAPosition,
    ProtoOASpotEvent,
    Request,
    connect,
)


async def place(api: Api) -> None:
    cancel = ProtoOACancelOrderReq(ctid_trader_account_id=1, order_id=7)
    order = await api.place(cancel)
    assert_type(order, Order)
    assert_type(await order.filled(), Fill)
    assert_type(await order.resolved(), OrderStatus)
    await order.accepted()
    async for event in order.events:
        assert_type(event, OrderEvent)
        assert_type(event.status, OrderStatus)
        assert_type(event.execution, ProtoOAExecutionEvent | None)
        assert_type(event.deals, tuple[ProtoOADeal, ...])
    spot = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1)
    await api.place(spot)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no request
    async with connect("demo", journal="orders.jsonl") as journalled:
        assert_type(journalled, Api)
    async with connect("demo", journal=Path("orders.jsonl")) as also:
        assert_type(also, Api)


def known(order: Order, fill: Fill) -> None:
    assert_type(order.status, OrderStatus)
    assert_type(order.key, str)
    assert_type(order.client_order_id, str | None)
    assert_type(order.order_id, int | None)
    assert_type(order.position_id, int | None)
    assert_type(order.order, ProtoOAOrder | None)
    assert_type(order.protection, ProtoOAOrder | None)
    assert_type(order.position, ProtoOAPosition | None)
    assert_type(order.position_closed, bool)
    assert_type(order.deals, tuple[ProtoOADeal, ...])
    assert_type(order.filled_volume, int)
    assert_type(order.remaining_volume, int)
    assert_type(order.average_price, float | None)
    assert_type(order.error, CTraderError | None)
    assert_type(order.request, Request[Any])
    assert_type(fill.deals, tuple[ProtoOADeal, ...])
    assert_type(fill.volume, int)
    assert_type(fill.average_price, float)
    order.status = OrderStatus.FILLED  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def errors(api: Api, error: Exception) -> None:
    match error:
        case OutcomeUnknown():
            assert_type(error.order, Order)
            assert_type(error.reason, str)
        case NotSent():
            assert_type(error.maybe_delivered, bool)
        case NotFilled():
            assert_type(error.average_price, float | None)
            assert_type(error.filled_volume, int)
        case _:
            pass
    assert_type(api.orders, OrderManager)
    assert_type(api.orders.find("key"), Order | None)
    assert_type(list(api.orders), list[Order])


def journal() -> None:
    with Journal("orders.jsonl") as opened:
        assert_type(opened, Journal)
        assert_type(opened.open_orders(), list[OpenOrder])
