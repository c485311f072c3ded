"""cTrader's JSON ↔ messages, as dictionaries.

The server writes the schema's own keys, integers as numbers, enums as integers, and leaves out what
is absent. Clients are known to send numeric strings and enum names, so reading accepts them unless
it is strict.

Servers send keys that no published schema has. A message keeps them, each at its place, as a JSON
text in `_unknown_json`, as it keeps unknown protobuf fields as bytes: they are written again in
JSON, and not in protobuf, where they have no number. The text takes no more than a few times the
memory of what came, so the limit on the length of a frame limits it too.

Inside this module the texts of errors begin with the path from the message at hand.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ..errors import DecodeError, EncodeError
from .declaration import FieldedMessage
from .decode import fill
from .encode import meant, refuse_strays
from .field_values import CHECKED, LIMITS, as_list, each
from .fields import MAX_DEPTH, Field
from .json_values import OTHERS, REAL, instance, integer, member, real

M = TypeVar("M", bound=FieldedMessage)

UNKNOWN = "_unknown_json"
"""The attribute of a message with the keys that its class does not have."""
LOST = "_lost_keys"
"""The attribute with the names of those whose value is no JSON, and so could not be kept."""


class ClassOrInstance:
    """A method that makes a message when called on the class, and updates one when called on it."""

    def __init__(self, make: Callable[..., Any], update: Callable[..., Any]) -> None:
        self._make = make
        self._update = update
        self.__doc__ = make.__doc__

    def __get__(
        self, instance: FieldedMessage | None, owner: type[FieldedMessage]
    ) -> Callable[..., Any]:
        bound: Callable[..., Any] = (
            self._make.__get__(owner) if instance is None else self._update.__get__(instance)
        )
        return bound


# --- out ------------------------------------------------------------------------------------------


class Style(NamedTuple):
    """How a message is shown as a dictionary.

    `by_key` takes the schema's keys instead of attribute names, `with_absent` shows what is not
    set, `python` leaves bytes, enum members and non-finite doubles as they are, and `complete`
    insists on the required fields.
    """

    by_key: bool = True
    with_absent: bool = False
    python: bool = False
    complete: bool = False


def to_dict(message: FieldedMessage, style: Style) -> dict[str, Any]:
    """The message as a dictionary; EncodeError names the field whose value is not of its type."""
    try:
        return _to_dict(message, style, 0)
    except EncodeError as error:
        raise EncodeError(f"{type(message).__name__}{error}") from None
    except RecursionError:
        raise EncodeError(f"{type(message).__name__}: the caller's stack is full") from None


def to_json(message: FieldedMessage, style: Style, indent: int | str | None) -> str:
    """`to_dict` as a JSON text."""
    return json.dumps(to_dict(message, style), indent=indent, allow_nan=False)


def _to_dict(message: FieldedMessage, style: Style, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise EncodeError(f": nested more than {MAX_DEPTH} deep")
    if message.__dict__:
        refuse_strays(message)
    cls = type(message)
    result: dict[str, Any] = {}
    for f in cls.message_fields:
        value = getattr(message, f.name, None)
        if value is None and f.required and style.complete:
            raise EncodeError(f".{f.name} is required and not set")
        key = f.key if style.by_key else f.name
        try:
            if value is None:
                shown = None
            elif f.repeated:
                shown = each(partial(_shown, cls, f, style, depth), as_list(value))
            else:
                shown = _shown(cls, f, style, depth, value)
        except EncodeError as error:
            raise EncodeError(f".{f.name}{error}") from None
        if style.with_absent or not (shown is None or (f.repeated and shown == [])):
            result[key] = shown
    if (unknown := getattr(message, UNKNOWN)) != "":
        result.update(json.loads(unknown))
    return result


def _shown(cls: type[FieldedMessage], f: Field, style: Style, depth: int, value: Any) -> Any:
    if f.kind == "message":
        expected = cls.class_of(f)
        if not isinstance(value, expected):
            raise EncodeError(f": expected {expected.__name__}, got {type(value).__name__}")
        return _to_dict(value, style, depth + 1)
    checked = CHECKED[f.kind](value)
    if style.python:
        return value if f.kind == "enum" else checked
    if f.kind == "bytes":
        return base64.b64encode(checked).decode()
    if f.kind in REAL and not math.isfinite(checked):
        return "NaN" if math.isnan(checked) else "Infinity" if checked > 0 else "-Infinity"
    return checked


# --- in -------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """How a dictionary is read: `strict` takes nothing but what `to_dict` writes, `lenient` takes
    required fields that are missing for zero, where there is one.
    """

    strict: bool = False
    lenient: bool = False


def new_from_dict(
    cls: type[M], value: Mapping[str, Any], *, strict: bool = False, lenient: bool = False
) -> M:
    """A new message; DecodeError says where a required field is missing or a value does not fit."""
    with _named(cls):
        return _new(cls, value, Reading(strict, lenient), 0)


def update_from_dict(message: M, value: Mapping[str, Any], *, strict: bool = False) -> M:
    """Set the fields that the mapping has, or none: DecodeError says what does not fit."""
    with _named(type(message)):
        values = _values(type(message), value, Reading(strict), 0)
        before = getattr(message, UNKNOWN)
        if UNKNOWN in values and before != "":
            values[UNKNOWN] = _kept(json.loads(before) | json.loads(values[UNKNOWN]))
        return _set(message, values)


@contextmanager
def _named(cls: type[FieldedMessage]) -> Generator[None, None, None]:
    try:
        yield
    except DecodeError as error:
        raise DecodeError(f"{cls.__name__}{error}") from None
    except RecursionError:
        raise DecodeError(f"{cls.__name__}: the caller's stack is full") from None


def new_from_json(cls: type[M], value: str | bytes, *, strict: bool = False) -> M:
    """`new_from_dict` of a JSON text."""
    return new_from_dict(cls, _parsed(cls, value, strict), strict=strict)


def update_from_json(message: M, value: str | bytes, *, strict: bool = False) -> M:
    """`update_from_dict` of a JSON text."""
    return update_from_dict(message, _parsed(type(message), value, strict), strict=strict)


def _parsed(cls: type[FieldedMessage], text: str | bytes, strict: bool) -> Any:
    once = _no_key_twice if strict else None
    try:
        return json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=once
        )
    except RecursionError:
        raise DecodeError(f"{cls.__name__}: not JSON: nested too deep") from None
    except ValueError as error:
        raise DecodeError(f"{cls.__name__}: not JSON: {error}") from None


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in result if keys.count(key) > 1)!r} comes twice")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number; as a string it is accepted")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number that does not fit in a double")
    return value


def _new(cls: type[M], value: Any, how: Reading, depth: int) -> M:
    message = _set(cls.blank(), _values(cls, value, how, depth))
    if how.lenient:
        fill(message)
    missing = [f.key for f in cls.required_fields if getattr(message, f.name) is None]
    if missing:
        raise DecodeError(f": missing required fields: {', '.join(missing)}")
    return message


def _set(message: M, values: dict[str, Any]) -> M:
    for name, value in values.items():
        setattr(message, name, value)
    return message


def _values(cls: type[FieldedMessage], given: Any, how: Reading, depth: int) -> dict[str, Any]:
    """The values by attribute name, and the JSON text of unknown keys by `UNKNOWN` if any came."""
    if depth > MAX_DEPTH:
        raise DecodeError(f": nested more than {MAX_DEPTH} deep")
    mapping = instance(given, (Mapping,), "an object")
    fields = _fields_by_key(cls)
    values: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    strict = how.strict
    for key, value in mapping.items():
        f = fields.get(key)
        if f is None or (strict and key != f.key):
            if strict:
                raise DecodeError(f": no field {key!r}")
            unknown[key] = value
        elif value is not None or strict:
            try:
                values[f.name] = _field_value(cls, f, value, how, depth)
            except DecodeError as error:
                raise DecodeError(f".{key}{error}") from None
    if unknown:
        text = _kept(unknown)
        if text:
            values[UNKNOWN] = text
        lost = set(unknown) - set(json.loads(text or "{}"))
        if lost:
            values[LOST] = tuple(sorted(map(str, lost)))
    return values


def refuse_unknown_keys(message: FieldedMessage) -> None:
    """EncodeError if the message was made of JSON or a mapping with keys that no field has.

    For what must not be sent without them: an order whose stop loss is misspelt has none.
    """
    if not message.__dict__:
        return
    unknown = [*json.loads(getattr(message, UNKNOWN) or "{}"), *getattr(message, LOST)]
    if unknown:
        cls = type(message)
        keys = meant(unknown, [f.key for f in cls.message_fields])
        raise EncodeError(f"{cls.__name__} has no field {keys}: nothing was sent")


def _kept(unknown: dict[Any, Any]) -> str:
    """Unknown keys as one JSON text, whatever their order; "" if no value of them is JSON.

    An object of the caller's is not, nor 1e999; nor is what is nested deeper than messages may be,
    which could not be written everywhere.
    """
    named = {key: value for key, value in unknown.items() if isinstance(key, str)}
    text = _text(named)
    if text is None:
        text = _text({key: value for key, value in named.items() if _text(value) is not None})
    return "" if text is None or text == "{}" else text


def _text(value: Any) -> str | None:
    if _deeper(value, MAX_DEPTH):
        return None
    try:
        return _as_text(value)
    except (TypeError, ValueError):
        return None


def _deeper(value: Any, levels: int) -> bool:
    """Whether objects and lists are nested in more levels than this."""
    if isinstance(value, (dict, list, tuple)):
        inner: Any = value.values() if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType] - of any
        return levels == 0 or any(_deeper(each, levels - 1) for each in inner)
    return False


_as_text = json.JSONEncoder(
    separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False
).encode


def _fields_by_key(cls: type[FieldedMessage]) -> dict[str, Field]:
    """Fields by schema key and by attribute name."""
    fields: dict[str, Field] | None = cls.__dict__.get("fields_by_key")
    if fields is None:
        fields = {f.name: f for f in cls.message_fields} | {f.key: f for f in cls.message_fields}
        cls.fields_by_key = fields
    return fields


def _field_value(cls: type[FieldedMessage], f: Field, given: Any, how: Reading, depth: int) -> Any:
    read = partial(_value, cls, f, how, depth)
    return each(read, instance(given, (list, tuple), "a list")) if f.repeated else read(given)


def _value(cls: type[FieldedMessage], f: Field, how: Reading, depth: int, given: Any) -> Any:
    if f.kind == "message":
        part = cls.class_of(f)
        return given if isinstance(given, part) else _new(part, given, how, depth + 1)
    strict = how.strict
    if f.kind == "enum":
        return member(cls.class_of(f), given, strict)
    if f.kind in LIMITS:
        return integer(f.kind, given, strict)
    if f.kind in REAL:
        return real(f.kind, given, strict)
    return OTHERS[f.kind](given, strict)
