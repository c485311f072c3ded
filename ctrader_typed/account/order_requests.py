"""New orders in a trader's words made into requests: whatever can be refused here is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..errors import InvalidOrder
from ..proto import ProtoOANewOrderReq, ProtoOAOrderType, ProtoOATimeInForce, ProtoOATradeSide
from ..symbols import Symbol
from ..units import Number, Time, checks, milliseconds
from .levels import (
    AT_ONCE,
    WITHIN_POINTS,
    Levels,
    Size,
    flags_of,
    forms_of,
    leg_of,
    points_of,
    trigger_of,
    volume_of,
)


@dataclass(frozen=True, kw_only=True)
class OrderTerms(Size, Levels):
    """What a new order carries, as `Placing` says."""

    stop_loss: Number | None = None
    take_profit: Number | None = None
    label: str | None = None
    comment: str | None = None
    client_order_id: str | None = None


_LONGEST = {"label": 100, "comment": 512, "client_order_id": 50}


def new_order(
    account_id: int,
    symbol: Symbol,
    side: ProtoOATradeSide,
    kind: ProtoOAOrderType,
    terms: OrderTerms,
    *,
    price: Number | None = None,
    expires: Time | None = None,
    slippage_points: int | None = None,
    quote_rate: Fraction | None = None,
) -> ProtoOANewOrderReq:
    """The request for a new order; InvalidOrder says why there can be none.

    `price` is the limit or stop price, or where a market range begins; `quote_rate` what the quote
    asset is worth in the deposit currency, for levels in money.
    """
    volume = volume_of(symbol, terms)
    base = None if price is None else symbol.price(price)
    fields: dict[str, Any] = {
        name: _text(name, text) for name in _LONGEST if (text := getattr(terms, name)) is not None
    }
    for leg, level in (("stop_loss", terms.stop_loss), ("take_profit", terms.take_profit)):
        given = forms_of(leg, terms, level)
        fields |= leg_of(symbol, side, kind, leg, given, base, volume, quote_rate)
    fields |= {name: True for name, on in flags_of(symbol, terms, fields).items() if on}
    fields["stop_trigger_method"] = trigger_of(kind, terms, None)
    fields |= _priced(kind, base, slippage_points)
    fields |= _lasting(kind, expires)
    return ProtoOANewOrderReq(
        ctid_trader_account_id=account_id,
        symbol_id=symbol.id,
        order_type=kind,
        trade_side=side,
        volume=volume,
        **fields,
    )


def _text(name: str, text: str) -> str:
    checks.instance(text, name, str, f"a text of at most {_LONGEST[name]} characters")
    if len(text) > _LONGEST[name]:
        longest = _LONGEST[name]
        raise InvalidOrder(f"{name} has {len(text)} characters; {longest} are allowed")
    return text


def _priced(
    kind: ProtoOAOrderType, base: Decimal | None, slippage_points: int | None
) -> dict[str, Any]:
    names = {
        ProtoOAOrderType.LIMIT: "limit_price",
        ProtoOAOrderType.STOP: "stop_price",
        ProtoOAOrderType.STOP_LIMIT: "stop_price",
        ProtoOAOrderType.MARKET_RANGE: "base_slippage_price",
    }
    fields: dict[str, Any] = {}
    if kind in names:
        if base is None:
            raise InvalidOrder(f"a {kind.name} order needs a price")
        fields[names[kind]] = float(base)
    if kind in WITHIN_POINTS:
        fields["slippage_in_points"] = points_of(kind, slippage_points)
    return fields


def _lasting(kind: ProtoOAOrderType, expires: Time | None) -> dict[str, Any]:
    if expires is None:
        return {}
    if kind in AT_ONCE:
        raise InvalidOrder("an order at the market does not expire")
    return {
        "expiration_timestamp": milliseconds(expires, "expires"),
        "time_in_force": ProtoOATimeInForce.GOOD_TILL_DATE,
    }
