"""The broker's books beside a strategy's: every deal, every cent, every order once."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from ctrader_typed import (
    Account,
    ProtoOADeal,
    ProtoOAOrderStatus,
)
from ctrader_typed.orders.order_states import OrderStatus
from tests.e2e.week.books import Books, alike
from tests.e2e.week.swaps import swaps_of
from tests.support.accounts import agrees

IN_FORCE = {
    OrderStatus.ACCEPTED: ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED,
    OrderStatus.FILLED: ProtoOAOrderStatus.ORDER_STATUS_FILLED,
    OrderStatus.EXPIRED: ProtoOAOrderStatus.ORDER_STATUS_EXPIRED,
    OrderStatus.CANCELLED: ProtoOAOrderStatus.ORDER_STATUS_CANCELLED,
}
NOTHING = (OrderStatus.REJECTED, OrderStatus.NOT_SENT)


def compare(books: Books, account: Account, server: Any, now: int) -> None:
    """They say the same, at this instant. `now` is in ms."""
    ledger = server.broker.account(account.account_id)
    agrees(account, server)
    _same_money(books, account, ledger)
    _same_orders(books, account, ledger)
    _same_swap(books, account, now)


def _same_money(books: Books, account: Account, ledger: Any) -> None:
    assert books.deals == {number: alike(d.message()) for number, d in ledger.deals.items()}
    assert books.flows == {flow.balance_history_id: flow for flow in ledger.cash_flow}
    closings = [deal.closing for deal in ledger.deals.values() if deal.closing is not None]
    assert books.parts() == {
        "gross": sum(closing.gross_profit for closing in closings),
        "swap": sum(closing.swap for closing in closings),
        "commission": sum(closing.commission for closing in closings),
        "fee": sum(closing.conversion_fee for closing in closings),
    }
    assert books.balance == account.balance == Decimal(ledger.balance) / 100


def _same_orders(books: Books, account: Account, ledger: Any) -> None:
    """None is lost, none is there twice, and none that was not asked for."""
    ours = [order for order in ledger.orders.values() if not order.protective]
    opening = {order.client_order_id: order for order in ours if not order.closing}
    asked = Counter(order.client_order_id for order in ours if not order.closing)
    assert not [name for name, times in asked.items() if times > 1]
    assert opening.keys() <= books.requested
    known = {name for name, order in books.orders.items() if order.status not in NOTHING}
    assert opening.keys() == known
    for name, theirs in opening.items():
        order = books.orders[name]
        assert IN_FORCE[order.status] == theirs.status
        assert (order.order_id, order.filled_volume) == (theirs.order_id, theirs.executed_volume)
        assert {deal.deal_id for deal in order.deals} == {
            deal.deal_id for deal in ledger.deals.values() if deal.order_id == theirs.order_id
        }
    untraced = {order.client_order_id for order in books.untraced}
    assert not untraced & opening.keys()
    closings = [order for order in books.closings.values() if order.status not in NOTHING]
    assert sorted(order.order_id or 0 for order in closings) == sorted(
        order.order_id for order in ours if order.closing
    )
    assert dict(account.pending) == {
        number: order.message() for number, order in ledger.working.items() if order.pending
    }


def _same_swap(books: Books, account: Account, now: int) -> None:
    """Where no rate is needed, what was charged is what the symbol's terms come to."""
    by_position: defaultdict[int, list[ProtoOADeal]] = defaultdict(list)
    for deal in books.deals.values():
        by_position[deal.position_id].append(deal)
    for number, deals in by_position.items():
        symbol = account.symbol(deals[0].symbol_id)
        if not symbol.name.endswith("USD"):
            continue
        charged = sum(d.close_position_detail.swap for d in deals if d.close_position_detail)
        still = account.positions.get(number)
        if still is not None:
            charged += still.message.swap or 0
        swaps = list(swaps_of(deals, symbol.details, now))
        assert Decimal(charged) / 100 == sum(swap for _, swap in swaps)
        books.counts.update(f"swap on day {day}" for day, _ in swaps)
