"""What a deal would bind and cost: reckoned beside the server, asked of it, and then made."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio

from ctrader_typed import InvalidValue, Reconnect, UnknownName, units
from mockserver.box import HEDGED, NETTED, SPREAD_BETTING
from tests.support.accounts import BUY, SELL, at_work, cut


@pytest.mark.parametrize("account_id", [HEDGED, NETTED, SPREAD_BETTING])
async def test_what_is_reckoned_is_what_the_server_says(account_id: int, autojump_clock) -> None:
    """While prices move, with positions on either side."""
    async with at_work(account_id) as (_, account, _server):
        for name in ("EURUSD", "USDJPY", "EURGBP", "XAUUSD", "EURUSD"):
            for lots in ("0.1", "30"):
                reckoned = await account.margin_for(name, lots=lots)
                assert reckoned == await account.expected_margin(name, lots=lots)
                assert reckoned.buy > 0
            await (await account.sell(name, lots="0.02")).filled()
            await trio.sleep(7)


async def test_tiers_and_chains_are_asked_for_once(autojump_clock) -> None:
    async with at_work() as (api, account, _):
        first = await account.margin_for("EURGBP", lots=1)
        answered = api.statistics().answered
        assert await account.margin_for("EURGBP", lots=1) == first
        assert (await account.margin_for("EURGBP", lots=2)).buy > first.buy
        await account.commission_for("EURGBP", BUY, lots=1)
        assert api.statistics().answered == answered


async def test_an_account_whose_leverage_is_not_told(autojump_clock) -> None:
    async with at_work() as (_, account, _server):
        account._book.trader = account.trader.__replace__(leverage_in_cents=None)
        with pytest.raises(InvalidValue, match="leverage"):
            await account.margin_for("EURUSD", lots=1)


async def test_commission_is_that_of_the_deals(autojump_clock) -> None:
    async with at_work() as (_, account, _server):
        for name in ("EURUSD", "AUDUSD", "EURGBP"):
            reckoned = await account.commission_for(name, BUY, lots="0.10")
            order = await account.buy(name, lots="0.10")
            await order.filled()
            (deal,) = order.deals
            assert reckoned == Decimal(deal.commission or 0) / 100
            assert reckoned < 0
            closing = await account.commission_for(name, SELL, lots="0.10")
            assert order.position_id is not None
            order = await account.close(order.position_id)
            await order.filled()
            (deal,) = order.deals
            assert closing == Decimal(deal.commission or 0) / 100


WAYS = [("EUR", "USD"), ("USD", "EUR"), ("JPY", "XAU"), ("GBP", "CHF"), ("BTC", "JPY")]


@pytest.mark.parametrize(("first", "last"), WAYS)
async def test_rates_between_any_two_assets_are_kept_alive(
    first: str, last: str, autojump_clock
) -> None:
    """Over several symbols, there and back, over a gap, and while prices move."""
    fast = Reconnect(first=0.1, ceiling=0.2)
    async with at_work(reconnect=fast) as (api, account, server):
        theirs = server.broker.market_data.conversion
        ends = [account.symbols.asset(name).asset_id for name in (first, last)]
        await account.rate(first, last)
        answered = api.statistics().answered
        for _ in range(5):
            await trio.sleep(3)
            rate = await account.rate(first, last)
            assert rate == units.decimal_of(theirs.rate(*ends))
        assert api.statistics().answered == answered
        back = await account.rate(last, first)
        assert abs(rate * back - 1) < Decimal("1e-25")
        await cut(server)
        await account.settled()
        await trio.sleep(3)
        assert await account.rate(*ends) == units.decimal_of(theirs.rate(*ends))


async def test_an_asset_is_worth_itself_and_what_is_none_is_worth_nothing(autojump_clock) -> None:
    async with at_work() as (_, account, _server):
        assert await account.rate("EUR", "EUR") == 1
        with pytest.raises(UnknownName, match="there is no asset 'EURO'; spelt alike: EUR"):
            await account.rate("EURO", "USD")


async def test_nothing_is_asked_for_a_size_that_cannot_be(autojump_clock) -> None:
    async with at_work() as (api, account, _):
        before = api.statistics().answered
        with pytest.raises(InvalidValue, match="nearest"):
            await account.expected_margin("EURUSD", lots="0.123")
        with pytest.raises(InvalidValue, match="nearest"):
            await account.margin_for("EURUSD", lots="0.123")
        assert api.statistics().answered == before


async def test_symbols_are_kept_up_to_date(autojump_clock) -> None:
    """ProtoOASymbolChangedEvent loads a symbol again; so does a gap, which may have hidden one."""
    async with at_work() as (_, account, server):
        old = account.symbol("EURUSD")
        changed = old.details.__replace__(max_volume=700_000)
        server.broker.change_symbol(changed)
        await trio.sleep(1)
        assert account.symbol("EURUSD").max_volume == 700_000
        assert account.symbols.fresh
        with pytest.raises(InvalidValue, match=r"0.07 lots"):
            await account.buy("EURUSD", lots="0.10")
