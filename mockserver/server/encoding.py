"""A message as the bytes that go on the wire: one envelope in one frame."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from ctrader_typed.errors import DecodeError
from ctrader_typed.message import Message, codec
from ctrader_typed.schema import Schema
from ctrader_typed.wire import json
from ctrader_typed.wire.connection import PROTOBUF_TCP, Carrier, Wire

from ..handler import Send, SendPayload


def writer(schema: Schema, wire: Wire) -> Callable[[Message, str | None], bytes]:
    """A function from a message and the id that it answers to its frame, as the server writes it.

    It raises EncodeError or LocalProtocolError for a message that cannot be written.
    """
    in_text = wire.carrier is Carrier.TEXT
    encode = json.encoder(schema, empty=False) if in_text else wire.encoder(schema)
    return lambda message, client_msg_id: wire.frame(encode(message, client_msg_id))


def frame(schema: Schema, action: Send | SendPayload, wire: Wire = PROTOBUF_TCP) -> bytes:
    """The whole frame of what is to be sent.

    Raises EncodeError or LocalProtocolError for a message that cannot be written.
    """
    if isinstance(action, Send):
        return writer(schema, wire)(action.message, action.client_msg_id)
    payload_type, payload = action.payload_type, action.payload
    if wire.carrier is Carrier.TEXT:
        shown = _shown(schema, payload_type, payload)
        return wire.frame(json.wrapped(payload_type, shown, action.client_msg_id))
    envelope: Any = schema.envelope
    outer: Message = envelope(
        payload_type=payload_type, payload=payload, client_msg_id=action.client_msg_id
    )
    return wire.frame(codec.encode(outer))


def _shown(schema: Schema, payload_type: int, payload: bytes) -> object:
    """A payload's bytes in JSON: an object if they are such a message, or else their base64.

    None if there are none: a message without fields has no payload (recorded).
    """
    if payload == b"":
        return None
    cls = schema.by_payload_type.get(payload_type)
    try:
        return (
            base64.b64encode(payload).decode()
            if cls is None
            else codec.decode(cls, payload).to_dict()
        )
    except DecodeError:
        return base64.b64encode(payload).decode()
