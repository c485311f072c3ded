"""Trading hours: zones, daylight saving, holidays, and spans that agree with single moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.proto import ProtoOAHoliday, ProtoOAInterval, ProtoOASymbol
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.trading_hours import WEEK, TradingSchedule

STANDARD = Instruments.standard()
MOMENTS = st.integers(1_577_836_800_000, 1_893_456_000_000)  # 2020 to 2030
SYMBOLS = st.sampled_from([s.symbol_id for s in STANDARD.symbols])


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def stated(symbol: ProtoOASymbol, when: int) -> bool:
    """What the specification says, by the wall clock of its zone, holidays aside."""
    zone = ZoneInfo(symbol.schedule_time_zone or "UTC")
    wall = datetime.fromtimestamp(when / 1000, zone).replace(tzinfo=None)
    sunday = wall - timedelta(days=wall.isoweekday() % 7)
    midnight = sunday.replace(hour=0, minute=0, second=0, microsecond=0)
    second = (wall - midnight).total_seconds()
    return any(i.start_second <= second < i.end_second for i in symbol.schedule)


@given(SYMBOLS, MOMENTS)
def test_open_is_what_the_wall_clock_of_the_zone_says(symbol_id: int, when: int) -> None:
    symbol = STANDARD.symbol(symbol_id)
    if not symbol.holiday:
        assert STANDARD.is_open(symbol_id, when) == stated(symbol, when)


@given(MOMENTS)
def test_the_same_for_hours_with_daylight_saving(when: int) -> None:
    symbol = ProtoOASymbol.FromString(bytes(STANDARD.symbol(276)))
    symbol.holiday = []
    assert TradingSchedule(symbol).is_open(when) == stated(symbol, when)


QUARTERS = st.integers(0, 27)  # of days: clocks change in between, never at their ends
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "Pacific/Honolulu"]


def in_quarters(zone: str, quarters: set[int]) -> ProtoOASymbol:
    return ProtoOASymbol(
        symbol_id=1,
        digits=5,
        pip_position=4,
        schedule_time_zone=zone,
        schedule=[
            ProtoOAInterval(start_second=q * 21_600, end_second=(q + 1) * 21_600) for q in quarters
        ],
    )


@given(st.sets(QUARTERS, min_size=1), st.sampled_from(ZONES), MOMENTS)
def test_the_same_for_any_hours_in_any_zone(quarters: set[int], zone: str, when: int) -> None:
    symbol = in_quarters(zone, quarters)
    assert TradingSchedule(symbol).is_open(when) == stated(symbol, when)


@pytest.mark.parametrize("zone", ZONES)
def test_a_week_ends_when_it_ends_in_the_zone(zone: str) -> None:
    symbol = in_quarters(zone, {0, 2, 25, 27})
    for hours in range(-40, 40):
        when = ms("2026-07-12T00:00") + hours * 3_600_000  # around a Sunday
        assert TradingSchedule(symbol).is_open(when) == stated(symbol, when)


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-09-18T20:54:59.999", True),  # Friday 23:54:59 in Moscow
        ("2026-09-18T20:55:00", False),
        ("2026-09-20T21:04:59.999", False),  # Monday 00:04:59 in Moscow
        ("2026-09-20T21:05:00", True),
        ("2026-09-21T20:55:00", False),  # the break of every night
        ("2026-09-21T21:05:00", True),
    ],
)
def test_the_recorded_hours_of_euro_dollar(when: str, is_open: bool) -> None:
    assert STANDARD.is_open(1, ms(when)) is is_open


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-01-11T22:59", False),  # Sunday 17:59 in New York, winter
        ("2026-01-11T23:00", True),
        ("2026-07-12T21:59", False),  # Sunday 17:59 in New York, summer
        ("2026-07-12T22:00", True),
    ],
)
def test_hours_follow_daylight_saving(when: str, is_open: bool) -> None:
    assert STANDARD.is_open(276, ms(when)) is is_open


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2025-12-24T12:00", True),
        ("2025-12-24T17:59", True),  # 12:59 in New York
        ("2025-12-24T18:00", False),  # the half day ends
        ("2025-12-25T15:00", False),
        ("2025-12-26T04:59", False),  # 23:59 in New York, still Christmas
        ("2025-12-26T05:00", True),
        ("2026-01-01T15:00", False),
        ("2027-01-01T15:00", False),  # recurring
        ("2019-12-25T15:00", True),  # before the holiday was first
    ],
)
def test_holidays(when: str, is_open: bool) -> None:
    assert STANDARD.is_open(276, ms(when)) is is_open


def holiday(**fields: object) -> TradingSchedule:
    given_day = ProtoOAHoliday(
        holiday_id=1,
        name="Day",
        schedule_time_zone="UTC",
        **({"holiday_date": 18_321, "is_recurring": True} | fields),  # type: ignore[arg-type]  # the test's own keywords
    )
    return TradingSchedule(
        ProtoOASymbol(symbol_id=1, digits=5, pip_position=4, holiday=[given_day])
    )


def test_29_february_recurs_in_leap_years_only() -> None:
    schedule = holiday()  # 2020-02-29
    assert not schedule.is_open(ms("2020-02-29T12:00"))
    assert not schedule.is_open(ms("2024-02-29T12:00"))
    assert schedule.is_open(ms("2023-02-28T12:00"))
    assert schedule.is_open(ms("2023-03-01T12:00"))


def test_a_holiday_that_does_not_recur_and_only_pauses() -> None:
    schedule = holiday(is_recurring=False, start_second=3600, end_second=7200)
    assert schedule.is_open(ms("2020-02-29T00:59:59"))
    assert not schedule.is_open(ms("2020-02-29T01:00"))
    assert schedule.is_open(ms("2020-02-29T02:00"))
    assert schedule.is_open(ms("2024-02-29T01:30"))


@given(SYMBOLS, MOMENTS, st.integers(1, WEEK * 3), st.data())
def test_spans_agree_with_single_moments(
    symbol_id: int, start: int, length: int, data: st.DataObject
) -> None:
    schedule = STANDARD.schedule(symbol_id)
    spans = list(schedule.spans(start, start + length))
    assert spans == sorted(spans)
    for opens, closes in spans:
        assert start <= opens < closes <= start + length
        assert schedule.is_open(opens)
        assert schedule.is_open(closes - 1)
    when = data.draw(st.integers(start, start + length - 1))
    assert schedule.is_open(when) == any(a <= when < b for a, b in spans)


@given(SYMBOLS, MOMENTS)
def test_next_open_is_the_first_open_moment(symbol_id: int, when: int) -> None:
    schedule = STANDARD.schedule(symbol_id)
    opens = schedule.next_open(when)
    assert opens is not None
    assert schedule.is_open(opens)
    assert opens == when or not schedule.is_open(opens - 1)
    assert not list(schedule.spans(when, opens)) or opens == when


def test_a_symbol_that_never_opens() -> None:
    never = ProtoOASymbol(
        symbol_id=1,
        digits=5,
        pip_position=4,
        schedule=[ProtoOAInterval(start_second=10, end_second=10)],
    )
    assert TradingSchedule(never).next_open(0) is None
