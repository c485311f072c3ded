"""Bars whose high a server sends below their open or close: raised on every path, and counted."""

from __future__ import annotations

import pickle
import subprocess
import sys
from array import array
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ctrader_typed.market import Bar, Bars, Page, Period
from ctrader_typed.market.live_bars import LiveBars
from ctrader_typed.market.resample import resample
from ctrader_typed.market.store.store import Store
from ctrader_typed.message import codec
from ctrader_typed.message import columns as ways
from ctrader_typed.message.columns import Columns, Way, by_way, layout_of, transposed
from ctrader_typed.proto import ProtoOAGetTrendbarsRes, ProtoOASpotEvent, ProtoOATrendbar

MINUTE = 60_000
START = 29_500_000  # in minutes
Answer = ProtoOAGetTrendbarsRes
BROKEN = {"low": 135_395, "delta_open": 49, "delta_close": 0, "delta_high": 0}  # upstream issue 39


def answer(rows: int = 3) -> Answer:
    """The second bar is the broken one, the third has no deltaHigh at all."""
    sound = {"low": 135_400, "delta_open": 1, "delta_close": 2, "delta_high": 9}
    kinds = [sound, BROKEN, {"low": 135_300, "delta_close": 7}, *[sound] * (rows - 3)]
    return Answer(
        ctid_trader_account_id=1,
        period=Period.M1.native,
        symbol_id=1,
        trendbar=[
            ProtoOATrendbar(volume=5, utc_timestamp_in_minutes=START + n, **kind)
            for n, kind in enumerate(kinds)
        ],
    )


def bars() -> Bars:
    return Bars.from_wire(transposed(Answer, answer()), 1, Period.M1)


def check(made: Bars) -> None:
    assert made[1][1:5] == (135_444, 135_444, 135_395, 135_395)
    assert made[2][1:5] == (135_300, 135_307, 135_300, 135_307)
    assert list(made.high[:3]) == [135_409, 135_444, 135_307]
    assert made.repaired == 2
    assert list(made.repaired_times) == [(START + 1) * MINUTE, (START + 2) * MINUTE]


@pytest.mark.parametrize("way", [ways.compiled, ways.with_numpy, ways.plainly, None])
def test_every_way_from_the_wire_raises_the_high_and_counts(way: Way | None) -> None:
    sent = answer(3_000)
    if way is ways.with_numpy:  # it takes answers of one kind of row
        sent.trendbar[2] = ProtoOATrendbar(
            volume=5, low=135_300, delta_open=0, delta_close=7, delta_high=0,
            utc_timestamp_in_minutes=START + 2,
        )  # fmt: skip
    layout = layout_of(Answer)
    assert layout is not None
    read: Columns[Answer] | None = (
        transposed(Answer, sent)
        if way is None
        else by_way(way, layout, Answer, bytes(sent), codec.decode)
    )
    if read is None and way is ways.compiled:
        pytest.skip("nothing is compiled here")
    assert read is not None
    check(Bars.from_wire(read, 1, Period.M1))


def test_without_numpy_in_the_program_it_is_the_same() -> None:
    program = (
        "import sys\nfrom tests.ctrader_typed.market.test_repaired_bars import bars, check\n"
        "sys.modules.pop('numpy', None)\ncheck(bars())\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, check=False)
    assert done.returncode == 0


def test_columns_given_by_hand_are_raised_too_and_left_as_they_are() -> None:
    high = array("q", [1])
    made = Bars(
        1, Period.M1, 5, array("q", [0]), array("q", [3]), high, *map(array, "qqq", [[1], [2], [1]])
    )
    assert (made.high[0], made.repaired) == (3, 1)
    assert high[0] == 1


def test_sound_bars_keep_their_columns() -> None:
    high = array("q", [9])
    made = Bars(
        1, Period.M1, 5, array("q", [0]), array("q", [3]), high, *map(array, "qqq", [[1], [2], [1]])
    )
    assert made.high is high
    assert made.repaired == 0


def test_slices_joins_and_copies_count_their_own() -> None:
    made = bars()
    assert [made[:1].repaired, made[:2].repaired, made[1:].repaired, made[::2].repaired] == [
        0,
        1,
        2,
        1,
    ]
    assert made.between((START + 2) * MINUTE).repaired == 1
    check(made[:1] + made[1:])
    check(Bars.concat([made[1:], made]))
    check(pickle.loads(pickle.dumps(made)))
    sound = Bars(1, Period.M1, 5, *(array("q", values[1:2]) for values in made.arrays))
    assert sound == made[1:2]
    assert Bars.concat([made, sound]).repaired == 1  # the later one's bar counts


def test_a_longer_bar_made_of_repaired_ones_is_one() -> None:
    start = START - START % 60
    rows = [[(start + n) * MINUTE for n in range(120)], *([n] * 120 for n in (5, 9, 1, 4, 1))]
    rows[2][70] = 2
    minutes = Bars(1, Period.M1, 5, *(array("q", row) for row in rows))
    hours = resample(minutes, "H1")
    assert (minutes.repaired, list(hours.repaired_times)) == (1, [(start + 60) * MINUTE])
    assert list(hours.high) == [9, 9]


def test_parquet_and_the_store_have_the_raised_high(tmp_path: Path) -> None:
    made = bars()
    made.write_parquet(tmp_path / "bars.parquet", prices="raw")
    assert pq.read_table(tmp_path / "bars.parquet")["high"].to_pylist() == list(made.high)
    store = Store(tmp_path / "store")
    store.add(Page(made, made.time[0], made.time[-1] + MINUTE))
    check(store.read(1, "M1"))


def test_it_says_so_where_it_is_shown() -> None:
    assert bars().title == "Bars: 3 of M1, symbol 1, bid, UTC, 2 repaired"


def test_a_live_bar_has_a_high_of_at_least_its_open_and_its_bid() -> None:
    growing = LiveBars(1)
    told = [
        event.bar
        for bid in (135_395, 135_500, 135_390)
        for event in growing.apply(
            ProtoOASpotEvent(
                ctid_trader_account_id=1,
                symbol_id=1,
                bid=bid,
                trendbar=[ProtoOATrendbar(volume=1, utc_timestamp_in_minutes=START, **BROKEN)],
            )
        )
    ]
    assert told == [
        Bar(START * MINUTE, 135_444, 135_444, 135_395, 135_395, 1),
        Bar(START * MINUTE, 135_444, 135_500, 135_395, 135_500, 1),
        Bar(START * MINUTE, 135_444, 135_444, 135_390, 135_390, 1),
    ]
