"""Bars as servers send them, and bars in the making."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.proto import ProtoOAGetTrendbarsRes, ProtoOASpotEvent
from mockserver.broker.market.bars import Bar, LiveBar, MinuteBar, bars, bars_of
from mockserver.broker.market.periods import MINUTE, Period
from mockserver.recordings.session_file import Session

START = 29_829_285


def samples(recordings: Path, payload_type: int) -> list[dict[str, object]]:
    lines = (recordings / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return [r["payload"] for r in records if r["payloadType"] == payload_type]


def test_a_historical_bar_is_the_recorded_one(recordings: Path) -> None:
    (payload, *_) = samples(recordings, 2138)
    recorded = ProtoOAGetTrendbarsRes.from_dict(payload)
    bar = Bar(26_716_810, 977_033_000, 977_277_000, 976_306_000, 976_482_000, 8)
    assert bar.historical() == recorded.trendbar[0]


def test_a_live_bar_is_the_recorded_one(recorded_market: Session) -> None:
    (event,) = [
        ProtoOASpotEvent.FromString(r.wire)
        for r in recorded_market.records
        if r.wire is not None and r.t == 5.0
    ]
    bar = Bar(START, 114_812, 114_820, 114_811, 114_812, 98)
    assert event.trendbar == [bar.live(Period.M1)]


def tick(
    second: float, bid: int | None, ask: int | None
) -> tuple[int, int, int | None, int | None]:
    return 1, START * MINUTE + int(second * 1000), bid, ask


def test_volume_counts_both_sides_and_asks_before_the_first_bid() -> None:
    ticks = [tick(1, None, 20), tick(2, None, 21), tick(3, 10, 22), tick(4, 11, None)]
    assert list(bars_of(ticks)) == [Bar(START, 10, 11, 10, 11, 5)]


def test_a_minute_without_a_bid_has_no_bar() -> None:
    ticks = [tick(1, 10, 20), tick(61, None, 21), tick(121, 9, None)]
    assert list(bars_of(ticks)) == [Bar(START, 10, 10, 10, 10, 2), Bar(START + 2, 9, 9, 9, 9, 1)]


def test_no_ticks_no_bars() -> None:
    assert list(bars_of([])) == []
    assert list(bars(Period.D1, [])) == []


def test_a_minute_bar_tells_of_the_one_that_it_follows() -> None:
    growing = MinuteBar()
    assert growing.add(tick(1, 10, None)) is None
    assert growing.add(tick(61, None, 20)) == Bar(START, 10, 10, 10, 10, 1)
    assert growing.bar is None


MOVES = st.lists(
    st.tuples(
        st.integers(0, 200_000),
        st.none() | st.integers(1, 50),
        st.none() | st.integers(51, 99),
    ).filter(lambda move: move[1:] != (None, None)),
    min_size=1,
    max_size=60,
)


@given(MOVES, st.sampled_from([Period.M1, Period.M2, Period.M5, Period.M15, Period.H1]), st.data())
def test_a_live_bar_ends_as_the_bar_of_history(
    moves: list[tuple[int, int | None, int | None]], period: Period, data: st.DataObject
) -> None:
    ticks = []
    at = START * MINUTE
    for wait, bid, ask in moves:
        at += wait
        ticks.append((1, at, bid, ask))
    # A subscriber comes after some of them: its bar begins with what was before.
    seen = data.draw(st.integers(0, len(ticks)))
    now = ticks[seen - 1][1] // MINUTE if seen else START
    past = [bar for bar in bars_of(ticks[:seen]) if bar.minute < now]
    live = LiveBar(period, past, [t for t in ticks[:seen] if t[1] // MINUTE >= now])
    last: dict[int, Bar] = {}
    for new in ticks[seen:]:
        live.add(new)
        if new[2] is not None:
            assert live.bar is not None
            assert live.bar.close == new[2]
            last[live.bar.minute] = live.bar
    history = {bar.minute: bar for bar in bars(period, bars_of(ticks))}
    for minute, bar in last.items():
        whole = history[minute]
        assert (bar.minute, bar.open, bar.high, bar.low, bar.close) == whole[:5]
        # Asks after the last bid are in history, but no event told of them.
        assert bar.volume <= whole.volume
