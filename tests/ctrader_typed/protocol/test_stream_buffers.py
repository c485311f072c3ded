"""Queues of a stream under each policy, filters, merged spots, and counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    ProtoHeartbeatEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOASymbolChangedEvent,
    ProtoOATradeData,
    ProtoOATradeSide,
    ProtoOATrendbar,
    ProtoOATrendbarPeriod,
    conflate,
    conflate_spots,
)
from ctrader_typed.protocol.event_filters import filtering
from ctrader_typed.protocol.statistics import StatisticsCollector
from ctrader_typed.protocol.stream_buffers import (
    ConflatingBuffer,
    DropOldestBuffer,
    Dropped,
    merged_spots,
    new_buffer,
)

M1, H1 = ProtoOATrendbarPeriod.M1, ProtoOATrendbarPeriod.H1


def spot(symbol: int = 1, bid: int | None = None, ask: int | None = None, **more: Any) -> Any:
    return ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=symbol, bid=bid, ask=ask, **more)


def emptied(waiting: Any) -> list[Any]:
    got = []
    while waiting.first() is not None:
        got.append(waiting.pop())
    return got


def test_refusing_keeps_the_oldest_and_says_where_others_are_missing() -> None:
    waiting = new_buffer("raise", 2)
    for number in range(5):
        waiting.put(number, number)
    assert emptied(waiting) == [0, 1, Dropped(3)]
    waiting.put(5, 5)
    assert emptied(waiting) == [5]
    assert waiting.dropped == 3


def test_rolling_keeps_the_newest_and_counts() -> None:
    waiting = new_buffer("drop_oldest", 2)
    for number in range(5):
        waiting.put(number, number)
    assert (len(waiting), waiting.first()) == (2, 3)
    assert emptied(waiting) == [3, 4]
    assert waiting.dropped == 3


def test_conflating_keeps_the_newest_of_each_key_where_the_first_one_was() -> None:
    waiting = new_buffer(conflate("symbol_id"), 2)
    for number, event in enumerate([spot(1, 1), spot(2, 2), spot(1, 3)]):
        waiting.put(number, event)
    assert waiting.dropped == 1
    assert emptied(waiting) == [spot(1, 3), spot(2, 2)]


def test_more_keys_than_there_is_room_for() -> None:
    waiting = new_buffer(conflate("symbol_id"), 2)
    for number, symbol in enumerate([1, 2, 3, 4, 1]):
        waiting.put(number, spot(symbol, number))
    assert emptied(waiting) == [spot(1, 4), spot(2, 1), Dropped(2)]


def test_types_and_lacking_fields_are_keys_of_their_own() -> None:
    waiting = new_buffer(conflate("symbol_id"), 9)
    events = [spot(1), ProtoHeartbeatEvent(), spot(2), ProtoHeartbeatEvent()]
    for number, event in enumerate(events):
        waiting.put(number, event)
    assert emptied(waiting) == events[:3]


def test_nothing_is_mixed_over_a_gap() -> None:
    waiting = new_buffer(conflate_spots, 9)
    waiting.put(1, spot(1, bid=1))
    waiting.put(2, spot(2, bid=1))
    waiting.fence(3)
    waiting.put(4, spot(1, ask=9))
    waiting.put(5, spot(1, bid=8))
    assert waiting.first() == 2
    assert emptied(waiting) == [spot(2, bid=1), spot(1, bid=8, ask=9)]


def test_spots_merge_bid_and_ask_and_leave_the_originals_alone() -> None:
    bar = ProtoOATrendbar(volume=1, period=M1)
    newer_bar = ProtoOATrendbar(volume=2, period=M1)
    hour = ProtoOATrendbar(volume=1, period=H1)
    older = spot(1, bid=1, ask=2, timestamp=5, session_close=7, trendbar=[bar, hour])
    newer = spot(1, bid=3, timestamp=6, trendbar=[newer_bar])
    copies = older.FromString(bytes(older)), newer.FromString(bytes(newer))
    merged = spot(1, bid=3, ask=2, timestamp=6, session_close=7, trendbar=[newer_bar, hour])
    assert merged_spots(older, newer) == merged
    assert (older, newer) == copies
    ask_only = spot(1, ask=9)
    assert merged_spots(newer, ask_only).trendbar == [newer_bar]
    assert ask_only.trendbar == []


def test_policies_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="at least one field"):
        conflate()
    wrong: Any = "block"
    with pytest.raises(ValueError, match="'raise', 'drop_oldest' or conflate"):
        new_buffer(wrong, 1)
    with pytest.raises(ValueError, match=r"buffer = 0 .*expected a whole number, 1 or more"):
        new_buffer("raise", 0)


@given(st.lists(st.one_of(st.integers(1, 4), st.none()), max_size=60), st.integers(1, 5))
def test_a_conflating_queue_against_a_model(steps: list[int | None], room: int) -> None:
    """Each key's last value is read, in the order in which keys began to wait; None reads one."""
    waiting = ConflatingBuffer(room, conflate("symbol_id"))
    model: dict[int, Any] = {}
    missing = 0
    for number, symbol in enumerate(steps):
        if symbol is None:
            if model:
                assert waiting.pop() == model.pop(next(iter(model)))
            elif missing:
                assert waiting.pop() == Dropped(missing)
                missing = 0
            continue
        event = spot(symbol, number)
        if symbol in model or (not missing and len(model) < room):
            model[symbol] = event
        else:
            missing += 1
        waiting.put(number, event)
        assert len(waiting) == len(model)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_a_rolling_queue_holds_the_last_ones(steps: list[bool], room: int) -> None:
    waiting, model = DropOldestBuffer(room), []
    for number, put in enumerate(steps):
        if put:
            waiting.put(number, number)
            model = [*model, number][-room:]
        elif model:
            assert waiting.pop() == model.pop(0)
        assert waiting.first() == (model[0] if model else None)


@pytest.mark.parametrize(
    ("event", "passes"),
    [
        (spot(5), True),
        (spot(6), False),
        (ProtoOASpotEvent(ctid_trader_account_id=2, symbol_id=5), False),
        (ProtoHeartbeatEvent(), True),
        (ProtoOAAccountsTokenInvalidatedEvent(ctid_trader_account_ids=[2, 1]), True),
        (ProtoOAAccountsTokenInvalidatedEvent(ctid_trader_account_ids=[2]), False),
        (ProtoOASymbolChangedEvent(ctid_trader_account_id=1, symbol_id=[4, 5]), True),
        (ProtoOASymbolChangedEvent(ctid_trader_account_id=1, symbol_id=[4]), False),
    ],
)
def test_filters(event: Any, passes: bool) -> None:
    assert filtering(1, [5, 7])(event) is passes


@pytest.mark.parametrize("symbol", [5, 6])
def test_an_execution_event_names_its_symbol_inside(symbol: int) -> None:
    trade = ProtoOATradeData(symbol_id=symbol, volume=1, trade_side=ProtoOATradeSide.BUY)
    order = ProtoOAOrder(
        order_id=1,
        trade_data=trade,
        order_type=ProtoOAOrderType.MARKET,
        order_status=ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED,
    )
    event = ProtoOAExecutionEvent(
        ctid_trader_account_id=1,
        execution_type=ProtoOAExecutionType.ORDER_ACCEPTED,
        order=order,
    )
    assert filtering(None, 5)(event) is (symbol == 5)
    assert filtering(1, None)(event)


def test_counts_before_anything() -> None:
    seen = StatisticsCollector().so_far(())
    assert (seen.latency, seen.reconnects, seen.answered) == (None, 0, 0)


@pytest.mark.parametrize("policy", ["raise", "drop_oldest", conflate("symbol_id")], ids=str)
@pytest.mark.parametrize("room", [1, 2, 5, 20])
@pytest.mark.parametrize("sizes", [(3, 3, 3), (0, 1, 7), (9, 0, 1), (5, 5, 1), (1, 1, 1)])
def test_many_at_once_are_as_many_one_by_one(policy: Any, room: int, sizes: Any) -> None:
    together, singly = new_buffer(policy, room), new_buffer(policy, room)
    number = 0
    for size in sizes:
        events = [spot(n % 4, bid=n) for n in range(number, number + size)]
        together.extend(number, events)
        for n, event in enumerate(events, number):
            singly.put(n, event)
        number += size
        assert (len(together), together.dropped) == (len(singly), singly.dropped)
        if size % 2:  # somebody reads in between
            assert together.first() == singly.first()
            assert together.pop() == singly.pop()
    while (first := singly.first()) is not None:
        assert together.first() == first
        assert together.pop() == singly.pop()
    assert together.first() is None
