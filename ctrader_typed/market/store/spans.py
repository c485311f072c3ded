"""Spans of time `[start, end)`, in order and apart: what is known, and what is not."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in as few spans as there can be."""
    apart: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if apart and start <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(end, apart[-1][1])
        else:
            apart.append((start, end))
    return apart


def clipped(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    """What of them lies in `[start, end)`."""
    return joined((max(start, a), min(end, b)) for a, b in spans)


def missing(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    """What of `[start, end)` they leave open."""
    gaps: list[Span] = []
    at = start
    for a, b in clipped(spans, start, end):
        gaps.append((at, a))
        at = b
    return joined([*gaps, (at, end)])


def in_both(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The time that lies in spans of both."""
    others = list(others)
    return joined(span for start, end in some for span in clipped(others, start, end))
