"""Trading requests: which kinds there are, what ids they carry, and how new ids are made.

Pure: the chance that makes ids unique over restarts is given by the caller.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from ..errors import LocalProtocolError
from ..message import Message, Request
from ..protocol.message_roles import TradingMessageRoles
from ..units import checks

CLIENT_ORDER_ID_MAX = 50
"""Characters in a clientOrderId at most (the schema's comment)."""


class TradingKind(Enum):
    """What a trading request asks for."""

    OPEN = auto()
    """A new order."""
    CLOSE = auto()
    """To close a position, wholly or in part: the server makes an order of its own for it."""
    AMEND = auto()
    """Other terms for a pending order."""
    PROTECT = auto()
    """Other levels for a position."""
    CANCEL = auto()
    """The end of a pending order."""


def trading_kinds(roles: TradingMessageRoles) -> Mapping[type[Message], TradingKind]:
    """The kind of each trading request."""
    return {
        roles.new_order: TradingKind.OPEN,
        roles.close_position: TradingKind.CLOSE,
        roles.amend_order: TradingKind.AMEND,
        roles.amend_position: TradingKind.PROTECT,
        roles.cancel_order: TradingKind.CANCEL,
    }


class ClientOrderIds:
    """Makes ids: a prefix and a count.

    With a prefix of 96 random bits for each start of a program no two starts share an id; within
    one the count sees to that.
    """

    def __init__(self, prefix: str) -> None:
        if not 0 < len(prefix) <= CLIENT_ORDER_ID_MAX // 2:
            raise ValueError(f"a prefix has 1 to {CLIENT_ORDER_ID_MAX // 2} characters")
        self._prefix = prefix
        self._count = 0

    def mint(self) -> str:
        """An id that was never given before, of at most CLIENT_ORDER_ID_MAX characters."""
        self._count += 1
        return f"{self._prefix}.{self._count:x}"


def with_client_order_id(request: Request[Any], minted: str) -> Request[Any]:
    """A new order as it is to be sent: the caller's own clientOrderId is kept, else it gets ours.

    The caller's message stays as it is. Raises LocalProtocolError for an id that is empty or too
    long: the server would refuse it, or cut it, and then the order could not be found again.
    """
    given: object = getattr(request, "client_order_id")  # noqa: B009 - a field of one kind only
    if given is None:
        request = copy.copy(request)
        setattr(request, "client_order_id", minted)  # noqa: B010 - as above
    elif not isinstance(given, str):
        checks.refuse(given, "client_order_id", f"1 to {CLIENT_ORDER_ID_MAX} characters")
    elif not 0 < len(given) <= CLIENT_ORDER_ID_MAX:
        raise LocalProtocolError(
            f"a client_order_id has 1 to {CLIENT_ORDER_ID_MAX} characters, not {len(given)}"
        )
    return request
