"""Comments of the schema → wrapped lines of a docstring. Knows text, not the schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

# Comments in protos/ are wrapped so that text takes up to this many columns.
WRAPPED_AT = 95
_ENDS = (".", ":", ";", "!", "?")


def wrap(comment: str, width: int, hang: int = 0) -> list[str]:
    """The lines of a comment, wrapped to `width`; all but the first of them indented by `hang`.

    Blank lines, list items, and line ends where a sentence ends early stay; other line ends were
    the writer's wrapping.
    """
    lines: list[str] = []
    for paragraph in _paragraphs(comment):
        item = 2 if paragraph.startswith(("- ", "* ")) else 0
        indent = " " * (hang if lines else 0)
        rest = " " * (hang + item)
        lines += textwrap.wrap(
            paragraph,
            width,
            initial_indent=indent,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return lines


def wrap_docstring(comment: str, width: int) -> list[str]:
    """The same, with a blank line behind a first line that says it all in short."""
    paragraphs = list(_paragraphs(comment))
    first = wrap(paragraphs[0], width)
    if len(first) == 1 and len(paragraphs) > 1 and paragraphs[1]:
        return [*first, "", *wrap(comment, width)[1:]]
    return wrap(comment, width)


def _paragraphs(comment: str) -> Iterator[str]:
    """What stands in one line before it is wrapped; an empty one for a blank line."""
    open_lines: list[str] = []
    for raw in comment.strip().splitlines():
        line = " ".join(raw.split())
        starts_anew = not line or line.startswith(("- ", "* "))
        if open_lines and (starts_anew or _ended(open_lines[-1], line)):
            yield " ".join(open_lines)
            open_lines = []
        if line:
            open_lines.append(line)
        else:
            yield ""
    if open_lines:
        yield " ".join(open_lines)


def _ended(line: str, following: str) -> bool:
    """Whether a line was ended on purpose: after a sentence, although the next word had room."""
    word = following.split(" ", 1)[0]
    return line.endswith(_ENDS) and len(line) + 1 + len(word) <= WRAPPED_AT
