"""FileDescriptorSet → Schema. Every validation of upstream lives here."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from . import naming, overrides
from .errors import SchemaError
from .model import Enum, EnumValue, Exchange, Field, File, Label, Message, Schema

_LABELS = {1: Label.OPTIONAL, 2: Label.REQUIRED, 3: Label.REPEATED}


def build(descriptors: FileDescriptorSet, release: str) -> Schema:
    """The schema that the descriptors describe; SchemaError for what has no faithful form."""
    files = tuple(descriptors.file)
    numbers = {
        value.name: value.number for file in files for e in file.enum_type for value in e.value
    }
    messages = tuple(m for file in files for m in _messages(file, numbers))
    return Schema(
        release=release,
        files=tuple(
            File(f.name, naming.module_name(f.name), tuple(f.dependency)) for f in files
        ),
        enums=tuple(e for file in files for e in _enums(file)),
        messages=messages,
        exchanges=tuple(_exchanges({m.name: m for m in messages})),
        envelope=_envelope(messages),
    )


class _Comments:
    """The comment of each element of a file, by protoc's path to it."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._by_path = {
            tuple(location.path): location.leading_comments or location.trailing_comments
            for location in file.source_code_info.location
        }

    def at(self, *path: int) -> str:
        lines = self._by_path.get(path, "").splitlines()
        return "\n".join(line.strip() for line in lines).strip()


def _enums(file: FileDescriptorProto) -> Iterator[Enum]:
    comments = _Comments(file)
    for index, e in enumerate(file.enum_type):
        yield Enum(e.name, file.name, comments.at(5, index), _values(e, comments, index))


def _values(e: EnumDescriptorProto, comments: _Comments, index: int) -> tuple[EnumValue, ...]:
    return tuple(
        EnumValue(naming.member_name(value.name), value.number, comments.at(5, index, 2, at))
        for at, value in enumerate(e.value)
    )


def _messages(file: FileDescriptorProto, numbers: dict[str, int]) -> Iterator[Message]:
    comments = _Comments(file)
    for index, m in enumerate(file.message_type):
        fields = tuple(
            _field(f, comments.at(4, index, 2, at)) for at, f in enumerate(m.field)
        )
        yield Message(
            name=m.name,
            file=file.name,
            doc=comments.at(4, index),
            deprecated=m.options.deprecated,
            fields=tuple(sorted(fields, key=lambda f: f.number)),
            payload_type=_payload_type(m, numbers),
        )


def _payload_type(m: DescriptorProto, numbers: dict[str, int]) -> int | None:
    """The number that field 1's default names: how the schema says what a message is on the wire."""
    for f in m.field:
        if f.name == "payloadType" and f.type == FieldDescriptorProto.TYPE_ENUM:
            if f.default_value not in numbers:
                raise SchemaError(f"{m.name}.payloadType has no default that names its payload type")
            return numbers[f.default_value]
    return None


def _field(f: FieldDescriptorProto, doc: str) -> Field:
    kind = FieldDescriptorProto.Type.Name(f.type).removeprefix("TYPE_").lower()
    type_name = f.type_name.rpartition(".")[2] or None
    return Field(
        name=naming.snake_case(f.name),
        key=f.name,
        number=f.number,
        label=_LABELS[f.label],
        kind=kind,
        type_name=type_name,
        default=_default(f, kind, type_name),
        packed=f.options.packed,
        deprecated=f.options.deprecated,
        secret=kind == "string" and naming.is_secret(f.name),
        doc=doc,
    )


def _default(f: FieldDescriptorProto, kind: str, type_name: str | None) -> str | None:
    """The declared default as Python source."""
    if not f.HasField("default_value"):
        return None
    value = f.default_value
    if kind == "enum":
        return f"{type_name}.{naming.member_name(value)}"
    if kind == "bool":
        return value.capitalize()
    if kind == "string":
        return repr(value)
    if kind in ("double", "float"):
        return repr(float(value))
    return value


def _exchanges(messages: dict[str, Message]) -> Iterator[Exchange]:
    for name in messages:
        if name.endswith("Req") and messages[name].payload_type is not None:
            response = overrides.ANSWERED_BY.get(name, name.removesuffix("Req") + "Res")
            if response not in messages:
                raise SchemaError(f"{name} has no answer: {response} does not exist")
            yield Exchange(name, response, naming.method_name(name))


def _envelope(messages: tuple[Message, ...]) -> str:
    """The message that carries all others: a required number and the bytes of the payload."""
    found = [
        m.name
        for m in messages
        if any(f.key == "payloadType" and f.kind == "uint32" for f in m.fields)
        and any(f.key == "payload" and f.kind == "bytes" for f in m.fields)
    ]
    if len(found) != 1:
        raise SchemaError(f"expected one envelope message, found {', '.join(found) or 'none'}")
    return found[0]
