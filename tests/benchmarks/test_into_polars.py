"""From the bytes of answers into polars: columns all the way, against the loop over messages.

The same bytes, the same frame. It prints rows per second of both; numpy is there, as it is in most
programs that have frames.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np  # noqa: F401 - where it is imported, it is used
import polars as pl
import pytest

from ctrader_typed.market import Bars, Period, Ticks
from ctrader_typed.message import codec
from ctrader_typed.message.columns import decode_columns
from ctrader_typed.proto import (
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOATickData,
    ProtoOATrendbar,
)

ROWS = 14_000
UTC_MS = pl.Datetime("ms", "UTC")


def trendbars() -> bytes:
    """A page of M1 bars."""
    dice, low = random.Random(1), 114_880
    rows: list[ProtoOATrendbar] = []
    for minute in range(29_000_000, 29_000_000 + ROWS):
        low += dice.randint(-5, 5)
        rows.append(
            ProtoOATrendbar(
                volume=dice.randint(2, 90),
                low=low,
                delta_open=dice.randint(0, 9),
                delta_close=dice.randint(0, 9),
                delta_high=dice.randint(9, 20),
                utc_timestamp_in_minutes=minute,
            )
        )
    answer = ProtoOAGetTrendbarsRes(
        ctid_trader_account_id=1, period=1, timestamp=0, trendbar=rows, symbol_id=1, has_more=True
    )
    return bytes(answer)


def tick_data() -> bytes:
    """A page of ticks."""
    dice, at = random.Random(2), 1_789_763_387_232
    ticks = [(at, 114_880)]
    for _ in range(ROWS - 1):
        at -= dice.randint(1, 5_000)
        ticks.append((at, ticks[-1][1] + dice.choice((-2, -1, 1, 2))))
    differences = [ticks[0], *((b[0] - a[0], b[1] - a[1]) for a, b in pairwise(ticks))]
    rows = [ProtoOATickData(timestamp=time, tick=price) for time, price in differences]
    return bytes(ProtoOAGetTickDataRes(ctid_trader_account_id=1, tick_data=rows, has_more=True))


def bars_by_columns(data: bytes) -> pl.DataFrame:
    answer = decode_columns(ProtoOAGetTrendbarsRes, data, codec.decode)
    return Bars.from_wire(answer, 1, Period.M1).to_polars()


def bars_by_messages(data: bytes) -> pl.DataFrame:
    """What one writes by hand."""
    answer = codec.decode(ProtoOAGetTrendbarsRes, data)
    rows = [
        {
            "time": (bar.utc_timestamp_in_minutes or 0) * 60_000,
            "open": ((bar.low or 0) + (bar.delta_open or 0)) / 100_000,
            "high": ((bar.low or 0) + (bar.delta_high or 0)) / 100_000,
            "low": (bar.low or 0) / 100_000,
            "close": ((bar.low or 0) + (bar.delta_close or 0)) / 100_000,
            "volume": bar.volume,
        }
        for bar in answer.trendbar
    ]
    return pl.DataFrame(rows, schema_overrides={"time": UTC_MS})


def ticks_by_columns(data: bytes) -> pl.DataFrame:
    answer = decode_columns(ProtoOAGetTickDataRes, data, codec.decode)
    return Ticks.from_wire(answer, 1, "bid").to_polars()


def ticks_by_messages(data: bytes) -> pl.DataFrame:
    """What one writes by hand."""
    answer = codec.decode(ProtoOAGetTickDataRes, data)
    rows: list[dict[str, Any]] = []
    time = price = 0
    for tick in answer.tick_data:
        time, price = time + tick.timestamp, price + tick.tick
        rows.append({"time": time, "price": price / 100_000})
    return pl.DataFrame(rows[::-1], schema_overrides={"time": UTC_MS})


@pytest.mark.parametrize(
    ("name", "data", "ours", "naive"),
    [
        ("bars", trendbars(), bars_by_columns, bars_by_messages),
        ("ticks", tick_data(), ticks_by_columns, ticks_by_messages),
    ],
    ids=["bars", "ticks"],
)
def test_into_polars(
    name: str,
    data: bytes,
    ours: Callable[[bytes], pl.DataFrame],
    naive: Callable[[bytes], pl.DataFrame],
    compare: Callable[..., float],
    benchmark: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ours(data).equals(naive(data))
    ratio = compare(f"{ROWS:,} {name} into polars", lambda: ours(data), loop=lambda: naive(data))
    rows = ROWS / benchmark.stats.stats.min
    with capsys.disabled():
        print(f"{name}: {rows:,.0f} rows/s into polars; by messages {rows / ratio:,.0f} rows/s")
    assert ratio > 3
