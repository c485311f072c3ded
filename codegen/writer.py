"""Python source, line by line: indentation, docstrings, and the imports that printed names need."""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager

from .prose import wrap, wrap_docstring

WIDTH = 100


class Writer:
    """Collects lines, and which names they need from which module."""

    def __init__(self, doc: str) -> None:
        self.doc = doc
        self._imports: dict[str, set[str]] = {}
        self._type_imports: dict[tuple[str, str], str] = {}
        self._lines: list[str] = []
        self._indent = 0

    @property
    def room(self) -> int:
        """The columns that are left of the current indentation."""
        return WIDTH - 4 * self._indent

    def line(self, text: str = "") -> None:
        """Add a line at the current indentation."""
        self._lines.append("    " * self._indent + text if text else "")

    def lines(self, texts: Iterable[str]) -> None:
        """Add several lines."""
        for text in texts:
            self.line(text)

    @contextmanager
    def block(self, opening: str) -> Generator[None]:
        """A line that opens a block, and the block."""
        self.line(opening)
        self._indent += 1
        yield
        self._indent -= 1

    def use(self, module: str, name: str) -> str:
        """Import `name` from `module`; returns the name, so that it can be printed at once."""
        self._imports.setdefault(module, set()).add(name)
        return name

    def use_type(self, module: str, name: str, note: str = "") -> str:
        """Import `name` for type checkers only; `note` is a comment on the import."""
        if name not in self._imports.get(module, ()):
            self._type_imports[module, name] = f"  # {note}" if note else ""
            self.use("typing", "TYPE_CHECKING")
        return name

    def docstring(self, text: str, more: Iterable[str] = ()) -> None:
        """A text, wrapped, then `more` lines that fit already; nothing for an empty text."""
        if not text.strip():
            return
        text = text.replace('"""', "'''")
        lines = [
            *wrap_docstring(text, self.room - 3),
            *(line.replace('"""', "'''") for line in more),
        ]
        opening = 'r"""' if any("\\" in line for line in lines) else '"""'
        closing = ' """' if lines[-1].endswith(('"', "\\")) else '"""'
        if len(lines) == 1 and len(opening + lines[0] + closing) > self.room:
            # The formatter would join the closing quotes to a single line, whatever its length.
            lines = wrap(text, len(lines[0]) - 1)
        if len(lines) == 1:
            self.line(opening + lines[0] + closing)
        else:
            self.line(opening + lines[0])
            self.lines(lines[1:])
            self.line('"""')

    def text(self, banner: str) -> str:
        """The whole module."""
        head = Writer(self.doc)
        head.line(f"# {banner}")
        head.docstring(self.doc)
        head.lines(["", "from __future__ import annotations"])
        if self._imports:
            head.lines(["", *_import_lines(self._imports)])
        if self._type_imports:
            head.line()
            with head.block("if TYPE_CHECKING:"):
                for (module, name), note in sorted(self._type_imports.items()):
                    head.line(f"from {module} import {name}{note}")
        return "\n".join([*head._lines, "", *self._lines]) + "\n"


def natural_order(name: str) -> tuple[object, ...]:
    """The order that linters want in `__all__`: CONSTANTS, Classes, functions; numbers by size."""
    rank = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return (rank, [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)])


def _import_order(name: str) -> tuple[object, ...]:
    """The order that linters want in imports: the same, but capitals do not count."""
    return (natural_order(name)[0], natural_order(name.lower())[1], name)


def _import_lines(imports: Mapping[str, Iterable[str]]) -> Iterator[str]:
    group = None
    for module in sorted(imports, key=lambda module: (_group(module), module)):
        if group is not None and group != _group(module):
            yield ""
        group = _group(module)
        yield f"from {module} import {', '.join(sorted(imports[module], key=_import_order))}"


def _group(module: str) -> int:
    """Standard library, other packages, our own."""
    if module.startswith("."):
        return 2
    return 0 if module.partition(".")[0] in sys.stdlib_module_names else 1
