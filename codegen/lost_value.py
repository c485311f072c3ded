"""protoc's complaint that a default is not in its enum → the field, message and enum concerned."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .descriptors import CompileError
from .errors import Place
from .scan import Default, scan
from .sources import Sources

_LOST = re.compile(r'Enum type "(?P<enum>[\w.]+)" has no value named "(?P<value>\w+)"\.')


@dataclass(frozen=True, slots=True)
class LostValue:
    """A default that names a value which its enum does not have."""

    place: Place
    default: Default
    enum: str
    enum_place: Place


def find_lost_value(sources: Sources, error: CompileError) -> LostValue | None:
    """What a complaint is about, if it is about a lost enum value and the place can be told."""
    match = _LOST.fullmatch(error.words)
    if match is None:
        return None
    enum_place = _enum_place(sources, match["enum"])
    for default in scan(sources.texts.get(error.place.file, "")).defaults:
        here = (default.line, default.value) == (error.place.line, match["value"])
        if here and enum_place is not None:
            return LostValue(error.place, default, match["enum"], enum_place)
    return None


def _enum_place(sources: Sources, name: str) -> Place | None:
    for file, text in sources.texts.items():
        enum = scan(text).enums.get(name)
        if enum is not None and enum.end is not None:
            return Place(file, enum.line)
    return None
