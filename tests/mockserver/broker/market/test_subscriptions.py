"""Subscriptions: the refusals' exact texts, the technical event, partial updates, live bars,
session closes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOADepthEvent,
    ProtoOAErrorRes,
    ProtoOAGetTrendbarsReq,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeDepthQuotesRes,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeLiveTrendbarRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeDepthQuotesRes,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeLiveTrendbarRes,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsRes,
)
from mockserver.broker.market.periods import MINUTE, Period
from mockserver.broker.market.prices import Tick, TickList
from mockserver.broker.market.tick_files import from_session
from mockserver.recordings.session_file import Session

ACCOUNT = 1_000_001
NOW = 1_789_757_115_211
MakeDesk = Callable[..., Any]
MakeTicks = Callable[[Iterable[tuple[int, int | None, int | None]]], TickList]


def spots(*symbol_ids: int, account: int = ACCOUNT, timestamp: bool | None = None) -> Message:
    return ProtoOASubscribeSpotsReq(
        ctid_trader_account_id=account,
        symbol_id=list(symbol_ids),
        subscribe_to_spot_timestamp=timestamp,
    )


def no_spots(*symbol_ids: int) -> Message:
    return ProtoOAUnsubscribeSpotsReq(ctid_trader_account_id=ACCOUNT, symbol_id=list(symbol_ids))


def live(symbol_id: int, period: Period = Period.M1, account: int = ACCOUNT) -> Message:
    return ProtoOASubscribeLiveTrendbarReq(
        ctid_trader_account_id=account, symbol_id=symbol_id, period=period
    )


def no_live(symbol_id: int, period: Period = Period.M1) -> Message:
    return ProtoOAUnsubscribeLiveTrendbarReq(
        ctid_trader_account_id=ACCOUNT, symbol_id=symbol_id, period=period
    )


def depth(*symbol_ids: int) -> Message:
    return ProtoOASubscribeDepthQuotesReq(
        ctid_trader_account_id=ACCOUNT, symbol_id=list(symbol_ids)
    )


def no_depth(*symbol_ids: int) -> Message:
    return ProtoOAUnsubscribeDepthQuotesReq(
        ctid_trader_account_id=ACCOUNT, symbol_id=list(symbol_ids)
    )


# --- refusals


def recorded_refusals(recordings: Path) -> dict[str, tuple[str, str]]:
    lines = (recordings / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {
        r["note"]: (r["payload"]["errorCode"], r["payload"].get("description", "")) for r in records
    }


def test_subscribing_twice_is_refused_as_recorded(state: MakeDesk, recordings: Path) -> None:
    code, text = recorded_refusals(recordings)["second subscribe, 2020"]
    ours = state()
    ours.ask(spots(1))
    assert ours.refused(spots(1)) == (code, text.replace("22396", "1"))


def test_unsubscribing_without_a_subscription_is_refused_as_recorded(
    state: MakeDesk, recordings: Path
) -> None:
    code, text = recorded_refusals(recordings)["unsubscribe without subscription, 2020"]
    assert state().refused(no_spots(1)) == (code, text.replace("22396", "1"))


@pytest.mark.parametrize(
    ("before", "request_", "code", "text"),
    [
        (
            [],
            live(1),
            "INVALID_REQUEST",
            "Impossible to get trendbars before the spot subscribing",
        ),
        ([], depth(1), "INVALID_REQUEST", "Not subscribed to spots of symbol 1."),
        ([spots(1), live(1)], live(1), "INVALID_REQUEST", "Already subscribed to symbol 1."),
        ([spots(1), depth(1)], depth(1), "INVALID_REQUEST", "Already subscribed to symbol 1."),
        ([], no_live(1), "INVALID_REQUEST", "No subscription for symbol 1."),
        ([spots(1)], no_live(1), "INVALID_REQUEST", "No subscription for symbol 1."),
        ([spots(1)], no_depth(1), "INVALID_REQUEST", "No subscription for symbol 1."),
        ([spots(1)], live(1, Period(99)), "INVALID_REQUEST", "Unknown trendbar period 99"),
        ([], spots(1, 5_000), "SYMBOL_NOT_FOUND", "Symbol not found: 5000"),
        ([], spots(77), "SYMBOL_NOT_FOUND", "Symbol not found: 77"),
        ([], live(5_000), "SYMBOL_NOT_FOUND", "Symbol not found: 5000"),
        ([], depth(5_000), "SYMBOL_NOT_FOUND", "Symbol not found: 5000"),
    ],
)
def test_refusals(
    state: MakeDesk, before: list[Message], request_: Message, code: str, text: str
) -> None:
    ours = state()
    for message in before:
        ours.ask(message)
    assert ours.refused(request_) == (code, text)


@pytest.mark.parametrize(
    ("before", "request_", "code"),
    [
        ([spots(1)], spots(1), "ALREADY_SUBSCRIBED"),
        ([spots(1), live(1)], live(1), "ALREADY_SUBSCRIBED"),
        ([spots(1), depth(1)], depth(1), "ALREADY_SUBSCRIBED"),
        ([], live(1), "NOT_SUBSCRIBED_TO_SPOTS"),
        ([], depth(1), "NOT_SUBSCRIBED_TO_SPOTS"),
        ([], no_spots(1), "INVALID_REQUEST"),
    ],
)
def test_precise_codes_by_option(
    state: MakeDesk, before: list[Message], request_: Message, code: str
) -> None:
    ours = state(precise_codes=True)
    for message in before:
        ours.ask(message)
    assert ours.refused(request_)[0] == code


def test_a_batch_with_one_bad_symbol_changes_nothing(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1))
    assert ours.refused(spots(2, 1))[1] == "Already subscribed to symbol 1."
    assert ours.refused(no_spots(1, 2))[1] == "No subscription for symbol 2."
    assert ours.refused(depth(1, 2))[1] == "Not subscribed to spots of symbol 2."
    ours.ask(spots(2))
    ours.ask(no_spots(1, 2))


def test_a_symbol_twice_in_one_request_counts_once(state: MakeDesk) -> None:
    ours = state()
    assert len(ours.ask(spots(1, 1))) == 2
    assert len(ours.ask(depth(1, 1))) == 2
    assert len(ours.ask(no_spots(1, 1))) == 1


# --- events


def test_the_response_comes_first_then_one_event_a_symbol_with_the_last_prices(
    state: MakeDesk,
) -> None:
    ours = state()
    response, euro, gold = ours.ask(spots(1, 41))
    assert response == ProtoOASubscribeSpotsRes(ctid_trader_account_id=ACCOUNT)
    assert (euro.bid, euro.ask) == ours.market.quote(1)
    assert (gold.bid, gold.ask) == ours.market.quote(41)
    assert euro.timestamp is None
    assert euro.trendbar == []


def test_the_technical_event_comes_from_a_closed_market_too(state: MakeDesk) -> None:
    ours = state(now=NOW + 86_400_000)
    _, event = ours.ask(spots(1, timestamp=True))
    assert (event.bid, event.ask) == ours.market.quote(1)
    assert event.timestamp == NOW + 86_400_000
    assert ours.wait(3_600_000) == []


def test_a_symbol_that_never_had_a_price_tells_nothing_yet(
    state: MakeDesk, tick_list: MakeTicks
) -> None:
    ours = state(tick_list([(5, 100, None)]))
    assert ours.ask(spots(1)) == [ProtoOASubscribeSpotsRes(ctid_trader_account_id=ACCOUNT)]
    (event,) = ours.wait(5)
    assert (event.bid, event.ask) == (100, None)


def test_updates_name_only_what_changed(state: MakeDesk, tick_list: MakeTicks) -> None:
    ours = state(tick_list([(0, 100, 110), (1, 101, None), (2, None, 111), (3, 102, 112)]))
    ours.ask(spots(1, timestamp=True))
    assert [(e.bid, e.ask, e.timestamp) for e in ours.wait(10)] == [
        (101, None, NOW + 1),
        (None, 111, NOW + 2),
        (102, 112, NOW + 3),
    ]


def test_the_recorded_quotes_give_the_recorded_events(
    state: MakeDesk, recorded_market: Session
) -> None:
    ours = state(from_session(recorded_market), now=NOW - 1)
    ours.ask(spots(1, 279, timestamp=True))
    ours.ask(live(1))
    ours.ask(live(279))
    recorded = [r.wire for r in recorded_market.records if r.cls is ProtoOASpotEvent]
    events = ours.wait(60_000)
    assert len(events) == len(recorded) == 7
    # The session keeps only some events of the first minute, so their bars' volumes are higher
    # than ours can be. The ask alone and the first events of the next minute are complete.
    assert [bytes(events[at]) for at in (3, 5, 6)] == [recorded[at] for at in (3, 5, 6)]
    for event, wire in zip(events, recorded, strict=True):
        theirs = ProtoOASpotEvent.FromString(wire)
        assert (event.bid, event.ask, event.timestamp) == (theirs.bid, theirs.ask, theirs.timestamp)
        assert [(b.period, b.utc_timestamp_in_minutes, b.delta_close) for b in event.trendbar] == [
            (b.period, b.utc_timestamp_in_minutes, b.delta_close) for b in theirs.trendbar
        ]


def test_live_bars_ride_only_with_a_bid_and_agree_with_history(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1))
    ours.ask(live(1, Period.M5))
    answer, event = ours.ask(live(1))
    assert answer == ProtoOASubscribeLiveTrendbarRes(ctid_trader_account_id=ACCOUNT)
    events = ours.wait(12 * MINUTE)
    volume = 0
    first: dict[int, Any] = {}
    last: dict[tuple[Period, int], tuple[int, int, int, int]] = {}
    for event in events:
        assert (event.bid is None) == (not event.trendbar)
        volume += (event.bid is not None) + (event.ask is not None)
        for bar in event.trendbar:
            assert bar.delta_close is None
            high, opened = bar.low + bar.delta_high, bar.low + bar.delta_open
            assert bar.low <= event.bid <= high
            last[bar.period, bar.utc_timestamp_in_minutes] = (opened, high, bar.low, event.bid)
        if event.trendbar:
            assert [b.period for b in event.trendbar] == [Period.M5, Period.M1]
            first.setdefault(event.trendbar[1].utc_timestamp_in_minutes, event.trendbar[1])
    for minute in sorted(first)[1:]:
        assert (first[minute].volume, first[minute].delta_open, first[minute].delta_high) == (
            2,
            0,
            0,
        )
    for period in (Period.M1, Period.M5):
        request = ProtoOAGetTrendbarsReq(
            ctid_trader_account_id=ACCOUNT,
            symbol_id=1,
            period=period,
            from_timestamp=NOW - 10 * MINUTE,
            to_timestamp=NOW + 12 * MINUTE,
        )
        (response,) = ours.ask(request)
        streamed = 0
        for bar in response.trendbar:
            told = last.get((period, bar.utc_timestamp_in_minutes))
            if told is not None:
                streamed += 1
                assert told == (
                    bar.low + bar.delta_open,
                    bar.low + bar.delta_high,
                    bar.low,
                    bar.low + bar.delta_close,
                )
        assert streamed >= (11 if period is Period.M1 else 2)


@pytest.mark.parametrize("period", Period)
def test_a_live_bar_subscription_is_followed_at_once_by_the_bar_in_the_making(
    state: MakeDesk, period: Period
) -> None:
    ours = state()
    _, prices = ours.ask(spots(1, timestamp=True))
    answer, event = ours.ask(live(1, period))
    assert answer == ProtoOASubscribeLiveTrendbarRes(ctid_trader_account_id=ACCOUNT)
    assert (event.bid, event.ask, event.timestamp) == (prices.bid, prices.ask, NOW)
    (bar,) = event.trendbar
    assert (bar.period, bar.delta_close) == (period, None)
    assert bar.low <= event.bid <= bar.low + bar.delta_high
    assert bar.utc_timestamp_in_minutes * MINUTE <= NOW


def test_without_a_bar_in_the_making_no_event_follows(
    state: MakeDesk, tick_list: MakeTicks
) -> None:
    """The only price is of an earlier minute: the bar of five minutes has it, the minute's not."""
    start = NOW - NOW % (5 * MINUTE)
    ours = state(tick_list([(start - NOW, 100_000, 100_010)]), now=start + 2 * MINUTE)
    ours.ask(spots(1))
    assert len(ours.ask(live(1, Period.M1))) == 1
    _, event = ours.ask(live(1, Period.M5))
    assert [bar.utc_timestamp_in_minutes for bar in event.trendbar] == [start // MINUTE]


@pytest.mark.parametrize("period", Period)
def test_a_live_bar_knows_what_was_before_the_subscription(state: MakeDesk, period: Period) -> None:
    early, late = state(), state(now=NOW + 10 * MINUTE)
    early.ask(spots(1))
    early.ask(live(1, period))
    early.wait(10 * MINUTE)
    late.ask(spots(1))
    late.ask(live(1, period))
    assert [e.trendbar for e in early.wait(MINUTE)] == [e.trendbar for e in late.wait(MINUTE)]


def test_unsubscribing_ends_bars_and_depth_with_the_spots(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1))
    ours.ask(live(1))
    ours.ask(depth(1))
    assert ours.ask(no_spots(1)) == [ProtoOAUnsubscribeSpotsRes(ctid_trader_account_id=ACCOUNT)]
    assert ours.wait(MINUTE) == []
    ours.ask(spots(1))
    events = ours.wait(MINUTE)
    assert events
    assert all(isinstance(e, ProtoOASpotEvent) and not e.trendbar for e in events)


def test_bars_and_depth_can_be_left_while_spots_go_on(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1))
    ours.ask(live(1))
    ours.ask(live(1, Period.H1))
    ours.ask(depth(1))
    assert ours.ask(no_live(1)) == [
        ProtoOAUnsubscribeLiveTrendbarRes(ctid_trader_account_id=ACCOUNT)
    ]
    assert ours.ask(no_depth(1)) == [
        ProtoOAUnsubscribeDepthQuotesRes(ctid_trader_account_id=ACCOUNT)
    ]
    events = ours.wait(MINUTE)
    assert {b.period for e in events for b in e.trendbar} == {Period.H1}
    assert not [e for e in events if isinstance(e, ProtoOADepthEvent)]


def test_bars_that_nobody_wants_do_not_stay_behind(state: MakeDesk) -> None:
    ours, plain = state(), state()
    ours.ask(spots(1))
    ours.ask(live(1, Period.H1))
    ours.ask(no_spots(1))
    for each in (ours, plain):
        each.market.skip(NOW + 3 * MINUTE)
        each.ask(spots(1))
        each.ask(live(1, Period.H1))
    assert ours.wait(MINUTE) == plain.wait(MINUTE)


def test_each_session_has_its_own_subscriptions(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1), connection=1)
    ours.ask(spots(1), connection=2)
    ours.ask(spots(1, account=5, timestamp=True), connection=1)
    ticks = ours.market.advance(NOW + MINUTE)
    outgoing = ours.data.on_ticks(ticks)
    told = [(o.connection, o.message.ctid_trader_account_id) for o in outgoing]
    assert told[:3] == [(1, ACCOUNT), (2, ACCOUNT), (1, 5)]
    assert told == told[:3] * (len(told) // 3)
    assert all(
        (o.message.timestamp is None) == (o.message.ctid_trader_account_id != 5) for o in outgoing
    )
    assert {o.account_id for o in outgoing} == {None}
    ours.data.logged_out(1, 5)
    ours.data.disconnected(2)
    assert ours.data.spots.symbols
    more = ours.data.on_ticks(ours.market.advance(NOW + 2 * MINUTE))
    assert {(o.connection, o.message.ctid_trader_account_id) for o in more} == {(1, ACCOUNT)}
    ours.ask(spots(1), connection=2)


def test_nobody_watches_before_and_after(state: MakeDesk) -> None:
    ours = state()
    assert not ours.data.spots.symbols
    ours.ask(spots(1, 4))
    ours.ask(no_spots(4))
    assert ours.data.spots.symbols
    ours.ask(no_spots(1))
    assert not ours.data.spots.symbols


def test_the_session_close_comes_first_and_with_each_new_day(state: MakeDesk) -> None:
    ours = state()
    _, technical = ours.ask(spots(324))
    day = NOW // MINUTE * MINUTE - 21 * 3_600_000 - 45 * MINUTE  # Thursday 21:00 UTC
    assert technical.session_close == ours.market.path.quote(324, day).bid
    events = ours.wait(3 * 3_600_000)  # over 21:00 UTC
    told = [e for e in events if e.session_close is not None]
    assert len(told) == 1
    assert told[0].session_close == ours.market.path.quote(324, day + 86_400_000).bid


def test_a_price_set_by_hand_reaches_subscribers(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1, timestamp=True))
    tick, outgoing = ours.data.set_price("EURUSD", 1.0845, 1.0846)
    assert tick == Tick(1, NOW, 108_450, 108_460)
    assert [o.message for o in outgoing] == [
        ProtoOASpotEvent(
            ctid_trader_account_id=ACCOUNT, symbol_id=1, bid=108_450, ask=108_460, timestamp=NOW
        )
    ]
    with pytest.raises(KeyError):
        ours.data.set_price("NOPE", 1.0)


# --- depth


def test_the_book_can_be_rebuilt_from_events_and_its_top_is_the_quote(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1, 324))
    response, *whole = ours.ask(depth(1, 324))
    assert response == ProtoOASubscribeDepthQuotesRes(ctid_trader_account_id=ACCOUNT)
    books: dict[int, dict[int, tuple[int, bool, int]]] = {1: {}, 324: {}}
    quotes = {1: list(ours.market.quote(1)), 324: list(ours.market.quote(324))}
    replaced = 0
    for event in [*whole, *ours.wait(MINUTE)]:
        if isinstance(event, ProtoOASpotEvent):
            quotes[event.symbol_id][0] = event.bid or quotes[event.symbol_id][0]
            quotes[event.symbol_id][1] = event.ask or quotes[event.symbol_id][1]
            continue
        book = books[event.symbol_id]
        assert set(event.deleted_quotes) <= set(book)
        for quote in event.new_quotes:
            assert (quote.bid is None) != (quote.ask is None)
            assert quote.size > 0
            replaced += quote.id in book
            price = quote.ask if quote.bid is None else quote.bid
            book[quote.id] = price, quote.ask is None, quote.size
        for gone in event.deleted_quotes:
            del book[gone]
        bids = [price for price, is_bid, _ in book.values() if is_bid]
        asks = [price for price, is_bid, _ in book.values() if not is_bid]
        assert (max(bids), min(asks)) == tuple(quotes[event.symbol_id])
        assert len(set(bids)) == len(bids) == len(asks) == len(set(asks)) == 10
        step = ours.catalogue.tick_size(event.symbol_id)
        assert not [price for price in bids + asks if price % step]
    assert replaced
    assert len(whole) == 2


def test_events_of_depth_tell_only_what_changed(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1))
    ours.ask(depth(1))
    changes = [e for e in ours.wait(MINUTE) if isinstance(e, ProtoOADepthEvent)]
    assert changes
    sizes = [len(e.new_quotes) + len(e.deleted_quotes) for e in changes]
    assert min(sizes) >= 1
    assert sum(sizes) / len(sizes) < 15


def test_a_book_without_prices_is_empty(state: MakeDesk, tick_list: MakeTicks) -> None:
    ours = state(tick_list([(5, 100_000, None), (6, None, 100_001)]))
    ours.ask(spots(1))
    assert len(ours.ask(depth(1))) == 1
    kinds = [type(e) for e in ours.wait(10)]
    assert kinds == [ProtoOASpotEvent, ProtoOASpotEvent, ProtoOADepthEvent]


def test_a_book_around_a_recorded_quote_off_the_grid(state: MakeDesk) -> None:
    ours = state(TickList([Tick(41, NOW, 368_400_001, 368_400_999)]))
    ours.ask(spots(41))
    _, event = ours.ask(depth(41))
    assert len({q.id for q in event.new_quotes}) == 20
    assert event.new_quotes[0].bid == 368_400_001


def test_a_book_near_zero_has_fewer_bids(state: MakeDesk, tick_list: MakeTicks) -> None:
    ours = state(tick_list([(0, 3, 4)]))
    ours.ask(spots(1))
    _, event = ours.ask(depth(1))
    assert [q.bid for q in event.new_quotes if q.bid is not None] == [3, 2]


def test_errors_carry_the_account(state: MakeDesk) -> None:
    (error,) = state().ask(no_spots(1))
    assert error == ProtoOAErrorRes(
        ctid_trader_account_id=ACCOUNT,
        error_code="INVALID_REQUEST",
        description="No subscription for symbol 1.",
    )


def test_same_seed_same_requests_same_bytes(state: MakeDesk) -> None:
    def story() -> bytes:
        ours = state()
        messages = []
        for request in (spots(1, 41, 324), live(1), live(41, Period.H4), depth(1, 324)):
            messages += ours.ask(request)
            messages += ours.wait(20_000)
        return b"".join(map(bytes, messages))

    assert story() == story()


def test_pairs_of_bars_never_go_back_in_time(state: MakeDesk) -> None:
    ours = state()
    ours.ask(spots(1))
    ours.ask(live(1))
    minutes = [b.utc_timestamp_in_minutes for e in ours.wait(5 * MINUTE) for b in e.trendbar]
    assert all(b - a in {0, 1} for a, b in pairwise(minutes))
