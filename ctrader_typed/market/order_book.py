"""The order book of a symbol, kept by the events that change it. Pure; knows no stream.

Prices are integers in 1/100000, sizes in 0.01 of a unit; decimals beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from types import MappingProxyType

from ..proto import ProtoOADepthEvent, ProtoOADepthQuote
from ..units import PRICE_DIGITS, checks, price, units
from ..units.numbers import integer


class BookFault(Enum):
    """What may be wrong with a book or an event."""

    UNKNOWN_ID = "a quote was deleted that was not there"
    NO_SIZE = "a quote had the size 0: it offers nothing and is left out"
    NO_SIDE = "a quote had neither bid nor ask, or both: it is left out"
    CROSSED = "the best bid is not below the best ask"


@dataclass(frozen=True, slots=True)
class Offer:
    """A volume at a price, as one quote of the server has it."""

    price: int
    size: int
    is_bid: bool


@dataclass(frozen=True, slots=True)
class Level:
    """All that is offered at one price, and how much there is up to it."""

    price: int
    size: int
    """Here, in 0.01 of a unit."""
    cumulative: int
    """Here and at all better prices of the side."""
    digits: int = field(default=PRICE_DIGITS, compare=False)

    @property
    def decimal(self) -> Decimal:
        """The price as an exact decimal."""
        return price(self.price, self.digits)

    @property
    def units(self) -> Decimal:
        """The size in units."""
        return units(self.size)

    @property
    def cumulative_units(self) -> Decimal:
        """The cumulative size in units."""
        return units(self.cumulative)


@dataclass(frozen=True, slots=True)
class OrderBook:
    """What is offered on both sides of a symbol at one moment.

    `whole` once the event has come that holds all of it: the first one after the subscription, and
    after a gap. Until then the book is empty. `faults` are those of the last event, and whether
    the book is crossed; the book is usable all the same.
    """

    symbol_id: int
    offers: Mapping[int, Offer] = field(default_factory=dict[int, Offer])
    """By the server's ids; not to be changed."""
    whole: bool = False
    faults: frozenset[BookFault] = frozenset()
    digits: int = field(default=PRICE_DIGITS, compare=False)

    @property
    def bids(self) -> tuple[Level, ...]:
        """Who buys, best (highest) price first."""
        return tuple(self._levels(is_bid=True))

    @property
    def asks(self) -> tuple[Level, ...]:
        """Who sells, best (lowest) price first."""
        return tuple(self._levels(is_bid=False))

    @property
    def best_bid(self) -> Level | None:
        """The highest bid."""
        return next(self._levels(is_bid=True), None)

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask."""
        return next(self._levels(is_bid=False), None)

    @property
    def spread(self) -> Decimal | None:
        """Best ask less best bid, in price units; None while a side is empty."""
        bid, ask = best(self.offers.values())
        return None if bid is None or ask is None else price(ask - bid, self.digits)

    def volume(self, *, is_bid: bool, limit: int) -> int:
        """What can be had on a side at `limit` (1/100000) or better, in 0.01 of a unit."""
        checks.flag(is_bid, "is_bid")
        integer(limit, "limit")
        return sum(
            offer.size
            for offer in self.offers.values()
            if offer.is_bid is is_bid and (offer.price >= limit if is_bid else offer.price <= limit)
        )

    def __repr__(self) -> str:
        if not self.whole:
            return f"<Book of symbol {self.symbol_id}: not known>"
        bid, ask = best(self.offers.values())
        sides = ("none" if side is None else str(price(side, self.digits)) for side in (bid, ask))
        wrong = "".join(f", {fault.name}" for fault in sorted(self.faults, key=str))
        told = " / ".join(sides)
        return f"<Book of symbol {self.symbol_id}: {told}, {len(self.offers)} offers{wrong}>"

    def _levels(self, *, is_bid: bool) -> Iterator[Level]:
        sizes: dict[int, int] = {}
        for offer in self.offers.values():
            if offer.is_bid is is_bid:
                sizes[offer.price] = sizes.get(offer.price, 0) + offer.size
        so_far = 0
        for at in sorted(sizes, reverse=is_bid):
            so_far += sizes[at]
            yield Level(at, sizes[at], so_far, self.digits)


def apply(book: OrderBook, event: ProtoOADepthEvent) -> OrderBook:
    """The book after an event of its symbol: quotes are gone, then others added or replaced by id.

    The first event makes an empty book whole.
    """
    offers = dict(book.offers)
    faults: set[BookFault] = set()
    for number in event.deleted_quotes:
        if offers.pop(number, None) is None:
            faults.add(BookFault.UNKNOWN_ID)
    for quote in event.new_quotes:
        offer = _offer(quote, faults)
        if offer is None:
            offers.pop(quote.id, None)
        else:
            offers[quote.id] = offer
    bid, ask = best(offers.values())
    if bid is not None and ask is not None and bid >= ask:
        faults.add(BookFault.CROSSED)
    return OrderBook(
        book.symbol_id,
        MappingProxyType(offers),
        whole=True,
        faults=frozenset(faults),
        digits=book.digits,
    )


def best(offers: Iterable[Offer]) -> tuple[int | None, int | None]:
    """The highest bid and the lowest ask."""
    bid = ask = None
    for offer in offers:
        if offer.is_bid:
            bid = offer.price if bid is None else max(bid, offer.price)
        else:
            ask = offer.price if ask is None else min(ask, offer.price)
    return bid, ask


def _offer(quote: ProtoOADepthQuote, faults: set[BookFault]) -> Offer | None:
    """What a quote offers; None, and why, if it offers nothing."""
    if (quote.bid is None) == (quote.ask is None):
        faults.add(BookFault.NO_SIDE)
        return None
    if quote.size == 0:
        faults.add(BookFault.NO_SIZE)
        return None
    if quote.bid is not None:
        return Offer(quote.bid, quote.size, is_bid=True)
    assert quote.ask is not None, "one of them is there"
    return Offer(quote.ask, quote.size, is_bid=False)
