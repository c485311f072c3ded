"""Whatever happens to the link, no outcome is ever wrong, and no order that arrived is lost.

The simulated broker is the truth: requests and strangers act on it, the link breaks before, within
and after each exchange, and what the client's book says is compared with what the broker did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ctrader_typed import (
    Message,
    ProtoErrorRes,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAErrorRes,
    ProtoOAOrderStatus,
    ProtoOATimeInForce,
    Request,
)
from ctrader_typed.orders.order_ids import ClientOrderIds, TradingKind
from ctrader_typed.orders.order_states import OrderStatus
from ctrader_typed.orders.order_tracker import OrderTracker
from ctrader_typed.orders.recovery import check
from ctrader_typed.orders.tracked_order import CHECKS, TrackedOrder
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.envelope import Envelope
from mockserver.broker.interface import Outgoing
from mockserver.broker.trading.orders import Order
from tests.mockserver.broker.trading.harness import (
    ACCOUNT,
    BUY,
    EURUSD,
    LIMIT,
    MARKET,
    SELL,
    Session,
)

STEP = 100_000
STRANGER = 99
BID, ASK = 108_450, 108_460

_LIVING = ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
_ENDS = {
    ProtoOAOrderStatus.ORDER_STATUS_FILLED: OrderStatus.FILLED,
    ProtoOAOrderStatus.ORDER_STATUS_CANCELLED: OrderStatus.CANCELLED,
    ProtoOAOrderStatus.ORDER_STATUS_EXPIRED: OrderStatus.EXPIRED,
    ProtoOAOrderStatus.ORDER_STATUS_REJECTED: OrderStatus.REJECTED,
}

orders = st.builds(
    lambda side, kind, levels, volume, away, ioc: {
        "trade_side": side,
        "order_type": kind,
        "volume": volume * STEP,
        "relative_stop_loss": 20_000 if levels else None,
        "limit_price": (BID - away * 10) / 100_000 if kind is LIMIT else None,
        "time_in_force": ProtoOATimeInForce.IMMEDIATE_OR_CANCEL if ioc else None,
    },
    st.sampled_from([BUY, SELL]),
    st.sampled_from([MARKET, LIMIT]),
    st.booleans(),
    st.integers(1, 4),
    st.integers(-3, 40),
    st.booleans(),
)


@dataclass
class Truth:
    """A request of ours and what the broker made of it."""

    tracked: TrackedOrder
    delivered: bool
    order_id: int | None  # that it made, if any
    refused: bool


class Fates(RuleBasedStateMachine):
    @initialize(
        skew=st.sampled_from([0, 3_600_000, -5 * 31_536_000_000]),
        per_deal=st.sampled_from([None, STEP]),
    )
    def begin(self, skew: int, per_deal: int | None) -> None:
        self.session = Session()
        self.broker = self.session.broker
        self.session.liquidity(EURUSD, per_deal=per_deal)
        self.broker.connected(STRANGER, 0.0)
        self.session.wait(0)
        self.skew = skew
        self.book = OrderTracker(SCHEMA, ClientOrderIds("ours"))
        self.link: int | None = 1
        self.links = 1
        self.sent = 0
        self.truths: list[Truth] = []

    # --- the link ---

    def take(self, outgoing: Iterable[Outgoing]) -> list[Envelope]:
        """What of it is for our link."""
        return [
            Envelope(out.message, out.client_msg_id if out.connection == self.link else None)
            for out in outgoing
            if self.link is not None and (out.connection == self.link or out.account_id is not None)
        ]

    def transmit(self, request: Request[Any], client_msg_id: str | None = None) -> list[Outgoing]:
        assert self.link is not None
        now = self.session.now / 1000
        return list(self.broker.received(self.link, request, client_msg_id, now))

    def lose(self, unwritten: tuple[TrackedOrder, ...] = ()) -> None:
        assert self.link is not None
        self.broker.disconnected(self.link, self.session.now / 1000)
        self.link = None
        self.book.link_lost("the connection broke", unwritten)

    # --- our requests ---

    def place(self, request: Request[Any], cut: str, seen: int) -> None:
        tracked = self.book.open(request, self.broker.now_ms + self.skew)
        if cut == "unwritten":
            self.truths.append(Truth(tracked, delivered=False, order_id=None, refused=False))
            self.lose((tracked,))
            return
        self.sent += 1
        self.book.sent(tracked, f"c{self.sent}")
        if cut == "lost":
            self.truths.append(Truth(tracked, delivered=False, order_id=None, refused=False))
            self.lose()
            return
        before = set(self.session.account.orders)
        outgoing = self.transmit(tracked.request, f"c{self.sent}")
        made = [
            order.order_id
            for number, order in self.session.account.orders.items()
            if number not in before and not order.protective
        ]
        refused = not any(out.client_msg_id and not is_refusal(out.message) for out in outgoing)
        order_id = made[0] if tracked.follows_order and made else None
        self.truths.append(Truth(tracked, delivered=True, order_id=order_id, refused=refused))
        envelopes = self.take(outgoing)
        self.book.receive(envelopes[: seen if cut == "answer" else None])
        if cut == "answer":
            self.lose()

    cuts = st.sampled_from([*["none"] * 6, "unwritten", "lost", "answer", "answer"])

    @precondition(lambda self: self.link is not None)
    @rule(fields=orders, cut=cuts, seen=st.integers(0, 2))
    def new_order(self, fields: dict[str, Any], cut: str, seen: int) -> None:
        self.place(self.session.order(**fields), cut, seen)

    @precondition(lambda self: self.link is not None and self.session.account.positions)
    @rule(which=st.integers(0), parts=st.integers(1, 4), cut=cuts, seen=st.integers(0, 2))
    def close(self, which: int, parts: int, cut: str, seen: int) -> None:
        position = pick(self.session.account.positions.values(), which)
        volume = min(position.volume, parts * STEP)
        doubtful = [t.tracked for t in self.truths if t.tracked.status is OrderStatus.UNKNOWN]
        if any(f.position_id == position.position_id for f in doubtful):
            return  # two in doubt at once are told apart by nothing: see inquiry
        request = ProtoOAClosePositionReq(
            ctid_trader_account_id=ACCOUNT, position_id=position.position_id, volume=volume
        )
        self.place(request, cut, seen)

    @precondition(lambda self: self.link is not None and self.session.account.orders)
    @rule(which=st.integers(0), cut=cuts, seen=st.integers(0, 2))
    def cancel(self, which: int, cut: str, seen: int) -> None:
        order = pick(self.session.account.orders.values(), which)
        request = ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=order.order_id)
        self.place(request, cut, seen)

    @precondition(lambda self: self.link is not None and self.session.account.orders)
    @rule(which=st.integers(0), away=st.integers(1, 40), cut=cuts, seen=st.integers(0, 2))
    def amend(self, which: int, away: int, cut: str, seen: int) -> None:
        order = pick(self.session.account.orders.values(), which)
        request = ProtoOAAmendOrderReq(
            ctid_trader_account_id=ACCOUNT,
            order_id=order.order_id,
            limit_price=(BID - away * 10) / 100_000,
        )
        self.place(request, cut, seen)

    @precondition(lambda self: self.link is not None and self.session.account.positions)
    @rule(which=st.integers(0), away=st.integers(200, 300), cut=cuts, seen=st.integers(0, 2))
    def protect(self, which: int, away: int, cut: str, seen: int) -> None:
        position = pick(self.session.account.positions.values(), which)
        sign = -1 if position.side == BUY else 1
        request = ProtoOAAmendPositionSLTPReq(
            ctid_trader_account_id=ACCOUNT,
            position_id=position.position_id,
            stop_loss=(BID + sign * away * 10) / 100_000,
        )
        self.place(request, cut, seen)

    # --- the world ---

    def happen(self, act: Callable[[], Iterable[Outgoing]]) -> None:
        self.book.receive(self.take(act()))

    @rule(ms=st.sampled_from([0, 5, 20, 130, 150, 1000]))
    def wait(self, ms: int) -> None:
        self.happen(lambda: self.session.wait(ms))

    @rule(away=st.integers(-60, 60))
    def price(self, away: int) -> None:
        self.happen(lambda: self.session.price(EURUSD, BID + away * 10))

    @rule(fields=orders)
    def stranger_orders(self, fields: dict[str, Any]) -> None:
        request = self.session.order(client_order_id="a stranger's", **fields)
        self.happen(lambda: self.session.send(request, connection=STRANGER))

    @precondition(lambda self: self.session.account.orders)
    @rule(which=st.integers(0))
    def stranger_cancels(self, which: int) -> None:
        order = pick(self.session.account.orders.values(), which)
        request = ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=order.order_id)
        self.happen(lambda: self.session.send(request, connection=STRANGER))

    @precondition(lambda self: self.link is not None and self.session.account.positions)
    @rule(which=st.integers(0), parts=st.integers(1, 4))
    def stranger_closes(self, which: int, parts: int) -> None:
        position = pick(self.session.account.positions.values(), which)
        volume = min(position.volume, parts * STEP)
        request = ProtoOAClosePositionReq(
            ctid_trader_account_id=ACCOUNT, position_id=position.position_id, volume=volume
        )
        self.happen(lambda: self.session.send(request, connection=STRANGER))

    # --- finding out ---

    @precondition(lambda self: self.link is None)
    @rule(quiet=st.booleans())
    def reconnect(self, quiet: bool) -> None:
        if quiet:  # nothing is being executed any more when it is asked about
            self.session.wait(1_000)
        self.links += 1
        self.link = 100 + self.links
        self.broker.connected(self.link, self.session.now / 1000)
        known = [truth for truth in self.truths if not truth.tracked.settled]
        for _ in range(CHECKS):
            self.check()
            self.happen(lambda: self.session.wait(1))
        assert not any(tracked.to_ask for tracked in self.book.followed(ACCOUNT))
        self.happen(lambda: self.session.wait(1_000))
        for truth in known:
            assert truth.tracked.settled == truth.tracked.ended
            if quiet:
                self.position_is_so(truth.tracked)
        for truth in self.truths:
            if (
                truth.delivered
                and truth.tracked.kind is TradingKind.OPEN
                and truth.order_id is not None
            ):
                assert truth.tracked.status is not OrderStatus.UNKNOWN, "an order was lost"
            if (
                truth.delivered
                and truth.tracked.kind is TradingKind.CLOSE
                and truth.order_id is not None
            ):
                assert truth.tracked.status is not OrderStatus.UNKNOWN, "a close was lost"

    def position_is_so(self, tracked: TrackedOrder) -> None:
        """What was not over when the link came back says what the account says."""
        if (
            tracked.status in {OrderStatus.UNKNOWN, OrderStatus.NOT_SENT}
            or not tracked.filled_volume
        ):
            return
        there = self.session.account.positions.get(tracked.position_id)
        assert tracked.position_closed == (there is None)
        if there is not None:
            assert tracked.position is not None
            assert tracked.position.trade_data.volume == there.volume

    def check(self) -> None:
        asking = check(self.book, ACCOUNT, self.broker.now_ms + self.skew, math.inf)
        answer: Message | None = None
        while True:
            try:
                question = asking.send(answer)
            except StopIteration:
                return
            (answered,) = self.transmit(question)
            answer = None if is_refusal(answered.message) else answered.message

    # --- never wrong ---

    @invariant()
    def no_outcome_is_wrong(self) -> None:
        for truth in getattr(self, "truths", ()):
            tracked = truth.tracked
            if tracked.status is OrderStatus.NOT_SENT:
                assert not truth.delivered
            elif tracked.status not in {OrderStatus.WRITING, OrderStatus.UNKNOWN}:
                assert truth.delivered or tracked.kind in {
                    TradingKind.AMEND,
                    TradingKind.PROTECT,
                    TradingKind.CANCEL,
                }
                (self.order_is_so if tracked.follows_order else self.instruction_is_so)(truth)

    def order_is_so(self, truth: Truth) -> None:
        tracked = truth.tracked
        if truth.refused:
            assert tracked.status is OrderStatus.REJECTED
            return
        assert tracked.order_id == truth.order_id
        order = self.session.account.orders[tracked.order_id]
        assert tracked.status is told(order)
        deals = [d for d in self.session.account.deals.values() if d.order_id == order.order_id]
        assert sorted(d.deal_id for d in tracked.deals) == sorted(d.deal_id for d in deals)
        assert tracked.filled_volume == order.executed_volume
        if tracked.position_closed:
            assert tracked.position_id not in self.session.account.positions

    def instruction_is_so(self, truth: Truth) -> None:
        tracked = truth.tracked
        if tracked.status is OrderStatus.CANCELLED:
            order = self.session.account.orders[tracked.order_id]
            assert order.status == ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
        elif tracked.status is OrderStatus.REJECTED and not truth.refused:
            assert tracked.kind is TradingKind.CANCEL
            order = self.session.account.orders[tracked.order_id]
            assert order.status not in {_LIVING, ProtoOAOrderStatus.ORDER_STATUS_CANCELLED}


def is_refusal(message: Message) -> bool:
    kinds = (ProtoErrorRes, ProtoOAErrorRes)
    event = getattr(message, "execution_type", None)
    named = None if event is None else event.name
    return (
        isinstance(message, kinds)
        or type(message).__name__ == "ProtoOAOrderErrorEvent"
        or named in {"ORDER_REJECTED", "ORDER_CANCEL_REJECTED"}
    )


def told(order: Order) -> OrderStatus:
    """What we should be told of an order of the broker's."""
    if order.status == _LIVING:
        return OrderStatus.PARTIALLY_FILLED if order.executed_volume else OrderStatus.ACCEPTED
    return _ENDS[order.status]


def pick(things: Iterable[Any], which: int) -> Any:
    things = list(things)
    return things[which % len(things)]


TestFates = Fates.TestCase
