"""From the body of a class to its fields: what runs when a generated module is imported.

124 eager dataclasses would cost more than everything else at import, so a class is only given its
slots and the table of its fields. The rest (constructor, codecs, reflection) is made when it is
first asked for.
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, dataclass_transform, overload

import betterproto

from ..keywords import unexpected
from .fields import Field, field

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
class MessageType(ABCMeta):
    """The type of message classes.

    `message_fields` are the fields by number, `required_fields` those of them that are required.
    Fields become slots: nothing is left on the class, which keeps attribute access fast.
    """

    message_fields: tuple[Field, ...]
    required_fields: tuple[Field, ...]
    straight_decode: Any
    straight_encode: Any
    general_readers: Any
    general_writers: Any
    fields_by_key: Any

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> MessageType:
        own = {k: value for k, value in namespace.items() if isinstance(value, Field)}
        for attribute, declared in own.items():
            del namespace[attribute]
            declared.name, declared.module = attribute, namespace["__module__"]
        slots = namespace.get("__slots__", ())
        namespace["__slots__"] = (*((slots,) if isinstance(slots, str) else slots), *own)
        trampoline = bool(own) and "__init__" not in namespace
        cls = super().__new__(mcs, name, bases, namespace)
        inherited = [f for base in bases for f in getattr(base, "message_fields", ())]
        cls.message_fields = tuple(sorted([*inherited, *own.values()], key=lambda f: f.number))
        cls.required_fields = tuple(f for f in cls.message_fields if f.required)
        for what in ("name", "number"):
            if len({getattr(f, what) for f in cls.message_fields}) < len(cls.message_fields):
                raise TypeError(f"{name} has two fields of the same {what}: {cls.message_fields}")
        # A subclass does not inherit what was made for its parent's fields alone.
        cls.straight_decode = cls.straight_encode = None
        if trampoline:
            cls.__init__ = _compile_on_first_use(cls)  # type: ignore[misc]  # mypy: by no other way
        return cls

    def class_of(cls, of: Field) -> Any:
        """The message or enum class that a field of this class holds."""
        return getattr(sys.modules[of.module], of.of)


class FieldedMessage(betterproto.Message, metaclass=MessageType):
    """A message as far as codecs look at it: its fields, and the bytes of unknown ones."""

    __slots__ = ()

    @classmethod
    def blank(cls) -> Self:
        """An instance with nothing set, required fields included: what a decoder fills."""
        self = cls.__new__(cls)
        for f in cls.message_fields:
            setattr(self, f.name, [] if f.repeated else None)
        self._unknown_fields = b""
        return self

    def is_set(self, name: str) -> bool:
        """Whether a field has a value: not None, and for a list not empty."""
        value = getattr(self, name)
        return value is not None and value != []


# --- construction ---------------------------------------------------------------------------------


def _compile_on_first_use(cls: MessageType) -> Callable[..., None]:
    def __init__(self: FieldedMessage, /, **values: Any) -> None:  # noqa: N807 - it becomes the method
        # Two threads may both come here: they compile the same constructor.
        cls.__init__ = constructor = _constructor(cls)  # type: ignore[misc]  # as above
        constructor(self, **values)

    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return __init__


def _constructor(cls: MessageType) -> Callable[..., None]:
    """Compile `__init__` from the fields, as dataclasses do, with keywords only.

    `_unknown_fields` and `_unknown_json` are parameters too, so that `dataclasses.replace` passes
    them on.
    """
    parameters = "".join(f", {f.name}=None" for f in cls.message_fields)
    given = "_unknown_fields=b'', _unknown_json='', **_others_"
    lines = [f"def __init__(_self_, /, *{parameters}, {given}):"]
    lines.append(" if _others_: _refuse_others_(_self_, _others_)")
    for f in cls.message_fields:
        value = f"[] if {f.name} is None else {f.name}" if f.repeated else f.name
        lines.append(f" _self_.{f.name} = {value}")
    lines.append(" _self_._unknown_fields = _unknown_fields")
    lines.append(" if _unknown_json: _self_.__dict__['_unknown_json'] = _unknown_json")
    if cls.required_fields:
        unset = " or ".join(f"{f.name} is None" for f in cls.required_fields)
        lines.append(f" if {unset}: _refuse_unless_blank_(_self_)")
    names: dict[str, Any] = {
        "__name__": __name__,
        "_refuse_unless_blank_": _refuse_unless_blank,
        "_refuse_others_": _refuse_others,
    }
    exec("\n".join(lines), names)  # noqa: S102 - as dataclasses do, from the names of the fields
    constructor: Callable[..., None] = names["__init__"]
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    return constructor


def _refuse_others(message: FieldedMessage, others: dict[str, Any]) -> None:
    """Called with keywords that are no fields: the error names the nearest field."""
    cls = type(message)
    raise unexpected(cls.__name__, next(iter(others)), [f.name for f in cls.message_fields])


def _refuse_unless_blank(message: FieldedMessage) -> None:
    """Called when required fields are missing: only `Cls()`, to parse into, may do without them."""
    cls = type(message)
    missing = [f.name for f in cls.required_fields if getattr(message, f.name) is None]
    if any(message.is_set(f.name) for f in cls.message_fields):
        raise TypeError(f"{cls.__name__}() misses required fields: {', '.join(missing)}")


# --- declared defaults ----------------------------------------------------------------------------


class OrDefault(Generic[T]):
    """`message.<field>_or_default`: the field, or the declared default where it is absent."""

    __slots__ = ("_default", "_name")

    def __init__(self, name: str, default: T) -> None:
        self._name = name
        self._default = default

    @overload
    def __get__(self, instance: None, owner: type[FieldedMessage]) -> Self: ...
    @overload
    def __get__(self, instance: FieldedMessage, owner: type[FieldedMessage]) -> T: ...
    def __get__(self, instance: FieldedMessage | None, owner: type[FieldedMessage]) -> Self | T:
        if instance is None:
            return self
        value: T | None = getattr(instance, self._name)
        return self._default if value is None else value


or_default = OrDefault
