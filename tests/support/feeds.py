"""A feed beside the mock's broker, in memory, and what the broker knows of its subscriptions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from ctrader_typed import Api, ConnectFailed, Reconnect, connect_over
from ctrader_typed.market import MarketStream, SpotFeed
from ctrader_typed.net.event_streams import EventHub, EventStream
from ctrader_typed.proto import SCHEMA
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.broker.broker import Broker
from mockserver.broker.rules import MarketRules
from mockserver.broker.trading.account import Terms
from mockserver.composition import mock_server
from mockserver.faults.plan import Plan
from tests.support import releases

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
EURUSD, USDJPY, GBPUSD = 1, 3, 2
FAST = Reconnect(first=0.1, ceiling=0.2)


async def taken(stream: MarketStream[Any], seconds: float = 0.0) -> list[Any]:
    """What waits, and what comes within so many seconds."""
    found: list[Any] = []
    with trio.move_on_after(seconds):
        while True:
            found.append(await anext(stream))
    return found


async def to_the_end(stream: MarketStream[Any]) -> None:
    """Until it raises."""
    while True:
        await anext(stream)


class Watched:
    """The server that a feed has to do with."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.broker: Broker = server.broker
        self.links: list[trio.abc.Stream] = []
        self.away_until = 0.0
        """Before that there is no other connection."""

    async def cut(self) -> None:
        """The connection is gone."""
        await trio.aclose_forcefully(self.links[-1])

    @property
    def subscribed(self) -> dict[int, tuple[frozenset[int], bool]]:
        """What the broker sends: for each symbol the periods of live bars, and whether depth."""
        book = self.broker.market_data.spots._subscriptions  # the books themselves are the oracle
        return {
            symbol: (frozenset(map(int, one.periods)), one.book is not None)
            for symbol, sessions in book.items()
            for one in sessions.values()
        }

    def asked(self, kind: type[Any]) -> int:
        """How many requests of a kind have come."""
        return len(self.server.received(kind))


@asynccontextmanager
async def fed(
    market_rules: MarketRules | None = None,
    faults: Plan | None = None,
    accounts: Sequence[int] = (HEDGED,),
    broker: Broker | None = None,
    **settings: Any,
) -> AsyncGenerator[tuple[Api, SpotFeed, Watched], None]:
    """A feed of an account of the box."""
    broker = Broker(market_rules=market_rules) if broker is None else broker
    for login, account in enumerate(accounts, 1):
        broker.open_account(account, Terms(trader_login=login), deposit=10_000)
    async with mock_server(Box(broker), port=None, faults=faults) as server:
        watched = Watched(server)

        async def dial() -> trio.abc.Stream:
            if trio.current_time() < watched.away_until:
                raise ConnectFailed("the server is away")
            watched.links.append(server.memory_client())
            return watched.links[-1]

        async with connect_over(
            dial, **({"reconnect": FAST, "schema": releases.PACKAGE} | settings)
        ) as api:
            await api.auth(**KEYS, account_id=accounts)
            yield api, SpotFeed(api, HEDGED), watched


class Still:
    """A client that says yes to everything. A test publishes its events, and runs what goes on
    beside it; whoever reads looks for himself for what has come in.
    """

    def __init__(self) -> None:
        self.home = EventHub()
        self.trio_run = self.home.run
        self.schema = SCHEMA
        self.beside: list[Any] = []

    def events(self, *kinds: Any, buffer: int, **_: Any) -> EventStream[Any]:
        return EventStream(self.home, kinds, buffer)

    def accompany(self, task: Any) -> None:
        self.beside.append(task)

    async def connected(self) -> None:
        await trio.lowlevel.checkpoint()

    async def request(self, _: Any) -> None:
        await trio.lowlevel.checkpoint()

    def gap(self) -> None:
        self.home.lost(trio.current_time(), "cut")
        self.home.restored()
