"""A message as the bytes that go on the wire: one envelope in one frame. Knows no connection."""

from __future__ import annotations

from typing import Any

from ctrader_typed import codec
from ctrader_typed.message import Message
from ctrader_typed.schema import Schema
from ctrader_typed.wire.connection import PROTOBUF_TCP

from .behaviour import Send, SendPayload


def frame(schema: Schema, action: Send | SendPayload) -> bytes:
    """The whole frame of what is to be sent.

    Raises EncodeError or LocalProtocolError for a message that cannot be written.
    """
    if isinstance(action, Send):
        payload_type = schema.payload_types[type(action.message)]
        payload = codec.encode(action.message)
    else:
        payload_type, payload = action.payload_type, action.payload
    envelope: Any = schema.envelope
    outer: Message = envelope(
        payload_type=payload_type, payload=payload, client_msg_id=action.client_msg_id
    )
    return PROTOBUF_TCP.frame(codec.encode(outer))
