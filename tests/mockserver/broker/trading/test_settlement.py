"""The books under any trading: what must always hold, and a second bookkeeper who agrees."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from ctrader_typed.proto import (
    ProtoOAAccountType,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATimeInForce,
    ProtoOATotalMarginCalculationType,
    ProtoOATrailingSLChangedEvent,
)
from mockserver.broker.interface import Outgoing
from mockserver.broker.rules import Latency, Liquidity, TradingRules
from mockserver.broker.trading import margin
from mockserver.broker.trading.account import Terms
from mockserver.broker.trading.state import Snapshot
from tests.mockserver.broker.trading.bookkeeper import Bookkeeper, cents
from tests.mockserver.broker.trading.harness import (
    ACCOUNT,
    BUY,
    EUR,
    EURUSD,
    LIMIT,
    MARKET,
    MARKET_RANGE,
    QUOTES,
    SELL,
    STOP,
    STOP_LIMIT,
    USD,
    USDJPY,
    Session,
)

TIME = ProtoOATimeInForce
SYMBOLS = {EURUSD: 100_000, USDJPY: 100_000}
STEP = {EURUSD: 1, USDJPY: 100}


class Trading(RuleBasedStateMachine):
    """A client that does whatever the API lets it do, in a market that jumps about."""

    positions = Bundle("positions")
    orders = Bundle("orders")
    snapshots = Bundle("snapshots")

    account_types = tuple(ProtoOAAccountType)
    deposit_asset = USD

    @initialize(
        leverage=st.sampled_from([500, 3_000, 10_000]),
        how=st.sampled_from(list(ProtoOATotalMarginCalculationType)),
        fair=st.sampled_from([None, True, False]),
        data=st.data(),
    )
    def begin(self, leverage: int, how: Any, fair: bool | None, data: Any) -> None:
        terms = Terms(
            account_type=data.draw(st.sampled_from(self.account_types)),
            deposit_asset_id=self.deposit_asset,
            leverage_in_cents=leverage,
            total_margin=how,
            fair_stop_out=fair,
        )
        rules = TradingRules(Latency(fill=data.draw(st.sampled_from([0, 130]))), resting_ioc=False)
        self.session = Session(terms, deposit=0, rules=rules)
        self.books = Bookkeeper()
        self.mirror: list[tuple[bytes, int | None, str | None]] = []
        self.hear(self.session.wait(0))
        self.session.broker.deposit(ACCOUNT, 5_000)
        self.hear(self.session.wait(0))

    def hear(self, sent: list[Outgoing]) -> list[int]:
        """Read what was sent; the numbers of the positions that it opened."""
        opened: list[int] = []
        for outgoing in sent:
            message = outgoing.message
            assert type(message).FromString(bytes(message)) == message
            if isinstance(message, ProtoOAExecutionEvent):
                self.books.read(message)
                if message.deal is not None:
                    opened.append(message.deal.position_id)
            elif isinstance(message, ProtoOATrailingSLChangedEvent):
                assert message.order_id in self.books.known_orders
        return opened

    # --- what the client does ---------------------------------------------------------------------

    @rule(
        target=positions,
        symbol=st.sampled_from(list(SYMBOLS)),
        side=st.sampled_from([BUY, SELL]),
        kind=st.sampled_from([MARKET, MARKET, MARKET_RANGE]),
        lots=st.integers(1, 40),
        stop=st.one_of(st.none(), st.integers(1, 300)),
        limit=st.one_of(st.none(), st.integers(1, 300)),
        trailing=st.booleans(),
        patience=st.sampled_from([TIME.GOOD_TILL_CANCEL, TIME.FILL_OR_KILL]),
        wait=st.sampled_from([0, 100, 1000]),
    )
    def buy_or_sell(
        self, symbol: int, side: Any, kind: Any, lots: int, stop: int | None, limit: int | None,
        trailing: bool, patience: Any, wait: int,
    ) -> Any:  # fmt: skip
        fields: dict[str, Any] = {}
        if kind == MARKET_RANGE:
            quote = self.session.broker.market.quote(symbol)
            fields["base_slippage_price"] = (quote.ask if side == BUY else quote.bid) / 100_000
            fields["slippage_in_points"] = 5
        order = self.session.order(
            symbol_id=symbol,
            trade_side=side,
            order_type=kind,
            volume=lots * SYMBOLS[symbol],
            relative_stop_loss=None if stop is None else stop * STEP[symbol],
            relative_take_profit=None if limit is None else limit * STEP[symbol],
            trailing_stop_loss=trailing if stop is not None else None,
            time_in_force=patience,
            **fields,
        )
        return multiple(*self.hear(self.session.do(order, wait)))

    @rule(
        target=orders,
        symbol=st.sampled_from(list(SYMBOLS)),
        side=st.sampled_from([BUY, SELL]),
        kind=st.sampled_from([LIMIT, STOP, STOP_LIMIT]),
        away=st.integers(-50, 100),
        lots=st.integers(1, 40),
        stop=st.one_of(st.none(), st.integers(1, 300)),
        expires=st.one_of(st.none(), st.integers(1, 5000)),
        patience=st.sampled_from([TIME.GOOD_TILL_CANCEL, TIME.IMMEDIATE_OR_CANCEL]),
    )
    def place(
        self, symbol: int, side: Any, kind: Any, away: int, lots: int, stop: int | None,
        expires: int | None, patience: Any,
    ) -> Any:  # fmt: skip
        quote = self.session.broker.market.quote(symbol)
        base = quote.ask if side == BUY else quote.bid
        assert base is not None
        toward = 1 if (side == BUY) is (kind != LIMIT) else -1
        price = (base + toward * away * STEP[symbol]) / 100_000
        now = self.session.broker.now_ms
        dated = {"time_in_force": TIME.GOOD_TILL_DATE,
                 "expiration_timestamp": now + (expires or 0)}  # fmt: skip
        order = self.session.order(
            symbol_id=symbol, trade_side=side, order_type=kind, volume=lots * SYMBOLS[symbol],
            limit_price=price, stop_price=price, slippage_in_points=10,
            relative_stop_loss=None if stop is None else stop * STEP[symbol],
            **({"time_in_force": patience} if expires is None else dated),
        )  # fmt: skip
        before = set(self.session.account.orders)
        self.hear(self.session.send(order))
        return multiple(*(set(self.session.account.orders) - before))

    @rule(position=positions, part=st.integers(1, 40), wait=st.sampled_from([0, 100, 1000]))
    def close(self, position: int, part: int, wait: int) -> None:
        found = self.session.account.positions.get(position)
        volume = part * 100_000 if found is None else min(part * 100_000, found.volume)
        request = ProtoOAClosePositionReq(
            ctid_trader_account_id=ACCOUNT, position_id=position, volume=volume
        )
        self.hear(self.session.do(request, wait))

    @rule(
        position=positions,
        stop=st.one_of(st.none(), st.integers(-20, 300)),
        limit=st.one_of(st.none(), st.integers(-20, 300)),
        trailing=st.sampled_from([None, True, False]),
    )
    def protect(
        self, position: int, stop: int | None, limit: int | None, trailing: bool | None
    ) -> None:
        found = self.session.account.position(position)
        assert found is not None
        quote = self.session.broker.market.quote(found.symbol_id)
        way = 1 if found.side == BUY else -1
        base = quote.bid if found.side == BUY else quote.ask
        assert base is not None
        step = STEP[found.symbol_id]
        request = ProtoOAAmendPositionSLTPReq(
            ctid_trader_account_id=ACCOUNT,
            position_id=position,
            stop_loss=None if stop is None else (base - way * stop * step) / 100_000,
            take_profit=None if limit is None else (base + way * limit * step) / 100_000,
            trailing_stop_loss=trailing,
        )
        self.hear(self.session.do(request, 0))

    @rule(order=orders, away=st.integers(-50, 100), lots=st.one_of(st.none(), st.integers(1, 40)))
    def amend(self, order: int, away: int, lots: int | None) -> None:
        found = self.session.broker.order(order)
        quote = self.session.broker.market.quote(found.symbol_id)
        assert quote.bid is not None
        price = (quote.bid + away * STEP[found.symbol_id]) / 100_000
        request = ProtoOAAmendOrderReq(
            ctid_trader_account_id=ACCOUNT,
            order_id=order,
            limit_price=price,
            stop_price=price,
            volume=None if lots is None else lots * SYMBOLS[found.symbol_id],
        )
        self.hear(self.session.send(request))

    @rule(order=consumes(orders))
    def cancel(self, order: int) -> None:
        request = ProtoOACancelOrderReq(ctid_trader_account_id=ACCOUNT, order_id=order)
        self.hear(self.session.send(request))

    # --- what the world does ----------------------------------------------------------------------

    @rule(
        symbol=st.sampled_from(list(SYMBOLS)),
        jump=st.one_of(st.integers(-80, 80), st.integers(-4000, 4000)),
        spread=st.integers(0, 20),
    )
    def jump(self, symbol: int, jump: int, spread: int) -> None:
        bid = QUOTES[symbol][0] + jump * STEP[symbol]
        self.hear(self.session.price(symbol, bid, bid + spread * STEP[symbol]))

    @rule(ms=st.sampled_from([1, 20, 150, 1000, 60_000]))
    def wait(self, ms: int) -> None:
        self.hear(self.session.wait(ms))

    @rule()
    def wait_for_a_night(self) -> None:
        self.hear(self.session.wait(86_400_000))

    @rule(
        symbol=st.sampled_from(list(SYMBOLS)),
        available=st.one_of(st.none(), st.integers(0, 20)),
        per_deal=st.one_of(st.none(), st.integers(1, 10)),
        slippage=st.integers(-3, 3),
    )
    def liquidity(
        self, symbol: int, available: int | None, per_deal: int | None, slippage: int
    ) -> None:
        wanted = Liquidity(
            None if available is None else available * 100_000,
            None if per_deal is None else per_deal * 100_000,
            slippage,
        )
        self.session.broker.set_liquidity(symbol, wanted)

    @rule(amount=st.integers(1, 500_000))
    def pay_in(self, amount: int) -> None:
        self.session.broker.deposit(ACCOUNT, Decimal(amount) / 100)
        self.hear(self.session.wait(0))

    @rule(target=snapshots)
    def take_a_snapshot(self) -> Snapshot:
        return self.session.broker.snapshot()

    @rule(snapshot=snapshots)
    def a_snapshot_has_not_changed(self, snapshot: Snapshot) -> None:
        """Whatever was done since, the copy is of its time."""
        assert snapshot.books is not self.session.broker.snapshot().books
        assert snapshot.books.now <= self.session.broker.now_ms

    # --- what always holds ------------------------------------------------------------------------

    @invariant()
    def the_balance_is_what_came_in_and_what_was_closed(self) -> None:
        account = self.session.account
        assert account.balance == self.books.cash + self.books.realised
        booked = sum(d.closing.realised for d in account.deals.values() if d.closing is not None)
        assert account.balance == sum(f.delta for f in account.cash_flow) + booked
        assert self.books.cash == sum(f.delta for f in account.cash_flow)

    @invariant()
    def the_deals_add_up_to_the_positions(self) -> None:
        account = self.session.account
        net: dict[int, int] = {}
        for deal in account.deals.values():
            way = 1 if deal.side == BUY else -1
            net[deal.position_id] = net.get(deal.position_id, 0) + way * deal.filled
        open_now = {
            p.position_id: p.volume * (1 if p.side == BUY else -1)
            for p in account.positions.values()
        }
        assert {number: volume for number, volume in net.items() if volume} == open_now
        if account.netted:
            symbols = [p.symbol_id for p in account.positions.values()]
            assert len(symbols) == len(set(symbols))

    @invariant()
    def margin_is_never_negative_and_what_the_positions_bind(self) -> None:
        account = self.session.account
        used = margin.used_margin(account)
        assert 0 <= used <= sum(p.used_margin for p in account.positions.values())
        for position in account.positions.values():
            units = Fraction(position.volume, 100)
            by_rate = units * position.margin_rate * 100 / account.terms.leverage_in_cents * 100
            assert position.used_margin >= cents(by_rate)  # tiers only make it dearer

    @invariant()
    def every_order_is_somewhere(self) -> None:
        account = self.session.account
        for order in account.orders.values():
            assert order.working is (order.order_id in account.working)
            assert order.executed_volume <= order.volume
            filled = sum(d.filled for d in account.deals.values() if d.order_id == order.order_id)
            assert filled == order.executed_volume
        for position in account.positions.values():
            number = position.protective_order
            assert number is None or number in account.working
            assert position.protection.empty is (number is None)

    @invariant()
    def reconcile_shows_what_is_open(self) -> None:
        request = ProtoOAReconcileReq(ctid_trader_account_id=ACCOUNT)
        sent = self.session.send(request)
        self.hear(sent)
        shown = sent[-1].message
        assert isinstance(shown, ProtoOAReconcileRes)
        numbers = [position.position_id for position in shown.position]
        assert numbers == list(self.session.account.positions)
        assert sum(p.commission or 0 for p in shown.position) == sum(
            self.books.commission[number] for number in numbers
        )


class InEuros(Trading):
    """The same where every profit has to be converted."""

    deposit_asset = EUR


Trading.TestCase.settings = InEuros.TestCase.settings = settings(stateful_step_count=30)
TestTrading, TestInEuros = Trading.TestCase, InEuros.TestCase
