"""What is in the files of a store comes out as it went in, and what is damaged is named."""

from __future__ import annotations

import errno
import sys
from array import array
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    MissingLibrary,
    StoreDamaged,
)
from ctrader_typed.market import Bars, Period
from ctrader_typed.market.resample import resample
from ctrader_typed.market.store.file_format import Content, read, write
from ctrader_typed.market.store.series import Series
from ctrader_typed.market.store.spans import clipped, in_both, joined, missing
from ctrader_typed.market.store.store import Store
from tests.ctrader_typed.market.stores import (
    EURUSD,
    HOUR,
    MIDNIGHT,
    in_one_folder,
    minutes,
    page,
    ticks,
)

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
        patch.setattr("ctrader_typed.market.store.partition.file_format.write", full)
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
