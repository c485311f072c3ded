"""What a reply means for its request: the answer, or the exception that says why there is none."""

from __future__ import annotations

from typing import Any

from ..error_codes import Category, codes, meant
from ..errors import CTraderError
from ..message import Message
from ..wire.envelope import BadPayload, Envelope, Received
from .errors import AuthError, NotRouted, OrderError, RateLimited, ServerError, UnexpectedReply
from .message_roles import MessageRoles

RATE_CODES = codes(Category.RATE_LIMIT)
"""Codes of a rate limit: both are in use, an older one and a newer one."""

WHOLE_LANE_CODES = frozenset(("REQUEST_FREQUENCY_EXCEEDED",))
"""Those of them that are about everything in a lane, not one kind of request."""

AUTH_CODES = codes(Category.AUTHORISATION)
"""Codes that say who asks is not (or no longer) allowed to."""

ALREADY_AUTHORISED = frozenset(("ALREADY_LOGGED_IN", "CH_CLIENT_ALREADY_AUTHENTICATED"))
"""Codes that refuse an authorisation because it is in force: as good as success."""

_NO_ROUTE = "CANT_ROUTE_REQUEST"
_REJECTED = frozenset(("ORDER_REJECTED", "ORDER_CANCEL_REJECTED"))


def judge(
    roles: MessageRoles, request: Message, expected: type[Message], reply: Received
) -> Message | CTraderError:
    """The answer to `request`, or the exception that `reply` amounts to."""
    if isinstance(reply, BadPayload):
        return reply.error
    if not isinstance(reply, Envelope):
        return UnexpectedReply(request, reply, expected.__name__)
    message: Any = reply.message
    kind = type(reply.message)
    trading = expected is roles.execution
    if kind in roles.refusals or (trading and kind is roles.order_error):
        return _refusal(roles, request, message, message.error_code, trading)
    if kind is not expected:
        return UnexpectedReply(request, message, expected.__name__)
    if not trading:
        return reply.message
    code = _error_code(message)
    return reply.message if code is None else _refusal(roles, request, message, code, trading)


def _error_code(event: Any) -> str | None:
    """The error that an execution event carries, whatever its type; an empty code is none."""
    code: str | None = event.error_code
    if code is not None and code != "":
        return code
    name: str = event.execution_type.name
    return name if name in _REJECTED else None


def _refusal(
    roles: MessageRoles, request: Message, reply: Message, code: str, trading: bool
) -> ServerError:
    description: str | None = getattr(reply, "description", None)
    if code in RATE_CODES:
        retry_after: int | None = getattr(reply, "retry_after", None)
        return RateLimited(code, description, request, reply, retry_after)
    if meant(code, description) in AUTH_CODES:
        return AuthError(code, description, request, reply)
    if code == _NO_ROUTE and type(request) is roles.account_auth:
        return NotRouted(code, description, request, reply)
    if trading:
        order_id = _id(reply, "order", request)
        position_id = _id(reply, "position", request)
        return OrderError(code, description, request, reply, order_id, position_id)
    return ServerError(code, description, request, reply)


def _id(reply: Message, what: str, request: Message) -> int | None:
    """`order_id` or `position_id`; the server writes an explicit 0 where it knows none."""
    name = f"{what}_id"
    part = getattr(reply, what, None)  # an execution event holds the order and the position
    for source in (reply, part, request):
        value: int | None = getattr(source, name, None)
        if value is not None and value != 0:
            return value
    return None
