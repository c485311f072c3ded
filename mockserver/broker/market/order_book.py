"""The order book of a symbol, as a function of its quote and the time.

An offer's id stands for its side and price, so the book needs no memory: what differs between two
books is what is sent. The best offers are bid and ask themselves; the others lie on a coarser
grid, so most of them stay when the quote moves.
"""

from __future__ import annotations

from typing import NamedTuple

from ctrader_typed.proto import ProtoOADepthEvent, ProtoOADepthQuote, ProtoOASymbol

from .prices import Quote

LEVELS = 10
"""Offers on each side."""
_SIZE_LASTS = 2_000  # ms; then every eighth offer has another size


class Offer(NamedTuple):
    """A volume that can be traded at a price: in 0.01 of a unit, in 1/100000."""

    price: int
    size: int
    is_bid: bool


Book = dict[int, Offer]
"""The offers by id, best first, bids before asks."""


def book(symbol: ProtoOASymbol, step: int, quote: Quote, time_ms: int) -> Book:
    """The offers around a quote, none while a side has no price; `step` is the tick size."""
    if quote.bid is None or quote.ask is None:
        return {}
    offers: Book = {}
    for is_bid, best in ((True, quote.bid), (False, quote.ask)):
        grid = step * _coarseness(best // step)
        price = best
        for _ in range(LEVELS):
            size = _size(symbol, price // step * 2 + is_bid, time_ms)
            offers[price * 2 + is_bid] = Offer(price, size, is_bid)
            # The next multiple of the grid beyond this price.
            price = (-(-price // grid) - 1) * grid if is_bid else (price // grid + 1) * grid
            if price <= 0:
                break
    return offers


def difference(account_id: int, symbol_id: int, old: Book, new: Book) -> ProtoOADepthEvent | None:
    """What turns one book into another: offers that are new or of another size, ids gone."""
    added = [
        ProtoOADepthQuote(
            id=number,
            size=offer.size,
            bid=offer.price if offer.is_bid else None,
            ask=None if offer.is_bid else offer.price,
        )
        for number, offer in new.items()
        if old.get(number) != offer
    ]
    gone = [number for number in old if number not in new]
    if not added and not gone:
        return None
    return ProtoOADepthEvent(
        ctid_trader_account_id=account_id,
        symbol_id=symbol_id,
        new_quotes=added,
        deleted_quotes=gone,
    )


def _coarseness(points: int) -> int:
    """Two points for a price of a hundred thousand, ten times as many for each further digit."""
    return int(2 * 10 ** max(0, len(str(points)) - 6))


def _size(symbol: ProtoOASymbol, place: int, time_ms: int) -> int:
    """Between half a lot and some thirty, in whole steps of volume."""
    change = (time_ms // _SIZE_LASTS + place) // 8
    lots = (place * 2_654_435_761 + change * 40_503 >> 7) % 60 + 1
    step = symbol.step_volume or 1
    return max(step, (symbol.lot_size or 100) * lots // 2 // step * step)
