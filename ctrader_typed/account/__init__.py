"""An account as traders want it: what it has, what that is worth, and orders in their units."""

from ..keywords import suggest_all
from .account import Account
from .amendments import KEEP
from .changes import (
    BalanceChanged,
    BonusChanged,
    Change,
    InStep,
    OrderChanged,
    OrderEnded,
    OrderPlaced,
    OutOfStep,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from .estimates import ExpectedMargin
from .listeners import Changes
from .position import Position
from .tables import Positions
from .trading import Closing
from .valuation import Profit

__all__ = [
    "KEEP",
    "Account",
    "BalanceChanged",
    "BonusChanged",
    "Change",
    "Changes",
    "Closing",
    "ExpectedMargin",
    "InStep",
    "OrderChanged",
    "OrderEnded",
    "OrderPlaced",
    "OutOfStep",
    "Position",
    "PositionChanged",
    "PositionClosed",
    "PositionOpened",
    "Positions",
    "Profit",
]

suggest_all(globals())


def __dir__() -> list[str]:
    return __all__
