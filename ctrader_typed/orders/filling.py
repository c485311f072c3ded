"""How far the order of a trading request is filled: its deals, volumes and average price."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from ..message import Request
from ..proto import ProtoOADeal, ProtoOAOrder
from .order_fields import age, executed
from .order_ids import TradingKind


class Filling:
    """What is known of the filling of one order. Volumes are in 0.01 of a unit."""

    def __init__(self, kind: TradingKind, request: Request[Any]) -> None:
        self.kind = kind
        self.request = request
        self.order: ProtoOAOrder | None = None
        """The order as the server last showed it."""
        self._deals: dict[int, ProtoOADeal] = {}

    def show(self, order: ProtoOAOrder, deals: Iterable[ProtoOADeal]) -> tuple[ProtoOADeal, ...]:
        """Take over what is newer than what is known; returns the deals that are new."""
        if self.order is None or age(order) >= age(self.order):
            self.order = order
        new = tuple(
            deal
            for deal in deals
            if deal.order_id == order.order_id and deal.deal_id not in self._deals
        )
        self._deals.update((deal.deal_id, deal) for deal in new)
        return new

    @property
    def follows_order(self) -> bool:
        """Whether the request has an order of its own, which can be filled."""
        return self.kind in (TradingKind.OPEN, TradingKind.CLOSE)

    @property
    def deals(self) -> tuple[ProtoOADeal, ...]:
        """The deals of the order, in the order of execution."""
        return tuple(
            sorted(self._deals.values(), key=lambda deal: (deal.execution_timestamp, deal.deal_id))
        )

    @property
    def volume(self) -> int:
        """The order's volume, as amended; 0 for a request without an order."""
        if not self.follows_order:
            return 0
        fields: Any = self.request
        volume: int = fields.volume if self.order is None else self.order.trade_data.volume
        return volume

    @property
    def dealt_volume(self) -> int:
        """What the deals that are known fill of it."""
        return sum(deal.filled_volume for deal in self._deals.values())

    @property
    def filled_volume(self) -> int:
        """What is filled of it."""
        return max(0 if self.order is None else executed(self.order), self.dealt_volume)

    @property
    def remaining_volume(self) -> int:
        """What is not filled of it, whether it still can be or not."""
        return max(self.volume - self.filled_volume, 0)

    @property
    def average_price(self) -> float | None:
        """The price of what is filled, weighted by volume; None if nothing is.

        Where a deal is not known, the server's own figure for the order.
        """
        filled = [deal for deal in self._deals.values() if deal.filled_volume > 0]
        total = sum(deal.filled_volume for deal in filled)
        prices = [deal.execution_price for deal in filled]
        if total == 0 or total < self.filled_volume or None in prices:
            return None if self.order is None else self.order.execution_price
        worth = sum(
            Fraction(repr(deal.execution_price)) * deal.filled_volume  # the decimal that is meant
            for deal in filled
        )
        return float(worth / total)

    @property
    def has_figures(self) -> bool:
        """Whether it is known how much is filled, and at what price."""
        return self.filled_volume > 0 and self.average_price is not None
