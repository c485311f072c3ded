"""The messages that the protocol itself is made of, found by name in whatever release is spoken.

The only place of the core that names a message: everything else asks for a role.
"""

from __future__ import annotations

from typing import Any

from ..errors import LocalProtocolError
from ..message import Message
from ..schema import Schema


class Roles:
    """Who plays which part in a schema; LocalProtocolError names the one that it lacks."""

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
        self.refusals: frozenset[type[Message]] = frozenset(
            (called("ProtoErrorRes"), called("ProtoOAErrorRes"))
        )
        """Answers to any request that fails, from the proxy or from the API proper."""
        self.execution: type[Message] = called("ProtoOAExecutionEvent")
        """Answers a trading request, and can follow it several times."""
        self.order_error: type[Message] = called("ProtoOAOrderErrorEvent")
        """Refuses a trading request, or comes unsolicited."""
