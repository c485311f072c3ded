"""Prices out of files: what is read, and what a bad file is told."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed.proto import SCHEMA
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.prices import Quote, Tick
from mockserver.broker.market.tick_files import TickFileError, from_session, read_csv, read_parquet
from mockserver.recordings.session_file import Session, read_session

NOW = 1_789_757_115_211
GOOD = (
    "time,symbol,bid,ask\n"
    "1789757115211,EURUSD,1.14815,\n"
    "1789757115211,1,,1.14817\n"
    "2026-09-18T18:45:16.211Z,XAUUSD,3684.12,3684.35\n"
    "2026-09-18T20:45:17+02:00,EURUSD,1.1482,1.1483\n"
    "2026-09-18T18:45:18,EURUSD,1.1483,\n"
)


def write(folder: Path, text: str) -> Path:
    path = folder / "ticks.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_file(tmp_path: Path, catalogue: Instruments) -> None:
    prices = read_csv(write(tmp_path, GOOD), catalogue)
    assert list(prices.ticks(1, 0, NOW * 2)) == [
        Tick(1, NOW, 114_815, None),
        Tick(1, NOW, None, 114_817),
        Tick(1, NOW + 1_789, 114_820, 114_830),
        Tick(1, NOW + 2_789, 114_830, None),
    ]
    assert list(prices.ticks(41, 0, NOW * 2)) == [Tick(41, NOW + 1_000, 368_412_000, 368_435_000)]
    assert prices.span() == (NOW, NOW + 2_789)
    assert prices.quote(1, NOW + 10_000) == (114_830, 114_830)
    assert prices.quote(1, NOW) == Quote(None, None)
    assert prices.next_at(1, NOW + 1) == NOW + 1_789
    assert prices.next_at(1, NOW + 10_000) is None
    assert prices.next_at(9, 0) is None
    assert prices.shifted(-NOW).span() == (0, 2_789)


def test_a_csv_file_of_one_symbol(tmp_path: Path, catalogue: Instruments) -> None:
    path = write(tmp_path, "time,bid,ask\n5,1.1,1.2\n")
    (tick,) = read_csv(path, catalogue, "EURUSD").ticks(1, 0, 9)
    assert tick == Tick(1, 5, 110_000, 120_000)


HEAD = "time,symbol,bid,ask\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,bid\n5,1.1\n", r"expected the columns .*, \['ask', 'symbol'\] are missing"),
        ("", "are missing"),
        (HEAD + "5,X,1,2\n", "row 2: expected a symbol of the catalogue, got 'X'"),
        (HEAD + "5,77,1,2\n", "row 2: expected a symbol of the catalogue, got '77'"),
        (HEAD + "5,1,,\n", "row 2: expected a bid, an ask or both"),
        (HEAD + "5,1,1,2\nnoon,1,1,2\n", "row 3: expected a time in ms or ISO 8601, got 'noon'"),
        (HEAD + "5,1,one,2\n", "row 2: expected a price, got 'one'"),
        (HEAD + "5,1,-1,2\n", "row 2: expected a positive price, got '-1'"),
        (HEAD + "5,1,1.123456,2\n", "row 2: expected a price with at most five"),
        (HEAD + "5,1,NaN,2\n", "row 2: expected a price"),
    ],
)
def test_a_bad_csv_file(tmp_path: Path, catalogue: Instruments, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(TickFileError, match=message) as caught:
        read_csv(path, catalogue)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path, catalogue: Instruments) -> None:
    with pytest.raises(TickFileError, match=r"nope\.csv cannot be read"):
        read_csv(tmp_path / "nope.csv", catalogue)


def test_a_file_that_is_not_text(tmp_path: Path, catalogue: Instruments) -> None:
    path = tmp_path / "ticks.csv"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(TickFileError, match="cannot be read"):
        read_csv(path, catalogue)


def test_a_file_without_ticks_has_no_span(tmp_path: Path, catalogue: Instruments) -> None:
    prices = read_csv(write(tmp_path, "time,symbol,bid,ask\n"), catalogue)
    with pytest.raises(ValueError, match="expected at least one tick"):
        prices.span()


# --- Parquet

WHEN = datetime.fromtimestamp(NOW / 1000, UTC)
ROWS: list[dict[str, Any]] = [
    {"time": WHEN, "symbol": "EURUSD", "bid": 1.14815, "ask": None},
    {"time": WHEN + timedelta(seconds=1), "symbol": "EURUSD", "bid": None, "ask": 1.2},
]
TICKS = [Tick(1, NOW, 114_815, None), Tick(1, NOW + 1000, None, 120_000)]


def test_parquet_with_pyarrow(tmp_path: Path, catalogue: Instruments) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "ticks.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(ROWS), path)
    assert list(read_parquet(path, catalogue).ticks(1, 0, 2 * NOW)) == TICKS


def test_parquet_with_polars(
    tmp_path: Path, catalogue: Instruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    path = tmp_path / "ticks.parquet"
    polars.DataFrame(ROWS).write_parquet(path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert list(read_parquet(path, catalogue).ticks(1, 0, 2 * NOW)) == TICKS
    path.write_bytes(b"no Parquet")
    with pytest.raises(TickFileError, match="cannot be read"):
        read_parquet(path, catalogue)


def test_bad_parquet_with_pyarrow(tmp_path: Path, catalogue: Instruments) -> None:
    pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "ticks.parquet"
    with pytest.raises(TickFileError, match="cannot be read"):
        read_parquet(path, catalogue)
    path.write_bytes(b"no Parquet")
    with pytest.raises(TickFileError, match="cannot be read"):
        read_parquet(path, catalogue)


class Library:
    """Stands in for pyarrow.parquet where it is not installed: it has rows, or fails."""

    def __init__(self, rows: list[dict[str, Any]] | None) -> None:
        self._rows = rows

    def read_table(self, path: str) -> Library:
        if self._rows is None:
            raise OSError(f"{path} is torn")
        return self

    def to_pylist(self) -> list[dict[str, Any]]:
        assert self._rows is not None
        return self._rows


def test_rows_of_a_library_become_ticks(
    catalogue: Instruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", Library(None))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", Library(ROWS))
    assert list(read_parquet("x.parquet", catalogue).ticks(1, 0, 2 * NOW)) == TICKS
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", Library([]))
    with pytest.raises(TickFileError, match="are missing"):
        read_parquet("x.parquet", catalogue)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", Library(None))
    with pytest.raises(TickFileError, match=r"x\.parquet cannot be read: x\.parquet is torn"):
        read_parquet("x.parquet", catalogue)


def test_parquet_without_a_library_says_what_to_install(
    catalogue: Instruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(TickFileError, match=r"needs pyarrow or polars; install one, .*pip install"):
        read_parquet("ticks.parquet", catalogue)


# --- sessions


def test_the_quotes_of_a_recorded_session(recorded_market: Session) -> None:
    prices = from_session(recorded_market)
    assert list(prices.ticks(1, 0, 2 * NOW))[:3] == [
        Tick(1, 1_789_757_115_464, 114_815, None),
        Tick(1, 1_789_757_120_255, 114_814, 114_814),
        Tick(1, 1_789_757_129_704, None, 114_820),
    ]
    assert prices.span() == (NOW, 1_789_757_163_811)


def test_a_session_without_timestamps_goes_by_its_own_time() -> None:
    start = '{{"direction": "{}", "payloadType": 2131, "t": {}, "payload": '
    line = start + '{{"ctidTraderAccountId": 5, "symbolId": 1, "bid": 7}}}}'
    session = read_session([line.format("server", 1.5), line.format("client", 2)], SCHEMA)
    prices = from_session(session, start_ms=10_000)
    assert list(prices.ticks(1, 0, 20_000)) == [Tick(1, 11_500, 7, None)]


def test_a_session_without_quotes() -> None:
    session = read_session(
        ['{"direction": "server", "payloadType": 2105, "t": 0, "payload": {"version": "91"}}'],
        SCHEMA,
        "talk",
    )
    with pytest.raises(TickFileError, match="talk has no spot events"):
        from_session(session)
