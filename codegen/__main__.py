"""`python -m codegen`: does what `options` made of the command line, and says what was done."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from .diff import differences
from .diff_report import Side, as_json, as_text
from .errors import CodegenError, Repair, SchemaError
from .load import Folder, load_declared, load_schema
from .options import Diff, Generate, parse
from .output import FileState, State, compare, unified_diff, write
from .render import render

PROGRAM = "python -m codegen"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    asked = None
    try:
        asked = parse(sys.argv[1:] if arguments is None else arguments)
        return diff(asked) if isinstance(asked, Diff) else generate(asked)
    except SchemaError as error:
        if isinstance(asked, Diff) and asked.as_json:
            print(json.dumps({"problems": [str(problem) for problem in error.problems]}, indent=2))
        else:
            _print_problems(error)
        return error.exit_code
    except CodegenError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{PROGRAM}: {error.filename}: {error.strerror}", file=sys.stderr)
        return CodegenError.exit_code


def generate(asked: Generate) -> int:
    """Write a package, or with --check compare it with what is on disk."""
    started = time.perf_counter()
    schema, repairs = load_schema(asked.schema, committed=asked.committed)
    states = compare(render(schema, api=not asked.committed), asked.target)
    if asked.check:
        return check(asked, states)
    _print_repairs(repairs)
    write(states, asked.target)
    print(
        f"{_short(asked.schema.path)}, release {schema.release}: {len(schema.messages)} messages, "
        f"{len(schema.enums)} enums, {len(schema.exchanges)} requests."
    )
    print(f"{_short(asked.target)}:")
    width = max(len(s.path) for s in states)
    for s in states:
        lines = (
            f"{len(s.rendered.splitlines()):6,} lines" if s.state is not State.SURPLUS else " " * 12
        )
        print(f"  {s.path:<{width}} {lines}  {s.state}")
    took = time.perf_counter() - started
    print(f"{len(states)} files in {took:.1f} s: {_counts(states)}.")
    print(_next_step(asked, states))
    return 0


def check(asked: Generate, states: list[FileState]) -> int:
    """Show what differs from what is on disk."""
    differing = [s for s in states if s.state is not State.CURRENT]
    if not differing:
        print(f"{_short(asked.target)} is current: {len(states)} files.")
        return 0
    for s in differing:
        for line in unified_diff(s, _short(asked.target)):
            print(line)
        print()
    print(f"{_short(asked.target)} is not current. Generating would leave {_counts(states)}.")
    print(f"Next: run `{PROGRAM}` with the same arguments, without --check, and commit the result.")
    return 1


def diff(asked: Diff) -> int:
    """Compare two schemas."""
    old, new = (_side(folder) for folder in (asked.old, asked.new))
    changes = differences(old.declared, new.declared)
    if asked.as_json:
        print(as_json(old, new, changes))
    else:
        for line in as_text(old, new, changes):
            print(line)
    return int(any(change.breaks is not None for change in changes))


def _side(folder: Folder) -> Side:
    declared, repairs = load_declared(folder)
    return Side(str(_short(folder.path)), declared, repairs)


def _print_repairs(repairs: Iterable[Repair]) -> None:
    for repair in repairs:
        print(f"repaired: {repair}")


def _print_problems(error: SchemaError) -> None:
    count = len(error.problems)
    print(f"{PROGRAM}: {count} problem{'s'[: count != 1]}, nothing was written:", file=sys.stderr)
    print(error, file=sys.stderr)


def _counts(states: list[FileState]) -> str:
    counts = Counter(s.state for s in states)
    return ", ".join(f"{counts[state]} {state}" for state in State if counts[state])


def _next_step(asked: Generate, states: list[FileState]) -> str:
    if not asked.committed:
        out = _short(asked.target.joinpath(*[".."] * len(asked.package.split("."))).resolve())
        return (
            f"Next: with {out} on sys.path, `import {asked.package}` and pass it on: "
            f'connect("demo", schema={asked.package}).'
        )
    if all(s.state is State.CURRENT for s in states):
        return "Nothing to do: it was current."
    return "Next: `make test`, then commit it together with the change that caused it."


def _short(path: Path) -> Path:
    """Relative to where the command runs, if that is shorter."""
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path


if __name__ == "__main__":
    sys.exit(main())
