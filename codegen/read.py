"""FileDescriptorSet → what the .proto files declare, as values of `model`. Judges nothing."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from . import locations as at
from . import naming
from .locations import Locations
from .model import Declared, Enum, EnumValue, Field, File, Label, Message

PAYLOAD_TYPE = "payloadType"
_LABELS = {1: Label.OPTIONAL, 2: Label.REQUIRED, 3: Label.REPEATED}


def read(files: Iterable[FileDescriptorProto], release: str) -> Declared:
    """Every file, enum and message, in the order in which protoc lists them."""
    files = tuple(files)
    numbers = {
        (f".{file.package}.{e.name}".replace("..", "."), value.name): value.number
        for file in files
        for e in file.enum_type
        for value in e.value
    }
    return Declared(
        release=release,
        files=tuple(File(f.name, naming.module_name(f.name), tuple(f.dependency)) for f in files),
        enums=tuple(e for file in files for e in _enums(file)),
        messages=tuple(m for file in files for m in _messages(file, numbers)),
    )


def _enums(file: FileDescriptorProto) -> Iterator[Enum]:
    where = Locations(file)
    for index, e in enumerate(file.enum_type):
        path = (at.ENUM, index)
        yield Enum(
            name=e.name,
            file=file.name,
            deprecated=e.options.deprecated,
            doc=where.comment(*path),
            values=tuple(_values(e, where, path)),
            line=where.place(*path).line,
        )


def _values(e: EnumDescriptorProto, where: Locations, path: tuple[int, ...]) -> Iterator[EnumValue]:
    for index, value in enumerate(e.value):
        yield EnumValue(
            name=naming.member_name(value.name),
            key=value.name,
            number=value.number,
            deprecated=value.options.deprecated,
            doc=where.comment(*path, at.VALUE, index),
            line=where.place(*path, at.VALUE, index).line,
        )


def _messages(file: FileDescriptorProto, numbers: dict[tuple[str, str], int]) -> Iterator[Message]:
    where = Locations(file)
    for index, m in enumerate(file.message_type):
        path = (at.MESSAGE, index)
        fields = (_field(f, where, (*path, at.FIELD, i)) for i, f in enumerate(m.field))
        yield Message(
            name=m.name,
            file=file.name,
            doc=where.comment(*path),
            deprecated=m.options.deprecated,
            fields=tuple(sorted(fields, key=lambda f: f.number)),
            payload_type=_payload_type(m, numbers),
            line=where.place(*path).line,
        )


def _payload_type(m: DescriptorProto, numbers: dict[tuple[str, str], int]) -> int | None:
    """The number that the default of `payloadType` names: so a schema says what a message is."""
    for f in m.field:
        if f.name == PAYLOAD_TYPE and f.type == FieldDescriptorProto.TYPE_ENUM:
            return numbers.get((f.type_name, f.default_value))
    return None


def _field(f: FieldDescriptorProto, where: Locations, path: tuple[int, ...]) -> Field:
    kind = FieldDescriptorProto.Type.Name(f.type).removeprefix("TYPE_").lower()
    type_name = f.type_name.rpartition(".")[2] or None
    return Field(
        name=naming.field_name(f.name),
        key=f.name,
        number=f.number,
        label=_LABELS[f.label],
        kind=kind,
        type_name=type_name,
        default=default_source(f, kind, type_name) if f.HasField("default_value") else None,
        packed=f.options.packed,
        deprecated=f.options.deprecated,
        secret=kind == "string" and naming.is_secret(f.name),
        doc=where.comment(*path),
        line=where.place(*path).line,
    )


def default_source(f: FieldDescriptorProto, kind: str, type_name: str | None) -> str:
    """The declared default as Python source."""
    value = f.default_value
    if kind == "enum":
        return f"{type_name}.{naming.member_name(value)}"
    if kind == "bool":
        return value.capitalize()
    if kind == "string":
        return repr(value)
    if kind == "bytes":
        # protoc escapes bytes as C does; of its escapes, Python reads every one alike.
        return repr(value.encode("ascii").decode("unicode_escape").encode("latin-1"))
    if kind in ("double", "float"):
        return _float_source(float(value), kind)
    return value


def _float_source(value: float, kind: str) -> str:
    if kind == "float" and math.isfinite(value):
        (value,) = struct.unpack("<f", struct.pack("<f", value))
    return repr(value) if math.isfinite(value) else f'float("{value}")'
