"""What was missed while there was no link: positions, protective orders and deals are made up for.

Unknown is never shown as closed, and what is over is settled.
"""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed import (
    Message,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAOrderDetailsReq,
    ProtoOAReconcileReq,
)
from ctrader_typed.orders.order_states import OrderStatus
from ctrader_typed.orders.tracked_order import CHECKS, TrackedOrder
from tests.ctrader_typed.orders.test_recovery import (
    DONE,
    LIVING,
    Server,
    closing,
    lost,
    mine,
    order,
)
from tests.support.trading import (
    ACCEPTED,
    ACCOUNT,
    CLOSED,
    CREATED,
    FILLED,
    LIMIT,
    OPEN,
    PARTLY,
    SELL,
    Desk,
    close,
    deal,
    execution,
    new_order,
    position,
    protective,
)

PLACEHOLDER = position(CREATED, 0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def server() -> Server:
    return Server()


def opened(server: Server, volume: int = 100, **fields: Any) -> None:
    """The server has filled it, protected it, and holds the position."""
    server.orders = [order(DONE, executed_volume=volume, client_order_id="mine", **fields)]
    server.deals = [deal(1, volume)]
    server.positions = [position(volume=volume, stop_loss=1.4)]
    server.pending = [protective(ACCEPTED, position()).order]


def shown(tracked: TrackedOrder) -> tuple[Any, ...]:
    at = tracked.position
    return (tracked.status, at and at.position_status, at and at.trade_data.volume)


def test_a_market_order_cut_between_acceptance_and_fill(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine(relative_stop_loss=100_000), execution(ACCEPTED, at=PLACEHOLDER))
    assert not tracked.position_closed
    opened(server)
    server.check(desk)
    assert shown(tracked) == (OrderStatus.FILLED, OPEN, 100)
    assert (tracked.position_closed, tracked.protection.order_id, tracked.settled) == (
        False,
        8,
        True,
    )
    assert tracked.position.stop_loss == 1.4


def test_a_pending_order_that_filled_meanwhile(desk: Desk, server: Server) -> None:
    tracked = lost(
        desk,
        mine(order_type=LIMIT, relative_stop_loss=100_000),
        execution(ACCEPTED, order_type=LIMIT, at=PLACEHOLDER),
    )
    opened(server, order_type=LIMIT)
    server.check(desk)
    assert shown(tracked) == (OrderStatus.FILLED, OPEN, 100)
    assert (tracked.protection.order_id, tracked.settled) == (8, True)


def test_a_pending_order_that_filled_and_was_stopped_meanwhile(desk: Desk, server: Server) -> None:
    accepted = execution(ACCEPTED, order_type=LIMIT, at=PLACEHOLDER)
    tracked = lost(desk, mine(order_type=LIMIT, relative_stop_loss=100_000), accepted)
    opened(server, order_type=LIMIT)
    server.positions, server.pending = [], []
    server.check(desk)
    assert shown(tracked) == (OrderStatus.FILLED, CLOSED, 0)
    assert (tracked.position_closed, tracked.settled) == (True, True)


def test_a_position_that_was_never_shown_is_closed_all_the_same(desk, server) -> None:
    tracked = lost(desk, mine())
    opened(server)
    server.positions, server.pending = [], []
    server.check(desk)
    assert (tracked.status, tracked.position, tracked.position_closed) == (
        OrderStatus.FILLED,
        None,
        True,
    )
    assert tracked.settled


def test_a_full_close_that_was_resolved(desk: Desk, server: Server) -> None:
    accepted = execution(ACCEPTED, at=position(), side=SELL, closing_order=True)
    tracked = lost(desk, close(), accepted)
    server.positions = [position()]
    server.orders, server.deals = [closing()], [deal(1)]
    plain = Server.ANSWERS[ProtoOAOrderDetailsReq]

    def closes(_: Server, question: Any) -> Message | None:
        server.positions = []  # it is executed while it is asked about
        return plain(server, question)

    server.answers = {**Server.ANSWERS, ProtoOAOrderDetailsReq: closes}
    server.check(desk)
    assert shown(tracked) == (OrderStatus.FILLED, CLOSED, 0)
    assert (tracked.position_closed, tracked.settled) == (True, True)


def test_a_partial_close_that_was_resolved(desk: Desk, server: Server) -> None:
    accepted = execution(ACCEPTED, volume=100, at=position(volume=300), side=SELL)
    tracked = lost(desk, close(), accepted)
    server.positions = [position(volume=200)]
    server.orders, server.deals = [closing()], [deal(1)]
    server.check(desk)
    assert shown(tracked) == (OrderStatus.FILLED, OPEN, 200)
    assert (tracked.position_closed, tracked.settled) == (False, True)


def test_a_close_that_never_arrived_shows_the_position_as_it_is(desk, server) -> None:
    tracked = lost(desk, close())
    server.positions = [position(volume=300)]
    for _ in range(CHECKS):
        server.check(desk)
        assert not tracked.position_closed
    assert shown(tracked) == (OrderStatus.UNKNOWN, OPEN, 300)


def test_an_order_that_never_arrived_has_closed_nothing(desk: Desk, server: Server) -> None:
    tracked = lost(desk, mine(), execution(ACCEPTED, at=PLACEHOLDER))
    for _ in range(CHECKS):
        server.check(desk)
    assert (tracked.status, tracked.position_closed) == (OrderStatus.UNKNOWN, False)


def test_an_amendment_shows_the_levels_that_were_found(desk: Desk, server: Server) -> None:
    request = ProtoOAAmendPositionSLTPReq(
        ctid_trader_account_id=ACCOUNT, position_id=5, stop_loss=1.4
    )
    tracked = lost(desk, request)
    server.positions = [position(stop_loss=1.4)]
    server.check(desk)
    assert (tracked.status, tracked.position.stop_loss, tracked.settled) == (
        OrderStatus.REPLACED,
        1.4,
        True,
    )


def test_what_fills_while_it_is_asked_about_needs_another_round(desk, server) -> None:
    """The reconciliation was asked for before the fill: it does not have the position yet."""
    tracked = lost(desk, mine(relative_stop_loss=100_000), execution(ACCEPTED, at=PLACEHOLDER))
    server.orders = [order(LIVING, client_order_id="mine")]
    plain = Server.ANSWERS[ProtoOAOrderDetailsReq]

    def filled(_: Server, question: Any) -> Message | None:
        opened(server)
        return plain(server, question)

    server.answers = {**Server.ANSWERS, ProtoOAOrderDetailsReq: filled}
    server.check(desk)
    assert server.asked() == ["Reconcile", "OrderDetails", "Reconcile"]
    assert shown(tracked) == (OrderStatus.FILLED, OPEN, 100)
    assert (tracked.protection.order_id, tracked.settled) == (8, True)


def test_an_event_that_overtakes_the_reconciliation_is_newer(desk: Desk, server: Server) -> None:
    """The answer that does not have the position yet does not close it."""
    tracked = lost(desk, mine(), execution(ACCEPTED, at=PLACEHOLDER))
    plain = Server.ANSWERS[ProtoOAReconcileReq]
    stale = plain(
        server, ProtoOAReconcileReq(ctid_trader_account_id=ACCOUNT, return_protection_orders=True)
    )

    def overtaken(_: Server, question: Any) -> Message:
        desk.push(execution(FILLED, executed_volume=100, at=position(), of=deal(1)))
        return stale

    server.answers = {**Server.ANSWERS, ProtoOAReconcileReq: overtaken}
    server.check(desk)
    assert shown(tracked) == (OrderStatus.FILLED, OPEN, 100)
    assert (tracked.position_closed, tracked.settled) == (False, True)


def test_the_fill_that_comes_while_the_details_are_asked_keeps_their_deals(desk, server) -> None:
    """A part was filled while the link was down, the rest while it was asked about."""
    tracked = lost(desk, mine(volume=300, order_type=LIMIT), execution(ACCEPTED, volume=300))
    server.orders = [order(LIVING, volume=300, executed_volume=100, client_order_id="mine")]
    server.positions = [position(volume=300)]
    plain = Server.ANSWERS[ProtoOAOrderDetailsReq]

    def overtaken(_: Server, question: Any) -> Message | None:
        server.deals = [deal(1, 100), deal(2, 200)]
        desk.push(
            execution(
                FILLED, volume=300, executed_volume=300, of=deal(2, 200), at=position(volume=300)
            )
        )
        return plain(server, question)

    server.answers = {**Server.ANSWERS, ProtoOAOrderDetailsReq: overtaken}
    server.check(desk)
    assert (tracked.status, tracked.fill.volume) == (OrderStatus.FILLED, 300)
    assert [d.deal_id for d in tracked.fill.deals] == [1, 2]
    told = [d.deal_id for event in tracked.events for d in event.deals]
    assert sorted(told) == [1, 2], "each once"
    assert tracked.settled


def test_a_fill_after_the_reconnect_waits_for_the_deals_before_it(desk, server) -> None:
    tracked = lost(desk, mine(volume=300, order_type=LIMIT), execution(ACCEPTED, volume=300))
    filled = {"volume": 300, "executed_volume": 300, "execution_price": 1.25}
    desk.push(execution(FILLED, of=deal(2, 200), at=position(), **filled))
    assert (tracked.status, tracked.deals_due, tracked.settled) == (OrderStatus.FILLED, True, False)
    server.orders = [order(DONE, volume=300, executed_volume=300, client_order_id="mine")]
    server.deals = [deal(1, 100), deal(2, 200)]
    server.positions = [position(volume=300)]
    server.check(desk)
    assert (len(tracked.fill.deals), tracked.deals_due, tracked.settled) == (2, False, True)


def test_deals_that_no_answer_has_are_asked_for_five_times(desk, server) -> None:
    tracked = lost(desk, mine(volume=300, order_type=LIMIT), execution(ACCEPTED, volume=300))
    filled = {"volume": 300, "executed_volume": 300, "execution_price": 1.25}
    desk.push(execution(FILLED, of=deal(2, 200), at=position(), **filled))
    server.orders = [order(DONE, client_order_id="mine", **filled)]
    server.positions = [position(volume=300)]
    for _ in range(CHECKS):
        assert not tracked.settled
        server.check(desk)
    assert (tracked.settled, tracked.fill.volume, tracked.fill.average_price) == (True, 300, 1.25)


def test_levels_that_are_not_there_yet_are_asked_for_again(desk: Desk, server: Server) -> None:
    """The protective order follows the fill by some ms: it was not missed, it is still to come."""
    tracked = lost(desk, mine(relative_stop_loss=100_000), execution(ACCEPTED, at=PLACEHOLDER))
    opened(server)
    server.positions, server.pending = [position()], []
    server.check(desk)
    assert shown(tracked) == (OrderStatus.FILLED, OPEN, 100)
    assert (tracked.protection_due, tracked.settled, tracked.to_ask) == (True, False, True)
    desk.push(protective(ACCEPTED, position(stop_loss=1.4)))
    assert (tracked.protection.order_id, tracked.settled, tracked.to_ask) == (8, True, False)


def test_levels_that_somebody_removed_meanwhile_are_not_waited_for_for_ever(desk, server) -> None:
    tracked = lost(desk, mine(relative_stop_loss=100_000), execution(ACCEPTED, at=PLACEHOLDER))
    opened(server)
    server.positions, server.pending = [position()], []
    for _ in range(CHECKS):
        assert not tracked.settled
        server.check(desk)
    assert (tracked.settled, tracked.to_ask, tracked.protection) == (True, False, None)


def test_a_part_filled_meanwhile_shows_its_position(desk: Desk, server: Server) -> None:
    tracked = lost(
        desk,
        mine(order_type=LIMIT),
        execution(PARTLY, order_type=LIMIT, executed_volume=10, of=deal(1, 10), at=position()),
    )
    server.pending = [order(LIVING, order_type=LIMIT, executed_volume=40)]
    server.deals = [deal(1, 10), deal(2, 30)]
    server.positions = [position(volume=40)]
    server.check(desk)
    assert shown(tracked) == (OrderStatus.PARTIALLY_FILLED, OPEN, 40)
    assert (tracked.to_ask, tracked.filled_volume) == (False, 40)


def test_a_session_that_is_lost_before_the_answer(desk: Desk, server: Server) -> None:
    """The answer comes, for the link stands; the fill, an event, does not."""
    tracked = desk.send(mine())
    desk.push(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=ACCOUNT))
    assert (tracked.status, tracked.in_doubt) == (OrderStatus.WRITING, False)
    desk.reply(execution(ACCEPTED, at=PLACEHOLDER))
    assert (tracked.status, tracked.in_doubt) == (OrderStatus.ACCEPTED, True)
    opened(server)
    server.check(desk)
    assert shown(tracked) == (OrderStatus.FILLED, OPEN, 100)
    assert tracked.settled


def test_a_session_that_is_lost_after_the_fill(desk: Desk, server: Server) -> None:
    """On a connection that was asked before."""
    tracked = desk.send(mine(relative_stop_loss=100_000))
    desk.reply(execution(FILLED, executed_volume=100, at=position(), of=deal(1)))
    assert not tracked.to_ask  # its levels come by themselves
    desk.push(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=ACCOUNT))
    assert (tracked.status, tracked.to_ask) == (OrderStatus.FILLED, True)
    server.check(desk)
    assert (tracked.position_closed, tracked.settled) == (True, True)


def test_nothing_is_asked_of_what_the_events_tell(desk: Desk) -> None:
    desk.book.authorised(ACCOUNT)
    desk.send(new_order(relative_stop_loss=100_000))
    for event in (
        execution(ACCEPTED, at=PLACEHOLDER),
        execution(FILLED, executed_volume=100, at=position(), of=deal(1)),
        protective(ACCEPTED, position(stop_loss=1.4)),
    ):
        desk.reply(event)
        assert desk.book.accounts() == []
