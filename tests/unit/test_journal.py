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
from ctrader_typed.journal import Journal, OpenOrder
from tests.trading import ACCOUNT, NOW, close, new_order

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


def test_torn_at_every_byte(path: Path) -> None:
    """Each whole line counts, a torn one does not, and what is written next is whole again."""
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
from ctrader_typed.journal import Journal, OpenOrder
from tests.trading import new_order
journal = Journal({path!r})
for number in range(10):
    journal.opened(OpenOrder(f"k{{number}}", new_order(), number, None))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 there")
def test_killed_it_leaves_all_its_orders_and_no_lock(path: Path) -> None:
    root = str(Path(__file__).parents[2])
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
