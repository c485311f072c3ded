"""History: windows and counts, paging without gaps or duplicates, the recorded shapes and
refusals.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctrader_typed.proto import (
    ProtoOAGetTickDataReq,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOAQuoteType,
    ProtoOATrendbarPeriod,
)
from mockserver.broker.market.bars import bars
from mockserver.broker.market.periods import (
    DAY,
    HOUR,
    MINUTE,
    Period,
    is_short,
    period_end,
    period_start,
)
from mockserver.broker.market.prices import TickList
from mockserver.broker.market.random_prices import SINCE

ACCOUNT = 1_000_001
NOW = 1_789_757_115_211
BID, ASK = ProtoOAQuoteType.BID, ProtoOAQuoteType.ASK
WEEK = 604_800_000
MakeDesk = Callable[..., Any]
MakeTicks = Callable[[Iterable[tuple[int, int | None, int | None]]], TickList]
same_desk = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def trendbars(
    period: Period = Period.M1,
    *,
    since: int | None = None,
    to: int | None = None,
    count: int | None = None,
    symbol_id: int = 1,
) -> ProtoOAGetTrendbarsReq:
    return ProtoOAGetTrendbarsReq(
        ctid_trader_account_id=ACCOUNT,
        symbol_id=symbol_id,
        period=period,
        from_timestamp=since,
        to_timestamp=to,
        count=count,
    )


def tick_data(
    side: ProtoOAQuoteType = BID,
    *,
    since: int | None = None,
    to: int | None = None,
    symbol_id: int = 1,
) -> ProtoOAGetTickDataReq:
    return ProtoOAGetTickDataReq(
        ctid_trader_account_id=ACCOUNT,
        symbol_id=symbol_id,
        type=side,
        from_timestamp=since,
        to_timestamp=to,
    )


def minutes(response: ProtoOAGetTrendbarsRes) -> list[int]:
    return [bar.utc_timestamp_in_minutes or 0 for bar in response.trendbar]


# --- trend bars


@pytest.mark.parametrize("period", Period)
def test_bars_of_every_period_are_those_of_its_minutes(state: MakeDesk, period: Period) -> None:
    ours = state()
    (response,) = ours.ask(trendbars(period, count=3))
    assert response.period is period
    assert response.symbol_id == 1
    assert response.timestamp == NOW
    assert response.has_more
    assert len(response.trendbar) == 3
    # Months of minutes take a while: one bar of them will do.
    for bar in response.trendbar[-3 if period < Period.W1 else -1 :]:
        start = bar.utc_timestamp_in_minutes
        end = period_end(period, start)
        (whole,) = bars(period, ours.source.minutes(1, start, end))
        assert bar == whole.historical()
        assert bar.period is None
        assert period_start(period, start) == start


@pytest.mark.parametrize("period", Period)
def test_the_bar_that_is_growing_is_not_history_yet(state: MakeDesk, period: Period) -> None:
    (response,) = state().ask(trendbars(period, count=1, to=NOW + 30 * 86_400_000))
    last = minutes(response)[-1]
    assert period_end(period, last) <= NOW // MINUTE


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (1_768_521_600_000, 22),  # 2026-01-16, winter
        (1_784_246_400_000, 21),  # 2026-07-17, summer
    ],
)
def test_days_begin_at_17_in_new_york(state: MakeDesk, now: int, opens: int) -> None:
    ours = state(now=now)
    (days,) = ours.ask(trendbars(Period.D1, count=3))
    assert {m % DAY // HOUR for m in minutes(days)} == {opens}
    (parts,) = ours.ask(trendbars(Period.H4, count=12))
    assert {m % DAY // HOUR % 4 for m in minutes(parts)} == {opens % 4}
    (hours,) = ours.ask(trendbars(Period.H1, count=30))
    assert {m % HOUR for m in minutes(hours)} == {0}


def test_a_bar_that_opens_exactly_at_to_is_included(state: MakeDesk) -> None:
    ours = state()
    at = (NOW // MINUTE - 10) * MINUTE
    (response,) = ours.ask(trendbars(count=2, to=at))
    assert minutes(response) == [at // MINUTE - 1, at // MINUTE]
    (response,) = ours.ask(trendbars(count=2, to=at - 1))
    assert minutes(response) == [at // MINUTE - 2, at // MINUTE - 1]
    (response,) = ours.ask(trendbars(since=at - 3 * MINUTE, to=at))
    assert minutes(response) == list(range(at // MINUTE - 3, at // MINUTE + 1))
    (response,) = ours.ask(trendbars(since=at - 3 * MINUTE + 1, to=at))
    assert minutes(response) == list(range(at // MINUTE - 2, at // MINUTE + 1))
    assert not response.has_more


def test_a_count_is_not_bounded_by_from(state: MakeDesk) -> None:
    (response,) = state().ask(trendbars(count=500, since=NOW - 5 * MINUTE, to=NOW))
    assert len(response.trendbar) == 500
    assert response.has_more


def test_a_wide_window_is_cut_silently_to_the_newest(state: MakeDesk) -> None:
    ours = state(bars_page=700)
    (response,) = ours.ask(trendbars(since=NOW - 400 * 86_400_000, to=NOW))
    assert len(response.trendbar) == 700
    assert response.has_more
    assert minutes(response)[-1] == NOW // MINUTE - 1
    (response,) = ours.ask(trendbars(count=5_000))
    assert len(response.trendbar) == 700
    (response,) = ours.ask(trendbars())
    assert len(response.trendbar) == 700


def test_short_pages_by_option(state: MakeDesk) -> None:
    ours = state(short_pages=True)
    (response,) = ours.ask(trendbars(count=500))
    assert len(response.trendbar) == 499
    assert response.has_more
    assert minutes(response)[-1] == NOW // MINUTE - 1
    (one,) = ours.ask(trendbars(count=1))
    assert len(one.trendbar) == 1
    (whole,) = ours.ask(trendbars(Period.MN1, count=500))
    assert not whole.has_more
    assert minutes(whole)[0] == period_start(Period.MN1, SINCE // MINUTE)


def test_a_bar_appears_after_the_delay(state: MakeDesk) -> None:
    now = NOW // MINUTE * MINUTE
    assert minutes(state(now=now).ask(trendbars(count=1))[0]) == [now // MINUTE - 1]
    assert minutes(state(now=now + 59, bar_delay=60).ask(trendbars(count=1))[0]) == [
        now // MINUTE - 2
    ]
    assert minutes(state(now=now + 60, bar_delay=60).ask(trendbars(count=1))[0]) == [
        now // MINUTE - 1
    ]


@same_desk
@given(
    st.sampled_from([Period.M1, Period.M5, Period.M30, Period.H1, Period.H4, Period.D1]),
    st.integers(1, 40),
    st.integers(0, 30 * DAY),
)
def test_pages_of_bars_have_no_gaps_and_no_duplicates(
    state: MakeDesk, period: Period, count: int, ago: int
) -> None:
    ours = state()
    to = NOW - ago * MINUTE
    (whole,) = ours.ask(trendbars(period, count=4 * count, to=to))
    pages: list[int] = []
    for _ in range(4):
        (page,) = ours.ask(trendbars(period, count=count, to=to))
        pages = minutes(page) + pages
        to = minutes(page)[0] * MINUTE - 1
    assert pages == minutes(whole)
    assert pages == sorted(set(pages))


@same_desk
@given(st.sampled_from(Period), st.integers(0, 40 * DAY), st.integers(1, 3_000))
def test_a_window_holds_exactly_the_bars_that_open_in_it(
    state: MakeDesk, period: Period, ago: int, length: int
) -> None:
    ours = state()
    end = NOW // MINUTE - ago
    start = end - length
    (response,) = ours.ask(trendbars(period, since=start * MINUTE, to=end * MINUTE))
    shorter = ours.source.minutes if is_short(period) else ours.source.hours
    first = period_start(period, start)
    last = min(period_end(period, period_start(period, end)), period_start(period, NOW // MINUTE))
    expected = [b.minute for b in bars(period, shorter(1, first, last)) if start <= b.minute <= end]
    assert minutes(response) == expected


def test_there_is_no_history_before_the_first_price(state: MakeDesk, tick_list: MakeTicks) -> None:
    ours = state(TickList([]))
    (response,) = ours.ask(trendbars(count=5))
    assert response.trendbar == []
    assert response.has_more is False
    ours = state(tick_list([(-3 * MINUTE, 100, 101), (-MINUTE, 102, None)]))
    (response,) = ours.ask(trendbars(count=5))
    assert minutes(response) == [NOW // MINUTE - 3, NOW // MINUTE - 1]
    assert not response.has_more


def test_a_price_set_by_hand_is_in_history(state: MakeDesk) -> None:
    ours = state()
    ours.data.set_price(1, 1.05, 1.06)
    ours.wait(5 * MINUTE)
    (response,) = ours.ask(trendbars(count=5))
    bar = response.trendbar[0]
    assert bar.utc_timestamp_in_minutes == NOW // MINUTE
    assert bar.low == 105_000 or bar.low + bar.delta_high > 105_000
    assert abs(response.trendbar[-1].low - 105_000) < 300
    (ticks,) = ours.ask(tick_data(ASK, since=NOW - 1, to=NOW))
    assert ticks.tick_data[0].tick == 106_000


@pytest.mark.parametrize(
    ("period", "limit", "label"),
    [
        (Period.M1, 302_400_000, "3.5d"),
        (Period.M5, 302_400_000, "3.5d"),
        (Period.M10, 21_168_000_000, "245d"),
        (Period.H1, 21_168_000_000, "245d"),
        (Period.H4, 31_622_400_000, "366d"),
        (Period.D1, 31_622_400_000, "366d"),
        (Period.W1, 158_112_000_000, "1830d"),
        (Period.MN1, 158_112_000_000, "1830d"),
    ],
)
def test_windows_of_2021_by_option(state: MakeDesk, period: Period, limit: int, label: str) -> None:
    ours = state(strict_windows=True)
    text = "Incorrect period boundaries or requested period is longer than allowed"
    refusal = "INCORRECT_BOUNDARIES", f"{text} {limit} ({label})."
    assert ours.refused(trendbars(period, since=NOW - limit - 1, to=NOW)) == refusal
    assert ours.refused(trendbars(period, since=None, to=NOW, count=5)) == refusal
    assert ours.refused(trendbars(period, since=NOW, to=None)) == refusal
    (response,) = ours.ask(trendbars(period, since=NOW - limit, to=NOW))
    assert response.trendbar
    (response,) = ours.ask(trendbars(period, since=NOW - 3 * MINUTE, to=NOW, count=500))
    assert len(response.trendbar) <= 3


@pytest.mark.parametrize(
    "window",
    [
        {"since": NOW, "to": NOW},
        {"since": NOW + 1, "to": NOW},
        {"since": -1, "to": NOW},
        {"since": 0, "to": 2_147_483_646_001},
        {"to": -1, "count": 5},
    ],
)
def test_bad_windows_of_bars(state: MakeDesk, window: dict[str, int]) -> None:
    assert state().refused(trendbars(**window))[0] == "INCORRECT_BOUNDARIES"


def test_bad_requests_for_history(state: MakeDesk) -> None:
    ours = state()
    assert ours.refused(trendbars(symbol_id=5_000)) == (
        "SYMBOL_NOT_FOUND",
        "Symbol not found: 5000",
    )
    assert ours.refused(tick_data(symbol_id=77))[0] == "SYMBOL_NOT_FOUND"
    assert ours.refused(trendbars(ProtoOATrendbarPeriod(99))) == (
        "INVALID_REQUEST",
        "Unknown trendbar period 99",
    )
    assert ours.refused(tick_data(ProtoOAQuoteType(9))) == (
        "INVALID_REQUEST",
        "Unknown quote type 9",
    )


# --- ticks


def decoded(response: ProtoOAGetTickDataRes) -> list[tuple[int, int]]:
    """Times and prices, as a client adds the differences up."""
    ticks: list[tuple[int, int]] = []
    at = price = 0
    for entry in response.tick_data:
        at, price = at + entry.timestamp, price + entry.tick
        ticks.append((at, price))
    return ticks


def test_ticks_have_the_recorded_shape(
    state: MakeDesk, tick_list: MakeTicks, recordings: Path
) -> None:
    lines = (recordings / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    (payload,) = [r["payload"] for r in map(json.loads, lines) if r["payloadType"] == 2146]
    recorded = ProtoOAGetTickDataRes.from_dict(payload)
    ticks = reversed([*decoded(recorded), (recorded.tick_data[0].timestamp - 100_000, 1)])
    ours = state(
        tick_list([(at - NOW, price, None) for at, price in ticks]),
        now=recorded.tick_data[0].timestamp,
        ticks_page=4,
    )
    assert ours.ask(tick_data()) == [recorded]


@pytest.mark.parametrize("side", [BID, ASK])
def test_ticks_are_those_that_were_streamed(state: MakeDesk, side: ProtoOAQuoteType) -> None:
    ours = state()
    ticks = [t for t in ours.market.advance(NOW + 600_000) if t.symbol_id == 1]
    streamed = [
        (t.time_ms, price) for t in ticks if (price := t.bid if side is BID else t.ask) is not None
    ]
    (response,) = ours.ask(tick_data(side, since=NOW + 1, to=NOW + 600_000))
    assert decoded(response) == streamed[::-1]
    assert response.has_more is False


def test_the_future_holds_no_ticks(state: MakeDesk) -> None:
    (response,) = state().ask(tick_data(since=NOW + 1, to=NOW + 600_000))
    assert response.tick_data == []
    assert not response.has_more


@same_desk
@given(st.integers(1, 60), st.sampled_from([BID, ASK]), st.integers(0, 6 * 86_400_000))
def test_pages_of_ticks_have_no_gaps_and_no_duplicates(
    state: MakeDesk, page: int, side: ProtoOAQuoteType, ago: int
) -> None:
    ours = state(ticks_page=page)
    to = NOW - ago
    since = to - 240_000
    (whole,) = state().ask(tick_data(side, since=since, to=to))
    assert not whole.has_more
    pages: list[tuple[int, int]] = []
    more = True
    while more:
        (response,) = ours.ask(tick_data(side, since=since, to=to))
        pages += decoded(response)
        more = response.has_more
        to = pages[-1][0] - 1 if pages else to
    assert pages == decoded(whole)


CROWDED = [(-3, 1, None), (-2, 2, None), (-2, 3, None), (-2, 4, None), (-1, 5, None)]


def test_ticks_of_one_ms_stay_on_one_page(state: MakeDesk, tick_list: MakeTicks) -> None:
    ours = state(tick_list(CROWDED), ticks_page=2)
    (response,) = ours.ask(tick_data())
    assert [price for _, price in decoded(response)] == [5, 4, 3, 2]
    assert [entry.timestamp for entry in response.tick_data[1:]] == [-1, 0, 0]
    assert response.has_more
    (response,) = ours.ask(tick_data(since=NOW - WEEK, to=NOW - 3))
    assert [price for _, price in decoded(response)] == [1]
    assert not response.has_more


def test_or_are_torn_apart_by_option(state: MakeDesk, tick_list: MakeTicks) -> None:
    ours = state(tick_list(CROWDED), ticks_page=2, split_milliseconds=True)
    (response,) = ours.ask(tick_data())
    assert [price for _, price in decoded(response)] == [5, 4]
    assert response.has_more
    (response,) = ours.ask(tick_data(since=NOW - WEEK, to=NOW - 3))
    assert [price for _, price in decoded(response)] == [1]


def test_the_whole_ms_at_the_windows_end_is_no_reason_for_more(
    state: MakeDesk, tick_list: MakeTicks
) -> None:
    ours = state(tick_list(CROWDED[1:]), ticks_page=2)
    (response,) = ours.ask(tick_data())
    assert len(response.tick_data) == 4
    assert not response.has_more


@pytest.mark.parametrize(
    "window",
    [
        {"since": NOW - WEEK - 1, "to": NOW},
        {"since": NOW, "to": NOW},
        {"since": NOW, "to": NOW - 1},
        {"since": -5, "to": 0},
        {"since": 2_147_483_646_000, "to": 2_147_483_646_001},
    ],
)
def test_bad_windows_of_ticks_are_refused_as_recorded(
    state: MakeDesk, recordings: Path, window: dict[str, int]
) -> None:
    lines = (recordings / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    (payload,) = [
        r["payload"] for r in map(json.loads, lines) if r["note"].startswith("tick data window")
    ]
    assert state().refused(tick_data(**window)) == (payload["errorCode"], payload["description"])


def test_a_week_of_ticks_is_allowed(state: MakeDesk) -> None:
    (response,) = state().ask(tick_data(since=NOW - WEEK, to=NOW))
    assert len(response.tick_data) >= 10_000
    assert response.has_more
