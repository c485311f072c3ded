"""A tolerant look at a .proto file that protoc may have refused: where defaults and enums stand.

It judges nothing: protoc does that, and says what is wrong. This finds the element concerned.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

_TOKEN = re.compile(
    r"""//[^\n]* | /\*.*?\*/                        # comments
      | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'   # strings
      | [A-Za-z_.][\w.]* | -?\d[\w.]*               # names and numbers
      | \S""",
    re.DOTALL | re.VERBOSE,
)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Default:
    """A field's declared default; without the text of `spans`, the field has none."""

    message: str
    field: str
    value: str
    line: int
    spans: tuple[Span, ...]


@dataclass(slots=True)
class EnumBody:
    """An enum by its full name: values, what it reserves, and where its closing brace stands."""

    name: str
    line: int
    values: dict[str, int] = field(default_factory=dict[str, int])
    reserved_names: set[str] = field(default_factory=set[str])
    reserved_numbers: list[range] = field(default_factory=list[range])
    end: int | None = None

    def allows(self, name: str, number: int) -> bool:
        """Whether a value of that name and number could be added."""
        return (
            name not in self.reserved_names
            and number not in self.values.values()
            and not any(number in numbers for numbers in self.reserved_numbers)
        )


@dataclass(slots=True)
class Scan:
    """What a file holds, as far as it can be told."""

    imports: list[str] = field(default_factory=list[str])
    defaults: list[Default] = field(default_factory=list[Default])
    enums: dict[str, EnumBody] = field(default_factory=dict[str, EnumBody])


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    span: Span
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    for match in _TOKEN.finditer(text):
        if not match[0].startswith(("//", "/*")):
            yield _Token(match[0], match.span(), bisect_right(starts, match.start()))


@lru_cache(maxsize=32)
def scan(text: str) -> Scan:
    """Look through one file; whoever gets the result does not change it."""
    return _Scanner().run(text)


class _Scanner:
    """Statements as they end, within the blocks that are open."""

    def __init__(self) -> None:
        self.result = Scan()
        self.package = ""
        self.blocks: list[tuple[str, str]] = []  # (message, ProtoOAOrder), …
        self.statement: list[_Token] = []
        self.brackets = 0

    def run(self, text: str) -> Scan:
        for token in _tokens(text):
            if self.brackets == 0 and token.text in ("{", "}", ";"):
                self._boundary(token)
                self.statement = []
            else:
                self.brackets += (token.text == "[") - (token.text == "]" and self.brackets > 0)
                self.statement.append(token)
        return self.result

    def _boundary(self, token: _Token) -> None:
        words = [t.text for t in self.statement]
        if token.text == "{":
            kind, name = (words[0], words[1]) if len(words) > 1 else ("", "")
            self.blocks.append((kind, name))
            if kind == "enum":
                full = self._full_name()
                self.result.enums[full] = EnumBody(full, self.statement[0].line)
        elif token.text == "}":
            enum = self._enum()
            if enum is not None:
                enum.end = token.span[0]
            if self.blocks:
                self.blocks.pop()
        elif words:
            self._statement(words)

    def _full_name(self) -> str:
        names = [name for kind, name in self.blocks if kind in ("message", "enum")]
        return ".".join([self.package, *names] if self.package else names)

    def _enum(self) -> EnumBody | None:
        inside = self.blocks and self.blocks[-1][0] == "enum"
        return self.result.enums.get(self._full_name()) if inside else None

    def _statement(self, words: list[str]) -> None:
        enum = self._enum()
        if enum is not None:
            _enum_statement(enum, words)
        elif words[0] == "import":
            self.result.imports.append(words[-1].strip("\"'"))
        elif words[0] == "package" and not self.blocks:
            self.package = "".join(words[1:])
        elif self.blocks:
            self._field(words)

    def _field(self, words: list[str]) -> None:
        """Note the default, if the statement is a field that declares one."""
        if "=" not in words or "[" not in words:
            return
        equals, opening = words.index("="), words.index("[")
        for at in range(opening, len(words) - 2):
            if words[at : at + 2] == ["default", "="]:
                tokens, last = self.statement, at + 2
                if words[last] == "-" and last + 1 < len(words):
                    last += 1
                first = at
                if words[last + 1 : last + 2] == [","]:
                    last += 1
                elif words[at - 1] == ",":
                    first -= 1
                else:
                    first, last = first - 1, min(last + 1, len(words) - 1)
                self.result.defaults.append(
                    Default(
                        message=self._full_name(),
                        field=words[equals - 1],
                        value=words[at + 2],
                        line=tokens[at + 2].line,
                        spans=tuple(t.span for t in tokens[first : last + 1]),
                    )
                )
                return


def _enum_statement(enum: EnumBody, words: list[str]) -> None:
    if words[0] == "reserved":
        _reserve(enum, words[1:])
    elif len(words) > 2 and words[1] == "=":
        number = _number("".join(words[2:4]) if words[2] == "-" else words[2])
        if number is not None:
            enum.values[words[0]] = number


def _reserve(enum: EnumBody, words: list[str]) -> None:
    for entry in " ".join(words).split(","):
        first, _, last = entry.strip().partition(" to ")
        low, high = _number(first), _number(last or first)
        if low is None:
            enum.reserved_names.add(first.strip("\"'"))
        else:
            enum.reserved_numbers.append(range(low, 2**31 if high is None else high + 1))


def _number(text: str) -> int | None:
    try:
        return int(text.replace(" ", ""), 8 if re.fullmatch(r"-?0\d+", text) else 0)
    except ValueError:
        return None
