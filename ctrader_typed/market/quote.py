"""A symbol's quote, put together of events that each carry what has changed.

Prices are integers in 1/100000 underneath, whatever the symbol's digits, and decimals in hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol, cast

from ..errors import InvalidValue
from ..keywords import hot
from ..proto import ProtoOASpotEvent
from ..units import PRICE_DIGITS, price, utc
from ..units.numbers import as_int, scaled
from ..units.prices import shown


class Identified(Protocol):
    """A symbol as the functions here need it: an id, and with how many decimals it is shown."""

    @property
    def id(self) -> int:
        """The symbolId."""
        ...

    @property
    def digits(self) -> int:
        """Decimals of its prices."""
        ...


SymbolLike = int | Identified
"""A symbol, or its id."""


def id_of(symbol: SymbolLike) -> int:
    """The id of a symbol, or the id that it is."""
    counted = as_int(symbol)
    if counted is not None:
        return counted
    try:
        return cast("Identified", symbol).id
    except AttributeError:
        kind = type(symbol).__name__
        raise InvalidValue(f"symbol = {symbol!r} ({kind}): expected a symbol, or its id") from None


def digits_of(symbol: SymbolLike) -> int | None:
    """With how many decimals a symbol is shown; None of an id alone."""
    if as_int(symbol) is not None:
        return None
    id_of(symbol)  # which refuses what is neither
    return cast("Identified", symbol).digits


@hot("__init__")
@dataclass(frozen=True, slots=True)
class Quote:
    """The last bid and ask of a symbol, in 1/100000; None for a side that is not known (yet).

    `timestamp` is when it changed, in ms since the Unix epoch, None where the server does not say.
    `session_close` is the last session's closing price, from the event that had it last. Prices
    with a name that ends in `_price`, `mid` and `spread` are exact decimals, None while a side that
    they need is missing. No quote is older than the last gap: see `SpotFeed`.
    """

    symbol_id: int
    bid: int | None = None
    ask: int | None = None
    timestamp: int | None = None
    session_close: int | None = None
    digits: int = field(default=PRICE_DIGITS, compare=False)
    """With how many decimals prices are shown, at least; five where nobody has said."""

    @property
    def is_known(self) -> bool:
        """Whether there is a price at all."""
        return self.bid is not None or self.ask is not None

    @property
    def bid_price(self) -> Decimal | None:
        """What one sells at."""
        return None if self.bid is None else price(self.bid, self.digits)

    @property
    def ask_price(self) -> Decimal | None:
        """What one buys at."""
        return None if self.ask is None else price(self.ask, self.digits)

    @property
    def session_close_price(self) -> Decimal | None:
        """The last session's closing price."""
        return None if self.session_close is None else price(self.session_close, self.digits)

    @property
    def mid(self) -> Decimal | None:
        """Half way between bid and ask; it may have a decimal more than they."""
        if self.bid is None or self.ask is None:
            return None
        return shown(scaled((self.bid + self.ask) * 5, PRICE_DIGITS + 1), self.digits)

    @property
    def spread(self) -> Decimal | None:
        """Ask less bid, in price units; below zero if the server's quote is crossed."""
        if self.bid is None or self.ask is None:
            return None
        return price(self.ask - self.bid, self.digits)

    @property
    def time(self) -> datetime | None:
        """When it changed, in UTC."""
        return None if self.timestamp is None else utc(self.timestamp)


def merge(quote: Quote, event: ProtoOASpotEvent) -> Quote:
    """The quote after an event of its symbol: a side that the event leaves out has not changed.

    Recorded: bid alone, ask alone, or both. The time is the event's, for the quote is of then.
    """
    return Quote(
        quote.symbol_id,
        quote.bid if event.bid is None else event.bid,
        quote.ask if event.ask is None else event.ask,
        event.timestamp,
        quote.session_close if event.session_close is None else event.session_close,
        quote.digits,
    )
