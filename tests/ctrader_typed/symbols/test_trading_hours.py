"""Trading hours against a wall clock, over daylight saving, holidays and the turn of the week."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, permutations
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import InvalidValue, ProtoOAHoliday, ProtoOAInterval, ProtoOASymbol
from ctrader_typed.symbols import TradingHours
from ctrader_typed.units import milliseconds, utc
from mockserver.broker.market.trading_hours import TradingSchedule

HOUR, DAY, WEEK = 3600, 86_400, 604_800
QUARTER = 900_000  # ms
ZONES = ("America/New_York", "Europe/Athens", "Europe/Helsinki", "Europe/Moscow", "UTC")


def wall(text: str, zone: str) -> int:
    """A wall clock in a zone, in ms."""
    return milliseconds(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def holiday(
    day: str,
    zone: str,
    begins: int | None = None,
    ends: int | None = None,
    *,
    recurring: bool = False,
) -> ProtoOAHoliday:
    return ProtoOAHoliday(
        holiday_id=1,
        name="a holiday",
        schedule_time_zone=zone,
        holiday_date=(date.fromisoformat(day) - date(1970, 1, 1)).days,
        is_recurring=recurring,
        start_second=begins,
        end_second=ends,
    )


# New York's trading day: 17:00 of the evening before to 16:59, Sunday to Friday.
EVENINGS = tuple((d * DAY + 17 * HOUR, (d + 1) * DAY + 17 * HOUR - 60) for d in range(5))
# Monday to Friday, 10:00 to 17:20.
OFFICE = tuple((d * DAY + 10 * HOUR, d * DAY + 17 * HOUR + 1200) for d in range(1, 6))


CHANGES = [
    # zone, Friday before, its opening in UTC, Monday after, its opening in UTC
    ("America/New_York", "2026-03-06", "15:00", "2026-03-09", "14:00"),
    ("America/New_York", "2026-10-30", "14:00", "2026-11-02", "15:00"),
    ("Europe/Athens", "2026-03-27", "08:00", "2026-03-30", "07:00"),
    ("Europe/Athens", "2026-10-23", "07:00", "2026-10-26", "08:00"),
    ("Europe/Helsinki", "2026-03-27", "08:00", "2026-03-30", "07:00"),
    ("Europe/Helsinki", "2026-10-23", "07:00", "2026-10-26", "08:00"),
    ("Europe/Moscow", "2026-03-27", "07:00", "2026-03-30", "07:00"),
]


@pytest.mark.parametrize(("zone", "friday", "first", "monday", "then"), CHANGES)
def test_the_hours_follow_daylight_saving(
    zone: str, friday: str, first: str, monday: str, then: str
) -> None:
    hours = TradingHours(zone, OFFICE)
    opened, opens = milliseconds(f"{friday}T{first}"), milliseconds(f"{monday}T{then}")
    assert not hours.is_open(opened - 1)
    assert hours.is_open(opened)
    closed = opened + (7 * HOUR + 1200) * 1000
    assert hours.is_open(closed - 1)
    assert not hours.is_open(closed)
    assert hours.next_close(opened) == closed
    assert hours.next_open(closed) == hours.next_open(opens - 1) == opens
    assert hours.next_close(closed) == closed
    assert hours.next_open(opened) == opened


@pytest.mark.parametrize(
    ("sunday", "opening"),
    [
        ("2026-03-08", "21:00"),  # the clock has gone forward this morning
        ("2026-03-01", "22:00"),
        ("2026-11-01", "22:00"),
        ("2026-10-25", "21:00"),
    ],
)
def test_the_evening_after_the_clock_has_changed(sunday: str, opening: str) -> None:
    hours = TradingHours("America/New_York", EVENINGS)
    assert hours.next_open(milliseconds(sunday)) == milliseconds(f"{sunday}T{opening}")


def test_hours_that_the_clock_skips_or_shows_twice() -> None:
    zone = "America/New_York"
    night = TradingHours(zone, ((2 * HOUR + 1800, 4 * HOUR),))  # Sunday 02:30 to 04:00
    skipped = milliseconds("2026-03-08T07:30")  # 03:30 in summer time
    assert list(night.spans(skipped - QUARTER * 8, skipped + QUARTER * 8)) == [
        (skipped, skipped + QUARTER * 2)
    ]
    # 02:00 and 02:30 are moved on by an hour, 03:00 is not: nothing is left from 02:30 to 03:00.
    inside = TradingHours(zone, ((2 * HOUR + 1800, 3 * HOUR), (2 * HOUR, 2 * HOUR + 1800)))
    sunday = milliseconds("2026-03-08"), milliseconds("2026-03-09")
    assert list(inside.spans(*sunday)) == [
        (milliseconds("2026-03-08T07:00"), milliseconds("2026-03-08T07:30"))
    ]
    twice = TradingHours(zone, ((HOUR, 2 * HOUR),))  # Sunday 01:00 to 02:00, in autumn two hours
    assert list(twice.spans(milliseconds("2026-11-01"), milliseconds("2026-11-02"))) == [
        (milliseconds("2026-11-01T05:00"), milliseconds("2026-11-01T07:00"))
    ]


def test_an_interval_may_end_in_the_next_week() -> None:
    saturday = 6 * DAY + 22 * HOUR
    for end in (WEEK + 3 * HOUR, 3 * HOUR):  # either way of writing Sunday 03:00
        hours = TradingHours("UTC", ((saturday, end),))
        opened = milliseconds("2026-11-21T22:00")
        assert hours.next_open(milliseconds("2026-11-20")) == opened
        assert hours.is_open(milliseconds("2026-11-22T02:59:59.999"))
        assert hours.next_close(opened) == milliseconds("2026-11-22T03:00")
        assert not hours.is_open(milliseconds("2026-11-22T03:00"))


def test_what_always_trades_never_closes() -> None:
    now = milliseconds("2026-11-21T12:34:56.789")
    for always in (TradingHours("UTC", ()), TradingHours("Europe/Athens", ((0, WEEK),))):
        assert always.next_open(now) == now
        assert always.next_close(now) is None
        assert list(always.spans(now, now + 1)) == [(now, now + 1)]
    never = TradingHours("UTC", ((5, 5),))
    assert never.next_open(now) is None
    assert never.next_close(now) == now
    assert not never.is_open(now)


def test_a_holiday_closes_a_whole_day_of_its_own_zone() -> None:
    zone = "Europe/Athens"
    hours = TradingHours(zone, ((0, WEEK),), (holiday("2026-12-25", zone),))
    begins, ends = wall("2026-12-25T00:00", zone), wall("2026-12-26T00:00", zone)
    assert utc(begins) == datetime(2026, 12, 24, 22, tzinfo=UTC)
    assert hours.is_open(begins - 1)
    assert hours.next_close(begins - 1) == begins
    assert hours.next_open(begins) == ends
    assert not hours.is_open(ends - 1)
    assert hours.is_open(wall("2027-12-25T12:00", zone))  # only once


def test_a_part_of_a_day() -> None:
    zone = "America/New_York"
    half = holiday("2026-11-27", zone, begins=13 * HOUR)
    late = holiday("2026-11-30", zone, ends=12 * HOUR)
    pause = holiday("2026-12-01", zone, 12 * HOUR, 12 * HOUR + 1800)
    hours = TradingHours(zone, OFFICE, (pause, late, half))
    assert hours.next_close(wall("2026-11-27T12:00", zone)) == wall("2026-11-27T13:00", zone)
    assert hours.next_open(wall("2026-11-27T13:00", zone)) == wall("2026-11-30T12:00", zone)
    day = wall("2026-12-01T00:00", zone), wall("2026-12-02T00:00", zone)
    assert list(hours.spans(*day)) == [
        (wall("2026-12-01T10:00", zone), wall("2026-12-01T12:00", zone)),
        (wall("2026-12-01T12:30", zone), wall("2026-12-01T17:20", zone)),
    ]


def test_pauses_within_one_another() -> None:
    day, begins, ends = "2026-12-01", 9 * HOUR, 18 * HOUR
    parts = [(begins, ends), (begins, 10 * HOUR), (12 * HOUR, 13 * HOUR), (20 * HOUR, None)]
    for given_ in permutations(holiday(day, "UTC", *part) for part in parts):
        hours = TradingHours("UTC", ((0, WEEK),), tuple(given_))
        assert list(hours.spans(milliseconds(day), milliseconds("2026-12-02T01:00"))) == [
            (milliseconds("2026-12-01"), milliseconds("2026-12-01T09:00")),
            (milliseconds("2026-12-01T18:00"), milliseconds("2026-12-01T20:00")),
            (milliseconds("2026-12-02"), milliseconds("2026-12-02T01:00")),
        ]


def test_a_holiday_that_is_yesterday_in_utc() -> None:
    zone = "America/New_York"
    night = holiday("2026-12-01", zone, 22 * HOUR, 21 * HOUR)  # to the next evening
    for each in (holiday("2026-12-02", zone), night):
        hours = TradingHours(zone, ((0, WEEK),), (each,))
        assert not hours.is_open(wall("2026-12-02T20:59", zone))  # the third in UTC
        assert not hours.is_open(wall("2026-12-02T00:00", zone))
        assert hours.is_open(wall("2026-12-03T00:00", zone))


def test_a_part_of_no_length_and_one_over_midnight() -> None:
    nothing = holiday("2026-12-01", "UTC", 9 * HOUR, 9 * HOUR)
    night = holiday("2026-12-02", "UTC", 22 * HOUR, 2 * HOUR)
    hours = TradingHours("UTC", ((0, WEEK),), (nothing, night))
    assert list(hours.spans(milliseconds("2026-12-01"), milliseconds("2026-12-04"))) == [
        (milliseconds("2026-12-01"), milliseconds("2026-12-02T22:00")),
        (milliseconds("2026-12-03T02:00"), milliseconds("2026-12-04")),
    ]


def test_a_part_that_ends_at_second_0_ends_with_the_day() -> None:
    """Servers send defaults: both at 0 are a whole day."""
    for begins in (None, 0, 13 * HOUR):
        hours = TradingHours("UTC", ((0, WEEK),), (holiday("2026-12-01", "UTC", begins, 0),))
        closes = milliseconds("2026-12-01") + (begins or 0) * 1000
        assert hours.next_close(milliseconds("2026-11-30")) == closes
        assert hours.next_open(closes) == milliseconds("2026-12-02")


def test_a_recurring_holiday_comes_back_every_year() -> None:
    zone = "America/New_York"
    christmas = holiday("2020-12-25", zone, recurring=True)
    leap = holiday("2020-02-29", zone, recurring=True)
    hours = TradingHours(zone, ((0, WEEK),), (christmas, leap))
    for year in (2020, 2026, 2033):
        assert not hours.is_open(wall(f"{year}-12-25T12:00", zone))
        assert hours.is_open(wall(f"{year}-12-26T00:00", zone))
    assert hours.is_open(wall("2019-12-25T12:00", zone))  # it did not exist yet
    assert not hours.is_open(wall("2028-02-29T12:00", zone))
    assert hours.is_open(wall("2027-02-28T12:00", zone))
    assert hours.is_open(wall("2027-03-01T12:00", zone))


def test_a_new_year_that_is_another_year_in_utc() -> None:
    zone = "Pacific/Auckland"
    hours = TradingHours("UTC", ((0, WEEK),), (holiday("2020-01-01", zone, recurring=True),))
    begins = milliseconds("2026-12-31T11:00")  # 2027 in Auckland
    assert hours.next_close(milliseconds("2026-12-31")) == begins
    assert hours.next_open(begins) == begins + DAY * 1000
    assert not hours.is_open(begins + HOUR * 1000)


def test_a_zone_that_is_not_known() -> None:
    for name in ("Middle/Earth", "", "../etc"):
        with pytest.raises(InvalidValue, match="no time zone"):
            TradingHours(name, OFFICE).is_open(0)


def test_what_a_symbol_states() -> None:
    symbol = ProtoOASymbol(
        symbol_id=1,
        digits=5,
        pip_position=4,
        schedule=[ProtoOAInterval(start_second=1, end_second=2)],
        holiday=[holiday("2026-12-25", "UTC")],
    )
    assert TradingHours.of(symbol) == TradingHours(
        "UTC", ((1, 2),), (holiday("2026-12-25", "UTC"),)
    )


def test_recorded_hours(recordings: Path) -> None:
    """EURUSD's week as a server stated it: Monday 00:05 to Friday 23:55 in Moscow."""
    lines = (recordings / "market_data.jsonl").read_text().splitlines()
    answer = next(m for m in map(json.loads, lines) if m["message"] == "ProtoOASymbolByIdRes")
    for payload in answer["payload"]["symbol"]:
        symbol = ProtoOASymbol().from_dict(payload)
        hours, theirs = TradingHours.of(symbol), TradingSchedule(symbol)
        assert hours.intervals
        start = milliseconds("2026-03-01")
        assert list(hours.spans(start, start + 28 * DAY * 1000)) == list(
            theirs.spans(start, start + 28 * DAY * 1000)
        )
    eurusd = next(s for s in answer["payload"]["symbol"] if s["symbolId"] == 1)
    hours = TradingHours.of(ProtoOASymbol().from_dict(eurusd))
    assert hours.next_open(milliseconds("2026-11-21")) == milliseconds("2026-11-22T21:05")


# --- against a wall clock ---

# Quarters of an hour of the week, none of them where clocks change: Sunday 01:00 to 05:00.
EDGES = st.integers(0, 4 * 168).filter(lambda quarter: not 4 <= quarter <= 20)
INTERVALS = st.lists(st.tuples(EDGES, EDGES), min_size=1, max_size=6).map(
    lambda pairs: tuple((a * 900, b * 900) for a, b in pairs)
)
HOLIDAYS = st.lists(
    st.tuples(
        st.dates(date(2025, 6, 1), date(2027, 6, 1)).filter(lambda day: day.isoweekday() != 7),
        st.sampled_from(ZONES),
        st.booleans(),
        st.sampled_from([(None, None), (12 * HOUR, None), (None, 9 * HOUR), (HOUR, 2 * HOUR)]),
    ),
    max_size=4,
)
QUARTERS = st.integers(milliseconds("2026-01-01") // QUARTER, milliseconds("2027-01-01") // QUARTER)


def on_the_wall(hours: TradingHours, at: int) -> bool:
    """What a clock on the wall and a calendar say."""
    local = utc(at).astimezone(ZoneInfo(hours.zone))
    second = local.isoweekday() % 7 * DAY + local.hour * HOUR + local.minute * 60 + local.second
    trades = any(
        start <= second < end if start <= end else second >= start or second < end
        for start, end in hours.intervals
    )
    for each in hours.holidays:
        there = utc(at).astimezone(ZoneInfo(each.schedule_time_zone))
        day = date(1970, 1, 1) + timedelta(days=each.holiday_date)
        same = (there.month, there.day) == (day.month, day.day) and there.year >= day.year
        if there.date() == day or (each.is_recurring and same):
            since = there.hour * HOUR + there.minute * 60 + there.second
            ends = DAY if each.end_second is None else each.end_second
            if (each.start_second or 0) <= since < ends:
                return False
    return trades


@given(st.sampled_from(ZONES), INTERVALS, HOLIDAYS, QUARTERS)
def test_hours_are_those_on_the_wall(
    zone: str,
    intervals: tuple[tuple[int, int], ...],
    days: list[tuple[date, str, bool, tuple[int | None, int | None]]],
    quarter: int,
) -> None:
    closed = tuple(
        holiday(day.isoformat(), there, *part, recurring=recurring)
        for day, there, recurring, part in days
    )
    hours = TradingHours(zone, intervals, closed)
    at = quarter * QUARTER
    week = range(at, at + WEEK * 1000, QUARTER)
    open_there = [each for each in week if on_the_wall(hours, each)]
    spans = list(hours.spans(at, at + WEEK * 1000))
    assert [t for start, end in spans for t in range(start, end, QUARTER)] == open_there
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    opens, closes = hours.next_open(at), hours.next_close(at)
    if open_there:
        assert opens == open_there[0]
    else:
        assert opens is None or opens >= week[-1]
    shut = [each for each in week if each not in set(open_there)]
    if shut:
        assert closes == shut[0]
    else:
        assert closes is None or closes >= week[-1]
    for instant in (at, at + 1, at + QUARTER - 1):
        assert hours.is_open(instant) == on_the_wall(hours, instant)
