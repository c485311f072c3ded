"""Answers whose rows are wanted as columns: read so instead of as messages.

Which answers these are is told by the ids of their requests; everything else is read as always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import DecodeError
from ..message import Message, codec
from ..message.columns import Columns, decode_columns, layout_of, transposed
from ..schema import Schema
from .envelope import BadPayload, Decode, Envelope, Received


@dataclass(slots=True)
class ColumnsEnvelope(Envelope):
    """An answer without its rows, and those as columns."""

    columns: Columns[Any] | None = None


def from_protobuf(
    schema: Schema, decode: Decode, wanted: set[str], lenient: bool = False
) -> Decode:
    """Like `decode`, but the answers to these requests, each once, go straight into columns."""
    envelope: type[Any] = schema.envelope
    read = partial(codec.decode, lenient=lenient)

    def decode_either(data: bytes, start: int = 0, end: int | None = None, /) -> Received:
        try:
            outer = codec.decode(envelope, data[start:end])
        except DecodeError:
            return decode(data, start, end)  # which says what is wrong
        cls = schema.by_payload_type.get(outer.payload_type)
        if not _is_wanted(cls, outer.client_msg_id, wanted):
            return decode(data, start, end)
        assert cls is not None, "or it is not wanted"
        try:
            columns = decode_columns(cls, outer.payload or b"", read)
        except DecodeError as error:
            return BadPayload(outer.payload_type, outer.payload, outer.client_msg_id, error)
        return ColumnsEnvelope(columns.reply, outer.client_msg_id, columns)

    return decode_either


def from_messages(
    schema: Schema, decode: Decode, wanted: set[str], _lenient: bool = False
) -> Decode:
    """The same where a message has to be made first, which `decode` does as it was told to."""

    def decode_either(data: bytes, start: int = 0, end: int | None = None, /) -> Received:
        received = decode(data, start, end)
        if not isinstance(received, Envelope):
            return received
        cls = type(received.message)
        if not _is_wanted(cls, received.client_msg_id, wanted):
            return received
        try:
            columns = transposed(cls, received.message)
        except DecodeError as error:
            number = schema.payload_types[cls]
            return BadPayload(number, b"", received.client_msg_id, error)
        return ColumnsEnvelope(columns.reply, received.client_msg_id, columns)

    return decode_either


Reader = Callable[[Schema, Decode, set[str], bool], Decode]


def _is_wanted(cls: type[Message] | None, client_msg_id: str | None, wanted: set[str]) -> bool:
    """Whether this is an answer to give in columns. A refusal has no rows, and ends the wait."""
    if client_msg_id is None or client_msg_id not in wanted:
        return False
    wanted.discard(client_msg_id)
    return cls is not None and layout_of(cls) is not None
