"""Tables in other libraries: without a copy where that is said, exact, and clear when missing."""

from __future__ import annotations

import gc
import subprocess
import sys
from array import array
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import nanoarrow
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.errors import InvalidValue, MissingLibrary
from ctrader_typed.market import Bars, Period, QuoteTicks, Ticks

ROOT = Path(__file__).parents[3]
NOON = 1_767_268_800_000  # 2026-01-01T12:00Z
BARS = Bars(
    1,
    Period.M1,
    5,
    array("q", [NOON, NOON + 60_000]),
    array("q", [114_880, 114_891]),
    array("q", [114_899, 114_893]),
    array("q", [114_873, -114_880]),
    array("q", [114_891, 114_882]),
    array("q", [17, 2]),
)
BIDS = Ticks(1, 5, "bid", array("q", [NOON + 2, NOON + 3]), array("q", [114_880, 114_881]))
ASKS = Ticks(1, 5, "ask", array("q", [NOON + 1, NOON + 3]), array("q", [114_884, 114_885]))
QUOTES = QuoteTicks.of(BIDS, ASKS)
EMPTY = Bars(1, Period.M1, 5)
raw_prices = st.integers(-(10**12), 10**12)


def address(values: array[int]) -> int:
    return values.buffer_info()[0]


def addresses(exporter: object) -> list[int]:
    """Where the values of each column lie that a table hands over."""
    return [column.chunk(0).buffers()[1].address for column in pa.table(exporter).columns]


# --- without a copy ---


@pytest.mark.parametrize("table", [BARS, BIDS, QUOTES])
def test_the_arrow_interface_hands_over_our_own_memory(table: Any) -> None:
    own = [address(values) for values in table.arrays]
    assert addresses(table) == own
    assert addresses(table.to_arrow("raw")) == own
    view = nanoarrow.c_array(table).view()
    assert [child.buffer(1)._addr() for child in view.children] == own
    stream = pa.RecordBatchReader.from_stream(table).read_all()
    assert [column.chunk(0).buffers()[1].address for column in stream.columns] == own


@pytest.mark.parametrize("table", [BARS, BIDS])
def test_polars_works_on_our_own_memory(table: Any) -> None:
    own = [address(values) for values in table.arrays]
    for frame in (pl.DataFrame(table), table.to_polars("raw")):
        physical = [series.to_physical().to_numpy(allow_copy=False) for series in frame]
        assert [values.ctypes.data for values in physical] == own
    assert table.to_polars()["time"].to_physical().to_numpy(allow_copy=False).ctypes.data == own[0]


def test_numpy_works_on_our_own_memory_and_does_not_write_to_it() -> None:
    columns = BARS.to_numpy("raw")
    assert [v.ctypes.data for v in columns.values()] == [address(v) for v in BARS.arrays]
    with pytest.raises(ValueError, match="read-only"):
        columns["open"][0] = 1


def test_pandas_works_on_our_own_memory_and_does_not_write_to_it() -> None:
    frame = BARS.to_pandas("raw")
    for name in ("open", "high", "low", "close", "volume"):
        assert frame[name].to_numpy().ctypes.data == address(getattr(BARS, name))
    before = BARS[:]
    with suppress(ValueError):  # or it makes a copy
        frame.iloc[0, 0] = 1
    assert before == BARS


def test_memory_outlives_the_table_and_does_not_move_meanwhile() -> None:
    ticks = Ticks(1, 5, "bid", array("q", [NOON]), array("q", [114_880]))
    frame = pl.DataFrame(ticks)
    with pytest.raises(BufferError):
        ticks.price.append(1)
    del ticks
    gc.collect()
    assert frame.rows() == [(frame["time"][0], 114_880)]


@pytest.mark.parametrize("prices", ["float", "raw"])
@pytest.mark.parametrize("method", ["to_polars", "to_pandas", "to_numpy", "to_arrow"])
def test_memory_is_let_go_of(method: str, prices: str) -> None:
    ticks = Ticks(1, 5, "bid", array("q", range(9)), array("q", range(9)))
    before = [sys.getrefcount(values) for values in (ticks.time, ticks.price)]
    frame = getattr(ticks, method)(prices)
    del frame
    gc.collect()
    assert [sys.getrefcount(values) for values in (ticks.time, ticks.price)] == before
    ticks.time.append(9)
    ticks.price.append(9)


def test_what_nobody_took_is_let_go_of_too() -> None:
    ticks = Ticks(1, 5, "bid", array("q", range(9)), array("q", range(9)))
    stream, batch = ticks.__arrow_c_stream__(), ticks.__arrow_c_array__()
    with pytest.raises(BufferError):
        ticks.price.append(9)
    del stream, batch
    gc.collect()
    ticks.price.append(9)


# --- types and values ---


def test_types_say_what_the_numbers_are() -> None:
    schema = nanoarrow.Schema(QUOTES)
    assert [field.name for field in schema.fields] == ["time", "bid", "ask"]
    time, bid, ask = schema.fields
    assert (time.unit, time.timezone) == (nanoarrow.TimeUnit.MILLI, "UTC")
    assert (time.nullable, bid.nullable, ask.nullable) == (False, True, False)
    assert dict(bid.metadata.items()) == {b"scale": b"100000"}
    assert not dict(nanoarrow.Schema(BARS).field(5).metadata.items())
    assert pa.schema(BARS).field("time").type == pa.timestamp("ms", "UTC")


def test_polars() -> None:
    frame = BARS.to_polars()
    assert frame.schema == {
        "time": pl.Datetime("ms", "UTC"),
        **dict.fromkeys(("open", "high", "low", "close"), pl.Float64),
        "volume": pl.Int64,
    }
    assert frame["low"].to_list() == [1.14873, -1.1488]
    assert frame["time"].to_list() == [bar.opened for bar in BARS]
    assert QUOTES.to_polars()["bid"].to_list() == [None, 1.1488, 1.14881]
    assert QUOTES.to_polars("raw")["bid"].to_list() == [None, 114_880, 114_881]


def test_pandas() -> None:
    frame = BARS.to_pandas()
    assert frame.index.equals(pd.DatetimeIndex([bar.opened for bar in BARS]))
    assert (frame.index.name, str(frame.index.dtype)) == ("time", "datetime64[ms, UTC]")
    assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
    assert frame["close"].tolist() == [1.14891, 1.14882]
    hours = frame.resample("1h").agg({"high": "max", "volume": "sum"})
    assert hours.to_numpy().tolist() == [[1.14899, 19]]
    quotes = QUOTES.to_pandas()
    assert np.isnan(quotes["bid"].iloc[0])
    assert quotes["bid"].tolist()[1:] == [1.1488, 1.14881]
    raw = QUOTES.to_pandas("raw")
    assert raw["bid"].isna().tolist() == [True, False, False]
    assert raw["bid"].tolist()[1:] == [114_880, 114_881]
    assert (str(raw["bid"].dtype), str(raw["ask"].dtype)) == ("Int64", "int64")


def test_numpy() -> None:
    columns = BARS.to_numpy()
    assert columns["time"].dtype == np.dtype("datetime64[ms]")
    assert str(columns["time"][1]) == "2026-01-01T12:01:00.000"
    assert columns["open"].tolist() == [1.1488, 1.14891]
    assert columns["volume"].tolist() == [17, 2]
    assert np.isnan(QUOTES.to_numpy()["bid"]).tolist() == [True, False, False]
    assert QUOTES.to_numpy("raw")["bid"].tolist() == [0, 114_880, 114_881]


def test_arrow() -> None:
    assert BARS.to_arrow()["low"].to_pylist() == [1.14873, -1.1488]
    decimals = BARS.to_arrow("decimal")
    assert decimals.schema.field("low").type == pa.decimal128(18, 5)
    assert decimals["low"].to_pylist() == [Decimal("1.14873"), Decimal("-1.14880")]
    assert QUOTES.to_arrow("decimal")["bid"].to_pylist()[0] is None
    decimals.validate(full=True)


@given(st.lists(raw_prices, min_size=1))
def test_floats_are_the_nearest_and_decimals_exact(prices: list[int]) -> None:
    ticks = Ticks(1, 5, "bid", array("q", range(len(prices))), array("q", prices))
    exact = [Decimal(price).scaleb(-5) for price in prices]
    nearest = [float(price) for price in exact]
    assert ticks.to_polars()["price"].to_list() == nearest
    assert ticks.to_numpy()["price"].tolist() == nearest
    assert ticks.to_pandas()["price"].tolist() == nearest
    assert ticks.to_arrow()["price"].to_pylist() == nearest
    assert ticks.to_arrow("decimal")["price"].to_pylist() == exact


@pytest.mark.parametrize("prices", ["float", "raw"])
def test_nothing_is_a_table_too(prices: Any) -> None:
    assert EMPTY.to_polars(prices).shape == (0, 6)
    assert EMPTY.to_pandas(prices).shape == (0, 5)
    assert EMPTY.to_arrow(prices).num_rows == 0
    assert len(EMPTY.to_numpy(prices)["open"]) == 0
    assert EMPTY.to_arrow("decimal").num_rows == 0


@pytest.mark.parametrize("method", ["to_polars", "to_pandas", "to_numpy", "to_arrow"])
def test_prices_of_another_kind_are_refused(method: str, tmp_path: Path) -> None:
    wrong: Any = "decimals" if method == "to_arrow" else "decimal"
    with pytest.raises(InvalidValue, match=rf"prices = '{wrong}': expected one of 'float', 'raw'"):
        getattr(BARS, method)(wrong)
    with pytest.raises(InvalidValue, match="expected one of 'float', 'raw', 'decimal'"):
        BARS.write_parquet(tmp_path / "bars.parquet", "exact")  # type: ignore[arg-type]


def test_duckdb_reads_the_table_itself(tmp_path: Path) -> None:
    quotes = QUOTES.to_arrow("raw")
    found = duckdb.sql("select count(*), count(bid), max(ask) from quotes").fetchall()
    assert found == [(quotes.num_rows, 2, 114_885)]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "quotes.parquet"
    QUOTES.write_parquet(path)
    assert pq.read_table(path).equals(QUOTES.to_arrow("decimal"))
    assert pl.read_parquet(path)["bid"].to_list()[1:] == [Decimal("1.14880"), Decimal("1.14881")]
    BARS.write_parquet(str(path), "float")
    assert pd.read_parquet(path)["low"].tolist() == [1.14873, -1.1488]
    BARS.write_parquet(path, "raw")
    assert pl.read_parquet(path).equals(BARS.to_polars("raw"))
    with pytest.raises(FileNotFoundError):
        BARS.write_parquet(tmp_path / "missing" / "bars.parquet")


# --- libraries that are missing ---


@pytest.mark.parametrize(
    ("call", "missing", "extra"),
    [
        ("to_polars", "polars", "polars"),
        ("to_polars", "nanoarrow", "polars"),
        ("to_pandas", "pandas", "pandas"),
        ("to_pandas", "numpy", "numpy"),
        ("to_numpy", "numpy", "numpy"),
        ("to_arrow", "pyarrow", "parquet"),
        ("to_arrow", "nanoarrow", "parquet"),
        ("write_parquet", "pyarrow", "parquet"),
        ("__arrow_c_stream__", "nanoarrow", "polars"),
        ("__arrow_c_array__", "nanoarrow", "polars"),
        ("__arrow_c_schema__", "nanoarrow", "polars"),
    ],
)
def test_a_library_that_is_missing_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, call: str, missing: str, extra: str, tmp_path: Path
) -> None:
    arguments = [tmp_path / "bars.parquet"] if call == "write_parquet" else []
    for name in list(sys.modules):
        if name.partition(".")[0] == missing:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingLibrary, match=rf'pip install "ctrader-typed\[{extra}\]"') as caught:
        getattr(BARS, call)(*arguments)
    assert isinstance(caught.value, ImportError)
    assert missing in str(caught.value)


def test_importing_the_market_imports_none_of_them() -> None:
    code = (
        "import sys, ctrader_typed.market; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    imported = set(done.stdout.split())
    assert "ctrader_typed" in imported
    assert not {"numpy", "pandas", "polars", "pyarrow", "nanoarrow", "rich"} & imported
