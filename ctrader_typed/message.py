"""Messages: proto2 semantics on betterproto's base class and API.

Absent is None and zero is zero, required fields are required, declared defaults stand beside the field, unknown
fields and enum numbers survive. Knows no message by name; generated classes only declare their fields.

betterproto's own hooks for attribute access and construction are switched off: they cost more than the decoding.
What they provided (lazy defaults, oneof bookkeeping) this schema does not have.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import sys
from abc import ABCMeta
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

import betterproto
from typing_extensions import Self, dataclass_transform

from . import codec, dialect
from .codec.fields import Field, field
from .codec.reading import merge, require
from .errors import DecodeError

R = TypeVar("R", bound="Message")
T = TypeVar("T")

__all__ = ["Message", "MessageType", "OrDefault", "Request", "field", "or_default"]

_MASK = "***"


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
class MessageType(ABCMeta):
    """Makes a class of the fields that its body declares: slots, no defaults left on the class.

    Nothing else happens at import: 124 eager dataclasses would cost more than all the rest of it. What
    `dataclasses` and betterproto want to know of a class is worked out when they first ask.
    """

    message_fields: tuple[Field, ...]
    required_fields: tuple[Field, ...]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> MessageType:
        own = []
        for attribute, value in tuple(namespace.items()):
            if isinstance(value, Field):
                value.name = attribute
                own.append(namespace.pop(attribute))
        namespace.setdefault("__slots__", tuple(f.name for f in own))
        cls = super().__new__(mcs, name, bases, namespace)
        inherited = [f for base in bases for f in getattr(base, "message_fields", ())]
        fields = sorted(inherited + own, key=lambda f: f.number)
        cls.message_fields = tuple(fields)
        cls.required_fields = tuple(f for f in fields if f.required)
        # A subclass does not inherit what was written for its parent's fields alone.
        cls.straight_decode = cls.straight_encode = None
        return cls

    def class_of(cls, of: Field) -> Any:
        """The message or enum class that a field of this class holds."""
        for base in cls.__mro__:
            if of.name in base.__dict__.get("__slots__", ()):
                return getattr(sys.modules[base.__module__], of.of)
        raise KeyError(of.name)

    @property
    def _betterproto_meta(cls) -> betterproto.ProtoClassMetadata:
        # Per class, on demand: betterproto would let a subclass inherit its parent's.
        meta: betterproto.ProtoClassMetadata | None = cls.__dict__.get("_lazy_betterproto_meta")
        if meta is None:
            meta = cls._lazy_betterproto_meta = _betterproto_metadata(cls)
        return meta


class _LazyDataclassFields:
    """`__dataclass_fields__`, made when `dataclasses` first asks for it."""

    def __get__(self, instance: object, owner: MessageType) -> dict[str, dataclasses.Field[Any]]:
        fields: dict[str, dataclasses.Field[Any]] | None = owner.__dict__.get("_lazy_fields")
        if fields is None:
            fields = owner._lazy_fields = _dataclass_fields(owner)
        return fields


class Message(betterproto.Message, metaclass=MessageType):
    """The base of every generated message.

    Construct with keywords: `ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=108450)`. A required field that is
    left out is a TypeError; `Cls()` alone gives an empty message to `parse` or `from_dict` into. An absent
    optional field is None, an absent list is empty. Messages are mutable and not hashable; they are
    always true.
    """

    __slots__ = ("_unknown_fields",)
    __dataclass_fields__ = _LazyDataclassFields()
    __hash__ = None  # type: ignore[assignment]  # mutable, as betterproto's and google's messages

    straight_decode: ClassVar[Any]
    straight_encode: ClassVar[Any]
    _group_current: ClassVar[dict[str, str]] = {}

    if not TYPE_CHECKING:
        __getattribute__ = object.__getattribute__
        __setattr__ = object.__setattr__

        def __init__(self, **values: Any) -> None:
            # The first instance of a class compiles the constructor that all others use.
            cls = type(self)
            cls.__init__ = _constructor(cls)
            cls.__init__(self, **values)

    def __post_init__(self) -> None:
        """Nothing to do: betterproto's bookkeeping is not needed."""

    @classmethod
    def blank(cls) -> Self:
        """An instance with nothing set, required fields included: what a decoder fills."""
        self = cls.__new__(cls)
        for f in cls.message_fields:
            setattr(self, f.name, [] if f.repeated else None)
        self._unknown_fields = b""
        return self

    @property
    def _serialized_on_wire(self) -> bool:
        return True

    @_serialized_on_wire.setter
    def _serialized_on_wire(self, value: bool) -> None:
        """Betterproto's methods set it; presence here is what the fields say."""

    # --- bytes ---------------------------------------------------------------------------------------

    def __bytes__(self) -> bytes:
        """The protobuf bytes; EncodeError names a field that is unset or does not fit."""
        return codec.encode(self)

    def __len__(self) -> int:
        """The number of bytes on the wire, as in betterproto."""
        return len(codec.encode(self))

    def __bool__(self) -> bool:
        return True

    def SerializeToString(self) -> bytes:
        """Google's name for `bytes(message)`."""
        return codec.encode(self)

    def dump(self, stream: IO[bytes], delimit: bool = False) -> None:  # type: ignore[override]  # IO is what SupportsWrite means
        """Write the bytes to a stream, after their length as a varint if `delimit` is true."""
        data = codec.encode(self)
        stream.write(betterproto.encode_varint(len(data)) + data if delimit else data)

    @classmethod
    def FromString(cls, data: bytes) -> Self:
        """Read one message from exactly these bytes; DecodeError if they are not one."""
        return codec.decode(cls, bytes(data))

    def parse(self, data: bytes) -> Self:
        """Merge these bytes into this message, as protobuf merges, and return it.

        Raises DecodeError; the message is then left as it was.
        """
        data = bytes(data)
        merged = copy.deepcopy(self)
        try:
            merge(merged, data, 0, len(data))
            require(merged)
        except DecodeError as error:
            raise DecodeError(f"{type(self).__name__}: {error}") from None
        self._take(merged)
        return self

    def load(self, stream: IO[bytes], size: int | None = None) -> Self:  # type: ignore[override]  # IO is what SupportsRead means
        """Read from a stream: all of it, `size` bytes, or after a varint with `betterproto.SIZE_DELIMITED`."""
        if size == betterproto.SIZE_DELIMITED:
            size, _ = betterproto.load_varint(stream)
        data = stream.read() if size is None else stream.read(size)
        if size is not None and len(data) != size:
            raise DecodeError(
                f"{type(self).__name__}: expected {size} bytes in the stream, got {len(data)}"
            )
        return self.parse(data)

    def _take(self, other: Self) -> None:
        for f in type(self).message_fields:
            setattr(self, f.name, getattr(other, f.name))
        self._unknown_fields = other._unknown_fields

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).FromString, (codec.encode(self),)

    # --- dicts and JSON ------------------------------------------------------------------------------

    def to_dict(
        self,
        casing: betterproto.Casing = betterproto.Casing.CAMEL,
        include_default_values: bool = False,
    ) -> dict[str, Any]:
        """The message as cTrader's JSON has it: schema keys, integers as numbers, enums as integers.

        Absent fields and empty lists are left out unless `include_default_values`; bytes are base64. With another
        casing than CAMEL the keys are the attribute names.
        """
        by_key = casing is betterproto.Casing.CAMEL
        return dialect.to_dict(self, by_key=by_key, with_absent=include_default_values)

    def to_json(
        self,
        indent: None | int | str = None,
        include_default_values: bool = False,
        casing: betterproto.Casing = betterproto.Casing.CAMEL,
    ) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(casing, include_default_values), indent=indent)

    if TYPE_CHECKING:

        @classmethod
        def from_dict(cls, value: Mapping[str, Any], *, strict: bool = False) -> Self:  # type: ignore[override]  # betterproto's is a descriptor
            """A message from a mapping with schema keys or attribute names.

            Numbers may be numeric strings, enums numbers or names. Unknown keys are ignored unless `strict`, which
            refuses everything but the dialect that `to_dict` writes. Called on an instance, it sets
            the fields that the mapping has. Raises DecodeError naming the field.
            """
            ...

        @classmethod
        def from_json(cls, value: str | bytes, *, strict: bool = False) -> Self:  # type: ignore[override]  # a constructor too
            """`from_dict` of a JSON text; DecodeError if it is not a JSON object."""
            ...

    else:
        from_dict = dialect.ClassOrInstance(dialect.new_from_dict, dialect.update_from_dict)
        from_json = dialect.ClassOrInstance(dialect.new_from_json, dialect.update_from_json)

    def from_pydict(self, value: Mapping[str, Any]) -> Self:
        """Set the fields that the mapping has, nested mappings included, and return the message."""
        return dialect.update_from_dict(self, value)

    # --- comparing, copying, showing -----------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._unknown_fields == other._unknown_fields and all(
            _same(getattr(self, f.name), getattr(other, f.name))
            for f in type(self).message_fields
        )

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin._take(self)
        return twin

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        twin = type(self).__new__(type(self))
        for f in type(self).message_fields:
            setattr(twin, f.name, copy.deepcopy(getattr(self, f.name), memo))
        twin._unknown_fields = self._unknown_fields
        return twin

    def __replace__(self, **changes: Any) -> Self:
        """`copy.replace` of Python 3.13; unknown fields are kept."""
        twin = copy.copy(self)
        names = {f.name for f in type(self).message_fields}
        for name, value in changes.items():
            if name not in names:
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            setattr(twin, name, value)
        return twin

    def _shown(self) -> Iterator[tuple[str, Any]]:
        for f in type(self).message_fields:
            value = getattr(self, f.name)
            if value is None or (f.repeated and len(value) == 0):
                continue
            # Bytes are an inner message, which may hold a secret: their length is enough.
            yield f.name, _Masked(value) if f.secret or f.kind == "bytes" else value

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in self._shown()]
        if self._unknown_fields:
            parts.append(f"<{len(self._unknown_fields)} bytes of unknown fields>")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        yield from self._shown()

    def is_set(self, name: str) -> bool:
        """Whether a field has a value: not None, and for a list not empty."""
        value = getattr(self, name)
        return len(value) > 0 if isinstance(value, list) else value is not None


class Request(Message, Generic[R]):
    """A message that a client sends and the server answers with an `R`."""

    __slots__ = ()


class OrDefault(Generic[T]):
    """`message.<field>_or_default`: the field, or where it is absent the default that the schema declares."""

    __slots__ = ("_default", "_name")

    def __init__(self, name: str, default: T) -> None:
        self._name = name
        self._default = default

    @overload
    def __get__(self, instance: None, owner: type[Message]) -> Self: ...
    @overload
    def __get__(self, instance: Message, owner: type[Message]) -> T: ...
    def __get__(self, instance: Message | None, owner: type[Message]) -> Self | T:
        if instance is None:
            return self
        value: T | None = getattr(instance, self._name)
        return self._default if value is None else value


or_default = OrDefault


class _Masked:
    """What a repr shows instead of a secret or of raw bytes."""

    def __init__(self, value: Any) -> None:
        self._text = f"<{len(value)} bytes>" if isinstance(value, bytes) else f"'{_MASK}'"

    def __repr__(self) -> str:
        return self._text


def _same(mine: Any, other: Any) -> bool:
    if isinstance(mine, list) and isinstance(other, list):
        return len(mine) == len(other) and all(map(_same, mine, other))
    if isinstance(mine, float) and isinstance(other, float) and math.isnan(mine):
        return math.isnan(other)
    return bool(mine == other)


_UNSET: Any = object()


def _constructor(cls: type[Message]) -> Any:
    """Compile `__init__` for a class, with keywords, as dataclasses do."""
    parameters, body = [], []
    for f in cls.message_fields:
        if f.repeated:
            parameters.append(f"{f.name}=UNSET")
            body.append(f"self.{f.name} = [] if {f.name} is UNSET else {f.name}")
        else:
            parameters.append(f"{f.name}={'UNSET' if f.required else None}")
            body.append(f"self.{f.name} = {f.name}")
    body.append("self._unknown_fields = b''")
    if cls.required_fields:
        unset = " or ".join(f"{f.name} is UNSET" for f in cls.required_fields)
        body.append(f"if {unset}: refuse_or_blank(self)")
    signature = ", ".join(["self", "*", *parameters] if parameters else ["self"])
    source = f"def __init__({signature}):\n " + "\n ".join(body)
    names = {"UNSET": _UNSET, "refuse_or_blank": _refuse_or_blank}
    exec(source, names)  # noqa: S102 - as dataclasses do; the names come from our own class bodies
    constructor = names["__init__"]
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    return constructor


def _refuse_or_blank(self: Message) -> None:
    """Called by a constructor that misses required fields: only `Cls()`, to be filled later, may."""
    cls = type(self)
    missing = [f.name for f in cls.required_fields if getattr(self, f.name) is _UNSET]
    given = [f.name for f in cls.message_fields if f.name not in missing and self.is_set(f.name)]
    if given:
        raise TypeError(f"{cls.__name__} misses the required {', '.join(missing)}")
    for name in missing:
        setattr(self, name, None)


# --- what dataclasses and betterproto want to know ---------------------------------------------------


def _dataclass_fields(cls: MessageType) -> dict[str, dataclasses.Field[Any]]:
    specs: list[tuple[str, Any, Any]] = []
    hints = {k: v for base in reversed(cls.__mro__) for k, v in _annotations(base).items()}
    for f in cls.message_fields:
        group = f"_{f.name}" if f.optional else None  # betterproto's mark of presence
        metadata = {"betterproto": betterproto.FieldMetadata(f.number, f.kind, optional=f.optional, group=group and None)}
        if f.repeated:
            spec = dataclasses.field(default_factory=list, metadata=metadata)
        elif f.required:
            spec = dataclasses.field(metadata=metadata)
        else:
            spec = dataclasses.field(default=None, metadata=metadata)
        specs.append((f.name, hints[f.name], spec))
    twin = dataclasses.make_dataclass(cls.__name__, specs, kw_only=True, eq=False, repr=False)
    return twin.__dataclass_fields__


def _annotations(base: type) -> dict[str, Any]:
    return base.__dict__.get("__annotations__", {})


def _betterproto_metadata(cls: MessageType) -> betterproto.ProtoClassMetadata:
    meta = betterproto.ProtoClassMetadata.__new__(betterproto.ProtoClassMetadata)
    metadata = {f.name: f.metadata["betterproto"] for f in _dataclass_fields(cls).values()}
    meta.oneof_group_by_field = {}
    meta.oneof_field_by_group = {}
    meta.meta_by_field_name = metadata
    meta.field_name_by_number = {f.number: f.name for f in cls.message_fields}
    meta.sorted_field_names = tuple(f.name for f in cls.message_fields)
    meta.default_gen = {f.name: list if f.repeated else type(None) for f in cls.message_fields}
    meta.cls_by_field = {
        f.name: cls.class_of(f) if f.of else betterproto_scalar(f) for f in cls.message_fields
    }
    return meta


def betterproto_scalar(f: Field) -> type:
    """The Python type of a scalar kind."""
    scalars: dict[str, type] = {"string": str, "bytes": bytes, "bool": bool, "double": float, "float": float}
    return scalars.get(f.kind, int)
