"""The files of one series of a store: found, read and changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ...units import PRICE_DIGITS, utc
from .. import atomic_files
from ..bars import Bars
from ..download import Page
from ..ticks import Ticks
from . import file_format
from .series import File, PartitionKey, Series
from .spans import Span, joined

Rows = Bars | Ticks

_ASIDE = ".store"
"""For locks, and files that are not written to the end."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A series in the folder of a store. Whoever writes holds it."""

    root: Path
    series: Series

    @property
    def folder(self) -> Path:
        """Where its files lie, if there are any, and nothing else."""
        return self.root / self.series.folder

    def held(self) -> AbstractContextManager[None]:
        """Keep other writers out; raises StoreInUse, OSError."""
        return atomic_files.locked_file(self._aside("lock"), f"{self.series} in {self.root}")

    def known(self) -> dict[PartitionKey, list[Span]]:
        """Of each part the spans of which everything is there. Raises StoreDamaged, OSError."""
        contents = [
            file_format.read_covered(self._path(file), self.series) for file in self._files()
        ]
        return {
            part: joined(span for content in contents for span in content.covered[part])
            for part in self.series.parts
        }

    def read(self, part: PartitionKey, digits: int | None, start: int, end: int) -> Rows:
        """The rows in `[start, end)`, with the digits that were stored if none are given.

        Raises StoreDamaged, OSError.
        """
        found = [
            file_format.read(self._path(file), self.series)
            for file in self._files()
            if file.start < end and file.end > start
        ]
        if digits is None:
            digits = found[-1].digits if found else PRICE_DIGITS
        tables = [replace(content.tables[part], digits=digits) for content in found]
        return _joined([self.series.empty(part, digits), *tables]).between(utc(start), utc(end))

    def write(self, pages: Iterable[Page[Rows]]) -> int:
        """Put pages into files, the newest first, as pages come: what is killed in between leaves
        no gap. Returns how many rows there are more than before.

        Raises StoreDamaged, OSError.
        """
        there = set(self._files())
        changes: dict[File, list[Page[Rows]]] = {}
        nothing: list[Page[Rows]] = []
        for page in pages:
            for file, piece in self._cut(page):
                if len(piece.rows) or file in there:
                    changes.setdefault(file, []).append(piece)
                else:
                    nothing.append(piece)
        # That there is nothing in a span is said by the file after it: its own would hold no rows.
        written = sorted(there | set(changes), key=lambda file: file.start)
        for piece in nothing if written else ():
            after = (file for file in written if file.start >= piece.end)
            changes.setdefault(next(after, written[-1]), []).append(piece)
        newest_first = sorted(changes, key=lambda file: file.start, reverse=True)
        return sum(self._change(file, changes[file]) for file in newest_first)

    def _change(self, file: File, pieces: Sequence[Page[Rows]]) -> int:
        path, series, digits = self._path(file), self.series, pieces[-1].rows.digits
        content = (
            file_format.read(path, series) if path.exists() else file_format.empty(series, digits)
        )
        before = sum(map(len, content.tables.values()))
        content.digits = digits
        for piece in pieces:
            part: PartitionKey = "bars" if isinstance(piece.rows, Bars) else piece.rows.side
            content.tables[part] = _laid_over(content.tables[part], piece)
            content.covered[part] = joined([*content.covered[part], (piece.start, piece.end)])
        unfinished = self._aside("unfinished")
        atomic_files.replace_file(
            path, unfinished, lambda new: file_format.write(new, series, content)
        )
        return sum(map(len, content.tables.values())) - before

    def _cut(self, page: Page[Rows]) -> Iterator[tuple[File, Page[Rows]]]:
        """A page by files. Its rows may lie beyond its end, up to which it is complete."""
        beyond = page.rows.time[-1] + 1 if len(page.rows) else page.start
        for file in self.series.files(page.start, max(page.end, beyond)):
            rows = page.rows.between(utc(file.start), utc(file.end))
            start, end = max(page.start, file.start), min(page.end, file.end)
            yield file, Page(rows, start, max(start, end))

    def _files(self) -> list[File]:
        found = (self.series.file_named(path.name) for path in self.folder.glob("*.parquet"))
        return sorted((file for file in found if file is not None), key=lambda file: file.start)

    def _path(self, file: File) -> Path:
        return self.folder / file.name

    def _aside(self, ending: str) -> Path:
        """A file out of the way of those who read whole folders."""
        name = "-".join(self.series.folder.parts)
        return self.root / _ASIDE / f"{name}.{ending}"


def _laid_over(table: Rows, page: Page[Rows]) -> Rows:
    """The rows of a page in the place of those that the table has in its span."""
    rows = page.rows
    end = max(page.end, rows.time[-1] + 1) if len(rows) else page.end
    table = replace(table, digits=rows.digits)
    return _joined([table.between(None, utc(page.start)), rows, table.between(utc(end), None)])


def _joined(tables: Sequence[Rows]) -> Rows:
    """Of one kind, as the caller knows."""
    first: Any = tables[0]
    return cast("Rows", first.concat(tables))
