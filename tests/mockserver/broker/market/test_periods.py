"""Where bars begin: aligned up to the hour, at 17:00 New York above, without gaps or overlaps."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.broker.market.periods import (
    HOUR,
    Period,
    day_start,
    is_known,
    period_end,
    period_start,
)

MINUTES = st.integers(26_297_280, 31_557_600)  # 2020 to 2030
PERIODS = st.sampled_from(Period)


def minute(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // 60


def shown(at: int) -> str:
    return datetime.fromtimestamp(at * 60, UTC).strftime("%Y-%m-%dT%H:%M")


@given(PERIODS, MINUTES)
def test_every_minute_lies_in_exactly_one_bar(period: Period, at: int) -> None:
    start = period_start(period, at)
    end = period_end(period, start)
    assert start <= at < end
    assert period_start(period, start) == start
    assert period_start(period, end - 1) == start
    assert period_start(period, end) == end


@given(MINUTES, st.sampled_from([Period.H4, Period.H12, Period.D1, Period.W1, Period.MN1]))
def test_long_bars_begin_with_whole_days_or_their_parts(at: int, period: Period) -> None:
    start = period_start(period, at)
    assert start % HOUR == 0
    if period >= Period.D1:
        wall = datetime.fromtimestamp(start * 60, ZoneInfo("America/New_York"))
        assert (wall.hour, wall.minute) == (17, 0)


@pytest.mark.parametrize(
    ("period", "at", "start"),
    [
        # US summer: days begin at 21:00 UTC; winter: at 22:00 [seen live].
        (Period.D1, "2026-07-15T20:59", "2026-07-14T21:00"),
        (Period.D1, "2026-07-15T21:00", "2026-07-15T21:00"),
        (Period.D1, "2026-01-15T21:59", "2026-01-14T22:00"),
        (Period.D1, "2026-01-15T22:00", "2026-01-15T22:00"),
        (Period.H4, "2026-07-15T12:00", "2026-07-15T09:00"),
        (Period.H4, "2026-01-15T12:00", "2026-01-15T10:00"),
        (Period.H12, "2026-07-15T12:00", "2026-07-15T09:00"),
        (Period.H12, "2026-01-15T12:00", "2026-01-15T10:00"),
        (Period.H1, "2026-07-15T12:34", "2026-07-15T12:00"),
        (Period.M10, "2026-07-15T12:34", "2026-07-15T12:30"),
        # Clocks go forward on 2026-03-08: a day of 23 hours, its last H4 bar has three.
        (Period.D1, "2026-03-08T20:59", "2026-03-07T22:00"),
        (Period.D1, "2026-03-08T21:00", "2026-03-08T21:00"),
        (Period.H4, "2026-03-08T20:59", "2026-03-08T18:00"),
        # Clocks go back on 2026-11-01: a day of 25 hours, its last H4 bar has five.
        (Period.D1, "2026-11-01T21:59", "2026-10-31T21:00"),
        (Period.H4, "2026-11-01T21:59", "2026-11-01T17:00"),
        (Period.H12, "2026-11-01T21:59", "2026-11-01T09:00"),
        # A week begins on Sunday evening in New York, a month on the eve of its first.
        (Period.W1, "2026-07-19T20:59", "2026-07-12T21:00"),
        (Period.W1, "2026-07-19T21:00", "2026-07-19T21:00"),
        (Period.MN1, "2026-07-31T20:59", "2026-06-30T21:00"),
        (Period.MN1, "2026-07-31T21:00", "2026-07-31T21:00"),
        (Period.MN1, "2026-01-01T00:00", "2025-12-31T22:00"),
    ],
)
def test_boundaries(period: Period, at: str, start: str) -> None:
    assert shown(period_start(period, minute(at))) == start


@given(MINUTES)
def test_a_day_has_six_bars_of_four_hours(at: int) -> None:
    start = day_start(at)
    starts = {period_start(Period.H4, m) for m in range(start, period_end(Period.D1, start), 30)}
    assert len(starts) == 6


def test_a_period_that_the_schema_does_not_name() -> None:
    assert is_known(Period.MN1)
    assert not is_known(Period(99))
    with pytest.raises(KeyError):
        period_start(Period(99), 0)
