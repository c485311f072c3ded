"""Longer bars out of shorter ones, exactly."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from ..errors import InvalidValue
from ..proto import ProtoOATrendbarPeriod
from ..units import Time, checks, milliseconds
from .bars import Bars
from .periods import Period, PeriodName


def resample(
    bars: Bars,
    period: Period | ProtoOATrendbarPeriod | PeriodName,
    start: Time | None = None,
    end: Time | None = None,
) -> Bars:
    """The bars of a longer period: made of M1 or H1, they are to the tick those of the server.

    A period without bars has none. Where bars are missing at the beginning or at the end, the first
    or the last bar that is made is of a part of its period only, and nothing in it says so. So
    either give the bars of whole periods (`Period.start_of` and `next` say where they lie), or say
    with `start` and `end` that the bars are all there are in `[start, end)`: then only bars that
    lie wholly in it are made.

    A bar that is made of repaired ones counts as repaired. Raises InvalidValue if
    bars of the one period do not fit into the other, as H4 into H6.

    >>> from array import array
    >>> hours = [array("q", [each]) for each in (7_200_000, 110_000, 110_020, 109_990, 110_010, 7)]
    >>> resample(Bars(1, Period.H1, 5, *hours), "D1").time[0] == Period.D1.start_of(7_200_000)
    True
    """
    checks.instance(bars, "bars", Bars, "Bars")
    wanted = Period.of(period)
    if not bars.period.fits_in(wanted):
        fitting = ", ".join(str(each) for each in Period if each.fits_in(wanted))
        raise InvalidValue(f"{bars.period} bars do not fit into {wanted} ones; these do: {fitting}")
    columns = [array("q") for _ in bars.arrays]
    since = None if start is None else milliseconds(start, "start")
    until = None if end is None else milliseconds(end, "end")
    for row in _made(bars, wanted, since, until):
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    made = Bars(bars.symbol_id, wanted, bars.digits, *columns)
    return made.marked(map(wanted.start_of, bars.repaired_times))


def _made(
    bars: Bars, period: Period, since: int | None, until: int | None
) -> Iterator[tuple[int, int, int, int, int, int]]:
    first, rows = 0, len(bars)
    while first < rows:
        start, end = period.start_of(bars.time[first]), period.next(bars.time[first])
        last = bisect_left(bars.time, end, first)
        if (since is None or start >= since) and (until is None or end <= until):
            yield (
                start,
                bars.open[first],
                max(bars.high[first:last]),
                min(bars.low[first:last]),
                bars.close[last - 1],
                sum(bars.volume[first:last]),
            )
        first = last
