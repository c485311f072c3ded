"""Ids of orders: unique, short, and the caller's own where there is one."""

import secrets

import pytest

from ctrader_typed import DuplicateOrder, LocalProtocolError, ProtoOASymbolsListReq
from ctrader_typed.orders.order_ids import CLIENT_ORDER_ID_MAX, ClientOrderIds, TradingKind
from ctrader_typed.orders.order_tracker import OrderTracker
from ctrader_typed.proto import SCHEMA
from tests.support.trading import NOW, close, new_order


def test_a_million_ids_over_a_thousand_starts_are_all_different() -> None:
    starts = [ClientOrderIds(secrets.token_hex(12)) for _ in range(1000)]
    ids = {start.mint() for start in starts for _ in range(1000)}
    assert len(ids) == 1_000_000
    assert max(map(len, ids)) <= CLIENT_ORDER_ID_MAX


def test_the_longest_prefix_leaves_room_for_every_count() -> None:
    client_order_ids = ClientOrderIds("x" * 25)
    client_order_ids._count = 10**20  # more than will ever be placed
    assert len(client_order_ids.mint()) <= CLIENT_ORDER_ID_MAX
    for wrong in ("", "x" * 26):
        with pytest.raises(ValueError, match="1 to 25 characters"):
            ClientOrderIds(wrong)


def test_an_order_gets_an_id_and_the_callers_message_stays_as_it_is() -> None:
    request = new_order()
    tracked = OrderTracker(SCHEMA, ClientOrderIds("p")).open(request, NOW)
    assert request.client_order_id is None
    assert tracked.request is not request
    assert tracked.request.client_order_id == tracked.client_order_id == tracked.key == "p.1"


def test_the_callers_own_id_is_kept() -> None:
    request = new_order(client_order_id="mine")
    tracked = OrderTracker(SCHEMA, ClientOrderIds("p")).open(request, NOW)
    assert tracked.request is request
    assert tracked.client_order_id == "mine"
    assert tracked.key == "p.1"


@pytest.mark.parametrize("wrong", ["", "x" * 51])
def test_an_id_that_the_server_would_not_take_is_refused(wrong: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"1 to 50 characters, not {len(wrong)}"):
        OrderTracker(SCHEMA, ClientOrderIds("p")).open(new_order(client_order_id=wrong), NOW)


def test_an_id_of_an_order_that_lives_is_refused() -> None:
    book = OrderTracker(SCHEMA, ClientOrderIds("p"))
    first = book.open(new_order(client_order_id="mine"), NOW)
    with pytest.raises(DuplicateOrder, match=r"'mine' belongs to .*WRITING.* nothing was sent"):
        book.open(new_order(client_order_id="mine"), NOW)
    book.open(new_order(client_order_id="mine", ctid_trader_account_id=2), NOW)
    book.discard(first, "it was taken back")
    book.open(new_order(client_order_id="mine"), NOW)


def test_other_requests_get_a_key_and_no_client_order_id() -> None:
    tracked = OrderTracker(SCHEMA, ClientOrderIds("p")).open(close(), NOW)
    assert (tracked.kind, tracked.key, tracked.client_order_id) == (TradingKind.CLOSE, "p.1", None)


def test_what_is_no_trading_request_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="ProtoOASymbolsListReq is no trading request"):
        OrderTracker(SCHEMA, ClientOrderIds("p")).open(
            ProtoOASymbolsListReq(ctid_trader_account_id=1), NOW
        )
