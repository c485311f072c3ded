"""The market as an account sees it: quotes, live bars, order books, and history in columns."""

from .bars import Bar, Bars
from .book import Book, Fault, Level, Offer
from .feed import SpotFeed
from .live_bars import BarClosed, BarEvent, BarUpdated, LiveBar
from .periods import Period, PeriodName
from .quote import Quote
from .streams import MarketStream, books, live_bars, quotes
from .ticks import QuoteTick, QuoteTicks, Tick, Ticks

__all__ = [
    "Bar",
    "BarClosed",
    "BarEvent",
    "BarUpdated",
    "Bars",
    "Book",
    "Fault",
    "Level",
    "LiveBar",
    "MarketStream",
    "Offer",
    "Period",
    "PeriodName",
    "Quote",
    "QuoteTick",
    "QuoteTicks",
    "SpotFeed",
    "Tick",
    "Ticks",
    "books",
    "live_bars",
    "quotes",
]
