"""The messages that the protocol itself is made of, found by name in whatever release is spoken.

The only place of the core that names a message: everything else asks for a role.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import LocalProtocolError
from ..message import Message
from ..schema import Schema


def _finder(schema: Schema, without: str) -> Callable[[str], type[Any]]:
    """A function from a name to the message called so; `without` says what one that lacks costs."""

    def called(name: str) -> type[Any]:
        cls = schema.by_name.get(name)
        if cls is None:
            raise LocalProtocolError(f"release {schema.release} has no {name}: {without}")
        return cls

    return called


class Roles:
    """Who plays which part in a schema; LocalProtocolError names the one that it lacks."""

    def __init__(self, schema: Schema) -> None:
        called = _finder(schema, "no session can be held in it")
        self.heartbeat = called("ProtoHeartbeatEvent")
        self.sign_of_life = called("ProtoOAVersionReq")
        """A request that the server answers at any time, even before any authorisation."""
        self.application_auth = called("ProtoOAApplicationAuthReq")
        self.account_auth = called("ProtoOAAccountAuthReq")
        self.refusals: frozenset[type[Message]] = frozenset(
            (called("ProtoErrorRes"), called("ProtoOAErrorRes"))
        )
        """Answers to any request that fails, from the proxy or from the API proper."""
        self.execution: type[Message] = called("ProtoOAExecutionEvent")
        """Answers a trading request, and can follow it several times."""
        self.order_error: type[Message] = called("ProtoOAOrderErrorEvent")
        """Refuses a trading request, or comes unsolicited."""
        quotes = ("ProtoOASpotEvent", "ProtoOADepthEvent")
        self.quotes: frozenset[type[Message]] = frozenset(
            schema.by_name[name] for name in quotes if name in schema.by_name
        )
        """Come by the thousand, and mean nothing to the protocol itself."""


class TradingRoles:
    """The requests by which orders live, and those that tell what has become of them."""

    def __init__(self, schema: Schema) -> None:
        called = _finder(schema, "no order can be followed in it")
        self.session = Roles(schema)
        self.new_order = called("ProtoOANewOrderReq")
        self.close_position = called("ProtoOAClosePositionReq")
        self.amend_order = called("ProtoOAAmendOrderReq")
        self.amend_position = called("ProtoOAAmendPositionSLTPReq")
        self.cancel_order = called("ProtoOACancelOrderReq")
        self.reconcile = called("ProtoOAReconcileReq")
        """Open positions and pending orders."""
        self.order_details = called("ProtoOAOrderDetailsReq")
        """One order, ended or not, with its deals."""
        self.order_list = called("ProtoOAOrderListReq")
        """The orders of a stretch of time."""
        self.orders_of_position = called("ProtoOAOrderListByPositionIdReq")
        self.deals_of_position = called("ProtoOADealListByPositionIdReq")
        self.account_disconnect: type[Message] = called("ProtoOAAccountDisconnectEvent")
        """An account's session has ended, and the connection has not."""
        self.token_invalidated: type[Message] = called("ProtoOAAccountsTokenInvalidatedEvent")
        """So have those of all accounts of a token."""
        self.client_disconnect: type[Message] = called("ProtoOAClientDisconnectEvent")
        """So have all of the application's."""
