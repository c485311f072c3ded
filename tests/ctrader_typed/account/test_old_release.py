"""A release without the messages of order tracking: what needs them is refused, all else works."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import (
    LocalProtocolError,
    OrderStatus,
    ProtoOAAccountDisconnectEvent,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    Reconnect,
)
from ctrader_typed.market import Period
from ctrader_typed.protocol.releases import read_as_ours
from ctrader_typed.protocol.stream_buffers import merged_spots
from mockserver.box import HEDGED
from tests.support.accounts import at_work, cut
from tests.support.releases import old_release, release_of_81
from tests.support.trading import BUY

UNFOLLOWED = r"^release 7\.4 has no ProtoOAOrderDetailsReq, .*: orders cannot be followed in it"


async def opened(api: Any, volume: int = 1_000_000) -> None:
    """A position, by a request that nobody follows."""
    package: Any = old_release()
    await api.new_order(
        ctid_trader_account_id=HEDGED,
        symbol_id=1,
        order_type=package.ProtoOAOrderType.MARKET,
        trade_side=package.ProtoOATradeSide.BUY,
        volume=volume,
    )
    await trio.sleep(1)  # the answer was the acceptance


async def test_an_account_is_kept_and_valued(autojump_clock) -> None:
    again = Reconnect(first=0.1, ceiling=0.2)
    async with at_work(schema=old_release(), reconnect=again) as (api, account, server):
        await opened(api)
        await account.settled()
        (position,) = account.positions.values()
        theirs = server.broker.account(HEDGED)
        assert position.units == 10_000
        assert not position.trailing
        assert position.comment is None
        assert account.balance * 100 == theirs.balance
        assert account.equity is not None
        assert account.profit is not None
        await cut(server)
        await trio.sleep(1)
        await account.settled()
        assert list(account.positions) == [position.position_id]


async def test_quotes_bars_ticks_deals_and_symbols_work(autojump_clock) -> None:
    async with at_work(schema=old_release()) as (api, account, server):
        await opened(api)
        async with account.quotes("EURUSD") as quotes:
            quote = await anext(quotes)
        assert quote.symbol_id == 1
        end = server.broker.now_ms
        start = end - 3_600_000
        assert len(await account.bars("EURUSD", "M1", start, end)) > 0
        assert len(await account.ticks("EURUSD", start, end, side="bid")) > 0
        assert len(await account.deals(start)) == 1
        symbol = account.symbol("EURUSD")
        assert symbol.quote is not None
        assert symbol.asset_class is None
        assert symbol.hours.holidays == ()
        assert not account.symbols.archived
        assert (await account.expected_margin("EURUSD", units=1_000)).buy > 0
        assert (await account.margin_for("EURUSD", units=1_000)).buy > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda account, _: account.buy("EURUSD", units=10_000),
        lambda account, _: account.limit("EURUSD", BUY, "0.90", units=10_000),
        lambda account, position: account.close(position),
        lambda account, position: account.amend(position, stop_loss="0.90"),
    ],
    ids=["buy", "limit", "close", "amend"],
)
async def test_an_order_is_refused_by_name_and_not_sent(call, autojump_clock) -> None:
    async with at_work(schema=old_release()) as (api, account, server):
        await opened(api)
        (position,) = account.positions
        before = len(server.heard)
        with pytest.raises(LocalProtocolError, match=UNFOLLOWED):
            await call(account, position)
        await trio.sleep(1)
        assert len(server.heard) == before
        assert list(api.orders) == []


async def test_what_the_release_lacks_is_refused_by_name(autojump_clock) -> None:
    async with at_work(schema=old_release()) as (api, account, _):
        with pytest.raises(LocalProtocolError, match=r"7\.4 has no ProtoOAOrderListReq$"):
            await account.orders_history("2026-01-01")
        with pytest.raises(LocalProtocolError, match=r"7\.4 has no ProtoOASubscribeDepthQuotesReq"):
            async with account.book("EURUSD"):
                pass
        with pytest.raises(LocalProtocolError, match="ProtoOASubscribeLiveTrendbarReq"):
            async with account.live_bars("EURUSD", Period.M1):
                pass
        with pytest.raises(LocalProtocolError, match=r"has no ProtoOAAccountDisconnectEvent$"):
            api.events(ProtoOAAccountDisconnectEvent)


async def test_events_come_by_our_names_for_them(autojump_clock) -> None:
    async with (
        at_work(schema=old_release()) as (api, account, _),
        api.events(ProtoOASpotEvent) as spots,
    ):
        await account.feed.acquire([2])
        spot: Any = await anext(spots)
        assert type(spot) is old_release().ProtoOASpotEvent
        assert spot.timestamp is None


def test_a_field_that_is_lacking_reads_as_absent_and_cannot_be_set() -> None:
    package: Any = old_release()
    read_as_ours(package.SCHEMA)
    older, newer = (
        package.ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, **price)
        for price in ({"bid": 3}, {"ask": 4})
    )
    both = merged_spots(older, newer)
    assert (both.bid, both.ask, both.timestamp) == (3, 4, None)
    assert vars(both) == {}
    with pytest.raises(AttributeError, match=r"release 7\.4 has no field timestamp in ProtoOASpot"):
        both.timestamp = 5
    symbols = package.ProtoOASymbolsListRes(ctid_trader_account_id=1)
    assert list(symbols.archived_symbol) == []
    with pytest.raises(TypeError, match="include_archived_symbols"):
        package.ProtoOASymbolsListReq(ctid_trader_account_id=1, include_archived_symbols=True)


async def test_a_field_that_is_lacking_is_refused_in_a_request_of_ours(autojump_clock) -> None:
    async with at_work(schema=old_release()) as (api, account, server):
        fields: dict[str, Any] = {"ctid_trader_account_id": account.account_id, "symbol_id": [2]}
        before = len(server.heard)
        lacking = (
            r"release 7\.4 has no field subscribe_to_spot_timestamp in ProtoOASubscribeSpotsReq"
        )
        with pytest.raises(LocalProtocolError, match=lacking):
            await api.request(ProtoOASubscribeSpotsReq(**fields, subscribe_to_spot_timestamp=True))
        assert len(server.heard) == before
        await api.request(ProtoOASubscribeSpotsReq(**fields))


async def test_what_is_in_doubt_is_asked_without_what_the_release_lacks(autojump_clock) -> None:
    again = Reconnect(first=0.1, ceiling=0.2)
    async with at_work(schema=release_of_81(), reconnect=again) as (_, account, server):
        order = await account.limit("EURUSD", BUY, "0.90", units=10_000)
        await cut(server)
        await trio.sleep(1)
        with trio.fail_after(5):
            await order.resolved()
        assert order.status is OrderStatus.ACCEPTED
        assert list(account.pending) == [order.order_id]
