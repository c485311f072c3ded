"""What the books say: the requests that read an account. Changes nothing but a margin call.

Lists come newest first. Windows include both ends; orders are placed in them by their last update,
deals by their execution. A list that is longer than a page says hasMore: ask again with a
toTimestamp before the oldest row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from ctrader_typed.proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOADealOffset,
    ProtoOADealOffsetListReq,
    ProtoOADealOffsetListRes,
    ProtoOAExpectedMargin,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOAMarginCallListRes,
    ProtoOAMarginCallUpdateEvent,
    ProtoOAMarginCallUpdateReq,
    ProtoOAMarginCallUpdateRes,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATraderRes,
    ProtoOATradeSide,
)

from ..market.conversion import NoConversion
from ..money import amount, exact
from ..refusals import Refusal
from . import events, margin, order_validation
from .account import Account
from .deals import Deal
from .orders import BUY, SELL, Order
from .state import TradingState

T = TypeVar("T")

WEEK = 604_800_000
LATEST = 2_147_483_646_000


def trader(account: Account) -> ProtoOATraderRes:
    """The account itself."""
    return ProtoOATraderRes(ctid_trader_account_id=account.account_id, trader=account.trader())


def reconcile(account: Account, request: ProtoOAReconcileReq) -> ProtoOAReconcileRes:
    """Open positions and pending orders; protective orders too if they are asked for."""
    protective = request.return_protection_orders is True
    orders = [o for o in account.working.values() if o.pending or (protective and o.protective)]
    return ProtoOAReconcileRes(
        ctid_trader_account_id=account.account_id,
        position=[position.message() for position in account.positions.values()],
        order=[order.message() for order in orders],
    )


def orders(
    state: TradingState, account: Account, request: ProtoOAOrderListReq
) -> ProtoOAOrderListRes:
    """The orders of a window, pending and ended."""
    window = _window(state, request.from_timestamp, request.to_timestamp)
    rows, more = _page(state, _orders_in(account.orders.values(), window))
    return ProtoOAOrderListRes(
        ctid_trader_account_id=account.account_id,
        order=[order.message(listed=True) for order in rows],
        has_more=more,
    )


def orders_of_position(
    state: TradingState, account: Account, request: ProtoOAOrderListByPositionIdReq
) -> ProtoOAOrderListByPositionIdRes:
    """The orders of a position, of all times unless a window is given."""
    window = _window(state, request.from_timestamp, request.to_timestamp, any_length=True)
    its_own = (o for o in account.orders.values() if o.position_id == request.position_id)
    rows, more = _page(state, _orders_in(its_own, window))
    return ProtoOAOrderListByPositionIdRes(
        ctid_trader_account_id=account.account_id,
        order=[order.message(listed=True) for order in rows],
        has_more=more,
    )


def order_details(account: Account, request: ProtoOAOrderDetailsReq) -> ProtoOAOrderDetailsRes:
    """An order with its deals, ended ones too. An unknown id is answered by ErrorRes (recorded)."""
    order = account.orders.get(request.order_id)
    if order is None:
        reason = f"Order {request.order_id} not found or not belong to trader {account.account_id}"
        raise Refusal("ORDER_NOT_FOUND", reason)
    deals = [deal for deal in account.deals.values() if deal.order_id == order.order_id]
    return ProtoOAOrderDetailsRes(
        ctid_trader_account_id=account.account_id,
        order=order.message(listed=True),
        deal=[deal.message(listed=True) for deal in reversed(deals)],
    )


def deals(state: TradingState, account: Account, request: ProtoOADealListReq) -> ProtoOADealListRes:
    """The deals of a window."""
    window = _window(state, request.from_timestamp, request.to_timestamp)
    rows, more = _page(state, _deals_in(account.deals.values(), window), request.max_rows)
    return ProtoOADealListRes(
        ctid_trader_account_id=account.account_id,
        deal=[deal.message(listed=True) for deal in rows],
        has_more=more,
    )


def deals_of_position(
    state: TradingState, account: Account, request: ProtoOADealListByPositionIdReq
) -> ProtoOADealListByPositionIdRes:
    """The deals of a position, of all times unless a window is given."""
    window = _window(state, request.from_timestamp, request.to_timestamp, any_length=True)
    its_own = (d for d in account.deals.values() if d.position_id == request.position_id)
    rows, more = _page(state, _deals_in(its_own, window))
    return ProtoOADealListByPositionIdRes(
        ctid_trader_account_id=account.account_id,
        deal=[deal.message(listed=True) for deal in rows],
        has_more=more,
    )


def deal_offsets(account: Account, request: ProtoOADealOffsetListReq) -> ProtoOADealOffsetListRes:
    """Which deals closed volume of a deal, and whose volume it closed."""
    deal = account.deals.get(request.deal_id)
    if deal is None:
        raise Refusal("ENTITY_NOT_FOUND", f"Deal not found with id {request.deal_id}")
    later: list[ProtoOADealOffset] = []
    for other in account.deals.values():
        volume = sum(part for closed, part in other.offsets if closed == deal.deal_id)
        if volume:
            later.append(other.offset(volume))
    return ProtoOADealOffsetListRes(
        ctid_trader_account_id=account.account_id,
        offset_by=later,
        offsetting=[account.deals[closed].offset(part) for closed, part in deal.offsets],
    )


def cash_flow(
    state: TradingState, account: Account, request: ProtoOACashFlowHistoryListReq
) -> ProtoOACashFlowHistoryListRes:
    """Deposits, withdrawals and fees of a window of at most a week, oldest first."""
    start, end = _window(state, request.from_timestamp, request.to_timestamp, weekly=True)
    rows = [f for f in account.cash_flow if start <= f.change_balance_timestamp <= end]
    return ProtoOACashFlowHistoryListRes(
        ctid_trader_account_id=account.account_id, deposit_withdraw=rows
    )


def expected_margin(
    state: TradingState, account: Account, request: ProtoOAExpectedMarginReq
) -> ProtoOAExpectedMarginRes:
    """What volumes would bind on top of what is open, for either side."""
    order_validation.symbol(state, request.symbol_id)
    rows: list[ProtoOAExpectedMargin] = []
    for volume in request.volume:
        if volume <= 0:
            raise Refusal("INVALID_REQUEST", f"Volume {volume} is not positive")
        buy, sell = (_margin(state, account, request.symbol_id, s, volume) for s in (BUY, SELL))
        rows.append(ProtoOAExpectedMargin(volume=volume, buy_margin=buy, sell_margin=sell))
    return ProtoOAExpectedMarginRes(
        ctid_trader_account_id=account.account_id,
        margin=rows,
        money_digits=account.terms.money_digits,
    )


def _margin(
    state: TradingState, account: Account, symbol_id: int, side: ProtoOATradeSide, volume: int
) -> int:
    try:
        terms = margin.margin_terms(state, account, symbol_id, side, volume)
    except NoConversion as error:
        raise Refusal("NO_QUOTES", str(error)) from None
    return amount(terms.margin(volume), account.terms.money_digits)


def margin_calls(account: Account) -> ProtoOAMarginCallListRes:
    """The three thresholds. The answer names no account."""
    return ProtoOAMarginCallListRes(
        margin_call=[call.message() for call in account.margin_calls.values()]
    )


def update_margin_call(
    state: TradingState, account: Account, request: ProtoOAMarginCallUpdateReq
) -> ProtoOAMarginCallUpdateRes:
    """Change a threshold; the event that tells so follows the empty answer."""
    call = account.margin_calls.get(request.margin_call.margin_call_type)
    threshold = exact(request.margin_call.margin_level_threshold)
    if call is None or threshold <= 0:
        raise Refusal("INVALID_REQUEST", "marginCallType or marginLevelThreshold is invalid")
    call.threshold = threshold
    call.updated_at = state.now
    return ProtoOAMarginCallUpdateRes()


def margin_call_updated(
    state: TradingState, account: Account, request: ProtoOAMarginCallUpdateReq
) -> None:
    """Queue the event that follows the answer, for every session of the account."""
    call = account.margin_calls[request.margin_call.margin_call_type]
    event = ProtoOAMarginCallUpdateEvent(
        ctid_trader_account_id=account.account_id, margin_call=call.message()
    )
    events.send(state, account, event)


def _window(
    state: TradingState,
    start: int | None,
    end: int | None,
    *,
    weekly: bool = False,
    any_length: bool = False,
) -> tuple[int, int]:
    """A window of ms, both ends included: from the beginning and until the end where not given."""
    first = 0 if start is None else start
    last = LATEST if end is None else end
    limited = weekly or (state.rules.strict_windows and not any_length)
    ordered = 0 <= first < last <= LATEST
    if not ordered or (limited and last - first > WEEK):
        allowed = "604800000 (7d)" if limited else f"{LATEST}"
        reason = "Incorrect period boundaries or requested period is longer than allowed"
        raise Refusal("INCORRECT_BOUNDARIES", f"{reason} {allowed}.")
    return first, last


def _orders_in(rows: Iterable[Order], window: tuple[int, int]) -> list[Order]:
    start, end = window
    inside = [order for order in rows if start <= order.updated_at <= end]
    return sorted(inside, key=lambda o: (o.updated_at, o.order_id), reverse=True)


def _deals_in(rows: Iterable[Deal], window: tuple[int, int]) -> list[Deal]:
    start, end = window
    inside = [deal for deal in rows if start <= deal.executed_at <= end]
    return sorted(inside, key=lambda d: (d.executed_at, d.deal_id), reverse=True)


def _page(
    state: TradingState, rows: Sequence[T], wanted: int | None = None
) -> tuple[Sequence[T], bool]:
    """The newest rows that fit on a page, and whether there are more."""
    if wanted is not None and wanted <= 0:
        raise Refusal("INVALID_REQUEST", f"maxRows {wanted} is not positive")
    size = min(state.rules.page, wanted or state.rules.page)
    return rows[:size], len(rows) > size
