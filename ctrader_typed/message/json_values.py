"""One value of JSON as the value of a field: an integer, a member of an enum, text and so on.

Inside this module the texts of errors begin with what follows the path to the value. Unless it is
`strict`, numbers may be numeric strings, and members of enums their names.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any

from ..errors import DecodeError, EncodeError
from .field_values import CHECKED, LIMITS, misfit

REAL = frozenset({"double", "float"})
_NON_FINITE = ("NaN", "Infinity", "-Infinity")
_INTEGER = re.compile(r"-?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


def integer(kind: str, given: Any, strict: bool) -> int:
    """An integer that fits in a field of this kind."""
    value = given
    if not strict:
        text = isinstance(given, str) and _INTEGER.fullmatch(given)
        if text or (isinstance(given, float) and given.is_integer()):
            value = int(given)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DecodeError(f": expected an integer, got {_called(given)}")
    low, above = LIMITS[kind]
    if not low <= value < above:
        raise DecodeError(misfit(kind, value))
    return int(value)


def member(enum: Any, given: Any, strict: bool) -> Any:
    """A member of an enum by its number, also one that no schema has."""
    if isinstance(given, str) and not strict and given in enum.__members__:
        return enum[given]
    try:
        return enum(integer("enum", given, strict))
    except DecodeError as error:
        if isinstance(given, str) and not strict:
            raise DecodeError(f": {enum.__name__} has no value of that name") from None
        raise error from None


def real(kind: str, given: Any, strict: bool) -> float:
    """A double or float; what JSON has no number for comes as text."""
    value = given
    if isinstance(given, str) and (
        given in _NON_FINITE or (not strict and _NUMBER.fullmatch(given))
    ):
        value = float(given)
        if math.isinf(value) and given not in _NON_FINITE:
            raise DecodeError(f": the number does not fit in a {kind}")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise DecodeError(f": expected a number, got {_called(given)}")
    try:
        number: float = CHECKED[kind](value)
    except EncodeError as error:
        raise DecodeError(str(error)) from None
    return number


def _bool(given: Any, strict: bool) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given in ("true", "false") and not strict:
        return given == "true"
    raise DecodeError(f": expected true or false, got {_called(given)}")


def _string(given: Any, strict: bool) -> str:
    try:
        text: str = CHECKED["string"](instance(given, (str,), "a string"))
    except EncodeError as error:
        raise DecodeError(str(error)) from None
    return text


def _bytes(given: Any, strict: bool) -> bytes:
    if isinstance(given, bytes):
        return given
    text: str = instance(given, (str,), "base64 text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f": not base64: {error}") from None


OTHERS: dict[str, Callable[[Any, bool], Any]] = {"bool": _bool, "string": _string, "bytes": _bytes}
"""What reads a field of any other kind."""


def instance(given: Any, classes: tuple[type, ...], expected: str) -> Any:
    """What is given, if it is of one of these types."""
    if isinstance(given, classes):
        return given
    raise DecodeError(f": expected {expected}, got {_called(given)}")


def _called(value: Any) -> str:
    """What JSON calls a value, for error texts; never the value itself, which may be a secret."""
    name: str = value.__class__.__name__
    return _CALLED.get(value.__class__, name)


_CALLED: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a bool",
    int: "an integer",
    float: "a number",
    type(None): "null",
}
