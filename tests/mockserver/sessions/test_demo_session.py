"""The session that `make demo` plays: it is current, it can be played, and its figures add up."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAExecutionEvent,
    ProtoOAGetTrendbarsRes,
    ProtoOANewOrderReq,
    ProtoOAReconcileRes,
    ProtoOASpotEvent,
    ProtoOASymbolByIdRes,
)
from ctrader_typed.wire.envelope import Envelope
from mockserver.handler import Send
from mockserver.recordings.placeholders import fill
from mockserver.recordings.session_file import Session, load_session
from mockserver.replay.replay import ReplayHandler

PATH = Path(__file__).parents[3] / "examples" / "demo.session.jsonl"
CENT = Decimal(1)


@pytest.fixture(scope="module")
def session() -> Session:
    """Warnings are errors here: a stale session does not load."""
    return load_session(PATH, SCHEMA)


@pytest.fixture(scope="module")
def sent(session: Session) -> list[Message]:
    """What the server sends to a client that does what the session says."""
    script = ReplayHandler(session)
    actions = list(script.opened(0))
    for record in session.records:
        if record.by_client:
            assert record.cls is not None
            request = fill(record.cls, record.payload, {})
            actions += script.received(Envelope(request, record.client_msg_id), 0)
    assert script.outcome.good
    return [action.message for action in actions if isinstance(action, Send)]


def of(messages: list[Message], cls: type[Any]) -> list[Any]:
    return [message for message in messages if type(message) is cls]


def test_quotes_are_partial_never_crossed_and_on_the_grid(sent):
    (details,) = of(sent, ProtoOASymbolByIdRes)
    grid = {symbol.symbol_id: 10 ** (5 - symbol.digits) for symbol in details.symbol}
    last: dict[int, tuple[int, int]] = {}
    sides = set()
    for spot in of(sent, ProtoOASpotEvent):
        bid, ask = last.get(spot.symbol_id, (0, 0))
        sides.add((spot.bid is None, spot.ask is None))
        if spot.symbol_id not in last:
            assert None not in (spot.bid, spot.ask)  # the first event has both sides
        last[spot.symbol_id] = bid, ask = (spot.bid or bid, spot.ask or ask)
        assert 0 < bid <= ask
        assert bid % grid[spot.symbol_id] == ask % grid[spot.symbol_id] == 0
    assert set(last) == set(grid)
    assert sides == {(False, False), (True, False), (False, True)}


def test_the_order_is_filled_at_the_ask_and_the_figures_are_right_to_the_cent(session, sent):
    (order,) = (r.payload for r in session.records if r.cls is ProtoOANewOrderReq)
    accepted, filled, protected = of(sent, ProtoOAExecutionEvent)
    before = sent[: sent.index(accepted)]
    quotes = [s for s in of(before, ProtoOASpotEvent) if s.symbol_id == order["symbolId"]]
    ask = [quote.ask for quote in quotes if quote.ask is not None][-1]
    price = Decimal(ask) / 100_000

    assert accepted.position.position_id == filled.position.position_id
    assert (accepted.position.trade_data.volume, accepted.position.price) == (0, 0.0)
    for shown in (filled.position.price, filled.order.execution_price, filled.deal.execution_price):
        assert shown == float(price)
    units = Decimal(order["volume"]) / 100
    margin = (units * price / 100 * 100).quantize(CENT, ROUND_HALF_UP)  # 1:100, in cents
    commission = (Decimal("2.5") * units / 100_000 * 100).quantize(CENT, ROUND_HALF_UP)
    assert filled.position.used_margin == margin
    assert filled.position.commission == filled.deal.commission == -commission
    assert filled.position.stop_loss is None  # the levels come with the protective order

    stop = float(price - Decimal(order["relativeStopLoss"]) / 100_000)
    profit = float(price + Decimal(order["relativeTakeProfit"]) / 100_000)
    assert (protected.position.stop_loss, protected.position.take_profit) == (stop, profit)
    assert (protected.order.stop_price, protected.order.limit_price) == (stop, profit)
    assert protected.is_server_event
    (state,) = of(sent, ProtoOAReconcileRes)
    assert state.position == [protected.position]


def test_the_last_bar_is_the_minute_of_the_quotes(sent):
    (history,) = of(sent, ProtoOAGetTrendbarsRes)
    bars = history.trendbar
    assert len(bars) == 60
    minutes = [bar.utc_timestamp_in_minutes for bar in bars]
    assert minutes == list(range(minutes[0], minutes[0] + 60))
    for bar in bars:
        assert 0 <= bar.delta_open <= bar.delta_high
        assert 0 <= bar.delta_close <= bar.delta_high
        assert bar.period is None
    spots = of(sent, ProtoOASpotEvent)
    bids = [s.bid for s in spots if s.symbol_id == history.symbol_id and s.bid is not None]
    last = bars[-1]
    assert last.low + last.delta_close == bids[-1]
    assert last.low <= min(bids)
    assert max(bids) <= last.low + last.delta_high
    for one, next_ in pairwise(bars):
        assert abs(one.low + one.delta_close - next_.low - next_.delta_open) <= 3
