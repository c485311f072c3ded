"""Bars made of shorter ones are those that the mock's server has itself, and those made by hand."""

from __future__ import annotations

from array import array
from datetime import datetime, timedelta
from itertools import groupby
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctrader_typed.errors import InvalidValue
from ctrader_typed.market.bars import Bars
from ctrader_typed.market.periods import Period
from ctrader_typed.market.resample import resample
from ctrader_typed.proto import ProtoOAGetTrendbarsReq, ProtoOATrendbar
from mockserver.broker.market.history import History
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.quotes import Market
from mockserver.broker.market.random_prices import RandomPrices
from mockserver.broker.rules import MarketRules

HOUR, DAY = 3_600_000, 86_400_000
SUMMER = 1_772_928_000_000  # 2026-03-08: New York puts its clocks forward
WINTER = 1_793_491_200_000  # 2026-11-01: and back
CATALOGUE = Instruments.standard()
MARKET = Market(CATALOGUE, RandomPrices(CATALOGUE, 7), WINTER + 100 * DAY)
"""Later than the end of every bar that is asked for: the server gives bars that have ended."""
SERVER = History(MARKET, MarketRules(bars_page=1_000_000))
EURUSD, BITCOIN = 1, 324
NATIVE = [period for period in Period if period.native is not None]


def of_server(period: Period, start: int, end: int, symbol_id: int = EURUSD) -> Bars:
    """The bars that open in `[start, end)`."""
    native = period.native
    assert native is not None
    answer = SERVER.trendbars(
        ProtoOAGetTrendbarsReq(
            ctid_trader_account_id=1,
            symbol_id=symbol_id,
            period=native,
            from_timestamp=start,
            to_timestamp=end - 1,
        )
    )
    assert answer.has_more is False
    rows = map(row_of, answer.trendbar)
    columns = map(array, "qqqqqq", zip(*rows, strict=True)) if answer.trendbar else ()
    return Bars(symbol_id, period, 5, *columns)


def row_of(bar: ProtoOATrendbar) -> tuple[int, ...]:
    """A message's bar as time, open, high, low, close, volume."""
    low, minute = bar.low, bar.utc_timestamp_in_minutes
    assert low is not None
    assert minute is not None
    deltas = bar.delta_open, bar.delta_high, 0, bar.delta_close
    assert None not in deltas
    return minute * 60_000, *(low + (delta or 0) for delta in deltas), bar.volume


def bounds(period: Period, time: int, count: int) -> tuple[int, int]:
    """Of whole bars of a period, from the one that holds a time on."""
    start = end = period.start_of(time)
    for _ in range(count):
        end = period.next(end)
    return start, end


TIMES = st.one_of(
    st.integers(SUMMER - 20 * DAY, WINTER + 20 * DAY),
    st.integers(SUMMER - 2 * DAY, SUMMER + 2 * DAY),
    st.integers(WINTER - 2 * DAY, WINTER + 2 * DAY),
)
PAIRS = [
    (short, long)
    for short in NATIVE
    for long in NATIVE
    if short.fits_in(long) and long.nominal // short.nominal <= 2_000
]


@settings(max_examples=60)
@example((Period.D1, Period.MN1), 1_793_480_400_000, EURUSD)  # November and all of December
@given(st.sampled_from(PAIRS), TIMES, st.sampled_from([EURUSD, BITCOIN]))
def test_made_as_the_server_has_them(
    periods: tuple[Period, Period], time: int, symbol_id: int
) -> None:
    short, long = periods
    start, end = bounds(long, time, 1 + DAY // min(DAY, long.nominal * 8))
    made = resample(of_server(short, start, end, symbol_id), long)
    assert made == of_server(long, start, end, symbol_id)


def test_a_day_of_minutes_is_its_hours() -> None:
    start, end = bounds(Period.D1, SUMMER + 10 * DAY, 1)
    hours = resample(of_server(Period.M1, start, end), "H1")
    assert len(hours) == 24
    assert hours == of_server(Period.H1, start, end)


@settings(max_examples=40)
@given(st.sampled_from([p for p in Period if p.native is None]), TIMES)
def test_all_ways_to_a_period_lead_to_the_same(period: Period, time: int) -> None:
    start, end = bounds(period, time, 3)
    ways = [p for p in NATIVE if p.fits_in(period) and period.nominal // p.nominal <= 60]
    first, *others = [resample(of_server(p, start, end, BITCOIN), period) for p in ways]
    assert others
    assert all(other == first for other in others)
    assert len(first) == 3
    source = of_server(period.source, start, end, BITCOIN)
    assert sum(first.volume) == sum(source.volume)
    assert (first.open[0], first.close[-1]) == (source.open[0], source.close[-1])
    assert (max(first.high), min(first.low)) == (max(source.high), min(source.low))


def begins(period: Period, time: int) -> int:
    """By the clock on a wall in New York, and by nothing else."""
    length, wall = period.nominal, datetime.fromtimestamp(time / 1000, ZoneInfo("America/New_York"))
    if length <= HOUR:
        return time // length * length
    day = (wall.replace(tzinfo=None) + timedelta(hours=7)).date()
    if period is Period.W1:
        day -= timedelta(days=day.weekday())
    if period is Period.MN1:
        day = day.replace(day=1)
    opened = datetime(*(day - timedelta(days=1)).timetuple()[:3], 17, tzinfo=wall.tzinfo)
    start = int(opened.timestamp() * 1000)
    if length >= DAY:
        return start
    return start + min((time - start) // length, DAY // length - 1) * length


def a_bar(chance: Random) -> tuple[int, int, int, int]:
    """Open, high, low and close."""
    prices = chance.sample(range(1_000), 4)
    return prices[0], max(prices), min(prices), prices[1]


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize("middle", [SUMMER, WINTER])
def test_made_as_by_hand_over_weekends_and_changes_of_the_clock(
    period: Period, middle: int
) -> None:
    chance = Random(middle)
    times = sorted(chance.sample(range(middle - 9 * DAY, middle + 9 * DAY, 60_000), 3_000))
    rows = [(time, *a_bar(chance), chance.randrange(1, 99)) for time in times]
    minutes = Bars(1, Period.M1, 5, *map(array, "qqqqqq", zip(*rows, strict=True)))
    expected = []
    for start, group in groupby(rows, key=lambda row: begins(period, row[0])):
        _, opens, highs, lows, closes, volumes = zip(*group, strict=True)
        expected.append((start, opens[0], max(highs), min(lows), closes[-1], sum(volumes), 5))
    assert list(resample(minutes, period)) == expected


def test_in_steps_as_at_once() -> None:
    start, end = bounds(Period.W1, SUMMER, 2)
    minutes = of_server(Period.M1, start, end)
    steps = resample(resample(resample(minutes, "M30"), "H2"), "D1")
    assert steps == resample(minutes, "D1") == of_server(Period.D1, start, end)


@pytest.mark.parametrize("period", [Period.M1, Period.D1])
def test_the_same_period_changes_nothing(period: Period) -> None:
    start, end = bounds(Period.D1, SUMMER, 3)
    bars = of_server(period, start, end)
    assert len(bars)
    assert resample(bars, period) == bars


def test_parts_of_periods() -> None:
    """What is cut off in the middle of an hour makes a bar of its own, unless one says so."""
    start = SUMMER + 10 * DAY
    minutes = of_server(Period.M1, start + HOUR // 2, start + 3 * HOUR - HOUR // 2)
    whole = of_server(Period.H1, start, start + 3 * HOUR)
    made = resample(minutes, "H1")
    assert list(made.time) == list(whole.time)
    assert made[1] == whole[1]
    assert made[0] != whole[0]
    assert made[2] != whole[2]
    assert resample(minutes, "H1", start + 1, start + 3 * HOUR - 1) == whole[1:2]
    assert resample(minutes, "H1", start, start + 3 * HOUR) == made
    assert resample(minutes, "H1", end=start + 2 * HOUR) == made[:2]
    assert resample(minutes, "H1", start + HOUR) == made[1:]


def test_nothing_of_nothing() -> None:
    assert resample(Bars(1, Period.M1, 5), "H1") == Bars(1, Period.H1, 5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(
        InvalidValue, match=r"H4 bars do not fit into H6 ones; these do: M1, .*H3, H6"
    ):
        resample(Bars(1, Period.H4, 5), "H6")
