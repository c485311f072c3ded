"""Swap reckoned by hand, from deals and a symbol's terms. Knows no books.

Only for symbols that are quoted in the deposit currency: no rate of that evening is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from ctrader_typed import (
    ProtoOADeal,
    ProtoOASwapCalculationType,
    ProtoOASymbol,
    ProtoOATradeSide,
)

CENT = Decimal("0.01")
PERCENTAGE = ProtoOASwapCalculationType.PERCENTAGE
BUY = ProtoOATradeSide.BUY


def swaps_of(
    deals: Iterable[ProtoOADeal], symbol: ProtoOASymbol, now: int
) -> Iterator[tuple[int, Decimal]]:
    """What a position was charged, evening by evening: the day of the week, Monday being 1, and
    the charge. `now` is in ms.
    """
    first, *rest = sorted(deals, key=lambda deal: (deal.execution_timestamp, deal.deal_id))
    for evening in _evenings(symbol, first.execution_timestamp, now):
        at = round(evening.timestamp() * 1000)
        volume = first.filled_volume - sum(
            deal.filled_volume for deal in rest if deal.execution_timestamp <= at
        )
        day = evening.isoweekday()
        if volume and (day < 6 or symbol.charge_swap_at_weekends):
            times = 3 if day == symbol.swap_rollover3_days else 1
            yield day, _charge(symbol, first, volume, times)


def _evenings(symbol: ProtoOASymbol, start: int, end: int) -> Iterator[datetime]:
    """The rollovers between two times."""
    began = datetime.fromtimestamp(start / 1000, UTC)
    at = began.replace(hour=0, minute=0, second=0, microsecond=0)
    at += timedelta(minutes=symbol.swap_time or 0)
    while at.timestamp() * 1000 <= end:
        if at > began:
            yield at
        at += timedelta(days=1)


def _charge(symbol: ProtoOASymbol, opening: ProtoOADeal, volume: int, times: int) -> Decimal:
    stated = symbol.swap_long if opening.trade_side == BUY else symbol.swap_short
    rate, units = Decimal(repr(stated or 0.0)), Decimal(volume) / 100
    if symbol.swap_calculation_type == PERCENTAGE:
        worth = units * Decimal(repr(opening.execution_price))
        charge = worth * rate / 100 / 360
    else:
        charge = units * rate * Decimal(1).scaleb(-symbol.pip_position)
    return (charge * times).quantize(CENT, ROUND_HALF_UP)
