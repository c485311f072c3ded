"""{path: text} ↔ the folder that holds the generated package: compared, written, surplus removed.

Only files that carry the banner are ever replaced or removed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .errors import UsageError
from .render import BANNER

MOST_DIFF_LINES = 200
SOURCES = (".py", ".pyi", ".pyx")


class State(StrEnum):
    """How a file on disk stands to what was rendered."""

    CURRENT = "unchanged"
    CHANGED = "changed"
    MISSING = "new"
    SURPLUS = "removed"


@dataclass(frozen=True, slots=True)
class FileState:
    """One file of the package: its text on disk and as rendered, empty where there is none."""

    path: str
    state: State
    on_disk: str
    rendered: str

    @property
    def by_hand(self) -> bool:
        """Whether the file on disk is one that was not generated."""
        return self.state is not State.MISSING and not self.on_disk.startswith(f"# {BANNER}")


def compare(rendered: Mapping[str, str], folder: Path) -> list[FileState]:
    """Every rendered file and every other file of source in the folder, by path."""
    found = {path.name: path for path in folder.glob("*.py*") if path.suffix in SOURCES}
    states: list[FileState] = []
    for path in sorted({*rendered, *found}):
        old = found[path].read_text(encoding="utf-8") if path in found else ""
        new = rendered.get(path, "")
        if path not in rendered:
            state = State.SURPLUS
        elif path not in found:
            state = State.MISSING
        else:
            state = State.CURRENT if old == new else State.CHANGED
        states.append(FileState(path, state, old, new))
    return states


def write(states: list[FileState], folder: Path) -> None:
    """Make the folder hold what was rendered and nothing else.

    Raises UsageError and touches nothing if a file without the banner would be replaced or removed.
    """
    by_hand = [s.path for s in states if s.by_hand]
    if by_hand:
        raise UsageError(
            f"nothing was written: {', '.join(by_hand)} in {folder} was not generated (the first "
            "line is not our banner), and the folder is for generated files only. Move it "
            "elsewhere, or choose another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for s in states:
        if s.state is State.SURPLUS:
            (folder / s.path).unlink()
        elif s.state is not State.CURRENT:
            (folder / s.path).write_text(s.rendered, encoding="utf-8", newline="\n")


def unified_diff(state: FileState, folder: Path) -> Iterator[str]:
    """What would change in one file, as `diff -u` shows it; a very long one is cut."""
    path = (folder / state.path).as_posix()
    old = "/dev/null" if state.state is State.MISSING else path
    new = "/dev/null" if state.state is State.SURPLUS else path
    lines = list(
        difflib.unified_diff(
            state.on_disk.splitlines(),
            state.rendered.splitlines(),
            f"{old} (on disk)",
            f"{new} (generated)",
            lineterm="",
        )
    )
    yield from lines[:MOST_DIFF_LINES]
    if len(lines) > MOST_DIFF_LINES:
        yield f"... and {len(lines) - MOST_DIFF_LINES} more lines"
