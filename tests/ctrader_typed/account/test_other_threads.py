"""A client belongs to one trio run: who calls from elsewhere is told, and nobody else notices."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio

from ctrader_typed import (
    Api,
    NotRestored,
    Order,
    OutsideTrio,
    ProtoOAGetTrendbarsReq,
    ProtoOASpotEvent,
    ProtoOATrendbarPeriod,
    ProtoOAVersionReq,
    connect,
    connect_over,
)
from ctrader_typed.account import Account
from ctrader_typed.symbols import load_catalogue
from ctrader_typed.tokens import FileTokenStore, SecretTokenStore, Tokens
from ctrader_typed.trio_run import TrioRun
from mockserver.box import Box
from mockserver.composition import mock_server
from tests.support.accounts import BUY, KEYS, at_work, order, still_box

EURUSD = 1


class Made:
    """A client with an account, and what was made of it where it lives."""

    def __init__(self, api: Api, account: Account, handle: Order) -> None:
        self.api, self.account, self.handle = api, account, handle
        self.events = api.events(ProtoOASpotEvent)
        self.quotes = account.quotes("EURUSD")
        self.heard: Any = None  # by `check`
        (self.position,) = account.positions.values()


async def _nothing() -> None:
    """A task."""


async def _enter(block: Any) -> None:
    async with block:
        pytest.fail("it was entered")


def _bars(made: Made) -> ProtoOAGetTrendbarsReq:
    return ProtoOAGetTrendbarsReq(
        ctid_trader_account_id=made.account.account_id,
        period=ProtoOATrendbarPeriod.M1,
        symbol_id=EURUSD,
        from_timestamp=0,
        to_timestamp=60_000,
    )


def _market(made: Made) -> Any:
    return order(made.account, EURUSD, BUY, 100_000)


WAITS: dict[str, Callable[[Made], Awaitable[object]]] = {
    "request": lambda made: made.api.request(ProtoOAVersionReq()),
    "method": lambda made: made.api.version(),
    "columns": lambda made: made.api.columns(_bars(made)),
    "place": lambda made: made.api.place(_market(made)),
    "auth": lambda made: made.api.auth(**KEYS, account_id=made.account.account_id),
    "connected": lambda made: made.api.connected(),
    "account": lambda made: made.api.account(made.account.account_id),
    "events": lambda made: _enter(made.api.events(NotRestored)),
    "open events": lambda made: anext(made.events),
    "leaving events": lambda made: made.events.__aexit__(None, None, None),
    "stirred": lambda made: made.events.stirred(),
    "accepted": lambda made: made.handle.accepted(),
    "filled": lambda made: made.handle.filled(),
    "resolved": lambda made: made.handle.resolved(),
    "events of an order": lambda made: anext(aiter(made.handle.events)),
    "buy": lambda made: made.account.buy("EURUSD", lots="0.01"),
    "close": lambda made: made.account.close(made.position),
    "close_all": lambda made: made.account.close_all(),
    "reverse": lambda made: made.account.reverse(made.position),
    "amend": lambda made: made.account.amend(made.position, stop_loss=None),
    "settled": lambda made: made.account.settled(),
    "changes": lambda made: _enter(made.account.changes()),
    "open changes": lambda made: made.heard.receive(),
    "closing changes": lambda made: made.heard.aclose(),
    "quotes": lambda made: anext(made.account.quotes("EURUSD")),
    "open quotes": lambda made: anext(made.quotes),
    "closing quotes": lambda made: made.quotes.aclose(),
    "book": lambda made: _enter(made.account.book("EURUSD")),
    "acquire": lambda made: made.account.feed.acquire(EURUSD),
    "spots": lambda made: _enter(made.account.feed.spots(EURUSD)),
    "bars": lambda made: made.account.bars("EURUSD", "M1", "2026-02-27", "2026-02-28"),
    "catalogue": lambda made: load_catalogue(made.api, made.account.account_id),
    "refresh": lambda made: made.account.symbols.refresh(made.api),
}

WAKES: dict[str, Callable[[Made], object]] = {
    "changes": lambda made: made.heard.receive_nowait(),
    "positions": lambda made: made.account.positions,
    "pending": lambda made: made.account.pending,
    "balance": lambda made: made.account.balance,
    "in_step": lambda made: made.account.in_step,
    "quote": lambda made: made.account.feed.quote(EURUSD),
    "release": lambda made: made.account.feed.release(EURUSD),
    "accompany": lambda made: made.api.accompany(_nothing),
    "forget": lambda made: made.api.orders.forget(made.handle),
}


def in_a_thread(function: Callable[[], object]) -> BaseException | None:
    """What it raises there."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0] if raised else None


async def check(call: Callable[[Made], BaseException | None]) -> None:
    """It raises, nothing reaches the server, and the client goes on."""
    async with at_work(box=still_box()) as (api, account, server):
        handle = await account.buy("EURUSD", lots="0.01")
        await handle.filled()
        made = Made(api, account, handle)
        async with made.events, made.quotes, account.changes() as made.heard:
            await anext(made.quotes)
            await made.account.settled()
            before = len(server.heard)
            raised = call(made)
            assert isinstance(raised, OutsideTrio), repr(raised)
            assert "trio.from_thread.run" in str(raised)
            await api.version()
            heard = list(server.heard)[before:]
            assert [type(each.message) for each in heard] == [ProtoOAVersionReq]
            await (await account.buy("EURUSD", lots="0.01")).filled()
            assert len(account.positions) == 2


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
async def test_what_waits_or_sends_from_another_run_is_refused_before_a_byte_leaves(wait) -> None:
    await check(lambda made: in_a_thread(partial(trio.run, wait, made)))


@pytest.mark.parametrize("wake", WAKES.values(), ids=WAKES)
async def test_what_may_wake_somebody_is_refused_from_another_thread(wake) -> None:
    await check(lambda made: in_a_thread(partial(wake, made)))


async def test_from_thread_run_works_as_ever() -> None:
    async with at_work(box=still_box()) as (_, account, _server):

        async def buy() -> int:
            handle = await account.buy("EURUSD", lots="0.01")
            return (await handle.filled()).volume

        assert await trio.to_thread.run_sync(trio.from_thread.run, buy) == 100_000


async def test_what_is_left_of_a_closed_client_can_be_looked_at_from_anywhere() -> None:
    async with at_work(box=still_box()) as (_, account, _server):
        handle = await account.buy("EURUSD", lots="0.01")
        await handle.filled()
    seen: list[object] = []
    assert in_a_thread(lambda: seen.extend((account.positions, handle.deals))) is None
    assert len(seen) == 2


STARTS: dict[str, Callable[[], Any]] = {
    "connect": lambda: _enter(connect("demo")),
    "connect_over": lambda: _enter(connect_over(_nowhere)),
    "tokens in a file": lambda: _enter(FileTokenStore("tokens").hold()),
    "tokens of a secret": lambda: _enter(SecretTokenStore(_no_pair, "folder").hold()),
}


async def _no_pair() -> Tokens:
    pytest.fail("it was called")


async def _nowhere() -> trio.abc.Stream:
    pytest.fail("it was called")


def test_without_trio_the_mock_server_names_what_serves_there() -> None:
    with pytest.raises(OutsideTrio, match=r"no trio is running here: .*ThreadedServer"):
        asyncio.run(_enter(mock_server(Box(), port=None)))


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_without_trio_one_sentence_says_what_to_do(start) -> None:
    with pytest.raises(OutsideTrio) as raised:
        asyncio.run(start())
    assert isinstance(raised.value, RuntimeError)
    for what in ("no trio is running", "trio.run(main)", "await asyncio.to_thread(trio.run, main)"):
        assert what in str(raised.value)
    with pytest.raises(OutsideTrio):  # without any loop at all
        start().send(None)


async def _main() -> bool:
    TrioRun().check()
    return True


def test_what_that_sentence_says_of_asyncio_works() -> None:
    assert asyncio.run(asyncio.to_thread(trio.run, _main))
