"""The life of a trading request: every status and happening of every kind."""

from itertools import product

import pytest

from ctrader_typed.orders.order_ids import TradingKind
from ctrader_typed.orders.order_states import (
    END_STATES,
    EXECUTIONS,
    ORDER_TRANSITIONS,
    SNAPSHOTS,
    OrderStatus,
    OrderTransition,
)

# Written out a second time, by hand: who changes the tables has to mean it.
ORDER = {
    "WRITING ACCEPT": "ACCEPTED",
    "WRITING REPLACE": "ACCEPTED",
    "WRITING FILL_PART": "PARTIALLY_FILLED",
    "WRITING FILL": "FILLED",
    "WRITING CANCEL": "CANCELLED",
    "WRITING EXPIRE": "EXPIRED",
    "WRITING REJECT": "REJECTED",
    "WRITING DOUBT": "UNKNOWN",
    "WRITING DISCARD": "NOT_SENT",
    "ACCEPTED FILL_PART": "PARTIALLY_FILLED",
    "ACCEPTED FILL": "FILLED",
    "ACCEPTED CANCEL": "CANCELLED",
    "ACCEPTED EXPIRE": "EXPIRED",
    "ACCEPTED REJECT": "REJECTED",
    "ACCEPTED DOUBT": "UNKNOWN",
    "PARTIALLY_FILLED FILL": "FILLED",
    "PARTIALLY_FILLED CANCEL": "CANCELLED",
    "PARTIALLY_FILLED EXPIRE": "EXPIRED",
    "PARTIALLY_FILLED REJECT": "REJECTED",
    "PARTIALLY_FILLED DOUBT": "UNKNOWN",
    "UNKNOWN ACCEPT": "ACCEPTED",
    "UNKNOWN REPLACE": "ACCEPTED",
    "UNKNOWN FILL_PART": "PARTIALLY_FILLED",
    "UNKNOWN FILL": "FILLED",
    "UNKNOWN CANCEL": "CANCELLED",
    "UNKNOWN EXPIRE": "EXPIRED",
    "UNKNOWN REJECT": "REJECTED",
    "UNKNOWN MISS": "NOT_SENT",
}
AMENDMENT = {
    "WRITING REPLACE": "REPLACED",
    "WRITING ACCEPT": "REPLACED",
    "WRITING CANCEL": "REPLACED",
    "WRITING FILL_PART": "REPLACED",
    "WRITING FILL": "REPLACED",
    "WRITING REJECT": "REJECTED",
    "WRITING DOUBT": "UNKNOWN",
    "WRITING DISCARD": "NOT_SENT",
    "UNKNOWN REPLACE": "REPLACED",
    "UNKNOWN ACCEPT": "REPLACED",
    "UNKNOWN CANCEL": "REPLACED",
    "UNKNOWN FILL_PART": "REPLACED",
    "UNKNOWN FILL": "REPLACED",
    "UNKNOWN REJECT": "REJECTED",
}
CANCELLATION = {
    "WRITING CANCEL": "CANCELLED",
    "WRITING REJECT": "REJECTED",
    "WRITING DOUBT": "UNKNOWN",
    "WRITING DISCARD": "NOT_SENT",
    "UNKNOWN CANCEL": "CANCELLED",
    "UNKNOWN REJECT": "REJECTED",
}
EXPECTED = {
    TradingKind.OPEN: ORDER,
    TradingKind.CLOSE: ORDER,
    TradingKind.AMEND: AMENDMENT,
    TradingKind.PROTECT: AMENDMENT,
    TradingKind.CANCEL: CANCELLATION,
}


@pytest.mark.parametrize(("status", "transition"), list(product(OrderStatus, OrderTransition)))
@pytest.mark.parametrize("kind", TradingKind)
def test_every_step(kind: TradingKind, status: OrderStatus, transition: OrderTransition) -> None:
    after = ORDER_TRANSITIONS[kind].get(status, {}).get(transition)
    expected = EXPECTED[kind].get(f"{status.name} {transition.name}")
    assert (None if after is None else after.name) == expected


@pytest.mark.parametrize("kind", TradingKind)
def test_no_way_leads_out_of_an_end_and_every_other_status_can_reach_one(kind: TradingKind) -> None:
    life = ORDER_TRANSITIONS[kind]
    reachable = {OrderStatus.WRITING} | {after for row in life.values() for after in row.values()}
    assert not END_STATES & life.keys()
    for status in reachable - END_STATES:
        assert END_STATES & set(life[status].values())


@pytest.mark.parametrize("kind", TradingKind)
def test_doubt_is_never_a_rejection_and_nothing_is_unsent_once_it_may_have_left(
    kind: TradingKind,
) -> None:
    for status, row in ORDER_TRANSITIONS[kind].items():
        assert row.get(OrderTransition.DOUBT, OrderStatus.UNKNOWN) is OrderStatus.UNKNOWN
        unsent = {what for what, after in row.items() if after is OrderStatus.NOT_SENT}
        if status is OrderStatus.WRITING:
            assert unsent == {OrderTransition.DISCARD}
        else:  # only where the server was asked, and never got it
            assert unsent <= {OrderTransition.MISS}
            assert not unsent or status is OrderStatus.UNKNOWN


def test_what_messages_mean() -> None:
    assert {number: transition.name for number, transition in EXECUTIONS.items()} == {
        2: "ACCEPT",
        3: "FILL",
        4: "REPLACE",
        5: "CANCEL",
        6: "EXPIRE",
        7: "REJECT",
        11: "FILL_PART",
    }
    assert {number: transition.name for number, transition in SNAPSHOTS.items()} == {
        1: "ACCEPT",
        2: "FILL",
        3: "REJECT",
        4: "EXPIRE",
        5: "CANCEL",
    }
