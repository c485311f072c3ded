"""What dataclasses, inspect and betterproto see of a message class, worked out when they first ask.

Neither constructing nor coding a message comes here.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import betterproto

from .declaration import MessageType
from .fields import Field

T = TypeVar("T")


class Lazy(Generic[T]):
    """An attribute of a class and its instances, made once for each class: none is inherited."""

    __slots__ = ("_key", "_make")

    def __init__(self, make: Callable[[MessageType], T]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"_lazy_{name}"

    def __get__(self, instance: object, owner: MessageType) -> T:
        made: T | None = owner.__dict__.get(self._key)
        if made is None:
            made = self._make(owner)
            setattr(owner, self._key, made)
        return made


def dataclass_fields(cls: MessageType) -> dict[str, dataclasses.Field[Any]]:
    """`__dataclass_fields__`."""
    fields: dict[str, dataclasses.Field[Any]] = _twin(cls).__dataclass_fields__
    return fields


def dataclass_params(cls: MessageType) -> Any:
    """`__dataclass_params__`: no method is generated and nothing is frozen."""
    return _twin(cls).__dataclass_params__


def signature(cls: MessageType) -> inspect.Signature:
    """`__signature__` of the constructor: keywords only, required ones without a default.

    A subclass with a constructor of its own has no such attribute: inspect then looks at that.
    """
    constructor: Any = vars(cls).get("__init__", cls.__init__)  # type: ignore[misc]  # not called
    if constructor.__module__ != MessageType.__module__:
        raise AttributeError("__signature__")
    types = _annotations(cls)
    return inspect.Signature(
        [
            inspect.Parameter(
                f.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if f.required else () if f.repeated else None,
                annotation=types[f.name],
            )
            for f in cls.message_fields
        ]
    )


class Metadata(betterproto.ProtoClassMetadata):
    """Metadata that says whose it is: `inspect`, and so `help`, asks betterproto's base class for
    the attribute otherwise, which raises there.
    """

    __slots__ = ("__objclass__",)

    __objclass__: MessageType


def betterproto_metadata(cls: MessageType) -> Metadata:
    """`_betterproto`: what betterproto would work out from type hints."""
    fields = cls.message_fields
    meta = Metadata.__new__(Metadata)
    meta.__objclass__ = cls
    meta.oneof_group_by_field = {}
    meta.oneof_field_by_group = {}
    meta.meta_by_field_name = {f.name: _field_metadata(f) for f in fields}
    meta.field_name_by_number = {f.number: f.name for f in fields}
    meta.sorted_field_names = tuple(f.name for f in fields)
    meta.default_gen = {f.name: list if f.repeated else type(None) for f in fields}
    meta.cls_by_field = {
        f.name: cls.class_of(f) if f.of else _PYTHON.get(f.kind, int) for f in fields
    }
    return meta


_PYTHON = {"string": str, "bytes": bytes, "bool": bool, "double": float, "float": float}


def _field_metadata(f: Field) -> betterproto.FieldMetadata:
    return betterproto.FieldMetadata(f.number, f.kind, optional=f.optional)


def _annotations(cls: MessageType) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found |= vars(base).get("__annotations__", {})
    return {f.name: found[f.name] for f in cls.message_fields}


def _twin(cls: MessageType) -> Any:
    """A dataclass with the same fields, of which only the description is wanted."""
    types = _annotations(cls)
    return dataclasses.make_dataclass(
        cls.__name__,
        [
            *((f.name, types[f.name], _dataclass_field(f)) for f in cls.message_fields),
            # `fields` and `asdict` pass it over, but `replace` hands it to the constructor.
            ("_unknown_fields", dataclasses.InitVar[bytes], dataclasses.field(default=b"")),
            ("_unknown_json", dataclasses.InitVar[str], dataclasses.field(default="")),
        ],
        init=False,
        repr=False,
        eq=False,
        kw_only=True,
    )


def _dataclass_field(f: Field) -> Any:
    metadata = {"betterproto": _field_metadata(f)}
    shown = not f.secret and f.kind != "bytes"
    if f.repeated:
        return dataclasses.field(default_factory=list[Any], repr=shown, metadata=metadata)
    if f.required:
        return dataclasses.field(repr=shown, metadata=metadata)
    return dataclasses.field(default=None, repr=shown, metadata=metadata)
