"""The oracle: the requests behind a recorded session give the recorded messages, field by field.

Identifiers and times aside, of which it is demanded that what is one in the recording is one here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOACashFlowHistoryListReq,
    ProtoOAClosePositionReq,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListReq,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListReq,
    ProtoOAReconcileReq,
    ProtoOATraderReq,
)
from mockserver.broker.market.prices import TickList
from tests.mockserver.broker.trading.harness import BTCUSD, LIMIT, Session

ACCOUNT = 1_000_001
IDENTIFIERS = ("positionId", "orderId", "dealId", "balanceHistoryId", "clientOrderId")
DEPOSIT, LOST = 5_122_402_964, 3_155


class Comparison:
    """Ours against the recording, message by message; ids and times are matched one to one."""

    def __init__(self, path: Path) -> None:
        lines = path.read_text().splitlines()
        self.recorded: Iterator[dict[str, Any]] = iter([json.loads(line) for line in lines])
        self.compared = 0
        self.twins: dict[tuple[str, Any], Any] = {}

    def next(self, ours: Message) -> None:
        recorded = next(self.recorded)
        note = recorded["note"]
        assert recorded["message"] == type(ours).__name__, note
        # What was recorded must be what the schema reads out of the recorded bytes.
        cls = SCHEMA.by_payload_type[recorded["payloadType"]]
        assert cls.from_dict(recorded["payload"]).to_dict() == recorded["payload"], note
        mine = json.loads(bytes_of_json(ours))
        assert self._matched(mine, recorded["payload"], note) == recorded["payload"], note
        self.compared += 1

    def all(self, ours: list[Message]) -> None:
        for message in ours:
            self.next(message)

    def _matched(self, ours: Any, recorded: Any, note: str) -> Any:
        """Our message with the recording's ids and times where ours stand for them."""
        if isinstance(ours, list) and isinstance(recorded, list):
            assert len(ours) == len(recorded), note
            return [self._matched(a, b, note) for a, b in zip(ours, recorded, strict=True)]
        if not (isinstance(ours, dict) and isinstance(recorded, dict)):
            return ours
        matched = dict(ours)
        for key, value in ours.items():
            if key not in recorded:
                continue
            if key.endswith("imestamp") or key in IDENTIFIERS:
                matched[key] = self._twin(key, value, recorded[key], note)
            else:
                matched[key] = self._matched(value, recorded[key], note)
        return matched

    def _twin(self, key: str, ours: Any, recorded: Any, note: str) -> Any:
        if key == "clientOrderId":
            return recorded
        kind = "time" if key.endswith("imestamp") else key
        known = self.twins.setdefault((kind, ours), recorded)
        assert known == recorded, f"{note}: {key} {ours} stood for {known}, now for {recorded}"
        return known


def bytes_of_json(message: Message) -> str:
    """Through the wire and back: what a client would make of it."""
    return type(message).FromString(bytes(message)).to_json()


@pytest.fixture
def session() -> Session:
    prices = TickList.still([(BTCUSD, 8_528_600_000, 8_528_722_000)])
    session = Session(prices=prices, deposit=0, account_id=ACCOUNT)
    session.broker.deposit(ACCOUNT, "51224029.64", note="scrubbed")
    session.wait(10_000)
    session.account.book(-LOST)  # what the account had lost before the recording began
    return session


def messages(session: Session, request: Message, ms: int = 1000) -> list[Message]:
    return [outgoing.message for outgoing in session.do(request, ms)]


def buy(session: Session) -> Message:
    return session.order(
        symbol_id=BTCUSD,
        volume=100,
        relative_stop_loss=9_001_000,
        relative_take_profit=10_001_000,
        comment="scrubbed",
        client_order_id="scrubbed",
    )


def levels(session: Session, position: int, **prices: float) -> Message:
    return ProtoOAAmendPositionSLTPReq(
        ctid_trader_account_id=ACCOUNT, position_id=position, **prices
    )


def asks(session: Session, *, protective: bool | None = None) -> Message:
    """The account, or what is open on it."""
    if protective is None:
        return session.ask(ProtoOATraderReq(ctid_trader_account_id=ACCOUNT))
    request = ProtoOAReconcileReq(
        ctid_trader_account_id=ACCOUNT, return_protection_orders=protective
    )
    return session.ask(request)


def test_the_recorded_session(session: Session, recordings: Path) -> None:
    told = Comparison(recordings / "manual_trading.jsonl")
    told.next(asks(session))
    told.next(asks(session, protective=False))
    first = first_position(session, told)
    second_position(session, told)
    never_filled = limit_order(session, told)
    the_books(session, told, first, never_filled)
    assert told.compared == 29
    assert next(told.recorded, None) is None


def first_position(session: Session, told: Comparison) -> int:
    # A market order with levels. It filled a point better than the price that the margin took.
    session.liquidity(BTCUSD, slippage=-1)
    told.all(messages(session, buy(session)))
    session.broker.set_liquidity(BTCUSD, None)
    told.next(asks(session, protective=False))
    told.next(asks(session, protective=True))

    # Its levels moved, removed, put back.
    (first,) = session.account.positions
    told.all(messages(session, levels(session, first, stop_loss=85200.2, take_profit=85387.22)))
    told.all(messages(session, levels(session, first, stop_loss=85200.2)))
    told.all(messages(session, levels(session, first, stop_loss=85200.2, take_profit=85353.42)))

    # A hundredth of it closed.
    session.price(BTCUSD, 8_521_906_000)
    close = ProtoOAClosePositionReq(ctid_trader_account_id=ACCOUNT, position_id=first, volume=1)
    told.all(messages(session, close))
    told.next(asks(session))

    # The stop loss moved up, reached, and executed further down.
    told.all(messages(session, levels(session, first, stop_loss=85206.2, take_profit=85353.42)))
    assert session.price(BTCUSD, 8_520_600_000) == []
    assert session.wait(100) == []
    assert session.price(BTCUSD, 8_520_558_000) == []
    told.all([outgoing.message for outgoing in session.wait()])
    told.next(asks(session))
    return first


def second_position(session: Session, told: Comparison) -> None:
    """Its protective order and what moved the levels were not recorded, only that they fired."""
    session.price(BTCUSD, 8_520_800_000, 8_520_910_000)
    told.all(messages(session, buy(session))[:2])
    (second,) = session.account.positions
    session.price(BTCUSD, 8_518_789_000)
    session.send(levels(session, second, stop_loss=85031.14, take_profit=85179.3))
    told.all([outgoing.message for outgoing in session.wait()])


def limit_order(session: Session, told: Comparison) -> int:
    """Placed, seen and cancelled; its position's id."""
    limit = session.order(
        symbol_id=BTCUSD,
        order_type=LIMIT,
        volume=100,
        limit_price=85100.0,
        comment="scrubbed",
        client_order_id="scrubbed",
    )
    told.all(messages(session, limit))
    told.next(asks(session, protective=False))
    (order,) = session.account.working.values()
    cancel = ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=order.order_id)
    told.all(messages(session, cancel))
    return order.position_id


def the_books(session: Session, told: Comparison, first: int, never_filled: int) -> None:
    now = session.broker.now_ms
    window = {
        "ctid_trader_account_id": ACCOUNT,
        "from_timestamp": now - 600_000,
        "to_timestamp": now + 60_000,
    }
    told.next(session.ask(ProtoOADealListReq(**window)))
    told.next(session.ask(ProtoOAOrderListReq(**window)))
    of_first = ProtoOAOrderListByPositionIdReq(ctid_trader_account_id=ACCOUNT, position_id=first)
    told.next(session.ask(of_first))
    none = ProtoOADealListByPositionIdReq(ctid_trader_account_id=ACCOUNT, position_id=never_filled)
    told.next(session.ask(none))
    later = window | {"from_timestamp": now - 1}
    told.next(session.ask(ProtoOACashFlowHistoryListReq(**later)))
    told.next(session.ask(ProtoOACashFlowHistoryListReq(**window)))


def test_the_two_carriers_of_one_fault(session: Session) -> None:
    """An unknown order cancelled, and looked at: both texts were recorded."""
    cancel = session.ask(ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7))
    assert cancel.to_dict() == {
        "ctidTraderAccountId": ACCOUNT,
        "errorCode": "ORDER_NOT_FOUND",
        "orderId": 7,
        "description": "Order not found with id 7",
    }
    details = session.ask(ProtoOAOrderDetailsReq(ctid_trader_account_id=ACCOUNT, order_id=7))
    assert details.to_dict() == {
        "ctidTraderAccountId": ACCOUNT,
        "errorCode": "ORDER_NOT_FOUND",
        "description": f"Order 7 not found or not belong to trader {ACCOUNT}",
    }
