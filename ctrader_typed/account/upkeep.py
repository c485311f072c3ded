"""A book kept in step with the server: events followed, gaps reconciled, prices subscribed to.

Decides nothing: `book` knows what events mean, `prices` what quotes do. Knows no trader's units.
"""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from ..client import Client
from ..errors import ConnectionLost, CTraderError, ServerError, SlowSubscriber
from ..message import Message
from ..net.subscriptions import EventStream
from ..proto import (
    ProtoOAAssetListReq,
    ProtoOALightSymbol,
    ProtoOAReconcileReq,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolByIdReq,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsListReq,
    ProtoOATraderReq,
)
from ..wire.notices import Gap
from ..wire.overflow import conflate_spots
from .book import EVENTS, Book
from .changes import Change
from .instrument import Instrument
from .prices import Prices
from .valuation import Valuation

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before what the server refused is asked again, the last of them from then on."""

PATIENCE = 10.0
"""Seconds that a session which was lost may take to come back before the server is asked anyway."""

BATCH = 100
"""Symbols described by one request; 50 to 200 were seen to work."""

ALREADY = frozenset({"ALREADY_SUBSCRIBED"})
"""INVALID_REQUEST with "Already subscribed" was seen for the same (2020)."""


class Upkeep:
    """The book and the prices of one account, current whenever `drain` has been called.

    `run` goes beside the client. Until it has reconciled for the first time, `tended` is false.
    """

    def __init__(self, client: Client, account_id: int) -> None:
        self._client = client
        self._account_id = account_id
        self.book = Book()
        self.prices = Prices()
        self.lights: dict[int, ProtoOALightSymbol] = {}
        self.symbols: dict[int, Instrument] = {}
        self.assets: dict[str, int] = {}
        self.valuation = Valuation(self.book, self.prices, self.lights, self.assets)
        self._watched: set[int] = set()
        self._events: EventStream[Message] = client.events(*EVENTS, account=account_id)
        self._spots: EventStream[ProtoOASpotEvent] = client.events(
            ProtoOASpotEvent, account=account_id, overflow=conflate_spots
        )
        self._listeners: list[trio.MemorySendChannel[Change]] = []
        self._news = trio.lowlevel.ParkingLot()
        self._closing = trio.Event()
        self._failure: CTraderError | None = None

    async def start(self) -> None:
        """Run beside the client, and return once it is in step. Raises what the server refuses."""
        self._client.accompany(self.run)
        try:
            await self.until(self.tended)
        except BaseException:
            self._closing.set()
            raise

    # --- waiting ---

    def tended(self) -> bool:
        """Whether it is in step and all prices that it takes were seen to."""
        self.drain()
        return self.book.in_step and not self._wanting()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, looked at whenever something has come.

        Raises what the server said to the last attempt; ConnectionLost if nothing more will come.
        """
        await trio.lowlevel.checkpoint()
        while not condition():
            if self._failure is not None:
                raise copy.copy(self._failure)
            await self._news.park()

    @asynccontextmanager
    async def changes(self) -> AsyncGenerator[trio.MemoryReceiveChannel[Change], None]:
        """What changes from here on."""
        send, receive = trio.open_memory_channel[Change](math.inf)
        self.drain()
        self._listeners.append(send)
        try:
            with receive:
                yield receive
        finally:
            if send in self._listeners:
                self._listeners.remove(send)
            send.close()

    # --- what comes in ---

    def drain(self) -> None:
        """Apply what has come in. Without a session nobody knows what has not."""
        for stream in (self._events, self._spots):
            while True:
                try:
                    self._take(stream, stream.take())
                except trio.WouldBlock:
                    break
                except SlowSubscriber as slow:
                    self._lose(str(slow))
        if (reason := self._events.interrupted) is not None:
            self._lose(reason)

    def _take(self, stream: EventStream[Any], event: Message | Gap) -> None:
        if isinstance(event, ProtoOASpotEvent):
            self.prices.apply(event)
        elif not isinstance(event, Gap):
            self._tell(self.book.apply(event))
        elif stream is self._events:  # prices come again by themselves
            self._lose(event.reason)

    def _lose(self, reason: str) -> None:
        self._tell(self.book.lose(reason))

    def _tell(self, changes: tuple[Change, ...]) -> None:
        for listener in self._listeners:
            for change in changes:
                listener.send_nowait(change)

    async def _follow(self, stream: EventStream[Message] | EventStream[ProtoOASpotEvent]) -> None:
        while True:
            try:
                self._take(stream, await anext(stream))
            except SlowSubscriber as slow:
                self._lose(str(slow))
            self.drain()
            self._news.unpark_all()

    async def run(self) -> None:
        """Follow the events, ask for what is missing; until the client is closed."""
        try:
            async with self._events, self._spots, trio.open_nursery() as nursery:
                nursery.start_soon(self._follow, self._events)
                nursery.start_soon(self._follow, self._spots)
                nursery.start_soon(self._tend)
                await self._closing.wait()
                nursery.cancel_scope.cancel()
        except* ConnectionLost as lost:
            self._fail(_first(lost))
        finally:
            self._lose("the client is closed")
            for listener in self._listeners:
                listener.close()
            self._listeners.clear()

    # --- what is asked for ---

    async def _tend(self) -> None:
        """Ask the server for whatever is missing, again after a pause where it refuses."""
        pauses = iter(PAUSES)
        while True:
            try:
                await self._client.connected()
                await self._session()
                await self._ask()
            except ServerError as error:
                self._fail(error)
                await trio.sleep(next(pauses, PAUSES[-1]))
            except ConnectionLost:
                await self._client.connected()  # raises if there will be none
            else:
                pauses, self._failure = iter(PAUSES), None
                self._news.unpark_all()
                if self.tended():
                    await self._news.park()

    async def _session(self) -> None:
        """Give the client a moment to get the account's session back: it does so by itself."""
        with trio.move_on_after(PATIENCE):
            while self._events.interrupted is not None:
                await self._news.park()

    def _fail(self, error: CTraderError) -> None:
        self._failure = error
        self._news.unpark_all()

    async def _ask(self) -> None:
        await self._describe()
        self.drain()
        if not self.book.in_step:
            await self._reconcile()
        for symbol_id in self._wanting():
            await self.watch(symbol_id)

    async def _reconcile(self) -> None:
        account = self._account_id
        self.book.ask()
        trader = await self._client.request(ProtoOATraderReq(ctid_trader_account_id=account))
        standing = await self._client.request(ProtoOAReconcileReq(ctid_trader_account_id=account))
        self.drain()
        self._tell(self.book.reconcile(trader, standing))

    async def _describe(self) -> None:
        """The symbols that are listed, and are not described yet."""
        account = self._account_id
        if not self.lights:
            answer = await self._client.request(
                ProtoOASymbolsListReq(ctid_trader_account_id=account)
            )
            assets = await self._client.request(ProtoOAAssetListReq(ctid_trader_account_id=account))
            self.assets.update((asset.name, asset.asset_id) for asset in assets.asset)
            self.lights.update((light.symbol_id, light) for light in answer.symbol)
        missing = sorted(self.lights.keys() - self.symbols.keys())
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            described = await self._client.request(
                ProtoOASymbolByIdReq(ctid_trader_account_id=account, symbol_id=batch)
            )
            for details in described.symbol:
                light = self.lights[details.symbol_id]
                self.symbols[details.symbol_id] = Instrument(light, details)
        for unknown in set(missing) - self.symbols.keys():
            del self.lights[unknown]  # listed, but not described: not to be asked for for ever

    # --- prices ---

    def _wanting(self) -> list[int]:
        """The symbols with positions whose prices nobody has seen to."""
        traded = {position.symbol_id for position in self.book.positions.values()}
        return sorted(traded - self._watched)

    async def watch(self, symbol_id: int) -> None:
        """Subscribe to a symbol and to those that convert its profit, unless that was done."""
        if symbol_id in self._watched:
            return
        await self._subscribe(symbol_id)
        ways = self.valuation.conversion(symbol_id)
        if ways is not None:
            await self.watch_way(*ways)
        self._watched.add(symbol_id)

    async def watch_way(self, first: int, last: int) -> None:
        """Subscribe to the symbols that lead from one asset to another."""
        if self.prices.chain(first, last) is None:
            answer = await self._client.request(
                ProtoOASymbolsForConversionReq(
                    ctid_trader_account_id=self._account_id,
                    first_asset_id=first,
                    last_asset_id=last,
                )
            )
            self.prices.learn(first, last, answer.symbol)
        for light in self.prices.chain(first, last) or ():
            await self._subscribe(light.symbol_id)

    async def _subscribe(self, symbol_id: int) -> None:
        request = ProtoOASubscribeSpotsReq(
            ctid_trader_account_id=self._account_id, symbol_id=[symbol_id]
        )
        try:
            await self._client.request(request)
        except ServerError as error:
            if error.code not in ALREADY and "lready subscribed" not in str(error):
                raise


def _first(group: BaseExceptionGroup[ConnectionLost]) -> ConnectionLost:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, ConnectionLost)
    return found
