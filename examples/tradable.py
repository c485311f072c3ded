"""What can be traded, when, and in which steps; and what is refused. Against the mock server.

Everything is in memory, so it takes a second: `python -m examples.tradable`. For the real server,
`connect("demo")` is the only change, and keys of your own.
"""

from __future__ import annotations

import trio

from ctrader_typed import Api, InvalidValue, connect_over
from ctrader_typed.symbols import load_catalogue
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server

FRIDAY_EVENING = "2026-03-06T22:00"  # in UTC, as all times are that name no zone


async def look_around(api: Api) -> None:
    """What a program for the real server looks like."""
    catalogue = await load_catalogue(api, HEDGED)
    for symbol in catalogue:
        category = "" if symbol.category is None else symbol.category.name
        opens = symbol.next_open(FRIDAY_EVENING)
        print(f"{symbol.name:11} {category:11} pip {symbol.pip:<7} opens {opens:%a %H:%M}")

    eurusd = catalogue["EURUSD"]
    print(f"a tenth of a lot is a volume of {eurusd.volume(lots='0.10')}")
    print(f"20 pips are {eurusd.distance(pips=20)}, and 108452 is {eurusd.from_raw(108452)}")
    for attempt in (
        lambda: eurusd.volume(lots="0.123"),
        lambda: eurusd.price("1.084525"),
        lambda: catalogue["EURUDS"],
    ):
        try:
            attempt()
        except InvalidValue as error:
            print(f"refused: {error}")

    chain = await catalogue.chain(api, "XAU", "JPY")
    print(f"from gold to yen: {', '.join(catalogue[each].name for each in chain.symbol_ids)}")


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
        await look_around(api)


if __name__ == "__main__":
    trio.run(main)
