"""Messages of this package's release and of another one as each other: by name, field by field.

The client's layers are written in the messages of this package's release. What they send becomes
the messages of the release that the client speaks; what comes is read by the same names, and what
that release lacks is absent.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ..errors import LocalProtocolError
from ..message import Message
from ..message.fields import Field
from ..proto import SCHEMA
from ..schema import Schema
from ..units import checks

M = TypeVar("M", bound=Message)


def translate(message: M, schema: Schema) -> M:
    """A message of any release as a message of this one: the same values by the same names.

    Raises LocalProtocolError if this release lacks the message, or a field that has a value.
    """
    if type(message) in schema.payload_types:
        return message
    checks.instance(message, "request", Message, "a message, such as ProtoOAVersionReq()")
    return _filled(schema.message(type(message)), message, schema.release)


def class_heard(cls: type[Any], schema: Schema) -> type[Any]:
    """The class of the events that a stream of `cls` gives in this release.

    Raises LocalProtocolError if it is a message that this release lacks. What is no message, or a
    base of messages, stays as it is.
    """
    if not isinstance(cls, type):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        checks.refuse(cls, "type of event", "a class, such as ProtoOASpotEvent")
    if cls in schema.payload_types or not issubclass(cls, Message):
        return cls
    if any(issubclass(known, cls) for known in schema.messages):
        return cls
    return schema.message(cls)


def _filled(cls: type[M], message: M, release: str) -> M:
    """An instance of `cls` with the values of `message`, and of the messages in it."""
    twin, fields = cls.blank(), {f.name: f for f in cls.message_fields}
    for name in (f.name for f in type(message).message_fields if message.is_set(f.name)):
        value, field = getattr(message, name), fields.get(name)
        if field is None:
            raise LocalProtocolError(f"release {release} has no field {name} in {cls.__name__}")
        if field.repeated:
            setattr(twin, name, [_converted(cls, field, each, release) for each in value])
        else:
            setattr(twin, name, _converted(cls, field, value, release))
    return twin


def _converted(cls: type[Message], field: Field, value: Any, release: str) -> Any:
    if isinstance(value, Message) and field.kind == "message":
        return _filled(cls.class_of(field), value, release)
    if isinstance(value, int) and field.kind == "enum":
        return cls.class_of(field)(int(value))
    return value


class _Absent:
    """A field that a message of another release lacks."""

    __slots__ = ("_name", "_release", "_value")

    def __init__(self, field: Field, release: str) -> None:
        self._name = field.name
        self._release = release
        self._value = () if field.repeated else None

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        return self._value

    def __set__(self, instance: object, value: object) -> None:
        if value is not None and value != []:
            cls = type(instance).__name__
            raise AttributeError(f"release {self._release} has no field {self._name} in {cls}")


def read_as_ours(schema: Schema) -> None:
    """Let the messages of another release be read as those of ours: what they lack is absent.

    A field that only ours have reads as None, or as an empty tuple, and as what ours give as its
    default. Setting it is an AttributeError: nothing would send it. Nothing changes in what is
    encoded, compared or shown.
    """
    for theirs in schema.messages:
        ours = SCHEMA.by_name.get(theirs.__name__)
        if ours is None or ours is theirs:
            continue
        for field in ours.message_fields:
            default = f"{field.name}_or_default"
            if not hasattr(theirs, field.name):
                setattr(theirs, field.name, _Absent(field, schema.release))
            if hasattr(ours, default) and not hasattr(theirs, default):
                setattr(theirs, default, getattr(ours, default))
