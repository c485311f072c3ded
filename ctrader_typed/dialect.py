"""cTrader's JSON ↔ messages, as dictionaries.

The server writes the schema's own keys, integers as numbers, enums as integers, and leaves out what is absent.
Clients are known to send numeric strings and enum names, so reading accepts them unless it is strict.
Knows no message by name.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .codec.fields import Field
from .errors import DecodeError

if TYPE_CHECKING:
    from .message import Message

M = TypeVar("M", bound="Message")


class ClassOrInstance:
    """A method that makes a message when called on the class, and updates one when called on it."""

    def __init__(self, make: Callable[..., Any], update: Callable[..., Any]) -> None:
        self._make = make
        self._update = update

    def __get__(self, instance: Message | None, owner: type[Message]) -> Callable[..., Any]:
        return (self._make if instance is None else self._update).__get__(instance or owner)


# --- out ---------------------------------------------------------------------------------------------


def to_dict(message: Message, *, by_key: bool = True, with_absent: bool = False) -> dict[str, Any]:
    """The message in cTrader's dialect; attribute names as keys unless `by_key`."""
    result: dict[str, Any] = {}
    for f in type(message).message_fields:
        value = getattr(message, f.name)
        if value is None or (f.repeated and len(value) == 0):
            if with_absent:
                result[f.key if by_key else f.name] = value
            continue
        if f.repeated:
            shown = [_plain(f, item, by_key, with_absent) for item in value]
        else:
            shown = _plain(f, value, by_key, with_absent)
        result[f.key if by_key else f.name] = shown
    return result


def _plain(f: Field, value: Any, by_key: bool, with_absent: bool) -> Any:
    if f.kind == "message":
        return to_dict(value, by_key=by_key, with_absent=with_absent)
    if f.kind == "enum":
        return int(value)
    if f.kind == "bytes":
        return base64.b64encode(value).decode()
    if (f.kind == "double" or f.kind == "float") and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


# --- in ----------------------------------------------------------------------------------------------


def new_from_dict(cls: type[M], value: Mapping[str, Any], *, strict: bool = False) -> M:
    """A new message; DecodeError if a required field is missing or a value does not fit."""
    message = cls.blank()
    update_from_dict(message, value, strict=strict)
    missing = [f.key for f in cls.required_fields if getattr(message, f.name) is None]
    if missing:
        raise DecodeError(f"{cls.__name__}: missing required fields: {', '.join(missing)}")
    return message


def update_from_dict(message: M, value: Mapping[str, Any], *, strict: bool = False) -> M:
    """Set the fields that the mapping has; DecodeError names the one that does not fit."""
    cls = type(message)
    if not isinstance(value, Mapping):
        raise DecodeError(f"{cls.__name__}: expected an object, got {_kind(value)}")
    fields = _fields_by_key(cls)
    for key, given in value.items():
        f = fields.get(key)
        if f is None or (strict and key != f.key):
            if strict:
                raise DecodeError(f"{cls.__name__}: no field {key!r}")
            continue
        if given is None and not strict:
            continue
        try:
            setattr(message, f.name, _field_value(cls, f, given, strict))
        except DecodeError as error:
            raise DecodeError(f"{cls.__name__}.{f.key}: {error}") from None
    return message


def new_from_json(cls: type[M], value: str | bytes, *, strict: bool = False) -> M:
    """`new_from_dict` of a JSON text."""
    return new_from_dict(cls, _object(cls, value), strict=strict)


def update_from_json(message: M, value: str | bytes, *, strict: bool = False) -> M:
    """`update_from_dict` of a JSON text."""
    return update_from_dict(message, _object(type(message), value), strict=strict)


def _object(cls: type[Message], text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"{cls.__name__}: not JSON: {error}") from None


def _fields_by_key(cls: type[Message]) -> dict[str, Field]:
    """Fields by schema key and by attribute name."""
    fields: dict[str, Field] | None = cls.__dict__.get("_fields_by_key")
    if fields is None:
        fields = {f.name: f for f in cls.message_fields} | {f.key: f for f in cls.message_fields}
        cls._fields_by_key = fields
    return fields


def _field_value(cls: type[Message], f: Field, given: Any, strict: bool) -> Any:
    if not f.repeated:
        return _value(cls, f, given, strict)
    if not isinstance(given, (list, tuple)):
        raise DecodeError(f"expected a list, got {_kind(given)}")
    return [_value(cls, f, item, strict) for item in given]


def _value(cls: type[Message], f: Field, given: Any, strict: bool) -> Any:
    kind = f.kind
    if kind == "message":
        part = cls.class_of(f)
        return given if isinstance(given, part) else new_from_dict(part, given, strict=strict)
    if kind == "string":
        if not isinstance(given, str):
            raise DecodeError(f"expected a string, got {_kind(given)}")
        return given
    if kind == "bool":
        return _bool(given, strict)
    if kind == "bytes":
        return _bytes(given)
    if kind == "double" or kind == "float":
        return _float(given, strict)
    if kind == "enum":
        return _enum(cls.class_of(f), given, strict)
    return _int(kind, given, strict)


def _int(kind: str, given: Any, strict: bool) -> int:
    value = given
    if isinstance(given, str) and not strict:
        try:
            value = int(given)
        except ValueError:
            raise DecodeError(f"expected an integer, got {given!r}") from None
    elif isinstance(given, float) and not strict and given.is_integer():
        value = int(given)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DecodeError(f"expected an integer, got {_kind(given)}")
    bits = 64 if kind.endswith("64") else 32
    low = 0 if kind.startswith(("u", "fixed")) else -(1 << bits - 1)
    if not low <= value < low + (1 << bits):
        raise DecodeError(f"{value} does not fit in {kind}")
    return value


def _enum(cls: Any, given: Any, strict: bool) -> Any:
    if isinstance(given, str) and not strict and not given.lstrip("-").isdigit():
        try:
            return cls.from_string(given)
        except ValueError as error:
            raise DecodeError(str(error)) from None
    return cls(_int("int32", given, strict))


def _float(given: Any, strict: bool) -> float:
    if isinstance(given, str) and (not strict or given in ("NaN", "Infinity", "-Infinity")):
        try:
            return float(given)
        except ValueError:
            raise DecodeError(f"expected a number, got {given!r}") from None
    if not isinstance(given, (int, float)) or isinstance(given, bool):
        raise DecodeError(f"expected a number, got {_kind(given)}")
    try:
        return float(given)
    except OverflowError:
        raise DecodeError(f"{given} does not fit in a double") from None


def _bool(given: Any, strict: bool) -> bool:
    if not strict and given in ("true", "false"):
        return bool(given == "true")
    if not isinstance(given, bool):
        raise DecodeError(f"expected true or false, got {_kind(given)}")
    return given


def _bytes(given: Any) -> bytes:
    if isinstance(given, bytes):
        return given
    if not isinstance(given, str):
        raise DecodeError(f"expected base64 text, got {_kind(given)}")
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"not base64: {error}") from None


def _kind(value: Any) -> str:
    """What JSON calls a value, for error texts; never the value itself, which may be a secret."""
    names: dict[type, str] = {
        dict: "an object", list: "a list", str: "a string", bool: "a bool", int: "an integer",
        float: "a number", type(None): "null",
    }
    return names.get(type(value), type(value).__name__)
