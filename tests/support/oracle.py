"""google.protobuf as the oracle for bytes: its classes for protos/, made when a test first asks.

Two sets of classes. `google_class` has the schema as it is. `plain_class` has the same schema as an
edition 2023 file, with int32 instead of enums: that takes out two habits which google has with
proto2 and we do not share, so that everything else can be compared. (google takes any bytes for a
string, and moves the numbers that an enum does not name to the unknown fields.)
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as GoogleDecodeError
from grpc_tools import protoc

from ctrader_typed.errors import CodecError, DecodeError
from ctrader_typed.message import Message, codec
from ctrader_typed.message.choice import Codecs
from ctrader_typed.proto import SCHEMA

from . import everything

PROTOS = Path(__file__).parents[2] / "protos"

_Field = descriptor_pb2.FieldDescriptorProto

MESSAGES: tuple[type[Message], ...] = (*SCHEMA.messages, *everything.MESSAGES)
"""Every message of the schema, and the invented ones that have what the schema lacks."""


@functools.cache
def files() -> tuple[descriptor_pb2.FileDescriptorProto, ...]:
    """The compiled .proto files, a file behind those that it imports, and `everything.proto`."""
    names = sorted(path.name for path in PROTOS.glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "schema.binpb"
        status = protoc.main(["protoc", f"-I{PROTOS}", f"--descriptor_set_out={out}", *names])
        assert status == 0, "protoc refused protos/; its message is above"
        compiled = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return (*compiled.file, everything.FILE)


@functools.cache
def _pool(plain: bool) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in files():
        pool.Add(_plain(file) if plain else file)
    return pool


def _plain(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    changed = descriptor_pb2.FileDescriptorProto.FromString(file.SerializeToString())
    changed.syntax, changed.edition = "editions", descriptor_pb2.EDITION_2023
    del changed.enum_type[:]
    for field in (field for message in changed.message_type for field in message.field):
        features = descriptor_pb2.FeatureSet()
        if field.type == _Field.TYPE_ENUM:
            field.type = _Field.TYPE_INT32
            field.ClearField("type_name")
            field.ClearField("default_value")
        if field.label == _Field.LABEL_REQUIRED:
            field.label = _Field.LABEL_OPTIONAL
            features.field_presence = descriptor_pb2.FeatureSet.LEGACY_REQUIRED
        if field.label == _Field.LABEL_REPEATED and not field.options.packed:
            features.repeated_field_encoding = descriptor_pb2.FeatureSet.EXPANDED
        field.ClearField("options")
        field.options.features.CopyFrom(features)
    return changed


@functools.cache
def google_class(cls: type[Message]) -> Any:
    """google.protobuf's class of the same message."""
    return message_factory.GetMessageClass(_pool(False).FindMessageTypeByName(cls.__name__))


@functools.cache
def plain_class(cls: type[Message]) -> Any:
    """The same in edition 2023, with int32 instead of enums."""
    return message_factory.GetMessageClass(_pool(True).FindMessageTypeByName(cls.__name__))


def fill(theirs: Any, ours: Message) -> Any:
    """Set the fields of a google message to those of ours, and return it."""
    for field in type(ours).message_fields:
        value = getattr(ours, field.name)
        if value is None:
            continue
        if field.kind == "message" and field.repeated:
            for part in value:
                fill(getattr(theirs, field.key).add(), part)
        elif field.kind == "message":
            getattr(theirs, field.key).SetInParent()
            fill(getattr(theirs, field.key), value)
        elif field.repeated:
            getattr(theirs, field.key).extend(value)
        else:
            setattr(theirs, field.key, value)
    return theirs


def ours_from(theirs: Any, cls: type[Message]) -> Message:
    """Our message with the fields of a google one, without its unknown fields."""
    ours = cls.blank()
    for field in cls.message_fields:
        value = getattr(theirs, field.key)
        part = cls.class_of(field) if field.of else None
        if field.kind == "message":
            part = functools.partial(_part, part)
        if field.repeated:
            setattr(ours, field.name, [item if part is None else part(item) for item in value])
        elif theirs.HasField(field.key):
            setattr(ours, field.name, value if part is None else part(value))
    return ours


def _part(cls: type[Message], value: Any) -> Message:
    return ours_from(value, cls)


def verdict(cls: type[Message], data: bytes) -> tuple[str, bytes]:
    """What should become of `data`: refused, incomplete or accepted, and the bytes that it becomes.

    `incomplete` is a message without all its required fields: google parses it and says so in
    IsInitialized, ours refuses it.
    """
    try:
        theirs = plain_class(cls).FromString(data)
    except GoogleDecodeError:
        return "refused", b""
    if not theirs.IsInitialized():
        return "incomplete", b""
    return "accepted", theirs.SerializeToString(deterministic=True)


def agree(cls: type[Message], data: bytes) -> str:
    """Check that ours does with these bytes what google does, and return google's verdict."""
    judged, expected = verdict(cls, data)
    try:
        ours, said = codec.decode(cls, data), ""
    except DecodeError as error:
        ours, said = None, str(error)
    shown = f"{judged} by google: {data.hex()}\nours: {ours} {said}"
    assert (ours is not None) == (judged == "accepted"), shown
    # What is wrong first is reported first; if the bytes are whole, something is missing.
    assert judged != "incomplete" or "required" in said, shown
    assert ours is None or codec.encode(ours) == expected, shown
    return judged


# --- the paths of our codec -----------------------------------------------------------------------


@functools.cache
def codecs() -> dict[str, Codecs]:
    """The functions that overtake the general path: in Python, and compiled where it was built."""
    found: dict[str, Codecs] = {"straight-line": import_module(SCHEMA.codecs).CODECS}
    if SCHEMA.compiled is not None and find_spec(SCHEMA.compiled) is not None:
        found["compiled"] = import_module(SCHEMA.compiled).CODECS
    return found


PATHS = ("general", *codecs())

WAYS = [(cls, "general") for cls in MESSAGES] + [
    (cls, name) for name, found in codecs().items() for cls in found
]
"""Every class with the general path, and with each straight-line codec that it has."""


def named(way: tuple[type[Message], str]) -> str:
    """The name of a test that takes one of WAYS."""
    return f"{way[0].__name__}-{way[1]}"


def one_outcome(cls: type[Message], action: Callable[[], Any]) -> Any:
    """What `action` returns, or its CodecError as (class, words): the same on every path."""
    outcomes: dict[str, Any] = {}
    for which in PATHS:
        with path(which, [cls]):
            try:
                outcomes[which] = action()
            except CodecError as error:
                outcomes[which] = type(error), str(error)
    first = outcomes["general"]
    for which, outcome in outcomes.items():
        same = outcome == first and repr(outcome) == repr(first)
        assert same, f"{which}: {outcome!r}\ngeneral: {first!r}"
    return first


@contextlib.contextmanager
def path(which: str, classes: Iterable[type[Message]] = SCHEMA.messages) -> Iterator[None]:
    """Inside, messages take this path only."""
    SCHEMA.prepare()  # else the first message would bring back the codec that runs elsewhere
    saved = [(cls, cls.straight_decode, cls.straight_encode) for cls in classes]
    codec.attach(codecs().get(which, {}), classes)
    try:
        yield
    finally:
        for cls, decode, encode in saved:
            cls.straight_decode, cls.straight_encode = decode, encode
