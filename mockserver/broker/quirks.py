"""How the market side behaves where servers of different years, or guesses, differ. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a live server of 2026 does, unless changed.

    - `precise_codes`: refuse subscriptions with the codes that the schema has for it
      (ALREADY_SUBSCRIBED, NOT_SUBSCRIBED_TO_SPOTS) instead of INVALID_REQUEST, which live servers
      sent.
    - `strict_windows`: trend bars as documented in 2021: both ends of the window needed, windows
      limited by period, `fromTimestamp` bounds the answer even with a count. Otherwise a count wins
      and wide windows are cut silently.
    - `short_pages`: a page of trend bars that is not the last has one bar less than asked for, as
      was seen at times.
    - `split_milliseconds`: a page of ticks may end between two ticks of one ms, so that who asks on
      with `toTimestamp` = oldest - 1 misses some. Otherwise a page keeps such ticks together.
    - `bar_delay`: a bar appears in history so many ms after it has ended; 60 to 1000 were seen
      live.
    - `bars_page`, `ticks_page`: the most that one answer holds. The real limits are not published.
    - `version`: what ProtoOAVersionRes says.
    """

    precise_codes: bool = False
    strict_windows: bool = False
    short_pages: bool = False
    split_milliseconds: bool = False
    bar_delay: int = 0
    bars_page: int = 14_000
    ticks_page: int = 10_000
    version: str = "91"
