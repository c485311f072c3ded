"""What a trader can do with an account: each method makes one request and places it.

Decides nothing: `orders` refuses what can be refused here, `client.place` follows the rest.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Unpack

import trio

from ..errors import CTraderError, InvalidOrder
from ..net.order import Order
from ..proto import (
    ProtoOAAmendOrderReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAOrder,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ..symbols import Symbol
from ..units import Number, Time, milliseconds
from ..wire.fate import Fill
from .estimates import Estimates
from .orders import KEEP, Kept, Size, Terms, amend_position, new_order
from .position import Position

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
_KIND = ProtoOAOrderType


@dataclass(frozen=True, slots=True)
class Closing:
    """What came of closing a position: its order, or why there is none."""

    position: Position
    order: Order | None = None
    error: CTraderError | None = None
    """OutcomeUnknown has the order that it is about."""

    async def filled(self) -> Fill:
        """Wait until it is closed, as `order.filled()`; raises the error if there is one."""
        if self.order is None:
            assert self.error is not None, "one of them is there"
            await trio.lowlevel.checkpoint()
            raise copy.copy(self.error)
        return await self.order.filled()


class Trading(Estimates):
    """The orders of an account.

    A symbol is a `Symbol` or its name. Sizes and levels are Decimal, int or str, and `Terms` says
    what there is. All return the handle of `client.place` once the server has taken the order, and
    raise what that raises; InvalidValue (InvalidOrder is one), a ValueError, before anything is
    sent. Cancelling is as there, too.
    """

    # --- new ---

    async def buy(self, symbol: Symbol | str, **terms: Unpack[Terms]) -> Order:
        """Buy at the market: `await account.buy("EURUSD", lots="0.10", stop_loss_pips=20)`."""
        return await self._new(symbol, BUY, _KIND.MARKET, terms)

    async def sell(self, symbol: Symbol | str, **terms: Unpack[Terms]) -> Order:
        """Sell at the market."""
        return await self._new(symbol, SELL, _KIND.MARKET, terms)

    async def market_range(
        self,
        symbol: Symbol | str,
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
        symbol: Symbol | str,
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
        symbol: Symbol | str,
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
        symbol: Symbol | str,
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
        symbol: Symbol | str,
        side: ProtoOATradeSide,
        kind: ProtoOAOrderType,
        terms: Terms,
        price: Number | None = None,
        *,
        expires: Time | None = None,
        slippage_points: int | None = None,
    ) -> Order:
        traded = self._traded(symbol)
        in_money = "stop_loss_money" in terms or "take_profit_money" in terms
        request = new_order(
            self._account_id,
            traded,
            side,
            kind,
            terms,
            price=price,
            expires=expires,
            slippage_points=slippage_points,
            quote_rate=await self.quote_rate(traded) if in_money else None,
        )
        return await self._client.place(request)

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
    ) -> Order:
        """Change levels of a position; those that are not named stay, None takes one away.

        A level on the wrong side of the market is refused here, where a price is known.
        """
        current = self._current(position)
        request = amend_position(
            self._account_id,
            self.symbol(current.symbol_id),
            current,
            stop_loss=stop_loss,
            take_profit=take_profit,
            trailing=trailing,
            guaranteed=guaranteed,
            trigger=trigger,
            closing=self._closing_price(current),
        )
        return await self._client.place(request)

    def _closing_price(self, position: Position) -> Decimal | None:
        """What it would close at now; None where no price is known."""
        raw = self._valuation.closing(position.symbol_id, position.side)
        return None if raw is None else self.symbol(position.symbol_id).from_raw(raw)

    async def amend_order(
        self,
        order: ProtoOAOrder | int,
        *,
        price: Number | None = None,
        expires: Time | None = None,
        **size: Unpack[Size],
    ) -> Order:
        """Change a pending order's price, expiry or size; its levels and flags are sent again."""
        current = self._waiting(order)
        symbol = self.symbol(current.trade_data.symbol_id)
        limit, stop = current.limit_price, current.stop_price
        if price is not None and stop is None:
            limit = float(symbol.price(price))
        elif price is not None:
            stop = float(symbol.price(price))
        expiry = (
            current.expiration_timestamp if expires is None else milliseconds(expires, "expires")
        )
        volume = symbol.volume(**size) if size else current.trade_data.volume
        relative = current.relative_stop_loss, current.relative_take_profit
        return await self._client.place(
            ProtoOAAmendOrderReq(
                ctid_trader_account_id=self._account_id,
                order_id=current.order_id,
                volume=volume,
                limit_price=limit,
                stop_price=stop,
                expiration_timestamp=expiry,
                stop_loss=current.stop_loss,
                take_profit=current.take_profit,
                relative_stop_loss=relative[0],
                relative_take_profit=relative[1],
                slippage_in_points=current.slippage_in_points,
                guaranteed_stop_loss=current.trade_data.guaranteed_stop_loss,
                trailing_stop_loss=current.trailing_stop_loss,
                stop_trigger_method=current.stop_trigger_method,
            )
        )

    async def cancel(self, order: ProtoOAOrder | int) -> Order:
        """Cancel a pending order."""
        return await self._client.place(
            ProtoOACancelOrderReq(
                ctid_trader_account_id=self._account_id, order_id=self._waiting(order).order_id
            )
        )

    async def close(self, position: Position | int, **size: Unpack[Size]) -> Order:
        """Close a position, or so much of it."""
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

    async def close_all(self, symbol: Symbol | str | None = None) -> list[Closing]:
        """Close every position, or those of a symbol; what came of each. Pending orders stay.

        One after the other, for servers were seen to leave market orders unanswered that came all
        at once. A refusal, or a lost link, keeps none of the others from being tried. Cancelled,
        the orders that are out go their way.
        """
        only = self._traded(symbol) if symbol is not None else None
        found = [p for p in self.positions.values() if only is None or p.symbol_id == only.id]
        outcomes: list[Closing] = []
        for position in found:
            if position.position_id not in self.positions:
                continue  # its stop loss was quicker
            try:
                outcomes.append(Closing(position, await self.close(position)))
            except CTraderError as error:
                outcomes.append(Closing(position, error=error))
        return outcomes

    async def reverse(self, position: Position | int) -> Order:
        """Close a position, and open as much on the other side; returns the order that opens.

        Two orders: the second is sent when the first is filled. Whatever is raised, `positions`
        says how far it came: with the position still there nothing was opened, and without it the
        second was refused. Its levels are not taken along.
        """
        current = self._current(position)
        symbol = self.symbol(current.symbol_id)
        closing = await self.close(current)
        await closing.filled()
        open_other = self.sell if current.side == BUY else self.buy
        return await open_other(symbol, volume=current.volume)

    def _current(self, position: Position | int) -> Position:
        number = position if isinstance(position, int) else position.position_id
        current = self.positions.get(number)
        if current is None:
            raise InvalidOrder(f"position {number} is not open")
        return current

    def _waiting(self, order: ProtoOAOrder | int) -> ProtoOAOrder:
        number = order if isinstance(order, int) else order.order_id
        current = self.pending.get(number)
        if current is None:
            raise InvalidOrder(f"order {number} is not pending")
        return current
