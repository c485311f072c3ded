"""Where bars begin and end: against the clock in New York, and against the mock's own reckoning."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.errors import InvalidValue
from ctrader_typed.market.periods import Period, PeriodName
from ctrader_typed.proto import ProtoOATrendbarPeriod
from mockserver.broker.market import periods as mock

MINUTE, HOUR = 60_000, 3_600_000
NATIVE = [period for period in Period if period.native is not None]
times = st.integers(0, 4_102_444_800_000)  # until 2100
periods = st.sampled_from(Period)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "time", "start", "end"),
    [
        ("M1", "2026-01-15T10:07:30", "2026-01-15T10:07", "2026-01-15T10:08"),
        ("M20", "2026-01-15T10:47", "2026-01-15T10:40", "2026-01-15T11:00"),
        ("H1", "2026-01-15T10:00", "2026-01-15T10:00", "2026-01-15T11:00"),
        # Winter: the day turns at 22:00 UTC.
        ("H2", "2026-01-15T22:00", "2026-01-15T22:00", "2026-01-16T00:00"),
        ("H4", "2026-01-15T21:59", "2026-01-15T18:00", "2026-01-15T22:00"),
        ("H12", "2026-01-15T10:00", "2026-01-15T10:00", "2026-01-15T22:00"),
        ("D1", "2026-01-15T21:59", "2026-01-14T22:00", "2026-01-15T22:00"),
        ("D1", "2026-01-15T22:00", "2026-01-15T22:00", "2026-01-16T22:00"),
        # Summer: at 21:00.
        ("H3", "2026-07-15T22:00", "2026-07-15T21:00", "2026-07-16T00:00"),
        ("H4", "2026-07-15T21:59", "2026-07-15T21:00", "2026-07-16T01:00"),
        ("D1", "2026-07-15T21:00", "2026-07-15T21:00", "2026-07-16T21:00"),
        # The day with 23 hours, and its last bar with three; the one with 25, and its with five.
        ("D1", "2026-03-08T00:00", "2026-03-07T22:00", "2026-03-08T21:00"),
        ("H4", "2026-03-08T20:59", "2026-03-08T18:00", "2026-03-08T21:00"),
        ("H8", "2026-03-08T20:59", "2026-03-08T14:00", "2026-03-08T21:00"),
        ("D1", "2026-11-01T00:00", "2026-10-31T21:00", "2026-11-01T22:00"),
        ("H4", "2026-11-01T21:59", "2026-11-01T17:00", "2026-11-01T22:00"),
        # The week begins on Sunday evening, the month on the evening before its first.
        ("W1", "2026-01-15T10:00", "2026-01-11T22:00", "2026-01-18T22:00"),
        ("W1", "2026-03-10T10:00", "2026-03-08T21:00", "2026-03-15T21:00"),
        ("MN1", "2026-03-31T20:59", "2026-02-28T22:00", "2026-03-31T21:00"),
        ("MN1", "2025-12-31T22:00", "2025-12-31T22:00", "2026-01-31T22:00"),
    ],
)
def test_begins_and_ends_at(period: str, time: str, start: str, end: str) -> None:
    at = Period.of(period)
    assert (at.start_of(ms(time)), at.next(ms(time))) == (ms(start), ms(end))


@given(periods, times)
def test_every_time_is_in_one_bar(period: Period, time: int) -> None:
    start, end = period.start_of(time), period.next(time)
    assert start <= time < end
    assert period.start_of(start) == start
    assert period.start_of(end - 1) == start
    assert period.start_of(end) == end
    assert period.next(start) == end
    assert end - start <= period.nominal + (31 * 24 * HOUR if period is Period.MN1 else HOUR)


@given(st.sampled_from(NATIVE), times)
def test_the_mock_reckons_alike(period: Period, time: int) -> None:
    native, minute = period.native, time // MINUTE
    assert native is not None
    start = mock.period_start(native, minute)
    assert period.start_of(time) == start * MINUTE
    assert period.next(time) == mock.period_end(native, start) * MINUTE


@given(periods, periods, times)
def test_a_period_that_fits_in_another_never_straddles_its_bounds(
    short: Period, long: Period, time: int
) -> None:
    if short.fits_in(long):
        assert long.start_of(short.start_of(time)) == long.start_of(time)
        assert short.start_of(long.start_of(time)) == long.start_of(time)
        assert short.next(time) <= long.next(time)


def test_which_fit() -> None:
    assert Period.M10.fits_in(Period.M20)
    assert Period.M10.fits_in(Period.MN1)
    assert Period.H12.fits_in(Period.W1)
    assert Period.D1.fits_in(Period.MN1)
    assert all(period.fits_in(period) for period in Period)
    assert not Period.M4.fits_in(Period.M10)
    assert not Period.H4.fits_in(Period.H6)
    assert not Period.W1.fits_in(Period.MN1)
    assert not Period.H1.fits_in(Period.M30)
    assert not Period.MN1.fits_in(Period.W1)


@pytest.mark.parametrize("period", Period)
def test_the_source_is_the_longest_of_the_server_that_fits(period: Period) -> None:
    fitting = [native for native in NATIVE if native.fits_in(period)]
    assert period.source is max(fitting, key=lambda native: native.nominal)


@given(periods, times, st.integers(0, 40))
def test_starts_are_all_boundaries(period: Period, start: int, bars: int) -> None:
    end = start + bars * period.nominal
    found = list(period.starts(start, end))
    assert all(start <= at < end for at in found)
    assert all(period.next(a) == b for a, b in pairwise(found))
    if found:
        assert period.start_of(start) in {start, period.start_of(found[0] - 1)}
        assert period.next(found[-1]) >= end
    else:
        assert period.next(start) >= end or start == end


def test_of() -> None:
    assert Period.of("m1") is Period.M1
    assert Period.of("MN1") is Period.MN1
    assert Period.of(Period.H2) is Period.H2
    assert Period.of(ProtoOATrendbarPeriod.H4) is Period.H4
    assert str(Period.H4) == f"{Period.H4}" == "H4"
    assert pickle.loads(pickle.dumps(Period.H4)) is Period.H4


@pytest.mark.parametrize("wrong", ["M7", "", "7m", ProtoOATrendbarPeriod(99)])
def test_what_is_no_period_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidValue, match=r"no period '.*': there are M1, M2.*MN1"):
        Period.of(wrong)


def test_all_names_are_known_and_all_of_the_server_are_native() -> None:
    names = list(get_args(PeriodName))
    assert names[: len(Period)] == [period.name for period in Period]
    assert [Period.of(name) for name in names[len(Period) :]] == list(Period)


@pytest.mark.parametrize(
    ("name", "period"),
    [
        *(("5m", Period.M5), ("5min", Period.M5), ("30 min", Period.M30), ("1m", Period.M1)),
        *(("1h", Period.H1), ("4H", Period.H4), ("1d", Period.D1), ("1D", Period.D1)),
        *(("1w", Period.W1), ("1mo", Period.MN1), ("1MO", Period.MN1), ("m5", Period.M5)),
    ],
)
def test_the_number_may_stand_before_the_unit(name: str, period: Period) -> None:
    assert Period.of(name) is period


@pytest.mark.parametrize("wrong", [1, None, 60.0, "", "7m", "5", "m", "2mo", "M7", b"M1", ("M1",)])
def test_what_is_no_period_is_refused_with_all_that_are(wrong: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        Period.of(wrong)
    assert str(caught.value).startswith(f"no period {wrong!r}: there are M1, M2, ")
    assert str(caught.value).endswith('MN1, also as "5m", "1h", "1d", "1w", "1mo"')


def test_a_capital_m_after_a_number_is_refused_for_it_has_two_meanings() -> None:
    with pytest.raises(InvalidValue, match='"1m" is a minute, "1mo" a month'):
        Period.of("1M")
    with pytest.raises(InvalidValue):
        Period.of("5M")
    assert {p.native for p in NATIVE} == set(ProtoOATrendbarPeriod)
    assert Period.H2.native is None
