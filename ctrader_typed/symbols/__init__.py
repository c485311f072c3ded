"""The symbols of an account: sizes, prices, hours and assets, and the chains between assets."""

from ..keywords import suggest_all
from .catalogue import Catalogue, load_catalogue
from .catalogue_refresh import keep_catalogue
from .conversion import Chain
from .symbol import ArchivedSymbol, Symbol
from .trading_hours import TradingHours

__all__ = [
    "ArchivedSymbol",
    "Catalogue",
    "Chain",
    "Symbol",
    "TradingHours",
    "keep_catalogue",
    "load_catalogue",
]

suggest_all(globals())


def __dir__() -> list[str]:
    return __all__
