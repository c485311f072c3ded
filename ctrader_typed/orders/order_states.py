"""The life of a trading request as tables: its statuses, what can happen, and what moves what.

What the messages of the server mean for an order is here too, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from ..proto import ProtoOAExecutionType, ProtoOAOrderStatus
from .order_ids import TradingKind


class OrderStatus(Enum):
    """Where a trading request stands."""

    WRITING = auto()
    """On its way: the server has not answered."""
    ACCEPTED = auto()
    """The server took the order. It waits, or is being executed."""
    PARTIALLY_FILLED = auto()
    """A part is filled, and the rest can still be."""
    FILLED = auto()
    """Filled wholly."""
    REPLACED = auto()
    """The terms that an amendment asks for are in force."""
    CANCELLED = auto()
    """The order was cancelled; a part of it may have been filled before."""
    EXPIRED = auto()
    """The order's time ran out; a part of it may have been filled before."""
    REJECTED = auto()
    """The server refused."""
    NOT_SENT = auto()
    """Not one byte of the request left."""
    UNKNOWN = auto()
    """It left, and what has become of it is not known at present: never to be sent again."""


class OrderTransition(Enum):
    """What can happen to it."""

    ACCEPT = auto()
    FILL_PART = auto()
    FILL = auto()
    REPLACE = auto()
    CANCEL = auto()
    EXPIRE = auto()
    REJECT = auto()
    DOUBT = auto()
    """The link was lost after it was written, or the reply cannot be read or believed."""
    SUSPECT = auto()
    """Something was said of it that only asking can explain: it stays where it is till then."""
    DISCARD = auto()
    """It was taken back, or the link was lost, before it was written."""
    MISS = auto()
    """The server never got it, as asking has shown, and cannot get it any more."""


_S, _H = OrderStatus, OrderTransition

_ENDS = {
    _H.FILL: _S.FILLED,
    _H.CANCEL: _S.CANCELLED,
    _H.EXPIRE: _S.EXPIRED,
    _H.REJECT: _S.REJECTED,
}

_ORDER: Mapping[OrderStatus, Mapping[OrderTransition, OrderStatus]] = {
    _S.WRITING: {
        _H.ACCEPT: _S.ACCEPTED,
        _H.REPLACE: _S.ACCEPTED,
        _H.FILL_PART: _S.PARTIALLY_FILLED,
        _H.DOUBT: _S.UNKNOWN,
        _H.DISCARD: _S.NOT_SENT,
        **_ENDS,
    },
    _S.ACCEPTED: {_H.FILL_PART: _S.PARTIALLY_FILLED, _H.DOUBT: _S.UNKNOWN, **_ENDS},
    _S.PARTIALLY_FILLED: {_H.DOUBT: _S.UNKNOWN, **_ENDS},
    _S.UNKNOWN: {
        _H.ACCEPT: _S.ACCEPTED,
        _H.REPLACE: _S.ACCEPTED,
        _H.FILL_PART: _S.PARTIALLY_FILLED,
        _H.MISS: _S.NOT_SENT,
        **_ENDS,
    },
}

# Both levels of a position removed: its protective order is cancelled. None there before: one is
# accepted. An order that its new terms bring into the market: filled.
_DONE = dict.fromkeys((_H.REPLACE, _H.ACCEPT, _H.CANCEL, _H.FILL_PART, _H.FILL), _S.REPLACED)

_AMENDMENT: Mapping[OrderStatus, Mapping[OrderTransition, OrderStatus]] = {
    _S.WRITING: {
        _H.REJECT: _S.REJECTED,
        _H.DOUBT: _S.UNKNOWN,
        _H.DISCARD: _S.NOT_SENT,
        **_DONE,
    },
    _S.UNKNOWN: {_H.REJECT: _S.REJECTED, **_DONE},
}

_CANCELLATION: Mapping[OrderStatus, Mapping[OrderTransition, OrderStatus]] = {
    _S.WRITING: {
        _H.CANCEL: _S.CANCELLED,
        _H.REJECT: _S.REJECTED,
        _H.DOUBT: _S.UNKNOWN,
        _H.DISCARD: _S.NOT_SENT,
    },
    _S.UNKNOWN: {_H.CANCEL: _S.CANCELLED, _H.REJECT: _S.REJECTED},
}

ORDER_TRANSITIONS: Mapping[
    TradingKind, Mapping[OrderStatus, Mapping[OrderTransition, OrderStatus]]
] = {
    TradingKind.OPEN: _ORDER,
    TradingKind.CLOSE: _ORDER,
    TradingKind.AMEND: _AMENDMENT,
    TradingKind.PROTECT: _AMENDMENT,
    TradingKind.CANCEL: _CANCELLATION,
}
"""All that can move a request of each kind. What is not here moves nothing: a late or repeated
message, a snapshot that is older than what we know. No status that ends a life has a way out."""

END_STATES = frozenset((_S.FILLED, _S.REPLACED, _S.CANCELLED, _S.EXPIRED, _S.REJECTED, _S.NOT_SENT))
"""The statuses that stay."""

_X = ProtoOAExecutionType

EXECUTIONS: Mapping[int, OrderTransition] = {
    _X.ORDER_ACCEPTED: _H.ACCEPT,
    _X.ORDER_FILLED: _H.FILL,
    _X.ORDER_REPLACED: _H.REPLACE,
    _X.ORDER_CANCELLED: _H.CANCEL,
    _X.ORDER_EXPIRED: _H.EXPIRE,
    _X.ORDER_REJECTED: _H.REJECT,
    _X.ORDER_PARTIAL_FILL: _H.FILL_PART,
}
"""What an execution event means for the order that it shows. Others mean nothing for it."""

_O = ProtoOAOrderStatus

SNAPSHOTS: Mapping[int, OrderTransition] = {
    _O.ORDER_STATUS_ACCEPTED: _H.ACCEPT,
    _O.ORDER_STATUS_FILLED: _H.FILL,
    _O.ORDER_STATUS_REJECTED: _H.REJECT,
    _O.ORDER_STATUS_EXPIRED: _H.EXPIRE,
    _O.ORDER_STATUS_CANCELLED: _H.CANCEL,
}
"""What an order's own status means, as a list shows it."""

UNCHANGED_STATES = frozenset((_H.ACCEPT, _H.REPLACE))
"""What only says that the order lives."""
