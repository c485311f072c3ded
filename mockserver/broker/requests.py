"""Every request about an account's money: who answers it, and how a refusal comes back.

Two tables from request to function. The gate has checked that the account is authorised here; that
it exists is checked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOACashFlowHistoryListReq,
    ProtoOAClosePositionReq,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListReq,
    ProtoOADealOffsetListReq,
    ProtoOAExpectedMarginReq,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAMarginCallListReq,
    ProtoOAMarginCallUpdateReq,
    ProtoOANewOrderReq,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListReq,
    ProtoOAReconcileReq,
    ProtoOATraderReq,
    ProtoOAv1PnLChangeSubscribeReq,
    ProtoOAv1PnLChangeUnSubscribeReq,
)

from .interface import Outgoing
from .market.conversion import NoConversion
from .refusals import Refusal
from .trading import account_queries, order_requests, pnl
from .trading.account import Account
from .trading.events import TradingRefusal
from .trading.orders import Requester
from .trading.state import PlannedRefusal, RefusalCarrier, TradingState

Trade = Callable[[TradingState, Account, Any, Requester], None]
Read = Callable[[TradingState, Account, Any, Requester], Message]

TRADES: Mapping[type[Message], Trade] = {
    ProtoOANewOrderReq: order_requests.new_order,
    ProtoOACancelOrderReq: order_requests.cancel_order,
    ProtoOAAmendOrderReq: order_requests.amend_order,
    ProtoOAAmendPositionSLTPReq: order_requests.amend_position,
    ProtoOAClosePositionReq: order_requests.close_position,
}
"""The trading requests: answered by events, whenever they happen."""

READS: Mapping[type[Message], Read] = {
    ProtoOATraderReq: lambda _d, account, _r, _to: account_queries.trader(account),
    ProtoOAReconcileReq: lambda _d, account, request, _to: account_queries.reconcile(
        account, request
    ),
    ProtoOAOrderListReq: lambda state, account, request, _to: account_queries.orders(
        state, account, request
    ),
    ProtoOAOrderListByPositionIdReq: lambda state, account, request, _to: (
        account_queries.orders_of_position(state, account, request)
    ),
    ProtoOAOrderDetailsReq: lambda _d, account, request, _to: account_queries.order_details(
        account, request
    ),
    ProtoOADealListReq: lambda state, account, request, _to: account_queries.deals(
        state, account, request
    ),
    ProtoOADealListByPositionIdReq: lambda state, account, request, _to: (
        account_queries.deals_of_position(state, account, request)
    ),
    ProtoOADealOffsetListReq: lambda _d, account, request, _to: account_queries.deal_offsets(
        account, request
    ),
    ProtoOACashFlowHistoryListReq: lambda state, account, request, _to: account_queries.cash_flow(
        state, account, request
    ),
    ProtoOAExpectedMarginReq: lambda state, account, request, _to: account_queries.expected_margin(
        state, account, request
    ),
    ProtoOAMarginCallListReq: lambda _d, account, _r, _to: account_queries.margin_calls(account),
    ProtoOAMarginCallUpdateReq: lambda state, account, request, _to: (
        account_queries.update_margin_call(state, account, request)
    ),
    ProtoOAGetPositionUnrealizedPnLReq: lambda state, account, _r, _to: pnl.positions(
        state, account
    ),
    ProtoOAv1PnLChangeSubscribeReq: lambda state, account, _r, to: pnl.subscribe(
        state, account, to.connection
    ),
    ProtoOAv1PnLChangeUnSubscribeReq: lambda state, account, _r, to: pnl.unsubscribe(
        state, account, to.connection
    ),
}
"""The requests with a response of their own."""


def answer(state: TradingState, request: Message, to: Requester) -> None:
    """Carry out a request of the two tables, and queue its answer."""
    account_id: int = getattr(request, "ctid_trader_account_id")  # noqa: B009  # all of them have it
    account = state.accounts.get(account_id)
    if account is None:
        refusal = Refusal("INVALID_REQUEST", "Trading account is not authorized")
        _reply(state, refusal.message(account_id), to)
        return
    try:
        _carry_out(state, account, request, to)
    except (Refusal, TradingRefusal) as refusal:
        _reply(state, refusal.message(account_id), to)
    except NoConversion as error:
        _reply(state, Refusal("NO_QUOTES", str(error)).message(account_id), to)


def _carry_out(state: TradingState, account: Account, request: Message, to: Requester) -> None:
    wanted = _refused_by_test(state, request)
    trade = TRADES.get(type(request))
    if trade is None:
        _reply(state, READS[type(request)](state, account, request, to), to)
        if isinstance(request, ProtoOAMarginCallUpdateReq):
            account_queries.margin_call_updated(state, account, request)
        return
    last = state.books.numbers.order
    trade(state, account, request, to)
    if wanted is not None and last in account.orders:
        account.orders[last].doomed = wanted.error_code


def _refused_by_test(state: TradingState, request: Message) -> PlannedRefusal | None:
    """What a test has in mind for this request: raised here, or for the order that it makes."""
    for place, rejection in enumerate(state.books.rejections):
        if isinstance(request, rejection.request):
            del state.books.rejections[place]
            if rejection.manner is RefusalCarrier.REJECTED:
                return rejection
            kind = TradingRefusal if rejection.manner is RefusalCarrier.ORDER_ERROR else Refusal
            raise kind(rejection.error_code, rejection.description)
    return None


def _reply(state: TradingState, message: Message, to: Requester) -> None:
    state.out.append(Outgoing(message, to.connection, to.client_msg_id))
