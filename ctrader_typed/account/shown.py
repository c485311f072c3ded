"""Positions as notebooks show them. Pure; knows no account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from html import escape

from ..proto import ProtoOALightSymbol
from .position import Position
from .valuation import Profit

_HEAD = ("position", "symbol", "side", "units", "price", "stop loss", "take profit", "net profit")


def table(
    title: str,
    positions: Iterable[tuple[Position, Profit | None]],
    lights: Mapping[int, ProtoOALightSymbol],
) -> str:
    """HTML: a line, and a row for each position."""
    rows = "".join(_row("td", _cells(each, profit, lights)) for each, profit in positions)
    return f"<p>{escape(title)}</p><table>{_row('th', _HEAD)}{rows}</table>"


def _cells(
    position: Position, profit: Profit | None, lights: Mapping[int, ProtoOALightSymbol]
) -> tuple[object, ...]:
    light = lights.get(position.symbol_id)
    return (
        position.position_id,
        position.symbol_id if light is None else light.symbol_name,
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
