"""What a trader can do with an account: each method makes one request and places it.

Decides nothing: `orders` and `amendments` refuse what can be refused here, `client.place` follows
the rest.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Unpack
from weakref import WeakValueDictionary

import trio

from ..client import Client
from ..errors import ConnectionLost, CTraderError, InvalidOrder, NotSent, OutcomeUnknown, again
from ..net.order import Order
from ..proto import (
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAOrder,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ..symbols import Symbol
from ..units import Number, Time
from ..wire.fate import Fill
from .amendments import KEEP, Amendment, Kept, amend_order, amend_position
from .estimates import Estimates
from .levels import Distances, Size
from .orders import Terms, new_order
from .position import Position
from .standing import Named

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
_KIND = ProtoOAOrderType

FOLLOW = 1.0
"""Seconds after which the levels of a fill will not follow any more (recorded: after 18 ms)."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What came of closing a position: its order, or why there is none."""

    position: Position
    order: Order | None = None
    error: CTraderError | None = None
    """Why it was not closed, or is not known to be: with OutcomeUnknown the order is there, too."""

    async def filled(self) -> Fill:
        """Wait until it is closed, as `order.filled()`; raises the error if there is no order."""
        if self.order is None:
            assert self.error is not None, "one of them is there"
            await trio.lowlevel.checkpoint()
            raise again(self.error)
        return await self.order.filled()


class Trading(Estimates):
    """The orders of an account.

    A symbol is a `Symbol`, its name or its id. Sizes and levels are Decimal, int or str, and
    `Terms` says what there is. All return the handle of `client.place` once the server has taken
    the request.

    All raise InvalidValue (InvalidOrder is one), a ValueError, before anything is sent; OrderError
    (or another ServerError) if the server refuses; NotSent if nothing has left, and OutcomeUnknown,
    with the handle as its `order`, if it has and nobody knows: it is never sent twice. Cancelled
    before it is written, nothing leaves; after that it goes its way, and `api.orders` has it.
    """

    def __init__(self, client: Client, account_id: int) -> None:
        super().__init__(client, account_id)
        self._turns = WeakValueDictionary[tuple[str, int], trio.Lock]()

    # --- new ---

    async def buy(self, symbol: Named, **terms: Unpack[Terms]) -> Order:
        """Buy at the market: `await account.buy("EURUSD", lots="0.10", stop_loss_pips=20)`."""
        return await self._new(symbol, BUY, _KIND.MARKET, terms)

    async def sell(self, symbol: Named, **terms: Unpack[Terms]) -> Order:
        """Sell at the market."""
        return await self._new(symbol, SELL, _KIND.MARKET, terms)

    async def market_range(
        self,
        symbol: Named,
        side: ProtoOATradeSide,
        price: Number,
        slippage_points: int,
        **terms: Unpack[Terms],
    ) -> Order:
        """At the market, but no further than some points from a price."""
        kind = _KIND.MARKET_RANGE
        return await self._new(symbol, side, kind, terms, price, slippage_points=slippage_points)

    async def limit(
        self,
        symbol: Named,
        side: ProtoOATradeSide,
        price: Number,
        *,
        expires: Time | None = None,
        **terms: Unpack[Terms],
    ) -> Order:
        """Wait for a price at least as good as this one, until `expires` if that is given."""
        return await self._new(symbol, side, _KIND.LIMIT, terms, price, expires=expires)

    async def stop(
        self,
        symbol: Named,
        side: ProtoOATradeSide,
        price: Number,
        *,
        expires: Time | None = None,
        **terms: Unpack[Terms],
    ) -> Order:
        """At the market once this price is reached."""
        return await self._new(symbol, side, _KIND.STOP, terms, price, expires=expires)

    async def stop_limit(
        self,
        symbol: Named,
        side: ProtoOATradeSide,
        price: Number,
        slippage_points: int,
        *,
        expires: Time | None = None,
        **terms: Unpack[Terms],
    ) -> Order:
        """Once this price is reached, no further than some points from it."""
        kind = _KIND.STOP_LIMIT
        return await self._new(
            symbol, side, kind, terms, price, expires=expires, slippage_points=slippage_points
        )

    async def _new(
        self,
        symbol: Named,
        side: ProtoOATradeSide,
        kind: ProtoOAOrderType,
        terms: Terms,
        price: Number | None = None,
        *,
        expires: Time | None = None,
        slippage_points: int | None = None,
    ) -> Order:
        traded = self._named(symbol)
        request = new_order(
            self._account_id,
            traded,
            side,
            kind,
            terms,
            price=price,
            expires=expires,
            slippage_points=slippage_points,
            quote_rate=await self._rate_for(traded, terms),
        )
        return await self._client.place(request)

    async def _rate_for(self, symbol: Symbol, levels: Distances) -> Fraction | None:
        """What levels in money are reckoned with; None if there are none."""
        in_money = levels.get("stop_loss_money"), levels.get("take_profit_money")
        if in_money == (None, None):
            return None
        with _nothing_sent():
            return await self._quote_rate(symbol)

    # --- what is there ---

    async def amend(
        self,
        position: Position | int,
        *,
        stop_loss: Number | Kept | None = KEEP,
        take_profit: Number | Kept | None = KEEP,
        trailing: bool | None = None,
        guaranteed: bool | None = None,
        trigger: ProtoOAOrderTriggerMethod | None = None,
        **distances: Unpack[Distances],
    ) -> Order:
        """Change levels of a position; those that are not named stay, None takes one away.

        As prices; or as `stop_loss_pips` and `take_profit_pips` from the opening price; or as
        `stop_loss_money` and `take_profit_money`, what the position loses or wins there, before
        costs, at the rate of now. On the symbol's grid no more is lost, and no less is won.

        The server clears what is left out, so all of them are sent, as they are known. For that,
        the levels that an order of this client has just brought along are waited for (some ms after
        its fill, a second at most), and NotSent is raised while the account is not in step; of
        several amendments at once each waits for the one before. A trailing stop that moves while
        the request is on its way is set back by it, and trails from there.

        A level on the wrong side of the market is refused here, where a price is known.
        """
        number = self._current(position).position_id
        symbol = self.symbol(self._current(position).symbol_id)
        rate = await self._rate_for(symbol, distances)
        async with self._turn("position", number):
            with _nothing_sent(), trio.move_on_after(FOLLOW):
                await self._upkeep.until(lambda: not (self.in_step and self._levels_due(number)))
            self._know_all()
            current = self._current(number)
            request = amend_position(
                self._account_id,
                symbol,
                current,
                stop_loss=stop_loss,
                take_profit=take_profit,
                trailing=trailing,
                guaranteed=guaranteed,
                trigger=trigger,
                distances=distances,
                quote_rate=rate,
                closing=self._closing_price(current),
            )
            return await self._client.place(request)

    def _turn(self, what: str, number: int) -> trio.Lock:
        """One amendment after the other: what one changes, the next has to keep."""
        return self._turns.setdefault((what, number), trio.Lock())

    def _levels_due(self, number: int) -> bool:
        return any(
            order.protection_due and order.position_id == number
            for order in self._client.orders
            if order.fate.account_id == self._account_id
        )

    def _know_all(self) -> None:
        """What is sent again has to be what is there."""
        if not self.in_step:
            raise NotSent("the account is not in step, so what would be kept is not known")

    def _closing_price(self, position: Position) -> Decimal | None:
        """What it would close at now; None where no price is known."""
        raw = self._valuation.closing(position.symbol_id, position.side)
        return None if raw is None else self.symbol(position.symbol_id).from_raw(raw)

    async def amend_order(
        self, order: Order | ProtoOAOrder | int, **changes: Unpack[Amendment]
    ) -> Order:
        """Change a pending order: its price, size, expiry, slippage, levels or their flags.

        What is not named stays, and is sent again as it is known: NotSent is raised while the
        account is not in step, and several at once go one after the other. Levels that the server
        keeps as distances go with the price. Raises OrderError if the order is filled meanwhile.
        """
        number = self._waiting(order).order_id
        symbol = self.symbol(self._waiting(order).trade_data.symbol_id)
        rate = await self._rate_for(symbol, changes)
        async with self._turn("order", number):
            self._know_all()
            current = self._waiting(number)
            return await self._client.place(
                amend_order(self._account_id, symbol, current, changes, quote_rate=rate)
            )

    async def cancel(self, order: Order | ProtoOAOrder | int) -> Order:
        """Cancel a pending order. Raises OrderError if it is filled meanwhile."""
        return await self._client.place(
            ProtoOACancelOrderReq(
                ctid_trader_account_id=self._account_id, order_id=self._waiting(order).order_id
            )
        )

    async def close(self, position: Position | int, **size: Unpack[Size]) -> Order:
        """Close a position, or so much of it; what is left of it can be closed whatever the least
        volume. The handle is that of the order that closes.
        """
        current = self._current(position)
        volume = current.volume
        if size:
            volume = self.symbol(current.symbol_id).volume(**size, most=current.volume)
        return await self._client.place(
            ProtoOAClosePositionReq(
                ctid_trader_account_id=self._account_id,
                position_id=current.position_id,
                volume=volume,
            )
        )

    async def close_all(self, symbol: Named | None = None) -> list[Closing]:
        """Close every position, or those of a symbol; what came of each. Pending orders stay.

        One after the other, for servers were seen to leave market orders unanswered that came all
        at once. A refusal, or a lost link, keeps none of the others from being tried. Cancelled,
        the orders that are out go their way.
        """
        only = self._named(symbol) if symbol is not None else None
        found = [p for p in self.positions.values() if only is None or p.symbol_id == only.id]
        outcomes: list[Closing] = []
        for position in found:
            if position.position_id not in self.positions:
                continue  # its stop loss was quicker
            try:
                outcomes.append(Closing(position, await self.close(position)))
            except OutcomeUnknown as error:
                outcomes.append(Closing(position, error.order, error))
            except CTraderError as error:
                outcomes.append(Closing(position, error=error))
        return outcomes

    async def reverse(self, position: Position | int) -> Order:
        """Close a position, and open as much on the other side; returns the order that opens.

        Two orders, on netted accounts too: the second is sent when the first is filled, without the
        levels of the position. Both are checked before the first is sent. Whatever is raised,
        `positions` says how far it came once the account is in step: with the position still there
        nothing was opened. OutcomeUnknown is about the order that it has. Cancelled before the
        first is filled, that goes its way, and nothing is opened.
        """
        current = self._current(position)
        symbol = self.symbol(current.symbol_id)
        volume = symbol.volume(volume=current.volume)
        closing = await self.close(current)
        await closing.filled()
        open_other = self.sell if current.side == BUY else self.buy
        return await open_other(symbol, volume=volume)

    def _current(self, position: Position | int) -> Position:
        number = position if isinstance(position, int) else position.position_id
        current = self.positions.get(number)
        if current is None:
            raise InvalidOrder(f"position {number} is not open")
        return current

    def _waiting(self, order: Order | ProtoOAOrder | int) -> ProtoOAOrder:
        number = order if isinstance(order, int) else order.order_id
        current = None if number is None else self.pending.get(number)
        if current is None:
            raise InvalidOrder(f"order {number} is not pending")
        return current


@contextmanager
def _nothing_sent() -> Generator[None, None, None]:
    """A link that is lost while something else is asked says nothing of an order."""
    try:
        yield
    except ConnectionLost as error:
        raise NotSent(error.reason) from error
