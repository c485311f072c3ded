"""Messages made wrong: fields taken out, bytes changed, frames too long or too short.

On a WebSocket its own framing takes the place of ours.
"""

from __future__ import annotations

from typing import Any

from ctrader_typed.message import Message
from ctrader_typed.wire.connection import Carrier, Wire

from ..handler import SendRaw
from ..recordings.placeholders import as_list, as_object

_HEADER = 4
_LENGTH = 4
_NOBODYS = b"\xc2\xd5\x07"  # a length-delimited field, 15000, that no schema has
_FILLER = b',"nobodys":"%b"'


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


def corrupted(wire: Wire, data: bytes, at: int) -> SendRaw:
    """The frame with one byte of its envelope changed: in all its bits, or to another letter."""
    head = _HEADER if wire.carrier is Carrier.BYTES else 0
    mangled = bytearray(data)
    mangled[head + at % (len(data) - head)] ^= 0x01 if wire.carrier is Carrier.TEXT else 0xFF
    return SendRaw(bytes(mangled))


def inflated(wire: Wire, data: bytes, size: int) -> SendRaw:
    """The frame with so much of an unknown field in its envelope that it is `size` bytes long.

    The length before a frame does not count. A size that is too small leaves it as it is.
    """
    if wire.carrier is Carrier.TEXT:
        filler = size - len(data) - len(_FILLER % b"")
        return SendRaw(data[:-1] + _FILLER % (b"x" * filler) + b"}" if filler >= 0 else data)
    head = _HEADER if wire.carrier is Carrier.BYTES else 0
    envelope = data[head:]
    filler = size - len(envelope) - len(_NOBODYS) - _LENGTH
    if filler >= 0:
        envelope += _NOBODYS + _length(filler) + bytes(filler)
    return SendRaw(wire.frame(envelope))


def _length(value: int) -> bytes:
    """A varint of four bytes, whether it needs them or not: protobuf allows that."""
    parts = [value >> 7 * place & 0x7F for place in range(_LENGTH)]
    return bytes(part | 0x80 for part in parts[:-1]) + bytes(parts[-1:])


def truncated(wire: Wire, data: bytes, size: int | None) -> SendRaw:
    """The first bytes of the frame, half of them if no number is given; never all of them."""
    beneath = wire.carrier is not Carrier.BYTES
    if beneath:
        data = announced(wire, len(data)).data + data
    whole = len(data)
    return SendRaw(data[: min(whole // 2 if size is None else size, whole - 1)], beneath)


def announced(wire: Wire, length: int) -> SendRaw:
    """The header of a frame of so many bytes, and no more of it; lengths below zero wrap round."""
    if wire.carrier is Carrier.BYTES:
        return SendRaw((length % 2**32).to_bytes(_HEADER, "big"))
    # As RFC 6455 has it: the last fragment of a message, not masked; lengths of 7, 16 and 64 bits.
    kind = 0x81 if wire.carrier is Carrier.TEXT else 0x82
    if 0 <= length < 126:
        header = bytes((kind, length))
    elif 0 <= length < 1 << 16:
        header = bytes((kind, 126)) + length.to_bytes(2, "big")
    else:
        header = bytes((kind, 127)) + (length % 2**64).to_bytes(8, "big")
    return SendRaw(header, beneath=True)
