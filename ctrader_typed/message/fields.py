"""What the schema says of one field, in a form that costs next to nothing to import.

Generated classes call `field()` once for each field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

VARINT, FIXED64, LENGTH, GROUP_START, GROUP_END, FIXED32 = range(6)

WIRE_TYPE = {
    "int32": VARINT,
    "int64": VARINT,
    "uint32": VARINT,
    "uint64": VARINT,
    "sint32": VARINT,
    "sint64": VARINT,
    "bool": VARINT,
    "enum": VARINT,
    "double": FIXED64,
    "fixed64": FIXED64,
    "sfixed64": FIXED64,
    "float": FIXED32,
    "fixed32": FIXED32,
    "sfixed32": FIXED32,
    "string": LENGTH,
    "bytes": LENGTH,
    "message": LENGTH,
}
"""The wire type of each kind of field."""

FIXED = {
    "double": struct.Struct("<d"),
    "fixed64": struct.Struct("<Q"),
    "sfixed64": struct.Struct("<q"),
    "float": struct.Struct("<f"),
    "fixed32": struct.Struct("<I"),
    "sfixed32": struct.Struct("<i"),
}
"""How the kinds of fixed size are packed."""


MAX_DEPTH = 100
"""Messages and groups may nest this deep below the outermost one, as google.protobuf has it."""


class Field:
    """One field of a message: the schema's facts, and the name of the attribute that holds it.

    `key` is the schema's spelling, which is also the key in cTrader's JSON. `kind` is a scalar type
    of the schema, `enum` or `message`; `of` names the enum or message. `secret` marks credentials,
    which no repr shows. `name` and `module` are filled in by the class that declares the field.
    """

    __slots__ = (
        "key",
        "kind",
        "module",
        "name",
        "number",
        "of",
        "packed",
        "repeated",
        "required",
        "secret",
        "wire_type",
    )

    def __init__(
        self,
        number: int,
        kind: str,
        of: str,
        key: str,
        required: bool,
        repeated: bool,
        packed: bool,
        secret: bool,
    ) -> None:
        self.name = ""
        self.module = ""
        self.number = number
        self.kind = kind
        self.of = of
        self.key = key
        self.required = required
        self.repeated = repeated
        self.packed = packed
        self.secret = secret
        self.wire_type = WIRE_TYPE[kind]

    @property
    def optional(self) -> bool:
        """Neither required nor repeated: absent is None."""
        return not self.required and not self.repeated

    def __repr__(self) -> str:
        label = "required" if self.required else "repeated" if self.repeated else "optional"
        return f"<{label} {self.of or self.kind} {self.key} = {self.number}>"


_NO_DEFAULT: Any = object()


def field(
    number: int,
    kind: str,
    *,
    of: str = "",
    key: str = "",
    default: Any = _NO_DEFAULT,
    default_factory: Callable[[], Any] | None = None,
    packed: bool = False,
    secret: bool = False,
) -> Any:
    """Declare a field in the body of a message class.

    Without a default it is required, with `default=None` optional, with `default_factory=list`
    repeated: what a type checker reads from these arguments is what the schema says.
    """
    required = default is _NO_DEFAULT and default_factory is None
    return Field(number, kind, of, key, required, default_factory is not None, packed, secret)
