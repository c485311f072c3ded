"""Live bars of two days, a weekend and a change of clocks between them, beside the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import trio

from ctrader_typed.market import BarClosed, MarketStream, Period, history, live_bars
from ctrader_typed.market.live_bars import BarEvent
from mockserver.box import HEDGED
from mockserver.broker.broker import Broker
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.random_prices import RandomPrices
from mockserver.broker.rules import MarketRules
from tests.support.feeds import EURUSD, USDJPY, fed

SYMBOLS = (EURUSD, USDJPY)
PERIODS = ("M1", "M5", "M15", "H1", "H4", "H12", "D1", "W1")
THURSDAY = datetime(2026, 3, 5, 21, 30, tzinfo=UTC)
REOPENED = datetime(2026, 3, 8, 21, tzinfo=UTC)
"""In New York the clocks were put forward that day: on Friday the market had closed at 22:00."""


def millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def quiet_broker() -> Broker:
    catalogue = Instruments.standard()
    prices = RandomPrices(catalogue, tick_seconds=40)
    market_rules = MarketRules(bars_page=100)  # who asks for few makes few
    return Broker(
        catalogue=catalogue, prices=prices, start_ms=millis(THURSDAY), market_rules=market_rules
    )


async def test_every_bar_that_closed_is_that_of_the_history(autojump_clock) -> None:
    closed: dict[tuple[int, Period], list[BarClosed]] = {}

    async def follow(stream: MarketStream[BarEvent]) -> None:
        async for told in stream:
            if isinstance(told, BarClosed):
                closed.setdefault((told.symbol_id, told.period), []).append(told)

    async with fed(broker=quiet_broker(), heartbeat_interval=28) as (api, feed, _):
        async with trio.open_nursery() as nursery:
            for every, period in enumerate(PERIODS):
                nursery.start_soon(follow, live_bars(feed, SYMBOLS, period, every=every % 2 == 0))
            await trio.sleep((REOPENED - THURSDAY + timedelta(hours=3)) / timedelta(seconds=1))
            quotes = {symbol: feed.quote(symbol) for symbol in SYMBOLS}
            nursery.cancel_scope.cancel()
        assert len(closed) == len(SYMBOLS) * len(PERIODS)
        for (symbol, of), told in closed.items():
            start, end = told[0].time, told[-1].next_time
            known = await history.bars(api, HEDGED, symbol, of, start, end)
            assert [each.bar for each in told] == list(known), (symbol, of)
            assert all(each.complete for each in told)
            assert [each.next_time for each in told[:-1]] == [each.time for each in told[1:]]

    assert len(closed[EURUSD, Period.M1]) > 500
    days = closed[EURUSD, Period.D1]
    assert [each.bar.opened.hour for each in days] == [22, 22]
    assert days[-1].next_time == millis(REOPENED)
    for symbol, quote in quotes.items():
        assert quote is not None
        assert quote.session_close == closed[symbol, Period.D1][-1].bar.close
