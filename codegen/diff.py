"""Two schemas → what was added, removed and changed, and which of it breaks a client.

The client in question is code written for the old bindings: it breaks if it no longer runs on the
new ones, or if it and a server of the new schema no longer understand each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from .model import Declared, Enum, EnumValue, Field, Label, Message
from .read import PAYLOAD_TYPE
from .roles import Roles, roles


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `what` it is, and if it breaks a client, why it `breaks` it."""

    file: str
    element: str
    what: str
    old: str | int | bool | None = None
    new: str | int | bool | None = None
    breaks: str | None = field(default=None, kw_only=True)


NAMED = "code that names it no longer runs"
MEANS_OTHER = "the same bytes mean something else"

# What is written alike with 32 and with 64 bits, as long as the values fit.
_INTEGERS = ("int", "uint", "sint")


def differences(old: Declared, new: Declared) -> list[Change]:
    """Every difference but comments and order, as the schemas list them; enums first."""
    used = roles(old, new)
    changes: list[Change] = []
    for name in _in_order(old.enum, new.enum):
        changes += _enum(old.enum.get(name), new.enum.get(name))
    for name in _in_order(old.message, new.message):
        changes += _message(old.message.get(name), new.message.get(name), used)
    return changes


def _in_order(old: Collection[str], new: Collection[str]) -> Iterator[str]:
    yield from new
    yield from (name for name in old if name not in new)


def _whole(kind: str, old: Enum | Message | None, new: Enum | Message | None) -> Iterator[Change]:
    """What happened to an enum or message as a whole."""
    if new is None:
        assert old is not None
        yield Change(old.file, old.name, f"{kind} removed", breaks=NAMED)
    elif old is None:
        yield Change(new.file, new.name, f"{kind} added")
    else:
        if old.file != new.file:
            yield Change(new.file, new.name, f"{kind} moved", old.file, new.file)
        yield from _deprecation(new.file, new.name, old, new)


def _deprecation(
    file: str,
    element: str,
    old: Enum | EnumValue | Message | Field,
    new: Enum | EnumValue | Message | Field,
) -> Iterator[Change]:
    if old.deprecated != new.deprecated:
        yield Change(file, element, "deprecated" if new.deprecated else "no longer deprecated")


# --- enums ----------------------------------------------------------------------------------------


def _enum(old: Enum | None, new: Enum | None) -> Iterator[Change]:
    yield from _whole("enum", old, new)
    if old is None or new is None:
        return
    before = {v.key: v for v in old.values}
    after = {v.key: v for v in new.values}
    renamed = _renamed_values(before, after)
    for key, value in after.items():
        element = f"{new.name}.{key}"
        if key in before:
            number = before[key].number
            if number != value.number:
                yield Change(
                    new.file, element, "number changed", number, value.number, breaks=MEANS_OTHER
                )
            yield from _deprecation(new.file, element, before[key], value)
        elif key in renamed:
            yield Change(new.file, element, "value renamed", renamed[key], key, breaks=NAMED)
        else:
            yield Change(new.file, element, "value added", new=value.number)
    for key, value in before.items():
        if key not in after and key not in renamed.values():
            element = f"{new.name}.{key}"
            yield Change(new.file, element, "value removed", value.number, breaks=NAMED)


def _renamed_values(before: dict[str, EnumValue], after: dict[str, EnumValue]) -> dict[str, str]:
    """New spelling → old one, where a number lost its only name and has another one now."""
    gone = [v for v in before.values() if v.key not in after]
    come = [v for v in after.values() if v.key not in before]
    kept = {v.number for v in before.values() if v.key in after}
    renamed: dict[str, str] = {}
    for value in gone:
        names = [v.key for v in come if v.number == value.number]
        if len(names) == 1 and value.number not in kept:
            renamed[names[0]] = value.key
    return renamed


# --- messages -------------------------------------------------------------------------------------


def _message(old: Message | None, new: Message | None, used: Roles) -> Iterator[Change]:
    yield from _whole("message", old, new)
    if old is None or new is None:
        return
    if old.payload_type != new.payload_type:
        unknown = "the payload type that clients know it by is no longer its own"
        yield Change(
            new.file,
            new.name,
            "payload type changed",
            old.payload_type,
            new.payload_type,
            breaks=None if old.payload_type is None else unknown,
        )
    before = {f.key: f for f in old.fields}
    after = {f.key: f for f in new.fields}
    renamed = _renamed_fields(before, after)
    for key, f in after.items():
        element = f"{new.name}.{key}"
        if key in before:
            yield from _field(new, before[key], f, used)
        elif key in renamed:
            was = before[renamed[key]]
            why = f"{NAMED}, and so does JSON"
            yield Change(new.file, element, "field renamed", was.key, key, breaks=why)
            yield from _field(new, was, f, used)
        else:
            refused = f.label is Label.REQUIRED and new.name in used.sent
            why = "what clients send without it is refused"
            yield Change(
                new.file, element, "field added", new=describe(f), breaks=why if refused else None
            )
    for key, f in before.items():
        if key not in after and key not in renamed.values():
            element = f"{new.name}.{key}"
            yield Change(new.file, element, "field removed", describe(f), breaks=NAMED)


def _renamed_fields(before: dict[str, Field], after: dict[str, Field]) -> dict[str, str]:
    """New spelling → old one, where number and type stayed."""
    gone = {f.number: f for f in before.values() if f.key not in after}
    return {
        f.key: gone[f.number].key
        for f in after.values()
        if f.key not in before and f.number in gone and _type(gone[f.number]) == _type(f)
    }


def _type(f: Field) -> str:
    return f.type_name or f.kind


def describe(f: Field) -> str:
    """A field as a .proto file declares it, without its name."""
    return f"{f.label} {_type(f)} = {f.number}"


def _field(message: Message, old: Field, new: Field, used: Roles) -> Iterator[Change]:
    file, element = message.file, f"{message.name}.{new.key}"
    if old.number != new.number:
        yield Change(file, element, "number changed", old.number, new.number, breaks=MEANS_OTHER)
    if _type(old) != _type(new):
        why = _why_type(message, _type(old), _type(new), used)
        yield Change(file, element, "type changed", _type(old), _type(new), breaks=why)
    if old.label != new.label:
        why = _why_label(message, old.label, new.label, used)
        yield Change(file, element, "label changed", old.label, new.label, breaks=why)
    if old.default != new.default and new.key != PAYLOAD_TYPE:
        # Where none was declared, nobody could rely on one.
        why = None if old.default is None else "a field that is left out means something else"
        yield Change(file, element, "default changed", old.default, new.default, breaks=why)
    if old.packed != new.packed:
        # Readers accept both forms, as protobuf demands of them.
        yield Change(file, element, "packed changed", old.packed, new.packed)
    yield from _deprecation(file, element, old, new)


def _why_type(message: Message, old: str, new: str, used: Roles) -> str | None:
    if old.removesuffix("64") == new.removesuffix("32") in _INTEGERS:
        return (
            "larger values that clients send no longer fit" if message.name in used.sent else None
        )
    if old.removesuffix("32") == new.removesuffix("64") in _INTEGERS:
        return "clients cut larger values short" if message.name in used.received else None
    return "values have another type"


def _why_label(message: Message, old: Label, new: Label, used: Roles) -> str | None:
    if Label.REPEATED in (old, new):
        return "one value became a list, or a list one value"
    if new is Label.REQUIRED:
        return "what clients send without it is refused" if message.name in used.sent else None
    if message.name in used.received:
        return "clients refuse the message when it comes without the field"
    return None
