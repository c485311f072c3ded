"""The general path from messages to bytes. Refuses with EncodeError and names the field.

Inside this module the texts of errors begin with the path from the message that is being written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import EncodeError
from ..keywords import nearest
from .declaration import FieldedMessage
from .field_values import CHECKED, as_list, each
from .fields import FIXED, LENGTH, MAX_DEPTH, Field

_MASK64 = (1 << 64) - 1
ONE_BYTE = tuple(bytes((value,)) for value in range(128))

Write = Callable[[Any, int], bytes]
"""From a value and how deep it is nested to its bytes, tags included."""


def varint(value: int) -> bytes:
    """The varint of a value from 0 to 2⁶⁴ − 1; OverflowError for anything else."""
    if value < 128:
        if value < 0:
            raise OverflowError("a varint is not negative")
        return ONE_BYTE[value]
    if value < 16384:
        return bytes((value & 127 | 128, value >> 7))
    if value > _MASK64:
        raise OverflowError("a varint has at most 64 bits")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed_varint(value: int) -> bytes:
    """The varint of an int64 (ten bytes when it is negative); OverflowError outside its range."""
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("an int64 has 63 bits and a sign")
    return varint(value & _MASK64)


def encode_general(message: FieldedMessage, depth: int) -> bytes:
    """The general path of `encode` for a message that is nested `depth` deep."""
    try:
        return _write_message(message, depth)
    except EncodeError as error:
        raise EncodeError(f"{type(message).__name__}{error}") from None
    except RecursionError:
        raise EncodeError(f"{type(message).__name__}: the caller's stack is full") from None


def _write_message(message: FieldedMessage, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise EncodeError(f": nested more than {MAX_DEPTH} deep")
    if message.__dict__:
        refuse_strays(message)
    out: list[bytes] = []
    for name, required, write in _writers(type(message)):
        value = getattr(message, name, None)  # a deleted attribute is an absent one
        if value is None:
            if required:
                raise EncodeError(f".{name} is required and not set")
            continue
        try:
            out.append(write(value, depth))
        except EncodeError as error:
            raise EncodeError(f".{name}{error}") from None
    out.append(message._unknown_fields)  # pyright: ignore[reportPrivateUsage] - betterproto's name
    return b"".join(out)


def refuse_strays(message: FieldedMessage) -> None:
    """EncodeError if an attribute was set that the class does not have: a misspelt field."""
    cls = type(message)
    declared = {name for base in cls.__mro__ for name in vars(base).get("__annotations__", ())}
    strays = [name for name in message.__dict__ if name not in declared and not hasattr(cls, name)]
    if strays:
        raise EncodeError(f" has no field {meant(strays, [f.name for f in cls.message_fields])}")


def meant(unknown: Iterable[str], names: Iterable[str]) -> str:
    """The unknown names, each with the nearest one that there is."""
    known = list(names)
    found = ((name, nearest(name, known)) for name in unknown)
    return ", ".join(
        name if near is None else f"{name} (did you mean {near}?)" for name, near in found
    )


def _writers(cls: type[FieldedMessage]) -> tuple[tuple[str, bool, Write], ...]:
    """Each field's attribute, whether it is required, and what writes it; made on first use."""
    writers: tuple[tuple[str, bool, Write], ...] | None = cls.__dict__.get("general_writers")
    if writers is None:
        writers = tuple((f.name, f.required, _writer(cls, f)) for f in cls.message_fields)
        cls.general_writers = writers
    return writers


def _writer(cls: type[FieldedMessage], field: Field) -> Write:
    tag = varint(field.number << 3 | field.wire_type)
    write = _message_writer(cls, field) if field.kind == "message" else _scalar_writer(field)
    if not field.repeated:
        return lambda value, depth: tag + write(value, depth)
    packed_tag = varint(field.number << 3 | LENGTH)

    def write_list(values: Any, depth: int) -> bytes:
        parts = each(lambda value: write(value, depth), as_list(values))
        if not field.packed:
            return b"".join([tag + part for part in parts])
        body = b"".join(parts)
        return packed_tag + varint(len(body)) + body if body else b""

    return write_list


def _message_writer(cls: type[FieldedMessage], field: Field) -> Write:
    expected = cls.class_of(field)

    def write(value: Any, depth: int) -> bytes:
        if not isinstance(value, expected):
            raise EncodeError(f": expected {expected.__name__}, got {type(value).__name__}")
        body = _write_message(value, depth + 1)
        return varint(len(body)) + body

    return write


def _scalar_writer(field: Field) -> Write:
    check, to_bytes = CHECKED[field.kind], _to_bytes(field.kind)
    return lambda value, depth: to_bytes(check(value))


def _to_bytes(kind: str) -> Callable[[Any], bytes]:
    if kind in FIXED:
        return FIXED[kind].pack
    if kind == "string":
        return lambda value: _sized(value.encode())
    if kind == "bytes":
        return _sized
    if kind in ("sint32", "sint64"):
        return lambda value: varint((value << 1 ^ value >> 63) & _MASK64)
    return lambda value: varint(value & _MASK64)


def _sized(body: bytes) -> bytes:
    return varint(len(body)) + body
