"""Payloads as a session file writes them: cTrader's JSON, with markers where a value is not known.

`<any>` and `<redacted>` stand for a field, a whole list or an item of one; `templates` has those
whose value is found when it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import count
from typing import Any, TypeGuard, cast

from ctrader_typed.errors import DecodeError
from ctrader_typed.message import Message
from ctrader_typed.message.fields import Field

from .templates import FIRST_FRESH, Made, fresh_name, is_template, request_field, since_now

ANY = "<any>"
"""Whatever comes, nothing included."""
REDACTED = "<redacted>"
"""What was removed when it was written down: any value, but there must be one."""

Payload = Mapping[str, Any]


def is_marker(value: object) -> bool:
    """Whether this stands for a value that is not known, or not to be told."""
    return isinstance(value, str) and value in (ANY, REDACTED)


def as_object(value: object) -> dict[str, Any] | None:
    """The value if it is a JSON object, else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """The value if it is a JSON list, else None."""
    return value if _is_list(value) else None


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


# --- as they are written -----------------------------------------------------------------------


def normal(cls: type[Message], payload: Payload) -> dict[str, Any]:
    """The payload as `to_dict` would write it, its markers kept.

    Takes what a client may send: attribute names as keys, enum names, numeric strings. Raises
    DecodeError naming the field that does not exist, does not fit, or is required and missing.
    """
    by_name = {f.name: f for f in cls.message_fields} | {f.key: f for f in cls.message_fields}
    result: dict[str, Any] = {}
    for key, given in payload.items():
        f = by_name.get(key)
        if f is None:
            close = get_close_matches(key, by_name, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise DecodeError(f"{cls.__name__} has no field {key!r}{hint}")
        if _stands_in(given) or not f.repeated:
            result[f.key] = _normal_value(cls, f, given)
            continue
        items = as_list(given)
        if items is None:
            raise DecodeError(f"{cls.__name__}.{f.key}: expected a list")
        if items:
            result[f.key] = [_normal_value(cls, f, item) for item in items]
    missing = [f.key for f in cls.required_fields if f.key not in result]
    if missing:
        raise DecodeError(f"{cls.__name__}: missing required fields: {', '.join(missing)}")
    return result


def _stands_in(value: object) -> bool:
    return is_marker(value) or is_template(value)


def _normal_value(cls: type[Message], f: Field, given: Any) -> Any:
    if _stands_in(given):
        return given
    if f.kind == "message":
        inner = as_object(given)
        if inner is None:
            raise DecodeError(f"{cls.__name__}.{f.key}: expected an object")
        return normal(cls.class_of(f), inner)
    if given is None:
        raise DecodeError(f"{cls.__name__}.{f.key}: null; leave out what is absent")
    holder = cls.blank().from_dict({f.key: [given] if f.repeated else given})
    value = holder.to_dict()[f.key]
    return value[0] if f.repeated else value


def templates(payload: Any) -> list[str]:
    """Every template somewhere in this payload."""
    inside = [*(as_object(payload) or {}).values(), *(as_list(payload) or [])]
    return [payload] if is_template(payload) else [t for value in inside for t in templates(value)]


def plain_field(cls: type[Message], path: str) -> Field | None:
    """The field at that path, if it is there and holds plain values; lists are not stepped into."""
    first, _, rest = path.partition(".")
    for f in cls.message_fields:
        if f.key == first and not rest:
            return None if f.kind == "message" else f
        if f.key == first and f.kind == "message" and not f.repeated:
            return plain_field(cls.class_of(f), rest)
    return None


def example(path: str, f: Field) -> dict[str, Any]:
    """A payload with some value of the field's kind at that path, and nothing else."""
    value: Any = {"string": "text", "bytes": "", "bool": False}.get(f.kind, 1)
    value = [value] if f.repeated else value
    for key in reversed(path.split(".")):
        value = {key: value}
    return cast("dict[str, Any]", value)


# --- as they are sent --------------------------------------------------------------------------


def fill(
    cls: type[Message], payload: Payload, request: Payload, made: Made | None = None
) -> Message:
    """The message that a normal payload describes, sent in answer to `request`.

    Templates take their value from the request, from what was `made` up, and from the time. Where
    a field is absent in the request, and for the markers, a string is sent as the text that stands
    there, another field left out, or 0 if it is required. DecodeError if the result is no message.
    """
    made = Made(count(FIRST_FRESH)) if made is None else made
    return cls.from_dict(_filled(cls, payload, _Source(request, made)))


def known(cls: type[Message], payload: Payload, fresh: Mapping[str, int]) -> Payload:
    """The payload of a client's message with the fresh numbers that were sent before it."""
    if not any(fresh_name(each) in fresh for each in templates(payload)):
        return payload
    fields = {f.key: f for f in cls.message_fields}
    return {key: _known_value(cls, fields[key], value, fresh) for key, value in payload.items()}


def _known_value(cls: type[Message], f: Field, value: Any, fresh: Mapping[str, int]) -> Any:
    items, inner = as_list(value), as_object(value)
    if items is not None:
        return [_known_value(cls, f, item, fresh) for item in items]
    if inner is not None:
        return known(cls.class_of(f), inner, fresh)
    number = fresh.get(fresh_name(value) or "")
    if number is None:
        return value
    return str(number) if f.kind == "string" else number


def look_up(payload: Payload, path: str) -> Any:
    """The value at a dotted path of schema keys; None if it is absent."""
    value: Any = payload
    for key in path.split("."):
        inner = as_object(value)
        value = None if inner is None else inner.get(key)
    return value


@dataclass(frozen=True, slots=True)
class _Source:
    """Where templates take their values from."""

    request: Payload
    made: Made

    def value(self, f: Field, given: object) -> Any:
        """The value that a template stands for in this field; None for none."""
        path, name, offset = request_field(given), fresh_name(given), since_now(given)
        if path is not None:
            return look_up(self.request, path)
        if name is not None:
            value = self.made.number(name)
        elif offset is not None:
            value = self.made.now_ms + offset
            value = value // 60_000 if f.key.endswith("InMinutes") else value
        else:
            return None
        return str(value) if f.kind == "string" else value


def _filled(cls: type[Message], payload: Payload, source: _Source) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for f in cls.message_fields:
        given = payload.get(f.key)
        items = as_list(given) if f.repeated else None
        if items is None:
            value = _filled_value(cls, f, given, source)
        else:
            filled = (_filled_value(cls, f, item, source) for item in items)
            value = [item for item in filled if item is not None]
        if value is not None:
            result[f.key] = value
    return result


def _filled_value(cls: type[Message], f: Field, value: Any, source: _Source) -> Any:
    found = source.value(f, value)
    if found is not None:
        return found
    if _stands_in(value):
        if f.kind == "string":
            return [value] if f.repeated else value
        return None if not f.required else False if f.kind == "bool" else 0
    inner = as_object(value) if f.kind == "message" else None
    return value if inner is None else _filled(cls.class_of(f), inner, source)
