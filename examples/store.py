"""A store of bars and ticks that is kept up with the server, and read by anything. In memory.

`python -m examples.store` takes some seconds. For the real server, `connect("demo")` is the only
change, with keys and a folder of your own.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import trio

from ctrader_typed import Api, connect_over
from ctrader_typed.market import Store
from ctrader_typed.symbols import load_catalogue
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server


async def keep(api: Api, folder: Path) -> None:
    """What a program for the real server looks like."""
    store, eurusd = Store(folder), (await load_catalogue(api, HEDGED))["EURUSD"]

    new = await store.sync((api, HEDGED), eurusd, "M1", since="2026-02-01", until="2026-03-01")
    print(f"{new:,} minutes came")
    new = await store.sync((api, HEDGED), eurusd, "M1", since="2026-02-01", until="2026-03-01")
    print(f"{new} came the second time: they are there")
    for start, end in store.covered(eurusd, "M1"):
        print(f"complete from {start:%d %B, %H:%M} to {end:%d %B, %H:%M}")

    bars = store.read(eurusd, "M1", "2026-02-09", "2026-02-14")
    print(bars)
    print(bars.to_polars().select(pl.col("close").mean(), pl.col("volume").sum()))

    span = "2026-02-27T12:00", "2026-02-27T13:00"
    await store.sync((api, HEDGED), eurusd, "ticks", *span)
    quotes = store.read(eurusd, "ticks", *span)
    print(f"{len(quotes):,} quotes, the first at {quotes[0].at:%H:%M:%S.%f}")

    # The files are anybody's: DuckDB, polars, pandas.
    frame = pl.read_parquet(f"{folder}/ticks/**/*.parquet")
    print(frame.select("time", "bid", (pl.col("bid") + pl.col("spread")).alias("ask")).tail(3))


async def main() -> None:
    """The server and the client in one process."""
    with TemporaryDirectory() as folder:
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
            await keep(api, Path(folder))


if __name__ == "__main__":
    trio.run(main)
