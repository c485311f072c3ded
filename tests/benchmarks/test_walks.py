"""How far data walks: Python calls and files from one end of our code to the other, counted.

The client runs in this thread and the simulated server in one of its own, so that each count is of
one end alone. A call counts if its function is in one of our packages; what is compiled does not.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
import trio

from ctrader_typed import Account, connect
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.threaded import ThreadedServer

ROOT = Path(__file__).parents[2]
PACKAGES = tuple(str(ROOT / name) for name in ("ctrader_typed", "mockserver"))


class Walk(NamedTuple):
    """One way through the code: how long it should be, and how long it may be until it is."""

    name: str
    goal: tuple[int, int]
    """Calls and files."""
    most: tuple[int, int]
    """Today's figures and a few more: nothing may make the walk longer."""


WALKS = (
    Walk("bytes of a lone quote → `async for quote`", (70, 12), (120, 27)),
    Walk("`account.buy()` until it returns", (170, 22), (340, 47)),
    Walk("`account.buy()` until `filled()`", (240, 16), (690, 55)),
    Walk("the same order inside the mock server", (500, 22), (960, 51)),
)


class Steps:
    """The calls that one thread makes into our packages."""

    def __init__(self) -> None:
        self.functions: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGES):
            self.functions[code.co_filename, code.co_qualname] += 1

    @property
    def calls(self) -> int:
        """How many there were. A task that goes on after a wait is a call, too."""
        return self.functions.total()

    @property
    def files(self) -> int:
        """In how many files."""
        return len({file for file, _ in self.functions})


@contextmanager
def counted(steps: Steps) -> Iterator[None]:
    sys.setprofile(steps)
    try:
        yield
    finally:
        sys.setprofile(None)


class ServerSteps:
    """The same in the server's thread."""

    def __init__(self, server: ThreadedServer) -> None:
        self._server = server
        self.steps = Steps()

    def start(self) -> None:
        self._server.run(lambda _: sys.setprofile(self.steps))

    def stop(self) -> None:
        self._server.run(lambda _: sys.setprofile(None))


async def quote(account: Account, server: ThreadedServer) -> Steps:
    """A position is open, and one program reads quotes."""
    opening = await account.buy("EURUSD", lots="0.10")
    await opening.filled()
    await account.settled()
    steps = Steps()

    def move() -> None:
        server.broker.set_price("EURUSD", "1.20000", "1.20010")

    async with account.quotes("EURUSD") as quotes:
        await anext(quotes)
        await trio.sleep(0.3)  # all that follows a subscription has come
        with counted(steps):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, move)
                await anext(quotes)
    return steps


async def buy(account: Account, server: ThreadedServer) -> Steps:
    steps = Steps()
    await trio.sleep(0.3)
    with counted(steps):
        await account.buy("EURUSD", lots="0.10")
    return steps


async def fill(account: Account, server: ThreadedServer) -> Steps:
    steps = Steps()
    await trio.sleep(0.3)
    with counted(steps):
        order = await account.buy("EURUSD", lots="0.10")
        await order.filled()
    return steps


async def in_the_server(account: Account, server: ThreadedServer) -> Steps:
    await trio.sleep(0.3)
    inside = ServerSteps(server)
    await trio.to_thread.run_sync(inside.start)
    order = await account.buy("EURUSD", lots="0.10")
    await order.filled()
    await trio.to_thread.run_sync(inside.stop)
    return inside.steps


Measure = Callable[[Account, ThreadedServer], Awaitable[Steps]]
MEASURES: tuple[Measure, ...] = (quote, buy, fill, in_the_server)


def measured(measure: Measure) -> Steps:
    box = Box(seed=7)

    async def main() -> Steps:
        host, port = server.address
        async with connect(host, port, tls=False) as api:
            await api.auth(
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                access_token=ACCESS_TOKEN,
                account_id=HEDGED,
            )
            account = await api.account(HEDGED)
            await (await account.buy("EURUSD", lots="0.10")).filled()  # all code is loaded
            await account.settled()
            return await measure(account, server)

    with ThreadedServer(box, tls=False) as server:
        return trio.run(main)


@pytest.mark.parametrize(
    ("walk", "measure"),
    list(zip(WALKS, MEASURES, strict=True)),
    ids=["quote", "buy", "fill", "server"],
)
def test_walk(walk: Walk, measure: Measure, capsys: Any) -> None:
    found = min((measured(measure) for _ in range(3)), key=lambda steps: steps.calls)
    calls, files = found.calls, found.files
    with capsys.disabled():
        print(f"\n{walk.name}: {calls} calls in {files} files; the goal is {walk.goal}")
    assert (calls <= walk.most[0], files <= walk.most[1]) == (True, True), (calls, files)
