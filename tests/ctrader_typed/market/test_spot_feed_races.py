"""Comings and goings on a feed in any order, cancelled at each step, with connections cut."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ctrader_typed import ConnectionLost, ServerError
from ctrader_typed.market import SpotFeed, books, live_bars, quotes
from mockserver.faults.effects import Delay
from mockserver.faults.plan import Fault, Plan
from mockserver.recordings.session_file import Direction
from tests.support.feeds import EURUSD, GBPUSD, USDJPY, Watched, fed

SYMBOLS = (EURUSD, GBPUSD, USDJPY)
PARTS = 4


def late(seconds: float = 0.2, chance: float = 1.0, seed: int = 0) -> Plan:
    names = ("SubscribeSpots", "SubscribeLiveTrendbar", "SubscribeDepthQuotes")
    return Plan(
        [
            Fault(
                Delay(seconds),
                Direction.SERVER,
                message=f"ProtoOA{prefix}{name[0].lower() if prefix else name[0]}{name[1:]}Res",
                chance=chance,
                times=None,
            )
            for prefix in ("", "Un")
            for name in names
        ],
        seed,
    )


class CancelAt(trio.abc.Instrument):
    """Counts the steps of all tasks, and cancels a scope at one of them."""

    def __init__(self, scope: trio.CancelScope, step: int | None) -> None:
        self.scope = scope
        self.step = step
        self.steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps == self.step:
            trio.lowlevel.current_trio_token().run_sync_soon(self.scope.cancel)


async def trade(feed: SpotFeed) -> None:
    """All that one does with a feed."""
    async with quotes(feed, [EURUSD, USDJPY]) as stream:
        await anext(stream)
        async for _ in books(feed, EURUSD):
            break
        async for _ in live_bars(feed, USDJPY, "M1"):
            break
        async with feed.spots([EURUSD, GBPUSD], bars=["M1"], depth=True):
            await anext(stream)


async def cancelled_at(step: int | None) -> int:
    async with fed(faults=late()) as (_, feed, server):
        with trio.CancelScope() as scope:
            watch = CancelAt(scope, step)
            trio.lowlevel.add_instrument(watch)
            try:
                await trade(feed)
            finally:
                trio.lowlevel.remove_instrument(watch)
        await trio.sleep(3)
        assert server.subscribed == {}
        assert feed.hub.statistics() == ()
        assert not feed._subscriptions._subscriptions  # the counts themselves
        await trade(feed)
        await trio.sleep(3)
        assert server.subscribed == {}
    return watch.steps


@pytest.mark.parametrize("part", range(PARTS))
def test_cancelled_at_each_step(part: int) -> None:
    def run(step: int | None) -> int:
        return trio.run(cancelled_at, step, clock=MockClock(autojump_threshold=0))

    steps = run(None)
    assert steps > 50
    for step in range(1 + part, steps, PARTS):
        run(step)


async def come_and_go(feed: SpotFeed, held: Counter[Any], chance: random.Random) -> None:
    """One who wants this and that for a while, and is at times cancelled."""
    for _ in range(6):
        symbols = chance.sample(SYMBOLS, chance.randint(1, 3))
        wanted: dict[str, Any] = {
            "bars": chance.sample(["M1", "H1"], chance.randint(0, 2)),
            "depth": chance.random() < 0.3,
        }
        with trio.move_on_after(chance.choice([0, 0.1, 0.3, 5, 5])):
            try:
                async with feed.spots(symbols, **wanted):
                    held.update(symbols)
                    try:
                        await trio.sleep(chance.random())
                    finally:
                        held.subtract(symbols)
            except ConnectionLost:
                await trio.sleep(0.2)


async def look(feed: SpotFeed, held: Counter[Any], server: Watched) -> None:
    """While the connection stands, what is held is subscribed to."""
    while True:
        await trio.sleep(0.05)
        assert {symbol for symbol, count in held.items() if count} <= set(server.subscribed)


@pytest.mark.parametrize("seed", range(20))
async def test_any_comings_and_goings_leave_nothing(seed: int, autojump_clock) -> None:
    chance = random.Random(seed)
    cuts = seed % 2
    async with fed(faults=late(seed=seed)) as (api, feed, server):
        held: Counter[Any] = Counter()
        async with trio.open_nursery() as watching:
            if not cuts:
                watching.start_soon(look, feed, held, server)
            async with trio.open_nursery() as nursery:
                for number in range(5):
                    own = random.Random(seed * 100 + number)
                    nursery.start_soon(come_and_go, feed, held, own)
                for _ in range(3 * cuts):
                    await trio.sleep(chance.random() * 2)
                    await server.cut()
            watching.cancel_scope.cancel()
        await trio.sleep(3)
        await api.connected()
        await trio.sleep(12)
        assert server.subscribed == {}
        assert not feed._subscriptions._subscriptions
        try:
            await feed.acquire(SYMBOLS, bars=["M1"], depth=True)
        except ServerError as error:
            pytest.fail(str(error))
        await trio.sleep(10)
        for symbol in SYMBOLS:
            quote, book, bar = feed.quote(symbol), feed.book(symbol), feed.bar(symbol, "M1")
            assert quote is not None
            assert quote.is_known
            assert book is not None
            assert book.whole
            assert not book.faults
            assert bar is not None
