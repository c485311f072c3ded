"""An account loses its session while the connection stands: who is told that events are missing."""

from __future__ import annotations

from typing import Any

import trio

from ctrader_typed import Gap, ProtoOAExecutionEvent, ProtoOASpotEvent
from ctrader_typed.net.event_streams import EventHub, EventStream
from ctrader_typed.protocol.event_filters import filtering


def spot(account: int, bid: int = 1) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctid_trader_account_id=account, symbol_id=1, bid=bid)


def stream(home: EventHub, account: int | None = None) -> EventStream[Any]:
    passes = None if account is None else filtering(account, None)
    return EventStream(home, (ProtoOASpotEvent, ProtoOAExecutionEvent), 100, passes=passes)


async def taken(events: EventStream[Any]) -> list[Any]:
    """All that waits."""
    found = []
    with trio.move_on_after(1):
        while True:
            found.append(await anext(events))
    return found


async def test_the_gap_comes_before_the_first_fresh_event(autojump_clock) -> None:
    home = EventHub()
    async with stream(home) as events:
        home.session_lost(1, "taken away")
        await trio.sleep(5)
        home.publish([spot(2), spot(1, bid=7)])  # the account's last words, and another account
        home.session_regained(1)
        home.publish([spot(2), spot(1), spot(1)])
        home.sessions_restored()
        first, last_words, other, gap, *fresh = await taken(events)
        assert (first, last_words, other) == (spot(2), spot(1, bid=7), spot(2))
        assert fresh == [spot(1), spot(1)]
        assert isinstance(gap, Gap)
        assert gap.restored_at - gap.lost_at == 5000
        assert (gap.connection, gap.reason) == (1, "taken away")


async def test_without_a_fresh_event_it_comes_when_all_is_restored(autojump_clock) -> None:
    home = EventHub()
    async with stream(home) as events:
        home.session_lost(1, "taken away")
        home.sessions_restored()
        assert await taken(events) == []
        home.session_regained(1)
        home.sessions_restored()
        home.sessions_restored()
        assert [type(each) for each in await taken(events)] == [Gap]


async def test_streams_of_other_accounts_are_not_told(autojump_clock) -> None:
    home = EventHub()
    async with stream(home, 1) as mine, stream(home, 2) as another:
        home.session_lost(1, "taken away")
        home.session_regained(1)
        home.publish([spot(1), spot(2)])
        home.sessions_restored()
        assert [type(each) for each in await taken(mine)] == [Gap, ProtoOASpotEvent]
        assert await taken(another) == [spot(2)]


async def test_two_accounts_that_come_back_one_after_the_other(autojump_clock) -> None:
    home = EventHub()
    async with stream(home) as events:
        home.session_lost(1, "taken away")
        home.session_lost(2, "taken away")
        home.session_regained(1)
        home.publish([spot(1), spot(1)])
        home.sessions_restored()
        home.session_regained(2)
        home.publish([spot(2)])
        kinds = [type(each) for each in await taken(events)]
        assert kinds == [Gap, ProtoOASpotEvent, ProtoOASpotEvent, Gap, ProtoOASpotEvent]


async def test_a_connection_that_is_lost_meanwhile_is_one_gap_for_both(autojump_clock) -> None:
    home = EventHub()
    async with stream(home) as events:
        home.session_lost(1, "taken away")
        await trio.sleep(3)
        home.lost(trio.current_time(), "reset")
        home.session_lost(2, "taken away")  # says nothing that the lost connection does not
        await trio.sleep(2)
        home.connected(2)
        home.publish([spot(2)])
        home.restored()
        gap, event = await taken(events)
        assert event == spot(2)
        assert (gap.connection, gap.reason) == (2, "reset")
        assert gap.restored_at - gap.lost_at == 5000


async def test_a_session_that_is_lost_again_is_another_gap(autojump_clock) -> None:
    home = EventHub()
    async with stream(home) as events:
        for _ in range(2):
            home.session_lost(1, "taken away")
            home.publish([spot(1)])
            home.session_regained(1)
            home.publish([spot(1)])
        kinds = [type(each) for each in await taken(events)]
        assert kinds == [ProtoOASpotEvent, Gap, ProtoOASpotEvent] * 2
