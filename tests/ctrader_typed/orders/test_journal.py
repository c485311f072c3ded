"""The journal of orders: torn at every byte, killed, full, locked, and what is left in it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed import DecodeError, JournalInUse, ProtoOACancelOrderReq
from ctrader_typed.orders.journal import Journal, OpenOrder
from tests.support.trading import ACCOUNT, NOW, close, new_order

FIRST = OpenOrder("k1", new_order(client_order_id="k1", comment="näh\n"), NOW, None)
SECOND = OpenOrder("k2", close(), NOW + 1, NOW - 5)
THIRD = OpenOrder("k3", ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7), NOW, NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.jsonl"


def reopened(path: Path) -> dict[str, OpenOrder]:
    with Journal(path) as journal:
        return {order.key: order for order in journal.open_orders()}


def test_what_is_open_survives(path: Path) -> None:
    with Journal(path) as journal:
        for order in (FIRST, SECOND, THIRD):
            journal.opened(order)
        journal.known("k1", 7, 5)
        journal.ended("k2", "FILLED")
        known = OpenOrder("k1", FIRST.request, NOW, None, 7, 5)
        assert journal.open_orders() == [known, THIRD]
    assert reopened(path) == {"k1": known, "k3": THIRD}


def test_what_is_said_again_or_of_nobody_is_not_written(path: Path) -> None:
    with Journal(path) as journal:
        journal.opened(FIRST)
        journal.known("k1", 7, 5)
        journal.ended("k1", "FILLED")
        size = path.stat().st_size
        journal.known("k1", 7, 5)
        journal.known("k9", 7, 5)
        journal.ended("k1", "FILLED")
    assert path.stat().st_size == size


def test_only_its_owner_may_read_it(path: Path) -> None:
    Journal(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_closing_twice_is_fine(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    journal.close()


def test_torn_at_every_byte(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each whole line counts, a torn one does not, and what is written next is whole again."""
    monkeypatch.setattr(os, "fsync", lambda file: None)  # 2,000 files, and nobody dies
    with Journal(path) as journal:
        journal.opened(FIRST)
        journal.known("k1", 7, 5)
        journal.opened(SECOND)
        journal.ended("k1", "FILLED")
        journal.opened(THIRD)
    data = path.read_bytes()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        # A line that lacks nothing but its end is whole.
        lines = [line for line in data[:cut].split(b"\n")[1:] if line and is_json(line)]
        expected: dict[str, Any] = {}
        for line in lines:
            record = json.loads(line)
            if "opened" in record:
                expected[record["opened"]] = None
            elif "known" in record:
                expected[record["known"]] = record["order"]
            else:
                del expected[record["ended"]]
        with Journal(path) as journal:
            assert {order.key: order.order_id for order in journal.open_orders()} == expected
            journal.opened(OpenOrder("later", SECOND.request, NOW, None))
        assert reopened(path).keys() == expected.keys() | {"later"}


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("content", [b"hello\n", b'{"journal":"another"}\n', b"\x00" * 100])
def test_another_file_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=r"expected a journal of orders, .* is something else"):
        Journal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line", [b"[1]", b'{"ended":"nobody","status":"FILLED"}', b'{"opened":"k","request":"No"}']
)
def test_a_whole_line_that_makes_no_sense_is_no_tear(path: Path, line: bytes) -> None:
    Journal(path).close()
    with path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(DecodeError, match=r"line 2 of the journal .* is no record"):
        Journal(path)


def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a line is written, then nothing: that request was not opened, the next one is."""
    write = os.write
    with Journal(path) as journal:
        journal.opened(FIRST)
        room = 20

        def full(file: int, data: bytes) -> int:
            nonlocal room
            if room == 0:
                raise OSError(28, "No space left on device")
            done = write(file, data[:room])
            room -= done
            return done

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            journal.opened(SECOND)
        monkeypatch.undo()
        assert journal.open_orders() == [FIRST]
        journal.opened(THIRD)
    assert reopened(path) == {"k1": FIRST, "k3": THIRD}


def test_a_request_counts_only_when_the_disk_has_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(file: int) -> None:
        raise OSError(5, "Input/output error")

    with Journal(path) as journal:
        monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="Input/output"):
            journal.opened(FIRST)
        assert journal.open_orders() == []


def test_a_second_holder_is_kept_out(path: Path) -> None:
    with Journal(path), pytest.raises(JournalInUse, match="somebody else has the journal"):
        Journal(path)
    Journal(path).close()


KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from ctrader_typed.orders.journal import Journal, OpenOrder
from tests.support.trading import new_order
journal = Journal({path!r})
for number in range(10):
    journal.opened(OpenOrder(f"k{{number}}", new_order(), number, None))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 there")
def test_killed_it_leaves_all_its_orders_and_no_lock(path: Path) -> None:
    root = str(Path(__file__).parents[3])
    code = KILLED.format(root=root, path=str(path))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(JournalInUse):
            Journal(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(reopened(path)) == [f"k{number}" for number in range(10)]


# --- what is over is left out by who opens it next ---


def lived_in(path: Path) -> list[OpenOrder]:
    """Many orders came and went, two are open: returns those."""
    with Journal(path) as journal:
        journal.opened(FIRST)
        for number in range(50):
            journal.opened(OpenOrder(f"gone{number}", new_order(), NOW, None))
            journal.known(f"gone{number}", number, None)
            journal.ended(f"gone{number}", "FILLED")
        journal.opened(THIRD)
        journal.known("k1", 7, 5)
        return journal.open_orders()


not_on_windows = pytest.mark.skipif(
    sys.platform == "win32", reason="an open file is not replaced there"
)


@not_on_windows
def test_who_opens_it_leaves_out_what_is_over(path: Path) -> None:
    left = lived_in(path)
    lines = path.read_bytes().splitlines(keepends=True)
    Journal(path).close()
    assert path.read_bytes() == b"".join((lines[0], lines[1], lines[-1], lines[-2]))
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    with Journal(path) as journal:
        assert journal.open_orders() == left
        journal.opened(SECOND)
        journal.ended("k3", "FILLED")
    assert list(reopened(path)) == ["k1", "k2"]


@not_on_windows
def test_a_file_with_nothing_to_leave_out_is_not_replaced(path: Path) -> None:
    with Journal(path) as journal:
        journal.opened(FIRST)
    before = path.stat().st_ino
    Journal(path).close()
    assert path.stat().st_ino == before


@not_on_windows
def test_the_lock_goes_with_the_name(path: Path) -> None:
    lived_in(path)
    with Journal(path), pytest.raises(JournalInUse):
        Journal(path)
    Journal(path).close()


@not_on_windows
def test_a_file_that_was_replaced_while_it_was_opened_is_let_go(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = lived_in(path)
    open_file = os.open

    def late(name: Any, *args: Any) -> int:
        file = open_file(name, *args)
        monkeypatch.undo()
        Journal(path).close()  # another process, which is through with it by now
        return file

    monkeypatch.setattr(os, "open", late)
    with Journal(path) as journal:
        assert journal.open_orders() == left
        journal.opened(SECOND)
    assert list(reopened(path)) == ["k1", "k3", "k2"]


@not_on_windows
def test_a_disk_that_takes_no_other_file_leaves_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = lived_in(path)
    before = path.read_bytes()

    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with Journal(path) as journal:
        monkeypatch.undo()
        assert journal.open_orders() == left
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]
        journal.opened(SECOND)
    assert list(reopened(path)) == ["k1", "k3", "k2"]


KILLED_AT = """
import fcntl, os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from ctrader_typed.orders.journal import Journal, OpenOrder
from tests.support.trading import new_order

def deadly(place, name, step):
    real = getattr(place, name)
    def call(*args, **options):
        if name == "write" and step(0.5):
            real(args[0], args[1][: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        if step(1):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    setattr(place, name, call)

def live(path, at):
    left = at
    def step(cost):
        nonlocal left
        left -= cost
        return left <= 0
    for name in ("open", "write", "fsync", "close", "replace", "unlink", "stat"):
        deadly(os, name, step)
    deadly(fcntl, "flock", step)
    with Journal(path) as journal:
        journal.opened(OpenOrder("later", new_order(), 1, None))
    os._exit(0)

number, died = 0, True
while died:
    number += 1
    path = Path({folder!r}) / str(number) / "orders.jsonl"
    path.parent.mkdir()
    shutil.copy({path!r}, path)
    if (child := os.fork()) == 0:
        live(path, number / 2)
    died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert number < 200
print(number)
"""


@not_on_windows
def test_killed_at_any_moment_of_it_nothing_is_lost(path: Path, tmp_path: Path) -> None:
    """Before each call of the system, and in the middle of each write."""
    left = {order.key: order for order in lived_in(path)}
    folder = tmp_path / "killed"
    folder.mkdir()
    root = str(Path(__file__).parents[3])
    code = KILLED_AT.format(root=root, folder=str(folder), path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    count = int(done.stdout)
    assert count > 20
    old, short = 0, 0
    for number in range(1, count + 1):
        killed = folder / str(number) / "orders.jsonl"
        size = killed.stat().st_size
        old, short = old + (size >= path.stat().st_size), short + (size < path.stat().st_size / 2)
        found = reopened(killed)
        later = found.pop("later", None)
        assert found == left, number
        assert list(killed.parent.iterdir()) == [killed], number
    assert later is not None, "the last one was let live"
    assert old > 0
    assert short > 0
