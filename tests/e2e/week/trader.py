"""A small strategy for one account: it follows its dice, and mends what goes wrong by the book.

Knows the client and its own books; nothing of the server.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial

import trio

from ctrader_typed import (
    Account,
    Api,
    ConnectionLost,
    InvalidOrder,
    NotFilled,
    Order,
    OrderError,
    OutcomeUnknown,
    Position,
    ProtoOAGetTrendbarsReq,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
    RateLimited,
)
from tests.e2e.week.books import Books

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
MINUTE = 60.0
SYMBOLS = {  # lots, and pips that a price moves in some hours
    "EURUSD": ("0.04", 8),
    "GBPUSD": ("0.04", 9),
    "USDJPY": ("0.04", 12),
    "EURGBP": ("0.04", 7),
    "XAUUSD": ("0.04", 6),
    "BTCUSD": ("0.04", 400),
}
HELD = ("EURUSD", "XAUUSD", "BTCUSD")  # all week, a position of each; now and then a part is closed
MOST_POSITIONS, MOST_PENDING = 7, 5

Move = Callable[[], Awaitable[None]]


class Trader:
    """`run` trades for so long; `met` counts what came in its way. `clock` is the market's time."""

    def __init__(
        self,
        api: Api,
        account: Account,
        books: Books,
        clock: Callable[[], datetime],
        chance: random.Random,
    ) -> None:
        self._api, self._account, self._books = api, account, books
        self._clock, self._chance = clock, chance
        self._numbers = 0
        self.met: Counter[str] = Counter()
        self.done: Counter[str] = Counter()

    async def run(self, seconds: float, pause: float) -> None:
        """A move about every `pause` seconds."""
        ends = trio.current_time() + seconds
        for name in HELD:
            while name not in self._held():
                await self.step(partial(self._hold, name))
        while trio.current_time() < ends:
            await self.step()
            await trio.sleep(pause * self._chance.uniform(0.5, 1.5))

    async def step(self, move: Move | None = None) -> None:
        """One move, by the dice if it is not given, once the account is in step; what the
        server or the link does against it is counted and left at that.
        """
        try:
            await self._api.connected()
            await self._account.settled()
            await self._books.catch_up(self._api, self._now())
            await (self._choose() if move is None else move)()
        except RateLimited as limited:
            self.met[limited.code] += 1
            await trio.sleep(limited.retry_after or 1)
        except InvalidOrder:
            self.met["refused before it was sent"] += 1
        except OrderError as refused:
            self.met[refused.code] += 1
        except NotFilled as ended:
            self.met[f"not filled: {ended.status}"] += 1
        except OutcomeUnknown:
            self.met["no trace of it"] += 1
        except ConnectionLost:  # NotSent is one: nothing has happened
            self.met["link lost"] += 1

    def _choose(self) -> Move:
        dice = self._chance.random()
        positions, pending = self._free(), self._account.pending
        if positions and (dice < 0.12 or len(positions) >= MOST_POSITIONS):
            return self._chance.choice((self._close_part, self._close, self._close))
        if positions and dice < 0.24:
            return self._move_levels
        if pending and (dice < 0.34 or len(pending) >= MOST_PENDING):
            return self._chance.choice((self._cancel, self._amend_pending))
        return self._wait_for_a_price if dice < 0.55 else self._open

    # --- moves ---

    async def _hold(self, name: str) -> None:
        place = self._account.buy if self._chance.random() < 0.5 else self._account.sell
        await self._filled(
            await self._placed(
                place(name, lots="0.16", label=name, client_order_id=self._next_id())
            )
        )

    async def _open(self) -> None:
        name, lots, pips = self._symbol()
        place = self._account.buy if self._chance.random() < 0.5 else self._account.sell
        order = await self._placed(
            place(
                name,
                lots=lots,
                stop_loss_pips=pips,
                take_profit_pips=pips + 2,
                trailing=self._chance.random() < 0.25,
                client_order_id=self._next_id(),
            )
        )
        await self._filled(order)
        self.done["opened"] += 1

    async def _wait_for_a_price(self) -> None:
        name, lots, pips = self._symbol()
        last = await self._last_price(name)
        side = self._chance.choice((BUY, SELL))
        below = side == BUY
        place = self._chance.choice((self._account.limit, self._account.stop))
        if place == self._account.stop:
            below = not below
        symbol = self._account.symbol(name)
        away = pips * symbol.pip * (-1 if below else 1)
        price = ((last + away) / symbol.tick).to_integral_value(ROUND_HALF_UP) * symbol.tick
        await self._placed(
            place(
                name,
                side,
                price,
                lots=lots,
                stop_loss_pips=pips,
                take_profit_pips=pips,
                expires=self._clock() + timedelta(minutes=self._chance.randint(30, 400)),
                client_order_id=self._next_id(),
            )
        )
        self.done["pending"] += 1

    async def _close(self) -> None:
        await self._filled(await self._placed(self._account.close(self._position())))
        self.done["closed"] += 1

    async def _close_part(self) -> None:
        position = self._chance.choice(list(self._account.positions.values()))
        part = position.volume // 4
        symbol = self._account.symbol(position.symbol_id)
        if part % (symbol.details.step_volume or 1) or part < (symbol.details.min_volume or 1):
            return
        await self._filled(await self._placed(self._account.close(position, volume=part)))
        self.done["closed in part"] += 1

    async def _move_levels(self) -> None:
        position = self._position()
        symbol = self._account.symbol(position.symbol_id)
        way = 1 if position.side == BUY else -1
        pips = SYMBOLS[symbol.name][1] + self._chance.randint(2, 10)
        limit = position.price + way * symbol.pip * pips
        limit = (limit / symbol.tick).to_integral_value(ROUND_HALF_UP) * symbol.tick
        stop = position.stop_loss
        await self._placed(self._account.amend(position, take_profit=limit))
        after = self._account.positions.get(position.position_id)
        assert after is None or position.trailing or after.stop_loss == stop
        self.done["amended"] += 1

    async def _amend_pending(self) -> None:
        order = self._chance.choice(list(self._account.pending.values()))
        later = self._clock() + timedelta(minutes=self._chance.randint(30, 200))
        await self._placed(self._account.amend_order(order, expires=later))
        self.done["put off"] += 1

    async def _cancel(self) -> None:
        order = self._chance.choice(list(self._account.pending.values()))
        await self._placed(self._account.cancel(order))
        self.done["cancelled"] += 1

    # --- what is done with an order ---

    async def _placed(self, placing: Awaitable[Order]) -> Order:
        """The order, once it is known what has become of the request."""
        try:
            order = await placing
        except OutcomeUnknown as unknown:
            order = unknown.order
            await self._found_out(order)
        self._books.placed(order)
        await order.accepted()
        return order

    async def _filled(self, order: Order) -> None:
        while True:
            try:
                await order.filled()
            except OutcomeUnknown:
                await self._found_out(order)
            else:
                break
        self._books.placed(order)

    async def _found_out(self, order: Order) -> None:
        """Wait until the client knows; raises OutcomeUnknown if the server shows no trace of it."""
        self.met["outcome unknown"] += 1
        try:
            status = await order.resolved()
        except OutcomeUnknown:
            self._books.lost(order)
            self._api.orders.forget(order)
            raise
        self.met[f"unknown, then {status.name}"] += 1

    # --- what it needs to know ---

    def _symbol(self) -> tuple[str, str, int]:
        name = self._chance.choice(list(SYMBOLS))
        lots, pips = SYMBOLS[name]
        return name, lots, round(pips * self._chance.uniform(0.7, 2.5))

    def _held(self) -> set[str | None]:
        return {position.label for position in self._account.positions.values()}

    def _free(self) -> list[Position]:
        """The positions that are not held."""
        return [p for p in self._account.positions.values() if p.label is None]

    def _position(self) -> Position:
        return self._chance.choice(self._free())

    def _next_id(self) -> str:
        self._numbers += 1
        self._books.requested.add(f"week-{self._numbers}")
        return f"week-{self._numbers}"

    def _now(self) -> int:
        return round(self._clock().timestamp() * 1000)

    async def _last_price(self, name: str) -> Decimal:
        """The close of the last bar, of a weekend too."""
        now = self._now()
        answer = await self._api.request(
            ProtoOAGetTrendbarsReq(
                ctid_trader_account_id=self._account.account_id,
                symbol_id=self._account.symbol(name).id,
                period=ProtoOATrendbarPeriod.H1,
                from_timestamp=now - 4 * 86_400_000,
                to_timestamp=now,
            )
        )
        bar = answer.trendbar[-1]
        return Decimal((bar.low or 0) + (bar.delta_close or 0)) / 100_000


def clock_from(start_ms: int) -> Callable[[], datetime]:
    """The market's time, which runs with trio's from now on."""
    began = trio.current_time()
    start = datetime.fromtimestamp(start_ms / 1000, UTC)
    return lambda: start + timedelta(seconds=trio.current_time() - began)
