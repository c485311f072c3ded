"""Trading messages for tests, and a book of orders with a server's side to play by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctrader_typed import (
    Message,
    ProtoOAClosePositionReq,
    ProtoOADeal,
    ProtoOADealStatus,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOAPositionStatus,
    ProtoOATradeData,
    ProtoOATradeSide,
    Request,
)
from ctrader_typed.orders.order_ids import ClientOrderIds
from ctrader_typed.orders.order_tracker import OrderTracker
from ctrader_typed.orders.tracked_order import TrackedOrder
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.envelope import Envelope, Received

ACCOUNT, SYMBOL = 1_000_001, 324
BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
NOW = 1_600_000_000_000

MARKET, LIMIT = ProtoOAOrderType.MARKET, ProtoOAOrderType.LIMIT
PROTECTIVE = ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT

ACCEPTED = ProtoOAExecutionType.ORDER_ACCEPTED
PARTLY = ProtoOAExecutionType.ORDER_PARTIAL_FILL
FILLED = ProtoOAExecutionType.ORDER_FILLED
REPLACED = ProtoOAExecutionType.ORDER_REPLACED
CANCELLED = ProtoOAExecutionType.ORDER_CANCELLED
EXPIRED = ProtoOAExecutionType.ORDER_EXPIRED
REJECTED = ProtoOAExecutionType.ORDER_REJECTED
CANCEL_REJECTED = ProtoOAExecutionType.ORDER_CANCEL_REJECTED

_LIVING = ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
_STATUS = {
    FILLED: ProtoOAOrderStatus.ORDER_STATUS_FILLED,
    CANCELLED: ProtoOAOrderStatus.ORDER_STATUS_CANCELLED,
    EXPIRED: ProtoOAOrderStatus.ORDER_STATUS_EXPIRED,
    REJECTED: ProtoOAOrderStatus.ORDER_STATUS_REJECTED,
}

OPEN = ProtoOAPositionStatus.POSITION_STATUS_OPEN
CLOSED = ProtoOAPositionStatus.POSITION_STATUS_CLOSED
CREATED = ProtoOAPositionStatus.POSITION_STATUS_CREATED


def new_order(**fields: Any) -> ProtoOANewOrderReq:
    """Buy 100 at the market, unless told otherwise."""
    given: dict[str, Any] = {
        "ctid_trader_account_id": ACCOUNT,
        "symbol_id": SYMBOL,
        "order_type": MARKET,
        "trade_side": BUY,
        "volume": 100,
    }
    return ProtoOANewOrderReq(**(given | fields))


def close(position_id: int = 5, volume: int = 100) -> ProtoOAClosePositionReq:
    return ProtoOAClosePositionReq(
        ctid_trader_account_id=ACCOUNT, position_id=position_id, volume=volume
    )


def trade_data(volume: int = 100, **fields: Any) -> ProtoOATradeData:
    given: dict[str, Any] = {"symbol_id": SYMBOL, "volume": volume, "trade_side": BUY}
    return ProtoOATradeData(**(given | fields))


def order(
    status: ProtoOAOrderStatus = _LIVING,
    *,
    volume: int = 100,
    opened: int | None = NOW,
    side: ProtoOATradeSide = BUY,
    **fields: Any,
) -> ProtoOAOrder:
    """An order as events and lists show it."""
    given: dict[str, Any] = {
        "order_id": 7,
        "trade_data": trade_data(volume, open_timestamp=opened, trade_side=side),
        "order_type": MARKET,
        "order_status": status,
        "executed_volume": 0,
        "position_id": 5,
    }
    return ProtoOAOrder(**(given | fields))


def deal(deal_id: int, volume: int = 100, price: float = 1.5, **fields: Any) -> ProtoOADeal:
    given: dict[str, Any] = {
        "deal_id": deal_id,
        "order_id": 7,
        "position_id": 5,
        "volume": volume,
        "filled_volume": volume,
        "symbol_id": SYMBOL,
        "create_timestamp": NOW,
        "execution_timestamp": NOW + deal_id,
        "execution_price": price,
        "trade_side": BUY,
        "deal_status": ProtoOADealStatus.FILLED,
    }
    return ProtoOADeal(**(given | fields))


def position(
    status: ProtoOAPositionStatus = OPEN, volume: int = 100, **fields: Any
) -> ProtoOAPosition:
    given: dict[str, Any] = {
        "position_id": 5,
        "trade_data": trade_data(volume),
        "position_status": status,
        "swap": 0,
    }
    return ProtoOAPosition(**(given | fields))


def execution(
    kind: ProtoOAExecutionType,
    *,
    at: ProtoOAPosition | None = None,
    of: ProtoOADeal | None = None,
    server: bool = False,
    error_code: str | None = None,
    **fields: Any,
) -> ProtoOAExecutionEvent:
    """An execution event: `at` is its position, `of` its deal, the rest are the order's fields."""
    return ProtoOAExecutionEvent(
        ctid_trader_account_id=ACCOUNT,
        execution_type=kind,
        order=order(_STATUS.get(kind, _LIVING), **fields),
        position=at,
        deal=of,
        is_server_event=server,
        error_code=error_code,
    )


def protective(kind: ProtoOAExecutionType, at: ProtoOAPosition) -> ProtoOAExecutionEvent:
    """A server event of the protective order."""
    return execution(
        kind, at=at, server=True, order_id=8, order_type=PROTECTIVE, side=SELL, closing_order=True
    )


class Desk:
    """A book, and its requests by the ids that they were sent under."""

    def __init__(self, prefix: str = "desk") -> None:
        self.book = OrderTracker(SCHEMA, ClientOrderIds(prefix))
        self._count = 0

    def send(self, request: Request[Any], at: int = NOW) -> TrackedOrder:
        """Open a request and write it; `self.id` is its clientMsgId."""
        tracked = self.book.open(request, at)
        self._count += 1
        self.id = f"c{self._count}"
        self.book.sent(tracked, self.id)
        return tracked

    def reply(self, *messages: Message, to: str | None = None) -> None:
        """The server answers the last request (or the one whose id is given)."""
        self.feed(Envelope(message, self.id if to is None else to) for message in messages)

    def push(self, *messages: Message) -> None:
        """The server sends something that answers nobody."""
        self.feed(Envelope(message) for message in messages)

    def feed(self, received: Iterable[Received]) -> None:
        self.book.receive(received)

    def lose(self, *unwritten: TrackedOrder) -> None:
        self.book.link_lost("the connection broke", frozenset(unwritten))
