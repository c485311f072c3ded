"""Errors of orders: never sent, not filled, and the journal in use elsewhere."""

from __future__ import annotations

from typing import Any

from ..errors import ConnectionLost, CTraderError, LocalProtocolError


class DuplicateOrder(LocalProtocolError):
    """A new order has the client_order_id of another one of the account; nothing was sent.

    `status` names how that one stands, `order_id` and `position_id` are the server's where they are
    known, and `order` is its handle if this client has it.
    """

    order: Any = None  # an Order: that module imports this one

    def __init__(
        self, client_order_id: str, status: str, order_id: int | None, position_id: int | None
    ) -> None:
        super().__init__(client_order_id, status, order_id, position_id)
        self.client_order_id = client_order_id
        self.status = status
        self.order_id = order_id
        self.position_id = position_id

    def __reduce__(self) -> tuple[type[DuplicateOrder], tuple[object, ...]]:
        return type(self), self.args  # without the handle

    def __str__(self) -> str:
        order = "an order without a known id" if self.order_id is None else f"order {self.order_id}"
        position = "" if self.position_id is None else f", position {self.position_id}"
        return (
            f"the client_order_id {self.client_order_id!r} belongs to {order} ({self.status}"
            f"{position}), and nothing was sent: give another order another id, or none"
        )


class NotSent(ConnectionLost):
    """A trading request that did not leave: not one byte of it, so nothing has happened."""


class NotFilled(CTraderError):
    """An order ended before it was filled wholly: `status` names how.

    `filled_volume` of the `volume` asked for was filled, in 0.01 of a unit, at `average_price` on
    average (None if nothing was).
    """

    def __init__(
        self, status: str, volume: int, filled_volume: int, average_price: float | None
    ) -> None:
        super().__init__(status, volume, filled_volume, average_price)
        self.status = status
        self.volume = volume
        self.filled_volume = filled_volume
        self.average_price = average_price

    def __str__(self) -> str:
        return f"the order ended {self.status}: {self.filled_volume} of {self.volume} were filled"


class JournalInUse(CTraderError, OSError):
    """Another process (or another client of this one) holds the journal of orders."""
