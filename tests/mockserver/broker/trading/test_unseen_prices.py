"""Prices that concern nobody pass unseen: what is sent is what it would be if all were followed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOAClosePositionReq,
    ProtoOAExpectedMarginReq,
    ProtoOAGetTickDataReq,
    ProtoOAQuoteType,
    ProtoOAReconcileReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAv1PnLChangeSubscribeReq,
)
from mockserver.broker.trading.account import Terms
from tests.mockserver.broker.trading.harness import (
    ACCOUNT,
    BUY,
    EURGBP,
    EURUSD,
    GBPUSD,
    LIMIT,
    LOT,
    SELL,
    STOP,
    USDJPY,
    Session,
)

Told = list[tuple[bytes, int | None, str | None]]
Step = tuple[str, int, int]
SYMBOLS = (EURUSD, GBPUSD, USDJPY, EURGBP)


def _attentive(session: Session) -> None:
    """Let a broker's market follow every symbol, whatever the broker tells it."""
    market: Any = session.broker.market
    follow: Callable[[Collection[int]], None] = market.follow
    everything = [symbol.symbol_id for symbol in market.catalogue.symbols]
    follow(everything)
    market.follow = lambda _symbol_ids: None


def _requests(session: Session) -> dict[str, Callable[[int, int], Message]]:
    ids: dict[str, Any] = {"ctid_trader_account_id": session.account_id}

    def pending(symbol: int, kind: Any, away: int) -> Message:
        bid = session.broker.market.bid(symbol) or 0
        price = (bid + away * 100) / 100_000
        name = "limit_price" if kind == LIMIT else "stop_price"
        return session.order(
            symbol_id=symbol, order_type=kind, trade_side=SELL if away > 0 else BUY, **{name: price}
        )

    def close(number: int) -> Message:
        found = list(session.account.positions.values())
        if not found:
            return ProtoOAReconcileReq(**ids)
        position = found[number % len(found)]
        return ProtoOAClosePositionReq(
            **ids, position_id=position.position_id, volume=position.volume
        )

    def past(symbol: int) -> Message:
        now = session.broker.now_ms
        return ProtoOAGetTickDataReq(
            **ids,
            symbol_id=symbol,
            type=ProtoOAQuoteType.BID,
            from_timestamp=now - 120_000,
            to_timestamp=now,
        )

    return {
        "buy": lambda s, n: session.order(
            symbol_id=s, volume=LOT // 10, relative_stop_loss=n * 1_000 or None
        ),
        "much": lambda s, _n: session.order(symbol_id=s, volume=LOT),
        "trailing": lambda s, n: session.order(
            symbol_id=s, relative_stop_loss=(n + 1) * 1_000, trailing_stop_loss=True
        ),
        "sell": lambda s, n: session.order(
            symbol_id=s, trade_side=SELL, relative_take_profit=n * 1_000 or None
        ),
        "limit": lambda s, n: pending(s, LIMIT, n - 4),
        "stop": lambda s, n: pending(s, STOP, 4 - n),
        "close": lambda _s, n: close(n),
        "hear": lambda s, _n: ProtoOASubscribeSpotsReq(**ids, symbol_id=[s]),
        "leave": lambda s, _n: ProtoOAUnsubscribeSpotsReq(**ids, symbol_id=[s]),
        "profit": lambda _s, _n: ProtoOAv1PnLChangeSubscribeReq(**ids),
        "margin": lambda s, _n: ProtoOAExpectedMarginReq(**ids, symbol_id=s, volume=[LOT]),
        "past": lambda s, _n: past(s),
        "stand": lambda _s, _n: ProtoOAReconcileReq(**ids),
    }


def _told(steps: list[Step], *, attentive: bool) -> Told:
    """What a client hears, to the byte, and what is left in the books."""
    session = Session(Terms(deposit_asset_id=5), prices=None, seed=3, deposit=3_000)
    if attentive:
        _attentive(session)
    requests, told = _requests(session), list[Any]()
    # Its profit is heard of, and so great that a tick of what converts it counts.
    begun = [("profit", EURUSD, 0), ("much", USDJPY, 0), ("wait", 0, 1), ("set", USDJPY, 9_000)]
    for name, symbol, number in [*begun, *steps]:
        if name == "wait":
            told += session.wait(number * 15_000)
        elif name == "set":
            bid = (session.broker.market.bid(symbol) or 0) + (number - 4) * 100
            session.broker.set_price(symbol, bid / 100_000)
        elif name == "gone":
            session.broker.disconnected(1, session.now / 1000)
            told += session.wait(number * 10_000)
            session.broker.connected(1, session.now / 1000)
        else:
            told += session.do(requests[name](symbol, number), 0)
    told += session.wait(60_000)
    return [(bytes(o.message), o.connection, o.client_msg_id) for o in told]


NAMES = (*_requests(Session()), "wait", "wait", "set", "gone")


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(SYMBOLS), st.integers(0, 8)), max_size=20
    )
)
def test_what_is_sent_is_the_same_as_if_all_prices_were_followed(steps: list[Step]) -> None:
    assert _told(steps, attentive=False) == _told(steps, attentive=True)


def test_prices_are_followed_as_long_as_they_concern_somebody() -> None:
    session = Session(prices=None, seed=3)
    assert session.broker.market.next_tick_at() is None
    position_id = session.opened(relative_stop_loss=5_000)
    assert session.broker.market.next_tick_at() is not None
    session.do(
        ProtoOAClosePositionReq(
            ctid_trader_account_id=ACCOUNT, position_id=position_id, volume=LOT // 10
        )
    )
    assert not session.account.working
    assert session.broker.market.next_tick_at() is None
    now = session.broker.market.quote(EURUSD)
    session.wait(3_600_000)
    assert session.broker.market.quote(EURUSD) != now
