"""FileDescriptorSet → Schema, or everything that stands in the way of one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from . import naming, overrides
from .collisions import collisions, method_collisions
from .errors import Place, Problem, Repair, SchemaError
from .exchanges import exchanges, unused_overrides
from .model import Declared, Exchange, Message, Schema
from .read import PAYLOAD_TYPE, read
from .unmappable import unmappable


class Built(NamedTuple):
    """A schema, and what had to be repaired to get it."""

    schema: Schema
    repairs: tuple[Repair, ...]


def declare(
    descriptors: FileDescriptorSet, ours: Collection[str], release: str
) -> tuple[Declared, list[Problem]]:
    """What the schema's own files (`ours`) declare, and what of it has no faithful form."""
    files = [file for file in descriptors.file if file.name in ours]
    problems = [problem for file in files for problem in unmappable(file, ours)]
    declared = read(files, release)
    return declared, [*problems, *collisions(declared)]


def build(
    descriptors: FileDescriptorSet,
    ours: Collection[str],
    release: str,
    *,
    repair: bool = False,
    committed: bool = False,
) -> Built:
    """The schema that the descriptors describe; SchemaError for what has no faithful form.

    With `repair`, a message whose payload type cannot be known becomes a plain one. For the
    `committed` schema everything that is kept by hand has to be of use.
    """
    declared, problems = declare(descriptors, ours, release)
    found = [
        *_plain_messages(declared, repair),
        *_duplicate_payload_types(declared),
        *exchanges(declared, overrides.ANSWERED_BY, repair=repair),
    ]
    requests = [item for item in found if isinstance(item, Exchange)]
    envelopes = [m for m in declared.messages if is_envelope(m)]
    problems += [item for item in found if isinstance(item, Problem)]
    problems += method_collisions(declared, requests)
    problems += _envelope_problems(envelopes)
    if committed:
        problems += unused_overrides(declared, overrides.ANSWERED_BY, naming.ODD_WORDS)
    if problems:
        raise SchemaError(sorted(problems, key=lambda problem: problem.place))
    schema = Schema(
        release=declared.release,
        files=declared.files,
        enums=declared.enums,
        messages=declared.messages,
        exchanges=tuple(requests),
        envelope=envelopes[0].name,
    )
    return Built(schema, tuple(item for item in found if isinstance(item, Repair)))


def _plain_messages(declared: Declared, repair: bool) -> Iterator[Problem | Repair]:
    for message in declared.messages:
        keys = {f.key for f in message.fields if f.kind == "enum"}
        if message.payload_type is None and PAYLOAD_TYPE in keys:
            place = Place(message.file, message.line)
            what = f"{message.name}: {PAYLOAD_TYPE} has no default that says its payload type"
            if repair:
                lost = "no method and no" if message.name.endswith("Req") else "no"
                yield Repair(
                    place, f"{what}: it is a plain message, with {lost} place in the registry"
                )
            else:
                remedy = "Declare the default, or let --repair make it a plain message."
                yield Problem(place, what, remedy)


def _duplicate_payload_types(declared: Declared) -> Iterator[Problem]:
    owners: dict[int, Message] = {}
    for message in declared.messages:
        number = message.payload_type
        if number is None:
            continue
        place = Place(message.file, message.line)
        if number < 0:
            what = f"{message.name}: payload type {number} is negative; the envelope has no sign"
            yield Problem(place, what, "Give the enum value another number.")
        owner = owners.setdefault(number, message)
        if owner is not message:
            yield Problem(
                place,
                f"{message.name}: payload type {number} is already that of {owner.name} "
                f"({Place(owner.file, owner.line)})",
                "Correct the default of one payloadType, or the number that it names.",
            )


def is_envelope(message: Message) -> bool:
    """Whether it carries all others: the payload's type and bytes, and the client's mark."""
    has = {(f.key, f.kind) for f in message.fields}
    return has >= {(PAYLOAD_TYPE, "uint32"), ("payload", "bytes"), ("clientMsgId", "string")}


def _envelope_problems(found: list[Message]) -> Iterator[Problem]:
    if not found:
        yield Problem(
            Place("the schema"),
            "no message is the envelope: uint32 payloadType, bytes payload, string clientMsgId",
            "Is this the whole schema? ProtoMessage is the envelope in every release known.",
        )
    for message in found[1:]:
        place = Place(message.file, message.line)
        what = f"{message.name} looks like the envelope, and so does {found[0].name}"
        yield Problem(place, what, "Only one message may carry the others.")
