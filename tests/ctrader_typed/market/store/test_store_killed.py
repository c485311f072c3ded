"""One writer at a time, killed or cancelled at any moment; and whoever reads meanwhile."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import (
    StoreInUse,
)
from ctrader_typed.market import Bars, Progress, QuoteTicks, history
from ctrader_typed.market.resample import resample
from ctrader_typed.market.store.partition import Partition
from ctrader_typed.market.store.store import Store
from mockserver.box import HEDGED
from tests.ctrader_typed.market.stores import (
    DAY,
    EURUSD,
    HOUR,
    MIDNIGHT,
    MINUTE,
    NOW,
    ROOT,
    at,
    minutes,
    page,
    rows_of,
    utc,
)

one_thread = pytest.mark.usefixtures("threads_take_no_time")


@one_thread
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
    store, change = Store(tmp_path), Partition._change
    store.add(page(minutes(0, 9), MIDNIGHT, MIDNIGHT + 9 * MINUTE))
    over_the_turn = minutes(-2_000, 2_000)

    def once(partition: Partition, file: Any, pieces: Any) -> int:
        if file.name == "2026-02.parquet":
            raise KeyboardInterrupt
        return change(partition, file, pieces)

    with monkeypatch.context() as patch:
        patch.setattr(Partition, "_change", once)
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
from ctrader_typed.market import Store
from ctrader_typed.market.store import store
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.rules import MarketRules
from mockserver.broker.market.random_prices import RandomPrices
from mockserver.composition import mock_server

async def main():
    store.ENOUGH = 500
    prices = RandomPrices(Instruments.standard(), 7)
    rules = MarketRules(bars_page=700, ticks_page=400)
    broker = Broker(market_rules=rules, start_ms={now}, prices=prices)
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


@one_thread
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


HOLDER = """
import sys, time
from pathlib import Path
from ctrader_typed.market.atomic_files import locked_file

with locked_file(Path(sys.argv[1]), "it"):
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
    store, since = Store(tmp_path), NOW - HOUR
    loop, writers = threading.get_ident(), set[int]()
    shelf_write = Partition.write

    def write(partition: Partition, pages: Any) -> int:
        writers.add(threading.get_ident())
        trio.from_thread.run_sync(scope.cancel)
        return shelf_write(partition, pages)

    monkeypatch.setattr(Partition, "write", write)
    async with at() as (api, _):
        with trio.CancelScope() as scope:
            await store.sync((api, HEDGED), EURUSD, "M1", since, NOW)
        assert store.read(EURUSD, "M1") == await history.bars(api, HEDGED, EURUSD, "M1", since, NOW)
    assert writers
    assert loop not in writers
