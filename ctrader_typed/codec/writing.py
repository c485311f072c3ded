"""The general path from messages to bytes. Refuses with EncodeError and names the field."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ..errors import EncodeError
from .fields import FIXED, LENGTH, Field
from .reading import MAX_DEPTH

if TYPE_CHECKING:
    from ..message import Message

_MASK64 = (1 << 64) - 1

_RANGE = {
    "int32": (-(1 << 31), 1 << 31),
    "enum": (-(1 << 31), 1 << 31),
    "sint32": (-(1 << 31), 1 << 31),
    "sfixed32": (-(1 << 31), 1 << 31),
    "uint32": (0, 1 << 32),
    "fixed32": (0, 1 << 32),
    "int64": (-(1 << 63), 1 << 63),
    "sint64": (-(1 << 63), 1 << 63),
    "sfixed64": (-(1 << 63), 1 << 63),
    "uint64": (0, 1 << 64),
    "fixed64": (0, 1 << 64),
}

_ONE_BYTE = tuple(bytes((value,)) for value in range(128))


def varint(value: int) -> bytes:
    """The varint of a value from 0 to 2⁶⁴ − 1; IRREGULAR errors for anything else."""
    if value < 128:
        if value < 0:
            raise OverflowError("a varint is not negative")
        return _ONE_BYTE[value]
    if value < 16384:
        return bytes((value & 127 | 128, value >> 7))
    if value < 2097152:
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14))
    if value < 268435456:
        return bytes(
            (value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21)
        )
    if value > _MASK64:
        raise OverflowError("a varint has at most 64 bits")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed_varint(value: int) -> bytes:
    """The varint of an int64 (ten bytes when it is negative); IRREGULAR errors outside its range."""
    if value >= 0:
        if value >> 63:
            raise OverflowError("an int64 is below 2^63")
        return varint(value)
    if value < -(1 << 63):
        raise OverflowError("an int64 is at least -2^63")
    return varint(value & _MASK64)


def encode_general(message: Message, depth: int) -> bytes:
    """The general path of `encode`, one level of nesting at a time."""
    cls = type(message)
    if depth > MAX_DEPTH:
        raise EncodeError(f"{cls.__name__} is nested more than {MAX_DEPTH} deep")
    if message.__dict__:
        strays = ", ".join(sorted(message.__dict__))
        raise EncodeError(f"{cls.__name__} has no field {strays}")
    out: list[bytes] = []
    for field in cls.message_fields:
        value = getattr(message, field.name)
        if value is None:
            if field.required:
                raise EncodeError(f"{cls.__name__}.{field.name} is required and not set")
            continue
        try:
            _write_field(out, cls, field, value, depth)
        except EncodeError as error:
            raise EncodeError(f"{cls.__name__}.{field.name}: {error}") from None
    out.append(message._unknown_fields)
    return b"".join(out)


def _write_field(
    out: list[bytes], cls: type[Message], field: Field, value: Any, depth: int
) -> None:
    tag = varint(field.number << 3 | field.wire_type)
    if not field.repeated:
        out += (tag, _write(cls, field, value, depth))
        return
    if not isinstance(value, (list, tuple)):
        raise EncodeError(f"expected a list, got {type(value).__name__}")
    if field.packed:
        if value:
            body = b"".join(_write(cls, field, item, depth) for item in value)
            out += (varint(field.number << 3 | LENGTH), varint(len(body)), body)
        return
    for item in value:
        out += (tag, _write(cls, field, item, depth))


def _write(cls: type[Message], field: Field, value: Any, depth: int) -> bytes:
    """One value without its tag; EncodeError says what was expected and what came."""
    kind = field.kind
    if kind == "message":
        expected = cls.class_of(field)
        if not isinstance(value, expected):
            raise EncodeError(f"expected {expected.__name__}, got {type(value).__name__}")
        body = encode_general(value, depth + 1)
        return varint(len(body)) + body
    if kind == "string":
        body = _utf8(value)
        return varint(len(body)) + body
    if kind == "bytes":
        if not isinstance(value, (bytes, bytearray)):
            raise EncodeError(f"expected bytes, got {type(value).__name__}")
        return varint(len(value)) + bytes(value)
    if kind == "double" or kind == "float":
        return _write_float(kind, value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise EncodeError(f"expected a bool, got {type(value).__name__}")
        return b"\x01" if value else b"\x00"
    return _write_int(kind, value)


def _write_int(kind: str, value: Any) -> bytes:
    if not isinstance(value, int) or isinstance(value, bool):
        raise EncodeError(f"expected an integer, got {type(value).__name__}")
    low, high = _RANGE[kind]
    if not low <= value < high:
        raise EncodeError(f"{value} does not fit in {kind} ({low} to {high - 1})")
    if kind in FIXED:
        return FIXED[kind].pack(value)
    if kind == "sint32" or kind == "sint64":
        return varint((value << 1 ^ value >> 63) & _MASK64)
    return varint(value & _MASK64)


def _write_float(kind: str, value: Any) -> bytes:
    if not isinstance(value, (float, int)) or isinstance(value, bool):
        raise EncodeError(f"expected a number, got {type(value).__name__}")
    try:
        return FIXED[kind].pack(value)
    except (OverflowError, struct.error):
        raise EncodeError(f"{value} does not fit in {kind}") from None


def _utf8(value: Any) -> bytes:
    if not isinstance(value, str):
        raise EncodeError(f"expected a str, got {type(value).__name__}")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"not a valid Unicode text: {error.reason}") from None
