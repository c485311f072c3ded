"""How history is paged: what to ask next, given the last answer.

A pager goes back in time, from the end of a span to its start. `window` is what to ask for; each
answer is given to `take` as the times of its rows, oldest first, and it says which of them are
new and what stretch of the span is complete with them. Stretches follow each other without a gap.
Times are ms since the Unix epoch (UTC).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import le, lt

from ..proto import ProtoOATrendbarPeriod
from ..protocol.errors import PagingError

LATEST = 2_147_483_646_000
"""The greatest time that a request may name (schema of 2021)."""
WEEK = 604_800_000
"""The widest window of ticks, deals and cash flow (the schema's comments; deals: in 2021)."""


@dataclass(frozen=True, slots=True)
class Window:
    """What to ask for: `fromTimestamp` and `toTimestamp`, both included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PageCut:
    """What an answer is good for: `rows` of it are all there are in `[start, end)`.

    Both are empty where it only told what to ask next.
    """

    rows: slice
    start: int
    end: int


def longest_window(period: ProtoOATrendbarPeriod) -> int:
    """The widest window of trend bars that servers of 2020 took, in ms.

    The documentation of 2021 has these numbers. It calls the first one 5 weeks, which would be ten
    times as much; the number is the safe one.
    """
    if period <= ProtoOATrendbarPeriod.M5:
        return 302_400_000
    if period <= ProtoOATrendbarPeriod.H1:
        return 21_168_000_000
    return 31_622_400_000 if period <= ProtoOATrendbarPeriod.D1 else 158_112_000_000


class Pager:
    """Going back through `[start, end)`: what is still to come lies in `[start, _high]`."""

    def __init__(self, start: int, end: int, widest: int) -> None:
        self._start = max(0, start)
        self._widest = widest
        self._on_to(min(end, LATEST) - 1)

    @property
    def window(self) -> Window | None:
        """What to ask for; None when the span is complete."""
        return None if self._high < self._start else self._to_ask()

    def _to_ask(self) -> Window:
        raise NotImplementedError

    def _on_to(self, high: int) -> None:
        self._high = high
        self._low = max(self._start, high + 1 - self._widest)

    def _stuck(self, why: str) -> PagingError:
        return PagingError(f"asked for rows from {self._low} to {self._high} (ms): {why}")

    def _check_order(self, times: Sequence[int], in_order: Callable[[int, int], bool]) -> None:
        if not all(in_order(a, b) for a, b in pairwise(times)):
            raise self._stuck("the server's answer is not in order of time")


class BarPager(Pager):
    """Pages of trend bars: so many back from the window's end, which is included.

    Servers of today give as many as are asked for or one less, and ignore the window's start, so
    the window is the whole span. Those of 2020 refuse one that is wider than `limit`: after
    `refused()`, or at once if `strict`, it is narrower. No two bars open at the same time.

    A window ends with the oldest bar that is known: whichever end of a page the missing bar is
    missing from, there is no gap. Pages of one bar would not get on.
    """

    def __init__(self, start: int, end: int, limit: int, *, strict: bool = False) -> None:
        super().__init__(start, end, limit if strict else LATEST)
        self._limit = limit

    def refused(self) -> bool:
        """INCORRECT_BOUNDARIES: whether there is a narrower window to try."""
        narrower = self._high + 1 - self._low > self._limit
        self._widest = self._limit
        self._on_to(self._high)
        return narrower

    def take(self, times: Sequence[int], has_more: bool | None) -> PageCut:
        """An answer: when its bars open, and hasMore, which old servers leave out.

        Raises PagingError if the bars are out of order, or if none lies in the window though there
        should be more.
        """
        self._check_order(times, lt)
        high = self._high
        rows = slice(bisect_left(times, self._start), bisect_right(times, high))
        if rows.stop:
            low = max(self._start, times[0])
            if has_more is False:
                low = min(low, self._low)
        elif has_more:
            raise self._stuck("the server has more bars but gives none of them")
        else:
            low = self._low
        self._on_to(low - 1)
        return PageCut(rows, low, high + 1)

    def _to_ask(self) -> Window:
        return Window(self._low, self._high + 1)


class RowPager(Pager):
    """Pages of ticks, deals, orders or cash flow: the newest of a window, which is a week at most.

    Several rows may share a ms, and a page may end between them. So the oldest ms of a page that
    is not the last is left to the next one, which ends with it. Where a page holds nothing but
    one ms, a narrow window finds out whether that is all of it.
    """

    def __init__(self, start: int, end: int, widest: int = WEEK) -> None:
        super().__init__(start, end, widest)

    def take(self, times: Sequence[int], has_more: bool) -> PageCut:
        """An answer: the times of its rows, and hasMore.

        Raises PagingError if the rows are out of order, if none comes though there should be more,
        or if a ms may have more rows than a page holds: those could not be asked for.
        """
        self._check_order(times, le)
        low, high = self._low, self._high
        first, last = bisect_left(times, low), bisect_right(times, high)
        if not has_more or first > 0:  # older ones came too, so the window is complete
            self._on_to(low - 1)
            return PageCut(slice(first, last), low, high + 1)
        if not last:
            raise self._stuck("the server has more rows but gives none of them")
        edge = times[0]
        if edge < times[last - 1]:
            self._on_to(edge)
            return PageCut(slice(bisect_right(times, edge), last), edge + 1, high + 1)
        if edge - low <= 1:
            raise self._stuck(f"the rows of {edge} fill a page, and there may be more of them")
        self._low, self._high = edge - 1, edge
        return PageCut(slice(last, last), edge + 1, high + 1)

    def _to_ask(self) -> Window:
        # Servers refuse a window whose ends are the same.
        end = max(self._high, 1)
        return Window(min(self._low, end - 1), end)
