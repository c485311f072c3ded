"""What a trader can do with an account: each method makes one request and places it.

Decides nothing: `orders` and `amendments` refuse what can be refused here, `client.place` follows
the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from weakref import WeakValueDictionary

import trio

from ..client import Client
from ..errors import CTraderError, InvalidOrder, again
from ..orders.errors import NotSent
from ..orders.order import Order, OutcomeUnknown
from ..orders.tracked_order import Fill
from ..proto import (
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAOrder,
    ProtoOAOrderTriggerMethod,
)
from ..units import Number, Time
from .amendments import KEEP, Amendment, Kept, amend_order, amend_position
from .levels import WHOLE, Distances, Whole
from .placing import BUY, Placing, nothing_sent
from .position import Position
from .state import SymbolRef, id_of

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


class Trading(Placing):
    """The orders of an account.

    All return the handle of `client.place` once the server has taken
    the request.

    All raise InvalidValue (InvalidOrder is one), a ValueError, before anything is sent; OrderError
    (or another ServerError) if the server refuses; NotSent if nothing has left, and OutcomeUnknown,
    with the handle as its `order`, if it has and nobody knows: it is never sent twice. Cancelled
    before it is written, nothing leaves; after that it goes its way, and `api.orders` has it.
    """

    def __init__(self, client: Client, account_id: int) -> None:
        super().__init__(client, account_id)
        self._turns = WeakValueDictionary[tuple[str, int], trio.Lock]()

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
        stop_loss_pips: Number | None = None,
        stop_loss_money: Number | None = None,
        take_profit_pips: Number | None = None,
        take_profit_money: Number | None = None,
    ) -> Order:
        """Change levels of a position; those that are not named stay.

        Args:
            position: The position, or its id.
            stop_loss, take_profit: Prices; None takes one away.
            stop_loss_pips, take_profit_pips: Distances from the opening price, in pips.
            stop_loss_money, take_profit_money: What the position loses or wins there, in the
                deposit currency, before costs, at the rate of now. On the symbol's grid no more is
                lost, and no less is won.
            trailing, guaranteed: Of the stop loss: it follows the price, it does not slip.
            trigger: Which price sets off the stop loss.

        The server clears what is left out, so all of them are sent, as they are known. For that,
        the levels that an order of this client has just brought along are waited for (some ms after
        its fill, a second at most), and NotSent is raised while the account is not in step; of
        several amendments at once each waits for the one before. A trailing stop that moves while
        the request is on its way is set back by it, and trails from there.

        A level on the wrong side of the market is refused here, where a price is known.
        """
        number = self._current(position).position_id
        symbol = self.symbol(self._current(position).symbol_id)
        distances = Distances(
            stop_loss_pips=stop_loss_pips,
            stop_loss_money=stop_loss_money,
            take_profit_pips=take_profit_pips,
            take_profit_money=take_profit_money,
        )
        rate = await self._rate_for(symbol, distances)
        async with self._turn("position", number):
            with nothing_sent(), trio.move_on_after(FOLLOW):
                await self._synchroniser.until(
                    lambda: not (self.in_step and self._levels_due(number))
                )
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
        """Or may be, as far as is known of an order that the server is still asked about."""
        return any(
            order.position_id == number and (order.protection_due or order.tracked.to_ask)
            for order in self._client.orders
            if order.tracked.account_id == self._account_id
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
        self,
        order: Order | ProtoOAOrder | int,
        *,
        price: Number | None = None,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        expires: Time | None = None,
        slippage_points: int | None = None,
        stop_loss: Number | Kept | None = KEEP,
        take_profit: Number | Kept | None = KEEP,
        stop_loss_pips: Number | None = None,
        stop_loss_money: Number | None = None,
        take_profit_pips: Number | None = None,
        take_profit_money: Number | None = None,
        trailing: bool | None = None,
        guaranteed: bool | None = None,
        trigger: ProtoOAOrderTriggerMethod | None = None,
    ) -> Order:
        """Change a pending order: its price, size, expiry, slippage, levels or their flags.

        Args:
            order: The handle, the message, or the orderId.
            price: The limit or stop price.
            lots, units, volume: The size, in one of three ways; `volume` counts 0.01 of a unit.
            expires: A time, or ISO text. An expiry can be moved, not taken away.
            slippage_points: How far from the price the fill may be, in points.
            stop_loss, take_profit: Prices; None takes one away.
            stop_loss_pips, take_profit_pips: Distances from the price of the order, in pips.
            stop_loss_money, take_profit_money: Loss and gain there, in the deposit currency.
            trailing, guaranteed: Of the stop loss: it follows the price, it does not slip.
            trigger: Which price sets off a STOP or STOP_LIMIT order.

        What is not named stays, and is sent again as it is known: NotSent is raised while the
        account is not in step, and several at once go one after the other. Levels that the server
        keeps as distances go with the price. Raises OrderError if the order is filled meanwhile.
        """
        changes = Amendment(
            price=price,
            lots=lots,
            units=units,
            volume=volume,
            expires=expires,
            slippage_points=slippage_points,
            stop_loss=stop_loss,
            take_profit=take_profit,
            stop_loss_pips=stop_loss_pips,
            stop_loss_money=stop_loss_money,
            take_profit_pips=take_profit_pips,
            take_profit_money=take_profit_money,
            trailing=trailing,
            guaranteed=guaranteed,
            trigger=trigger,
        )
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

    async def close(
        self,
        position: Position | int,
        *,
        lots: Number | Whole = WHOLE,
        units: Number | Whole = WHOLE,
        volume: int | Whole = WHOLE,
    ) -> Order:
        """Close a position, or so much of it; what is left of it can be closed whatever the least
        volume. The handle is that of the order that closes.

        Args:
            position: The position, or its id.
            lots, units, volume: How much of it, in one of three ways (`volume` counts 0.01 of a
                unit); all of it without. None is refused: it may be meant to be a part.
        """
        current = self._current(position)
        sizes: dict[str, Any] = {"lots": lots, "units": units, "volume": volume}
        part = {name: size for name, size in sizes.items() if size is not WHOLE}
        closed = current.volume
        if part:  # the whole can be closed whatever is known of its symbol
            closed = self.symbol(current.symbol_id).volume(**part, most=current.volume)
        return await self._client.place(
            ProtoOAClosePositionReq(
                ctid_trader_account_id=self._account_id,
                position_id=current.position_id,
                volume=closed,
            )
        )

    async def close_all(self, symbol: SymbolRef | None = None) -> list[Closing]:
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
        number = id_of(position, "position")
        assert number is not None, "a position has an id"
        current = self.positions.get(number)
        if current is None:
            raise InvalidOrder(f"position {number} is not open")
        return current

    def _waiting(self, order: Order | ProtoOAOrder | int) -> ProtoOAOrder:
        number = id_of(order, "order")
        current = None if number is None else self.pending.get(number)
        if current is None:
            raise InvalidOrder(f"order {number} is not pending")
        return current
