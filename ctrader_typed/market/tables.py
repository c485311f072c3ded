"""How tables of bars and ticks are shown: as text, in a notebook, by rich."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from ..units import price, utc

if TYPE_CHECKING:
    from rich.table import Table as RichTable

HEAD = TAIL = 5
"""So many rows of the beginning and the end are shown."""

_GAP = "…"


class TableView(ABC):
    """A table with a title, a head and rows of cells; the middle of a long one is left out."""

    __slots__ = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is of, on one line."""

    @property
    @abstractmethod
    def _head(self) -> Sequence[str]:
        """The names of the columns."""

    @abstractmethod
    def _cells(self, at: int) -> Sequence[str]:
        """A row as text."""

    def _shown(self) -> Iterator[Sequence[str]]:
        rows = len(self)
        if rows <= HEAD + TAIL + 1:  # a gap of one row would take as much room as the row
            yield from map(self._cells, range(rows))
            return
        yield from map(self._cells, range(HEAD))
        yield [_GAP] * len(self._head)
        yield from map(self._cells, range(rows - TAIL, rows))

    def __repr__(self) -> str:
        lines = [self._head, *self._shown()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ("  ".join(map(str.rjust, line, widths)) for line in lines)
        return "\n".join([self.title, *table]) if len(self) else self.title

    def _repr_html_(self) -> str:
        rows = [_html("th", self._head), *(_html("td", cells) for cells in self._shown())]
        return f"<p>{escape(self.title)}</p><table>{''.join(rows)}</table>"

    def __rich__(self) -> RichTable:
        from rich.table import Table  # noqa: PLC0415 - rich is who asks

        table = Table(title=self.title)
        for name in self._head:
            table.add_column(name, justify="right")
        for cells in self._shown():
            table.add_row(*cells)
        return table


def shown_time(ms: int) -> str:
    """In UTC, to the minute where that says all."""
    time = utc(ms)
    whole = "minutes" if ms % 60_000 == 0 else "milliseconds"
    return time.replace(tzinfo=None).isoformat(" ", whole)


def shown_price(raw: int, digits: int) -> str:
    """With the symbol's digits."""
    return f"{price(raw, digits):f}"


def _html(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
