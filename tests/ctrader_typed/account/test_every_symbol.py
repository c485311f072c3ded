"""Every symbol as a trader trades it: pairs with yen, gold, indices, bitcoin; a lot is never
taken for 100,000 units.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import units
from ctrader_typed.account import Account
from ctrader_typed.symbols import Symbol
from mockserver.box import HEDGED, NETTED
from tests.support.accounts import BUY, SELL, agrees, at_work, still_box


async def trade(account: Account, symbol: Symbol, server: Any) -> None:
    """Open with levels and close again: what was foretold is what is shown, and what is booked."""
    volume = 7 * max(symbol.min_volume or 1, symbol.step_volume or 1)
    lots = symbol.lots(volume)
    assert symbol.volume(lots=lots) == symbol.volume(units=symbol.units(volume)) == volume
    foretold = await account.margin_for(symbol, lots=lots)
    fee = await account.commission_for(symbol, BUY, lots=lots)
    assert foretold == await account.expected_margin(symbol, lots=lots)
    order = await account.buy(symbol, lots=lots, stop_loss_pips=500, take_profit_pips=700)
    assert (await order.filled()).volume == volume
    await trio.sleep(1)
    await account.settled()
    agrees(account, server)
    (position,) = account.positions.values()
    assert (position.symbol_id, position.side, position.volume) == (symbol.id, BUY, volume)
    assert position.stop_loss == position.price - 500 * symbol.pip
    assert position.take_profit == position.price + 700 * symbol.pip
    assert (position.used_margin, position.commission) == (foretold.buy, fee)
    balance, profit = account.balance, account.profit_of(position)
    assert profit is not None
    fee = await account.commission_for(symbol, SELL, lots=lots)
    closing = await account.close(position)
    await closing.filled()
    detail = closing.deals[0].close_position_detail
    assert detail is not None
    conversion = units.money_of(detail.pnl_conversion_fee or 0, detail.money_digits)
    assert units.money_of(detail.gross_profit, detail.money_digits) == profit.gross
    assert account.balance == balance + profit.net + fee + conversion
    agrees(account, server)


@pytest.mark.parametrize("account_id", [HEDGED, NETTED])
async def test_each_symbol_of_the_catalogue(account_id: int, autojump_clock) -> None:
    async with at_work(account_id, box=still_box()) as (_, account, server):
        traded = [symbol for symbol in account.symbols if symbol.enabled]
        for symbol in traded:
            await trade(account, symbol, server)
        assert {symbol.lot_size for symbol in traded} == {100, 10_000, 10_000_000}
        assert {symbol.digits for symbol in traded} == {2, 3, 5}


async def test_what_is_over_leaves_nothing_in_memory(autojump_clock) -> None:
    """Trades and pending orders come and go; the books hold what is open, and nothing more."""
    async with at_work(box=still_box()) as (_, account, _server), account.changes() as changes:
        for _ in range(30):
            await (await account.buy("EURUSD", lots="0.01")).filled()
            waits = await account.limit("EURUSD", BUY, "0.5", lots="0.01")
            assert waits.order_id is not None
            await account.cancel(waits.order_id)
            for closing in await account.close_all():
                await closing.filled()
            await trio.sleep(1)
            while changes.statistics().current_buffer_used:
                changes.receive_nowait()
        book = account._book
        assert (book.positions, book.orders, book._since) == ({}, {}, None)
        assert len(account._synchroniser._held) == 1
        statistics = account.client.statistics()
        assert all(stream.waiting == 0 for stream in statistics.streams)
