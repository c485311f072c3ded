"""`Message`: what every message can do.

betterproto's own hooks for attribute access and construction are switched off: they cost more than
the decoding. What they provide (lazy defaults, oneof bookkeeping) this schema does not need.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Never, Self, TypeVar

import betterproto

from ..errors import DecodeError
from ..keywords import suggest, unexpected
from ..units.checks import refuse
from . import codec, delimited, json_format, reflection
from .declaration import FieldedMessage

if TYPE_CHECKING:
    from _typeshed import SupportsRead, SupportsWrite

R = TypeVar("R", bound="Message")
T = TypeVar("T")

_CAMEL: Any = vars(betterproto.Casing)["CAMEL"]  # type checkers take it for a method


class Message(FieldedMessage):
    """The base of every generated message.

    Construct with keywords: `ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=108450)`.
    A required field that is left out is a TypeError; `Cls()` alone gives an empty message to
    `parse` or `from_dict` into, which `bytes()` refuses until its required fields are set. An
    absent optional field is None, an absent list is empty. Messages are mutable and not hashable;
    they are always true. An attribute that the class does not have can be set, as on most Python
    objects, but such a message is not written: EncodeError.
    """

    __slots__ = ("_unknown_fields",)
    _suggests: ClassVar = True  # by itself: see `declaration` and the methods that have it
    # No slot: a message that has some keeps them in its __dict__, which hardly any message has.
    _unknown_json: ClassVar[str] = ""
    _lost_keys: ClassVar[tuple[str, ...]] = ()
    __match_args__ = ()
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # mutable, as google's messages
    __signature__ = reflection.Lazy(reflection.signature)
    __dataclass_fields__: ClassVar[Any] = reflection.Lazy(reflection.dataclass_fields)
    __dataclass_params__ = reflection.Lazy(reflection.dataclass_params)

    if TYPE_CHECKING:

        def __setattr__(self, attr: str, value: Never) -> None:
            """Never for what is no field: a misspelt attribute is a type error too."""

    else:  # betterproto's, which declares them as something else
        _betterproto = reflection.Lazy(reflection.betterproto_metadata)
        _group_current: ClassVar[dict[str, str]] = {}  # there are no oneofs
        # Its methods set it, and `serialized_on_wire` asks; presence here is what the fields say.
        _serialized_on_wire = property(lambda self: True, lambda self, value: None)
        __getattribute__ = object.__getattribute__
        __setattr__ = object.__setattr__

        def __init__(self, *, _unknown_fields: bytes = b"", _unknown_json: str = "") -> None:
            self.__post_init__(_unknown_fields, _unknown_json)

    def __post_init__(self, _unknown_fields: bytes = b"", _unknown_json: str = "") -> None:
        """Called only by the constructor of a subclass that `@dataclass` was applied to."""
        self._unknown_fields = _unknown_fields
        if _unknown_json:
            object.__setattr__(self, json_format.UNKNOWN, _unknown_json)

    # --- bytes ------------------------------------------------------------------------------------

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

    @suggest
    def dump(self, stream: SupportsWrite[bytes], delimit: bool = False) -> None:
        """Write the bytes to a stream, after their length as a varint if `delimit`.

        `betterproto.SIZE_DELIMITED` counts as true.
        """
        data = codec.encode(self)
        stream.write(delimited.delimited(data) if delimit else data)

    @classmethod
    def FromString(cls, data: bytes | bytearray | memoryview) -> Self:
        """Read one message from exactly these bytes; DecodeError if they are not one."""
        return codec.decode(cls, _plain(data))

    def parse(self, data: bytes | bytearray | memoryview) -> Self:
        """Merge these bytes into this message, as protobuf merges, and return it.

        Raises DecodeError; the message is then left as it was.
        """
        cls = type(self)
        if not self._unknown_fields and not any(self.is_set(f.name) for f in cls.message_fields):
            return self._take(codec.decode(cls, _plain(data)))
        merged = copy.deepcopy(self)
        codec.merge(merged, _plain(data))
        return self._take(merged)

    @suggest
    def load(self, stream: SupportsRead[bytes], size: int | None = None) -> Self:
        """`parse` from a stream: all of it, `size` bytes, or with `betterproto.SIZE_DELIMITED` what
        `dump` delimited. Raises DecodeError also where the stream ends too early.
        """
        try:
            if size == betterproto.SIZE_DELIMITED:
                size = delimited.read_length(stream)
            data = stream.read() if size is None else delimited.read_exactly(stream, size)
        except DecodeError as error:
            raise DecodeError(f"{type(self).__name__}{error}") from None
        return self.parse(data)

    def _take(self, other: Self) -> Self:
        for f in type(self).message_fields:
            setattr(self, f.name, getattr(other, f.name))
        self._unknown_fields = other._unknown_fields
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        data = codec.encode(self)
        if not self._has_unknown_json():
            return type(self).FromString, (data,)
        fields = {f.name: getattr(self, f.name) for f in type(self).message_fields}
        return _restored, (type(self), fields, self._unknown_fields, self._unknown_json)

    def _has_unknown_json(self) -> bool:
        """Whether there are keys, here or in messages inside, that the bytes do not have."""
        return self._unknown_json != "" or any(
            part._has_unknown_json()
            for f in type(self).message_fields
            if f.kind == "message" and (value := getattr(self, f.name)) is not None
            for part in (value if f.repeated else (value,))
        )

    # --- dicts and JSON ---------------------------------------------------------------------------

    @suggest
    def to_dict(
        self,
        casing: Any = _CAMEL,
        include_default_values: bool = False,
    ) -> dict[str, Any]:
        """The message as cTrader's JSON has it: schema keys, enums as integers, int64 as numbers.

        Absent fields and empty lists are left out, unless `include_default_values` shows them as
        None and []; bytes are base64, and a double that JSON has no number for is "NaN",
        "Infinity" or "-Infinity". With another casing than CAMEL the keys are the attribute names.
        Raises EncodeError naming the field whose value is not of its type.
        """
        return json_format.to_dict(self, _style(casing, include_default_values))

    @suggest
    def to_json(
        self,
        indent: int | str | None = None,
        include_default_values: bool = False,
        casing: Any = _CAMEL,
    ) -> str:
        """`to_dict` as JSON text."""
        return json_format.to_json(self, _style(casing, include_default_values), indent)

    @suggest
    def to_pydict(
        self,
        casing: Any = _CAMEL,
        include_default_values: bool = False,
    ) -> dict[str, Any]:
        """Like `to_dict`, with bytes, enum members and doubles as they are."""
        return json_format.to_dict(self, _style(casing, include_default_values, python=True))

    if TYPE_CHECKING:

        @classmethod
        def from_dict(  # pyright: ignore[reportIncompatibleVariableOverride] - a descriptor there
            cls, value: Mapping[str, Any], *, strict: bool = False
        ) -> Self:
            """A message from a mapping with schema keys or attribute names.

            Numbers may be numeric strings, enums numbers or names, and null is absent; unknown keys
            are kept, and shown again by `to_dict` and `to_json`, if JSON has their values. `strict`
            refuses all of these: what is left is the dialect that `to_dict` writes. Called on an
            instance, it sets the fields that the mapping has and returns the instance. Raises
            DecodeError with the path to what does not fit; an instance is then left as it was.
            """
            ...

        @classmethod
        def from_json(  # pyright: ignore[reportIncompatibleMethodOverride] - no constructor there
            cls, value: str | bytes, *, strict: bool = False
        ) -> Self:
            """`from_dict` of a JSON text; DecodeError if it is not a JSON object.

            Of a key that comes twice the last one counts, unless `strict` refuses it.
            """
            ...

    else:
        from_dict = json_format.ClassOrInstance(
            suggest(json_format.new_from_dict), suggest(json_format.update_from_dict)
        )
        from_json = json_format.ClassOrInstance(
            suggest(json_format.new_from_json), suggest(json_format.update_from_json)
        )

    @suggest
    def from_pydict(self, value: Mapping[str, Any]) -> Self:
        """Set the fields that the mapping has, nested mappings included, and return the message."""
        return json_format.update_from_dict(self, value)

    # --- comparing, copying, showing --------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """Of the same class, with equal fields (NaN equals NaN) and the same unknown ones."""
        if not isinstance(other, Message) or type(self) is not type(other):
            return NotImplemented
        return (
            self._unknown_fields == other._unknown_fields
            and self._unknown_json == other._unknown_json
            and all(
                _same(getattr(self, f.name), getattr(other, f.name))
                for f in type(self).message_fields
            )
        )

    def __copy__(self, _: Any = None) -> Self:
        twin = type(self).__new__(type(self))._take(self)
        for name, value in self.__dict__.items():
            setattr(twin, name, value)
        return twin

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        twin = copy.copy(self)
        for f in type(self).message_fields:
            setattr(twin, f.name, copy.deepcopy(getattr(self, f.name), memo))
        return twin

    def __replace__(self, **changes: Any) -> Self:
        """`copy.replace` of Python 3.13."""
        twin = copy.copy(self)
        names = {f.name for f in type(self).message_fields}
        for name, value in changes.items():
            if name not in names:
                raise unexpected(type(self).__name__, name, names)
            setattr(twin, name, value)
        return twin

    def _shown(self) -> Iterator[tuple[str, Any]]:
        for f in type(self).message_fields:
            value = getattr(self, f.name, None)
            if value is None or value == []:
                continue
            # Bytes are an inner message, which may hold a secret: their length is enough.
            yield f.name, _Masked(value) if f.secret or f.kind == "bytes" else value

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in self._shown()]
        if self._unknown_fields:
            parts.append(f"<{len(self._unknown_fields)} bytes of unknown fields>")
        if self._unknown_json:
            parts.append(f"<{len(self._unknown_json)} characters of unknown keys>")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __rich_repr__(self) -> Iterator[tuple[str, Any, Any]]:
        return ((name, value, None) for name, value in self._shown())


class Request(Message, Generic[R]):
    """A message that a client sends and the server answers with an `R`."""

    __slots__ = ()


def _restored(
    cls: type[Message], fields: dict[str, Any], unknown_fields: bytes, unknown_json: str
) -> Message:
    """What was pickled with keys that protobuf cannot write."""
    message = cls.blank()
    for name, value in fields.items():
        setattr(message, name, value)
    message.__post_init__(unknown_fields, unknown_json)
    return message


def listed(values: Iterable[T], name: str) -> list[T]:
    """The values of a repeated field, as a method of the API was given them; InvalidValue names the
    field if they are no list.
    """
    given: object = values
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        refuse(given, name, f"a list, such as {name}=[{given!r}]")
    return list(values)


class _Masked:
    """What a repr shows instead of a secret or of raw bytes."""

    __slots__ = ("_text",)

    def __init__(self, value: object) -> None:
        self._text = f"<{len(value)} bytes>" if isinstance(value, bytes) else "'***'"

    def __repr__(self) -> str:
        return self._text


def _plain(data: bytes | bytearray | memoryview) -> bytes:
    # Not bytes(data) alone: bytes(5) is five zeros.
    return data if type(data) is bytes else bytes(memoryview(data))


def _style(casing: Any, with_absent: bool, python: bool = False) -> json_format.Style:
    return json_format.Style(casing is _CAMEL, with_absent, python)


def _same(mine: Any, other: Any) -> bool:
    if type(mine) is type(other) is list:
        return len(mine) == len(other) and all(map(_same, mine, other))
    if isinstance(mine, float) and isinstance(other, float) and math.isnan(mine):
        return math.isnan(other)
    return bool(mine == other)
