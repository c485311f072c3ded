"""A quote and the events that it is put together of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.market import Quote
from ctrader_typed.market.quote import id_of, merge
from ctrader_typed.proto import SCHEMA, ProtoOASpotEvent
from mockserver.recordings.session_file import load_session

PRICES = st.integers(1, 10**15)
SIDES = st.none() | PRICES


@dataclass(frozen=True)
class Symbol:
    id: int
    digits: int


def event(
    bid: int | None = None, ask: int | None = None, timestamp: int | None = None, **fields: int
) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(
        ctid_trader_account_id=1, symbol_id=1, bid=bid, ask=ask, timestamp=timestamp, **fields
    )


def test_a_side_that_is_left_out_stays() -> None:
    quote = merge(Quote(1), event(bid=10, timestamp=5))
    assert quote == Quote(1, 10, None, 5)
    quote = merge(quote, event(ask=12, timestamp=6))
    assert quote == Quote(1, 10, 12, 6)
    quote = merge(quote, event(bid=0))
    assert quote == Quote(1, 0, 12, None), "0 is a price like any other, and nobody knows when"
    quote = merge(quote, event(session_close=7))
    assert quote == Quote(1, 0, 12, None, 7)
    assert merge(quote, event(ask=13)).session_close == 7


def test_prices_are_exact_and_shown_with_the_symbols_digits() -> None:
    quote = Quote(1, 2_528_164_000, 2_528_177_000, 1_789_757_115_211, 2_528_000_000, digits=2)
    assert str(quote.bid_price) == "25281.64"
    assert str(quote.ask_price) == "25281.77"
    assert str(quote.mid) == "25281.705"
    assert str(quote.spread) == "0.13"
    assert str(quote.session_close_price) == "25280.00"
    assert quote.time == datetime(2026, 9, 18, 18, 45, 15, 211_000, tzinfo=UTC)
    assert str(Quote(1, 110_000, 110_002).mid) == "1.10001"
    assert Quote(1, 3, 1).spread == Decimal("-0.00002")


def test_nothing_is_made_of_a_side_that_is_missing() -> None:
    for half in (Quote(1), Quote(1, bid=1), Quote(1, ask=1)):
        assert half.mid is None
        assert half.spread is None
        assert half.time is None
        assert half.is_known is (half != Quote(1))
    assert Quote(1).bid_price is None
    assert Quote(1).ask_price is None
    assert Quote(1).session_close_price is None


@given(PRICES, PRICES)
def test_decimals_are_exact_whatever_the_precision(bid: int, ask: int) -> None:
    quote = Quote(1, bid, ask)
    with localcontext(prec=3):
        mid, spread, shown = quote.mid, quote.spread, quote.bid_price
    assert mid is not None
    assert spread is not None
    assert shown is not None
    with localcontext(prec=60):
        assert mid * 200_000 == bid + ask
        assert spread * 100_000 == ask - bid
        assert shown * 100_000 == bid


@given(st.lists(st.tuples(SIDES, SIDES)))
def test_it_has_the_last_of_each_side(changes: list[tuple[int | None, int | None]]) -> None:
    quote = Quote(1)
    for bid, ask in changes:
        quote = merge(quote, event(bid, ask))
    bids = [bid for bid, _ in changes if bid is not None]
    asks = [ask for _, ask in changes if ask is not None]
    assert quote.bid == (bids[-1] if bids else None)
    assert quote.ask == (asks[-1] if asks else None)


def test_recorded_events(recordings: Path) -> None:
    quote = Quote(1)
    seen = []
    for record in load_session(recordings / "market_data.jsonl", SCHEMA).records:
        if record.cls is ProtoOASpotEvent and record.wire is not None:
            spot = ProtoOASpotEvent.FromString(record.wire)
            if spot.symbol_id == 1:
                quote = merge(quote, spot)
                seen.append((quote.bid, quote.ask, quote.timestamp))
    assert seen == [
        (114_815, None, 1_789_757_115_464),
        (114_814, 114_814, 1_789_757_120_255),
        (114_814, 114_820, 1_789_757_129_704),
        (114_812, 114_815, 1_789_757_153_103),
        (114_813, 114_815, 1_789_757_160_754),
    ]
    assert str(quote.spread) == "0.00002"


def test_symbols_and_their_ids() -> None:
    assert id_of(5) == id_of(Symbol(5, 2)) == 5
