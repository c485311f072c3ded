"""The side of an order or a deal: its enum member, or its name."""

from __future__ import annotations

from typing import Literal

from ..errors import InvalidValue
from ..proto import ProtoOATradeSide

SideLike = ProtoOATradeSide | Literal["BUY", "SELL", "Buy", "Sell", "buy", "sell"]
"""A side, or its name in any case."""


def side_of(side: SideLike) -> ProtoOATradeSide:
    """The side that is meant; InvalidValue for anything else.

    >>> side_of("buy").name
    'BUY'
    """
    for known in (ProtoOATradeSide.BUY, ProtoOATradeSide.SELL):
        if side is known or (isinstance(side, str) and side.upper() == known.name):
            return known
    raise InvalidValue(f"side = {side!r}: expected BUY or SELL")
