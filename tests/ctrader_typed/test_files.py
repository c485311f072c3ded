"""Files that are links, mounts and secrets: tokens, journal and store alike."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
import trio

from ctrader_typed import JournalInUse, StoreInUse, TokenStoreError
from ctrader_typed.market import atomic_files
from ctrader_typed.orders.journal import Journal, OpenOrder
from ctrader_typed.tokens import FileTokenStore, Kept, Tokens, save_tokens
from tests.support.trading import new_order

OLD, NEW = Tokens("old-a", "old-r", 0, 1), Tokens("new-a", "new-r", 0, 1)
ORDER = OpenOrder("k1", new_order(client_order_id="k1"), 0, None)


@pytest.fixture
def linked(tmp_path: Path) -> tuple[Path, Path]:
    """A link, and the place in a volume that it leads to over another link."""
    volume, here = tmp_path / "volume", tmp_path / "here"
    volume.mkdir()
    here.mkdir()
    (tmp_path / "between").symlink_to(volume / "file")
    (here / "link").symlink_to(tmp_path / "between")
    return here / "link", volume / "file"


async def load(store: FileTokenStore) -> Kept | None:
    async with store.hold() as held:
        return await held.load()


# --- links ---


async def test_tokens_behind_a_link_are_replaced_where_they_are(linked: tuple[Path, Path]) -> None:
    link, target = linked
    for tokens in (OLD, NEW):  # the first makes the file
        await save_tokens(FileTokenStore(link), tokens)
        assert link.is_symlink()
        assert stat.S_ISREG(target.lstat().st_mode)
        assert await load(FileTokenStore(target)) == Kept(tokens)
    assert [path.name for path in link.parent.iterdir()] == ["link"]


async def test_a_link_and_its_target_have_one_lock(linked, autojump_clock) -> None:
    link, target = linked
    async with FileTokenStore(target).hold():
        with trio.move_on_after(5) as scope:
            async with FileTokenStore(link).hold():
                pytest.fail("two have it")
        assert scope.cancelled_caught


async def test_a_link_that_is_turned_while_its_lock_is_waited_for(
    linked, tmp_path: Path, nursery, autojump_clock
) -> None:
    link, target = linked
    other = tmp_path / "other"
    await save_tokens(FileTokenStore(target), OLD)
    await save_tokens(FileTokenStore(other), NEW)
    seen: list[Kept | None] = []

    async def read() -> None:
        seen.append(await load(FileTokenStore(link)))

    async with FileTokenStore(target).hold():
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        link.unlink()
        link.symlink_to(other)
    await trio.sleep(5)
    assert seen == [Kept(NEW)]


def test_a_journal_behind_a_link_is_written_where_it_is(linked: tuple[Path, Path]) -> None:
    link, target = linked
    with Journal(link) as journal:
        journal.opened(ORDER)
        with pytest.raises(JournalInUse):
            Journal(target)
        journal.ended("k1", "FILLED")
    before = target.stat().st_size
    Journal(link).close()  # which puts a smaller one in its place
    assert link.is_symlink()
    assert target.stat().st_size < before
    assert [path.name for path in link.parent.iterdir()] == ["link"]


def test_a_file_of_a_store_behind_a_link_is_replaced_where_it_is(
    linked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, target = linked
    target.write_text("old")
    atomic_files.replace_file(link, tmp_path / "unfinished", lambda path: path.write_text("new"))
    assert link.is_symlink()
    assert target.read_text() == "new"
    real_stat = Path.stat

    def on_another_disk(self: Path, **how: bool) -> os.stat_result:
        found = real_stat(self, **how)
        if self != target.parent:
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(Path, "stat", on_another_disk)
    written: list[Path] = []
    atomic_files.replace_file(
        link, tmp_path / "unfinished", lambda path: written.append(path) or path.touch()
    )
    assert written == [target.with_name(".unfinished")]


# --- places that cannot be written ---

CASES = {
    errno.EBUSY: r"Device or resource busy \(.*mount its folder instead\)",
    errno.EROFS: r"Read-only file system \(choose a place that this user may write to",
    errno.EACCES: r"Permission denied \(choose a place that this user may write to",
}


def failing(number: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacing fails, or opening a file of this name to write it, as on such a mount."""
    real_open = os.open

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    def opened(path: object, flags: int, *mode: int) -> int:
        if number != errno.EBUSY and str(path).endswith(name) and flags & os.O_CREAT:
            fail()
        return real_open(path, flags, *mode)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(Path, "replace", fail)
    monkeypatch.setattr(os, "open", opened)


@pytest.mark.parametrize(("number", "text"), CASES.items())
async def test_tokens_that_cannot_be_written_stay_and_it_is_said_what_to_do(
    number: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileTokenStore(tmp_path / "tokens")
    await save_tokens(store, OLD)
    with monkeypatch.context() as patched:
        failing(number, ".lock", patched)
        with pytest.raises(TokenStoreError, match=f"cannot (write|lock) .*tokens: {text}"):
            await save_tokens(store, NEW)
    assert await load(store) == Kept(OLD)


async def test_a_secret_of_mode_0444_is_refused_and_it_is_said_which_store_takes_it(
    tmp_path: Path,
) -> None:
    store = FileTokenStore(tmp_path / "tokens")
    await save_tokens(store, OLD)
    (tmp_path / "tokens").chmod(0o444)
    with pytest.raises(TokenStoreError, match=r"mode 0444.*SecretTokenStore\(tokens_in_file\("):
        await load(store)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_journal_that_cannot_be_opened_says_what_to_do(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(number, "orders", monkeypatch)
    with pytest.raises(OSError, match=f"cannot write the journal .*: {CASES[number]}") as caught:
        Journal(tmp_path / "orders")
    assert caught.value.errno == number


def test_a_journal_that_is_mounted_by_itself_keeps_what_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Journal(tmp_path / "orders") as journal:
        journal.opened(ORDER)
        journal.ended("k1", "FILLED")
    failing(errno.EBUSY, "", monkeypatch)
    with Journal(tmp_path / "orders") as journal:
        assert journal.open_orders() == []
    assert "mount its folder instead" in caplog.text


def test_a_store_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock"
    with (
        atomic_files.locked_file(lock, "ticks"),
        pytest.raises(StoreInUse, match="writing ticks"),
        atomic_files.locked_file(lock, "ticks"),
    ):
        pytest.fail("two have it")
    failing(errno.EROFS, "lock", monkeypatch)
    said = f"cannot write ticks: {CASES[errno.EROFS]}"
    with pytest.raises(OSError, match=said), atomic_files.locked_file(lock, "ticks"):
        pytest.fail("it was made")
