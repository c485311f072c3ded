"""From figures to a table in Markdown, and to goals reached or missed. Measures nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

Figures = Mapping[str, float]
"""By the name of what was measured."""


class Column(NamedTuple):
    """One thing that is measured."""

    key: str
    title: str
    digits: int = 0


COLUMNS = (
    Column("import", "import ms"),
    Column("memory", "memory MB"),
    Column("p50", "request → reply p50 µs"),
    Column("p99", "p99 µs"),
    Column("in_flight", "100 in flight, req/s"),
    Column("spots", "spot events/s to user code"),
    Column("lone", "CPU µs a lone event", 1),
    Column("bars", "14,000 bars ms", 1),
    Column("ticks", "10,000 ticks ms", 1),
)


class Goal(NamedTuple):
    """A figure of one client as a multiple of another's: at most, or at least, the bound."""

    ours: str
    key: str
    peer: str
    at_most: float | None = None
    at_least: float | None = None

    def line(self, figures: Mapping[str, Figures]) -> str | None:
        """Reached or missed; None if one of the two was not measured."""
        if self.ours not in figures or self.peer not in figures:
            return None
        ratio = figures[self.ours][self.key] / figures[self.peer][self.key]
        if self.at_most is not None:
            reached, bound = ratio <= self.at_most, f"at most {self.at_most:g}"
        else:
            reached, bound = ratio >= (self.at_least or 0.0), f"at least {self.at_least:g}"
        verdict = "reached" if reached else "MISSED "
        (title,) = (column.title for column in COLUMNS if column.key == self.key)
        return f"{verdict}  {self.ours}: {title}: {ratio:.2f} × {self.peer} ({bound})"


def goals() -> Iterator[Goal]:
    """What the client has to reach, with either codec unless said."""
    for ours in ("ours-python", "ours-compiled"):
        yield Goal(ours, "p50", "asyncio", at_most=1.15)
        yield Goal(ours, "lone", "asyncio", at_most=1.15)
        yield Goal(ours, "in_flight", "asyncio", at_least=1)
        yield Goal(ours, "import", "trio", at_most=1.8)
        yield Goal(ours, "memory", "trio", at_most=1.4)
    # As it comes, its pace includes up to a second in which the subscription waits to be sent.
    yield Goal("ours-python", "spots", "official-hurried", at_least=3)
    yield Goal("ours-compiled", "spots", "trio", at_least=1)
    yield Goal("ours-compiled", "spots", "official-best", at_least=1.5)
    for key in ("bars", "ticks"):
        yield Goal("ours-compiled", key, "trio", at_most=1 / 3)
        yield Goal("ours-python", key, "trio", at_most=1)


def markdown(titles: Mapping[str, str], figures: Mapping[str, Figures]) -> Iterator[str]:
    """A row for each client; in brackets its figure divided by that of the first one: ours."""
    first = figures[next(iter(titles))]
    yield f"| client | {' | '.join(column.title for column in COLUMNS)} |"
    yield "|---|" + "---:|" * len(COLUMNS)
    for name, title in titles.items():
        cells = (_cell(column, figures[name], first) for column in COLUMNS)
        yield f"| {title} | {' | '.join(cells)} |"


def _cell(column: Column, its: Figures, first: Figures) -> str:
    value, ratio = its[column.key], its[column.key] / first[column.key]
    text = f"{value:,.{column.digits}f}"
    return text if its is first else f"{text} ({ratio:.2f})"
