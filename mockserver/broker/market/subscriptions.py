"""Who hears of which prices: the subscriptions of every connection and account, and the events
that they get.

Knows the market, no stream. Subscriptions end with their connection or their account's session;
those to live bars and to depth end with the spots that they need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from ctrader_typed.message import Message
from ctrader_typed.proto import ProtoOASpotEvent, ProtoOATrendbar

from ..interface import Outgoing
from ..refusals import Refusal, unknown_symbol
from ..rules import MarketRules
from .bars import LiveBar
from .history import History
from .order_book import Book, book, difference
from .periods import MINUTE, Period, day_start, is_known
from .prices import NO_QUOTE, Quote, Tick
from .quotes import Market

_BARS_BEFORE_SPOTS = "Impossible to get trendbars before the spot subscribing"  # seen live
_DEPTH_BEFORE_SPOTS = "Not subscribed to spots of symbol {}."  # nobody has seen one

Session = tuple[int, int]
"""A connection and an account that it is authorised for."""


@dataclass(slots=True)
class _Subscription:
    """One session's interest in one symbol, and what it has been told."""

    session: Session
    symbol_id: int
    with_timestamp: bool
    quote: Quote = NO_QUOTE
    day: int | None = None  # the trading day before which the session closed that it knows of
    periods: list[Period] = field(default_factory=list[Period])
    book: Book | None = None  # None without a subscription to depth


class Subscriptions:
    """The subscription book. Requests raise Refusal and then change nothing, however many symbols
    they name.

    Every tick of the market must have come through `on_ticks` before the next request.
    """

    def __init__(self, market: Market, history: History, market_rules: MarketRules) -> None:
        self._market = market
        self._history = history
        self._market_rules = market_rules
        # By symbol, in the order of subscribing: the order of events depends on nothing else.
        self._subscriptions: dict[int, dict[Session, _Subscription]] = {}
        self._bars: dict[int, dict[Period, LiveBar]] = {}
        self._closes: dict[tuple[int, int], int | None] = {}

    # --- requests

    def subscribe(
        self, session: Session, symbol_ids: Iterable[int], *, with_timestamp: bool
    ) -> list[Outgoing]:
        """Subscribe to quotes; returns the technical events with the last prices, closed market or
        not.
        """
        wanted = list(dict.fromkeys(symbol_ids))
        for symbol_id in wanted:
            if not self._market.catalogue.has(symbol_id):
                raise unknown_symbol(symbol_id)
            if self._find(session, symbol_id) is not None:
                raise self._refusal(_already(symbol_id), "ALREADY_SUBSCRIBED")
        events: list[Outgoing] = []
        for symbol_id in wanted:
            subscription = _Subscription(session, symbol_id, with_timestamp)
            self._subscriptions.setdefault(symbol_id, {})[session] = subscription
            bid, ask = self._market.quote(symbol_id)
            # A symbol that never had a price has nothing to tell yet.
            if bid is not None or ask is not None:
                tick = Tick(symbol_id, self._market.now_ms, bid, ask)
                events.append(self._spot(subscription, tick))
        return events

    def unsubscribe(self, session: Session, symbol_ids: Iterable[int]) -> None:
        """End subscriptions to quotes, and with them those to live bars and depth."""
        for subscription in self._need(session, symbol_ids):
            self._end(subscription)

    def subscribe_bars(self, session: Session, symbol_id: int, period: Period) -> list[Outgoing]:
        """Let the live bar of a period ride in the events of a symbol; returns an event with the
        last prices and that bar (seen live), if there is one in the making.
        """
        (subscription,) = self._need_spots(session, [symbol_id], _BARS_BEFORE_SPOTS)
        if not is_known(period):
            raise Refusal("INVALID_REQUEST", f"Unknown trendbar period {int(period)}")
        if period in subscription.periods:
            # Seen on the wire for quotes only; live bars presumably say the same.
            raise self._refusal(_already(symbol_id), "ALREADY_SUBSCRIBED")
        subscription.periods.append(period)
        bars = self._bars.setdefault(symbol_id, {})
        if period not in bars:
            bars[period] = self._history.live_bar(symbol_id, period)
        now = self._market.now_ms
        bar = bars[period].at(now)
        if bar is None:
            return []
        tick = Tick(symbol_id, now, *self._market.quote(symbol_id))
        return [self._event(subscription, tick, [bar.live(period)])]

    def unsubscribe_bars(self, session: Session, symbol_id: int, period: Period) -> None:
        """Take the live bar of a period out of the events."""
        (subscription,) = self._need(session, [symbol_id])
        if period not in subscription.periods:
            raise _no_subscription(symbol_id)
        subscription.periods.remove(period)
        self._drop_bars(symbol_id)

    def subscribe_depth(self, session: Session, symbol_ids: Iterable[int]) -> list[Outgoing]:
        """Subscribe to order books; returns the events with the whole books."""
        wanted = self._need_spots(session, symbol_ids, _DEPTH_BEFORE_SPOTS)
        for subscription in wanted:
            if subscription.book is not None:
                raise self._refusal(_already(subscription.symbol_id), "ALREADY_SUBSCRIBED")
        events: list[Outgoing] = []
        for subscription in wanted:
            subscription.book = {}
            events += self._depth(subscription, self._market.now_ms)
        return events

    def unsubscribe_depth(self, session: Session, symbol_ids: Iterable[int]) -> None:
        """End subscriptions to order books."""
        wanted = self._need(session, symbol_ids)
        for subscription in wanted:
            if subscription.book is None:
                raise _no_subscription(subscription.symbol_id)
        for subscription in wanted:
            subscription.book = None

    def forget(self, connection: int, account: int | None = None) -> None:
        """A connection has gone, or one account's session on it: its subscriptions end."""
        gone = [
            subscription
            for subscriptions in self._subscriptions.values()
            for session, subscription in subscriptions.items()
            if session[0] == connection and (account is None or session[1] == account)
        ]
        for subscription in gone:
            self._end(subscription)

    @property
    def symbols(self) -> Collection[int]:
        """The symbols of whose prices somebody hears."""
        return self._subscriptions.keys()

    # --- events

    def on_ticks(self, ticks: Iterable[Tick]) -> Iterator[Outgoing]:
        """What subscribers hear of these ticks: quotes, with a bid the live bars, and changes of
        depth.
        """
        for tick in ticks:
            for bar in self._bars.get(tick.symbol_id, {}).values():
                bar.add(tick)
            for subscription in self._subscriptions.get(tick.symbol_id, {}).values():
                yield self._spot(subscription, tick)
                yield from self._depth(subscription, tick.time_ms)

    def _spot(self, subscription: _Subscription, tick: Tick) -> Outgoing:
        """A tick as this subscriber gets it; live bars come only with a bid, their close
        [recorded].
        """
        subscription.quote = subscription.quote.after(tick)
        trendbars: list[ProtoOATrendbar] = []
        if tick.bid is not None:
            bars = self._bars.get(tick.symbol_id, {})
            for period in subscription.periods:
                bar = bars[period].bar
                if bar is not None:
                    trendbars.append(bar.live(period))
        return self._event(subscription, tick, trendbars)

    def _event(
        self, subscription: _Subscription, tick: Tick, trendbars: list[ProtoOATrendbar]
    ) -> Outgoing:
        return _outgoing(
            subscription,
            ProtoOASpotEvent(
                ctid_trader_account_id=subscription.session[1],
                symbol_id=tick.symbol_id,
                bid=tick.bid,
                ask=tick.ask,
                trendbar=trendbars,
                session_close=self._session_close(subscription, tick.time_ms),
                timestamp=tick.time_ms if subscription.with_timestamp else None,
            ),
        )

    def _session_close(self, subscription: _Subscription, time_ms: int) -> int | None:
        """The last bid of the trading day before, in the first event of a day.

        When servers send it is not published; a recorded event has it beside ordinary prices, most
        have not.
        """
        day = day_start(time_ms // MINUTE)
        if subscription.day == day:
            return None
        subscription.day = day
        key = subscription.symbol_id, day
        if key not in self._closes:
            self._closes[key] = self._market.path.quote(subscription.symbol_id, day * MINUTE).bid
        return self._closes[key]

    def _depth(self, subscription: _Subscription, time_ms: int) -> Iterator[Outgoing]:
        """What has changed in the book that this subscriber has, if it has one."""
        if subscription.book is None:
            return
        catalogue, symbol_id = self._market.catalogue, subscription.symbol_id
        now = book(
            catalogue.symbol(symbol_id), catalogue.tick_size(symbol_id), subscription.quote, time_ms
        )
        event = difference(subscription.session[1], symbol_id, subscription.book, now)
        subscription.book = now
        if event is not None:
            yield _outgoing(subscription, event)

    # --- the book

    def _find(self, session: Session, symbol_id: int) -> _Subscription | None:
        return self._subscriptions.get(symbol_id, {}).get(session)

    def _need(self, session: Session, symbol_ids: Iterable[int]) -> list[_Subscription]:
        found: list[_Subscription] = []
        for symbol_id in dict.fromkeys(symbol_ids):
            subscription = self._find(session, symbol_id)
            if subscription is None:
                raise _no_subscription(symbol_id)
            found.append(subscription)
        return found

    def _need_spots(
        self, session: Session, symbol_ids: Iterable[int], otherwise: str
    ) -> list[_Subscription]:
        found: list[_Subscription] = []
        for symbol_id in dict.fromkeys(symbol_ids):
            subscription = self._find(session, symbol_id)
            if subscription is None:
                if not self._market.catalogue.has(symbol_id):
                    raise unknown_symbol(symbol_id)
                raise self._refusal(otherwise.format(symbol_id), "NOT_SUBSCRIBED_TO_SPOTS")
            found.append(subscription)
        return found

    def _end(self, subscription: _Subscription) -> None:
        symbol_id = subscription.symbol_id
        del self._subscriptions[symbol_id][subscription.session]
        if not self._subscriptions[symbol_id]:
            del self._subscriptions[symbol_id]
        self._drop_bars(symbol_id)

    def _drop_bars(self, symbol_id: int) -> None:
        """Let no bar grow that nobody wants any more."""
        wanted = {
            period
            for subscription in self._subscriptions.get(symbol_id, {}).values()
            for period in subscription.periods
        }
        bars = self._bars.get(symbol_id, {})
        for period in [period for period in bars if period not in wanted]:
            del bars[period]

    def _refusal(self, text: str, precise: str) -> Refusal:
        """Live servers say INVALID_REQUEST where the schema has a precise code."""
        return Refusal(precise if self._market_rules.precise_codes else "INVALID_REQUEST", text)


def _already(symbol_id: int) -> str:
    return f"Already subscribed to symbol {symbol_id}."


def _no_subscription(symbol_id: int) -> Refusal:
    return Refusal("INVALID_REQUEST", f"No subscription for symbol {symbol_id}.")


def _outgoing(subscription: _Subscription, message: Message) -> Outgoing:
    return Outgoing(message, connection=subscription.session[0])
