"""A store keeps all of it, each row once, says what it has, and lets others read it as it lies."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from array import array
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctrader_typed import (
    Api,
    InvalidValue,
    MissingLibrary,
    StoreDamaged,
    StoreInUse,
    connect_over,
)
from ctrader_typed.market import Bars, Page, Period, Progress, QuoteTicks, Ticks, history
from ctrader_typed.market import store as store_module
from ctrader_typed.market.parts import Content, read, write
from ctrader_typed.market.resample import resample
from ctrader_typed.market.series import Series
from ctrader_typed.market.shelf import Shelf
from ctrader_typed.market.spans import clipped, in_both, joined, missing
from ctrader_typed.market.store import Store
from examples import store as example
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.catalogue import Catalogue
from mockserver.broker.quirks import Quirks
from mockserver.broker.seeded import SINCE, SeededPrices
from mockserver.server import mock_server

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
ROOT = Path(__file__).parent.parent.parent
EURUSD = 1
NOW = 1_772_442_000_000  # 2026-03-02 09:00, a Monday
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WEEK = 7 * DAY
MIDNIGHT = NOW - 9 * HOUR
QUIRKS = Quirks(bars_page=700, ticks_page=400, short_pages=True, split_milliseconds=True)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def threads_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual clock would run on, from deadline to deadline, for as long as a thread works."""

    async def at_once(work: Callable[..., Any], *args: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)


def utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def minutes(first: int, count: int, price: int = 114_880) -> Bars:
    """M1 bars, from the so-manyth minute of 2026-03-02 on."""
    rows = [
        (MIDNIGHT + n * MINUTE, price + n, price + n + 9, price - 9, price + n % 7, n % 50 + 1)
        for n in range(first, first + count)
    ]
    columns = map(array, "qqqqqq", zip(*rows, strict=True)) if rows else ()
    return Bars(EURUSD, Period.M1, 5, *columns)


def ticks(side: Literal["bid", "ask"], rows: Iterable[tuple[int, int]]) -> Ticks:
    columns = tuple(zip(*rows, strict=True)) or ((), ())
    return Ticks(EURUSD, 5, side, *(array("q", each) for each in columns))


def page(rows: Bars | Ticks, start: int, end: int) -> Page[Bars | Ticks]:
    return Page(rows, start, end)


# --- spans ---

times = st.integers(0, 30)
span_lists = st.lists(st.tuples(times, times))


def moments(spans: Iterable[tuple[int, int]]) -> set[int]:
    return {at for start, end in spans for at in range(start, end)}


@given(span_lists, span_lists, times, times)
def test_spans(some: list[tuple[int, int]], others: list[tuple[int, int]], a: int, b: int) -> None:
    for spans, expected in [
        (joined(some), moments(some)),
        (clipped(some, a, b), moments(some) & set(range(a, b))),
        (missing(some, a, b), set(range(a, b)) - moments(some)),
        (in_both(some, others), moments(some) & moments(others)),
    ]:
        assert moments(spans) == expected
        assert all(start < end for start, end in spans)
        assert all(first[1] < then[0] for first, then in pairwise(spans))


# --- files ---


@pytest.mark.parametrize(
    ("what", "at", "name", "start", "end"),
    [
        ("ticks", "2026-03-02", "2026-W10", "2026-03-02", "2026-03-09"),
        ("ticks", "2027-01-03T23:59", "2026-W53", "2026-12-28", "2027-01-04"),
        ("M1", "2026-02-28T23:59", "2026-02", "2026-02-01", "2026-03-01"),
        ("M30", "2025-12-01", "2025-12", "2025-12-01", "2026-01-01"),
        ("H1", "2026-03-02", "2026", "2026-01-01", "2027-01-01"),
        ("MN1", "2026-03-02", "2026", "2026-01-01", "2027-01-01"),
    ],
)
def test_a_row_has_its_file(what: Any, at: str, name: str, start: str, end: str) -> None:
    series = Series.of(EURUSD, what)
    ms = [
        int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
        for text in (at, start, end)
    ]
    file = series.file_at(ms[0])
    assert (file.name, file.start, file.end) == (f"{name}.parquet", *ms[1:])
    assert series.file_named(file.name) == file
    assert series.file_at(file.end - 1) == file
    assert series.file_at(file.end).start == file.end
    assert list(series.files(file.start, file.end)) == [file]


def test_other_names_are_no_files_of_a_series() -> None:
    series = Series.of(EURUSD, "M1")
    for name in ("x.parquet", "2026.parquet", "2026-13.parquet", "2026-W10.parquet", "2026-01"):
        assert series.file_named(name) is None


few = st.integers(0, 9)
side_rows = st.lists(st.tuples(few, st.integers(-2, 2)), max_size=30).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)


@in_one_folder
@given(side_rows, side_rows)
def test_ticks_come_out_of_a_file_as_they_went_in(tmp_path: Path, bids: Any, asks: Any) -> None:
    """Also those that share a ms, that did not change the price, and asks before any bid."""
    series = Series.of(EURUSD, "ticks")
    content = Content(
        5,
        {"bid": ticks("bid", bids), "ask": ticks("ask", asks)},
        {"bid": [(0, 10)], "ask": [(0, 4), (6, 10)]},
    )
    write(tmp_path / "a.parquet", series, content)
    assert read(tmp_path / "a.parquet", series) == content


@in_one_folder
@given(st.lists(st.integers(-(10**17), 10**17), min_size=1))
def test_bars_come_out_of_a_file_as_they_went_in(tmp_path: Path, prices: list[int]) -> None:
    series = Series.of(EURUSD, "M1")
    column = array("q", prices)
    bars = Bars(EURUSD, Period.M1, 2, array("q", range(len(prices))), *[column] * 5)
    content = Content(2, {"bars": bars}, {"bars": [(5, 9)]})
    write(tmp_path / "a.parquet", series, content)
    assert read(tmp_path / "a.parquet", series) == content


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
    first_read = Shelf.read

    def then_more_comes(*args: Any) -> Any:
        found = first_read(*args)
        store.add(page(hours[5:9], hours[5].time, hours[9].time))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "read", then_more_comes)
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
    prices = SeededPrices(Catalogue.standard(), 7)
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


# --- kept up with the server ---


@asynccontextmanager
async def at(
    quirks: Quirks = QUIRKS, now: int = NOW, since: int = SINCE
) -> AsyncGenerator[tuple[Api, Broker], None]:
    """A client of a broker, in memory, whose history begins some time."""
    prices = SeededPrices(Catalogue.standard(), 7, since_ms=since)
    broker = Broker(quirks=quirks, start_ms=now, prices=prices)
    broker.open_account(HEDGED, deposit=10_000)
    async with (
        mock_server(Box(broker, standard_credentials(broker)), port=None) as server,
        connect_over(server.memory_client("tcp")) as api,
    ):
        await api.auth(**KEYS, account_id=HEDGED)
        yield api, broker


class Account:
    """An account as far as a store needs one."""

    def __init__(self, client: Api) -> None:
        self.client = client
        self.account_id = HEDGED


async def test_all_of_it_comes_and_then_only_what_is_new(tmp_path: Path, autojump_clock) -> None:
    store, since = Store(tmp_path), NOW - 9 * DAY
    answers: list[Progress] = []
    async with at() as (api, _):
        expected = await history.bars(api, HEDGED, EURUSD, "M1", since, NOW)
        span = EURUSD, "M1", since, NOW
        new = await store.sync((api, HEDGED), *span, progress=answers.append)
        assert new == len(expected) > 7_000
        assert len(answers) == 1 + new // (QUIRKS.bars_page - 1)
        assert store.read(EURUSD, "M1") == expected
        ((start, end),) = store.covered(EURUSD, "M1")
        assert (start, end) == (utc(since), utc(expected.time[-1] + MINUTE))
        answers.clear()
        assert await store.sync(Account(api), *span, progress=answers.append) == 0
        assert len(answers) <= 1
    async with at(now=NOW + 2 * DAY) as (api, _):
        expected = await history.bars(api, HEDGED, EURUSD, "M1", since - DAY, NOW + 2 * DAY)
        span = EURUSD, "M1", since - DAY, NOW + 2 * DAY
        await store.sync((api, HEDGED), *span, progress=answers.append)
        assert store.read(EURUSD, "M1") == expected
        assert len(answers) < 9
        assert answers[-1].done == pytest.approx(1)
        assert answers[0].done > 9 / 12


async def test_the_newest_end_is_not_taken_for_complete(tmp_path: Path, autojump_clock) -> None:
    """A bar comes to history some time after it has ended; the next call finds it."""
    store, since = Store(tmp_path), NOW - HOUR
    async with at(Quirks(bar_delay=90_000)) as (api, _):
        assert await store.sync((api, HEDGED), EURUSD, "M1", since, NOW) == 58
    async with at() as (api, _):
        assert await store.sync((api, HEDGED), EURUSD, "M1", since, NOW) == 2
        assert store.read(EURUSD, "M1") == await history.bars(api, HEDGED, EURUSD, "M1", since, NOW)


@pytest.mark.parametrize("what", ["M1", "ticks"])
async def test_what_is_still_to_come_is_not_taken_for_complete(
    tmp_path: Path, autojump_clock, monkeypatch: pytest.MonkeyPatch, what: Any
) -> None:
    """Also where whole windows lie in the future: those of ticks are a week wide."""
    store, since, end = Store(tmp_path), NOW - 5 * HOUR, NOW + 20 * DAY
    for now in (NOW, NOW + HOUR):
        monkeypatch.setattr(store_module, "now", lambda now=now: now)
        async with at(now=now) as (api, _):
            assert await store.sync((api, HEDGED), EURUSD, what, since, end) > 0
            assert store.covered(EURUSD, what)[-1][1] <= utc(now)
            expected: Bars | QuoteTicks = (
                await history.ticks(api, HEDGED, EURUSD, since, now)
                if what == "ticks"
                else await history.bars(api, HEDGED, EURUSD, what, since, now)
            )
            assert store.read(EURUSD, what, since, now) == expected


async def test_weeks_without_ticks_are_asked_for_once(
    tmp_path: Path, autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, span = Store(tmp_path), (NOW - HOUR, NOW + 20 * WEEK)
    monkeypatch.setattr(store_module, "now", lambda: NOW + 20 * WEEK)
    answers: list[Progress] = []
    async with at() as (api, _):
        for most in (60, 6):
            await store.sync((api, HEDGED), EURUSD, "ticks", *span, progress=answers.append)
            assert len(answers) < most
            answers.clear()


async def test_a_bar_that_may_change_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's clock may be ahead of the server's: what it takes for ended may not have."""
    store, client, last = Store(tmp_path), Api.__new__(Api), MIDNIGHT + 8 * MINUTE
    asked: list[int] = []

    def of_server(bars: Bars, now: int) -> None:
        async def pages(*args: Any) -> AsyncGenerator[Page[Bars], None]:
            start, end = args[-2:]
            asked.append(start)
            yield Page(bars.between(start, end), start, end)

        monkeypatch.setattr(history, "bar_pages", pages)
        monkeypatch.setattr(store_module, "now", lambda: now)

    for price, now, end in [
        (114_880, last + 2 * MINUTE - 1, last),
        (120_000, last + 2 * MINUTE, last + MINUTE),
        (130_000, last + HOUR, last + MINUTE),
    ]:
        of_server(minutes(0, 8) + minutes(8, 1, price), now)
        await store.sync((client, HEDGED), EURUSD, "M1", MIDNIGHT, MIDNIGHT + HOUR)
        ((_, complete),) = store.covered(EURUSD, "M1")
        assert complete == utc(end)
    assert store.read(EURUSD, "M1") == minutes(0, 8) + minutes(8, 1, 120_000)
    assert asked == [MIDNIGHT, last, last + MINUTE]


async def test_ticks_of_both_sides(tmp_path: Path, autojump_clock) -> None:
    store, since = Store(tmp_path), NOW - 3 * HOUR
    async with at() as (api, _):
        quotes = await history.ticks(api, HEDGED, EURUSD, since, NOW)
        assert await store.sync((api, HEDGED), EURUSD, "ticks", since, NOW) > len(quotes)
        assert store.read(EURUSD, "ticks") == quotes
        assert len(quotes) > 3_000
        assert await store.sync((api, HEDGED), EURUSD, "ticks", since, NOW) == 0
    later = NOW + 30 * MINUTE
    async with at(now=later) as (api, _):
        assert await store.sync((api, HEDGED), EURUSD, "ticks", since - HOUR, later) > 0
        assert store.read(EURUSD, "ticks") == await history.ticks(
            api, HEDGED, EURUSD, since - HOUR, later
        )


async def test_cancelled_again_and_again_it_gets_there(
    tmp_path: Path, autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time what was downloaded is stored, and not asked for again."""
    monkeypatch.setattr(store_module, "ENOUGH", 1_500)
    store, since = Store(tmp_path), NOW - 9 * DAY
    scope, answers, calls = trio.CancelScope(), 0, 0

    def cancel_at_the_fourth(_: Progress) -> None:
        nonlocal answers
        answers += 1
        if answers % 4 == 0:
            scope.cancel()

    async with at() as (api, _):
        expected = await history.bars(api, HEDGED, EURUSD, "M1", since, NOW)
        while calls == 0 or scope.cancelled_caught:
            calls += 1
            with trio.CancelScope() as scope:
                await store.sync(
                    (api, HEDGED), EURUSD, "M1", since, NOW, progress=cancel_at_the_fourth
                )
            there = store.read(EURUSD, "M1")
            assert there == expected[len(expected) - len(there) :]
        assert there == expected
    assert calls > 2
    # Each page once, and in each call one for what is new.
    assert answers <= len(expected) // (QUIRKS.bars_page - 1) + 1 + calls


async def test_what_progress_raises_ends_it_and_what_came_is_kept(
    tmp_path: Path, autojump_clock
) -> None:
    store, since = Store(tmp_path), NOW - 3 * DAY

    def tired(progress: Progress) -> None:
        raise LookupError(progress.rows)

    async with at() as (api, _):
        with pytest.raises(LookupError) as caught:
            await store.sync((api, HEDGED), EURUSD, "M1", since, NOW, progress=tired)
        assert len(store.read(EURUSD, "M1")) == caught.value.args[0] > 600


def years_of(folder: Path) -> set[str]:
    return {path.stem for path in folder.rglob("*.parquet")}


async def test_before_history_begins_there_is_nothing_to_ask_for_twice(
    tmp_path: Path, autojump_clock
) -> None:
    store = Store(tmp_path)
    async with at(since=NOW - 400 * DAY) as (api, _):
        await store.sync((api, HEDGED), EURUSD, "W1", "2010-01-01", NOW)
        ((start, _),) = store.covered(EURUSD, "W1")
        assert start == datetime(2010, 1, 1, tzinfo=UTC)
        assert years_of(tmp_path) == {"2025", "2026"}
        answers: list[Progress] = []
        span = EURUSD, "W1", "2010-01-01", NOW
        assert await store.sync((api, HEDGED), *span, progress=answers.append) == 0
        assert len(answers) <= 1


async def test_a_file_that_is_deleted_is_downloaded_again(tmp_path: Path, autojump_clock) -> None:
    store, since = Store(tmp_path), NOW - 5 * DAY
    async with at() as (api, _):
        await store.sync((api, HEDGED), EURUSD, "M1", since, NOW)
        before = store.read(EURUSD, "M1")
        (tmp_path / "bars/symbol=1/period=M1/2026-02.parquet").unlink()
        assert len(store.read(EURUSD, "M1")) < len(before)
        assert await store.sync((api, HEDGED), EURUSD, "M1", since, NOW) > 0
        assert store.read(EURUSD, "M1") == before


async def test_only_what_the_server_has_can_be_kept(tmp_path: Path, autojump_clock) -> None:
    async with at() as (api, _):
        with pytest.raises(InvalidValue, match="no M20 bars: keep M10"):
            await Store(tmp_path).sync((api, HEDGED), EURUSD, "M20", NOW - DAY, NOW)
        with pytest.raises(InvalidValue, match="is after end"):
            await Store(tmp_path).sync((api, HEDGED), EURUSD, "M1", NOW, NOW - 1)
    assert not years_of(tmp_path)


# --- one writer, killed or not ---


async def test_two_tasks_do_not_write_the_same_series(tmp_path: Path, autojump_clock) -> None:
    store, since = Store(tmp_path), NOW - 21 * DAY  # some seconds at 5 a second
    async with at() as (api, _), trio.open_nursery() as nursery:
        nursery.start_soon(store.sync, (api, HEDGED), EURUSD, "M1", since, NOW)
        nursery.start_soon(store.sync, (api, HEDGED), EURUSD, "M5", since, NOW)
        await trio.sleep(0.1)
        with pytest.raises(StoreInUse, match="somebody else is writing M1 of symbol 1 in "):
            await store.sync((api, HEDGED), EURUSD, "M1", since, NOW)
        store.read(EURUSD, "M1")  # for which nobody needs a lock
    assert len(store.read(EURUSD, "M1")) > len(store.read(EURUSD, "M5")) > 0


WRITER = """
import sys
from array import array
from ctrader_typed.market import Bars, Page, Period, Store

store, rows = Store(sys.argv[1]), 500
at = {midnight}
for n in range(10_000):
    at -= rows * 60_000  # as a download goes: back in time
    times = range(at, at + rows * 60_000, 60_000)
    column = array("q", (time // 60_000 % 9_973 for time in times))
    bars = Bars(1, Period.M1, 5, array("q", times), *[column] * 5)
    store.add(Page(bars, at, at + rows * 60_000))
    print(at, flush=True)
"""


def test_killed_at_any_moment_nothing_stored_is_lost(tmp_path: Path) -> None:
    for kill_after in (1, 4):
        folder = tmp_path / str(kill_after)
        command = [sys.executable, "-c", WRITER.format(midnight=MIDNIGHT), str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            said = [int(writer.stdout.readline()) for _ in range(kill_after)]
            writer.kill()
            said += map(int, writer.stdout.read().split())
        store = Store(folder)
        bars = store.read(1, "M1")
        ((start, end),) = store.covered(1, "M1")
        assert end == utc(MIDNIGHT)
        assert start <= utc(said[-1])  # what it said that it had stored, and at most one page more
        assert list(bars.time) == list(range(int(start.timestamp() * 1000), MIDNIGHT, MINUTE))
        assert list(bars.close) == [time // MINUTE % 9_973 for time in bars.time]
        assert store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + 9 * MINUTE)) == 9
        names = {path.name for path in folder.rglob("*.*") if path.is_file()}
        assert all(name.endswith((".lock", ".parquet")) for name in names)


def test_who_reads_while_another_process_writes_sees_no_gap(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER.format(midnight=MIDNIGHT), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        seen, store = set[int](), Store(tmp_path)
        while len(seen) < 9:
            ((start, end),) = store.covered(1, "M1")
            bars = store.read(1, "M1")  # what is complete by now, and maybe more
            assert end == utc(MIDNIGHT)
            assert bars[0].opened <= start
            assert list(bars.time) == list(range(bars.time[0], MIDNIGHT, MINUTE))
            seen.add(len(bars))
            writer.stdout.readline()
        writer.kill()


def test_killed_between_two_files_it_leaves_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pages come: the newest first."""
    store, change = Store(tmp_path), Shelf._change
    store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + 9 * MINUTE))
    over_the_turn = minutes(-2_000, 2_000)

    def once(shelf: Shelf, file: Any, pieces: Any) -> int:
        if file.name == "2026-02.parquet":
            raise KeyboardInterrupt
        return change(shelf, file, pieces)

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "_change", once)
        with pytest.raises(KeyboardInterrupt):
            store.add(page(over_the_turn, over_the_turn[0].time, MIDNIGHT))
    assert store.read(EURUSD, "M1") == over_the_turn[-DAY // MINUTE :] + minutes(0, 9)
    assert len(store.covered(EURUSD, "M1")) == 1


SYNCER = """
import os
import sys
import trio
from trio.testing import MockClock
from ctrader_typed import connect_over
from ctrader_typed.market import Store, store
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.catalogue import Catalogue
from mockserver.broker.quirks import Quirks
from mockserver.broker.seeded import SeededPrices
from mockserver.server import mock_server

async def main():
    store.ENOUGH = 500
    prices = SeededPrices(Catalogue.standard(), 7)
    broker = Broker(quirks=Quirks(bars_page=700, ticks_page=400), start_ms={now}, prices=prices)
    broker.open_account(HEDGED, deposit=10_000)
    async with (
        mock_server(Box(broker, standard_credentials(broker)), port=None) as server,
        connect_over(server.memory_client("tcp")) as api,
    ):
        await api.auth(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            access_token=ACCESS_TOKEN,
            account_id=HEDGED,
        )
        what, since = sys.argv[2], int(sys.argv[3])
        await Store(sys.argv[1]).sync((api, HEDGED), 1, what, since, {now}, progress=answered)

left = int(sys.argv[4])

def answered(progress):
    global left
    left -= 1
    if left == 0:
        os._exit(9)  # no `finally`, no buffer, no lock let go

trio.run(main, clock=MockClock(autojump_threshold=0))
"""


def killed_while_it_syncs(folder: Path, what: str, since: int, answers: int) -> None:
    """Gone when it has had so many answers of the server."""
    code = SYNCER.format(now=NOW)
    command = [sys.executable, "-c", code, str(folder), what, str(since), str(answers)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (9, "")


@pytest.mark.parametrize(
    ("what", "since", "each"), [("M1", NOW - 9 * DAY, 4), ("ticks", NOW - 2 * HOUR, 4)]
)
async def test_killed_while_it_syncs_it_goes_on_from_there(
    tmp_path: Path, autojump_clock, what: Any, since: int, each: int
) -> None:
    store = Store(tmp_path)
    async with at() as (api, _):
        expected: Bars | QuoteTicks = (
            await history.ticks(api, HEDGED, EURUSD, since, NOW)
            if what == "ticks"
            else await history.bars(api, HEDGED, EURUSD, what, since, NOW)
        )
        kept, everything = 0, set(rows_of(expected))
        for _ in range(2):
            killed_while_it_syncs(tmp_path, what, since, each)
            part = "bid" if what == "ticks" else what
            there = store.read(EURUSD, part)
            assert len(there) > kept  # what was there is there, and more
            kept = len(there)
            assert store.covered(EURUSD, part)
            if what != "ticks":
                assert set(rows_of(there)) < everything
        answers: list[Progress] = []
        new = await store.sync((api, HEDGED), EURUSD, what, since, NOW, progress=answers.append)
        assert 0 < new <= answers[-1].rows < new + 700  # no page comes twice, but the newest
        assert store.read(EURUSD, what) == expected


def rows_of(table: Bars | Ticks | QuoteTicks) -> Iterable[tuple[int, ...]]:
    return zip(*(column.values for column in table.columns), strict=True)


HOLDER = """
import sys, time
from pathlib import Path
from ctrader_typed.market.files import held

with held(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_two_processes_do_not_write_the_same_series(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + 9 * MINUTE))
    lock = tmp_path / ".store" / "bars-symbol=1-period=M1.lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreInUse, match="somebody else is writing"):
            store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + 9 * MINUTE))
        assert len(store.read(EURUSD, "M1")) == 9
        other = resample(minutes(0, 120), "H1")
        assert store.add(page(other, MIDNIGHT, MIDNIGHT + 2 * HOUR)) == 2
        holder.kill()
    assert store.add(page(minutes(9, 1), MIDNIGHT + 9 * MINUTE, MIDNIGHT + 10 * MINUTE)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there, locks are msvcrt's")
def test_a_disk_without_locks_is_not_taken_for_another_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(OSError, match="No locks available"):
        Store(tmp_path).add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + 9 * MINUTE))


async def test_with_threads_and_a_clock_that_are_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while a thread writes: that is written to its end."""
    monkeypatch.undo()
    store, since = Store(tmp_path), NOW - HOUR
    loop, writers = threading.get_ident(), set[int]()
    shelf_write = Shelf.write

    def write(shelf: Shelf, pages: Any) -> int:
        writers.add(threading.get_ident())
        trio.from_thread.run_sync(scope.cancel)
        return shelf_write(shelf, pages)

    monkeypatch.setattr(Shelf, "write", write)
    async with at() as (api, _):
        with trio.CancelScope() as scope:
            await store.sync((api, HEDGED), EURUSD, "M1", since, NOW)
        assert store.read(EURUSD, "M1") == await history.bars(api, HEDGED, EURUSD, "M1", since, NOW)
    assert writers
    assert loop not in writers


# --- what goes wrong ---


def test_a_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + HOUR))
    store.add(page(resample(minutes(0, 60), "H1"), MIDNIGHT, MIDNIGHT + HOUR))
    path = tmp_path / "bars" / "symbol=1" / "period=M1" / "2026-03.parquet"
    whole = path.read_bytes()
    foreign = tmp_path / "foreign.parquet"
    minutes(0, 9).write_parquet(foreign)
    for damaged in (
        b"",
        whole[:-9],
        b"PAR1" + bytes(len(whole)),
        foreign.read_bytes(),
        (path.parent.parent / "period=H1" / "2026.parquet").read_bytes(),
    ):
        path.write_bytes(damaged)
        wanted = r"2026-03\.parquet is not as a store writes it .*: delete it, and what was in it"
        with pytest.raises(StoreDamaged, match=wanted):
            store.covered(EURUSD, "M1")
        with pytest.raises(StoreDamaged, match=wanted):
            store.read(EURUSD, "M1")
        with pytest.raises(StoreDamaged, match=wanted):
            store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + HOUR))
        assert path.read_bytes() == damaged
    path.unlink()
    assert store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + HOUR)) == 9


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + HOUR))

    def no_right(path: str, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(pq, "ParquetFile", no_right)
    for read_it in (store.read, store.covered):
        with pytest.raises(PermissionError, match="Permission denied"):
            read_it(EURUSD, "M1")


def test_a_bit_that_has_turned_over_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(page(minutes(0, 900), MIDNIGHT, MIDNIGHT + 15 * HOUR))
    (path,) = tmp_path.rglob("*.parquet")
    whole = path.read_bytes()
    rows = pq.read_metadata(path).row_group(0)
    for column in map(rows.column, range(rows.num_columns)):
        beyond = column.data_page_offset + column.total_compressed_size
        damaged = bytearray(whole)
        damaged[beyond - 9] ^= 8
        path.write_bytes(damaged)
        with pytest.raises(StoreDamaged, match="delete it"):
            store.read(EURUSD, "M1")


def test_a_disk_that_is_full_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + HOUR))

    def full(path: Path, *_: object) -> None:
        path.write_bytes(b"PAR1 and then")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ctrader_typed.market.shelf.parts.write", full)
        with pytest.raises(OSError, match="No space left"):
            store.add(page(minutes(0, 60), MIDNIGHT, MIDNIGHT + HOUR))
    assert store.read(EURUSD, "M1") == minutes(0, 9)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"bars-symbol=1-period=M1.lock", "2026-03.parquet"}


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingLibrary, match=r'pip install "ctrader-typed\[parquet\]"'):
        store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + HOUR))


async def test_the_example_runs(capsys: pytest.CaptureFixture[str], autojump_clock) -> None:
    await example.main()
    said = capsys.readouterr().out
    assert "0 came the second time" in said
    assert "quotes, the first at 12:0" in said
