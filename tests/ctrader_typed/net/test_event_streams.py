"""Streams of events: order, types, bounds, and the end."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    ConnectionLost,
    Message,
    ProtoHeartbeatEvent,
    ProtoOADepthEvent,
    ProtoOASpotEvent,
    SlowSubscriber,
)
from ctrader_typed.net.event_streams import EventHub, EventStream


def spot(number: int) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=number)


def depth(number: int) -> ProtoOADepthEvent:
    return ProtoOADepthEvent(ctid_trader_account_id=1, symbol_id=number)


async def take(stream: EventStream, count: int) -> list:
    return [await anext(stream) for _ in range(count)]


async def test_order_is_kept_across_types(play, autojump_clock) -> None:
    sent = [spot(1), depth(2), spot(3), spot(4), depth(5)]
    async with (
        play() as (api, peer),
        api.events(ProtoOASpotEvent, ProtoOADepthEvent) as both,
        api.events(ProtoOASpotEvent) as spots,
    ):
        await peer.send(*sent)
        assert await take(both, 5) == sent
        assert await take(spots, 3) == [spot(1), spot(3), spot(4)]


async def test_a_base_class_stands_for_all(play, autojump_clock) -> None:
    async with play() as (api, peer), api.events(Message) as everything:
        await peer.send(spot(1), ProtoHeartbeatEvent(), depth(2))
        assert await take(everything, 3) == [spot(1), ProtoHeartbeatEvent(), depth(2)]


async def test_what_comes_in_once_the_stream_is_open_is_not_missed(play, autojump_clock) -> None:
    async with play() as (api, peer), api.events(ProtoOASpotEvent) as spots:
        await peer.send(spot(1))
        await trio.sleep(60)
        assert await anext(spots) == spot(1)


async def test_a_closed_stream_gets_nothing_and_says_so(play, autojump_clock) -> None:
    async with play() as (api, peer):
        stream = api.events(ProtoOASpotEvent)
        with pytest.raises(trio.ClosedResourceError, match="async with"):
            await anext(stream)
        async with stream:
            await peer.send(spot(1))
            await trio.sleep(1)
        with pytest.raises(trio.ClosedResourceError, match="async with"):
            await anext(stream)


async def test_closing_a_stream_ends_the_wait_of_its_reader(play, autojump_clock) -> None:
    async def wait(stream: EventStream) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await anext(stream)

    async with (
        play() as (api, _),
        trio.open_nursery() as nursery,
        api.events(ProtoOASpotEvent) as spots,
    ):
        nursery.start_soon(wait, spots)
        await wait_all_tasks_blocked()


async def test_a_slow_subscriber_is_told_how_much_it_missed_and_can_go_on(
    play, autojump_clock
) -> None:
    async with (
        play() as (api, peer),
        api.events(ProtoOASpotEvent, buffer=3) as slow,
        api.events(ProtoOASpotEvent) as quick,
    ):
        await peer.send(*map(spot, range(8)))
        assert await take(quick, 8) == [spot(n) for n in range(8)]
        assert await take(slow, 1) == [spot(0)]
        await peer.send(spot(8))  # there is room, but the gap comes first
        assert await take(quick, 1) == [spot(8)]
        assert await take(slow, 2) == [spot(1), spot(2)]
        with pytest.raises(SlowSubscriber) as caught:
            await anext(slow)
        assert caught.value.dropped == 6
        await peer.send(spot(9))
        assert await take(slow, 1) == [spot(9)]


async def test_an_iteration_ends_at_the_gap(play, autojump_clock) -> None:
    seen = []

    async def iterate(stream: EventStream) -> None:
        async for event in stream:
            seen.append(event)  # noqa: PERF401 - what was seen before the gap counts

    async with play() as (api, peer), api.events(ProtoOASpotEvent, buffer=1) as slow:
        await peer.send(spot(1), spot(2))
        await trio.sleep(1)
        with pytest.raises(SlowSubscriber):
            await iterate(slow)
    assert seen == [spot(1)]


async def test_what_is_left_is_given_before_the_end(play, autojump_clock) -> None:
    async with play() as (api, peer), api.events(ProtoOASpotEvent, buffer=2) as spots:
        await peer.send(spot(1), spot(2), spot(3))
        await peer.stream.aclose()
        await trio.sleep(1)
        assert await take(spots, 2) == [spot(1), spot(2)]
        with pytest.raises(SlowSubscriber):
            await anext(spots)
        for _ in range(2):
            with pytest.raises(ConnectionLost, match="the server closed the connection"):
                await anext(spots)


async def test_several_readers_share_a_stream(play, autojump_clock) -> None:
    got = []

    async def read(stream: EventStream) -> None:
        got.append(await anext(stream))

    async with (
        play() as (api, peer),
        api.events(ProtoOASpotEvent) as spots,
        trio.open_nursery() as nursery,
    ):
        for _ in range(3):
            nursery.start_soon(read, spots)
        await wait_all_tasks_blocked()
        for number in range(3):
            await peer.send(spot(number))
    assert sorted(event.bid for event in got) == [0, 1, 2]


async def test_a_batch_wakes_its_reader_once(play_tcp, autojump_clock, monkeypatch) -> None:
    wakes = []
    wake = EventStream.wake
    monkeypatch.setattr(EventStream, "wake", lambda self: (wakes.append(self), wake(self)))
    async with play_tcp() as (api, peer), api.events(ProtoOASpotEvent) as spots:
        await peer.send(*map(spot, range(1000)))
        assert await take(spots, 1000) == [spot(n) for n in range(1000)]
        assert wakes == [spots]


async def test_a_stream_that_is_flooded_lets_others_work(play, autojump_clock) -> None:
    """A reader that never waits for anything but events still meets a checkpoint."""
    counted = 0

    async def count(stream: EventStream) -> None:
        nonlocal counted
        async for _ in stream:
            counted += 1

    async with (
        play() as (api, peer),
        api.events(ProtoOASpotEvent) as spots,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(count, spots)
        for _ in range(50):
            await peer.send(*map(spot, range(100)))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert counted == 5000


async def test_nonsense(play, autojump_clock) -> None:
    async with play() as (api, _):
        with pytest.raises(TypeError, match="at least one type"):
            api.events()
        with pytest.raises(ValueError, match=r"buffer = 0 .*expected a whole number, 1 or more"):
            api.events(ProtoOASpotEvent, buffer=0)


@given(st.integers(1, 6), st.lists(st.integers(0, 9), max_size=12))
def test_every_event_is_given_once_or_counted_as_dropped(room: int, pieces: list[int]) -> None:
    """Bursts of these sizes; after each the reader takes one item, or meets the gap."""
    given_: list[int] = []
    dropped = 0

    async def take_one(stream: EventStream[int]) -> None:
        nonlocal dropped
        try:
            given_.append(await anext(stream))
        except SlowSubscriber as slow:
            dropped += slow.dropped

    async def main() -> None:
        nonlocal dropped
        sent, home = 0, EventHub()
        async with EventStream(home, (int,), room) as stream:
            for piece in pieces:
                home.publish(range(sent, sent + piece))
                sent += piece
                if sent > len(given_) + dropped:
                    await take_one(stream)
            while sent > len(given_) + dropped:
                await take_one(stream)
        assert given_ == sorted(set(given_))
        assert len(given_) + dropped == sent

    trio.run(main)
