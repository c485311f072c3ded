"""Answers that carry an error and show success, or show success without saying how much. Pure."""

from __future__ import annotations

from ..errors import CTraderError
from ..proto import ProtoOAExecutionEvent, ProtoOAOrderStatus
from .filling import Filling
from .in_force import amended, protected
from .lives import EXECUTIONS, Happening
from .orders import Kind
from .shown import part


def shows_success(asked: Filling, event: ProtoOAExecutionEvent) -> bool:
    """Whether an answer that carries an error shows all the same that something was done.

    `asked` has taken over what the event shows of its order.
    """
    order, position = event.order, event.position
    if EXECUTIONS.get(event.execution_type) in (None, Happening.REJECT):
        return False
    if asked.kind is Kind.CANCEL:
        cancelled = ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
        return order is not None and order.order_status == cancelled
    if asked.kind is Kind.AMEND:
        return order is not None and amended(asked.request, order)
    if asked.kind is Kind.PROTECT:
        return position is not None and protected(asked.request, position)
    return asked.dealt_volume > 0 or (asked.order is not None and part(asked.order) > 0)


def reason(event: ProtoOAExecutionEvent, error: CTraderError | None) -> str:
    """Why such an answer leaves the outcome open."""
    name = event.execution_type.name
    if error is None:
        return f"{name} names no volume or no price"
    return f"{name} shows that it was done and carries an error: {error}"
