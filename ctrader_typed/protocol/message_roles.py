"""The messages that the protocol itself is made of, found by name in whatever release is spoken.

The only place of the core that names a message: everything else asks for a role.
"""

from __future__ import annotations

from typing import Any

from ..errors import LocalProtocolError
from ..message import Message
from ..schema import Schema


class Absent(Message):
    """Plays the part of a message that a release lacks: none of these ever comes or is sent."""


class MessageRoles:
    """Who plays which part in a schema; LocalProtocolError names the one that it cannot lack."""

    def __init__(self, schema: Schema) -> None:
        def called(name: str) -> type[Any]:
            cls = schema.by_name.get(name)
            if cls is None:
                raise LocalProtocolError(
                    f"release {schema.release} has no {name}: no session can be held in it"
                )
            return cls

        self.heartbeat = called("ProtoHeartbeatEvent")
        self.sign_of_life = called("ProtoOAVersionReq")
        """A request that the server answers at any time, even before any authorisation."""
        self.application_auth = called("ProtoOAApplicationAuthReq")
        self.account_auth = called("ProtoOAAccountAuthReq")
        self.refusals: frozenset[type[Message]] = _present(
            schema, "ProtoErrorRes", "ProtoOAErrorRes"
        )
        """Answers to any request that fails, from the proxy or from the API proper."""
        self.execution = schema.by_name.get("ProtoOAExecutionEvent", Absent)
        """Answers a trading request, and can follow it several times."""
        self.order_error = schema.by_name.get("ProtoOAOrderErrorEvent", Absent)
        """Refuses a trading request, or comes unsolicited."""
        self.quotes = _present(schema, "ProtoOASpotEvent", "ProtoOADepthEvent")
        """Come by the thousand, and mean nothing to the protocol itself."""


def _present(schema: Schema, *names: str) -> frozenset[type[Message]]:
    return frozenset(schema.by_name[name] for name in names if name in schema.by_name)


class TradingMessageRoles:
    """The requests by which orders live, and those that tell what has become of them.

    `Absent` where a release lacks one; `missing` then says that no order can be followed in it.
    """

    def __init__(self, schema: Schema) -> None:
        lacking: list[str] = []

        def called(name: str, *fields: str) -> type[Any]:
            cls = schema.by_name.get(name)
            if cls is None:
                lacking.append(name)
                return Absent
            known = {f.name for f in cls.message_fields}
            lacking.extend(f"{name}.{field}" for field in fields if field not in known)
            return cls

        self.session = MessageRoles(schema)
        called("ProtoOAExecutionEvent", "order")
        called("ProtoOAOrder", "client_order_id")
        self.new_order = called("ProtoOANewOrderReq", "client_order_id")
        self.close_position = called("ProtoOAClosePositionReq")
        self.amend_order = called("ProtoOAAmendOrderReq")
        self.amend_position = called("ProtoOAAmendPositionSLTPReq")
        self.cancel_order = called("ProtoOACancelOrderReq")
        self.reconcile = called("ProtoOAReconcileReq")
        """Open positions and pending orders."""
        self.asks_for_protection = schema.has(self.reconcile, "return_protection_orders")
        """Whether that can be asked for the protective orders, too."""
        self.order_details = called("ProtoOAOrderDetailsReq")
        """One order, ended or not, with its deals."""
        self.order_list = called("ProtoOAOrderListReq")
        """The orders of a stretch of time."""
        self.orders_of_position = called("ProtoOAOrderListByPositionIdReq")
        self.deals_of_position = called("ProtoOADealListByPositionIdReq")
        get = schema.by_name.get
        self.account_disconnect = get("ProtoOAAccountDisconnectEvent", Absent)
        """An account's session has ended, and the connection has not."""
        self.token_invalidated = get("ProtoOAAccountsTokenInvalidatedEvent", Absent)
        """So have those of all accounts of a token."""
        self.client_disconnect = get("ProtoOAClientDisconnectEvent", Absent)
        """So have all of the application's."""
        self.missing = (
            f"release {schema.release} has no {', '.join(lacking)}: orders cannot be followed in "
            "it, so none is placed; `request` sends a trading request without following it"
            if lacking
            else None
        )
