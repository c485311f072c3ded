"""The schema as plain values: what the emitters may know, and all that they may know.

No text, no protobuf objects, no Python spellings that `naming` has not decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class Label(StrEnum):
    """How often a field may occur."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class EnumValue:
    """One named number of an enum; `key` is the schema's spelling, `name` the Python one."""

    name: str
    key: str
    number: int
    deprecated: bool
    doc: str
    line: int


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum as the schema declares it; the numbers may be open at run time."""

    name: str
    file: str
    deprecated: bool
    doc: str
    values: tuple[EnumValue, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    `key` is the schema's spelling (and the JSON key), `name` the Python attribute. `kind` is a
    scalar type of the schema, `enum` or `message`; `type_name` names the enum or message. `default`
    is the declared default as Python source, None where none is declared.
    """

    name: str
    key: str
    number: int
    label: Label
    kind: str
    type_name: str | None
    default: str | None
    packed: bool
    deprecated: bool
    secret: bool
    doc: str
    line: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message and, where it travels by itself, the payload type that names it on the wire."""

    name: str
    file: str
    doc: str
    deprecated: bool
    fields: tuple[Field, ...]
    payload_type: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, the message that answers it, and the Python method that sends it."""

    request: str
    response: str
    method: str


@dataclass(frozen=True, slots=True)
class File:
    """One .proto file; `module` is the Python module that its messages and enums go to."""

    name: str
    module: str
    imports: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the .proto files declare, in the order of the files."""

    release: str
    files: tuple[File, ...]
    enums: tuple[Enum, ...]
    messages: tuple[Message, ...]

    @cached_property
    def message(self) -> dict[str, Message]:
        """Messages by name."""
        return {m.name: m for m in self.messages}

    @cached_property
    def enum(self) -> dict[str, Enum]:
        """Enums by name."""
        return {e.name: e for e in self.enums}

    def file_of(self, name: str) -> str:
        """The .proto file that declares a message or enum."""
        return (self.message.get(name) or self.enum[name]).file

    def module_of(self, name: str) -> str:
        """The Python module that a message or enum goes to."""
        home = self.file_of(name)
        return next(file.module for file in self.files if file.name == home)


@dataclass(frozen=True, kw_only=True)
class Schema(Declared):
    """Everything that the emitters read: the declarations and what follows from them."""

    exchanges: tuple[Exchange, ...]
    envelope: str
