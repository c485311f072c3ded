"""The pagers against servers with all that PROTOCOL.md 6 tells of them: no gap, no duplicate."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrader_typed import PagingError, ProtoOATrendbarPeriod
from ctrader_typed.market.paging import (
    LATEST,
    WEEK,
    BarPager,
    PageCut,
    RowPager,
    Window,
    longest_window,
)

ROUNDS = 2_000


class Refused(Exception):
    """INCORRECT_BOUNDARIES."""


@dataclass
class BarServer:
    """A year of servers: bars that open at `times`.

    `short` takes the oldest bar off a page that is not the last, or the one at its end ("newest");
    `strict` bounds windows, and answers by them; `says_more` is whether hasMore is sent at all.
    """

    times: list[int]
    page: int
    short: str | None = None
    strict: int | None = None
    says_more: bool = True

    def answer(self, window: Window, count: int) -> tuple[list[int], bool | None]:
        assert 0 <= window.start < window.end <= LATEST
        low = 0
        if self.strict is not None:
            if window.end - window.start > self.strict:
                raise Refused
            low = window.start
        found = self.times[bisect_left(self.times, low) : bisect_right(self.times, window.end)]
        size = min(count, self.page)
        more = len(found) > size
        page = found[len(found) - size :] if more else found
        if more and self.short == "oldest":
            page = page[1:]
        if more and self.short == "newest" and page[-1] == window.end:
            page = page[:-1]
        return page, more if self.says_more else None


@dataclass
class RowServer:
    """Rows at `times`, of which several may be the same, with their places as their names.

    `keeps` is whether a page keeps the rows of one ms together, whatever its size.
    """

    times: list[int]
    page: int
    keeps: bool
    widest: int = WEEK

    def answer(self, window: Window) -> tuple[list[int], bool]:
        """The places of a page's rows, oldest first, and hasMore."""
        assert 0 <= window.start < window.end <= LATEST
        assert window.end - window.start <= self.widest
        low = bisect_left(self.times, window.start)
        high = bisect_right(self.times, window.end)
        first = max(low, high - self.page)
        while self.keeps and low < first < high and self.times[first - 1] == self.times[first]:
            first -= 1
        return list(range(first, high)), first > low


def all_bars(server: BarServer, pager: BarPager, count: int = 1_000) -> list[int]:
    """The bars that a pager gets, oldest first; its stretches are seen to touch."""
    cuts, found = list[PageCut](), list[int]()
    for _ in range(ROUNDS):
        window = pager.window
        if window is None:
            break
        try:
            times, more = server.answer(window, count)
        except Refused:
            assert pager.refused()
            continue
        cuts.append(pager.take(times, more))
        found[:0] = whole(times, times[cuts[-1].rows], cuts[-1])
    touch(cuts)
    return found


def whole(times: list[int], rows: list[int], cut: PageCut) -> list[int]:
    assert all(cut.start <= time < cut.end for time in rows)
    assert all(time in rows for time in times if cut.start <= time < cut.end)
    return rows


def touch(cuts: list[PageCut]) -> None:
    assert all(cut.start <= cut.end for cut in cuts)
    assert [cut.end for cut in cuts[1:]] == [cut.start for cut in cuts[:-1]]


def all_rows(server: RowServer, pager: RowPager) -> list[int]:
    """The places of the rows that a pager gets, oldest first."""
    cuts, found = list[PageCut](), list[int]()
    for _ in range(ROUNDS):
        window = pager.window
        if window is None:
            break
        places, more = server.answer(window)
        cuts.append(pager.take([server.times[place] for place in places], more))
        found[:0] = places[cuts[-1].rows]
    else:
        pytest.fail("it goes on for ever")
    touch(cuts)
    return found


bar_times = st.lists(st.integers(1, 200), max_size=60, unique=True).map(
    lambda minutes: [minute * 60_000 for minute in sorted(minutes)]
)
spans = st.tuples(st.integers(0, 13_000_000), st.integers(1, 13_000_000)).filter(
    lambda span: span[0] < span[1]
)


@given(
    times=bar_times,
    page=st.integers(3, 20),
    count=st.integers(3, 20),
    short=st.sampled_from([None, "oldest", "newest"]),
    span=spans,
    bounded=st.booleans(),
    cautious=st.booleans(),
    says_more=st.booleans(),
)
def test_bars_have_no_gap_and_no_duplicate(
    times, page, count, short, span, bounded, cautious, says_more
) -> None:
    limit = 1_800_000
    server = BarServer(times, page, short, limit if bounded else None, says_more)
    pager = BarPager(*span, limit, strict=cautious)
    start, end = span
    assert all_bars(server, pager, count) == [t for t in times if start <= t < end]


def test_a_wide_window_is_asked_for_first_and_a_refused_one_narrowed() -> None:
    pager = BarPager(0, 100_000_000, 1_000_000)
    assert pager.window == Window(0, 100_000_000)
    assert pager.refused()
    assert pager.window == Window(99_000_000, 100_000_000)
    assert not pager.refused()
    assert BarPager(0, 100_000_000, 1_000_000, strict=True).window == pager.window


def test_a_server_of_today_is_not_asked_again_where_its_history_begins() -> None:
    pager = BarPager(0, 100_000_000, 1_000_000)
    assert pager.take([60_000_000, 60_060_000], has_more=False) == PageCut(
        slice(0, 2), 0, 100_000_000
    )
    assert pager.window is None


@pytest.mark.parametrize("period", ProtoOATrendbarPeriod)
def test_windows_of_2021(period: ProtoOATrendbarPeriod) -> None:
    days = longest_window(period) / 86_400_000
    assert days == {"M1": 3.5, "H1": 245, "D1": 366, "MN1": 1830}.get(period.name, days)
    assert days in {3.5, 245, 366, 1830}


ties = st.lists(st.integers(1, 60), max_size=60).map(sorted)


@given(
    times=ties,
    page=st.integers(1, 12),
    keeps=st.booleans(),
    start=st.integers(0, 60),
    length=st.integers(1, 70),
    widest=st.sampled_from([7, WEEK]),
)
@example(
    times=[5, 5, 9], page=2, keeps=False, start=0, length=20, widest=WEEK
)  # a page that is one ms
@example(times=[3, 5, 5, 9], page=2, keeps=False, start=0, length=20, widest=WEEK)
@example(times=[4, 4, 9, 9, 9], page=2, keeps=True, start=0, length=20, widest=WEEK)
def test_rows_have_no_gap_and_no_duplicate(times, page, keeps, start, length, widest) -> None:
    server = RowServer(times, page, keeps, widest)
    wanted = [place for place, time in enumerate(times) if start <= time < start + length]
    try:
        found = all_rows(server, RowPager(start, start + length, widest))
    except PagingError:
        # Only where a page is full of one ms and nobody could tell whether there are more.
        assert any(
            times.count(time) >= page and (times.count(time) > page or time - 1 in times)
            for time in times
        )
    else:
        assert found == wanted


def test_a_page_of_one_ms_is_told_from_one_that_has_more() -> None:
    complete = RowServer([1, 2, 70, 70, 70, 90], 3, keeps=False)
    assert all_rows(complete, RowPager(0, 100)) == [0, 1, 2, 3, 4, 5]
    overfull = RowServer([1, 2, 70, 70, 70, 70, 90], 3, keeps=False)
    with pytest.raises(PagingError, match=r"the rows of 70 fill a page, and there may be more"):
        all_rows(overfull, RowPager(0, 100))


def test_ticks_that_share_a_ms_at_the_edge_come_whole_with_the_next_page() -> None:
    pager = RowPager(0, 1_000)
    assert pager.window == Window(0, 999)
    assert pager.take([500, 600, 700], has_more=True) == PageCut(slice(1, 3), 501, 1_000)
    assert pager.window == Window(0, 500)
    assert pager.take([400, 500, 500], has_more=False) == PageCut(slice(0, 3), 0, 501)
    assert pager.window is None


def test_weeks_follow_each_other() -> None:
    pager, end = RowPager(10, 10 + 3 * WEEK), 10 + 3 * WEEK
    for week in range(3):
        window = pager.window
        assert window == Window(end - (week + 1) * WEEK, end - week * WEEK - 1)
        assert pager.take([], has_more=False) == PageCut(slice(0, 0), window.start, window.end + 1)
    assert pager.window is None


@pytest.mark.parametrize("pager", [RowPager(5, 5), BarPager(5, 5, 100), RowPager(-9, -4)])
def test_nothing_is_asked_for_an_empty_span(pager: RowPager | BarPager) -> None:
    assert pager.window is None


@pytest.mark.parametrize(
    ("pager", "window"),
    [
        (RowPager(7, 8), Window(6, 7)),  # both ends the same are refused
        (RowPager(0, 1), Window(0, 1)),
        (BarPager(7, 8, 100), Window(7, 8)),
        (BarPager(-5, LATEST + 5, 10**15), Window(0, LATEST)),
    ],
)
def test_windows_that_servers_take(pager: RowPager | BarPager, window: Window) -> None:
    assert pager.window == window


def test_a_row_beside_the_one_ms_that_was_wanted_is_left_out() -> None:
    pager = RowPager(7, 8)
    assert pager.take([6, 7, 7], has_more=True) == PageCut(slice(1, 3), 7, 8)
    assert pager.window is None


@pytest.mark.parametrize("times", [[], [100_000_000]])
def test_a_server_that_gives_no_more_bars_is_an_error(times: list[int]) -> None:
    pager = BarPager(0, 100_000_000, 1_000)
    with pytest.raises(PagingError, match=r"rows from 0 to 99999999 \(ms\): .* none of them"):
        pager.take(times, has_more=True)


@pytest.mark.parametrize("times", [[], [2_000]])
def test_a_server_that_gives_no_more_rows_is_an_error(times: list[int]) -> None:
    with pytest.raises(PagingError, match="none of them"):
        RowPager(0, 1_000).take(times, has_more=True)


def test_a_server_that_repeats_itself_is_an_error() -> None:
    bars, rows = BarPager(0, 10**9, 10**9), RowPager(0, 10**9, 10**9)
    bars.take([400_000, 460_000], has_more=True)
    with pytest.raises(PagingError, match="rows from 0 to 399999"):
        bars.take([400_000, 460_000], has_more=True)
    rows.take([400_000, 460_000], has_more=True)
    rows.take([400_000, 400_000], has_more=True)
    with pytest.raises(PagingError, match="rows from 399999 to 400000"):
        rows.take([400_000, 400_000], has_more=True)


def test_answers_out_of_order_are_an_error() -> None:
    with pytest.raises(PagingError, match="not in order of time"):
        BarPager(0, 10**9, 10**9).take([60_000, 60_000], has_more=False)
    with pytest.raises(PagingError, match="not in order of time"):
        RowPager(0, 10**9).take([6, 5], has_more=False)
