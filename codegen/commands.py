"""The commands, carried out: what there is to say, and the exit status. Prints nothing."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from . import compiling
from .diff import differences
from .diff_report import Side, as_json, as_text
from .errors import CodegenError, SchemaError
from .load import Folder, load_declared, load_schema
from .model import Schema
from .options import PROGRAM, Diff, Generate, parse
from .output import FileState, State, compare, unified_diff, write
from .render import render


class Outcome(NamedTuple):
    """What a command has to say, to whom, and how it ends."""

    status: int
    out: str = ""
    err: str = ""


def run(arguments: Sequence[str]) -> Outcome:
    """Carry out one command; only argparse ends the program, for --help or a misspelt option."""
    asked = None
    try:
        asked = parse(arguments)
        return _diff(asked) if isinstance(asked, Diff) else _generate(asked)
    except SchemaError as error:
        if isinstance(asked, Diff) and asked.as_json:
            return Outcome(error.exit_code, out=json.dumps(_as_object(error), indent=2))
        found = f"{_count(len(error.problems), 'problem')} in {error.folder}"
        return Outcome(error.exit_code, err=f"{PROGRAM}: {found}; nothing was done.\n{error}")
    except CodegenError as error:
        return Outcome(error.exit_code, err=f"{PROGRAM}: {error}")
    except OSError as error:
        return Outcome(CodegenError.exit_code, err=f"{PROGRAM}: {error.filename}: {error.strerror}")


def _as_object(error: SchemaError) -> dict[str, object]:
    return {
        "folder": error.folder,
        "problems": [
            {"file": p.place.file, "line": p.place.line, "what": p.what, "remedy": p.remedy}
            for p in error.problems
        ],
    }


def _generate(asked: Generate) -> Outcome:
    started = time.perf_counter()
    schema, repairs = load_schema(asked.schema, committed=asked.committed)
    compiled = asked.committed or asked.compile
    texts = render(schema, api=not asked.committed, compiled=compiled)
    states = compare(texts, asked.target)
    lines = [f"repaired: {repair}" for repair in repairs]
    if asked.check:
        current = all(s.state is State.CURRENT for s in states)
        if current and asked.compile and not compiling.is_built(asked.target):
            return Outcome(1, out=f"{_short(asked.target)} is current, but not compiled.")
        lines += _current(asked, states) if current else _not_current(asked, states)
        return Outcome(0 if current else 1, out="\n".join(lines))
    built = compiling.build(texts[compiling.SOURCE], asked.package) if asked.compile else None
    write(states, asked.target)
    if not asked.committed:
        compiling.remove(asked.target)
    if built is not None:
        (asked.target / built[0]).write_bytes(built[1])
    took = time.perf_counter() - started
    lines += [
        f"{_short(asked.schema.path)}, {_summary(schema)}",
        f"{_short(asked.target)}:",
        *_table(states),
        f"{_count(len(states), 'file')} in {took:.1f} s: {_counts(states)}",
        *([f"{built[0]} is the compiled codec for this Python."] if built else ()),
        _next_step(asked, states),
    ]
    return Outcome(0, out="\n".join(lines))


def _summary(schema: Schema) -> str:
    counts = [
        _count(len(schema.messages), "message"),
        _count(len(schema.enums), "enum"),
        _count(len(schema.exchanges), "request"),
    ]
    return f"release {schema.release}: {', '.join(counts)}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _table(states: list[FileState]) -> Iterator[str]:
    width = max(len(s.path) for s in states)
    for s in states:
        size = f"{len(s.rendered.splitlines()):,} lines" if s.state is not State.SURPLUS else ""
        yield f"  {s.path:<{width}}  {size:>12}  {s.state}"


def _current(asked: Generate, states: list[FileState]) -> Iterator[str]:
    yield f"{_short(asked.target)} is current: {_count(len(states), 'file')}"


def _not_current(asked: Generate, states: list[FileState]) -> Iterator[str]:
    for s in states:
        if s.state is not State.CURRENT:
            if s.by_hand:
                yield f"{_short(asked.target) / s.path} was not generated: move it elsewhere first."
            yield from unified_diff(s, _short(asked.target))
            yield ""
    yield f"{_short(asked.target)} is not current; generating it would leave {_counts(states)}."
    yield f"Next: run `{PROGRAM}` with the same arguments but --check, and commit what it writes."


def _next_step(asked: Generate, states: list[FileState]) -> str:
    if not asked.committed:
        return (
            f"Next: with {_short(asked.out)} on sys.path, `import {asked.package}`; "
            f'connect("demo", schema={asked.package}) speaks it.'
        )
    if all(s.state is State.CURRENT for s in states):
        return "Nothing to do: it was current."
    return "Next: `make test`, then commit it together with the change that caused it."


def _counts(states: list[FileState]) -> str:
    counts = Counter(s.state for s in states)
    return ", ".join(f"{counts[state]} {state}" for state in State if counts[state])


def _diff(asked: Diff) -> Outcome:
    old, new = (_side(folder) for folder in (asked.old, asked.new))
    changes = differences(old.declared, new.declared)
    report = as_json(old, new, changes) if asked.as_json else "\n".join(as_text(old, new, changes))
    return Outcome(int(any(change.breaks is not None for change in changes)), out=report)


def _side(folder: Folder) -> Side:
    declared, repairs = load_declared(folder)
    return Side(str(_short(folder.path)), declared, repairs)


def _short(path: Path) -> Path:
    """Relative to where the command runs, if it is below."""
    here, full = Path.cwd(), path.resolve()
    return full.relative_to(here) if full.is_relative_to(here) else path
