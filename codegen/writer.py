"""Python source, line by line: indentation, docstrings, and the imports that the printed names need."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

WIDTH = 100


class Writer:
    """Collects lines; `imports` collects which names come from which module."""

    def __init__(self, doc: str) -> None:
        self.doc = doc
        self.imports: dict[str, set[str]] = {}
        self._lines: list[str] = []
        self._indent = 0

    def line(self, text: str = "") -> None:
        """Add a line at the current indentation."""
        self._lines.append("    " * self._indent + text if text else "")

    def lines(self, texts: Iterable[str]) -> None:
        """Add several lines."""
        for text in texts:
            self.line(text)

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """A line that opens a block, and the block."""
        self.line(opening)
        self._indent += 1
        yield
        self._indent -= 1

    def use(self, module: str, name: str) -> str:
        """Import `name` from `module`; returns the name, so that it can be printed at once."""
        self.imports.setdefault(module, set()).add(name)
        return name

    def docstring(self, text: str) -> None:
        """A docstring, wrapped; nothing for an empty text."""
        if not text:
            return
        text = text.replace("\\", "\\\\").replace('"""', "'''")
        if text.endswith('"'):
            text += " "
        margin = 4 * self._indent
        paragraphs = text.split("\n\n")
        wrapped = "\n\n".join(
            textwrap.fill(" ".join(paragraph.split()), WIDTH - margin - 3)
            for paragraph in paragraphs
        )
        first, *rest = wrapped.splitlines()
        if not rest and len(first) + margin + 6 <= WIDTH:
            self.line(f'"""{first}"""')
            return
        self.line(f'"""{first}')
        self.lines(rest)
        self.line('"""')

    def text(self, banner: str) -> str:
        """The whole module."""
        head = [f"# {banner}", f'"""{self.doc}"""', "", "from __future__ import annotations", ""]
        for module, names in sorted(self.imports.items()):
            head.append(f"from {module} import ({', '.join(sorted(names))},)")
        return "\n".join([*head, "", *self._lines]) + "\n"
