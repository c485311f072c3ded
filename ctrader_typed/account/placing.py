"""New orders as traders give them: each method makes one request and places it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction

from ..errors import ConnectionLost
from ..orders.errors import NotSent
from ..orders.order import Order
from ..proto import ProtoOAOrderTriggerMethod, ProtoOAOrderType, ProtoOATradeSide
from ..symbols import Symbol
from ..units import Number, Time
from .estimates import Estimates
from .levels import Distances
from .order_requests import OrderTerms, new_order
from .sides import SideLike, side_of
from .state import SymbolRef

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
_KIND = ProtoOAOrderType


class Placing(Estimates):
    """New orders. A symbol is a `Symbol`, its name or its id; a side BUY or SELL, or its name.

    Sizes and levels are Decimal, int or str. Stop loss and take profit are given each in one of
    three ways, None is none: as a distance in pips, as money in the deposit currency, or as a price
    (not at the market: the server refuses that, and an amendment after the fill leaves the position
    naked in between). Money is what the volume of this order loses or wins there, before costs, at
    the rate of now: on the symbol's grid no more than that is lost, and no less is won.

    A `client_order_id` that is empty, or that of an order still followed, is refused with
    LocalProtocolError before anything is sent.
    """

    async def buy(
        self,
        symbol: SymbolRef,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        stop_loss_pips: Number | None = None,
        stop_loss_money: Number | None = None,
        stop_loss: Number | None = None,
        take_profit_pips: Number | None = None,
        take_profit_money: Number | None = None,
        take_profit: Number | None = None,
        trailing: bool | None = None,
        guaranteed: bool | None = None,
        label: str | None = None,
        comment: str | None = None,
        client_order_id: str | None = None,
    ) -> Order:
        """Buy at the market: `await account.buy("EURUSD", lots="0.10", stop_loss_pips=20)`.

        Args:
            lots, units, volume: How much, in one of three ways; `volume` counts 0.01 of a unit.
            stop_loss_pips, take_profit_pips: Distances from the fill, in pips.
            stop_loss_money, take_profit_money: Loss and gain there, in the deposit currency.
            stop_loss, take_profit: Refused here, for the reason above.
            trailing, guaranteed: Of the stop loss: it follows the price, it does not slip.
            label, comment, client_order_id: At most 100, 512 and 50 characters.
        """
        terms = OrderTerms(
            lots=lots,
            units=units,
            volume=volume,
            stop_loss_pips=stop_loss_pips,
            stop_loss_money=stop_loss_money,
            stop_loss=stop_loss,
            take_profit_pips=take_profit_pips,
            take_profit_money=take_profit_money,
            take_profit=take_profit,
            trailing=trailing,
            guaranteed=guaranteed,
            label=label,
            comment=comment,
            client_order_id=client_order_id,
        )
        return await self._new(symbol, BUY, _KIND.MARKET, terms)

    async def sell(
        self,
        symbol: SymbolRef,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        stop_loss_pips: Number | None = None,
        stop_loss_money: Number | None = None,
        stop_loss: Number | None = None,
        take_profit_pips: Number | None = None,
        take_profit_money: Number | None = None,
        take_profit: Number | None = None,
        trailing: bool | None = None,
        guaranteed: bool | None = None,
        label: str | None = None,
        comment: str | None = None,
        client_order_id: str | None = None,
    ) -> Order:
        """Sell at the market.

        Args:
            lots, units, volume: How much, in one of three ways; `volume` counts 0.01 of a unit.
            stop_loss_pips, take_profit_pips: Distances from the fill, in pips.
            stop_loss_money, take_profit_money: Loss and gain there, in the deposit currency.
            stop_loss, take_profit: Refused here, for the reason above.
            trailing, guaranteed: Of the stop loss: it follows the price, it does not slip.
            label, comment, client_order_id: At most 100, 512 and 50 characters.
        """
        terms = OrderTerms(
            lots=lots,
            units=units,
            volume=volume,
            stop_loss_pips=stop_loss_pips,
            stop_loss_money=stop_loss_money,
            stop_loss=stop_loss,
            take_profit_pips=take_profit_pips,
            take_profit_money=take_profit_money,
            take_profit=take_profit,
            trailing=trailing,
            guaranteed=guaranteed,
            label=label,
            comment=comment,
            client_order_id=client_order_id,
        )
        return await self._new(symbol, SELL, _KIND.MARKET, terms)

    async def market_range(
        self,
        symbol: SymbolRef,
        side: SideLike,
        price: Number,
        slippage_points: int,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        stop_loss_pips: Number | None = None,
        stop_loss_money: Number | None = None,
        stop_loss: Number | None = None,
        take_profit_pips: Number | None = None,
        take_profit_money: Number | None = None,
        take_profit: Number | None = None,
        trailing: bool | None = None,
        guaranteed: bool | None = None,
        label: str | None = None,
        comment: str | None = None,
        client_order_id: str | None = None,
    ) -> Order:
        """At the market, but no further than some points from a price.

        Args:
            price: Where the range begins.
            slippage_points: How far from the price the fill may be, in points (ticks).
            lots, units, volume: How much, in one of three ways; `volume` counts 0.01 of a unit.
            stop_loss_pips, take_profit_pips: Distances from the fill, in pips.
            stop_loss_money, take_profit_money: Loss and gain there, in the deposit currency.
            stop_loss, take_profit: Refused here, for the reason above.
            trailing, guaranteed: Of the stop loss: it follows the price, it does not slip.
            label, comment, client_order_id: At most 100, 512 and 50 characters.
        """
        terms = OrderTerms(
            lots=lots,
            units=units,
            volume=volume,
            stop_loss_pips=stop_loss_pips,
            stop_loss_money=stop_loss_money,
            stop_loss=stop_loss,
            take_profit_pips=take_profit_pips,
            take_profit_money=take_profit_money,
            take_profit=take_profit,
            trailing=trailing,
            guaranteed=guaranteed,
            label=label,
            comment=comment,
            client_order_id=client_order_id,
        )
        return await self._new(
            symbol, side, _KIND.MARKET_RANGE, terms, price=price, slippage_points=slippage_points
        )

    async def limit(
        self,
        symbol: SymbolRef,
        side: SideLike,
        price: Number,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        expires: Time | None = None,
        stop_loss_pips: Number | None = None,
        stop_loss_money: Number | None = None,
        stop_loss: Number | None = None,
        take_profit_pips: Number | None = None,
        take_profit_money: Number | None = None,
        take_profit: Number | None = None,
        trailing: bool | None = None,
        guaranteed: bool | None = None,
        label: str | None = None,
        comment: str | None = None,
        client_order_id: str | None = None,
    ) -> Order:
        """Wait for a price at least as good as this one.

        Args:
            price: The limit price.
            lots, units, volume: How much, in one of three ways; `volume` counts 0.01 of a unit.
            expires: A time, or ISO text, until which it waits; good till cancelled without.
            stop_loss_pips, take_profit_pips: Distances from the price, in pips.
            stop_loss_money, take_profit_money: Loss and gain there, in the deposit currency.
            stop_loss, take_profit: Prices.
            trailing, guaranteed: Of the stop loss: it follows the price, it does not slip.
            label, comment, client_order_id: At most 100, 512 and 50 characters.
        """
        terms = OrderTerms(
            lots=lots,
            units=units,
            volume=volume,
            stop_loss_pips=stop_loss_pips,
            stop_loss_money=stop_loss_money,
            stop_loss=stop_loss,
            take_profit_pips=take_profit_pips,
            take_profit_money=take_profit_money,
            take_profit=take_profit,
            trailing=trailing,
            guaranteed=guaranteed,
            label=label,
            comment=comment,
            client_order_id=client_order_id,
        )
        return await self._new(symbol, side, _KIND.LIMIT, terms, price=price, expires=expires)

    async def stop(
        self,
        symbol: SymbolRef,
        side: SideLike,
        price: Number,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        expires: Time | None = None,
        stop_loss_pips: Number | None = None,
        stop_loss_money: Number | None = None,
        stop_loss: Number | None = None,
        take_profit_pips: Number | None = None,
        take_profit_money: Number | None = None,
        take_profit: Number | None = None,
        trailing: bool | None = None,
        guaranteed: bool | None = None,
        trigger: ProtoOAOrderTriggerMethod | None = None,
        label: str | None = None,
        comment: str | None = None,
        client_order_id: str | None = None,
    ) -> Order:
        """At the market once this price is reached.

        Args:
            price: The stop price.
            lots, units, volume: How much, in one of three ways; `volume` counts 0.01 of a unit.
            expires: A time, or ISO text, until which it waits; good till cancelled without.
            stop_loss_pips, take_profit_pips: Distances from the price, in pips.
            stop_loss_money, take_profit_money: Loss and gain there, in the deposit currency.
            stop_loss, take_profit: Prices.
            trailing, guaranteed: Of the stop loss: it follows the price, it does not slip.
            trigger: Which price sets the order off.
            label, comment, client_order_id: At most 100, 512 and 50 characters.
        """
        terms = OrderTerms(
            lots=lots,
            units=units,
            volume=volume,
            stop_loss_pips=stop_loss_pips,
            stop_loss_money=stop_loss_money,
            stop_loss=stop_loss,
            take_profit_pips=take_profit_pips,
            take_profit_money=take_profit_money,
            take_profit=take_profit,
            trailing=trailing,
            guaranteed=guaranteed,
            trigger=trigger,
            label=label,
            comment=comment,
            client_order_id=client_order_id,
        )
        return await self._new(symbol, side, _KIND.STOP, terms, price=price, expires=expires)

    async def stop_limit(
        self,
        symbol: SymbolRef,
        side: SideLike,
        price: Number,
        slippage_points: int,
        *,
        lots: Number | None = None,
        units: Number | None = None,
        volume: int | None = None,
        expires: Time | None = None,
        stop_loss_pips: Number | None = None,
        stop_loss_money: Number | None = None,
        stop_loss: Number | None = None,
        take_profit_pips: Number | None = None,
        take_profit_money: Number | None = None,
        take_profit: Number | None = None,
        trailing: bool | None = None,
        guaranteed: bool | None = None,
        trigger: ProtoOAOrderTriggerMethod | None = None,
        label: str | None = None,
        comment: str | None = None,
        client_order_id: str | None = None,
    ) -> Order:
        """Once this price is reached, no further than some points from it.

        Args:
            price: The stop price.
            slippage_points: How far from the price the fill may be, in points (ticks).
            lots, units, volume: How much, in one of three ways; `volume` counts 0.01 of a unit.
            expires: A time, or ISO text, until which it waits; good till cancelled without.
            stop_loss_pips, take_profit_pips: Distances from the price, in pips.
            stop_loss_money, take_profit_money: Loss and gain there, in the deposit currency.
            stop_loss, take_profit: Prices.
            trailing, guaranteed: Of the stop loss: it follows the price, it does not slip.
            trigger: Which price sets the order off.
            label, comment, client_order_id: At most 100, 512 and 50 characters.
        """
        terms = OrderTerms(
            lots=lots,
            units=units,
            volume=volume,
            stop_loss_pips=stop_loss_pips,
            stop_loss_money=stop_loss_money,
            stop_loss=stop_loss,
            take_profit_pips=take_profit_pips,
            take_profit_money=take_profit_money,
            take_profit=take_profit,
            trailing=trailing,
            guaranteed=guaranteed,
            trigger=trigger,
            label=label,
            comment=comment,
            client_order_id=client_order_id,
        )
        return await self._new(
            symbol,
            side,
            _KIND.STOP_LIMIT,
            terms,
            price=price,
            expires=expires,
            slippage_points=slippage_points,
        )

    async def _new(
        self,
        symbol: SymbolRef,
        side: SideLike,
        kind: ProtoOAOrderType,
        terms: OrderTerms,
        *,
        price: Number | None = None,
        expires: Time | None = None,
        slippage_points: int | None = None,
    ) -> Order:
        traded = self._named(symbol)
        request = new_order(
            self._account_id,
            traded,
            side_of(side),
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
        if not levels.in_money:
            return None
        with nothing_sent():
            return await self._quote_rate(symbol)


@contextmanager
def nothing_sent() -> Generator[None, None, None]:
    """A link that is lost while something else is asked says nothing of an order."""
    try:
        yield
    except ConnectionLost as error:
        raise NotSent(error.reason) from error
