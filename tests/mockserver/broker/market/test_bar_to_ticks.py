"""Splitting a bar is exact: whatever the noise, the parts put together are the bar."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mockserver.broker.market import bar_to_ticks
from mockserver.broker.market.bar_to_ticks import LEAST_VOLUME, Part
from mockserver.broker.market.bars import bars_of


@st.composite
def parts(draw: st.DrawFn, shares: st.SearchStrategy[int] | None = None) -> Part:
    low = draw(st.integers(1, 10_000))
    high = low + draw(st.integers(0, 5_000))
    inside = st.integers(low, high)
    volume = draw(st.integers(LEAST_VOLUME, 300) if shares is None else shares)
    return Part(draw(inside), high, low, draw(inside), volume, draw(st.integers(1, 40)))


@given(parts(), st.integers(1, 60), st.integers(LEAST_VOLUME, 120), st.randoms())
def test_an_hour_is_its_minutes(hour: Part, count: int, share: int, chance: Random) -> None:
    hour = hour._replace(volume=share * count)
    noise = chance.randbytes(bar_to_ticks.minute_noise(count))
    minutes = bar_to_ticks.minutes(hour, count, noise)
    assert len(minutes) == count
    assert minutes[0].open == hour.open
    assert minutes[-1].close == hour.close
    assert max(m.high for m in minutes) == hour.high
    assert min(m.low for m in minutes) == hour.low
    assert sum(m.volume for m in minutes) == hour.volume
    for minute in minutes:
        assert minute.low <= min(minute.open, minute.close)
        assert minute.high >= max(minute.open, minute.close)
        assert minute.volume >= LEAST_VOLUME
        assert minute.spread >= 1


@given(parts(), st.randoms())
def test_a_minute_is_its_ticks(minute: Part, chance: Random) -> None:
    noise = chance.randbytes(bar_to_ticks.tick_noise(minute))
    quotes = bar_to_ticks.quotes(minute, noise)
    times = bar_to_ticks.times(len(quotes), noise[-2 * len(quotes) :])
    ticks = [(1, t, bid, ask) for t, (bid, ask) in zip(times, quotes, strict=True)]
    (bar,) = bars_of(ticks)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == minute[:5]


@given(parts(), st.randoms())
def test_ticks_are_plausible(minute: Part, chance: Random) -> None:
    noise = chance.randbytes(bar_to_ticks.tick_noise(minute))
    quotes = bar_to_ticks.quotes(minute, noise)
    first_bid, first_ask = quotes[0]
    assert first_bid is not None
    assert first_ask is not None
    bid, ask = first_bid, first_ask
    for new_bid, new_ask in quotes[1:]:
        assert new_bid is not None or new_ask is not None
        assert new_bid != bid
        assert new_ask != ask
        bid = bid if new_bid is None else new_bid
        ask = ask if new_ask is None else new_ask
        assert bid < ask
    assert (bid, ask) == (minute.close, minute.last_ask)


@given(st.integers(1, 300), st.randoms())
def test_times_lie_in_the_minute_in_order(count: int, chance: Random) -> None:
    times = bar_to_ticks.times(count, chance.randbytes(2 * count))
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 60_000
