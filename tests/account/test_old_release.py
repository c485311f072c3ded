"""A release without the messages of order tracking: what needs them is refused, all else works."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import (
    LocalProtocolError,
    ProtoOAAccountDisconnectEvent,
    ProtoOASpotEvent,
    Reconnect,
    Request,
    conflate_spots,
)
from ctrader_typed.market import Period
from mockserver.box import HEDGED
from tests.accounts import at_work, cut
from tests.releases import old_release
from tests.trading import BUY

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
        before = len(server.received(Request))
        with pytest.raises(LocalProtocolError, match=UNFOLLOWED):
            await call(account, position)
        await trio.sleep(1)
        assert len(server.received(Request)) == before
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


async def test_spots_are_conflated_without_the_fields_that_are_lacking(autojump_clock) -> None:
    async with at_work(schema=old_release()) as (api, account, _):
        conflated = api.events(ProtoOASpotEvent, overflow=conflate_spots)  # by our name for it
        async with conflated as spots:
            await account.feed.acquire([2])
            await trio.sleep(60)
            spot: Any = await anext(spots)
            assert type(spot) is old_release().ProtoOASpotEvent
            assert spot.timestamp is None
            assert type(spot).FromString(bytes(spot)) == spot
