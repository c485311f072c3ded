"""The differences of two schemas, for people and for machines. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from .diff import Change
from .errors import Repair
from .model import Declared


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two schemas that are compared."""

    folder: str
    declared: Declared
    repairs: tuple[Repair, ...]

    @property
    def title(self) -> str:
        release = self.declared.release
        return self.folder if release == "unknown" else f"{self.folder} (release {release})"


def as_text(old: Side, new: Side, changes: list[Change]) -> Iterator[str]:
    """Lines: grouped by file, then by enum or message; what breaks a client is marked with `!`."""
    for side in (old, new):
        yield from (f"repaired in {side.folder}: {repair}" for repair in side.repairs)
    yield f"{old.title} -> {new.title}"
    yield ""
    file = owner = ""
    for change in sorted(changes, key=lambda change: change.file):
        if change.file != file:
            yield change.file
            file, owner = change.file, ""
        if change.element.partition(".")[0] != owner:
            owner = change.element.partition(".")[0]
            yield f"    {owner}"
        yield f"  {'!' if change.breaks else ' '}     {_line(change)}"
    if changes:
        yield ""
    yield verdict(changes)


def _line(change: Change) -> str:
    name = change.element.partition(".")[2]
    text = f"{name}: {change.what}" if name else change.what
    values = " -> ".join(
        "none" if value is None else str(value)
        for value in (change.old, change.new)
        if change.what.endswith((" changed", " renamed", " moved")) or value is not None
    )
    text += f" ({values})" if values else ""
    return f"{text} - {change.breaks}" if change.breaks else text


def verdict(changes: list[Change]) -> str:
    """The last line: how many changes, and how many of them break a client."""
    breaking = sum(change.breaks is not None for change in changes)
    if not changes:
        return "No differences but, at most, comments and order."
    if breaking == 0:
        return f"{_count(len(changes))}; none breaks a client."
    verb = "breaks" if breaking == 1 else "break"
    return f"{_count(len(changes))}; {breaking} (marked !) {verb} a client."


def _count(number: int) -> str:
    return "1 change" if number == 1 else f"{number} changes"


def as_json(old: Side, new: Side, changes: list[Change]) -> str:
    """One JSON object; `breaks` is the reason, or null."""
    return json.dumps(
        {
            "old": _side(old),
            "new": _side(new),
            "breaks_a_client": any(change.breaks is not None for change in changes),
            "changes": [
                {
                    "file": change.file,
                    "element": change.element,
                    "change": change.what,
                    "old": change.old,
                    "new": change.new,
                    "breaks": change.breaks,
                }
                for change in changes
            ],
        },
        indent=2,
    )


def _side(side: Side) -> dict[str, object]:
    return {
        "folder": side.folder,
        "release": side.declared.release,
        "repairs": [str(repair) for repair in side.repairs],
    }
