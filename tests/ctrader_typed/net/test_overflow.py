"""Streams under load: each policy, what is never dropped, filters, and what is counted."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import (
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    SlowSubscriber,
    conflate,
    conflate_spots,
)
from ctrader_typed.net import event_streams
from ctrader_typed.net.event_streams import EventStream


def spot(bid: int | None = None, symbol: int = 1, account: int = 1, **more: Any) -> Any:
    return ProtoOASpotEvent(ctid_trader_account_id=account, symbol_id=symbol, bid=bid, **more)


def fill(account: int) -> ProtoOAExecutionEvent:
    return ProtoOAExecutionEvent(
        ctid_trader_account_id=account, execution_type=ProtoOAExecutionType.ORDER_FILLED
    )


REFUSED = ProtoOAOrderErrorEvent(ctid_trader_account_id=1, error_code="X")


async def take(stream: EventStream, count: int) -> list:
    return [await anext(stream) for _ in range(count)]


async def test_dropping_the_oldest(play, autojump_clock) -> None:
    async with (
        play() as (api, peer),
        api.events(ProtoOASpotEvent, buffer=2, overflow="drop_oldest") as spots,
    ):
        await peer.send(*map(spot, range(5)))
        await trio.sleep(1)
        assert await take(spots, 2) == [spot(3), spot(4)]
        assert api.statistics().streams[0].dropped == 3


async def test_the_newest_of_each_symbol(play, autojump_clock) -> None:
    async with (
        play() as (api, peer),
        api.events(ProtoOASpotEvent, buffer=2, overflow=conflate("symbol_id")) as spots,
    ):
        await peer.send(spot(1), spot(2, symbol=2), spot(ask=3))
        await trio.sleep(1)
        assert await take(spots, 2) == [spot(ask=3), spot(2, symbol=2)]


async def test_spots_merge_bid_and_ask(play, autojump_clock) -> None:
    async with (
        play() as (api, peer),
        api.events(ProtoOASpotEvent, overflow=conflate_spots) as merged,
        api.events(ProtoOASpotEvent) as raw,
    ):
        await peer.send(spot(1), spot(ask=3), spot(2))
        await trio.sleep(1)
        assert await take(merged, 1) == [spot(2, ask=3)]
        assert await take(raw, 3) == [spot(1), spot(ask=3), spot(2)]


@pytest.mark.parametrize("overflow", ["raise", "drop_oldest", conflate("symbol_id")])
async def test_executions_and_order_errors_are_never_dropped(
    overflow, play, autojump_clock
) -> None:
    kinds = (ProtoOAExecutionEvent, ProtoOAOrderErrorEvent, ProtoOASpotEvent)
    async with (
        play() as (api, peer),
        api.events(*kinds, buffer=1, overflow=overflow) as stream,
    ):
        sent = [fill(number) for number in range(50)]
        await peer.send(spot(1), *sent, spot(2), REFUSED, spot(3))
        await trio.sleep(1)
        got = []
        while len(got) < 51:
            try:
                event = await anext(stream)
            except SlowSubscriber:
                continue
            if not isinstance(event, ProtoOASpotEvent):
                got.append(event)
        assert got == [*sent, REFUSED]
        (seen,) = api.statistics().streams
        assert (seen.received, seen.dropped, seen.most_waiting) == (54, 2, 52)


async def test_the_gap_of_a_slow_reader_is_where_the_events_are_missing(
    play, autojump_clock
) -> None:
    async with (
        play() as (api, peer),
        api.events(ProtoOAExecutionEvent, ProtoOASpotEvent, buffer=1) as stream,
    ):
        await peer.send(spot(1), fill(1), spot(2), fill(2))
        await trio.sleep(1)
        assert await take(stream, 2) == [spot(1), fill(1)]
        with pytest.raises(SlowSubscriber, match="1 events"):
            await anext(stream)
        assert await take(stream, 1) == [fill(2)]


async def test_a_crowd_that_may_not_be_dropped_is_complained_of(
    play, autojump_clock, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(event_streams, "CROWDED", 10)
    async with play() as (api, peer), api.events(ProtoOAExecutionEvent) as stream:
        await peer.send(*map(fill, range(45)))
        await trio.sleep(1)
        warned = [record.args for record in caplog.records if "may drop none" in record.msg]
        assert warned == [(10,), (20,), (40,)]
        assert len(await take(stream, 45)) == 45


async def test_filters_wake_nobody_for_what_they_leave_out(
    play, autojump_clock, monkeypatch
) -> None:
    wakes = []
    wake = EventStream.wake
    monkeypatch.setattr(EventStream, "wake", lambda self: (wakes.append(self), wake(self)))
    async with (
        play() as (api, peer),
        api.events(ProtoOASpotEvent, account=1, symbol=[2, 3]) as some,
        api.events(ProtoOASpotEvent, account=2) as others,
    ):
        for number in range(10):
            await peer.send(spot(number, symbol=1), spot(number, account=3))
        await peer.send(spot(8, symbol=2), spot(9, symbol=3), spot(7, symbol=2, account=2))
        await trio.sleep(1)
        assert await take(some, 2) == [spot(8, symbol=2), spot(9, symbol=3)]
        assert await take(others, 1) == [spot(7, symbol=2, account=2)]
        assert wakes.count(some) <= 3  # on a WebSocket each message comes by itself
        assert wakes.count(others) == 1
        assert {stream.received for stream in api.statistics().streams} == {2, 1}


async def test_policies_that_make_no_sense(play_tcp, autojump_clock) -> None:
    async with play_tcp() as (api, _):
        with pytest.raises(ValueError, match=r"overflow = .*expected 'raise'"):
            api.events(ProtoOASpotEvent, overflow="block")
