"""A trader's account: buy with levels, watch equity, move a stop, close. Against the mock server.

Everything is in memory, so it takes a second: `python -m examples.trader`. For the real server,
`connect("demo")` is the only change, and keys of your own.
"""

from __future__ import annotations

import trio

from ctrader_typed import Api, connect_over
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.server import mock_server


async def trade(api: Api) -> None:
    """What a program for the real server looks like."""
    account = await api.account(HEDGED)
    print(account)
    eurusd = account.symbol("EURUSD")
    order = await account.buy(eurusd, lots="0.10", stop_loss_pips=20, take_profit_pips=40)
    fill = await order.filled()
    print(f"bought {fill.volume / 100:.0f} units at {fill.average_price}")
    (position,) = account.positions.values()
    await account.settled()
    await trio.sleep(0.5)  # the server sets the levels some ms after the fill
    print(f"equity {account.equity}, free margin {account.free_margin}, {account.profit}")
    await account.amend(position, stop_loss=position.price - 30 * eurusd.pip)  # the target stays
    print(account.positions[position.position_id])
    await (await account.close(position)).filled()
    print(account)


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
