"""Envelopes in protobuf ↔ values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DecodeError, EncodeError, LocalProtocolError, RemoteProtocolError
from ..message import Message, codec
from ..schema import ReadEnvelope, Schema, WriteEnvelope
from .envelope import BadPayload, Decode, Envelope, Received, UnknownPayload


def encoder(schema: Schema) -> Callable[[Message, str | None], bytes]:
    """A function from a message and its id to the bytes of an envelope.

    It raises EncodeError when the message cannot be written, and LocalProtocolError when it has no
    payload type in this schema.
    """
    envelope: type[Any] = schema.envelope  # its three fields are the same in every release
    payload_types, encode = schema.payload_types, codec.encode
    write: WriteEnvelope | None = None

    def encode_envelope(message: Message, client_msg_id: str | None) -> bytes:
        nonlocal write
        payload_type = payload_types.get(type(message))
        if payload_type is None:
            raise LocalProtocolError(
                f"{type(message).__name__} has no payload type in release {schema.release}: "
                "it cannot be sent by itself, or is a message of another package"
            )
        if write is None:  # with the first message: it imports a codec
            compiled = schema.envelopes(Envelope)
            write = in_two if compiled is None else compiled[1]
        try:
            return write(payload_type, message, client_msg_id)
        except EncodeError:
            raise
        except codec.IRREGULAR:
            return in_two(payload_type, message, client_msg_id)

    def in_two(payload_type: int, message: Message, client_msg_id: str | None) -> bytes:
        # An empty payload is written too, as the official clients do.
        return encode(
            envelope(
                payload_type=payload_type, payload=encode(message), client_msg_id=client_msg_id
            )
        )

    return encode_envelope


HEAD = 4
"""Bytes of an envelope up to the length of its payload, where its payload type takes two bytes."""

ID = 3 << 3 | 2
"""The tag of clientMsgId."""


def decoder(schema: Schema, lenient: bool = False) -> Decode:
    """A function from the bytes of an envelope to what is in it.

    `lenient` takes required fields of the payload that are missing for zero (`codec.decode`). It
    raises RemoteProtocolError when the bytes are no envelope. A payload that cannot be read is a
    value like any other.
    """
    general = _general_decoder(schema, lenient)
    read: ReadEnvelope | None = None

    def decode_envelope(data: bytes, start: int = 0, end: int | None = None, /) -> Received:
        nonlocal read
        if read is None:  # with the first message: it imports a codec
            read = _one_pass_reader(schema)
        try:
            received: Received = read(data, start, len(data) if end is None else end)
        except codec.IRREGULAR:
            return general(data[start:end])
        return received

    return decode_envelope


def _one_pass_reader(schema: Schema) -> ReadEnvelope:
    """Reads an envelope as every server writes it (type, payload, perhaps a short id) and its
    payload in one pass, without a slice; raises one of `codec.IRREGULAR` for any other.
    """
    compiled = schema.envelopes(Envelope)
    if compiled is not None:
        return compiled[0]
    heads = {head(number): cls for number, cls in schema.by_payload_type.items()}

    def read(data: bytes, start: int, end: int) -> Envelope:
        straight = heads[data[start : start + HEAD]].straight_decode
        if straight is None:
            raise ValueError
        at = start + HEAD + 1
        size = data[at - 1]
        if size > 127:
            size, at = _long_size(data, at, size)
        after = at + size
        if after == end:
            return Envelope(straight(data, at, after))
        if data[after] != ID or not data[after + 1] == end - after - 2 < 128:
            raise ValueError
        client_msg_id = data[after + 2 : end].decode()
        return Envelope(straight(data, at, after), client_msg_id)

    return read


def head(payload_type: int) -> bytes:
    """What an envelope of this type begins with, as every server writes it: the type, and the tag
    of the payload. Types below 128 give three bytes, which match no HEAD.
    """
    low, high = payload_type & 127, payload_type >> 7
    number = [low | 128, high] if high else [low]
    return bytes([1 << 3, *number, 2 << 3 | 2])


def _long_size(data: bytes, at: int, size: int) -> tuple[int, int]:
    """A length of two or three bytes, and where it ends; a longer one is for the general path."""
    size += (data[at] << 7) - 128
    if size < 1 << 14:
        return size, at + 1
    size += (data[at + 1] << 14) - (1 << 14)
    if size < 1 << 21:
        return size, at + 2
    raise ValueError(size)


def _general_decoder(schema: Schema, lenient: bool = False) -> Callable[[bytes], Received]:
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
            return Envelope(decode(cls, payload, lenient=lenient), client_msg_id)
        except DecodeError as error:
            return BadPayload(payload_type, payload, client_msg_id, error)

    return decode_envelope
