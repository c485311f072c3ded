"""The market as an account sees it: quotes, live bars, order books, and history in columns."""

from .bars import Bar, Bars
from .periods import Period, PeriodName
from .ticks import QuoteTick, QuoteTicks, Tick, Ticks

__all__ = ["Bar", "Bars", "Period", "PeriodName", "QuoteTick", "QuoteTicks", "Tick", "Ticks"]
