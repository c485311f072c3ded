"""Bars as columns: rows, slices, joins, and how they are read from the wire and shown."""

from __future__ import annotations

import copy
import pickle
from array import array
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ctrader_typed.errors import DecodeError, InvalidValue
from ctrader_typed.market import Bar, Bars, Period
from ctrader_typed.message import codec
from ctrader_typed.message.columns import Columns, decode_columns
from ctrader_typed.proto import ProtoOAGetTrendbarsRes, ProtoOATrendbar

MINUTE = 60_000
NEW_YEAR = 1_767_225_600_000  # 2026-01-01


def bars(count: int, first: int = 0, price: int = 114_880) -> Bars:
    """So many M1 bars from the so-manyth minute of 2026 on."""
    rows = [
        (NEW_YEAR + n * MINUTE, price + n, price + n + 9, price + n - 9, price + n + 1, 7 + n)
        for n in range(first, first + count)
    ]
    return Bars(1, Period.M1, 5, *map(array, "qqqqqq", zip(*rows, strict=True)))


TEN = bars(10)


def test_a_row_has_integers_decimals_and_a_time() -> None:
    bar = TEN[1]
    assert bar == (NEW_YEAR + MINUTE, 114_881, 114_890, 114_872, 114_882, 8, 5)
    assert bar == Bar(NEW_YEAR + MINUTE, 114_881, 114_890, 114_872, 114_882, 8)
    assert bar.opened == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    prices = bar.open_price, bar.high_price, bar.low_price, bar.close_price
    assert prices == tuple(map(Decimal, ("1.14881", "1.14890", "1.14872", "1.14882")))
    assert str(bar._replace(close=2_528_164_000, digits=2).close_price) == "25281.64"


def test_a_sequence_of_rows() -> None:
    rows = list(TEN)
    assert len(TEN) == len(rows) == 10
    assert [TEN[n] for n in range(10)] == rows
    assert [TEN[n - 10] for n in range(10)] == rows
    assert list(reversed(TEN)) == rows[::-1]
    assert rows[3] in TEN
    for wrong in (10, -11):
        with pytest.raises(IndexError, match=rf"row {wrong} of 10"):
            TEN[wrong]


@given(st.slices(10).filter(lambda s: s.step is None or s.step > 0))
def test_a_slice_is_of_the_same_kind(part: slice) -> None:
    taken = TEN[part]
    assert isinstance(taken, Bars)
    assert list(taken) == list(TEN)[part]
    assert taken.kin == TEN.kin


def test_slices_do_not_go_backwards() -> None:
    with pytest.raises(InvalidValue, match=r"step = -1: rows stay in order; see reversed\(\)"):
        TEN[::-1]


def test_equal_by_what_it_holds() -> None:
    assert bars(10) == TEN
    assert TEN[:9] != TEN
    assert Bars(2, *TEN.kin[1:], *TEN.arrays) != TEN
    assert Bars(1, Period.M2, 5, *TEN.arrays) != TEN
    assert list(TEN) != TEN
    assert TEN == pickle.loads(pickle.dumps(TEN)) == copy.deepcopy(TEN)
    with pytest.raises(TypeError, match="unhashable"):
        hash(TEN)


def test_columns_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"columns of one length expected, not .*'volume': 0"):
        Bars(1, Period.M1, 5, *(array("q", [1]) for _ in range(5)))
    with pytest.raises(InvalidValue, match=r"columns are array\('q'\), and time is not"):
        Bars(1, Period.M1, 5, array("d", [1]), *(array("q", [1]) for _ in range(5)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        (None, None, range(10)),
        ("2026-01-01T00:03", None, range(3, 10)),
        ("2026-01-01T00:03:00.001", "2026-01-01T00:05", range(4, 5)),
        (None, datetime(2026, 1, 1, 9, 2, tzinfo=UTC) - timedelta(hours=9), range(2)),
        (date(2026, 1, 1), NEW_YEAR + MINUTE, range(1)),
        (date(2027, 1, 1), None, range(0)),
        ("2026-01-01T00:05", "2026-01-01T00:03", range(0)),
    ],
)
def test_between_two_times(start: Any, end: Any, rows: range) -> None:
    assert list(TEN.between(start, end)) == [TEN[n] for n in rows]


def test_between_refuses_what_is_no_time() -> None:
    with pytest.raises(InvalidValue, match="end"):
        TEN.between(end="yesterday")


# --- joined ---


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1), st.randoms())
def test_parts_join_without_duplicates(cuts: list[tuple[int, int]], random: Any) -> None:
    parts = [TEN[min(cut) : max(cut)] for cut in cuts]
    there = sorted({n for cut in cuts for n in range(min(cut), max(cut))})
    joined = Bars.concat(parts)
    assert list(joined) == [TEN[n] for n in there]
    random.shuffle(parts)
    assert Bars.concat(parts) == joined


def test_of_two_the_later_bar_counts() -> None:
    other = bars(3, first=4, price=120_000)
    assert TEN + other == TEN[:4] + other + TEN[7:]
    assert other + TEN == TEN
    assert Bars.concat([TEN[8:], other, TEN[:5]]) == TEN[:5] + other[1:] + TEN[8:]


def test_what_is_joined_is_new() -> None:
    part = TEN[:5]
    joined = part + TEN[5:]
    joined.time.append(0)
    assert part == TEN[:5]


def test_only_what_is_of_one_kind_is_joined() -> None:
    empty = Bars(1, Period.M1, 5)
    assert len(empty) == 0
    assert empty + TEN == TEN + empty == TEN
    assert empty + empty == empty
    with pytest.raises(InvalidValue, match="Bars of one kind expected, got none"):
        Bars.concat([])
    with pytest.raises(InvalidValue, match=r"Bars of one kind expected, got \(1, .* and \(2, "):
        Bars.concat([TEN, Bars(2, Period.M1, 5)])


# --- from the wire ---


def answer(*rows: ProtoOATrendbar) -> Columns[ProtoOAGetTrendbarsRes]:
    message = ProtoOAGetTrendbarsRes(
        ctid_trader_account_id=1, period=1, timestamp=0, trendbar=list(rows)
    )
    return decode_columns(ProtoOAGetTrendbarsRes, bytes(message), codec.decode)


def test_differences_to_the_low_and_minutes() -> None:
    found = answer(
        ProtoOATrendbar(
            volume=8,
            low=114_872,
            delta_open=9,
            delta_close=10,
            delta_high=18,
            utc_timestamp_in_minutes=NEW_YEAR // MINUTE + 1,
        ),
        ProtoOATrendbar(volume=1, low=5, utc_timestamp_in_minutes=NEW_YEAR // MINUTE + 2),
    )
    made = Bars.from_wire(found, 1, Period.M1, 5)
    assert made[0] == TEN[1]
    assert made[1] == (NEW_YEAR + 2 * MINUTE, 5, 5, 5, 5, 1, 5)
    assert Bars.from_wire(answer(), 1, Period.M1) == Bars(1, Period.M1, 5)


def test_a_sum_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(DecodeError, match="high: a number does not fit in a column of 64 bits"):
        Bars.from_wire(
            answer(ProtoOATrendbar(volume=1, low=(1 << 63) - 1, delta_high=1)), 1, Period.M1
        )


# --- shown ---


def test_short_ones_are_shown_whole() -> None:
    assert repr(TEN[:1]).splitlines() == [
        "Bars: 1 of M1, symbol 1, bid, UTC",
        "            time     open     high      low    close  volume",
        "2026-01-01 00:00  1.14880  1.14889  1.14871  1.14881       7",
    ]
    assert repr(TEN[:0]) == "Bars: 0 of M1, symbol 1, bid, UTC"
    assert len(repr(bars(11)).splitlines()) == 2 + 11


def test_of_long_ones_head_and_tail_are_shown() -> None:
    many = bars(12_000)
    lines = repr(many).splitlines()
    assert lines[0] == "Bars: 12,000 of M1, symbol 1, bid, UTC"
    assert lines[2].startswith("2026-01-01 00:00")
    assert lines[7].split() == ["…"] * 6
    assert lines[-1].startswith("2026-01-09 07:59")
    assert lines[-1].endswith("12,006")
    assert len(lines) == 2 + 5 + 1 + 5


def test_in_notebooks() -> None:
    html = bars(12_000)._repr_html_()
    assert html.count("<tr>") == 1 + 5 + 1 + 5
    assert "<p>Bars: 12,000 of M1, symbol 1, bid, UTC</p>" in html
    assert "<td>1.14880</td>" in html


def test_by_rich() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(TEN)
    shown = capture.get()
    assert "Bars: 10 of M1" in shown
    assert shown.count("2026-01-01") == 10
