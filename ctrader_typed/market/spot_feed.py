"""What an account hears of the market, kept once for all who want it.

Follows the client's events; who counts subscriptions and asks for them is `holdings`, and what an
event means is said by `quote`, `live_bars` and `book`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import trio

from ..client import Client
from ..errors import ConnectionLost, CTraderError, InvalidValue, again
from ..net.event_streams import EventHub, EventStream
from ..proto import ProtoOADepthEvent, ProtoOASpotEvent, ProtoOATrendbarPeriod
from ..protocol.session import SessionPart, SessionPartKind
from ..protocol.stream_events import Gap, GivenUp
from ..units import PRICE_DIGITS, checks
from .bars import Bar
from .live_bars import BarClosed, BarEvent, LiveBars
from .order_book import OrderBook, apply
from .periods import Period
from .quote import Quote, SymbolLike, digits_of, id_of, merge
from .subscriptions import Subscriptions

Symbols: TypeAlias = SymbolLike | Iterable[SymbolLike]
"""A symbol or several; ids will do."""

PeriodLike: TypeAlias = Period | ProtoOATrendbarPeriod | str
"""A period of bars, or its name: "M1"."""


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """The server refuses to bring a subscription back: nothing comes of it any more."""

    symbol_id: int
    part: SessionPart
    error: CTraderError


_EVENTS = ProtoOASpotEvent, ProtoOADepthEvent

_Event: TypeAlias = ProtoOASpotEvent | ProtoOADepthEvent | GivenUp

News: TypeAlias = Quote | BarEvent | OrderBook | SubscriptionRefused
"""What a feed tells its streams, besides gaps."""


class SpotFeed:
    """Quotes, live bars and order books of one account, subscribed to once however many want them.

    One for each account of a client, whoever asks: `SpotFeed.of(api, account_id)`, and that is what
    an `Account` has; two would end each other's subscriptions. `acquire` and `release`, or `async
    with feed.spots`, keep a symbol subscribed, and `quote` says how it stands; `quotes()`,
    `live_bars()` and `books()` are streams, and need nothing else.

    After a gap (a lost connection, an account's session taken away) the client subscribes again by
    itself. Nothing is then known that is older than the gap: quotes have no side, books are empty,
    and there is no bar, until fresh events come; of quotes and books the server sends them at once.
    A bar that ended meanwhile is told to be incomplete.

    A subscription that somebody made beside the feed is shared and left to them; events may begin
    late then, because the server tells last prices only to who subscribes.
    """

    def __init__(self, client: Client, account_id: int) -> None:
        self._client = checks.client(client)
        self._account_id = checks.whole(account_id, "account_id", 0)
        self._subscriptions = Subscriptions(client, self._begins, self._ended)
        self._digits: dict[int, int] = {}
        self._quotes: dict[int, Quote] = {}
        self._bars: dict[int, LiveBars] = {}
        self._books: dict[int, OrderBook] = {}
        known = [kind for kind in _EVENTS if client.schema.find(kind) is not None]
        self._kinds: tuple[type[_Event], ...] = (*known, GivenUp)
        self._source: EventStream[_Event] | None = None
        self._refusal: CTraderError | None = None
        self.hub = EventHub((BarClosed, SubscriptionRefused), run=client.trio_run)
        """Where the streams of the feed get their news from."""
        self._streams: list[EventStream[Any]] = []

    @classmethod
    def of(cls, client: Client, account_id: int) -> SpotFeed:
        """The feed of this account: the one that others of this client have, if any."""
        checks.whole(account_id, "account_id", 0)
        key = id(client), account_id  # a feed keeps its client: nobody else has that id
        feed = _FEEDS.get(key)
        if feed is None:
            feed = _FEEDS[key] = cls(client, account_id)
        return feed

    @property
    def account_id(self) -> int:
        """The ctidTraderAccountId."""
        return self._account_id

    def ids(self, symbols: Symbols) -> list[int]:
        """The ids of these symbols, each once; how many digits they show is remembered.

        InvalidValue if there are none, or for a name: a feed knows no names.
        """
        if isinstance(symbols, str):
            raise InvalidValue(f"{symbols!r} is a name: expected a symbol, its id, or several")
        if isinstance(symbols, bytes):
            checks.refuse(symbols, "symbols", "a symbol, its id, or several")
        several = symbols if isinstance(symbols, Iterable) else (symbols,)
        found: list[int] = []
        for symbol in several:
            found.append(id_of(symbol))
            digits = digits_of(symbol)
            if digits is not None and digits != self._digits.get(found[-1]):
                self._shows(found[-1], digits)
        if not found:
            raise InvalidValue("no symbols: expected at least one")
        return list(dict.fromkeys(found))

    def _shows(self, symbol: int, digits: int) -> None:
        """What is known of it may have been subscribed to by its id alone."""
        self._digits[symbol] = digits
        if symbol in self._quotes:
            self._quotes[symbol] = replace(self._quotes[symbol], digits=digits)
        if symbol in self._books:
            self._books[symbol] = replace(self._books[symbol], digits=digits)
        if symbol in self._bars:
            self._bars[symbol].digits = digits

    # --- how it stands ---

    def quote(self, symbol: SymbolLike) -> Quote | None:
        """The last quote, of all that has come in; None if the symbol is not subscribed to."""
        self.drain()
        return self._quotes.get(id_of(symbol))

    def bar(self, symbol: SymbolLike, period: PeriodLike) -> Bar | None:
        """The bar in the making; None if it is not subscribed to, or before its first event (after
        a gap, too).
        """
        self.drain()
        wanted, bars = Period.of(period), self._bars.get(id_of(symbol))
        return None if bars is None else bars.current(wanted)

    def book(self, symbol: SymbolLike) -> OrderBook | None:
        """The order book; None if it is not subscribed to."""
        self.drain()
        return self._books.get(id_of(symbol))

    # --- subscribing ---

    async def acquire(
        self, symbols: Symbols, *, bars: Iterable[PeriodLike] = (), depth: bool = False
    ) -> None:
        """Subscribe to quotes of these symbols, and to live bars and order books of them too.

        What is subscribed to already costs no request, and several symbols cost one. Who waits for
        the same shares the request, and its refusal.

        Raises ServerError when the server refuses, and what else `client.request` does:
        ConnectionLost at once when there is no connection. InvalidValue for a period that the
        server has no bars of. Then, and when cancelled, nothing is held that was not before.
        """
        parts = self._parts(symbols, bars, depth=depth)
        await self._listen()
        await self._subscriptions.acquire(parts)

    async def acquire_each(
        self, symbols: Symbols, *, bars: Iterable[PeriodLike] = (), depth: bool = False
    ) -> dict[int, CTraderError]:
        """`acquire` of what the server grants: returns the refusals, by the ids of the symbols of
        which nothing is held then. Raises ConnectionLost as `acquire`.
        """
        parts = self._parts(symbols, bars, depth=depth)
        await self._listen()
        errors = await self._subscriptions.acquire_each(parts)
        refused = {part.symbol: error for part, error in errors.items()}
        self._subscriptions.release(
            part for part in parts if part.symbol in refused and part not in errors
        )
        return refused

    def release(
        self, symbols: Symbols, *, bars: Iterable[PeriodLike] = (), depth: bool = False
    ) -> None:
        """Let go of what `acquire` with the same arguments holds; once for each time.

        The last one to let go unsubscribes. Nothing is waited for: that is done beside the client,
        after a reconnect if need be.
        """
        self._subscriptions.release(self._parts(symbols, bars, depth=depth))

    @asynccontextmanager
    async def spots(
        self, symbols: Symbols, *, bars: Iterable[PeriodLike] = (), depth: bool = False
    ) -> AsyncGenerator[None, None]:
        """`acquire` for the length of a block."""
        parts = self._parts(symbols, bars, depth=depth)
        await self._listen()
        await self._subscriptions.acquire(parts)
        try:
            yield
        finally:
            self._subscriptions.release(parts)

    def _parts(
        self, symbols: Symbols, bars: Iterable[PeriodLike], *, depth: bool
    ) -> list[SessionPart]:
        self.hub.run.check()
        account, ids = self._account_id, self.ids(symbols)
        periods = [_native(each) for each in checks.several(bars, "bars", "periods in a list")]
        checks.flag(depth, "depth")
        parts = [SessionPart(SessionPartKind.SPOTS, account, symbol) for symbol in ids]
        parts += [
            SessionPart(SessionPartKind.TRENDBARS, account, symbol, p)
            for symbol in ids
            for p in periods
        ]
        if depth:
            parts += [SessionPart(SessionPartKind.DEPTH, account, symbol) for symbol in ids]
        return parts

    def _begins(self, part: SessionPart) -> None:
        """Right before the server is asked: what has come in by now is of another subscription."""
        self.drain()
        digits = self._digits.get(part.symbol, PRICE_DIGITS)
        if part.kind is SessionPartKind.DEPTH:
            self._books[part.symbol] = OrderBook(part.symbol, digits=digits)
        elif part.kind is SessionPartKind.TRENDBARS:
            self._bars.setdefault(part.symbol, LiveBars(part.symbol, digits))
        else:
            self._quotes.setdefault(part.symbol, Quote(part.symbol, digits=digits))

    def _ended(self, part: SessionPart) -> None:
        if part.kind is SessionPartKind.DEPTH:
            self._books.pop(part.symbol, None)
        elif part.kind is SessionPartKind.SPOTS:
            self._quotes.pop(part.symbol, None)
        elif (bars := self._bars.get(part.symbol)) is not None:
            bars.forget(Period.of(ProtoOATrendbarPeriod(part.period)))

    # --- streams ---

    def join(self, stream: EventStream[Any]) -> None:
        """It is told of gaps from now on. What else comes is the hub's business."""
        self._streams.append(stream)

    def leave(self, stream: EventStream[Any]) -> None:
        """It is told nothing more."""
        self._streams.remove(stream)

    # --- following ---

    async def _listen(self) -> None:
        """From the first subscription on, for as long as the client lives. Raises what the server
        said if it does not authorise the account any more: nothing would come.
        """
        self.drain()
        if self._refusal is not None:
            await trio.lowlevel.checkpoint()
            raise again(self._refusal)
        if self._source is None:
            self._source = self._client.events(
                *self._kinds,
                account=self._account_id,
                buffer=sys.maxsize,  # it is emptied whenever something has come
            )
            self._client.accompany(self._follow)
            await self._source.__aenter__()

    async def _follow(self) -> None:
        source, end = self._source, ConnectionLost("the client was closed")
        assert source is not None, "_listen() has opened it"
        try:
            while True:
                event = await anext(source)
                self._absorb(chain((event,), _waiting(source)))
        except ConnectionLost as lost:
            end = lost
        finally:
            self.hub.end(end)

    def drain(self) -> None:
        """Look at what has come in; whoever asks something of the feed does so first."""
        self.hub.run.check()
        if self._source is not None:
            self._absorb(_waiting(self._source))

    def _absorb(self, events: Iterable[_Event | Gap]) -> None:
        news: list[News] = []
        is_a = self._client.schema.is_a
        for event in events:
            if is_a(event, ProtoOASpotEvent):
                news += self._spot(event)
            elif is_a(event, ProtoOADepthEvent):
                news += self._depth(event)
            else:
                self.hub.publish(news)
                news = []
                if isinstance(event, Gap):
                    self._gap(event)
                else:
                    self._given_up(event)
        if news:
            self.hub.publish(news)

    def _spot(self, event: ProtoOASpotEvent) -> Iterator[News]:
        quote = self._quotes.get(event.symbol_id)
        if quote is None:
            return
        self._quotes[event.symbol_id] = quote = merge(quote, event)
        yield quote
        bars = self._bars.get(event.symbol_id)
        if bars is not None:
            yield from bars.apply(event)

    def _depth(self, event: ProtoOADepthEvent) -> Iterator[News]:
        book = self._books.get(event.symbol_id)
        if book is not None:
            self._books[event.symbol_id] = book = apply(book, event)
            yield book

    def _gap(self, gap: Gap) -> None:
        """Halves from before it and after it are not to be put together."""
        self._refusal = None
        for symbol, quote in self._quotes.items():
            self._quotes[symbol] = Quote(symbol, digits=quote.digits)
        for symbol, book in self._books.items():
            self._books[symbol] = OrderBook(symbol, digits=book.digits)
        for bars in self._bars.values():
            bars.gap()
        for stream in self._streams:
            stream.put_gap(gap)
            stream.wake()

    def _given_up(self, event: GivenUp) -> None:
        """An account that is refused keeps what it was subscribed to, for when it is authorised."""
        part = event.part
        if event.may_be_mended:
            return
        if part.kind is SessionPartKind.ACCOUNT:
            self._refusal = event.error
        symbols = list(self._quotes) if part.kind is SessionPartKind.ACCOUNT else [part.symbol]
        self.hub.publish([SubscriptionRefused(symbol, part, event.error) for symbol in symbols])
        self._subscriptions.lose(part)


_FEEDS: WeakValueDictionary[tuple[int, int], SpotFeed] = WeakValueDictionary()


def _waiting(source: EventStream[_Event]) -> Iterator[_Event | Gap]:
    try:
        while True:
            yield source.take()
    except trio.WouldBlock:
        return


def _native(period: PeriodLike) -> int:
    found = Period.of(period)
    if found.native is None:
        raise InvalidValue(f"{found} bars are made of others: there is no live {found} bar")
    return int(found.native)
