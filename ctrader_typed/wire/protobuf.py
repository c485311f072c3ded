"""Envelopes in protobuf ↔ values. Knows neither framing nor what any message means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import codec
from ..errors import DecodeError, LocalProtocolError, RemoteProtocolError
from ..message import Message
from ..schema import Schema
from .envelope import BadPayload, Envelope, Received, UnknownPayload


def encoder(schema: Schema) -> Callable[[Message, str | None], bytes]:
    """A function from a message and its id to the bytes of an envelope.

    It raises EncodeError when the message cannot be written, and LocalProtocolError when it has no
    payload type in this schema.
    """
    envelope: type[Any] = schema.envelope  # its three fields are the same in every release
    payload_types, encode = schema.payload_types, codec.encode

    def encode_envelope(message: Message, client_msg_id: str | None) -> bytes:
        payload_type = payload_types.get(type(message))
        if payload_type is None:
            raise LocalProtocolError(
                f"{type(message).__name__} has no payload type in release {schema.release}: "
                "it cannot be sent by itself, or is a message of another package"
            )
        # An empty payload is written too, as the official clients do.
        return encode(
            envelope(
                payload_type=payload_type, payload=encode(message), client_msg_id=client_msg_id
            )
        )

    return encode_envelope


def decoder(schema: Schema) -> Callable[[bytes], Received]:
    """A function from the bytes of an envelope to what is in it.

    It raises RemoteProtocolError when the bytes are no envelope. A payload that cannot be read is
    a value like any other.
    """
    envelope: type[Any] = schema.envelope
    by_payload_type, decode = schema.by_payload_type, codec.decode

    def decode_envelope(data: bytes) -> Received:
        try:
            outer = decode(envelope, data)
        except DecodeError as error:
            raise RemoteProtocolError(f"a frame of {len(data)} bytes: {error}") from None
        payload_type: int = outer.payload_type
        payload: bytes = b"" if outer.payload is None else outer.payload
        client_msg_id: str | None = outer.client_msg_id
        cls = by_payload_type.get(payload_type)
        if cls is None:
            return UnknownPayload(payload_type, payload, client_msg_id)
        try:
            return Envelope(decode(cls, payload), client_msg_id)
        except DecodeError as error:
            return BadPayload(payload_type, payload, client_msg_id, error)

    return decode_envelope
