"""The market as an account sees it: quotes, live bars, order books, and history in columns."""

from .book import Book, Fault, Level, Offer
from .feed import SpotFeed
from .live_bars import BarClosed, BarEvent, BarUpdated, LiveBar
from .quote import Quote
from .streams import MarketStream, books, live_bars, quotes

__all__ = [
    "BarClosed",
    "BarEvent",
    "BarUpdated",
    "Book",
    "Fault",
    "Level",
    "LiveBar",
    "MarketStream",
    "Offer",
    "Quote",
    "SpotFeed",
    "books",
    "live_bars",
    "quotes",
]
