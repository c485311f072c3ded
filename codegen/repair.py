"""Sources that protoc refuses: explained, and repaired where an enum lost values still in use.

A lost number is only put back where another schema tells it; it is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from .descriptors import compile_sources
from .errors import Place, Problem, Repair, SchemaError
from .lost_value import LostValue, find_lost_value
from .scan import scan
from .sources import Sources

MOST_PROBLEMS = 40


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of enum values in another schema, and how to call that schema."""

    origin: str
    by_enum: Mapping[str, Mapping[str, int]]

    @classmethod
    def read(cls, origin: str, descriptors: FileDescriptorSet) -> Numbers:
        """The numbers of every top-level enum."""
        return cls(
            origin,
            {
                f"{file.package}.{enum.name}".lstrip("."): {v.name: v.number for v in enum.value}
                for file in descriptors.file
                for enum in file.enum_type
            },
        )


def compile_explained(
    sources: Sources, numbers: Numbers | None = None
) -> tuple[FileDescriptorSet, tuple[Repair, ...]]:
    """The descriptors, and what was repaired to get them: nothing, unless `numbers` are given.

    SchemaError explains everything that protoc has against the sources and that was not repaired.
    """
    problems: list[Problem] = []
    repairs: list[Repair] = []
    seen: set[LostValue] = set()
    while True:
        compiled = compile_sources(sources)
        if isinstance(compiled, FileDescriptorSet):
            break
        stuck = False
        # Lines never move, so each complaint can be looked up in what the ones before it left.
        for error in compiled:
            loss = find_lost_value(sources, error)
            if loss is None or loss in seen:
                problems.append(Problem(error.place, error.words))
                stuck = True
                continue
            seen.add(loss)
            if numbers is None:
                # protoc stops at the first file that it refuses: without the default it goes on.
                problems.append(_explain(loss))
                sources = _drop_default(sources, loss)
            else:
                sources, repair = _repair(sources, loss, numbers)
                repairs.append(repair)
        if stuck:
            break
    if problems:
        raise SchemaError(_at_most(problems))
    assert isinstance(compiled, FileDescriptorSet)
    return compiled, tuple(repairs)


def _explain(loss: LostValue) -> Problem:
    d = loss.default
    return Problem(
        loss.place,
        f"{d.message}.{d.field}: its default {d.value} is not a value of {loss.enum}",
        f"Add the value to {loss.enum} ({loss.enum_place}), or remove the default; or run with "
        "--repair: it puts the value back if another schema tells its number, and goes on without "
        "the default if not.",
    )


def _repair(sources: Sources, loss: LostValue, numbers: Numbers) -> tuple[Sources, Repair]:
    d = loss.default
    what = f"{d.message}.{d.field}: {loss.enum} has no {d.value}"
    number = numbers.by_enum.get(loss.enum, {}).get(d.value)
    if number is None:
        known = (
            f"{numbers.origin} has none either" if numbers.origin else "no other schema was asked"
        )
        why = f"{what}, and {known}: went on without the default"
        return _drop_default(sources, loss), Repair(loss.place, why)
    text = sources.texts[loss.enum_place.file]
    enum = scan(text).enums[loss.enum]
    why = f"{what}: put back with the number {number}, which it has in {numbers.origin}"
    if enum.values.get(d.value) == number:  # put back for another field a moment ago
        return sources, Repair(loss.place, why)
    if not enum.allows(d.value, number):
        why = (
            f"{what}, which is {number} in {numbers.origin}, but here that name or number is "
            "reserved or in use: went on without the default"
        )
        return _drop_default(sources, loss), Repair(loss.place, why)
    # In front of the closing brace: no line moves, so what protoc says next can be looked up.
    text = f"{text[: enum.end]}{d.value} = {number}; {text[enum.end :]}"
    return sources.edited(loss.enum_place.file, text), Repair(loss.place, why)


def _drop_default(sources: Sources, loss: LostValue) -> Sources:
    """Blank the default out: no line and no column moves."""
    text = sources.texts[loss.place.file]
    for start, end in loss.default.spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return sources.edited(loss.place.file, text)


def _at_most(problems: list[Problem]) -> list[Problem]:
    rest = len(problems) - MOST_PROBLEMS
    if rest <= 0:
        return problems
    return [*problems[:MOST_PROBLEMS], Problem(Place("and"), f"{rest} more")]
