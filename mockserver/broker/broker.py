"""The simulated broker: the market side and the trading side as one core, moved by time.

Pure: the time is an argument, and what it decides is a list of messages. Within one ms prices come
first, then what is due (executions, protective orders, expiries, rollovers); subscribers hear a
price before they hear what it set off. After each step margin levels are looked at and profits are
told. Prices that concern nobody pass unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from ctrader_typed.keywords import suggest
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOAErrorRes,
    ProtoOAMarginCallUpdateReq,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOASymbol,
    ProtoOAv1PnLChangeSubscribeReq,
)

from . import requests, unpublished_fields
from .interface import Outgoing
from .market.instruments import Instruments
from .market.market_requests import MarketRequests
from .market.prices import PriceSource, Tick, to_price
from .market.quotes import Market
from .market.random_prices import RandomPrices
from .rules import Liquidity, MarketRules, TradingRules
from .start_time import START
from .trading import (
    cash_flow,
    margin_calls,
    matching_engine,
    pnl,
    priced_symbols,
    protective_orders,
    rollover,
    settlement,
    triggers,
)
from .trading.account import Account, Terms
from .trading.matching_engine import fill_price
from .trading.orders import Order, Requester
from .trading.scheduler import Execute, Expire, HandleRequest, Protect, ScheduledStep, Scheduler
from .trading.state import LedgerState, PlannedRefusal, RefusalCarrier, Snapshot, TradingState
from .trading.venue import Venue

Amount = Decimal | int | str
Price = float | str | Decimal


def _nobody() -> None:
    """Nobody wants to know."""


@suggest
class Broker:
    """Implements `Core`; and the handle by which a test looks into the broker and moves it.

    `now` is in seconds from the start, which is `start_ms` in the broker's world. What a test's
    call sets off is delivered with the next `wake`, which is then due at once; `on_change` is
    called to say so.
    """

    def __init__(
        self,
        *,
        catalogue: Instruments | None = None,
        prices: PriceSource | None = None,
        seed: int = 0,
        start_ms: int = START,
        rules: TradingRules | None = None,
        market_rules: MarketRules | None = None,
    ) -> None:
        catalogue = Instruments.standard() if catalogue is None else catalogue
        prices = RandomPrices(catalogue, seed) if prices is None else prices
        self.market_data = MarketRequests(Market(catalogue, prices, start_ms, ()), market_rules)
        self.rules = TradingRules() if rules is None else rules
        self.on_change: Callable[[], None] = _nobody
        self._start_ms = start_ms
        self._connections: set[int] = set()
        self._state = self._new_state(LedgerState(start_ms), [])

    def _new_state(self, books: LedgerState, out: list[Outgoing]) -> TradingState:
        venue = Venue(self.market_data.market, self.market_data.conversion)
        return TradingState(venue, self.rules, books, out)

    # --- the core ---------------------------------------------------------------------------------

    def connected(self, connection: int, now: float) -> None:
        """A client has connected."""
        self._run(self._ms(now))
        self._connections.add(connection)

    def disconnected(self, connection: int, now: float) -> None:
        """A client has gone: its subscriptions end; orders on their way are filled all the same."""
        self._run(self._ms(now))
        self._connections.discard(connection)
        self.market_data.disconnected(connection)
        pnl.forget(self._state, connection)
        self._follow()

    def logged_out(self, connection: int, account_id: int) -> None:
        """An account's session on a connection has ended, and its subscriptions with it."""
        self.market_data.logged_out(connection, account_id)
        pnl.forget(self._state, connection, account_id)
        self._follow()

    def received(
        self, connection: int, request: Message, client_msg_id: str | None, now: float
    ) -> Iterable[Outgoing]:
        """Answer a request. What was due before it comes first."""
        self._run(self._ms(now))
        self._take_up(connection, request, client_msg_id)
        self._follow()
        self._run(self._state.now)
        return self._taken()

    def wake_at(self) -> float | None:
        """When the next price or step is due, in seconds; at once if something waits to be sent."""
        if self._state.out:
            return self._seconds(self._state.now)
        due = [at for at in (self.market.next_tick_at(), self._scheduler.due()) if at is not None]
        return self._seconds(min(due)) if due else None

    def wake(self, now: float) -> Iterable[Outgoing]:
        """Let happen what is due."""
        self._run(self._ms(now))
        return self._taken()

    # --- looking in -------------------------------------------------------------------------------

    @property
    def market(self) -> Market:
        """The prices of now."""
        return self.market_data.market

    @property
    def catalogue(self) -> Instruments:
        """What can be traded."""
        return self.market.catalogue

    @property
    def now_ms(self) -> int:
        """The time in the broker's world, as far as it has come: ms since the Unix epoch."""
        return self._state.now

    @property
    def accounts(self) -> Mapping[int, Account]:
        """The accounts by id, with all their books. Treat what is in them as read-only."""
        return self._state.accounts

    def account(self, account_id: int) -> Account:
        """An account; KeyError names an unknown one."""
        return self._state.accounts[account_id]

    def order(self, order_id: int) -> Order:
        """An order of any account, ended or not; KeyError names an unknown one."""
        return self._order(order_id)[1]

    # --- moving -----------------------------------------------------------------------------------

    def open_account(
        self, account_id: int, terms: Terms | None = None, *, deposit: Amount = 0
    ) -> Account:
        """Add an account, with its first deposit already booked. ValueError if the id is taken."""
        if account_id in self._state.books.accounts:
            raise ValueError(f"expected a new account id, got {account_id} again")
        account = Account(account_id, Terms() if terms is None else terms)
        self.catalogue.asset(account.terms.deposit_asset_id)  # a KeyError if there is none
        self._state.books.accounts[account_id] = account
        if Decimal(deposit):
            sent = len(self._state.out)
            cash_flow.deposit(self._state, account, cash_flow.in_money(account, deposit))
            del self._state.out[sent:]  # nobody can have a session of it yet
        return account

    def set_price(self, symbol: str | int, bid: Price, ask: Price | None = None) -> None:
        """Set a symbol's price now, by name or id; without an ask the spread stays."""
        tick, outgoing = self.market_data.set_price(symbol, bid, ask)
        self._state.out.extend(outgoing)
        self._after_ticks([tick])
        self._changed()

    def set_liquidity(self, symbol: str | int, liquidity: Liquidity | None) -> None:
        """Say what a symbol's market takes from an order; None for what the rules say."""
        symbol_id = self.catalogue.id_of(symbol)
        self._state.books.liquidity.pop(symbol_id, None)
        if liquidity is not None:
            self._state.books.liquidity[symbol_id] = liquidity

    def change_symbol(self, symbol: ProtoOASymbol) -> None:
        """Put another specification in the place of a symbol's and tell every account."""
        self._state.out.extend(self.market_data.change_symbol(symbol, self._state.accounts))
        self._changed()

    def fill(
        self,
        order: int | Order | ProtoOAOrder,
        *,
        price: Price | None = None,
        volume: int | None = None,
    ) -> None:
        """Fill a working order, or the one with this id, now, wherever the market is.

        Wholly, or a volume of it in 0.01 of a unit. Without a price it fills at its limit, else its
        stop, else the quote. Margin is not asked for. ValueError if the order has ended, has no
        such volume left, or closes a closed position.
        """
        account, found = self._order(order if isinstance(order, int) else order.order_id)
        left = self._fillable(account, found)
        wanted = left if volume is None else volume
        if not 0 < wanted <= left:
            raise ValueError(f"expected a volume that order {found.order_id} has left: {left}")
        if not found.executing:
            found.sent_at = self._state.now
        matching_engine.fill(self._state, account, found, wanted, self._price_of(found, price))
        self._changed()

    def _fillable(self, account: Account, order: Order) -> int:
        """The volume that could be filled now."""
        if not order.working:
            return 0
        if not order.closing:
            found = settlement.find_position(self._state, account, order)
            return order.remaining if found else 0
        position = account.positions.get(order.position_id)
        return 0 if position is None else min(order.remaining, position.volume)

    def _price_of(self, order: Order, price: Price | None) -> int:
        if price is not None:
            return to_price(price)
        own = order.stop_price if order.limit_price is None else order.limit_price
        found = fill_price(self._state, order) if own is None else own
        if found is None:
            raise ValueError(f"expected a price for order {order.order_id}: it has none itself")
        return found

    def reject_next(
        self,
        error_code: str,
        description: str | None = None,
        *,
        request: type[Message] = ProtoOANewOrderReq,
        manner: RefusalCarrier = RefusalCarrier.ORDER_ERROR,
    ) -> None:
        """Refuse the next request of a class, once, in the given manner."""
        self._state.books.rejections.append(
            PlannedRefusal(request, error_code, description, manner)
        )

    def deposit(self, account_id: int, amount: Amount, note: str | None = None) -> None:
        """Pay in an amount of the deposit currency, such as 1000 or "99.50"."""
        account = self.account(account_id)
        cash_flow.deposit(self._state, account, cash_flow.in_money(account, amount), note)
        self._changed()

    def withdraw(self, account_id: int, amount: Amount, note: str | None = None) -> None:
        """Pay out an amount; ValueError if the free margin does not cover it."""
        account = self.account(account_id)
        cash_flow.withdraw(self._state, account, cash_flow.in_money(account, amount), note)
        self._changed()

    def grant_bonus(self, account_id: int, amount: Amount, note: str | None = None) -> None:
        """Grant a bonus, or take one back with a negative amount."""
        account = self.account(account_id)
        cash_flow.bonus(self._state, account, cash_flow.in_money(account, amount), note)
        self._changed()

    def advance(self, seconds: float) -> None:
        """Jump ahead in the broker's world; the server's clock (heartbeats, tokens) stays."""
        self._start_ms += (ms := round(seconds * 1000))
        self._run(self._state.now + ms)
        self.on_change()

    def snapshot(self) -> Snapshot:
        """The whole state, prices and subscriptions included."""
        return Snapshot.of(self._state.books, self.market_data, self._state.out)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot. The broker's time goes back too, and runs on from there."""
        now = self._state.now
        books, self.market_data, out = snapshot.copied()
        self._start_ms += books.now - now
        self._state = self._new_state(books, out)
        self.on_change()

    # --- how time passes --------------------------------------------------------------------------

    @property
    def _scheduler(self) -> Scheduler:
        return self._state.books.scheduler

    def _ms(self, now: float) -> int:
        return max(self._state.now, self._start_ms + round(now * 1000))

    def _seconds(self, ms: int) -> float:
        return (ms - self._start_ms) / 1000

    def _run(self, until: int) -> None:
        """Let time pass until a ms, that ms included, and all that is due happen in order."""
        while True:
            tick_at, due = self.market.next_tick_at(), self._scheduler.due()
            if tick_at is not None and tick_at <= until and (due is None or tick_at <= due):
                self._pass(tick_at)
            elif due is not None and due <= until:
                self._pass(due)
                self._step(self._scheduler.take())
                self._follow()
                self._look()
            else:
                break
        self._pass(until)

    def _pass(self, now: int) -> None:
        """Set the clock, and let the prices of that ms be known."""
        self._state.books.now = max(self._state.now, now)
        ticks = self.market.advance(self._state.now)
        if ticks:
            self._state.out.extend(self.market_data.on_ticks(ticks))
            self._after_ticks(ticks)

    def _follow(self) -> None:
        """Let pass unseen whatever prices concern nobody now."""
        self.market.follow(priced_symbols.concerned(self._state, self.market_data.spots.symbols))

    def _after_ticks(self, ticks: Iterable[Tick]) -> None:
        for symbol_id in dict.fromkeys(tick.symbol_id for tick in ticks):
            triggers.on_tick(self._state, symbol_id)
        self._look()

    def _look(self) -> None:
        margin_calls.watch(self._state)
        pnl.stream(self._state)

    def _step(self, step: ScheduledStep) -> None:
        if isinstance(step, HandleRequest):
            to = Requester(step.connection, step.client_msg_id)
            requests.answer(self._state, step.request, to)
            return
        account = self._state.accounts[step.account_id]
        if isinstance(step, Execute):
            matching_engine.execute(self._state, account, account.orders[step.order_id])
        elif isinstance(step, Expire):
            matching_engine.expire(self._state, account, account.orders[step.order_id])
        elif isinstance(step, Protect):
            protective_orders.follow(self._state, account, step.position_id)
        else:
            rollover.roll(self._state, account, step.position_id)

    def _take_up(self, connection: int, request: Message, client_msg_id: str | None) -> None:
        """Answer a request now, or, if it is a trading request and the rules say so, later."""
        outgoing = self.market_data.received(connection, request, client_msg_id)
        if outgoing is not None:
            self._state.out.extend(outgoing)
        elif type(request) in requests.TRADES:
            due = self._state.now + self.rules.latency.accept
            self._scheduler.add(due, HandleRequest(connection, request, client_msg_id))
        elif type(request) in requests.READS:
            requests.answer(self._state, request, Requester(connection, client_msg_id))
            if isinstance(request, ProtoOAv1PnLChangeSubscribeReq | ProtoOAMarginCallUpdateReq):
                self._look()
        else:
            error = ProtoOAErrorRes(
                error_code="UNSUPPORTED_MESSAGE",
                description=f"{type(request).__name__} is no request to the broker",
            )
            self._state.out.append(Outgoing(error, connection, client_msg_id))

    def _order(self, order_id: int) -> tuple[Account, Order]:
        for account in self._state.accounts.values():
            if order_id in account.orders:
                return account, account.orders[order_id]
        raise KeyError(order_id)

    def _changed(self) -> None:
        """A test has moved something: look at what follows, and say that there is news."""
        self._follow()
        self._look()
        self._run(self._state.now)
        self.on_change()

    def _taken(self) -> list[Outgoing]:
        """What has to be sent. Who has gone meanwhile gets no answer; the account hears of it."""
        out, self._state.out = self._state.out, []
        sent = [self._addressed(outgoing) for outgoing in out if self._reaches(outgoing)]
        with_more = self.rules.unpublished_fields
        return [unpublished_fields.added(each) for each in sent] if with_more else sent

    def _reaches(self, outgoing: Outgoing) -> bool:
        return outgoing.account_id is not None or outgoing.connection in self._connections

    def _addressed(self, outgoing: Outgoing) -> Outgoing:
        if outgoing.connection is None or outgoing.connection in self._connections:
            return outgoing
        return Outgoing(outgoing.message, account_id=outgoing.account_id)
