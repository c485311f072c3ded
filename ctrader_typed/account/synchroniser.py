"""A book kept in step with the server: events followed, gaps reconciled, prices subscribed to.

What events mean for the book is in `positions_book`; quotes go to the feed.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import trio

from ..client import Client
from ..errors import ConnectionLost, CTraderError, InvalidValue, SlowSubscriber, again
from ..market import Quote, SpotFeed
from ..market.spot_feed import SubscriptionRefused
from ..message import Message
from ..net.event_streams import EventStream
from ..proto import (
    ProtoOAExecutionEvent,
    ProtoOAReconcileReq,
    ProtoOASymbolChangedEvent,
    ProtoOATraderReq,
)
from ..protocol.session import SessionPartKind
from ..protocol.stream_events import Gap, GivenUp
from ..symbols import Catalogue, Chain
from .listeners import Changes, Listeners
from .positions_book import EVENTS, PositionsBook
from .valuation import Valuation

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before what the server refused is asked again, the last of them from then on."""

PATIENCE = 10.0
"""Seconds that a session which was lost may take to come back before the server is asked anyway."""

log = logging.getLogger(__name__)


class Synchroniser:
    """The book and the prices of one account, current whenever `drain` has been called.

    `run` goes beside the client. Until it has reconciled for the first time, `tended` is false.
    """

    def __init__(self, client: Client, account_id: int) -> None:
        self._client = client
        self._account_id = account_id
        self._is_a = client.schema.is_a
        self.book = PositionsBook()
        self.catalogue = Catalogue(account_id)
        self.feed = SpotFeed.of(client, account_id)
        self.valuation = Valuation(self.book, self.catalogue, self.feed.quote)
        self._held = Counter[int]()
        self._coming = set[int]()  # traded since: a fill finds its prices there
        kinds: tuple[type[Message], ...] = (*EVENTS, ProtoOASymbolChangedEvent)
        known = [kind for kind in kinds if client.schema.find(kind) is not None]
        self._events: EventStream[Message | GivenUp] = client.events(
            *known, GivenUp, account=account_id
        )
        self._quotes = EventStream[Quote | SubscriptionRefused](
            self.feed.hub, (Quote, SubscriptionRefused), 1, "drop_oldest"
        )
        self._price_errors: dict[int, CTraderError] = {}
        self._listeners = Listeners(client.trio_run)
        self._news = trio.lowlevel.ParkingLot()  # who waits for a condition: events and quotes
        self._work = trio.lowlevel.ParkingLot()  # `_tend` alone, which no quote concerns
        self._closing = trio.Event()
        self._failure: CTraderError | None = None
        self._end = ConnectionLost("the client is closed")

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
        """Whether it is in step and all prices that it takes were asked for: `price_errors` has
        those that were refused.
        """
        self.drain()
        return self.book.in_step and not self._wanting()

    @property
    def price_errors(self) -> dict[int, CTraderError]:
        """The symbols of positions and orders that have no prices, or no way to the deposit
        currency: by their ids, with what the server said to the last attempt.
        """
        self.drain()
        traded = self._traded()
        return {each: error for each, error in self._price_errors.items() if each in traded}

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, looked at whenever something has come.

        Raises what the server said to the last attempt to reconcile; ConnectionLost if nothing more
        will come.
        """
        self._client.trio_run.check()
        await trio.lowlevel.checkpoint()
        while not condition():
            if self._failure is not None:
                raise again(self._failure)
            await self._news.park()

    @asynccontextmanager
    async def changes(self) -> AsyncGenerator[Changes, None]:
        """What changes from here on."""
        self.drain()
        with self._listeners.listen() as changes:
            yield changes

    # --- what comes in ---

    def drain(self) -> None:
        """Apply what has come in, and let others see it. Without a session nobody knows what has
        not.
        """
        self._client.trio_run.check()
        took = False
        while True:
            try:
                self._take(self._events.take())
            except trio.WouldBlock:
                break
            except SlowSubscriber as slow:
                self._lose(str(slow))
            took = True
        if (reason := self._events.interrupted) is not None:
            self._lose(reason)
        if took:  # who was woken by it finds nothing any more
            self._wake()

    def _wake(self) -> None:
        self._news.unpark_all()
        self._work.unpark_all()

    def _take(self, event: Message | GivenUp | Gap) -> None:
        if isinstance(event, Gap):
            self._lose(event.reason)
            self.catalogue.changed()
        elif isinstance(event, GivenUp):
            if event.part.kind is SessionPartKind.ACCOUNT and not event.may_be_mended:
                self._lose(str(event.error))
                self._fail(event.error)
                self._listeners.end(event.error)
        elif self._is_a(event, ProtoOASymbolChangedEvent):
            self.catalogue.changed(event.symbol_id)
        else:
            if self._is_a(event, ProtoOAExecutionEvent) and event.order is not None:
                self._coming.add(event.order.trade_data.symbol_id)
                self._coming -= self._price_errors.keys()
            self._listeners.tell(self.book.apply(event))

    def _lose(self, reason: str) -> None:
        self._listeners.tell(self.book.lose(reason))

    async def _follow(self) -> None:
        while True:
            await self._events.stirred()
            self.drain()
            self._wake()

    async def _hear(self) -> None:
        """Who waits for prices is woken by them; a subscription that is gone is work to do."""
        async for event in self._quotes:
            self._news.unpark_all()
            if isinstance(event, SubscriptionRefused):
                self._work.unpark_all()

    async def run(self) -> None:
        """Follow the events, ask for what is missing; until the client is closed."""
        why: CTraderError | None = None  # it is closed by the program, which knows that
        try:
            async with self._events, self._quotes, trio.open_nursery() as nursery:
                nursery.start_soon(self._follow)
                nursery.start_soon(self._hear)
                nursery.start_soon(self._tend)
                await self._closing.wait()
                nursery.cancel_scope.cancel()
            for symbol_id in self._held.elements():
                self.feed.release(symbol_id)
        except* ConnectionLost as lost:
            self._end = why = _first(lost)
        except* Exception:
            why = self._end
            raise
        finally:
            self._lose(str(self._end))
            self._fail(self._end)
            self._listeners.end(why)

    # --- what is asked for ---

    async def _tend(self) -> None:
        """Ask the server for whatever is missing, again after a pause where it refuses."""
        pauses, retry_at = iter(PAUSES), math.inf
        while True:
            there = False
            try:
                await self._client.connected()
                there = await self._session()
                refused = await self._ask(again=trio.current_time() >= retry_at)
            except ConnectionLost:
                await self._client.connected()  # raises if there will be none
            except CTraderError as error:  # a refusal, or an answer that makes no sense
                if there and self._events.interrupted is not None:
                    continue  # the session was lost meanwhile
                self._fail(error)
                await trio.sleep(next(pauses, PAUSES[-1]))
            else:
                self._failure = None
                if refused:
                    retry_at = trio.current_time() + next(pauses, PAUSES[-1])
                elif not self._price_errors:
                    pauses, retry_at = iter(PAUSES), math.inf
                self._news.unpark_all()
                if self.tended():
                    with trio.CancelScope(deadline=retry_at):
                        await self._work.park()

    async def _session(self) -> bool:
        """Give the client a moment to get the account's session back: it does so by itself."""
        with trio.move_on_after(PATIENCE):
            while self._events.interrupted is not None:
                await self._work.park()
        return self._events.interrupted is None

    def _fail(self, error: CTraderError) -> None:
        self._failure = error
        self._news.unpark_all()

    async def _ask(self, *, again: bool) -> bool:
        """The books come before what has changed in the catalogue, but for the first time.

        What was refused before is asked for only `again`. Returns whether prices were refused.
        """
        if not self.catalogue.symbols:
            await self.catalogue.refresh(self._client)
        self.drain()
        if not self.book.in_step:
            await self._reconcile()
        refused = False
        for symbol_id in self._wanting(again=again):
            try:
                await self.watch(symbol_id)
                if self.valuation.conversion(symbol_id) is None:
                    name = self.catalogue[symbol_id].name  # or it says why it is not there
                    raise InvalidValue(f"{name} has no quote asset: its profit has no currency")
            except ConnectionLost:
                raise
            except CTraderError as error:  # which keeps none of the others from their prices
                refused = True
                self._refuse(symbol_id, error)
        await self.catalogue.refresh(self._client)
        return refused

    def _refuse(self, symbol_id: int, error: CTraderError) -> None:
        if symbol_id not in self._price_errors:
            symbol = self.catalogue.get(symbol_id)
            name = symbol_id if symbol is None else symbol.name
            log.warning("account %d has no prices of %s: %s", self._account_id, name, error)
        self._price_errors[symbol_id] = error
        self._coming.discard(symbol_id)  # asked for again if there is something of it

    async def _reconcile(self) -> None:
        account = self._account_id
        self.book.ask()
        trader = await self._client.request(ProtoOATraderReq(ctid_trader_account_id=account))
        state = await self._client.request(ProtoOAReconcileReq(ctid_trader_account_id=account))
        self.drain()
        self._listeners.resume()
        self._listeners.tell(self.book.reconcile(trader, state))

    # --- prices ---

    def _wanting(self, *, again: bool = False) -> list[int]:
        """The symbols with positions, or with orders that may become some, whose prices, or chains
        to the deposit currency, are not there; those that were refused only `again`.
        """
        traded = self._traded()
        for number in [each for each in self._price_errors if each not in traded]:
            del self._price_errors[number]
        missing = sorted(number for number in traded if not self._is_watched(number))
        return [each for each in missing if again or each not in self._price_errors]

    def _traded(self) -> set[int]:
        traded = {position.symbol_id for position in self.book.positions.values()} | self._coming
        return traded | {order.trade_data.symbol_id for order in self.book.orders.values()}

    def _is_watched(self, symbol_id: int) -> bool:
        ways = self.valuation.conversion(symbol_id)
        chain = None if ways is None else self.catalogue.known_chain(*ways)
        if chain is None:
            return False
        return all(map(self._is_held, (symbol_id, *chain.symbol_ids)))

    def _is_held(self, symbol_id: int) -> bool:
        """Whether it is subscribed to here, and the server has not taken that away."""
        return symbol_id in self._held and self.feed.quote(symbol_id) is not None

    async def watch(self, symbol_id: int, *others: tuple[int, int]) -> None:
        """Subscribe to a symbol, to those that convert its profit, and to those that lead from one
        asset to another; for as long as the client lives.
        """
        await self._subscribe(symbol_id)
        ways = self.valuation.conversion(symbol_id)
        for first, last in others if ways is None else (ways, *others):
            await self.lead(first, last)
        self._price_errors.pop(symbol_id, None)

    async def lead(self, first: str | int, last: str | int) -> Chain:
        """The chain from one asset to another, its symbols subscribed to as by `watch`."""
        chain = await self.catalogue.chain(self._client, first, last)
        await self._subscribe(*chain.symbol_ids)
        return chain

    async def _subscribe(self, *symbol_ids: int) -> None:
        fresh = [number for number in symbol_ids if not self._is_held(number)]
        if fresh:
            await self.feed.acquire([self.catalogue.get(number) or number for number in fresh])
            self._held.update(fresh)


def _first(group: BaseExceptionGroup[ConnectionLost]) -> ConnectionLost:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, ConnectionLost)
    return found
