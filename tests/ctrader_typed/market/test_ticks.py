"""Ticks as columns: of one side, and of both; joined however pages cut a millisecond."""

from __future__ import annotations

import pickle
import sys
from array import array
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate
from typing import Literal

import numpy as np  # noqa: F401 - where it is imported, it is used
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrader_typed.errors import DecodeError, InvalidValue
from ctrader_typed.market import QuoteTick, QuoteTicks, Tick, Ticks
from ctrader_typed.message import codec
from ctrader_typed.message.columns import decode_columns
from ctrader_typed.proto import ProtoOAGetTickDataRes, ProtoOATickData

Pairs = Iterable[tuple[int, int]]
NOON = 1_767_268_800_000  # 2026-01-01T12:00Z
# Few times, so that many ticks share a ms.
pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), max_size=20).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)
different = st.lists(st.integers(0, 9), max_size=20).map(
    lambda times: list(zip(sorted(times), range(1, 99), strict=False))
)


def ticks(rows: Pairs, side: Literal["bid", "ask"] = "bid") -> Ticks:
    columns = tuple(zip(*rows, strict=True)) or ((), ())
    return Ticks(1, 5, side, *(array("q", column) for column in columns))


def quotes(bids: Pairs, asks: Pairs) -> QuoteTicks:
    return QuoteTicks.of(ticks(bids), ticks(asks, "ask"))


def test_rows_have_integers_decimals_and_a_time() -> None:
    tick = ticks([(NOON + 5, 114_880)])[0]
    assert tick == (NOON + 5, 114_880, 5)
    assert tick.at == datetime(2026, 1, 1, 12, 0, 0, 5000, tzinfo=UTC)
    assert tick.decimal == Decimal("1.14880")
    assert str(Tick(0, 2_528_164_000, 2).decimal) == "25281.64"
    quote = QuoteTick(NOON, 114_880, 114_885)
    assert quote.at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert (quote.bid_price, quote.ask_price) == (Decimal("1.14880"), Decimal("1.14885"))
    assert quote.spread == Decimal("0.00005")
    half = QuoteTick(NOON, None, 114_885)
    assert (half.bid_price, half.spread) == (None, None)
    assert QuoteTick(NOON, 114_885, None).ask_price is None


# --- from the wire ---


def from_wire(*differences: tuple[int, int]) -> Ticks:
    data = [ProtoOATickData(timestamp=time, tick=price) for time, price in differences]
    message = ProtoOAGetTickDataRes(ctid_trader_account_id=1, tick_data=data, has_more=False)
    answer = decode_columns(ProtoOAGetTickDataRes, bytes(message), codec.decode)
    return Ticks.from_wire(answer, 1, "bid")


def test_differences_of_both_newest_first() -> None:
    """A sample of what a live server sent."""
    sent = (1_789_763_387_232, 114_880), (-651, -1), (-1020, 2), (-300, -1)
    assert list(from_wire(*sent)) == [
        (1_789_763_385_261, 114_880, 5),
        (1_789_763_385_561, 114_881, 5),
        (1_789_763_386_581, 114_879, 5),
        (1_789_763_387_232, 114_880, 5),
    ]
    assert from_wire() == ticks([])


@given(pairs)
def test_ticks_of_one_ms_stay_in_order(rows: list[tuple[int, int]]) -> None:
    newest_first = [(NOON + time, price) for time, price in rows][::-1]
    before = [(0, 0), *newest_first]
    sent = [(t - u, p - q) for (t, p), (u, q) in zip(newest_first, before, strict=False)]
    assert list(accumulate(time for time, _ in sent)) == [time for time, _ in newest_first]
    assert from_wire(*sent) == ticks(newest_first[::-1])


def test_a_sum_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(DecodeError, match="price: a number does not fit"):
        from_wire((0, (1 << 63) - 1), (0, 1))


# --- joined ---


@given(different, st.integers(0, 20))
def test_cut_anywhere_and_joined_again(rows: list[tuple[int, int]], cut: int) -> None:
    whole = ticks(rows)
    assert whole[:cut] + whole[cut:] == whole
    if len(set(whole.time)) > 1:  # or nobody could tell which of two halves of a ms is the first
        assert whole[cut:] + whole[:cut] == whole
    assert whole + whole == whole
    assert Ticks.concat([whole[cut:], whole, whole[:cut]]) == whole


@given(different, st.integers(0, 20), st.integers(0, 20))
@example([(0, 1), (0, 2), (0, 3)], 1, 2)
def test_pages_that_overlap(rows: list[tuple[int, int]], a: int, b: int) -> None:
    """A ms that both have, each of them perhaps only in part, comes once and whole."""
    whole = ticks(rows)
    first, second = whole[: max(a, b)], whole[min(a, b) :]
    assert first + second == whole
    if len(set(whole.time)) > 1:
        assert second + first == whole


def test_a_price_that_comes_back_within_a_ms_is_kept() -> None:
    assert list(ticks([(1, 5), (2, 6), (2, 5), (2, 6)]).price) == [5, 6, 5, 6]
    whole = ticks([(1, 5), (2, 6), (2, 5), (2, 6)])
    assert whole[:2] + whole == whole


def test_sides_do_not_mix() -> None:
    with pytest.raises(InvalidValue, match=r"Ticks of one kind expected, got .*ask.* and .*bid"):
        ticks([]) + ticks([], "ask")
    with pytest.raises(InvalidValue, match=r"side = 'mid' .*: expected one of 'bid', 'ask'"):
        ticks([], "mid")  # type: ignore[arg-type]
    for bids, asks in (("ask", "ask"), ("bid", "bid"), ("ask", "bid")):
        with pytest.raises(InvalidValue, match="bids and asks of one symbol expected: Ticks: 0 of"):
            QuoteTicks.of(ticks([], bids), ticks([], asks))  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="of one symbol"):
        QuoteTicks.of(ticks([]), Ticks(2, 5, "ask"))


# --- both sides ---


def test_each_row_has_the_last_known_of_both() -> None:
    merged = quotes([(2, 10), (4, 11), (4, 12)], [(1, 20), (4, 21), (6, 22)])
    assert [row[:3] for row in merged] == [
        (1, None, 20),
        (2, 10, 20),
        (4, 11, 21),
        (4, 12, 21),
        (6, 12, 22),
    ]
    assert (merged.no_bid, merged.no_ask) == (1, 0)
    assert list(merged.bid) == [0, 10, 11, 12, 12]
    assert merged[0] == (1, None, 20, 5)
    assert merged[-1] == (6, 12, 22, 5)


def test_only_one_side() -> None:
    merged = quotes([], [(1, 20), (2, 21)])
    assert [row[:3] for row in merged] == [(1, None, 20), (2, None, 21)]
    assert len(quotes([], [])) == 0
    assert list(quotes([], [])) == []


@given(pairs, pairs)
def test_merged_as_by_hand(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """Per ms, the n-th bid stands beside the n-th ask."""
    expected: list[tuple[int, int | None, int | None]] = []
    bid = ask = None
    for time in sorted({time for time, _ in bids + asks}):
        of_ms = [[price for at, price in side if at == time] for side in (bids, asks)]
        for n in range(max(map(len, of_ms))):
            bid = of_ms[0][n] if n < len(of_ms[0]) else bid
            ask = of_ms[1][n] if n < len(of_ms[1]) else ask
            expected.append((time, bid, ask))
    merged = quotes(bids, asks)
    assert [row[:3] for row in merged] == expected
    assert [merged[n] for n in range(len(merged))] == list(merged)
    assert "numpy" in sys.modules
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "numpy")
        assert quotes(bids, asks) == merged


def test_times_that_numpy_could_not_pack() -> None:
    far = (1 << 62) + 5
    merged = quotes([(1, 10), (far, 11), (far, 12)], [(far, 20)])
    assert [row[:3] for row in merged] == [(1, 10, None), (far, 11, 20), (far, 12, 20)]


@given(pairs, pairs, st.slices(40).filter(lambda s: s.step is None or s.step > 0))
def test_slices_know_what_is_missing(bids: Pairs, asks: Pairs, part: slice) -> None:
    merged = quotes(bids, asks)
    assert list(merged[part]) == list(merged)[part]
    assert merged == pickle.loads(pickle.dumps(merged))


@given(pairs, pairs, st.integers(0, 40))
def test_sides_go_on_from_one_part_to_the_next(bids: Pairs, asks: Pairs, cut: int) -> None:
    merged = quotes(bids, asks)
    assert merged[:cut] + merged[cut:] == merged
    early, late = quotes([(1, 10)], []), quotes([(3, 11)], [(2, 20)])
    assert [row[:3] for row in late + early] == [(1, 10, None), (2, 10, 20), (3, 11, 20)]


def test_merged_ticks_that_overlap_are_refused() -> None:
    with pytest.raises(InvalidValue, match="quote ticks that overlap cannot be joined"):
        quotes([(1, 10), (3, 10)], []) + quotes([(2, 10)], [])


# --- shown ---


def test_shown() -> None:
    assert repr(ticks([(NOON, 114_880), (NOON + 7, 114_881)])).splitlines() == [
        "Ticks: 2 of symbol 1, bid, UTC",
        "                   time      bid",
        "       2026-01-01 12:00  1.14880",
        "2026-01-01 12:00:00.007  1.14881",
    ]
    merged = quotes([(NOON + 7, 114_881)], [(NOON + 1, 114_890)])
    assert repr(merged).splitlines()[2].split() == ["2026-01-01", "12:00:00.001", "1.14890"]
    assert "<td></td><td>1.14890</td>" in merged._repr_html_()
