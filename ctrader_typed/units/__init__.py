"""Exact units: decimals and aware times in hand, the wire's integers and doubles underneath.

Whatever is refused here raises InvalidValue, with what would do.
"""

from ..keywords import suggest_all
from .money import MONEY_DIGITS, amount_of, half_away, money_of, rounded, share
from .numbers import Number, decimal_of, number
from .prices import (
    PRICE_DIGITS,
    PRICE_SCALE,
    from_double,
    grid,
    mid,
    pip,
    pips,
    points,
    price,
    raw_price,
    relative,
    tick,
    to_double,
)
from .times import Time, milliseconds, utc
from .volumes import VOLUME_SCALE, Sizes, lots, units
from .zones import NEW_YORK, time_zone

__all__ = [
    "MONEY_DIGITS",
    "NEW_YORK",
    "PRICE_DIGITS",
    "PRICE_SCALE",
    "VOLUME_SCALE",
    "Number",
    "Sizes",
    "Time",
    "amount_of",
    "decimal_of",
    "from_double",
    "grid",
    "half_away",
    "lots",
    "mid",
    "milliseconds",
    "money_of",
    "number",
    "pip",
    "pips",
    "points",
    "price",
    "raw_price",
    "relative",
    "rounded",
    "share",
    "tick",
    "time_zone",
    "to_double",
    "units",
    "utc",
]

suggest_all(globals())


def __dir__() -> list[str]:
    return __all__
