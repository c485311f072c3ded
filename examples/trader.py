"""A trader's account: ask what it costs, buy with levels, watch, move a stop, close; and the past.

Against the mock server. Everything is in memory, so it takes some seconds:
`python -m examples.trader`. For the real server, `connect("demo")` is the only change, and keys of
your own.
"""

from __future__ import annotations

import trio

from ctrader_typed import Api, connect_over
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server


async def trade(api: Api) -> None:
    """What a program for the real server looks like."""
    account = await api.account(HEDGED)  # in step from here on
    print(account)
    eurusd = account.symbol("EURUSD")
    margin = await account.expected_margin(eurusd, lots="0.10")
    print(f"0.10 lots would bind {margin.buy}, of {account.free_margin} that are free")
    order = await account.buy(eurusd, lots="0.10", stop_loss_pips=20, take_profit_pips=40)
    fill = await order.filled()
    print(f"bought {fill.volume / 100:.0f} units at {fill.average_price}")
    await account.settled()  # prices are there, too
    print(account.equity, account.free_margin, account.positions)
    seen = 0
    async for quote in account.quotes(eurusd):
        print(f"{quote.bid_price} / {quote.ask_price}: {account.profit}")
        if (seen := seen + 1) == 3:
            break
    (position,) = account.positions.values()
    await account.amend(position, stop_loss=position.price - 30 * eurusd.pip)  # the target stays
    print(account.positions[position.position_id])
    for outcome in await account.close_all():
        await outcome.filled()
    print(account)
    bars = await account.bars(eurusd, "M1", start="2026-02-02", end="2026-02-03")
    print(bars)


async def main() -> None:
    """The server and the client in one process."""
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await api.auth(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            access_token=ACCESS_TOKEN,
            account_id=HEDGED,
        )
        await trade(api)


if __name__ == "__main__":
    trio.run(main)
