"""A catalogue beside its client: it hears of changes, over lost links too."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from ctrader_typed import (
    NO_RECONNECT,
    Api,
    ConnectionLost,
    ProtoOASymbolChangedEvent,
    Reconnect,
    ServerError,
    SlowSubscriber,
)
from ctrader_typed.symbols import Catalogue, keep_catalogue
from mockserver.box import HEDGED, NETTED
from tests.ctrader_typed.symbols.markets import Shop, connected, details

FAST = Reconnect(first=0.1, ceiling=0.2)


def change(server: Any, catalogue: Catalogue, name: str, digits: int) -> None:
    server.broker.change_symbol(catalogue[name].details.__replace__(digits=digits))


async def test_what_the_server_says_has_changed_is_loaded(autojump_clock) -> None:
    async with connected() as (api, server), trio.open_nursery() as nursery:
        catalogue: Catalogue = await nursery.start(keep_catalogue, api, HEDGED)
        for digits in (4, 3, 2):
            change(server, catalogue, "EURUSD", digits)
            await trio.sleep(1)
            assert catalogue.fresh
            assert catalogue["EURUSD"].digits == digits
        change(server, catalogue, "GBPUSD", 4)
        change(server, catalogue, "EURJPY", 2)
        await trio.sleep(1)
        assert [catalogue[name].digits for name in ("EURUSD", "GBPUSD", "EURJPY")] == [2, 4, 2]
        nursery.cancel_scope.cancel()


async def test_after_a_gap_all_of_it_is(autojump_clock) -> None:
    async with connected(reconnect=FAST) as (api, server), trio.open_nursery() as nursery:
        catalogue: Catalogue = await nursery.start(keep_catalogue, api, HEDGED)
        server.way = trio.Event()
        await trio.aclose_forcefully(server.links[-1])
        await trio.sleep(1)
        change(server, catalogue, "EURUSD", 4)  # nobody hears of it
        await trio.sleep(1)
        assert catalogue["EURUSD"].digits == 5
        server.way.set()
        await trio.sleep(1)
        assert len(server.links) == 2
        assert catalogue["EURUSD"].digits == 4
        nursery.cancel_scope.cancel()


async def test_what_the_server_refuses_is_asked_again(
    autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected() as (api, server), trio.open_nursery() as nursery:
        catalogue: Catalogue = await nursery.start(keep_catalogue, api, HEDGED)
        refusals = iter(range(3))
        ask = Api.request

        async def request(self: Api, request: Any) -> Any:
            if next(refusals, None) is not None:
                return await ask(self, request.__replace__(ctid_trader_account_id=NETTED))
            return await ask(self, request)

        monkeypatch.setattr(Api, "request", request)
        change(server, catalogue, "EURUSD", 4)
        await trio.sleep(6.5)  # pauses of 1, 2 and 4 seconds
        assert not catalogue.fresh
        assert catalogue["EURUSD"].digits == 5
        await trio.sleep(1)
        assert catalogue.fresh
        assert catalogue["EURUSD"].digits == 4
        nursery.cancel_scope.cancel()


async def test_the_first_load_raises_what_the_server_says(autojump_clock) -> None:
    async with connected() as (api, _):
        with pytest.RaisesGroup(ServerError):
            async with trio.open_nursery() as nursery:
                await nursery.start(keep_catalogue, api, NETTED)


async def test_it_ends_with_its_client(autojump_clock) -> None:
    async with connected(reconnect=NO_RECONNECT) as (api, server):
        kept = trio.Event()

        async def keep() -> None:
            with pytest.raises(ConnectionLost):
                await keep_catalogue(api, HEDGED)
            kept.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep)
            await trio.sleep(1)
            await trio.aclose_forcefully(server.links[-1])
            with trio.fail_after(5):
                await kept.wait()


async def test_beside_the_client_itself(autojump_clock) -> None:
    """`accompany` runs it too, for who has no nursery of their own."""
    async with connected() as (api, _):
        api.accompany(partial(keep_catalogue, api, HEDGED))
        await trio.sleep(1)
        assert [stream.received for stream in api.statistics().streams] == [0]


class News(Shop):
    """A shop with a stream of events, which a test writes; the connection may be lost meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.happened: list[Any] = []
        self.lost = 0

    async def request(self, request: Any) -> Any:
        if self.lost:
            self.lost -= 1
            raise ConnectionLost("cut")
        return await super().request(request)

    async def connected(self) -> None:
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def events(self, *_: Any, **__: Any) -> AsyncGenerator[News]:
        yield self

    async def __anext__(self) -> Any:
        await trio.lowlevel.checkpoint()
        if not self.happened:
            await trio.sleep_forever()
        event = self.happened.pop(0)
        if isinstance(event, Exception):
            raise event
        return event


async def test_after_dropped_events_all_of_it_is_loaded(autojump_clock) -> None:
    news: Any = News()
    async with trio.open_nursery() as nursery:
        news.happened = [SlowSubscriber(3)]
        catalogue: Catalogue = await nursery.start(keep_catalogue, news, 1)
        news.details[2] = details(2, digits=2)
        await trio.sleep(1)
        assert catalogue[2].digits == 2
        nursery.cancel_scope.cancel()


async def test_a_link_lost_while_it_loads(autojump_clock) -> None:
    news: Any = News()
    async with trio.open_nursery() as nursery:
        news.happened = [ProtoOASymbolChangedEvent(ctid_trader_account_id=1, symbol_id=[2])]
        catalogue: Catalogue = await nursery.start(keep_catalogue, news, 1)
        news.details[2], news.lost = details(2, digits=2), 3
        await trio.sleep(1)
        assert news.lost == 0
        assert catalogue[2].digits == 2
        nursery.cancel_scope.cancel()
