"""Two invented messages with what the schema of today lacks: every kind of field with every label,
and a message inside its own kind, as deep as one likes.

The same facts are stated twice, for google.protobuf and for ours, from one table.
"""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from ctrader_typed.enums import Enum
from ctrader_typed.message import Message, MessageType, field
from ctrader_typed.message.fields import WIRE_TYPE

LENGTH = 2


class Mood(Enum):
    """An enum with a negative number and a gap."""

    GLOOMY = -1
    CALM = 0
    MERRY = 7


class Nested(Message):
    """A message inside messages; the first field of it is required."""

    required_number: int = field(1, "int32", key="requiredNumber")
    child: Nested | None = field(2, "message", of="Nested", key="child", default=None)
    children: list[Nested] = field(3, "message", of="Nested", key="children", default_factory=list)
    text: str | None = field(200_000, "string", key="text", default=None)


def _everything() -> MessageType:
    namespace: dict[str, object] = {"__module__": __name__, "__annotations__": {}}
    number = 0
    for kind in WIRE_TYPE:
        of = {"enum": "Mood", "message": "Nested"}.get(kind, "")
        for label in ("required", "optional", "repeated", "packed"):
            if label == "packed" and WIRE_TYPE[kind] == LENGTH:
                continue
            number += 1
            name, key = f"{label}_{kind}", f"{label}{kind.capitalize()}"
            arguments = {"optional": {"default": None}, "required": {}}.get(
                label, {"default_factory": list, "packed": label == "packed"}
            )
            namespace["__annotations__"][name] = object  # type: ignore[index]  # it is a dict
            namespace[name] = field(number, kind, of=of, key=key, **arguments)  # type: ignore[arg-type]  # as the loop has them
    return MessageType("Everything", (Message,), namespace)


Everything = _everything()

MESSAGES: tuple[type[Message], ...] = (Nested, Everything)


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="everything.proto", syntax="proto2")
    mood = file.enum_type.add(name="Mood")
    for member in (Mood.CALM, Mood.GLOOMY, Mood.MERRY):
        mood.value.add(name=member.name, number=member.value)
    for cls in MESSAGES:
        message = file.message_type.add(name=cls.__name__)
        for f in cls.message_fields:
            label = "REQUIRED" if f.required else "REPEATED" if f.repeated else "OPTIONAL"
            added = message.field.add(
                name=f.key,
                number=f.number,
                type=getattr(FieldDescriptorProto, f"TYPE_{f.kind.upper()}"),
                label=getattr(FieldDescriptorProto, f"LABEL_{label}"),
            )
            if f.of:
                added.type_name = f".{f.of}"
            if f.packed:
                added.options.packed = True
    return file


FILE = _file()
