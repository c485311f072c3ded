"""A strategy's own books: what it asked for, what it was told of, what it had to ask about.

Knows nothing of the broker's books, with which they are compared in the end.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from ctrader_typed import (
    Account,
    Api,
    BalanceChanged,
    Change,
    Order,
    OrderEnded,
    OutOfStep,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    ProtoOACashFlowHistoryListReq,
    ProtoOAClosePositionReq,
    ProtoOADeal,
    ProtoOADealListReq,
    ProtoOADepositWithdraw,
    ProtoOAExecutionEvent,
    ProtoOAOrderStatus,
)

DAY = 86_400_000
ROWS = 20  # a page of deals; small, so that there are several


class Books:
    """Deals and other movements of money by their ids, and orders by the ids that they were given.

    `balance` is what they add up to. Events are heard as they come; after a gap the server is asked
    what there was meanwhile.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self.orders: dict[str, Order] = {}
        """The orders that the server has, or that nobody knew of for a while."""
        self.requested: set[str] = set()
        """The clientOrderIds that were given away, whatever came of them."""
        self.closings: dict[str, Order] = {}
        """The orders by which positions were closed."""
        self.untraced: list[Order] = []
        """The requests that left and that the server shows no trace of."""
        self.deals: dict[int, ProtoOADeal] = {}
        self.flows: dict[int, ProtoOADepositWithdraw] = {}
        self.counts: Counter[str] = Counter()
        self._seen_until = 0
        self._missed = False

    # --- what is told ---

    def hear(self, change: Change) -> None:
        """One of the account's changes."""
        self.counts[type(change).__name__] += 1
        match change:
            case PositionOpened() | PositionChanged() | PositionClosed():
                self._deal(change.deal)
            case BalanceChanged(event=ProtoOAExecutionEvent(deposit_withdraw=flow)):
                self._flow(flow)
            case OrderEnded(order=order):
                self.counts[ProtoOAOrderStatus(order.order_status).name] += 1
            case OutOfStep():
                self._missed = True
            case _:
                pass

    def placed(self, order: Order) -> None:
        """An order that the server took, or that was found after a gap."""
        if order.client_order_id is not None:
            self.orders[order.client_order_id] = order
        elif isinstance(order.request, ProtoOAClosePositionReq):
            self.closings[order.key] = order
        for deal in order.deals:
            self._deal(deal)

    def lost(self, order: Order) -> None:
        """A request of which the server shows no trace."""
        self.untraced.append(order)

    def _deal(self, deal: ProtoOADeal | None) -> bool:
        """Write a deal down; whether it is a new one. What is told twice is told alike."""
        if deal is None:
            return False
        deal = alike(deal)
        known = self.deals.setdefault(deal.deal_id, deal)
        assert known == deal
        return known is deal

    def _flow(self, flow: ProtoOADepositWithdraw | None) -> bool:
        if flow is None:
            return False
        known = self.flows.setdefault(flow.balance_history_id, flow)
        assert known == flow
        return known is flow

    # --- what is asked about ---

    async def begin(self, api: Api, now: int) -> None:
        """Ask what the account has; `now` is in ms."""
        await self.ask(api, now - DAY, now)

    async def catch_up(self, api: Api, now: int) -> None:
        """After a gap, ask what there was meanwhile; `now` is in ms."""
        if not self._missed:
            return
        self._missed = False
        try:
            await self.ask(api, self._seen_until, now)
        except BaseException:
            self._missed = True
            raise

    async def ask(self, api: Api, start: int, now: int) -> None:
        """Ask for the deals and the cash flow since `start`, page by page, newest first."""
        number, end, more = self._account.account_id, now, True
        while more:
            page = await api.request(
                ProtoOADealListReq(
                    ctid_trader_account_id=number,
                    from_timestamp=start,
                    to_timestamp=end,
                    max_rows=ROWS,
                )
            )
            self.counts["deals asked about"] += sum(map(self._deal, page.deal))
            more = page.has_more
            if more:  # deals of one ms can be on two pages: that ms is asked for again
                oldest = min(deal.execution_timestamp for deal in page.deal)
                assert oldest < end, "more deals of one ms than a page has rows"
                end = oldest
        flows = await api.request(
            ProtoOACashFlowHistoryListReq(
                ctid_trader_account_id=number, from_timestamp=start, to_timestamp=now
            )
        )
        self.counts["flows asked about"] += sum(map(self._flow, flows.deposit_withdraw))
        self._seen_until = start if self._missed else now

    # --- what it comes to ---

    def parts(self) -> dict[str, int]:
        """What closing deals have brought, in cents: profit, swap, commission, conversion fee."""
        parts: Counter[str] = Counter(gross=0, swap=0, commission=0, fee=0)
        for deal in self.deals.values():
            detail = deal.close_position_detail
            if detail is not None:
                parts["gross"] += detail.gross_profit
                parts["swap"] += detail.swap
                parts["commission"] += detail.commission
                parts["fee"] += detail.pnl_conversion_fee or 0
        return parts

    @property
    def balance(self) -> Decimal:
        """What the account must have by these books."""
        flows = sum(flow.delta for flow in self.flows.values())
        return Decimal(flows + sum(self.parts().values())) / 100


def alike(deal: ProtoOADeal) -> ProtoOADeal:
    """A deal without what lists and events show differently (recorded): its last update."""
    return deal.__replace__(utc_last_update_timestamp=None)
