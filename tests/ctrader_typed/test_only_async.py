"""Who forgets `async` is told so, in one sentence with the line to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from ctrader_typed import ProtoOASpotEvent, connect, connect_over
from ctrader_typed.market import history
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server

SPAN = "2026-01-01", "2026-01-02"


async def awaited(thing: Any) -> None:
    await thing


def entered(thing: Any) -> None:
    with thing:
        pytest.fail("it was entered")


def iterated(thing: Any) -> None:
    for _ in thing:
        pytest.fail("it gave something")


async def test_connect_says_async_with() -> None:
    with pytest.raises(TypeError, match=r"cannot be awaited: write `async with connect\(\.\.\.\)"):
        await awaited(connect("demo"))
    with pytest.raises(TypeError, match=r"plain `with` .*: write `async with connect\(\.\.\.\)"):
        entered(connect("demo"))
    stream, _ = trio.testing.memory_stream_pair()
    with pytest.raises(TypeError, match=r"write `async with connect_over\(\.\.\.\) as api:`"):
        await awaited(connect_over(stream))


STREAMS: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "events": (
        lambda api, account, order: api.events(ProtoOASpotEvent),
        r"`async with api\.events\(\.\.\.\) as stream:`, and in it `async for event in stream:`",
    ),
    "quotes": (lambda api, account, order: account.quotes("EURUSD"), "`async for item in stream:`"),
    "live bars": (
        lambda api, account, order: account.live_bars("EURUSD", "M1"),
        "`async for item in stream:`",
    ),
    "books": (lambda api, account, order: account.book("EURUSD"), "`async for item in stream:`"),
    "an order's events": (
        lambda api, account, order: order.events,
        r"`async for event in order\.events:`",
    ),
    "bar pages": (
        lambda api, account, order: history.bar_pages(api, HEDGED, 1, "M1", *SPAN),
        "`async for page in pages:`",
    ),
    "tick pages": (
        lambda api, account, order: history.tick_pages(api, HEDGED, 1, *SPAN, side="bid"),
        "`async for page in pages:`",
    ),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_says_async_for(name: str, autojump_clock: Any) -> None:
    make, said = STREAMS[name]
    async with mock_server(Box()) as server, connect_over(server.memory_client()) as api:
        await api.auth(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            access_token=ACCESS_TOKEN,
            account_id=HEDGED,
        )
        account = await api.account(HEDGED)
        order = await account.buy("EURUSD", lots="0.01")
        await order.filled()
        for use in (iterated, entered):
            with pytest.raises(TypeError, match=f"a plain `(with|for)` will not do: write {said}"):
                use(make(api, account, order))
        with pytest.raises(TypeError, match=f"it cannot be awaited: write {said}"):
            await awaited(make(api, account, order))


async def test_changes_say_async_with(autojump_clock: Any) -> None:
    async with mock_server(Box()) as server, connect_over(server.memory_client()) as api:
        await api.auth(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            access_token=ACCESS_TOKEN,
            account_id=HEDGED,
        )
        account = await api.account(HEDGED)
        with pytest.raises(TypeError, match=r"write `async with account\.changes\(\) as changes:`"):
            entered(account.changes())
        async with account.changes() as changes:
            assert changes is not None
