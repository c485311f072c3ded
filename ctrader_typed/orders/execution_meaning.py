"""What an execution event means for the trading request that it concerns.

Among them are answers that carry an error and show success, and fills that do not say how much.
"""

from __future__ import annotations

from ..errors import CTraderError
from ..proto import ProtoOAExecutionEvent, ProtoOAOrder, ProtoOAOrderStatus
from .amendment_check import amended, protected
from .filling import Filling
from .order_fields import is_protective, part, part_filled
from .order_ids import TradingKind
from .order_states import EXECUTIONS, OrderTransition


def meaning(
    concerned: Filling, event: ProtoOAExecutionEvent, error: CTraderError | None, *, reply: bool
) -> OrderTransition | None:
    """What happens to a request that has taken over what the event shows of its order.

    `error` is what the event amounts to if it carries an error or rejects; `reply` says whether it
    answers this very request. SUSPECT is what only the server can explain.
    """
    transition, order = EXECUTIONS.get(event.execution_type), event.order
    if error is not None and reply:
        return OrderTransition.DOUBT if _shows_success(concerned, event) else OrderTransition.REJECT
    if error is not None and transition is not OrderTransition.REJECT:
        return OrderTransition.SUSPECT
    if not concerned.follows_order or transition is None:
        return transition
    if transition is OrderTransition.FILL and not concerned.has_figures:
        return OrderTransition.DOUBT
    if order is None:
        return transition
    living = order.order_status == ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
    if transition is OrderTransition.REJECT and living and not reply:
        return (
            OrderTransition.SUSPECT
        )  # an amendment of it was rejected, or the order itself: who knows
    return part_filled(order, transition)


def _shows_success(asked: Filling, event: ProtoOAExecutionEvent) -> bool:
    """Whether an answer that carries an error shows all the same that something was done."""
    order, position = event.order, event.position
    if EXECUTIONS.get(event.execution_type) in (None, OrderTransition.REJECT):
        return False
    if asked.kind is TradingKind.CANCEL:
        cancelled = ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
        return order is not None and order.order_status == cancelled
    if asked.kind is TradingKind.AMEND:
        return order is not None and amended(asked.request, order)
    if asked.kind is TradingKind.PROTECT:
        return position is not None and protected(asked.request, position)
    return asked.dealt_volume > 0 or (asked.order is not None and part(asked.order) > 0)


def doubtful(event: ProtoOAExecutionEvent, error: CTraderError | None) -> str:
    """Why an event leaves the outcome open."""
    name = event.execution_type.name
    if error is None:
        return f"{name} names no volume or no price"
    return f"{name} shows that it was done and carries an error: {error}"


def may_be_its(order: ProtoOAOrder | None, order_id: int | None) -> bool:
    """Whether an event under a request's id shows the order that the request made, if `order_id` is
    that order's as far as it is known.

    The protective order may be announced under that id too.
    """
    if order is None:
        return True
    return not is_protective(order) and order_id in (None, order.order_id)
