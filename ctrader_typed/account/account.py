"""An account in a trader's hands: what it has, what that is worth, always in step.

Applies what waits whenever it is asked; decides nothing itself: `book` knows what events mean, and
`valuation` what they are worth.
"""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import trio

from ..client import Client
from ..errors import ConnectionLost, CTraderError, InvalidOrder, ServerError, SlowSubscriber
from ..message import Message
from ..net.subscriptions import EventStream
from ..proto import (
    ProtoOALightSymbol,
    ProtoOAOrder,
    ProtoOAReconcileReq,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolByIdReq,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsListReq,
    ProtoOATrader,
    ProtoOATraderReq,
)
from ..wire.notices import Gap
from ..wire.overflow import conflate_spots
from . import arithmetic
from .book import EVENTS, Book
from .changes import Change
from .instrument import Instrument
from .position import Position
from .prices import Prices
from .shown import table
from .trading import Trading
from .valuation import Profit, Valuation

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before what the server refused is asked again, the last of them from then on."""

BATCH = 100
"""Symbols described by one request; 50 to 200 were seen to work."""

ALREADY = frozenset({"ALREADY_SUBSCRIBED"})
"""INVALID_REQUEST with "Already subscribed" was seen for the same (2020)."""


class Account(Trading):
    """An account, in step with the server for as long as its client lives. Made by `api.account()`.

    Whatever is read here has seen every event that has come in: after `await order.filled()` the
    position is there. After a gap it is reconciled first; `in_step` says whether it is, and
    `settled()` waits for that. Money is a Decimal in the deposit currency.
    """

    def __init__(self, client: Client, account_id: int) -> None:
        super().__init__(client, account_id)
        self._book = Book()
        self._prices = Prices()
        self._lights: dict[int, ProtoOALightSymbol] = {}
        self._symbols: dict[int, Instrument] = {}
        self._valuation = Valuation(self._book, self._prices, self._lights)
        self._watched: set[int] = set()
        self._events: EventStream[Message] = client.events(*EVENTS, account=account_id)
        self._spots: EventStream[ProtoOASpotEvent] = client.events(
            ProtoOASpotEvent, account=account_id, overflow=conflate_spots
        )
        self._listeners: list[trio.MemorySendChannel[Change]] = []
        self._news = trio.lowlevel.ParkingLot()
        self._closing = trio.Event()
        self._failure: CTraderError | None = None

    @classmethod
    async def open(cls, client: Client, account_id: int) -> Account:
        """An account in step; `api.account()` says the rest."""
        account = cls(client, account_id)
        client.accompany(account._run)
        try:
            await account._until(account._tended)
        except BaseException:
            account._closing.set()
            raise
        return account

    # --- what it has ---

    @property
    def account_id(self) -> int:
        """The ctidTraderAccountId."""
        return self._account_id

    @property
    def trader(self) -> ProtoOATrader:
        """The account's terms as the server shows them, with the balance of now."""
        self._drain()
        trader = self._book.trader
        assert trader is not None, "an account is given out when it has been reconciled"
        return trader

    @property
    def positions(self) -> Mapping[int, Position]:
        """The open positions by their ids; a copy."""
        self._drain()
        return MappingProxyType(dict(self._book.positions))

    @property
    def pending(self) -> Mapping[int, ProtoOAOrder]:
        """The pending orders by their ids; a copy."""
        self._drain()
        return MappingProxyType(dict(self._book.orders))

    @property
    def in_step(self) -> bool:
        """Whether nothing can have been missed."""
        self._drain()
        return self._book.in_step

    @property
    def symbols(self) -> Mapping[int, Instrument]:
        """The symbols that can be traded, by their ids."""
        return MappingProxyType(self._symbols)

    def symbol(self, name: str | int) -> Instrument:
        """A symbol by its name or id; KeyError names those that are spelt alike."""
        if isinstance(name, int):
            return self._symbols[name]
        for symbol in self._symbols.values():
            if symbol.name == name:
                return symbol
        names = [symbol.name for symbol in self._symbols.values()]
        near = ", ".join(get_close_matches(name.upper(), names)) or "none"
        raise KeyError(f"there is no symbol {name!r}; spelt alike: {near}")

    async def quote_rate(self, symbol: Instrument) -> Decimal:
        """What the quote asset of a symbol is worth in the deposit currency, at mid prices now.

        Subscribes to what it takes, and waits for the first prices. Raises what `request` does.
        """
        self._drain()
        if symbol.id not in self._watched:
            await self._watch(symbol.id)
        ways = self._valuation.conversion(symbol.id)
        if ways is None:
            raise InvalidOrder(f"{symbol.name} has no quote asset")
        await self._until(lambda: self._rate(ways) is not None)
        rate = self._prices.rate(*ways)
        assert rate is not None, "the wait is over"
        return Decimal(rate.numerator) / Decimal(rate.denominator)

    def _rate(self, ways: tuple[int, int]) -> Fraction | None:
        self._drain()
        return self._prices.rate(*ways)

    # --- what it is worth ---

    @property
    def balance(self) -> Decimal:
        """The balance."""
        self._drain()
        return self._valuation.money(self._book.balance)

    @property
    def equity(self) -> Decimal | None:
        """Balance and unrealised net profit; None until the prices of all positions are there."""
        return self._optional(self._valuation.equity)

    @property
    def used_margin(self) -> Decimal:
        """What the positions bind."""
        self._drain()
        return self._valuation.money(self._valuation.used_margin())

    @property
    def free_margin(self) -> Decimal | None:
        """Equity and bonus less used margin; None as `equity`."""
        return self._optional(self._valuation.free_margin)

    @property
    def margin_level(self) -> Decimal | None:
        """Equity and bonus over used margin, in percent; None as `equity`, or if none is used."""
        self._drain()
        value = self._valuation
        equity = value.equity()
        if equity is None:
            return None
        level = arithmetic.margin_level(equity, value.bonus, value.used_margin())
        return None if level is None else Decimal(level.numerator) / Decimal(level.denominator)

    @property
    def profit(self) -> Profit | None:
        """Unrealised profit of all positions, gross and net; None as `equity`."""
        self._drain()
        return self._valuation.profit(self._valuation.total())

    def profit_of(self, position: Position | int) -> Profit | None:
        """Unrealised profit of one position; None as `equity`. KeyError if it is not open."""
        self._drain()
        number = position if isinstance(position, int) else position.position_id
        current = self._book.positions[number]
        return self._valuation.profit(self._valuation.unrealised(current))

    def _optional(self, amount: Callable[[], int | None]) -> Decimal | None:
        self._drain()
        known = amount()
        return None if known is None else self._valuation.money(known)

    # --- waiting ---

    async def settled(self) -> None:
        """Wait until it is in step and all its positions have prices: at once if it is so.

        Raises what the server said to the last attempt, which is made again by itself;
        ConnectionLost if there will be no other connection. Can be cancelled.
        """
        await self._until(lambda: self._tended() and self._valuation.total() is not None)

    @asynccontextmanager
    async def changes(self) -> AsyncGenerator[trio.MemoryReceiveChannel[Change], None]:
        """What changes from here on: `async with account.changes() as changes: async for …`.

        In order, none is dropped. Ends when the client is closed.
        """
        send, receive = trio.open_memory_channel[Change](math.inf)
        self._drain()
        self._listeners.append(send)
        try:
            with receive:
                yield receive
        finally:
            if send in self._listeners:
                self._listeners.remove(send)
            send.close()

    def _tended(self) -> bool:
        self._drain()
        return self._book.in_step and not self._wanting()

    async def _until(self, condition: Callable[[], bool]) -> None:
        await trio.lowlevel.checkpoint()
        while not condition():
            if self._failure is not None:
                raise copy.copy(self._failure)
            await self._news.park()

    # --- kept in step ---

    def _drain(self) -> None:
        """Apply what has come in."""
        for stream in (self._events, self._spots):
            while True:
                try:
                    self._take(stream, stream.take())
                except trio.WouldBlock:
                    break
                except SlowSubscriber as slow:
                    self._tell(self._book.lose(str(slow)))

    def _take(self, stream: EventStream[Any], event: Message | Gap) -> None:
        if isinstance(event, ProtoOASpotEvent):
            self._prices.apply(event)
        elif not isinstance(event, Gap):
            self._tell(self._book.apply(event))
        elif stream is self._events:  # prices come again by themselves
            self._tell(self._book.lose(event.reason))

    def _tell(self, changes: tuple[Change, ...]) -> None:
        for listener in self._listeners:
            for change in changes:
                listener.send_nowait(change)

    async def _run(self) -> None:
        """Beside the client: follow the events, ask for what is missing."""
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
            for listener in self._listeners:
                listener.close()
            self._listeners.clear()

    async def _follow(self, stream: EventStream[Message] | EventStream[ProtoOASpotEvent]) -> None:
        while True:
            try:
                self._take(stream, await anext(stream))
            except SlowSubscriber as slow:
                self._tell(self._book.lose(str(slow)))
            self._drain()
            self._news.unpark_all()

    async def _tend(self) -> None:
        """Ask the server for whatever is missing, again after a pause where it refuses."""
        pauses = iter(PAUSES)
        while True:
            try:
                await self._client.connected()
                await self._ask()
            except ServerError as error:
                self._fail(error)
                await trio.sleep(next(pauses, PAUSES[-1]))
            except ConnectionLost:
                await self._client.connected()  # raises if there will be none
            else:
                pauses, self._failure = iter(PAUSES), None
                self._news.unpark_all()
                if self._tended():
                    await self._news.park()

    async def _ask(self) -> None:
        account = self._account_id
        if not self._lights:
            answer = await self._client.request(
                ProtoOASymbolsListReq(ctid_trader_account_id=account)
            )
            self._lights.update((light.symbol_id, light) for light in answer.symbol)
        if missing := sorted(self._lights.keys() - self._symbols.keys()):
            await self._describe(missing)
        self._drain()
        if not self._book.in_step:
            self._book.ask()
            trader = await self._client.request(ProtoOATraderReq(ctid_trader_account_id=account))
            standing = await self._client.request(
                ProtoOAReconcileReq(ctid_trader_account_id=account)
            )
            self._drain()
            self._tell(self._book.reconcile(trader, standing))
        for symbol_id in self._wanting():
            await self._watch(symbol_id)

    async def _describe(self, symbol_ids: list[int]) -> None:
        for batch in range(0, len(symbol_ids), BATCH):
            answer = await self._client.request(
                ProtoOASymbolByIdReq(
                    ctid_trader_account_id=self._account_id,
                    symbol_id=symbol_ids[batch : batch + BATCH],
                )
            )
            for details in answer.symbol:
                light = self._lights[details.symbol_id]
                self._symbols[details.symbol_id] = Instrument(light, details)
        for unknown in set(symbol_ids) - self._symbols.keys():
            del self._lights[unknown]  # listed, but not described: not to be asked for for ever

    def _wanting(self) -> list[int]:
        """The symbols with positions whose prices nobody has seen to."""
        traded = {position.symbol_id for position in self._book.positions.values()}
        return sorted(traded - self._watched)

    async def _watch(self, symbol_id: int) -> None:
        """Subscribe to a symbol and to those that convert its profit."""
        ways = self._valuation.conversion(symbol_id)
        symbols = [symbol_id]
        if ways is not None:
            if self._prices.chain(*ways) is None:
                answer = await self._client.request(
                    ProtoOASymbolsForConversionReq(
                        ctid_trader_account_id=self._account_id,
                        first_asset_id=ways[0],
                        last_asset_id=ways[1],
                    )
                )
                self._prices.learn(*ways, answer.symbol)
            symbols += [light.symbol_id for light in self._prices.chain(*ways) or ()]
        for each in symbols:
            await self._subscribe(each)
        self._watched.add(symbol_id)

    async def _subscribe(self, symbol_id: int) -> None:
        request = ProtoOASubscribeSpotsReq(
            ctid_trader_account_id=self._account_id, symbol_id=[symbol_id]
        )
        try:
            await self._client.request(request)
        except ServerError as error:
            if error.code not in ALREADY and "lready subscribed" not in str(error):
                raise

    def _fail(self, error: CTraderError) -> None:
        self._failure = error
        self._news.unpark_all()

    # --- shown ---

    def __repr__(self) -> str:
        self._drain()
        state = "" if self._book.in_step else ", out of step"
        return (
            f"<Account {self._account_id}: balance {self.balance}, equity {self.equity}, "
            f"{len(self._book.positions)} positions, {len(self._book.orders)} pending{state}>"
        )

    def _repr_html_(self) -> str:
        """For notebooks: the account in a line, its positions in a table."""
        return table(
            repr(self), [(p, self.profit_of(p)) for p in self.positions.values()], self._lights
        )


def _first(group: BaseExceptionGroup[ConnectionLost]) -> ConnectionLost:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, ConnectionLost)
    return found
