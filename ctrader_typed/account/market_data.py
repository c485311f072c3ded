"""The market and the past as an account sees them: each call is one of `market`'s, for its symbols.

Does nothing itself: prices are shared through the account's feed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, overload

from .. import market
from ..market import (
    BarEvent,
    Bars,
    MarketStream,
    OnProgress,
    OrderBook,
    Quote,
    QuoteTicks,
    Ticks,
    history,
)
from ..market.history import PeriodLike
from ..market.spot_feed import PeriodLike as LivePeriod
from ..market.ticks import Side
from ..net.event_streams import BUFFER
from ..proto import ProtoOADeal, ProtoOADepositWithdraw, ProtoOAOrder
from ..protocol.stream_events import Gap
from ..symbols import Symbol
from ..units import Time, checks
from .state import AccountState, SymbolRef


class MarketData(AccountState):
    """Streams of prices, and history in columns. A symbol is a `Symbol`, its name or its id."""

    # --- now ---

    @overload
    def quotes(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        *,
        every: bool = ...,
        gaps: Literal[False] = ...,
        buffer: int = ...,
    ) -> MarketStream[Quote]: ...
    @overload
    def quotes(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        *,
        every: bool = ...,
        gaps: Literal[True],
        buffer: int = ...,
    ) -> MarketStream[Quote | Gap]: ...
    def quotes(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        *,
        every: bool = False,
        gaps: bool = False,
        buffer: int = BUFFER,
    ) -> MarketStream[Any]:
        """Quotes of one symbol or several: `async for quote in account.quotes(eurusd): …`.

        As `market.quotes`: the last bid and ask, conflated, or `every` change.
        """
        how: dict[str, Any] = {"every": every, "gaps": gaps, "buffer": buffer}
        return market.quotes(self.feed, self._wanted(symbols), **how)

    @overload
    def live_bars(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        period: LivePeriod,
        *,
        every: bool = ...,
        gaps: Literal[False] = ...,
        buffer: int = ...,
    ) -> MarketStream[BarEvent]: ...
    @overload
    def live_bars(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        period: LivePeriod,
        *,
        every: bool = ...,
        gaps: Literal[True],
        buffer: int = ...,
    ) -> MarketStream[BarEvent | Gap]: ...
    def live_bars(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        period: LivePeriod,
        *,
        every: bool = False,
        gaps: bool = False,
        buffer: int = BUFFER,
    ) -> MarketStream[Any]:
        """Bars in the making of one symbol or several, as `market.live_bars`: BarUpdated, and
        BarClosed when one is over.
        """
        how: dict[str, Any] = {"every": every, "gaps": gaps, "buffer": buffer}
        return market.live_bars(self.feed, self._wanted(symbols), period, **how)

    @overload
    def book(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        *,
        every: bool = ...,
        gaps: Literal[False] = ...,
        buffer: int = ...,
    ) -> MarketStream[OrderBook]: ...
    @overload
    def book(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        *,
        every: bool = ...,
        gaps: Literal[True],
        buffer: int = ...,
    ) -> MarketStream[OrderBook | Gap]: ...
    def book(
        self,
        symbols: SymbolRef | Iterable[SymbolRef],
        *,
        every: bool = False,
        gaps: bool = False,
        buffer: int = BUFFER,
    ) -> MarketStream[Any]:
        """The order book of one symbol, or those of several, as `market.books`."""
        how: dict[str, Any] = {"every": every, "gaps": gaps, "buffer": buffer}
        return market.books(self.feed, self._wanted(symbols), **how)

    # --- then ---

    async def bars(
        self,
        symbol: SymbolRef,
        period: PeriodLike,
        start: Time,
        end: Time | None = None,
        *,
        progress: OnProgress | None = None,
    ) -> Bars:
        """The bars that begin in `[start, end)` and have ended, as `market.history.bars`:
        `bars = await account.bars(eurusd, "M1", start="2026-01-01", end="2026-02-01")`.
        """
        wanted = self._named(symbol)
        return await history.bars(
            self._client, self._account_id, wanted, period, start, end, progress=progress
        )

    @overload
    async def ticks(
        self,
        symbol: SymbolRef,
        start: Time,
        end: Time | None = ...,
        *,
        side: Literal["both"] = ...,
        progress: OnProgress | None = ...,
    ) -> QuoteTicks: ...
    @overload
    async def ticks(
        self,
        symbol: SymbolRef,
        start: Time,
        end: Time | None = ...,
        *,
        side: Side,
        progress: OnProgress | None = ...,
    ) -> Ticks: ...
    async def ticks(
        self,
        symbol: SymbolRef,
        start: Time,
        end: Time | None = None,
        *,
        side: Side | Literal["both"] = "both",
        progress: OnProgress | None = None,
    ) -> Ticks | QuoteTicks:
        """The ticks in `[start, end)` of one side, or of both put together, as
        `market.history.ticks`.
        """
        wanted = self._named(symbol)
        return await history.ticks(
            self._client, self._account_id, wanted, start, end, side=side, progress=progress
        )

    async def deals(
        self, start: Time, end: Time | None = None, *, progress: OnProgress | None = None
    ) -> list[ProtoOADeal]:
        """The deals that were executed in `[start, end)`, as `market.history.deals`."""
        return await history.deals(self._client, self._account_id, start, end, progress=progress)

    async def orders_history(
        self, start: Time, end: Time | None = None, *, progress: OnProgress | None = None
    ) -> list[ProtoOAOrder]:
        """The orders, pending and ended, that changed last in `[start, end)`, as
        `market.history.orders`.
        """
        return await history.orders(self._client, self._account_id, start, end, progress=progress)

    async def cash_flow(
        self, start: Time, end: Time | None = None, *, progress: OnProgress | None = None
    ) -> list[ProtoOADepositWithdraw]:
        """Deposits, withdrawals and fees in `[start, end)`, as `market.history.cash_flow`."""
        return await history.cash_flow(
            self._client, self._account_id, start, end, progress=progress
        )

    def _wanted(self, symbols: SymbolRef | Iterable[SymbolRef]) -> list[Symbol]:
        if isinstance(symbols, bytes):
            checks.refuse(symbols, "symbols", "a symbol, its name or id, or several in a list")
        if isinstance(symbols, str) or not isinstance(symbols, Iterable):
            return [self._named(symbols)]
        return [self._named(each) for each in symbols]
