"""Streams of what a feed hears: quotes, live bars, order books; several symbols in one.

Each is an `async for` of its own kind, from the first step on subscribed to what it needs. How
events are put together is said elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, cast, overload

import trio

from ..errors import CTraderError, again
from ..net.event_streams import BUFFER, EventStream
from ..only_async import OnlyAsyncStream
from ..protocol.event_filters import Filter
from ..protocol.session import SessionPartKind
from ..protocol.stream_buffers import Overflow, conflate
from ..protocol.stream_events import Gap
from ..units import checks
from .live_bars import BarClosed, BarEvent, BarUpdated
from .order_book import OrderBook
from .periods import Period
from .quote import Quote
from .spot_feed import News, PeriodLike, SpotFeed, SubscriptionRefused, Symbols

T_co = TypeVar("T_co", covariant=True)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamSubject:
    """What a stream is about, and what it has to be subscribed to."""

    symbols: Sequence[int]
    kinds: tuple[type[Any], ...]
    keys: tuple[str, ...]
    """Of what waits with the same values of these, the newest will do."""
    known: Callable[[], Sequence[News]]
    """What there is before the first event."""
    passes: Filter
    bars: tuple[PeriodLike, ...] = ()
    depth: bool = False


class MarketStream(OnlyAsyncStream, Generic[T_co]):
    """What a feed hears of some symbols: `async for …`, in `async with` or without.

    It subscribes at the first step, or when the block is entered, and then raises what
    `SpotFeed.acquire` does. What is known by then comes first. It unsubscribes when the block is
    left, or `aclose()` is called, or nobody refers to it any more, as after `break`.

    A stream that conflates gives the newest of each symbol (of each bar) when its reader is slow,
    and no symbol starves. One of every change holds `buffer` of them, then raises SlowSubscriber
    where some are missing, and goes on after it when iterated again; so does one that conflates, if
    more symbols or bars wait than that. With `gaps=True` it gives each `Gap`, which
    is never dropped; what comes after one has nothing of what was before, with or without it.

    A symbol that the server refuses, at first or to bring back after a gap, costs only itself:
    `refused` says which and why. If it refuses all symbols of the stream, that ServerError is
    raised. When there will be no more events, what is left is still given, then ConnectionLost is
    raised. Waiting can be cancelled, and loses nothing. A step is a checkpoint only when nothing is
    there.
    """

    usage = "`async for item in stream:`, in `async with stream:` or without"
    _leave: Callable[[], None] | None = None
    """Lets the subscription go; here, so that one that was never made can be collected."""

    def __init__(
        self, feed: SpotFeed, subject: StreamSubject, *, every: bool, gaps: bool, buffer: int
    ) -> None:
        checks.flag(every, "every")
        checks.flag(gaps, "gaps")
        checks.whole(buffer, "buffer", 1)
        self._feed = feed
        self._subject = subject
        self._overflow: Overflow = "raise" if every else conflate(*subject.keys)
        self._gaps = gaps
        self._buffer = buffer
        self._stream: EventStream[Any] | None = None
        self._refused: dict[int, CTraderError] = {}
        self._token: trio.lowlevel.TrioToken | None = None

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Unsubscribe, and give nothing more: who iterates gets trio.ClosedResourceError."""
        self._feed.hub.run.check()
        if self._stream is None:
            self._stream = self._make()
        await self._let_go()
        await trio.lowlevel.checkpoint()

    async def _let_go(self) -> None:
        """Who waits is told. Never waits."""
        if self._stream is not None and self._leave is not None:
            leave, self._leave = self._leave, None
            await self._stream.__aexit__(None, None, None)
            leave()

    @property
    def refused(self) -> Mapping[int, CTraderError]:
        """The symbols of which nothing comes, by their ids, and what the server said."""
        return MappingProxyType(self._refused)

    def _is_open(self) -> bool:
        """Others may close it while one waits."""
        return self._leave is not None

    def __del__(self) -> None:
        if self._leave is not None and self._token is not None and self._stream is not None:
            # Collected in the midst of anything: it is put off until nothing else runs.
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(_detach, self._feed, self._stream, self._leave)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        stream = await self._opened()
        while True:
            self._feed.drain()
            item = await anext(stream)
            if isinstance(item, SubscriptionRefused):
                self._refuse({item.symbol_id: item.error})
                continue
            if self._refused and not isinstance(item, Gap):
                self._refused.pop(item.symbol_id, None)  # somebody has subscribed to it again
            if self._gaps or not isinstance(item, Gap):
                return cast("T_co", item)  # by `gaps`

    def _refuse(self, errors: Mapping[int, CTraderError]) -> None:
        """Remember it; raise it if there is no other symbol."""
        for symbol, error in errors.items():
            log.warning("nothing comes of symbol %d: %s", symbol, error)
            self._refused[symbol] = error
            if len(self._refused) == len(self._subject.symbols):
                raise again(error)

    def _make(self) -> EventStream[Any]:
        subject = self._subject
        kinds = (*subject.kinds, SubscriptionRefused)
        return EventStream(self._feed.hub, kinds, self._buffer, self._overflow, subject.passes)

    async def _opened(self) -> EventStream[Any]:
        if self._stream is not None:
            return self._stream
        self._feed.hub.run.check()
        feed, subject, stream = self._feed, self._subject, self._make()
        wanted: dict[str, Any] = {"bars": subject.bars, "depth": subject.depth}
        leave = partial(feed.leave, stream)
        self._stream, self._leave = stream, leave
        self._token = trio.lowlevel.current_trio_token()
        stream.put(subject.known(), keep=False)  # a gap that waits is of before: it joins after it
        feed.join(stream)
        try:
            await stream.__aenter__()
            self._refused = {}
            refused = await feed.acquire_each(subject.symbols, **wanted)
            self._refuse(refused)
        except BaseException:
            if self._is_open():
                await self._let_go()
                self._stream = None
            raise
        held = [symbol for symbol in subject.symbols if symbol not in refused]
        if not self._is_open():
            feed.release(held, **wanted)
            return stream

        def leave_all() -> None:
            leave()
            feed.release(held, **wanted)

        self._leave = leave_all
        return stream


def _detach(feed: SpotFeed, stream: EventStream[Any], leave: Callable[[], None]) -> None:
    feed.hub.remove(stream)
    leave()


def _checked(feed: SpotFeed) -> SpotFeed:
    return checks.able(feed, "feed", "ids", "a SpotFeed, as SpotFeed.of(api, account_id) gives")


def _about(ids: frozenset[int], kind: SessionPartKind, period: Period | None = None) -> Filter:
    native = 0 if period is None else period.native

    def passes(news: Any) -> bool:
        if news.symbol_id not in ids:
            return False
        if isinstance(news, SubscriptionRefused):
            part = news.part
            return part.kind <= SessionPartKind.SPOTS or (
                part.kind is kind and part.period == native
            )
        return period is None or news.period is period

    return passes


@overload
def quotes(
    feed: SpotFeed,
    symbols: Symbols,
    *,
    every: bool = ...,
    gaps: Literal[False] = ...,
    buffer: int = ...,
) -> MarketStream[Quote]: ...
@overload
def quotes(
    feed: SpotFeed, symbols: Symbols, *, every: bool = ..., gaps: Literal[True], buffer: int = ...
) -> MarketStream[Quote | Gap]: ...
def quotes(
    feed: SpotFeed,
    symbols: Symbols,
    *,
    every: bool = False,
    gaps: bool = False,
    buffer: int = BUFFER,
) -> MarketStream[Any]:
    """Quotes of one symbol or several, each with the last bid and ask.

    Conflated, or `every` change; after a gap both sides are unknown until the server tells them
    again, and a quote never has one from before and one from after. `MarketStream` says the rest.
    """
    ids = frozenset(numbers := _checked(feed).ids(symbols))
    subject = StreamSubject(
        numbers,
        (Quote,),
        ("symbol_id",),
        known=lambda: [q for n in numbers if (q := feed.quote(n)) is not None and q.is_known],
        passes=_about(ids, SessionPartKind.SPOTS),
    )
    return MarketStream(feed, subject, every=every, gaps=gaps, buffer=buffer)


@overload
def live_bars(
    feed: SpotFeed,
    symbols: Symbols,
    period: PeriodLike,
    *,
    every: bool = ...,
    gaps: Literal[False] = ...,
    buffer: int = ...,
) -> MarketStream[BarEvent]: ...
@overload
def live_bars(
    feed: SpotFeed,
    symbols: Symbols,
    period: PeriodLike,
    *,
    every: bool = ...,
    gaps: Literal[True],
    buffer: int = ...,
) -> MarketStream[BarEvent | Gap]: ...
def live_bars(
    feed: SpotFeed,
    symbols: Symbols,
    period: PeriodLike,
    *,
    every: bool = False,
    gaps: bool = False,
    buffer: int = BUFFER,
) -> MarketStream[Any]:
    """Bars in the making of one symbol or several: BarUpdated, and BarClosed when one is over.

    Conflated, the newest BarUpdated of each bar; or `every` one. A BarClosed is never dropped. It
    comes with the first bid of a later bar: so late, and in quiet times very late. After a gap it
    may be incomplete, and says so. `MarketStream` says the rest.
    """
    ids, of = frozenset(numbers := _checked(feed).ids(symbols)), Period.of(period)
    subject = StreamSubject(
        numbers,
        (BarUpdated, BarClosed),
        ("symbol_id", "period", "time"),
        known=lambda: [
            BarUpdated(n, of, bar) for n in numbers if (bar := feed.bar(n, of)) is not None
        ],
        passes=_about(ids, SessionPartKind.TRENDBARS, of),
        bars=(of,),
    )
    return MarketStream(feed, subject, every=every, gaps=gaps, buffer=buffer)


@overload
def books(
    feed: SpotFeed,
    symbols: Symbols,
    *,
    every: bool = ...,
    gaps: Literal[False] = ...,
    buffer: int = ...,
) -> MarketStream[OrderBook]: ...
@overload
def books(
    feed: SpotFeed, symbols: Symbols, *, every: bool = ..., gaps: Literal[True], buffer: int = ...
) -> MarketStream[OrderBook | Gap]: ...
def books(
    feed: SpotFeed,
    symbols: Symbols,
    *,
    every: bool = False,
    gaps: bool = False,
    buffer: int = BUFFER,
) -> MarketStream[Any]:
    """Order books of one symbol or several, as they are after an event.

    Conflated, or after `every` one; each is whole and stays as it is. `MarketStream` says the rest.
    """
    ids = frozenset(numbers := _checked(feed).ids(symbols))
    subject = StreamSubject(
        numbers,
        (OrderBook,),
        ("symbol_id",),
        known=lambda: [b for n in numbers if (b := feed.book(n)) is not None and b.whole],
        passes=_about(ids, SessionPartKind.DEPTH),
        depth=True,
    )
    return MarketStream(feed, subject, every=every, gaps=gaps, buffer=buffer)
