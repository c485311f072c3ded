"""Bars in the making: what the server leaves out, beside its own bars and those in its history."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import Gap, ProtoOATrendbarPeriod, Reconnect
from ctrader_typed.market import Bar, BarClosed, BarUpdated, Period, live_bars
from ctrader_typed.market.live_bars import LiveBars
from ctrader_typed.proto import SCHEMA, ProtoOASpotEvent, ProtoOATrendbar
from mockserver.box import HEDGED
from mockserver.broker.market import bars as theirs
from mockserver.recordings.session_file import load_session
from tests.support.feeds import EURUSD, USDJPY, fed

MINUTE = 60_000
START = 29_829_285
M1, M2 = ProtoOATrendbarPeriod.M1, ProtoOATrendbarPeriod.M2
SERVERS = [M1, M2, ProtoOATrendbarPeriod.M5, ProtoOATrendbarPeriod.H4, ProtoOATrendbarPeriod.D1]


def spot(
    bid: int | None, ask: int | None, ms: int | None, bars: Iterable[ProtoOATrendbar] = ()
) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(
        ctid_trader_account_id=1,
        symbol_id=1,
        bid=bid,
        ask=ask,
        timestamp=ms,
        trendbar=list(bars),
    )


def bar(minute: int, low: int, opened: int, high: int, volume: int, **f: Any) -> ProtoOATrendbar:
    return ProtoOATrendbar(
        utc_timestamp_in_minutes=minute,
        low=low,
        delta_open=opened - low,
        delta_high=high - low,
        volume=volume,
        **({"period": M1} | f),
    )


def test_the_close_is_the_events_bid() -> None:
    (told,) = LiveBars(1).apply(spot(7, 9, 0, [bar(2, 5, 6, 8, 4)]))
    assert told == BarUpdated(1, Period.M1, Bar(2 * MINUTE, 6, 8, 5, 7, 4))
    assert (told.symbol_id, told.period, told.time) == (1, Period.M1, 120_000)
    shown = told.bar
    assert str(shown.open_price) == "0.00006"
    assert str(shown.high_price) == "0.00008"
    assert str(shown.low_price) == "0.00005"
    assert str(shown.close_price) == "0.00007"
    assert shown.opened.isoformat() == "1970-01-01T00:02:00+00:00"


def test_a_later_bar_closes_it() -> None:
    growing = LiveBars(1)
    growing.apply(spot(7, 9, 120_001, [bar(2, 5, 6, 8, 4)]))
    growing.apply(spot(None, 10, 120_002))
    closed, updated = growing.apply(spot(6, 9, 300_000, [bar(5, 6, 6, 6, 2)]))
    assert closed == BarClosed(
        1, Period.M1, Bar(2 * MINUTE, 6, 8, 5, 7, 5), complete=True, next_time=5 * MINUTE
    )
    assert updated == BarUpdated(1, Period.M1, Bar(5 * MINUTE, 6, 6, 6, 6, 2))
    assert growing.current(Period.M1) == updated.bar
    assert growing.apply(spot(6, 9, 0, [bar(2, 5, 6, 8, 4)])) == [], "it does not come back"


def test_an_ask_counts_in_the_bar_that_it_belongs_to() -> None:
    growing = LiveBars(1)
    assert growing.apply(spot(None, 9, 120_000)) == []
    growing.apply(spot(7, 9, 120_001, [bar(2, 7, 7, 7, 3)]))
    assert growing.apply(spot(None, 10, None)) == [], "nobody knows when it was"
    (updated,) = growing.apply(spot(None, 10, 179_999))
    assert updated.bar.volume == 4
    assert growing.apply(spot(None, 10, 180_000)) == [], "of the bar after it"
    growing.forget(Period.M1)
    assert growing.apply(spot(None, 9, 120_003)) == []
    assert growing.current(Period.M1) is None


def test_over_a_gap_a_bar_that_has_ended_is_incomplete() -> None:
    growing = LiveBars(1)
    growing.apply(spot(7, 9, 120_001, [bar(2, 7, 7, 7, 3), bar(2, 7, 7, 7, 3, period=M2)]))
    growing.gap()
    assert growing.apply(spot(None, 10, 120_002)) == [], "the next bid's bar has it counted"
    closed, _, same = growing.apply(
        spot(8, 9, 180_001, [bar(3, 8, 8, 8, 1), bar(2, 7, 7, 9, 9, period=M2)])
    )
    assert isinstance(closed, BarClosed)
    assert not closed.complete
    assert (closed.bar.time, closed.next_time) == (120_000, 180_000)
    assert same.bar == Bar(120_000, 7, 9, 7, 8, 9), "whole again"
    events = growing.apply(spot(8, 9, 240_000, [bar(4, 8, 8, 8, 1), bar(4, 8, 8, 8, 1, period=M2)]))
    assert [each.complete for each in events if isinstance(each, BarClosed)] == [True, True]


def test_what_is_no_bar_is_passed_over() -> None:
    growing = LiveBars(1)
    unknown = ProtoOATrendbar.from_dict({"volume": 1, "low": 5, "utcTimestampInMinutes": 1})
    unknown.period = ProtoOATrendbarPeriod(99)
    nameless = [ProtoOATrendbar(volume=1, low=5), ProtoOATrendbar(volume=1), unknown]
    assert growing.apply(spot(7, 9, 0, nameless)) == []
    (told,) = growing.apply(spot(7, 9, 0, [ProtoOATrendbar(
        volume=1, low=5, utc_timestamp_in_minutes=1)]))  # fmt: skip
    assert told.bar == Bar(MINUTE, 5, 7, 5, 7, 1)  # a high below the close is raised to it


def test_recorded_bars(recordings: Path) -> None:
    growing = LiveBars(1)
    told = []
    for record in load_session(recordings / "market_data.jsonl", SCHEMA).records:
        if record.cls is ProtoOASpotEvent and record.wire is not None:
            event = ProtoOASpotEvent.FromString(record.wire)
            if event.symbol_id == 1:
                told += growing.apply(event)
    before = Bar(START * MINUTE, 114_812, 114_820, 114_811, 114_812, 98)
    after = Bar(START * MINUTE + MINUTE, *[114_813] * 4, 2)
    assert [type(each) for each in told] == [*[BarUpdated] * 4, BarClosed, BarUpdated]
    assert [each.bar.volume for each in told] == [24, 28, 29, 98, 98, 2]
    assert told[-2:] == [
        BarClosed(1, Period.M1, before, complete=True, next_time=after.time),
        BarUpdated(1, Period.M1, after),
    ]


TICKS = st.lists(
    st.tuples(
        st.integers(0, 90_000),
        st.none() | st.integers(1, 9),
        st.none() | st.integers(1, 9),
    ),
    max_size=60,
)


@given(TICKS)
def test_closed_bars_are_those_that_the_ticks_make(
    steps: list[tuple[int, int | None, int | None]],
) -> None:
    at, ticks = START * MINUTE, []
    for step, bid, ask in steps:
        at += step
        if bid is not None or ask is not None:
            ticks.append((1, at, bid, ask))
    live = [theirs.LiveBar(period, [], []) for period in SERVERS]
    growing = LiveBars(1)
    told = []
    for tick in ticks:
        for each in live:
            each.add(tick)
        _, ms, bid, ask = tick
        sent = [each.bar.live(each.period) for each in live if each.bar] if bid else []
        told += growing.apply(spot(bid, ask, ms, sent))
    for period in SERVERS:
        whole = theirs.bars(period, theirs.bars_of(ticks))
        expected = [(b.minute * MINUTE, *b[1:]) for b in whole]
        mine = [each for each in told if each.period is Period.of(period)]
        closed = [each.bar for each in mine if isinstance(each, BarClosed)]
        last = growing.current(Period.of(period))
        given = [*closed] if last is None else [*closed, last]
        assert [(b.time, *row(b)) for b in given] == expected
        assert all(each.complete for each in mine if isinstance(each, BarClosed))


LONG = [ProtoOATrendbarPeriod[name] for name in ("M1", "M30", "H1", "H4", "H12", "D1", "W1", "MN1")]


def weeks(
    start: datetime, chance: random.Random
) -> Iterator[tuple[int, int, int | None, int | None]]:
    """Six weeks of sparse prices, with weekends: some minutes have an ask alone."""
    at = int(start.timestamp() * 1000)
    for _ in range(3_000):
        at += chance.choice((1, 400, 20_000, 600_000, 3_600_000, 9_000_000))
        wall = datetime.fromtimestamp(at / 1000, ZoneInfo("America/New_York"))
        while (wall + timedelta(hours=7)).weekday() >= 5:  # over the weekend, to the first tick
            at += 3_600_000 - at % 3_600_000
            wall = datetime.fromtimestamp(at / 1000, ZoneInfo("America/New_York"))
        bid = chance.choice((None, chance.randint(1, 99)))
        yield 1, at, bid, chance.randint(1, 99) if bid is None else None


@pytest.mark.parametrize(
    ("start", "days"),
    [
        (datetime(2026, 2, 20, tzinfo=UTC), ("2026-03-05T22:00", "2026-03-08T21:00")),
        (datetime(2026, 10, 16, tzinfo=UTC), ("2026-10-29T21:00", "2026-11-01T22:00")),
    ],
)
def test_long_bars_are_those_of_the_ticks_when_clocks_change(
    start: datetime, days: tuple[str, str]
) -> None:
    ticks = list(weeks(start, random.Random(7)))
    live = [theirs.LiveBar(period, [], []) for period in LONG]
    growing = LiveBars(1)
    closed: dict[Period, list[BarClosed]] = {Period.of(period): [] for period in LONG}
    for tick in ticks:
        for each in live:
            each.add(tick)
        _, ms, bid, ask = tick
        sent = [each.bar.live(each.period) for each in live if each.bar] if bid else []
        for told in growing.apply(spot(bid, ask, ms, sent)):
            if isinstance(told, BarClosed):
                closed[told.period].append(told)
    for period in LONG:
        expected = [(b.minute * MINUTE, *b[1:]) for b in theirs.bars(period, theirs.bars_of(ticks))]
        mine = closed[Period.of(period)]
        assert [(each.time, *row(each.bar)) for each in mine] == expected[:-1]
        assert [each.next_time for each in mine] == [each[0] for each in expected[1:]]
        assert all(each.complete for each in mine)
    begun = [f"{each.bar.opened:%Y-%m-%dT%H:%M}" for each in closed[Period.D1]]
    at = begun.index(days[0])
    assert begun[at + 1] == days[1], "Friday is closed by Sunday's first bid"
    assert len(closed[Period.MN1]) >= 1
    assert len(closed[Period.W1]) >= 4


# --- beside the broker ---


async def history(api: Any, symbol: int, period: ProtoOATrendbarPeriod, server: Any) -> Any:
    answer = await api.get_trendbars(
        ctid_trader_account_id=HEDGED,
        symbol_id=symbol,
        period=period,
        count=500,
        to_timestamp=server.broker.now_ms,
    )
    return {
        b.utc_timestamp_in_minutes * MINUTE: (
            b.low + b.delta_open,
            b.low + b.delta_high,
            b.low,
            b.low + b.delta_close,
            b.volume,
        )
        for b in answer.trendbar
    }


def row(b: Bar) -> tuple[int, ...]:
    return b.open, b.high, b.low, b.close, b.volume


@pytest.mark.parametrize("period", ["M1", "M5"])
async def test_closed_bars_are_those_of_the_history(period: str, autojump_clock) -> None:
    async with fed() as (api, feed, server):
        closed: list[BarClosed] = []
        async for told in live_bars(feed, [EURUSD, USDJPY], period):
            if isinstance(told, BarClosed):
                closed.append(told)
            if len(closed) == 8:
                break
        for symbol in (EURUSD, USDJPY):
            known = await history(api, symbol, ProtoOATrendbarPeriod[period], server)
            mine = [each.bar for each in closed if each.symbol_id == symbol]
            assert mine
            assert [row(each) for each in mine] == [known[each.time] for each in mine]
        assert all(each.complete for each in closed)
        await trio.sleep(1)
        assert server.subscribed == {}


async def test_two_periods_of_one_symbol_do_not_mix(autojump_clock) -> None:
    async with (
        fed() as (_, feed, _server),
        live_bars(feed, EURUSD, "M1", every=True) as short,
        live_bars(feed, EURUSD, "H1", every=True) as long,
    ):
        for stream, period in ((short, Period.M1), (long, Period.H1)):
            assert {(await anext(stream)).period for _ in range(20)} == {period}
        async with live_bars(feed, EURUSD, "H1") as newcomer:
            assert (await anext(newcomer)).bar == feed.bar(EURUSD, "H1")


async def test_conflated_updates_stay_before_the_close_of_their_bar(autojump_clock) -> None:
    async with fed() as (_, feed, _server), live_bars(feed, EURUSD, "M1") as stream:
        await trio.sleep(400)
        given = []
        with trio.move_on_after(0):
            while True:
                given.append(await anext(stream))
        times = [each.time for each in given]
        assert times == sorted(times)
        closed = [each for each in given if isinstance(each, BarClosed)]
        assert len(closed) >= 5
        assert len(given) == 2 * len(closed) + 1, "an update of each bar, and its close"


async def test_over_a_gap_the_history_has_what_is_missing(autojump_clock) -> None:
    async with fed() as (api, feed, server):
        stream = live_bars(feed, EURUSD, "M1", every=True, gaps=True)
        while not isinstance(await anext(stream), BarClosed):
            pass
        for link in (1, 2):
            assert len(server.links) == link
            await server.cut()
            while not isinstance(await anext(stream), Gap):
                pass
            while not isinstance(told := await anext(stream), BarClosed):
                pass
            known = await history(api, EURUSD, ProtoOATrendbarPeriod.M1, server)
            # The connection was away for less than a second: the same bar went on, and is whole.
            assert told.complete
            assert row(told.bar) == known[told.time]


async def test_a_bar_that_ended_during_a_gap_is_told_to_be_incomplete(autojump_clock) -> None:
    async with fed(reconnect=Reconnect(first=1, ceiling=10)) as (api, feed, server):
        stream = live_bars(feed, EURUSD, "M1", gaps=True)
        last = await anext(stream)
        server.away_until = trio.current_time() + 150
        await server.cut()
        while not isinstance(told := await anext(stream), Gap):
            last = told
        closed = await anext(stream)
        assert isinstance(closed, BarClosed)
        assert not closed.complete
        assert closed.bar == last.bar
        await api.connected()  # the bar comes at once, while the rest is still being restored
        known = await history(api, EURUSD, ProtoOATrendbarPeriod.M1, server)
        missed = [at for at in known if closed.time <= at < closed.next_time]
        assert len(missed) >= 2
