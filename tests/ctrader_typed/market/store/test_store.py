"""A store says what it has, and lets others read it as it lies."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrader_typed import (
    InvalidValue,
)
from ctrader_typed.market import Bars, Page, Period, QuoteTicks, Ticks
from ctrader_typed.market.resample import resample
from ctrader_typed.market.store.partition import Partition
from ctrader_typed.market.store.store import Store
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.random_prices import RandomPrices
from tests.ctrader_typed.market.stores import (
    DAY,
    EURUSD,
    HOUR,
    MIDNIGHT,
    MINUTE,
    in_one_folder,
    minutes,
    page,
    ticks,
    utc,
)

# --- stored and read ---


def test_what_is_added_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "not" / "there")
    assert store.read(EURUSD, "M1") == Bars(EURUSD, Period.M1, 5)
    assert store.covered(EURUSD, "M1") == []
    assert store.add(page(minutes(0, 300), MIDNIGHT, MIDNIGHT + 5 * HOUR)) == 300
    assert store.read(EURUSD, "M1") == minutes(0, 300)
    assert store.read(EURUSD, "M1", MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR) == minutes(60, 60)
    assert store.read(EURUSD, "M1", "2026-03-02T04:59:30") == Bars(EURUSD, Period.M1, 5)
    assert store.covered(EURUSD, "M1") == [(utc(MIDNIGHT), utc(MIDNIGHT + 5 * HOUR))]
    assert store.read(2, "M1") == Bars(2, Period.M1, 5)
    assert [path.name for path in tmp_path.rglob("*.parquet")] == ["2026-03.parquet"]


def test_what_is_added_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(page(minutes(0, 100), MIDNIGHT, MIDNIGHT + 100 * MINUTE))
    other = minutes(50, 10, price=120_000)
    assert store.add(page(other, MIDNIGHT + 50 * MINUTE, MIDNIGHT + 70 * MINUTE)) == -10
    assert store.read(EURUSD, "M1") == minutes(0, 50) + other + minutes(70, 30)
    assert store.add(page(other, MIDNIGHT + 50 * MINUTE, MIDNIGHT + 70 * MINUTE)) == 0


def test_rows_beyond_the_end_of_a_page_are_kept_but_not_taken_for_all(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bids = ticks("bid", [(MIDNIGHT + 1, 5), (MIDNIGHT + 9, 6)])
    store.add(page(bids, MIDNIGHT, MIDNIGHT + 9))
    assert store.read(EURUSD, "bid") == bids
    assert store.covered(EURUSD, "bid") == [(utc(MIDNIGHT), utc(MIDNIGHT + 9))]
    more = ticks("bid", [(MIDNIGHT + 9, 6), (MIDNIGHT + 9, 7)])
    assert store.add(page(more, MIDNIGHT + 9, MIDNIGHT + 20)) == 1
    assert list(store.read(EURUSD, "bid").price) == [5, 6, 7]


@pytest.mark.parametrize("times", [(-1, 5), (5, 4)])
def test_rows_that_lie_before_the_page_or_in_disorder_are_refused(
    tmp_path: Path, times: tuple[int, int]
) -> None:
    wrong = ticks("bid", [(MIDNIGHT + time, 5) for time in times])
    with pytest.raises(InvalidValue, match=f"in order of time expected, from {MIDNIGHT} on: Ticks"):
        Store(tmp_path).add(page(wrong, MIDNIGHT, MIDNIGHT + 9))
    assert not list(tmp_path.iterdir())


@settings(in_one_folder, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=5))
def test_pages_in_any_order_over_several_files(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, int]]
) -> None:
    """Four hours around the turn of the month."""
    store, first = Store(tmp_path_factory.mktemp("store")), -9 * 60 - 200 - 24 * 60
    there: set[int] = set()
    for cut in cuts:
        low, high = min(cut), max(cut)
        rows = minutes(first + low, high - low)
        before = len(there)
        there |= set(range(low, high))
        start, end = (MIDNIGHT + (first + n) * MINUTE for n in (low, high))
        assert store.add(page(rows, start, end)) == len(there) - before
    expected = minutes(first, 400)
    assert [row.time for row in store.read(EURUSD, "M1")] == [
        expected[n].time for n in sorted(there)
    ]
    stored = sum((end - start).total_seconds() for start, end in store.covered(EURUSD, "M1"))
    assert stored == 60 * len(there)


def test_where_there_is_nothing_there_are_no_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    nothing = minutes(0, 0)
    assert store.add(page(nothing, 0, MIDNIGHT)) == 0  # nobody to say so
    assert store.covered(EURUSD, "M1") == []
    store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + 9 * MINUTE))
    store.add(page(nothing, 0, MIDNIGHT))
    assert store.covered(EURUSD, "M1") == [(utc(0), utc(MIDNIGHT + 9 * MINUTE))]
    store.add(page(nothing, MIDNIGHT + 80 * DAY, MIDNIGHT + 90 * DAY))
    assert len(store.covered(EURUSD, "M1")) == 2
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    assert store.read(EURUSD, "M1") == minutes(0, 9)


def test_both_sides_of_the_ticks(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bids = ticks("bid", [(MIDNIGHT + 5, 10), (MIDNIGHT + 7, 10), (MIDNIGHT + 7, 11)])
    asks = ticks("ask", [(MIDNIGHT + 1, 14), (MIDNIGHT + 2, 15), (MIDNIGHT + 7, 16)])
    store.add(page(bids, MIDNIGHT, MIDNIGHT + 10))
    assert store.covered(EURUSD, "ticks") == []
    store.add(page(asks, MIDNIGHT, MIDNIGHT + 8))
    assert store.read(EURUSD, "ticks") == QuoteTicks.of(bids, asks)
    assert (store.read(EURUSD, "bid"), store.read(EURUSD, "ask")) == (bids, asks)
    assert store.covered(EURUSD, "ticks") == [(utc(MIDNIGHT), utc(MIDNIGHT + 8))]


def test_periods_that_the_server_lacks_are_made_of_what_is_complete(tmp_path: Path) -> None:
    store = Store(tmp_path)
    hours = resample(minutes(0, 60 * 24), "H1")
    store.add(page(hours[2:9], hours[2].time, hours[9].time))
    made = resample(hours, "H2")
    assert store.read(EURUSD, "H2") == made[1:4]
    assert store.read(EURUSD, "H2", hours[3].time, hours[8].time) == made[2:4]
    with pytest.raises(InvalidValue, match="no H2 bars: keep H1, H2 is made of them"):
        store.covered(EURUSD, "H2")
    with pytest.raises(InvalidValue, match="no period 'M7'"):
        store.read(EURUSD, "M7")  # type: ignore[call-overload]


def test_periods_are_made_of_what_is_there_while_somebody_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, store = resample(minutes(0, 60 * 24), "H1"), Store(tmp_path)
    store.add(page(hours[2:5], hours[2].time, hours[5].time))
    first_read = Partition.read

    def then_more_comes(*args: Any) -> Any:
        found = first_read(*args)
        store.add(page(hours[5:9], hours[5].time, hours[9].time))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Partition, "read", then_more_comes)
        made = resample(hours, "H2")
        assert store.read(EURUSD, "H2") == made[1:2]  # not the one of which it has half
    assert store.read(EURUSD, "H2") == made[1:4]


class Symbol:
    id, digits = EURUSD, 3


def test_digits_are_those_of_the_symbol_or_as_stored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(page(Bars(EURUSD, Period.M1, 2, *minutes(0, 3).arrays), MIDNIGHT, MIDNIGHT + HOUR))
    assert store.read(EURUSD, "M1").digits == 2
    assert store.read(Symbol(), "M1").digits == 3
    store.add(page(minutes(5, 3), MIDNIGHT + 5 * MINUTE, MIDNIGHT + HOUR))
    assert store.read(EURUSD, "M1").digits == 5


# --- read by others ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with minutes over the turn of a month, days, and ticks."""
    store = Store(tmp_path / "history")
    bars = minutes(-2_000, 2_500)
    store.add(page(bars, bars[0].time, bars[-1].time + MINUTE))
    days = resample(bars, "D1")
    store.add(page(days, days[0].time, days[-1].time + DAY))
    bids = ticks("bid", [(MIDNIGHT - DAY + n * 977, 114_880 + n % 5) for n in range(500)])
    asks = ticks("ask", [(MIDNIGHT - DAY + n * 1009, 114_885 + n % 7) for n in range(3, 500)])
    store.add(page(bids, MIDNIGHT - DAY, MIDNIGHT))
    store.add(page(asks, MIDNIGHT - DAY, MIDNIGHT))
    (store.path / ".store" / "bars-symbol=1-period=M1.unfinished").write_text(
        "of one that was killed"
    )
    return store.path


def test_duckdb_reads_the_folder(folder: Path) -> None:
    found = duckdb.sql(
        "select symbol, period, count(*), max(high)"
        f" from read_parquet('{folder}/bars/**/*.parquet') group by all order by period"
    ).fetchall()
    bars = Store(folder).read(1, "M1")
    highest = max(bar.high_price for bar in bars)
    assert [row[:2] for row in found] == [(1, "D1"), (1, "M1")]
    assert found[1][2:] == (2_500, highest)
    quotes = duckdb.sql(
        "select epoch_ms(time), bid, bid + spread"
        f" from '{folder}/ticks/symbol=1/*.parquet' order by time"
    ).fetchall()
    expected = Store(folder).read(1, "ticks")
    assert quotes == [(row.time, row.bid_price, row.ask_price) for row in expected]


def test_duckdb_takes_what_the_documentation_says(folder: Path) -> None:
    said = [line.strip() for line in (Store.__doc__ or "").splitlines() if "select " in line]
    quotes, bars = (duckdb.sql(line.replace("'history/", f"'{folder}/")).pl() for line in said)
    expected = Store(folder).read(1, "ticks")
    assert quotes["time"].to_list() == [row.at for row in expected]
    assert quotes["ask"].to_list() == [row.ask_price for row in expected]
    assert sorted(bars.select("symbol", "period").rows()) == [(1, "D1"), (1, "M1")]


def test_polars_reads_the_folder(folder: Path) -> None:
    bars = Store(folder).read(1, "M1")
    frame = pl.read_parquet(folder / "bars" / "symbol=1" / "period=M1")
    own = frame.select("time", pl.exclude("time", "symbol", "period").cast(pl.Float64))
    assert own.equals(bars.to_polars().with_columns(pl.col("volume").cast(pl.Float64)))
    lazy = pl.scan_parquet(f"{folder}/bars/**/*.parquet", hive_partitioning=True)
    assert lazy.filter(pl.col("period") == "M1").collect().height == len(bars)
    quotes = pl.read_parquet(f"{folder}/ticks/**/*.parquet").sort("time", maintain_order=True)
    asks = quotes.select((pl.col("bid") + pl.col("spread")).alias("ask"))["ask"]
    assert asks.to_list() == [row.ask_price for row in Store(folder).read(1, "ticks")]


def test_pandas_reads_the_folder(folder: Path) -> None:
    bars = Store(folder).read(1, "M1")
    frame = pd.read_parquet(folder / "bars" / "symbol=1" / "period=M1")
    assert frame["close"].tolist() == [bar.close_price for bar in bars]
    assert frame["time"].dt.tz is not None
    everything = pd.read_parquet(folder / "bars")
    assert set(everything["period"].astype(str)) == {"M1", "D1"}
    quotes = pd.read_parquet(folder / "ticks").sort_values("time", kind="stable")
    asks = [row.ask_price for row in Store(folder).read(1, "ticks") if row.ask is not None]
    assert (quotes["bid"] + quotes["spread"]).dropna().tolist() == asks


def test_the_folders_have_nothing_but_files_of_rows(folder: Path) -> None:
    Store(folder).add(page(minutes(900, 1), MIDNIGHT + 900 * MINUTE, MIDNIGHT + 901 * MINUTE))
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        ".store/bars-symbol=1-period=D1.lock",
        ".store/bars-symbol=1-period=M1.lock",
        ".store/ticks-symbol=1.lock",
        "bars/symbol=1/period=D1/2026.parquet",
        "bars/symbol=1/period=M1/2026-02.parquet",
        "bars/symbol=1/period=M1/2026-03.parquet",
        "ticks/symbol=1/2026-W09.parquet",
    }


def test_a_tick_takes_less_than_two_bytes(tmp_path: Path) -> None:
    """On the mock's prices: some days of EURUSD and of GBPUSD, all of the file counted."""
    prices = RandomPrices(Instruments.standard(), 7)
    start = MIDNIGHT - 6 * DAY
    for symbol_id, days in ((EURUSD, 4), (2, 1)):
        found = [
            tick
            for hour in range(days * 24)
            for tick in prices.ticks(symbol_id, start + hour * HOUR, start + (hour + 1) * HOUR)
        ]
        store = Store(tmp_path)
        count = 0
        for side in ("bid", "ask"):
            rows = [(t.time_ms, p) for t in found if (p := getattr(t, side)) is not None]
            count += len(rows)
            columns = (array("q", each) for each in zip(*rows, strict=True))
            store.add(Page(Ticks(symbol_id, 5, side, *columns), start, start + days * DAY))
        (file,) = (tmp_path / "ticks" / f"symbol={symbol_id}").glob("*.parquet")
        assert count > 50_000 * days
        assert len(store.read(symbol_id, "bid")) + len(store.read(symbol_id, "ask")) == count
        assert file.stat().st_size / count < 2
