"""Messages made wrong: fields taken out, bytes changed, frames too long or too short. Pure."""

from __future__ import annotations

from typing import Any

from ctrader_typed.message import Message
from ctrader_typed.schema import Schema

from ..behaviour import Send, SendPayload
from ..frames import frame
from ..payloads import as_list, as_object

_HEADER = 4
_LENGTH = 4
_NOBODYS = b"\xc2\xd5\x07"  # a length-delimited field, 15000, that no schema has


def stripped(message: Message, paths: tuple[str, ...]) -> Message:
    """The message without the fields at these dotted paths, also in each item of a list."""
    payload = message.to_dict()
    for path in paths:
        _strip(payload, path.split("."))
    return type(message).blank().from_dict(payload)


def _strip(value: Any, keys: list[str]) -> None:
    for item in as_list(value) or ():
        _strip(item, keys)
    inner = as_object(value)
    if inner is not None and len(keys) == 1:
        inner.pop(keys[0], None)
    elif inner is not None:
        _strip(inner.get(keys[0]), keys[1:])


def corrupted(schema: Schema, action: Send | SendPayload, at: int) -> bytes:
    """The frame with one byte of its envelope changed, in all its bits."""
    data = bytearray(frame(schema, action))
    size = len(data) - _HEADER
    data[_HEADER + at % size] ^= 0xFF
    return bytes(data)


def inflated(schema: Schema, action: Send | SendPayload, size: int) -> bytes:
    """The frame with so much of an unknown field in its envelope that it is `size` bytes long.

    A size that is too small leaves it as it is.
    """
    envelope = frame(schema, action)[_HEADER:]
    filler = size - len(envelope) - len(_NOBODYS) - _LENGTH
    if filler >= 0:
        envelope += _NOBODYS + _length(filler) + bytes(filler)
    return len(envelope).to_bytes(_HEADER, "big") + envelope


def _length(value: int) -> bytes:
    """A varint of four bytes, whether it needs them or not: protobuf allows that."""
    parts = [value >> 7 * place & 0x7F for place in range(_LENGTH)]
    return bytes(part | 0x80 for part in parts[:-1]) + bytes(parts[-1:])


def truncated(schema: Schema, action: Send | SendPayload, size: int | None) -> bytes:
    """The first bytes of the frame, half of them if no number is given; never all of them."""
    data = frame(schema, action)
    return data[: min(len(data) // 2 if size is None else size, len(data) - 1)]
