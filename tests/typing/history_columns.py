"""What mypy and pyright know of bars, ticks and their store. They read this; nobody runs it."""

from array import array
from datetime import datetime
from decimal import Decimal
from typing import Any, assert_type

import numpy.typing as npt
import pandas as pd
import polars as pl

from ctrader_typed import Api, ProtoOAGetTrendbarsReq, ProtoOATrendbarPeriod
from ctrader_typed.market import (
    Bar,
    Bars,
    Page,
    Period,
    QuoteTick,
    QuoteTicks,
    Store,
    Tick,
    Ticks,
    resample,
)


def rows(bars: Bars, ticks: Ticks, quotes: QuoteTicks) -> None:
    """An index gives a row, a slice a table of the same type."""
    assert_type(bars[0], Bar)
    assert_type(bars[-10:], Bars)
    assert_type(ticks[0], Tick)
    assert_type(ticks[::2], Ticks)
    assert_type(quotes[0], QuoteTick)
    assert_type(quotes[1:], QuoteTicks)
    for bar in bars:
        assert_type(bar, Bar)
        assert_type(bar.close, int)
        assert_type(bar.close_price, Decimal)
        assert_type(bar.opened, datetime)
    for quote in reversed(quotes):
        assert_type(quote, QuoteTick)
        assert_type(quote.bid, int | None)
        assert_type(quote.spread, Decimal | None)
    assert_type(bars.close, array[int])
    assert_type(bars.between("2026-01-01"), Bars)
    assert_type(bars + bars, Bars)
    assert_type(Ticks.concat([ticks, ticks[1:]]), Ticks)
    assert_type(QuoteTicks.of(ticks, ticks), QuoteTicks)
    bars + ticks  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]  # not of one kind
    bars.between(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no time


async def from_the_wire(api: Api, request: ProtoOAGetTrendbarsReq) -> None:
    """Columns of an answer become bars."""
    answer = await api.columns(request)
    assert_type(Bars.from_wire(answer, 1, Period.M1), Bars)


def frames(bars: Bars) -> None:
    """What comes out is known to who has the library's types."""
    assert_type(bars.to_polars(), pl.DataFrame)
    assert_type(bars.to_polars("raw"), pl.DataFrame)
    assert_type(bars.to_pandas(), pd.DataFrame)
    assert_type(bars.to_numpy(), dict[str, npt.NDArray[Any]])
    assert_type(pl.DataFrame(bars), pl.DataFrame)
    bars.write_parquet("bars.parquet", "float")
    bars.to_polars("decimals")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # misspelt


def periods(bars: Bars) -> None:
    """Names are checked; text that is read somewhere goes through `Period.of`."""
    assert_type(Period.of("M1"), Period)
    assert_type(Period.H2.native, ProtoOATrendbarPeriod | None)
    assert_type(Period.H2.source, Period)
    assert_type(Period.D1.start_of(0), int)
    assert_type(resample(bars, "H2"), Bars)
    assert_type(resample(bars, Period.of(str(1))), Bars)
    resample(bars, "M7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no period


async def stored(api: Api, store: Store, bars: Bars) -> None:
    """What is asked for says what comes."""
    assert_type(store.read(1, "M1"), Bars)
    assert_type(store.read(1, Period.D1, "2026-01-01"), Bars)
    assert_type(store.read(1, "ticks"), QuoteTicks)
    assert_type(store.read(1, "bid"), Ticks)
    assert_type(store.covered(1, "M1"), list[tuple[datetime, datetime]])
    assert_type(await store.sync((api, 1), 1, "M1", since="2026-01-01"), int)
    assert_type(store.add(Page(bars, 0, 1)), int)
    store.read(1, "quotes")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # misspelt
