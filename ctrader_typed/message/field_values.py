"""What one value of each kind of field may be, checked on its way out.

Whatever counts as a whole or a real number to Python does so here (bools, numpy's scalars, for a
double also Decimal), as with google.protobuf; nothing else is converted.

The texts of the errors begin with a colon: whoever passes them on puts the path to the field
before it. They never contain a text or bytes, which may be a secret.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..errors import CodecError, EncodeError
from .fields import FIXED

T = TypeVar("T")

LIMITS = {
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
"""The kinds of whole numbers: the first value that fits, and the first above it that does not."""


def shown(value: int) -> str:
    """A whole number for an error text, however long it is."""
    bits = value.bit_length()
    return str(value) if bits <= 128 else f"an integer of {bits} bits"


def misfit(kind: str, value: int) -> str:
    """The end of an error text: which numbers would have fitted."""
    low, above = LIMITS[kind]
    return f": {shown(value)} does not fit in {kind} ({low} to {above - 1})"


def as_list(value: Any) -> Any:
    """The values of a repeated field, which may be a tuple too."""
    return _instance(value, (list, tuple), "a list")


def each(convert: Callable[[Any], T], values: Iterable[Any]) -> list[T]:
    """All of them converted; an error says at which one it happened."""
    done: list[T] = []
    try:
        for value in values:
            done.append(convert(value))  # noqa: PERF401 - the error tells how far it came
    except CodecError as error:
        raise type(error)(f"[{len(done)}]{error}") from None
    return done


def _instance(value: Any, classes: tuple[type, ...], expected: str) -> Any:
    if isinstance(value, classes):
        return value
    raise EncodeError(f": expected {expected}, got {value.__class__.__name__}")


def _whole(kind: str) -> Callable[[Any], int]:
    low, above = LIMITS[kind]

    def as_whole(value: Any) -> int:
        try:
            number = operator.index(value)
        except TypeError:
            raise EncodeError(f": expected an integer, got {type(value).__name__}") from None
        if not low <= number < above:
            raise EncodeError(misfit(kind, number))
        return number

    return as_whole


def _real(kind: str) -> Callable[[Any], float]:
    pack, unpack = FIXED[kind].pack, FIXED[kind].unpack

    def as_real(value: Any) -> float:
        try:
            (number,) = unpack(pack(value))
        except (OverflowError, struct.error, TypeError, ValueError):
            if isinstance(value, int | float):
                raise EncodeError(f": the number does not fit in a {kind}") from None
            raise EncodeError(f": expected a number, got {type(value).__name__}") from None
        return float(number)

    return as_real


def _bool(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise EncodeError(f": expected a bool, got {type(value).__name__}")


def _text(value: Any) -> str:
    text: str = _instance(value, (str,), "a str")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f": not a valid Unicode text: {error.reason}") from None
    return text


def _bytes(value: Any) -> bytes:
    return bytes(_instance(value, (bytes, bytearray, memoryview), "bytes"))


CHECKED: dict[str, Callable[[Any], Any]] = {
    **{kind: _whole(kind) for kind in LIMITS},
    "double": _real("double"),
    "float": _real("float"),
    "bool": _bool,
    "string": _text,
    "bytes": _bytes,
}
"""For each kind but message what returns a value as plain Python, or raises EncodeError."""
