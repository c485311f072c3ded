"""How the broker behaves where real ones differ or are not known, as values.

Every choice that the recordings leave open is named here, so that a test can choose the other way.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the broker takes, in ms.

    Recorded in one run: accepted at once, filled after 130, the protective order 18 after the fill;
    a level that the market reached was executed some 150 later.
    """

    accept: int = 0
    fill: int = 130
    protect: int = 18
    trigger: int = 150
    next_deal: int = 5


@dataclass(frozen=True, slots=True)
class Liquidity:
    """What a symbol's market takes from one order.

    `available` is the volume that an order gets when it is executed (a resting one gets as much
    again with the next tick), `per_deal` the most that one deal fills, both in 0.01 of a unit and
    without limit if None. `slippage` is how many points worse than the quote a market execution
    fills; negative is better.
    """

    available: int | None = None
    per_deal: int | None = None
    slippage: int = 0


@dataclass(frozen=True, slots=True)
class TradingRules:
    """The broker's habits.

    - `amend_blackout`: for so many ms after its fill a position cannot be amended and is
      POSITION_NOT_FOUND, as one client's author saw (50 to 100 ms); zero switches it off.
    - `refuse_crossed_take_profit`: whether a take profit beyond the market is refused with the text
      seen live; if not, it is accepted and fills at once, as recorded.
    - `resting_ioc`: whether an IMMEDIATE_OR_CANCEL limit order waits like any pending one, as seen
      live; if not, what does not fill at once is cancelled.
    - `unique_client_order_ids`: whether a clientOrderId that a working order has is refused. No
      server was seen to do so.
    - `strict_windows`: whether order and deal lists refuse windows over a week, as the
      documentation of 2021 had it. The cash flow always does.
    - `account_events`: whether ProtoOATraderUpdatedEvent and ProtoOAMarginChangedEvent are sent. In
      recorded sessions they never came.
    - `unpublished_fields`: whether deals and the trader carry the fields that live servers add and
      no schema has.
    - `page`: the most rows that a list returns.
    - `max_positions`: the most positions and pending orders of an account.
    - `margin_call_pause`: ms between two events of one margin call.
    """

    latency: Latency = field(default_factory=Latency)
    liquidity: Liquidity = field(default_factory=Liquidity)
    amend_blackout: int = 0
    refuse_crossed_take_profit: bool = False
    resting_ioc: bool = True
    unique_client_order_ids: bool = False
    strict_windows: bool = False
    account_events: bool = False
    unpublished_fields: bool = False
    page: int = 1000
    max_positions: int = 1000
    margin_call_pause: int = 600_000


@dataclass(frozen=True, slots=True)
class MarketRules:
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
