"""Whether what an amendment asks for is so: its fields compared with the order or the position."""

from __future__ import annotations

from typing import Any

from ..message import Message, Request
from ..proto import ProtoOAOrder, ProtoOAPosition

_ALIKE = (
    "limit_price",
    "stop_price",
    "expiration_timestamp",
    "slippage_in_points",
    "relative_stop_loss",
    "relative_take_profit",
    "trailing_stop_loss",
    "stop_trigger_method",
)
"""Fields of ProtoOAAmendOrderReq that ProtoOAOrder has under the same name."""

_LEVELS = ("stop_loss", "take_profit")
_SCALE = 100_000  # relative levels are in 1/100000 of a price unit


def amended(request: Request[Any], order: ProtoOAOrder) -> bool:
    """Whether a pending order has the terms that a ProtoOAAmendOrderReq gives it.

    A level given as a price may be kept as a distance from the order's own price (recorded). The
    request overwrites: a level that it leaves out is gone. A request without any term is in force
    nowhere.
    """
    pairs = [(getattr(request, name), getattr(order, name)) for name in _ALIKE]
    pairs.append((_of(request, "volume"), order.trade_data.volume))
    pairs.append((_of(request, "guaranteed_stop_loss"), order.trade_data.guaranteed_stop_loss))
    terms = [wanted == there for wanted, there in pairs if wanted is not None]
    terms += [
        _level(order, level, wanted)
        for level in _LEVELS
        if (wanted := _of(request, level)) is not None
    ]
    return bool(terms) and all(terms) and not any(_left(request, order, level) for level in _LEVELS)


def _left(request: Request[Any], order: ProtoOAOrder, level: str) -> bool:
    """Whether there is a level that the request leaves out."""
    names = (level, f"relative_{level}")
    return all(_of(request, name) is None for name in names) and any(
        _of(order, name) is not None for name in names
    )


def _level(order: ProtoOAOrder, level: str, wanted: float) -> bool:
    price: float | None = _of(order, level)
    if price is not None:
        return price == wanted
    base = order.stop_price if order.limit_price is None else order.limit_price
    distance: int | None = _of(order, f"relative_{level}")
    if base is None or distance is None:
        return False
    return round(abs(base - wanted) * _SCALE) == distance


def protected(request: Request[Any], position: ProtoOAPosition) -> bool:
    """Whether a position has the levels of a ProtoOAAmendPositionSLTPReq.

    The request overwrites: a level that it leaves out is gone. Flags that it leaves out are not
    compared.
    """
    levels = [_of(request, level) == _of(position, level) for level in _LEVELS]
    flags = ("guaranteed_stop_loss", "trailing_stop_loss", "stop_loss_trigger_method")
    rest = [
        _of(request, flag) == _of(position, flag)
        for flag in flags
        if _of(request, flag) is not None
    ]
    return all(levels) and all(rest)


def _of(message: Message, name: str) -> Any:
    return getattr(message, name)
