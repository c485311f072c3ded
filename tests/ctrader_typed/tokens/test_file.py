"""The file store: for its owner only, whole or not at all, one at a time."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from ctrader_typed.errors import TokenStoreError
from ctrader_typed.tokens import FileTokenStore, Kept, Tokens, save_tokens

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no file modes, no flock")

TOKENS = Tokens("canary-access", "canary-refresh", 1.0, 2.5, "trading")
NEW = Tokens("canary-new", "canary-new", 0, 1)
ROOT = Path(__file__).parents[3]


async def load(store: FileTokenStore) -> Kept | None:
    async with store.hold() as held:
        return await held.load()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


def program(*arguments: object) -> list[str]:
    """What a program of `crowd.py` prints, line by line."""
    command = [sys.executable, str(Path(__file__).with_name("crowd.py")), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


async def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "tokens.json")
    assert await load(store) is None
    for kept in (Kept(TOKENS), Kept(TOKENS, 7.25), Kept(Tokens("ä", "x\u2028x", 0, 1e12))):
        async with store.hold() as held:
            await held.save(kept)
        assert await load(store) == kept
    await save_tokens(store, TOKENS)
    assert await load(FileTokenStore(tmp_path / "tokens.json")) == Kept(TOKENS)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_nobody_else_can_read_it_at_any_instant(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "down" / "tokens.json"
    seen: list[tuple[str, int]] = []
    real_open = os.open

    def spy(*arguments: Any) -> int:
        file = real_open(*arguments)
        seen.extend((f.name, mode(f)) for f in path.parent.iterdir())
        return file

    previous = os.umask(umask)
    try:
        monkeypatch.setattr(os, "open", spy)
        for _ in range(3):
            await save_tokens(FileTokenStore(path), TOKENS)
    finally:
        os.umask(previous)
    assert {name for name, _ in seen} == {"tokens.json", "tokens.json.new", "tokens.json.lock"}
    assert {bits for _, bits in seen} == {0o600}
    assert mode(path.parent) == mode(path.parent.parent) & ~0o077 == 0o700 & ~umask


async def test_it_is_on_the_disk_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tokens.json"
    happened: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(file: int) -> None:
        what = "directory" if stat.S_ISDIR(os.fstat(file).st_mode) else "file"
        if what == "file":
            assert os.fstat(file).st_size > 100
        happened.append(f"sync {what}")
        real_fsync(file)

    def replace(self: Path, target: Path) -> Path:
        happened.append("replace")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    await save_tokens(FileTokenStore(path), TOKENS)
    assert happened == ["sync file", "replace", "sync directory"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
async def test_a_full_disk_leaves_what_was_there(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tokens.json"
    store = FileTokenStore(path)
    await save_tokens(store, TOKENS)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
        with pytest.raises(TokenStoreError, match=r"cannot write .*: No space left") as caught:
            await save_tokens(store, NEW)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert await load(store) == Kept(TOKENS)
    assert names(tmp_path) == ["tokens.json", "tokens.json.lock"]


GOOD = {
    "format": 1,
    "access_token": "canary-access",
    "refresh_token": "canary-refresh",
    "issued_at": 1,
    "expires_at": 2,
    "scope": None,
    "refresh_sent_at": None,
}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"null",
        json.dumps(GOOD).encode()[:-20],
        *(json.dumps({k: v for k, v in GOOD.items() if k != gone}).encode() for gone in GOOD),
        json.dumps(GOOD | {"format": 2}).encode(),
        json.dumps(GOOD | {"access_token": None}).encode(),
        json.dumps(GOOD | {"refresh_token": ""}).encode(),
        json.dumps(GOOD | {"expires_at": "canary"}).encode(),
        json.dumps(GOOD | {"scope": 1}).encode(),
    ],
)
async def test_a_file_that_does_not_hold_tokens(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(TokenStoreError, match="does not hold tokens, or not whole ones") as caught:
        await load(FileTokenStore(path))
    error = caught.value
    assert error.__context__ is None
    assert "canary" not in "".join(traceback.format_exception(error))
    assert path.read_bytes() == text


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o604, 0o660])
async def test_a_file_that_others_may_read(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    await save_tokens(FileTokenStore(path), TOKENS)
    path.chmod(bits)
    with pytest.raises(TokenStoreError, match=f"has mode {bits:04o}: others may have read"):
        await load(FileTokenStore(path))


async def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenStoreError, match=r"cannot lock .*/file/tokens: "):
        await load(FileTokenStore(tmp_path / "file" / "tokens"))
    (tmp_path / "tokens").mkdir()
    with pytest.raises(TokenStoreError, match=r"cannot read .*/tokens: Is a directory"):
        await load(FileTokenStore(tmp_path / "tokens"))


async def test_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Locks of its own kind, no modes, and no folder that can be synced."""
    locked: list[tuple[int, int]] = []
    fake = SimpleNamespace(LK_NBLCK=2, locking=lambda _, how, size: locked.append((how, size)))
    store, path = FileTokenStore(tmp_path / "tokens"), tmp_path / "tokens"
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", "win32")
        patched.setitem(sys.modules, "msvcrt", fake)
        await save_tokens(store, TOKENS)
        path.chmod(0o666)
        assert await load(store) == Kept(TOKENS)
        fake.locking = refused
        with trio.move_on_after(0.01) as scope:
            await load(store)
    assert scope.cancelled_caught
    assert locked == [(2, 1)] * 2


def refused(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


async def test_one_at_a_time_in_one_process(tmp_path: Path, autojump_clock: object) -> None:
    inside = most = 0

    async def visit() -> None:
        nonlocal inside, most
        async with FileTokenStore(tmp_path / "tokens").hold():
            inside += 1
            most = max(most, inside)
            await trio.sleep(0.3)
            inside -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(visit)
    assert most == 1


async def test_waiting_for_the_lock_can_be_cancelled(
    tmp_path: Path, autojump_clock: object
) -> None:
    path = tmp_path / "tokens"
    files = len(names(Path("/proc/self/fd")))
    async with FileTokenStore(path).hold():
        with trio.move_on_after(5) as scope:
            async with FileTokenStore(path).hold():
                pytest.fail("expected to wait, got the lock")
        assert scope.cancelled_caught
    async with FileTokenStore(path).hold():
        pass
    assert len(names(Path("/proc/self/fd"))) == files


# --- many processes ---


def test_fifty_processes_refresh_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, calls = tmp_path / "tokens", tmp_path / "calls"
    trio.run(save_tokens, FileTokenStore(path), Tokens("a1", "r1", 0, 1))
    start = time.monotonic()
    got = program("crowd", path, calls, 50, "answers")
    seconds = time.monotonic() - start
    assert got == ["a2"] * 50
    assert [line.split()[1] for line in calls.read_text().splitlines()] == ["r1"]
    with capsys.disabled():
        print(f"\n50 processes, 1 refresh, {seconds:.1f} s")  # noqa: T201 - promised


def test_a_process_that_is_killed_while_it_refreshes_leaves_word(tmp_path: Path) -> None:
    path, calls = tmp_path / "tokens", tmp_path / "calls"
    trio.run(save_tokens, FileTokenStore(path), Tokens("a1", "r1", 0, 1))
    got = program("crowd", path, calls, 12, "dies")
    assert sorted(got) == ["RefreshLost"] * 11 + ["killed"]
    assert len(calls.read_text().splitlines()) == 1


def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_file(tmp_path: Path) -> None:
    lines = program("killed", tmp_path / "tokens", 60)
    assert len(lines) == 60
    assert {line.rsplit(" ", 1)[0] for line in lines} == {"whole 600"}
    assert any(line.endswith(" 1") for line in lines), "no kill hit the middle of a replacement"
