"""What was: trend bars and ticks of the past, paged as a server pages them.

They are read off the path that live prices take, up to now, so they agree with what was streamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ctrader_typed.proto import (
    ProtoOAGetTickDataReq,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOAQuoteType,
    ProtoOATickData,
)

from ..refusals import Refusal, unknown_symbol
from ..rules import MarketRules
from .bars import Bar, LiveBar, bars
from .periods import (
    DAY,
    HOUR,
    MINUTE,
    Period,
    is_known,
    is_short,
    longest,
    period_end,
    period_start,
)
from .prices import Tick
from .quotes import Market

_LAST = 2_147_483_646_000  # the greatest timestamp that requests may name [schema of 2021]
_DAY_MS = DAY * MINUTE
_TICK_WINDOW = 7 * _DAY_MS
_TICK_STEP = HOUR * MINUTE


def _bar_window(period: Period) -> int:
    """The widest window of 2021, in ms. The first was labelled 5 weeks, which is ten times as
    much.
    """
    if period <= Period.M5:
        return 302_400_000
    if period <= Period.H1:
        return 21_168_000_000
    return 31_622_400_000 if period <= Period.D1 else 158_112_000_000


class History:
    """The past of a market."""

    def __init__(self, market: Market, market_rules: MarketRules) -> None:
        self._market = market
        self._market_rules = market_rules

    # --- trend bars

    def trendbars(self, request: ProtoOAGetTrendbarsReq) -> ProtoOAGetTrendbarsRes:
        """Answer with bars that have ended, oldest first; `hasMore` says that there are older ones.

        With `count` the newest so many that open at `toTimestamp` or before; without it those from
        `fromTimestamp` on. Both timestamps may be left out: up to now, and as far back as a page
        goes. Raises Refusal.
        """
        self._check(request.symbol_id)
        period = request.period
        if not is_known(period):
            raise Refusal("INVALID_REQUEST", f"Unknown trendbar period {int(period)}")
        to = self._market.now_ms if request.to_timestamp is None else request.to_timestamp
        first, wanted = self._bounds(request, to)
        found = self._back(request.symbol_id, period, first, to // MINUTE + 1, wanted + 1)
        has_more = len(found) > wanted
        if has_more and self._market_rules.short_pages and wanted > 1:
            wanted -= 1
        return ProtoOAGetTrendbarsRes(
            ctid_trader_account_id=request.ctid_trader_account_id,
            period=period,
            # Deprecated, but older clients require it; the recorded one repeats toTimestamp.
            timestamp=to,
            trendbar=[bar.historical() for bar in found[len(found) - wanted if has_more else 0 :]],
            symbol_id=request.symbol_id,
            has_more=has_more,
        )

    def live_bar(self, symbol_id: int, period: Period) -> LiveBar:
        """The bar of the current period, grown up to now."""
        path, now = self._market.path, self._market.now_ms
        minute = now // MINUTE
        start, hour = period_start(period, minute), minute - minute % HOUR
        past: list[Bar] = []
        if not is_short(period):
            past += path.hours(symbol_id, start, hour)
            start = hour
        past += path.minutes(symbol_id, start, minute)
        return LiveBar(period, past, path.ticks(symbol_id, minute * MINUTE, now + 1))

    def _bounds(self, request: ProtoOAGetTrendbarsReq, to: int) -> tuple[int, int]:
        """The first minute at which a bar may open, and how many bars are wanted at most."""
        page, since = self._market_rules.bars_page, request.from_timestamp
        count = request.count or None  # nobody was seen to ask for 0 bars
        window = _bar_window(request.period)
        if self._market_rules.strict_windows:
            if since is None or request.to_timestamp is None or to - since > window:
                raise _incorrect_boundaries(window)
        elif count is not None:
            since = None
        if not 0 <= to <= _LAST or (since is not None and not 0 <= since < to):
            raise _incorrect_boundaries(window)
        first = 0 if since is None else -(-since // MINUTE)
        return first, page if count is None else min(count, page)

    def _back(self, symbol_id: int, period: Period, first: int, end: int, wanted: int) -> list[Bar]:
        """The newest `wanted` bars that open in `[first, end)` and have ended, oldest first."""
        begins = self._market.path.begins(symbol_id)
        if begins is None:
            return []
        now = (self._market.now_ms - self._market_rules.bar_delay) // MINUTE
        first = max(first, period_start(period, begins // MINUTE))
        end = min(end, period_start(period, now))
        found: list[list[Bar]] = []
        # Weekends and nights have no bars: for what is missing look as far back as the bars are
        # long, and where nothing is, further and further.
        closed = 1
        while wanted > 0 and end > first:
            start = max(first, end - max(HOUR, longest(period) * wanted) * closed)
            some = list(self._bars(symbol_id, period, start, end))
            found.append(some[max(0, len(some) - wanted) :])
            wanted -= len(found[-1])
            end, closed = start, 1 if some else closed * 2
        return [bar for some in reversed(found) for bar in some]

    def _bars(self, symbol_id: int, period: Period, start: int, end: int) -> Iterator[Bar]:
        """The bars that open in `[start, end)`."""
        start, end = _next_start(period, start), _next_start(period, end)
        path = self._market.path
        shorter: Iterable[Bar] = (
            path.minutes(symbol_id, start, end)
            if is_short(period)
            else path.hours(symbol_id, start, end)
        )
        return iter(shorter) if period is Period.M1 else bars(period, shorter)

    # --- ticks

    def ticks(self, request: ProtoOAGetTickDataReq) -> ProtoOAGetTickDataRes:
        """Answer with the ticks of one side, newest first; raises Refusal."""
        self._check(request.symbol_id)
        if request.type not in {ProtoOAQuoteType.BID, ProtoOAQuoteType.ASK}:
            raise Refusal("INVALID_REQUEST", f"Unknown quote type {int(request.type)}")
        to = self._market.now_ms if request.to_timestamp is None else request.to_timestamp
        since = to - _TICK_WINDOW if request.from_timestamp is None else request.from_timestamp
        if not 0 <= since < to <= _LAST or to - since > _TICK_WINDOW:
            raise _incorrect_boundaries(_TICK_WINDOW)
        found, has_more = self._page(request.symbol_id, request.type, since, to)
        return ProtoOAGetTickDataRes(
            ctid_trader_account_id=request.ctid_trader_account_id,
            tick_data=_differences(found),
            has_more=has_more,
        )

    def _page(
        self, symbol_id: int, side: ProtoOAQuoteType, since: int, to: int
    ) -> tuple[list[tuple[int, int]], bool]:
        """Times and prices in `[since, to]`, newest first, and whether there are more."""
        page, whole = self._market_rules.ticks_page, not self._market_rules.split_milliseconds
        found: list[tuple[int, int]] = []
        end = min(to, self._market.now_ms) + 1
        while end > since and len(found) <= page:
            start = max(since, (end - 1) // _TICK_STEP * _TICK_STEP)
            found += _newest_first(self._market.path.ticks(symbol_id, start, end), side)
            end = start
            while whole and page < len(found) and found[page][0] == found[page - 1][0]:
                page += 1
        return found[:page], len(found) > page

    def _check(self, symbol_id: int) -> None:
        if not self._market.catalogue.has(symbol_id):
            raise unknown_symbol(symbol_id)


def _next_start(period: Period, minute: int) -> int:
    """The first begin of a bar at this minute or later."""
    start = period_start(period, minute)
    return start if start == minute else period_end(period, start)


def _newest_first(ticks: Sequence[Tick], side: ProtoOAQuoteType) -> Iterator[tuple[int, int]]:
    for tick in reversed(ticks):
        price = tick.bid if side is ProtoOAQuoteType.BID else tick.ask
        if price is not None:
            yield tick.time_ms, price


def _differences(found: list[tuple[int, int]]) -> list[ProtoOATickData]:
    """The first as it is, then differences of both time and price to the one before [seen live]."""
    data: list[ProtoOATickData] = []
    at = price = 0
    for time_ms, tick in found:
        data.append(ProtoOATickData(timestamp=time_ms - at, tick=tick - price))
        at, price = time_ms, tick
    return data


def _incorrect_boundaries(window: int) -> Refusal:
    """The text of 2020. The label of the week is recorded, the others are formed after it."""
    return Refusal(
        "INCORRECT_BOUNDARIES",
        "Incorrect period boundaries or requested period is longer than allowed"
        f" {window} ({window / _DAY_MS:g}d).",
    )
