"""Times: ms there and back, and what names no instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import InvalidValue
from ctrader_typed.units import milliseconds, utc

LATEST = 253_402_300_799_999
ZONES = st.sampled_from([ZoneInfo(name) for name in ("America/New_York", "Asia/Kathmandu", "UTC")])


@given(st.integers(0, LATEST))
def test_milliseconds_come_back(ms: int) -> None:
    at = utc(ms)
    assert at.tzinfo is UTC
    assert milliseconds(at) == milliseconds(at.isoformat()) == ms
    if ms >= 10**11:
        assert milliseconds(ms) == ms


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            1769990400,
            (
                "start = 1769990400 is 1970-01-21 11:39:50 UTC in milliseconds, which are "
                "expected: if these are seconds, 1769990400000 is 2026-02-02 00:00:00 UTC"
            ),
        ),
        (1, "start = 1 is 1970-01-01 00:00:00 UTC in milliseconds, which are expected: if "),
        (10**11 - 1, "start = 99999999999 is 1973-03-03 09:46:39 UTC in milliseconds, which "),
    ],
)
def test_seconds_are_refused_with_the_milliseconds_and_both_dates(given: int, said: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        milliseconds(given, "start")
    assert str(caught.value).startswith(said)


def test_a_date_before_1973_and_the_first_such_number_are_taken() -> None:
    assert milliseconds("1970-01-02") == 86_400_000
    assert milliseconds(10**11) == 10**11


NAIVE = datetime(1970, 1, 2)  # noqa: DTZ001 - hypothesis adds the zone; and one to refuse


@given(st.datetimes(min_value=NAIVE, timezones=ZONES, allow_imaginary=False))
def test_an_instant_is_the_same_in_any_zone(at: datetime) -> None:
    try:
        there = at.astimezone(UTC)
    except OverflowError:
        return
    ms = milliseconds(at)
    assert ms == milliseconds(there)
    assert timedelta(0) <= there - utc(ms) < timedelta(milliseconds=1)


def test_text_and_dates_mean_utc() -> None:
    first = 1_767_225_600_000
    assert milliseconds("2026-01-01") == milliseconds(date(2026, 1, 1)) == first
    assert milliseconds("2026-01-01T00:00:00Z") == milliseconds("2026-01-01 00:00") == first
    assert milliseconds("2026-01-01T02:00:00.001+02:00") == first + 1
    assert milliseconds(datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))) == first
    assert milliseconds(0) == milliseconds("1970-01-01") == 0
    assert milliseconds(utc(LATEST)) == LATEST


def test_both_hours_that_a_clock_shows_twice() -> None:
    first = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    assert milliseconds(first.replace(fold=1)) - milliseconds(first) == 3_600_000


NO_TIMES: list[tuple[Any, str]] = [
    (NAIVE, r"names no time zone: expected .*start='1970-01-02T00:00:00'"),
    ("yesterday", "no ISO time, expected such as '2026-01-31'"),
    ("2026-02-30", "no ISO time"),
    ("", "no ISO time"),
    (1.5, r"start = 1\.5 \(float\): expected an aware datetime"),
    (None, "NoneType"),
    (True, "bool"),
    (-1, "out of reach"),
    (LATEST + 1, "out of reach"),
    ("1969-12-31", "out of reach"),
    ("9999-12-31T23:59:59-14:00", "out of reach"),
]


@pytest.mark.parametrize(("value", "text"), NO_TIMES)
def test_what_names_no_instant_is_refused(value: Any, text: str) -> None:
    with pytest.raises(InvalidValue, match=text):
        milliseconds(value, "start")


@pytest.mark.parametrize("value", [-1, LATEST + 1, 1.0, True, "2026-01-01"])
def test_what_is_no_number_of_ms_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        utc(value)
