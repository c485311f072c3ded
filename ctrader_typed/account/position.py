"""An open position as a value that traders read. Knows its message and no market."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from html import escape

from .. import units
from ..proto import ProtoOAPosition, ProtoOATradeSide


@dataclass(frozen=True, slots=True, repr=False)
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
    def units(self) -> Decimal:
        """The volume in units of the base asset."""
        return units.units(self.volume)

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
    def swap(self) -> Decimal:
        """The swap so far, in the deposit currency; negative if it costs."""
        return self._money(self.message.swap)

    @property
    def commission(self) -> Decimal:
        """The commission so far, that of closing not among it; negative."""
        return self._money(self.message.commission)

    @property
    def used_margin(self) -> Decimal:
        """What it binds, in the deposit currency."""
        return self._money(self.message.used_margin)

    def _money(self, amount: int | None) -> Decimal:
        return units.money_of(0 if amount is None else amount, self.message.money_digits)

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
        return None if opened is None else units.utc(opened)

    # --- shown ---

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        shown = {
            "position_id": self.position_id,
            "symbol_id": self.symbol_id,
            "side": self.side.name,
            "units": self.units,
            "price": self.price,
            "stop_loss": self.stop_loss,
            "take_profit": self.take_profit,
            "trailing": self.trailing or None,
            "guaranteed": self.guaranteed or None,
            "label": self.label or None,
            "opened_at": self.opened_at,
        }
        for name, value in shown.items():
            if value is not None:
                yield name, value

    def __repr__(self) -> str:
        fields = dict(self.__rich_repr__())
        head = (fields.pop(name) for name in ("position_id", "side", "units", "symbol_id", "price"))
        number, side, size, symbol, price = head
        more = "".join(f", {name} {value}" for name, value in fields.items())
        return f"<Position {number}: {side} {size} of symbol {symbol} at {price}{more}>"

    def _repr_html_(self) -> str:
        """For notebooks: a row for each field."""
        rows = (
            f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(str(value))}</td></tr>"
            for name, value in self.__rich_repr__()
        )
        return f"<table>{''.join(rows)}</table>"


def _decimal(price: float | None) -> Decimal | None:
    return None if price is None else units.from_double(price)
