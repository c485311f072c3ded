"""The market as an account sees it: quotes, live bars, order books, and history in columns."""

from ..keywords import suggest_all
from . import history
from .bars import Bar, Bars
from .download import OnProgress, Page, Pages, Progress
from .live_bars import BarClosed, BarEvent, BarUpdated
from .order_book import BookFault, Level, Offer, OrderBook
from .periods import Period, PeriodName
from .quote import Quote
from .resample import resample
from .spot_feed import SpotFeed
from .store.store import Store
from .streams import MarketStream, books, live_bars, quotes
from .ticks import QuoteTick, QuoteTicks, Tick, Ticks

__all__ = [
    "Bar",
    "BarClosed",
    "BarEvent",
    "BarUpdated",
    "Bars",
    "BookFault",
    "Level",
    "MarketStream",
    "Offer",
    "OnProgress",
    "OrderBook",
    "Page",
    "Pages",
    "Period",
    "PeriodName",
    "Progress",
    "Quote",
    "QuoteTick",
    "QuoteTicks",
    "SpotFeed",
    "Store",
    "Tick",
    "Ticks",
    "books",
    "history",
    "live_bars",
    "quotes",
    "resample",
]

suggest_all(globals())


def __dir__() -> list[str]:
    return __all__
