"""What changes in an account: the values that `account.changes()` gives."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..proto import ProtoOADeal, ProtoOAExecutionEvent, ProtoOAOrder
from .position import Position


@dataclass(frozen=True, slots=True)
class PositionOpened:
    """There is a position that was not there."""

    position: Position
    deal: ProtoOADeal | None = None
    """None where a reconciliation found it."""


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A position has other levels, another volume, swap, commission or margin."""

    before: Position
    position: Position
    deal: ProtoOADeal | None = None


@dataclass(frozen=True, slots=True)
class PositionClosed:
    """A position is gone; `position` is how it was last."""

    position: Position
    deal: ProtoOADeal | None = None
    """The one that closed the last of it; None where a reconciliation found it gone."""


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """A pending order waits for its price."""

    order: ProtoOAOrder


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """A pending order was amended, or filled in part."""

    before: ProtoOAOrder
    order: ProtoOAOrder


@dataclass(frozen=True, slots=True)
class OrderEnded:
    """A pending order was filled, cancelled, or expired; its status says which.

    Where a reconciliation found it gone, the status is the one it had before.
    """

    order: ProtoOAOrder


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """The balance is another one, in the deposit currency."""

    before: Decimal
    balance: Decimal
    event: ProtoOAExecutionEvent | None = None
    """A closing deal, a deposit or a withdrawal; None where asking has shown it."""


@dataclass(frozen=True, slots=True)
class BonusChanged:
    """The bonus is another one: it serves as margin, and is no equity."""

    before: Decimal
    bonus: Decimal
    event: ProtoOAExecutionEvent | None = None
    """None where asking has shown it."""


@dataclass(frozen=True, slots=True)
class OutOfStep:
    """Events may be missing; what is known may be stale until InStep."""

    reason: str


@dataclass(frozen=True, slots=True)
class InStep:
    """The account was reconciled with the server."""


Change = (
    PositionOpened
    | PositionChanged
    | PositionClosed
    | OrderPlaced
    | OrderChanged
    | OrderEnded
    | BalanceChanged
    | BonusChanged
    | OutOfStep
    | InStep
)
"""Whatever `account.changes()` gives."""
