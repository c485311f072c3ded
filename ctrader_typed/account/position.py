"""An open position as a value that traders read. Knows its message and no market."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from ..proto import ProtoOAPosition, ProtoOATradeSide


@dataclass(frozen=True, slots=True)
class Position:
    """An open position as the server last showed it; `message` is that, within reach."""

    message: ProtoOAPosition

    @property
    def position_id(self) -> int:
        """The server's id."""
        return self.message.position_id

    @property
    def symbol_id(self) -> int:
        """The symbol's id."""
        return self.message.trade_data.symbol_id

    @property
    def side(self) -> ProtoOATradeSide:
        """BUY or SELL."""
        return self.message.trade_data.trade_side

    @property
    def volume(self) -> int:
        """In 0.01 of a unit."""
        return self.message.trade_data.volume

    @property
    def price(self) -> Decimal:
        """The opening price, weighted by volume where there were several deals."""
        return _decimal(self.message.price) or Decimal(0)

    @property
    def stop_loss(self) -> Decimal | None:
        """The stop loss; None without one."""
        return _decimal(self.message.stop_loss)

    @property
    def take_profit(self) -> Decimal | None:
        """The take profit; None without one."""
        return _decimal(self.message.take_profit)

    @property
    def trailing(self) -> bool:
        """Whether the stop loss follows the market."""
        return self.message.trailing_stop_loss is True

    @property
    def guaranteed(self) -> bool:
        """Whether the stop loss is guaranteed."""
        return self.message.guaranteed_stop_loss is True

    @property
    def label(self) -> str | None:
        """What the order that opened it was labelled."""
        return self.message.trade_data.label

    @property
    def comment(self) -> str | None:
        """The comment of that order."""
        return self.message.trade_data.comment

    @property
    def opened_at(self) -> datetime | None:
        """When it was opened, in UTC; None if the server did not say."""
        opened = self.message.trade_data.open_timestamp
        return None if opened is None else datetime.fromtimestamp(opened / 1000, UTC)


def _decimal(price: float | None) -> Decimal | None:
    return None if price is None else Decimal(repr(price))
