"""Positions as notebooks show them. Pure; knows no account."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from html import escape

from ..symbols import Catalogue
from .position import Position
from .valuation import Profit

_HEAD = ("position", "symbol", "side", "units", "price", "stop loss", "take profit", "net profit")


def table(
    title: str,
    positions: Iterable[tuple[Position, Profit | None]],
    symbols: Catalogue,
) -> str:
    """HTML: a line, and a row for each position."""
    rows = "".join(_row("td", _cells(each, profit, symbols)) for each, profit in positions)
    return f"<p>{escape(title)}</p><table>{_row('th', _HEAD)}{rows}</table>"


def _cells(position: Position, profit: Profit | None, symbols: Catalogue) -> tuple[object, ...]:
    symbol = symbols.get(position.symbol_id)
    return (
        position.position_id,
        position.symbol_id if symbol is None else symbol.name,
        position.side.name,
        Decimal(position.volume) / 100,
        position.price,
        position.stop_loss,
        position.take_profit,
        None if profit is None else profit.net,
    )


def _row(tag: str, cells: Iterable[object]) -> str:
    shown = ("" if cell is None else escape(str(cell)) for cell in cells)
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in shown) + "</tr>"
