"""What the generator refuses, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a .proto file; line 0 is the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, with which element, and what to do about it."""

    place: Place
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f"\n    {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that was wrong, and what `--repair` made of it."""

    place: Place
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


class CodegenError(Exception):
    """Whatever the generator refuses to do; `exit_code` is what the command ends with."""

    exit_code = 2


class UsageError(CodegenError):
    """The command cannot be carried out: a folder is not there, a tool is missing, names clash."""


class SchemaError(CodegenError):
    """The .proto files do not compile, or say something that has no faithful Python form."""

    exit_code = 1

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        self.folder = ""  # `load` knows it
        super().__init__(report(self.problems))


def report(problems: Iterable[Problem]) -> str:
    """The problems, one below the other; a remedy that several in a row share is told once."""
    lines: list[str] = []
    for problem in problems:
        if problem.remedy and lines and lines[-1] == f"    {problem.remedy}":
            lines.pop()
        lines += str(problem).split("\n")
    return "\n".join(lines)
