"""The market of now: ticks in order, prices set by hand, and a past that is what was shown."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.broker.market.bars import bars_of, hours_of
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.periods import HOUR, MINUTE
from mockserver.broker.market.prices import NO_QUOTE, PriceSource, Quote, Tick, TickList, to_price
from mockserver.broker.market.quotes import Market
from mockserver.broker.market.random_prices import RandomPrices

NOW = 1_789_757_115_211
TickMaker = Callable[[Iterable[tuple[int, int | None, int | None]]], TickList]
CATALOGUE = Instruments.standard()
SOURCE = RandomPrices(CATALOGUE, 7)


@pytest.fixture
def market(catalogue: Instruments) -> Market:
    return Market(catalogue, SOURCE, NOW)


def test_it_begins_with_the_last_prices_before_now(market: Market) -> None:
    assert market.quote(1) == SOURCE.quote(1, NOW + 1)
    assert (market.bid(1), market.ask(1)) == market.quote(1)
    assert not market.closed(1)


def test_a_tick_at_the_very_start_has_happened(
    catalogue: Instruments, tick_list: TickMaker
) -> None:
    market = Market(catalogue, tick_list([(0, 100, 101), (1, 102, None)]), NOW)
    assert market.quote(1) == (100, 101)
    assert market.next_tick_at() == NOW + 1
    assert market.advance(NOW + 1) == [Tick(1, NOW + 1, 102, None)]
    assert market.quote(1) == (102, 101)
    assert market.next_tick_at() is None


def test_there_is_no_price_before_the_first_tick(catalogue: Instruments) -> None:
    market = Market(catalogue, TickList([Tick(1, NOW + 5, 100, None)]), NOW)
    assert market.quote(1) == NO_QUOTE
    market.advance(NOW + 5)
    assert market.quote(1) == Quote(100, None)
    with pytest.raises(KeyError):
        market.bid(77)


def test_ticks_come_in_order_of_time_then_symbol(market: Market) -> None:
    ticks = market.advance(NOW + 120_000)
    keys = [(t.time_ms, t.symbol_id) for t in ticks]
    assert keys == sorted(keys)
    assert {t.symbol_id for t in ticks} == {s.symbol_id for s in CATALOGUE.symbols}
    for symbol in CATALOGUE.symbols:
        own = [t for t in ticks if t.symbol_id == symbol.symbol_id]
        assert own == list(SOURCE.ticks(symbol.symbol_id, NOW + 1, NOW + 120_001))


def test_ties_go_by_symbol_id(catalogue: Instruments) -> None:
    same = [Tick(s, NOW + 1, p, p) for p in (1, 2) for s in (9, 1, 4)]
    market = Market(catalogue, TickList(same), NOW)
    assert [(t.symbol_id, t.bid) for t in market.advance(NOW + 1)] == [
        (1, 1),
        (1, 2),
        (4, 1),
        (4, 2),
        (9, 1),
        (9, 2),
    ]


@given(st.lists(st.integers(0, 400_000), min_size=1, max_size=12))
def test_how_time_passes_does_not_matter(steps: list[int]) -> None:
    market = Market(CATALOGUE, SOURCE, NOW)
    ticks: list[Tick] = []
    for step in steps:
        ahead = market.next_tick_at()
        some = market.advance(market.now_ms + step)
        if some:
            assert some[0].time_ms == ahead
        ticks += some
    whole = Market(CATALOGUE, SOURCE, NOW)
    assert ticks == whole.advance(NOW + sum(steps))
    assert market.now_ms == whole.now_ms
    assert market.next_tick_at() == whole.next_tick_at()
    assert [market.quote(s.symbol_id) for s in CATALOGUE.symbols] == [
        whole.quote(s.symbol_id) for s in CATALOGUE.symbols
    ]


def test_time_does_not_go_back(market: Market) -> None:
    market.advance(NOW + 10)
    assert market.advance(NOW) == []
    assert market.now_ms == NOW + 10


def test_skipping_weeks_costs_next_to_nothing(market: Market) -> None:
    market.skip(NOW + 52 * 604_800_000)
    assert market.quote(1) == SOURCE.quote(1, market.now_ms + 1)
    assert market.next_tick_at() == min(
        SOURCE.next_at(s.symbol_id, market.now_ms + 1) or 0 for s in CATALOGUE.symbols
    )
    market.skip(NOW)
    assert market.now_ms == NOW + 52 * 604_800_000


def test_it_closes_at_the_weekend_and_keeps_its_prices(catalogue: Instruments) -> None:
    saturday = NOW + 86_400_000
    market = Market(catalogue, SOURCE, saturday)
    assert market.closed(1)
    assert market.quote(1) == SOURCE.quote(1, saturday)
    assert not market.closed(324)
    assert {t.symbol_id for t in market.advance(saturday + 600_000)} == {324}


def test_a_price_set_by_hand_is_there_at_once_and_the_path_goes_on_from_it(market: Market) -> None:
    before = market.quote(1)
    assert before.bid is not None
    tick = market.set_price(1, 108_450)
    assert tick == Tick(1, NOW, 108_450, 108_450 + before.spread)
    assert market.quote(1) == (tick.bid, tick.ask)
    plain = Market(CATALOGUE, SOURCE, NOW)
    shift = 108_450 - before.bid
    for _ in range(50):
        now = market.next_tick_at()
        assert now is not None
        market.advance(now)
        plain.advance(now)
        bid, ask = plain.quote(1)
        assert bid is not None
        assert ask is not None
        if now > (SOURCE.next_at(1, NOW + 1) or 0):
            assert market.quote(1) == (bid + shift, ask + shift)
    assert market.quote(4) == plain.quote(4)


@pytest.mark.parametrize("away", [0, 500])
def test_another_spread_lasts_until_the_next_tick(
    catalogue: Instruments, tick_list: TickMaker, away: int
) -> None:
    market = Market(catalogue, tick_list([(0, 100, 110), (5, 101, None), (9, None, 112)]), NOW)
    market.set_price(1, 100 + away, 190 + away)
    assert market.quote(1) == (100 + away, 190 + away)
    # The source moves the bid alone; the ask is named too, as it is not where it was shown.
    assert market.advance(NOW + 5) == [Tick(1, NOW + 5, 101 + away, 110 + away)]
    assert market.advance(NOW + 9) == [Tick(1, NOW + 9, None, 112 + away)]


@pytest.mark.parametrize(
    ("symbol_id", "bid", "ask", "text"),
    [
        (4, 14_820_050, None, r"USDJPY: expected positive multiples of 100, got bid 14820050"),
        (4, 14_820_000, 14_820_050, r"USDJPY: expected positive multiples of 100"),
        (1, 0, 5, "EURUSD: expected positive multiples of 1"),
        (1, 100, 99, "EURUSD: expected an ask that is not below the bid 100, got 99"),
    ],
)
def test_an_impossible_price_is_refused(
    market: Market, symbol_id: int, bid: int, ask: int | None, text: str
) -> None:
    before = market.quote(symbol_id)
    with pytest.raises(ValueError, match=text):
        market.set_price(symbol_id, bid, ask)
    assert market.quote(symbol_id) == before


def test_a_price_can_be_set_where_there_was_none(catalogue: Instruments) -> None:
    market = Market(catalogue, TickList([]), NOW)
    assert market.set_price(1, 100) == Tick(1, NOW, 100, 100)
    assert market.path.ticks(1, 0, NOW + 1) == [Tick(1, NOW, 100, 100)]
    assert market.path.begins(1) == NOW // MINUTE * MINUTE
    assert market.path.quote(1, NOW + 1) == (100, 100)


def test_a_market_can_be_copied_and_both_go_on(market: Market) -> None:
    market.advance(NOW + 1_000)
    market.set_price(1, 108_450)
    twin = copy.deepcopy(market)
    assert twin.advance(NOW + 100_000) == market.advance(NOW + 100_000)
    twin.set_price(1, 100_000)
    assert market.bid(1) != 100_000
    assert twin.advance(NOW + 200_000) != market.advance(NOW + 200_000)


def test_it_tells_of_those_that_it_follows(catalogue: Instruments) -> None:
    all_of_them, market = Market(catalogue, SOURCE, NOW), Market(catalogue, SOURCE, NOW, ())
    assert market.next_tick_at() is None
    assert market.advance(NOW + 1_000) == []
    all_of_them.advance(NOW + 1_000)
    market.follow([4, 1])
    told = market.advance(NOW + 90_000)
    assert told == [t for t in all_of_them.advance(NOW + 90_000) if t.symbol_id in (1, 4)]
    assert {t.symbol_id for t in told} == {1, 4}
    market.follow([])
    assert market.next_tick_at() is None
    assert market.quote(1) == all_of_them.quote(1)


def test_a_price_set_by_hand_is_followed_until_its_path_has_gone_on(catalogue: Instruments) -> None:
    market, seen = Market(catalogue, SOURCE, NOW, ()), Market(catalogue, SOURCE, NOW)
    for each in (market, seen):
        each.advance(NOW + 30_000)
        each.set_price(1, 108_450)
    assert market.next_tick_at() is not None
    seen.advance(NOW + 600_000)
    assert {t.symbol_id for t in market.advance(NOW + 600_000)} == {1}
    assert market.next_tick_at() is None
    assert market.path.ticks(1, NOW, NOW + 600_000) == seen.path.ticks(1, NOW, NOW + 600_000)
    assert market.quote(1) == seen.quote(1)


class Witness:
    """A market and everything that it showed of EURUSD."""

    def __init__(self, source: PriceSource) -> None:
        self.market = Market(CATALOGUE, source, NOW)
        self.marks: list[int] = []
        self.seen = list(source.ticks(1, NOW // MINUTE * MINUTE - HOUR * MINUTE, NOW + 1))

    def skip(self, ms: int) -> None:
        """Time passes unseen; a market that saw it all says what there was to see."""
        twin = copy.deepcopy(self.market)
        self.market.skip(self.market.now_ms + ms)
        self.seen += [t for t in twin.advance(twin.now_ms + ms) if t.symbol_id == 1]
        assert self.market.next_tick_at() == twin.next_tick_at()
        assert self.market.now_ms == twin.now_ms
        for symbol in CATALOGUE.symbols:
            assert self.market.quote(symbol.symbol_id) == twin.quote(symbol.symbol_id)

    def doze(self, ms: int) -> None:
        """Time passes while EURUSD is not followed."""
        twin = copy.deepcopy(self.market)
        self.market.follow(())
        self.market.advance(self.market.now_ms + ms)
        self.seen += [t for t in twin.advance(twin.now_ms + ms) if t.symbol_id == 1]
        assert self.market.quote(4) == twin.quote(4)
        self.market.follow([symbol.symbol_id for symbol in CATALOGUE.symbols])

    def wait(self, ms: int) -> None:
        self.seen += [t for t in self.market.advance(self.market.now_ms + ms) if t.symbol_id == 1]

    def set(self, bid: int, spread: int | None) -> None:
        self.marks.append(self.market.now_ms)
        self.seen.append(self.market.set_price(1, bid, None if spread is None else bid + spread))


SCATTERED = TickList(
    Tick(1, NOW + at * 17_000, 114_000 + at if at % 3 else None, 114_010 + at if at % 2 else None)
    for at in range(-100, 400)
    if at % 6
)


@pytest.mark.parametrize("source", [SOURCE, SCATTERED], ids=["seeded", "tick list"])
@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.integers(-200_000, 200_000),
            st.floats(0, 200_000),
            st.tuples(st.integers(100_000, 120_000), st.none() | st.integers(0, 30)),
        ),
        max_size=15,
    ),
    st.data(),
)
def test_history_is_what_was_shown(
    source: PriceSource, story: list[int | float | tuple[int, int | None]], data: st.DataObject
) -> None:
    call_log = Witness(source)
    for event in story:
        if isinstance(event, int):
            # A negative number of ms stands for as many that nobody watches.
            call_log.wait(event) if event >= 0 else call_log.skip(-event)
        elif isinstance(event, float):
            call_log.doze(int(event))
        else:
            call_log.set(*event)
    path, now = call_log.market.path, call_log.market.now_ms
    start = NOW // MINUTE * MINUTE - HOUR * MINUTE
    edges = [start, data.draw(st.integers(start, now + 1)), now + 1]
    edges += [mark + away for mark in call_log.marks[-3:] for away in (0, 1, 500, 30_000, 61_000)]
    edges = sorted({min(edge, now + 1) for edge in edges})
    for a, b in chain(pairwise(edges), [(start, edge) for edge in edges]):
        assert list(path.ticks(1, a, b)) == [t for t in call_log.seen if a <= t.time_ms < b]
    first, last = -(-start // MINUTE // HOUR) * HOUR, now // MINUTE
    bars = list(path.minutes(1, first, last))
    assert bars == list(bars_of(t for t in call_log.seen if first <= t.time_ms // MINUTE < last))
    whole = last // HOUR * HOUR
    assert list(path.hours(1, first, whole)) == list(hours_of(path.minutes(1, first, whole)))
    for edge in edges:
        quote = source.quote(1, start)
        for tick in call_log.seen:
            if tick.time_ms < edge:
                quote = quote.after(tick)
        assert path.quote(1, edge) == quote
    assert path.quote(1, now + 1) == call_log.market.quote(1)


@pytest.mark.parametrize(
    ("price", "scaled"),
    [(1.0845, 108_450), ("25281.64", 2_528_164_000), (0.00001, 1), (150, 15_000_000)],
)
def test_prices_as_people_write_them(price: float | str, scaled: int) -> None:
    assert to_price(price) == scaled


def test_a_price_with_too_many_decimals() -> None:
    with pytest.raises(ValueError, match=r"at most five decimals, got 1\.084567"):
        to_price(1.084567)
