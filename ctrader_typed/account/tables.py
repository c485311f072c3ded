"""An account's positions as a mapping that shows itself: as text, in a notebook, by rich."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..market.tables import TableView
from ..units.prices import shown
from .position import Position
from .valuation import Valuation

_HEAD = ("position", "symbol", "side", "units", "price", "stop loss", "take profit", "net profit")


class Positions(TableView, Mapping[int, Position]):
    """Open positions by their ids, the oldest first, as they were when they were asked for.

    Shown with what they would win or lose at the prices of the moment in which they are shown.
    """

    def __init__(
        self, positions: Mapping[int, Position], valuation: Valuation, title: str | None = None
    ) -> None:
        self._positions = dict(positions)
        self._valuation = valuation
        self._title = title

    def __getitem__(self, position_id: int) -> Position:
        return self._positions[position_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def title(self) -> str:
        """How many there are, or of which account."""
        count = len(self)
        counted = f"{count} position{'' if count == 1 else 's'}"
        return counted if self._title is None else self._title

    @property
    def _head(self) -> Sequence[str]:
        return _HEAD

    def _cells(self, at: int) -> Sequence[str]:
        position = list(self._positions.values())[at]
        symbol = self._valuation.catalogue.get(position.symbol_id)
        profit = self._valuation.profit(self._valuation.unrealised(position))
        return (
            str(position.position_id),
            str(position.symbol_id) if symbol is None else symbol.name,
            position.side.name,
            f"{position.units:f}",
            *(
                "" if price is None else f"{shown(price, 0 if symbol is None else symbol.digits):f}"
                for price in (position.price, position.stop_loss, position.take_profit)
            ),
            "" if profit is None else f"{profit.net:f}",
        )
