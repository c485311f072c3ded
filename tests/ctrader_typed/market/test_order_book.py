"""Order books: kept by events beside a naive one, checked, and beside the broker's own."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import Gap
from ctrader_typed.market import BookFault, Level, Offer, OrderBook, SpotFeed, books
from ctrader_typed.market.order_book import apply
from ctrader_typed.proto import ProtoOADepthEvent, ProtoOADepthQuote
from mockserver.faults.effects import Drop
from mockserver.faults.plan import Fault as ServerFault
from mockserver.faults.plan import Plan
from tests.support.feeds import EURUSD, USDJPY, Still, Watched, fed


def bid(number: int, price: int, size: int = 100) -> ProtoOADepthQuote:
    return ProtoOADepthQuote(id=number, size=size, bid=price)


def ask(number: int, price: int, size: int = 100) -> ProtoOADepthQuote:
    return ProtoOADepthQuote(id=number, size=size, ask=price)


def event(*new: ProtoOADepthQuote, gone: list[int] | None = None) -> ProtoOADepthEvent:
    return ProtoOADepthEvent(
        ctid_trader_account_id=1, symbol_id=1, new_quotes=list(new), deleted_quotes=gone or []
    )


def kept(*events: ProtoOADepthEvent) -> OrderBook:
    book = OrderBook(1)
    for each in events:
        book = apply(book, each)
    return book


def test_the_first_event_makes_it_whole() -> None:
    empty = OrderBook(1)
    assert not empty.whole
    assert (empty.bids, empty.asks, empty.best_bid, empty.best_ask) == ((), (), None, None)
    assert empty.spread is None
    book = apply(empty, event(bid(1, 10), ask(2, 12)))
    assert book.whole
    assert not empty.whole
    assert empty.offers == {}
    assert apply(empty, event()).whole, "a symbol may have an empty book"


def test_quotes_are_added_replaced_and_removed_by_id() -> None:
    book = kept(
        event(bid(1, 10), bid(2, 9), ask(3, 12)),
        event(bid(2, 8, 50), ask(4, 11), gone=[3]),
    )
    assert book.offers == {
        1: Offer(10, 100, is_bid=True),
        2: Offer(8, 50, is_bid=True),
        4: Offer(11, 100, is_bid=False),
    }
    assert kept(event(bid(1, 10)), event(ask(1, 12), gone=[1])).offers == {
        1: Offer(12, 100, is_bid=False)
    }, "an id that is given anew, for the other side"


def test_an_id_more_than_once_in_an_event() -> None:
    book = kept(event(bid(1, 10), bid(1, 9, 5), ask(2, 12)))
    assert book.offers == {1: Offer(9, 5, is_bid=True), 2: Offer(12, 100, is_bid=False)}
    assert book.faults == frozenset()
    assert apply(book, event(gone=[1, 1])).offers == {2: Offer(12, 100, is_bid=False)}
    assert apply(book, event(gone=[1, 1])).faults == {BookFault.UNKNOWN_ID}


def test_ten_thousand_changes_leave_what_was_not_taken_back() -> None:
    chance = random.Random(5)
    book, there = OrderBook(1), dict[int, Offer]()
    for number in range(10_000):
        gone = chance.sample(sorted(there), max(0, len(there) - 30))
        is_bid, price = chance.random() < 0.5, chance.randint(1, 50)
        quote = (bid if is_bid else ask)(number, price + 50 * (not is_bid), number + 1)
        there = {each: offer for each, offer in there.items() if each not in gone}
        there[number] = Offer(price + 50 * (not is_bid), number + 1, is_bid=is_bid)
        book = apply(book, event(quote, gone=gone))
        assert book.faults == frozenset()
    assert book.offers == there
    assert len(there) == 31
    for is_bid, side in ((True, book.bids), (False, book.asks)):
        assert side[-1].cumulative == sum(o.size for o in there.values() if o.is_bid is is_bid)


def test_levels_are_best_first_with_what_there_is_up_to_them() -> None:
    book = kept(event(bid(1, 10, 1), bid(2, 9, 20), bid(3, 10, 4), ask(4, 12, 7), ask(5, 15, 30)))
    assert book.bids == (Level(10, 5, 5), Level(9, 20, 25))
    assert book.asks == (Level(12, 7, 7), Level(15, 30, 37))
    assert (book.best_bid, book.best_ask) == (book.bids[0], book.asks[0])
    assert str(book.spread) == "0.00002"
    assert [book.volume(is_bid=True, limit=at) for at in (11, 10, 9, 1)] == [0, 5, 25, 25]
    assert [book.volume(is_bid=False, limit=at) for at in (11, 12, 15)] == [0, 7, 37]
    level = Level(2_528_164_000, 150, 1_000_000, digits=2)
    assert str(level.decimal) == "25281.64"
    assert (str(level.units), str(level.cumulative_units)) == ("1.5", "10000")


def test_shown_in_a_line() -> None:
    assert repr(OrderBook(1)) == "<Book of symbol 1: not known>"
    book = kept(event(bid(1, 110_000), ask(2, 110_000), gone=[3]))
    assert repr(book) == "<Book of symbol 1: 1.10000 / 1.10000, 2 offers, CROSSED, UNKNOWN_ID>"
    assert repr(kept(event())) == "<Book of symbol 1: none / none, 0 offers>"


def test_what_is_wrong_is_told_and_left_out() -> None:
    whole = kept(event(bid(1, 10), ask(2, 12)))
    assert whole.faults == frozenset()
    assert apply(whole, event(gone=[7])).faults == {BookFault.UNKNOWN_ID}
    assert apply(whole, event(gone=[7])).offers == whole.offers
    for nothing, fault in (
        (bid(1, 10, 0), BookFault.NO_SIZE),
        (ProtoOADepthQuote(id=1, size=5), BookFault.NO_SIDE),
        (ProtoOADepthQuote(id=1, size=5, bid=3, ask=4), BookFault.NO_SIDE),
    ):
        book = apply(whole, event(nothing))
        assert book.faults == {fault}
        assert book.offers == {2: Offer(12, 100, is_bid=False)}
        assert apply(book, event(bid(1, 10))).faults == frozenset()


@pytest.mark.parametrize("best_ask", [10, 9])
def test_a_crossed_book_says_so_until_it_is_not(best_ask: int) -> None:
    book = kept(event(bid(1, 10), ask(2, 12)), event(ask(3, best_ask)))
    assert book.faults == {BookFault.CROSSED}
    assert apply(book, event()).faults == {BookFault.CROSSED}
    assert apply(book, event(gone=[3])).faults == frozenset()


QUOTES = st.builds(
    lambda number, price, size, is_bid: (bid if is_bid else ask)(number, price, size),
    st.integers(1, 8),
    st.integers(1, 20),
    st.integers(0, 3),
    st.booleans(),
)
EVENTS = st.lists(
    st.builds(
        lambda new, gone: event(*new, gone=gone),
        st.lists(QUOTES, max_size=6),
        st.lists(st.integers(1, 8), max_size=4),
    ),
    max_size=20,
)


@given(EVENTS)
def test_it_is_what_a_naive_book_is(events: list[ProtoOADepthEvent]) -> None:
    naive: list[tuple[int, int, int, bool]] = []
    book = OrderBook(1)
    for each in events:
        naive = [row for row in naive if row[0] not in each.deleted_quotes]
        for quote in each.new_quotes:
            price = quote.ask if quote.bid is None else quote.bid
            assert price is not None
            naive = [row for row in naive if row[0] != quote.id]
            if quote.size:
                naive.append((quote.id, price, quote.size, quote.bid is not None))
        before = book
        book = apply(before, each)
        assert before.offers is not book.offers
    bids = sorted((row for row in naive if row[3]), key=lambda row: -row[1])
    asks = sorted((row for row in naive if not row[3]), key=lambda row: row[1])
    for side, rows in ((book.bids, bids), (book.asks, asks)):
        assert sum(level.size for level in side) == sum(row[2] for row in rows)
        assert [level.price for level in side] == list(dict.fromkeys(row[1] for row in rows))
        for level in side:
            assert level.size == sum(row[2] for row in rows if row[1] == level.price)
            is_bid = rows is bids
            better = [r for r in rows if (r[1] >= level.price if is_bid else r[1] <= level.price)]
            assert level.cumulative == sum(row[2] for row in better)
            assert book.volume(is_bid=is_bid, limit=level.price) == level.cumulative
    crossed = bool(bids) and bool(asks) and bids[0][1] >= asks[0][1]
    assert (BookFault.CROSSED in book.faults) is crossed


# --- beside the broker ---


def theirs(server: Watched, symbol: int) -> dict[int, Offer]:
    (subscription,) = server.broker.market_data.spots._subscriptions[symbol].values()
    return {
        number: Offer(offer.price, offer.size, offer.is_bid)
        for number, offer in (subscription.book or {}).items()
    }


async def test_it_is_the_brokers_book_at_any_time(autojump_clock) -> None:
    async with fed() as (_, feed, server), books(feed, [EURUSD, USDJPY], every=True) as stream:
        seen = set()
        for _ in range(300):
            book = await anext(stream)
            seen.add(book.symbol_id)
            assert book.whole
            assert not book.faults
            assert book == feed.book(book.symbol_id)
            assert book.offers == theirs(server, book.symbol_id)
            quote = feed.quote(book.symbol_id)
            assert quote is not None
            assert book.best_bid is not None
            assert book.best_bid.price == quote.bid
            assert book.spread == quote.spread
        assert seen == {EURUSD, USDJPY}


async def test_conflated_it_is_the_newest_of_each(autojump_clock) -> None:
    async with fed() as (_, feed, _server), books(feed, [EURUSD, USDJPY]) as stream:
        await trio.sleep(60)
        given = []
        with trio.move_on_after(0):
            while True:
                given.append(await anext(stream))
        assert sorted(book.symbol_id for book in given) == [EURUSD, USDJPY]
        assert all(book == feed.book(book.symbol_id) for book in given)
        async with books(feed, EURUSD) as newcomer:
            assert await anext(newcomer) == feed.book(EURUSD)


async def test_a_gap_empties_it_until_it_comes_whole(autojump_clock) -> None:
    async with fed() as (_, feed, server):
        stream = books(feed, EURUSD, every=True, gaps=True)
        await anext(stream)
        for link in (2, 3):
            await server.cut()
            while not isinstance(await anext(stream), Gap):
                pass
            first = feed.book(EURUSD)
            assert first is not None
            if not first.whole:
                assert first == OrderBook(EURUSD)
                first = await anext(stream)
            assert len(server.links) == link
            assert first.whole
            assert len(first.bids) == len(first.asks) == 10
            for _ in range(20):
                book = await anext(stream)
            assert book.offers == theirs(server, EURUSD)
            assert not book.faults


async def test_without_its_first_event_it_is_not_whole(autojump_clock) -> None:
    silent = Plan([ServerFault(Drop(), message="ProtoOADepthEvent", connection=2, times=None)])
    async with fed(faults=silent) as (_, feed, server), books(feed, EURUSD) as stream:
        await anext(stream)
        await server.cut()
        await trio.sleep(5)
        assert feed.book(EURUSD) == OrderBook(EURUSD)


async def test_what_came_before_a_subscription_is_not_of_its_book(autojump_clock) -> None:
    client: Any = Still()
    feed = SpotFeed(client, 1)
    await feed.acquire(1, depth=True)
    client.home.publish([event(bid(1, 10), ask(2, 12))])
    feed.release(1, depth=True)
    await client.beside.pop()()  # unsubscribes
    client.home.publish([event(bid(3, 11))])  # on its way by then, and nobody has looked at it
    assert feed.book(1) is None
    client.home.publish([event(bid(4, 11))])
    await feed.acquire(1, depth=True)
    assert feed.book(1) == OrderBook(1)
    client.home.publish([event(bid(5, 9), ask(6, 13))])
    assert feed.book(1) == kept(event(bid(5, 9), ask(6, 13)))
