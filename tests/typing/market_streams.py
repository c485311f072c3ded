"""What mypy and pyright know of the market's streams. They read the functions; nobody runs them."""

from datetime import datetime
from decimal import Decimal
from typing import assert_type

from ctrader_typed import Api, Gap, ProtoOATrendbarPeriod
from ctrader_typed.market import (
    Bar,
    BarClosed,
    BarUpdated,
    Level,
    MarketStream,
    OrderBook,
    Period,
    Quote,
    SpotFeed,
    books,
    live_bars,
    quotes,
)
from ctrader_typed.symbols import Symbol


async def how_it_stands(api: Api, eurusd: Symbol) -> None:
    """By id or symbol; None if it is not subscribed to."""
    feed = SpotFeed.of(api, 1)
    await feed.acquire([eurusd, 2], bars=["M1", Period.H1, ProtoOATrendbarPeriod.D1], depth=True)
    assert_type(feed.quote(eurusd), Quote | None)
    assert_type(feed.bar(2, "M1"), Bar | None)
    assert_type(feed.book(eurusd), OrderBook | None)
    feed.release([eurusd, 2], bars=["M1", "H1", "D1"], depth=True)
    async with feed.spots(eurusd) as nothing:
        assert_type(nothing, None)
    await feed.acquire(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no symbol


async def of_quotes(feed: SpotFeed, eurusd: Symbol) -> None:
    """Integers of the wire, decimals beside them; None while a side is unknown."""
    async for quote in quotes(feed, eurusd):
        assert_type(quote, Quote)
        assert_type(quote.bid, int | None)
        assert_type(quote.bid_price, Decimal | None)
        assert_type(quote.mid, Decimal | None)
        assert_type(quote.spread, Decimal | None)
        assert_type(quote.time, datetime | None)
    async with quotes(feed, [eurusd, 2], every=True, gaps=True) as stream:
        assert_type(stream, MarketStream[Quote | Gap])
        assert_type(await anext(stream), Quote | Gap)


async def of_bars(feed: SpotFeed, eurusd: Symbol) -> None:
    """A union, to be told apart by type."""
    async for event in live_bars(feed, eurusd, "M5"):
        assert_type(event, BarUpdated | BarClosed)
        assert_type(event.bar.close_price, Decimal)
        if isinstance(event, BarClosed):
            assert_type(event.complete, bool)
    assert_type(
        live_bars(feed, eurusd, "M5", gaps=True), MarketStream[BarUpdated | BarClosed | Gap]
    )


async def of_books(feed: SpotFeed, eurusd: Symbol) -> None:
    """Each is a value that stays as it is."""
    async for book in books(feed, [eurusd]):
        assert_type(book, OrderBook)
        assert_type(book.bids, tuple[Level, ...])
        assert_type(book.best_ask, Level | None)
    assert_type(books(feed, 1, gaps=True), MarketStream[OrderBook | Gap])
