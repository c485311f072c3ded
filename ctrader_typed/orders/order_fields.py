"""What orders and positions show of themselves, whichever message shows them."""

from __future__ import annotations

import copy

from ..proto import (
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOAPositionStatus,
)
from .order_states import UNCHANGED_STATES, OrderTransition


def closed(position: ProtoOAPosition) -> ProtoOAPosition:
    """A position that the server no longer lists among the open ones."""
    position = copy.copy(position)
    position.position_status = ProtoOAPositionStatus.POSITION_STATUS_CLOSED
    position.trade_data = copy.copy(position.trade_data)
    position.trade_data.volume = 0
    return position


def is_protective(order: ProtoOAOrder) -> bool:
    """Whether the server keeps this order for the levels of a position."""
    return order.order_type == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT


def protects(order: ProtoOAOrder) -> bool:
    """Whether it is a protective order, and not the end of one of a position that was turned."""
    return is_protective(order) and order.order_status != ProtoOAOrderStatus.ORDER_STATUS_CANCELLED


def part_filled(order: ProtoOAOrder, transition: OrderTransition) -> OrderTransition:
    """A living order that shows a filled part has been filled in part, whatever else is said."""
    living = transition in UNCHANGED_STATES
    return OrderTransition.FILL_PART if living and executed(order) > 0 else transition


def executed(order: ProtoOAOrder) -> int:
    """What is filled of it, in 0.01 of a unit: all of a FILLED one that names no filled part."""
    filled = order.order_status == ProtoOAOrderStatus.ORDER_STATUS_FILLED
    return order.trade_data.volume if filled and part(order) == 0 else part(order)


def part(order: ProtoOAOrder) -> int:
    """The filled part that it names."""
    return 0 if order.executed_volume is None else order.executed_volume


def age(order: ProtoOAOrder) -> tuple[int, int]:
    """Orders later in their life compare greater: an ended one shows no smaller filled part."""
    updated = order.utc_last_update_timestamp
    return (executed(order), 0 if updated is None else updated)
