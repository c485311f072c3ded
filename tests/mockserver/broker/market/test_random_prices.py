"""The seeded path: one path whoever asks, whose bars are those of its ticks, in trading hours, at
plausible prices.
"""

from __future__ import annotations

import copy
import random
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.broker.market.bars import bars_of, hours_of
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.periods import DAY, HOUR, MINUTE
from mockserver.broker.market.prices import NO_QUOTE, Tick
from mockserver.broker.market.random_prices import SINCE, RandomPrices
from mockserver.broker.market.random_walk import WALK_PARAMETERS, RandomWalk, WalkParameters

CATALOGUE = Instruments.standard()
PRICES = RandomPrices(CATALOGUE, 7)
PACES = (1.0, 5.0, 15.0, 30.0, 400.0)
ALL_PRICES = st.sampled_from(
    [PRICES, *(RandomPrices(CATALOGUE, 7, tick_seconds=pace) for pace in PACES)]
)
SYMBOLS = st.sampled_from([s.symbol_id for s in CATALOGUE.symbols])
MOMENTS = st.integers(SINCE, SINCE + 20 * 366 * DAY * MINUTE)
NOW = 1_789_757_115_211


@given(ALL_PRICES, SYMBOLS, MOMENTS)
def test_bars_of_history_are_the_bars_of_the_ticks(
    prices: RandomPrices, symbol_id: int, when: int
) -> None:
    minute = when // MINUTE
    bars = list(prices.minutes(symbol_id, minute, minute + 7))
    assert bars == list(bars_of(prices.ticks(symbol_id, minute * MINUTE, (minute + 7) * MINUTE)))


@given(ALL_PRICES, SYMBOLS, MOMENTS)
def test_hours_are_their_minutes(prices: RandomPrices, symbol_id: int, when: int) -> None:
    start = when // MINUTE // HOUR * HOUR
    hours = list(prices.hours(symbol_id, start, start + 6 * HOUR))
    assert hours == list(hours_of(prices.minutes(symbol_id, start, start + 6 * HOUR)))


@given(ALL_PRICES, SYMBOLS, MOMENTS)
def test_ticks_are_in_order_on_the_grid_in_trading_hours(
    prices: RandomPrices, symbol_id: int, when: int
) -> None:
    ticks = prices.ticks(symbol_id, when, when + 600_000)
    step = CATALOGUE.tick_size(symbol_id)
    quote = prices.quote(symbol_id, when)
    for tick in ticks:
        assert tick.symbol_id == symbol_id
        assert when <= tick.time_ms < when + 600_000
        assert CATALOGUE.is_open(symbol_id, tick.time_ms)
        quote = quote.after(tick)
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid % step == quote.ask % step == 0
        assert 0 < quote.bid < quote.ask
    assert [t.time_ms for t in ticks] == sorted(t.time_ms for t in ticks)
    assert quote == prices.quote(symbol_id, when + 600_000)


@given(ALL_PRICES, SYMBOLS, MOMENTS)
def test_next_at_is_the_first_tick(prices: RandomPrices, symbol_id: int, when: int) -> None:
    first = prices.next_at(symbol_id, when)
    assert first is not None
    assert first >= when
    assert not prices.ticks(symbol_id, when, first)
    assert prices.ticks(symbol_id, first, first + 1)


@given(ALL_PRICES, SYMBOLS, MOMENTS, st.integers(0, 400_000), st.integers(0, 400_000))
def test_ticks_of_a_stretch_are_those_of_its_parts(
    prices: RandomPrices, symbol_id: int, when: int, first: int, second: int
) -> None:
    middle, end = when + first, when + first + second
    assert [
        *prices.ticks(symbol_id, when, middle),
        *prices.ticks(symbol_id, middle, end),
    ] == list(prices.ticks(symbol_id, when, end))


@settings(max_examples=20)
@given(st.lists(st.tuples(SYMBOLS, st.integers(0, 5 * DAY)), min_size=1, max_size=12), st.randoms())
def test_the_order_of_asking_does_not_matter(
    asked: list[tuple[int, int]], chance: random.Random
) -> None:
    def answers(prices: RandomPrices, questions: list[tuple[int, int]]) -> dict[object, object]:
        return {
            (symbol_id, minute): (
                prices.ticks(symbol_id, (start + minute) * MINUTE, (start + minute + 2) * MINUTE),
                list(prices.minutes(symbol_id, start + minute, start + minute + 90)),
                prices.quote(symbol_id, (start + minute) * MINUTE),
            )
            for symbol_id, minute in questions
        }

    start = NOW // MINUTE
    shuffled = list(asked)
    chance.shuffle(shuffled)
    assert answers(RandomPrices(CATALOGUE, 3), asked) == answers(
        RandomPrices(CATALOGUE, 3), shuffled
    )


def test_another_seed_is_another_path() -> None:
    ours = PRICES.ticks(1, NOW, NOW + 60_000)
    assert ours == RandomPrices(CATALOGUE, 7).ticks(1, NOW, NOW + 60_000)
    assert ours != RandomPrices(CATALOGUE, 8).ticks(1, NOW, NOW + 60_000)


def test_the_path_is_pinned() -> None:
    # Written down once: whoever changes the path changes everybody's recorded expectations.
    assert PRICES.ticks(1, NOW, NOW + 3_000) == [
        Tick(1, 1_789_757_117_210, None, 118_239),
    ]


def test_the_first_tick_of_a_minute_names_both_sides_and_another_bid() -> None:
    start = NOW // MINUTE
    bars = list(PRICES.minutes(1, start - 100, start))
    for before, bar in pairwise(bars):
        first = PRICES.ticks(1, bar.minute * MINUTE, (bar.minute + 1) * MINUTE)[0]
        assert first.bid is not None
        assert first.ask is not None
        assert abs(first.bid - before.close) == 1


@pytest.mark.parametrize("seconds", [1, 2, 5, 15, 20, 30, 60, 120, 400, 900])
def test_ticks_come_as_often_as_one_asks(seconds: float) -> None:
    prices, hours = RandomPrices(CATALOGUE, 7, tick_seconds=seconds), 20 if seconds > 5 else 2
    start = NOW // MINUTE - 5 * DAY  # a Sunday, on which Bitcoin trades
    for symbol_id in (1, 4, 324):
        begin = start + (0 if symbol_id == 324 else 2 * DAY)
        count = len(prices.ticks(symbol_id, begin * MINUTE, (begin + hours * HOUR) * MINUTE))
        assert 0.8 * seconds < hours * 3_600 / count < 1.2 * seconds


def test_full_hours_have_the_same_levels_however_often_ticks_come() -> None:
    hour = NOW // MINUTE // HOUR * HOUR
    quiet = RandomPrices(CATALOGUE, 7, tick_seconds=60)
    for mine, usual in zip(
        quiet.hours(1, hour - 2 * DAY, hour), PRICES.hours(1, hour - 2 * DAY, hour), strict=True
    ):
        assert mine._replace(volume=0) == usual._replace(volume=0)


@pytest.mark.parametrize("seconds", [0, -1, 0.9, 901, float("nan")])
def test_a_pace_that_there_is_not(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"expected 1 to 900 seconds from tick to tick, got"):
        RandomPrices(CATALOGUE, 7, tick_seconds=seconds)


def test_prices_stay_near_the_recorded_ones() -> None:
    expected = {1: 1.148, 41: 3_684.0, 275: 24_500.0, 279: 25_285.0, 324: 85_290.0}
    for symbol_id, price in expected.items():
        bid = PRICES.quote(symbol_id, NOW).bid
        assert bid is not None
        assert 0.5 * price < bid / 100_000 < 2 * price


def test_a_cross_rate_is_what_its_currencies_make_it() -> None:
    for hour in range(0, 2_000, 37):
        at = (NOW // MINUTE // HOUR - hour) * HOUR * MINUTE
        dollar, yen, cross = (PRICES.quote(s, at).bid for s in (1, 4, 3))
        assert dollar is not None
        assert yen is not None
        assert cross is not None
        if all(CATALOGUE.is_open(s, at - 1) for s in (1, 3, 4)):
            assert abs(cross - dollar * yen / 100_000) / cross < 0.000_05


def test_nothing_is_before_the_beginning() -> None:
    assert PRICES.quote(1, SINCE) == NO_QUOTE
    assert PRICES.ticks(1, SINCE - DAY * MINUTE, SINCE) == []
    assert list(PRICES.minutes(324, SINCE // MINUTE - 5, SINCE // MINUTE)) == []
    first = PRICES.next_at(324, 0)
    assert first is not None
    assert SINCE <= first < SINCE + MINUTE


def test_a_symbol_that_does_not_open_has_no_next_tick() -> None:
    own = Instruments.standard()
    closed = own.symbol(1).FromString(bytes(own.symbol(1)))
    closed.schedule[:] = closed.schedule[:1]
    closed.schedule[0].start_second = closed.schedule[0].end_second
    own.replace(closed)
    prices = RandomPrices(own, 7)
    assert prices.next_at(1, NOW) is None
    assert prices.quote(1, NOW) == NO_QUOTE


def test_assets_of_ones_own() -> None:
    natures = {**WALK_PARAMETERS, "EUR": WalkParameters(2.0, 0, 10)}
    prices = RandomPrices(CATALOGUE, 7, natures=natures)
    assert prices.quote(1, NOW).bid is not None
    levels = {
        bar.close
        for bar in prices.hours(1, NOW // MINUTE // HOUR * HOUR - 600, NOW // MINUTE // HOUR * HOUR)
    }
    assert levels == {200_000}


@given(st.integers(0, 1_000_000))
def test_an_assets_worth_is_positive_and_does_not_run_away(hour: int) -> None:
    wild = RandomWalk("key", WalkParameters(100.0, 10_000, 5))
    assert 10 < wild.worth(hour) < 1_000
    assert wild.worth(hour) == RandomWalk("key", WalkParameters(100.0, 10_000, 5)).worth(hour)


def test_a_copy_shares_the_path() -> None:
    assert copy.deepcopy(PRICES) is PRICES


def test_a_month_of_one_minute_bars_comes_quickly() -> None:
    end = NOW // MINUTE
    began = time.process_time()
    count = sum(1 for _ in RandomPrices(CATALOGUE, 7).minutes(1, end - 31 * DAY, end))
    # A year, 370,000 bars, in 20 seconds is a month in 1.7.
    assert time.process_time() - began < 1.7
    assert count > 30_000
