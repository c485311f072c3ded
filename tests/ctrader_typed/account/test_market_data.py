"""The market and the past through an account: the sample of the issue, and one feed for all."""

from __future__ import annotations

from decimal import Decimal

import trio

from ctrader_typed import (
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader_typed.market import BarClosed, Store
from mockserver.box import HEDGED
from tests.support.accounts import at_work, still_box


async def test_the_sample(autojump_clock) -> None:
    async with at_work() as (api, _, _server):
        account = await api.account(HEDGED)
        eurusd = account.symbol("EURUSD")
        order = await account.buy(eurusd, lots="0.10", stop_loss_pips=20, take_profit_pips=40)
        fill = await order.filled()
        assert fill.volume == 1_000_000
        await account.settled()
        assert account.equity is not None
        assert account.free_margin == account.equity - account.used_margin
        assert len(account.positions) == 1
        async for quote in account.quotes(eurusd):
            assert quote.bid_price is not None
            assert quote.spread is not None
            break
        bars = await account.bars(eurusd, "M1", start="2026-01-05", end="2026-01-06")
        assert len(bars) > 1_300
        assert bars.to_polars().height == len(bars)


async def test_the_accounts_own_prices_and_the_traders_are_one(autojump_clock) -> None:
    """One subscription: nobody asks twice, and the account keeps what the trader lets go."""
    async with at_work(box=still_box()) as (_, account, server):
        seen = Subscriptions(server)
        async with account.quotes("EURUSD") as quotes:
            assert (await anext(quotes)).bid_price == Decimal("1.08450")
            await (await account.buy("EURUSD", lots="0.1")).filled()
            await account.settled()
            assert account.feed.quote(1) is not None
        await trio.sleep(5)
        server.broker.set_price(1, "1.0900")
        await trio.sleep(1)
        quote = account.feed.quote(1)
        assert quote is not None
        assert quote.bid_price == Decimal("1.0900")
        profit = account.profit
        assert profit is not None
        assert profit.gross == (Decimal("1.0900") - Decimal("1.0846")) * 10_000
        assert seen.kinds() == [ProtoOASubscribeSpotsReq]


class Subscriptions:
    """The requests for spots that the server has seen."""

    def __init__(self, server: object) -> None:
        self._seen: list[type] = []
        received = server.broker.received

        def watched(connection: int, request: object, *rest: object) -> object:
            if isinstance(request, ProtoOASubscribeSpotsReq | ProtoOAUnsubscribeSpotsReq):
                self._seen.append(type(request))
            return received(connection, request, *rest)

        server.broker.received = watched

    def kinds(self) -> list[type]:
        return self._seen


async def test_several_symbols_bars_and_a_book(autojump_clock) -> None:
    async with at_work() as (_, account, _server):
        seen = set[int]()
        async with account.quotes(["EURUSD", account.symbol("USDJPY")]) as quotes:
            while len(seen) < 2:
                seen.add((await anext(quotes)).symbol_id)
        async with account.live_bars("EURUSD", "M1") as bars:
            while not isinstance(event := await anext(bars), BarClosed):
                pass
            assert event.complete
        async with account.book("EURUSD") as book:
            depth = await anext(book)
            assert depth.best_bid is not None


async def test_the_past(autojump_clock, tmp_path) -> None:
    async with at_work() as (_, account, server):
        now = server.broker.now_ms
        order = await account.buy("EURUSD", lots="0.1")
        await order.filled()
        server.broker.deposit(HEDGED, 50)
        await trio.sleep(1)
        until = now + 60_000
        deals = await account.deals(now, until)
        assert [deal.deal_id for deal in deals] == [deal.deal_id for deal in order.deals]
        orders = await account.orders_history(now, until)
        assert [each.order_id for each in orders] == [order.order_id]
        flows = await account.cash_flow(now, until)
        assert [flow.delta for flow in flows] == [1_000_000, 5_000]
        both = await account.ticks("EURUSD", now - 3_600_000, now)
        bids = await account.ticks("EURUSD", now - 3_600_000, now, side="bid")
        assert len(both) > len(bids) > 0
        store, eurusd = Store(tmp_path), account.symbol("EURUSD")
        new = await store.sync(account, eurusd, "M1", since=now - 3_600_000, until=now)
        assert new == 60
