"""Quotes of two symbols, bars in the making and an order book, against the mock server.

Everything is in memory, and a minute passes in two seconds: `python -m examples.quotes`. For the
real server, `connect("demo")` is the only change, and keys of your own.
"""

from __future__ import annotations

import trio
from trio.testing import MockClock

from ctrader_typed import Api, connect_over
from ctrader_typed.market import BarClosed, SpotFeed, books, live_bars, quotes
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server

EURUSD, USDJPY = 1, 3


async def watch(api: Api) -> None:
    """What a program for the real server looks like."""
    feed = SpotFeed.of(api, HEDGED)  # everything below shares its subscriptions
    seen = 0
    async for quote in quotes(feed, [EURUSD, USDJPY]):
        print(f"{quote.symbol_id}: {quote.bid_price} / {quote.ask_price}, spread {quote.spread}")
        seen += 1
        if seen == 5:
            break  # leaving unsubscribes

    async with books(feed, EURUSD) as stream:
        book = await anext(stream)
        for bid, ask in zip(book.bids[:3], book.asks[:3], strict=True):
            print(f"{bid.cumulative_units:>12} {bid.decimal} | ", end="")
            print(f"{ask.decimal} {ask.cumulative_units}")

    async with live_bars(feed, EURUSD, "M1") as bars:
        while not isinstance(event := await anext(bars), BarClosed):
            bar = event.bar
            print(f"{bar.opened:%H:%M} … close {bar.close_price}, {bar.volume} changes")
            await trio.sleep(10)  # a slow reader gets the newest, and misses no BarClosed
        print(f"{event.bar.opened:%H:%M} is over, complete: {event.complete}")


async def main() -> None:
    """The server and the client in one process."""
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await api.auth(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            access_token=ACCESS_TOKEN,
            account_id=HEDGED,
        )
        await watch(api)


if __name__ == "__main__":
    trio.run(main, clock=MockClock(rate=30))
