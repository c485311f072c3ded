"""Bars, ticks and what the account did, of any span, as columns. Against the mock server.

Everything is in memory, so it takes a second: `python -m examples.history`. For the real server,
`connect("demo")` is the only change, and keys of your own.
"""

from __future__ import annotations

import trio

from ctrader_typed import Api, connect_over
from ctrader_typed.market import Bars, Page, Progress, history
from ctrader_typed.symbols import Symbol, load_catalogue
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server


def told(progress: Progress) -> None:
    """Called after each answer of the server."""
    if progress.oldest is not None:
        print(f"{progress.done:4.0%}: {progress.rows:,} rows, back to {progress.oldest:%d %B}")


async def look_back(api: Api) -> None:
    """What a program for the real server looks like."""
    eurusd = (await load_catalogue(api, HEDGED))["EURUSD"]

    minutes = await history.bars(
        api, HEDGED, eurusd, "M1", "2026-02-15", "2026-03-01", progress=told
    )
    print(minutes)
    top = max(minutes, key=lambda bar: bar.high)
    print(f"the highest bid of {len(minutes):,} minutes was {top.high_price}, {top.opened:%d %B}")

    hours = await history.bars(api, HEDGED, eurusd, "H2", "2026-02-26", "2026-02-27")
    change = hours[-1].close_price - hours[0].open_price
    print(f"{len(hours)} bars of two hours, made of those of one: a change of {change}")

    quotes = await history.ticks(api, HEDGED, eurusd, "2026-02-27T12:00", "2026-02-27T12:10")
    widest = max(quote.spread for quote in quotes if quote.spread is not None)
    print(f"{len(quotes):,} quotes in ten minutes, the widest spread {widest}")

    days = await history.bars(api, HEDGED, eurusd, "D1", "2025-01-01", "2026-03-01")
    print(f"{len(days)} days since {days[0].opened:%d %B %Y, %H:%M} UTC")
    await in_two_runs(api, eurusd)

    for flow in await history.cash_flow(api, HEDGED, "2026-03-01", "2026-03-08"):
        print(f"paid in: {flow.delta / 10 ** (flow.money_digits or 2):,.2f}")
    print(f"{len(await history.deals(api, HEDGED, '2026-01-01'))} deals so far")


async def in_two_runs(api: Api, symbol: Symbol) -> None:
    """Pages come newest first, to be kept somewhere: who is killed goes on before the last one."""
    start, end, kept = "2026-02-01", "2026-03-01", list[Page[Bars]]()
    async for page in history.bar_pages(api, HEDGED, symbol, "M1", start, end):
        kept.append(page)
        if len(kept) == 2:
            break  # say, the power fails
    async for page in history.bar_pages(api, HEDGED, symbol, "M1", start, kept[-1].start):
        kept.append(page)
    minutes = Bars.concat(page.rows for page in kept)
    print(f"{len(minutes):,} minutes of February in two runs; `Store` does that by itself")


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
        await look_back(api)


if __name__ == "__main__":
    trio.run(main)
