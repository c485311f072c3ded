"""What a .proto file can say and the generated classes cannot: it is refused, never dropped."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from . import locations as at
from .errors import Place, Problem
from .locations import Locations

Group = FieldDescriptorProto.TYPE_GROUP


def unmappable(file: FileDescriptorProto, ours: Collection[str]) -> Iterator[Problem]:
    """What stands in the way of one file; `ours` are the files that belong to the schema."""
    where = Locations(file)
    for index, imported in enumerate(file.dependency):
        if imported not in ours:
            yield Problem(
                where.place(at.DEPENDENCY, index),
                f'import "{imported}": it is not in the schema\'s folder',
                "Remove the import and what uses it.",
            )
    if file.syntax not in ("", "proto2"):
        yield Problem(
            Place(file.name),
            f"is written in {'an edition' if file.syntax == 'editions' else file.syntax}, "
            "whose rules of presence are other ones",
            'Write it in proto2 (syntax = "proto2"), as the rest of the Open API is.',
        )
        return
    for index, service in enumerate(file.service):
        yield Problem(
            where.place(at.SERVICE, index),
            f"service {service.name}: services have no form here, only requests",
            "Remove it; a message ...Req with a payload type and a message ...Res make a method.",
        )
    for index, extension in enumerate(file.extension):
        yield _extension(where.place(at.FILE_EXTENSION, index), extension)
    for index, message in enumerate(file.message_type):
        yield from _message(where, (at.MESSAGE, index), message)


def _extension(place: Place, extension: FieldDescriptorProto) -> Problem:
    return Problem(
        place,
        f"extend {extension.extendee.lstrip('.')} by {extension.name}: extensions have no form",
        "Declare the field in the message itself: its bytes are the same.",
    )


def _message(where: Locations, path: tuple[int, ...], m: DescriptorProto) -> Iterator[Problem]:
    groups = {f.type_name.rpartition(".")[2] for f in m.field if f.type == Group}
    maps = {n.name for n in m.nested_type if n.options.map_entry}
    for index, nested in enumerate(m.nested_type):
        if nested.name not in groups | maps:
            yield _nested(
                where.place(*path, at.NESTED_MESSAGE, index), m.name, "message", nested.name
            )
    for index, enum in enumerate(m.enum_type):
        yield _nested(where.place(*path, at.NESTED_ENUM, index), m.name, "enum", enum.name)
    for index, oneof in enumerate(m.oneof_decl):
        yield Problem(
            where.place(*path, at.ONEOF, index),
            f"{m.name}.{oneof.name}: a oneof has no form here",
            "Declare its fields as optional fields of the message: their bytes are the same.",
        )
    for index, _ in enumerate(m.extension_range):
        yield Problem(
            where.place(*path, at.EXTENSION_RANGE, index),
            f"{m.name}: extensions have no form here",
            "Remove the range, and declare the fields in the message itself.",
        )
    for index, extension in enumerate(m.extension):
        yield _extension(where.place(*path, at.EXTENSION, index), extension)
    for index, f in enumerate(m.field):
        yield from _field(where.place(*path, at.FIELD, index), m.name, f, maps)


def _nested(place: Place, outer: str, kind: str, name: str) -> Problem:
    return Problem(
        place,
        f"{outer}.{name}: a nested {kind} has no form here",
        f"Move the {kind} to the top level of the file: bytes do not know where it is declared.",
    )


def _field(
    place: Place, message: str, f: FieldDescriptorProto, maps: Collection[str]
) -> Iterator[Problem]:
    if f.type == Group:
        yield Problem(
            place,
            f"{message}.{f.name}: a group has no form here",
            "Declare a message and a field of its type; groups are written differently, so both "
            "ends have to change.",
        )
    elif f.type_name.rpartition(".")[2] in maps:
        yield Problem(
            place,
            f"{message}.{f.name}: a map has no form here",
            "Declare a message with the fields key = 1 and value = 2, and a repeated field of its "
            "type: the bytes are the same.",
        )
    if f.HasField("json_name") and f.json_name not in (f.name, _json_name(f.name)):
        yield Problem(
            place,
            f'{message}.{f.name}: json_name = "{f.json_name}" has no form here',
            "Remove the option: cTrader's JSON has the names of the fields as keys.",
        )


def _json_name(name: str) -> str:
    """The JSON name that protoc gives to a field which declares none."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
