"""Programs for the file store's tests: many processes at once, and one that is killed.

Each forks what it needs: a process that imports everything anew would take longer than it works.
"""

import os
import signal
import sys
import time
from pathlib import Path

import trio

from ctrader_typed.proto import SCHEMA
from ctrader_typed.tokens import FileTokenStore, Kept, TokenKeeper, Tokens, save_tokens


class Api:
    """A client that only has a schema: the tests refresh in their own way."""

    schema = SCHEMA


def keeper(path: str, calls: str, answers: bool) -> TokenKeeper:
    async def refresh(tokens: Tokens) -> Tokens:
        log = os.open(calls, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, f"{os.getpid()} {tokens.refresh_token}\n".encode())
        await trio.sleep(0.2)
        if not answers:
            os.kill(os.getpid(), signal.SIGKILL)
        return Tokens.granted(
            access_token="a2", refresh_token="r2", expires_in=1e6, now=time.time()
        )

    return TokenKeeper(FileTokenStore(path), Api(), refresh=refresh)  # type: ignore[arg-type]  # suffices


def crowd(path: str, calls: str, count: int, answers: bool) -> None:
    """`count` processes find the token expired at once; prints what each of them got."""
    children = []
    for _ in range(count):
        readable, writable = os.pipe()
        if os.fork() == 0:
            os.close(readable)
            try:
                text = trio.run(keeper(path, calls, answers).current).access_token
            except Exception as error:  # noqa: BLE001 - the test looks at it
                text = type(error).__name__
            os.write(writable, text.encode())
            os._exit(0)
        os.close(writable)
        children.append(readable)
    for readable in children:
        with os.fdopen(readable, "rb") as pipe:
            print(pipe.read().decode() or "killed")  # noqa: T201 - a program


def killed(path: str, rounds: int) -> None:
    """A process replaces the file without end and is killed, again and again.

    Prints what is there after each: the tokens' number if they are whole, and the modes.
    """
    store = FileTokenStore(path)
    trio.run(save_tokens, store, Tokens("0" * 50_000, "0" * 50_000, 0, 1))
    for number in range(rounds):
        child = os.fork()
        if child == 0:
            trio.run(replace_forever, store)
        time.sleep(0.01 + number % 10 / 1000)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print(trio.run(look, store, Path(path)))  # noqa: T201 - a program


async def replace_forever(store: FileTokenStore) -> None:
    async with store.hold() as held:
        number = 0
        while True:
            number += 1
            text = str(number) * 50_000
            await held.save(Kept(Tokens(text, text, 0, number)))


async def look(store: FileTokenStore, path: Path) -> str:
    async with store.hold() as held:
        kept = await held.load()
    modes = {f"{file.stat().st_mode & 0o777:o}" for file in path.parent.iterdir()}
    assert kept is not None
    whole = kept.tokens.access_token == kept.tokens.refresh_token
    left_over = path.with_name(path.name + ".new").exists()
    return f"{'whole' if whole else 'broken'} {','.join(sorted(modes))} {int(left_over)}"


if __name__ == "__main__":
    what, path, *rest = sys.argv[1:]
    if what == "crowd":
        crowd(path, rest[0], int(rest[1]), rest[2] == "answers")
    else:
        killed(path, int(rest[0]))
