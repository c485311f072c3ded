"""A strategy trades for a week beside the mock's broker, in virtual time, and the books agree.

The link is cut, the net is away, the server refuses for a while: in the end each deal, each cent
and each order is the same on both sides.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

import trio
import trio.testing

from ctrader_typed import (
    Account,
    Api,
    Reconnect,
    connect_over,
)
from mockserver.box import HEDGED, Box
from mockserver.broker.broker import START
from mockserver.broker.trading.orders import Touched
from mockserver.broker.trading.rollover import weekday
from mockserver.composition import mock_server
from mockserver.faults.effects import Hang, HangUp, Refuse, Reset
from mockserver.faults.plan import Fault, Plan
from mockserver.proxy.rules import ProxyRules
from mockserver.recordings.session_file import Direction
from mockserver.server.client_rules import Rule
from tests.e2e.week.books import Books
from tests.e2e.week.ledger import compare
from tests.e2e.week.network import Network
from tests.e2e.week.trader import Trader, clock_from
from tests.support.accounts import KEYS, agrees

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
PAUSE = 15 * MINUTE  # between two moves

# A week costs what happens in it, and nothing is proved by more ticks and heartbeats than this.
TICK_SECONDS, HEARTBEAT, SILENCE = 120.0, 50.0, 180.0
CLIENT = Direction.CLIENT
PREFIX = re.compile(r'(?<="clientMsgId": ")[^".]+(?=\.)')  # chance: another one for each client
FILLED = {"executionType": 3}

FAULTS = (
    # The server has taken the order, and the link is gone before it says so, or just after.
    Fault(HangUp(), message="ProtoOAExecutionEvent", fields={"executionType": 2}, chance=0.02),
    Fault(HangUp(heard=True), CLIENT, message="ProtoOANewOrderReq", chance=0.03),
    Fault(Reset(heard=True), CLIENT, message="ProtoOAClosePositionReq", chance=0.05),
    # It never hears of it.
    Fault(HangUp(), CLIENT, message="ProtoOANewOrderReq", chance=0.02),
    Fault(Reset(), CLIENT, message="ProtoOAAmendPositionSLTPReq", chance=0.1),
    # The fill is not told of, be it of an order or of a level that was met.
    Fault(Reset(), message="ProtoOAExecutionEvent", fields=FILLED, chance=0.03),
    # Too much, it says.
    Fault(Refuse("BLOCKED_PAYLOAD_TYPE", retry_after=3), message="ProtoOANewOrderReq", chance=0.07),
    Fault(Refuse("REQUEST_FREQUENCY_EXCEEDED"), message="ProtoOAClosePositionReq", chance=0.05),
    Fault(Refuse("BLOCKED_PAYLOAD_TYPE", retry_after=2), message="ProtoOAReconcileReq", chance=0.2),
    Fault(Refuse("REQUEST_FREQUENCY_EXCEEDED"), message="ProtoOADealListReq", chance=0.1),
)
HANGS = Fault(Hang(600.0), message="ProtoOASpotEvent", nth=6_000)  # a link that dies without a word

ABSENCES = (  # hours from Monday 09:00 UTC, and for how many minutes the net is away
    (6.0, 0),
    (20.0, 180),  # levels are met and orders expire unheard
    (2 * 24 + 11.97, 5),  # Wednesday 20:58, the triple rollover
    (3 * 24 + 4.0, 40),
    (4 * 24 + 11.9, 30),  # Friday's close
    (5 * 24 + 6.0, 600),  # Saturday
    (6 * 24 + 12.08, 3),  # Sunday's opening
)
"""Of a week; shorter runs have those that fall into them."""


@dataclass(frozen=True)
class Stage:
    """A trader beside a broker, and whatever disturbs them."""

    api: Api
    account: Account
    books: Books
    trader: Trader
    server: Any
    network: Network
    plan: Plan
    clock: Callable[[], datetime]
    checked: list[int] = field(default_factory=list[int])
    """When the account was found to say what the broker's books say, in ms."""

    @property
    def now(self) -> int:
        """The time in the market, in ms."""
        return round(self.clock().timestamp() * 1000)

    async def trade(self, seconds: float) -> None:
        """Let it trade; in the end nothing disturbs any more, and both sides are at rest."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._write_down)
            for disturbance in (self._net_fails, self._money_moves, self._looks):
                nursery.start_soon(disturbance)
            await self.trader.run(seconds, PAUSE)
            self.plan.clear()
            await self.api.connected()
            await self.account.settled()
            await trio.sleep(1)
            await self.books.catch_up(self.api, self.now)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    async def _write_down(self, task_status: Any) -> None:
        async with self.account.changes() as changes:
            task_status.started()
            async for change in changes:
                self.books.hear(change)

    async def _net_fails(self) -> None:
        began = trio.current_time()
        for hours, minutes in ABSENCES:
            await trio.sleep_until(began + hours * HOUR)
            await self.network.cut(minutes * MINUTE)

    async def _money_moves(self) -> None:
        await trio.sleep(30 * HOUR)
        self.server.broker.deposit(HEDGED, "1500.25")
        await trio.sleep(46.3 * HOUR)
        self.server.broker.deposit(HEDGED, "0.01", "while nobody heard")
        await trio.sleep(10 * HOUR)
        self.server.broker.withdraw(HEDGED, "99.99")

    async def _looks(self) -> None:
        """Four times a day the account says what the broker's books say, to the last digit."""
        while True:
            await trio.sleep(6 * HOUR)
            await self.account.settled()
            await trio.testing.wait_all_tasks_blocked()
            if self.account.in_step:
                agrees(self.account, self.server)
                self.checked.append(self.now)


@asynccontextmanager
async def staged(
    seed: int, journal: Callable[[str], object] | None = None
) -> AsyncGenerator[Stage, None]:
    """The same seed sets the same stage."""
    random.seed(seed)  # how long the client waits before it connects again
    plan = Plan([*(replace(fault, times=None) for fault in FAULTS), HANGS], seed)
    proxy_rules = ProxyRules(heartbeat=HEARTBEAT, silence=SILENCE)
    box = Box(seed=seed, tick_seconds=TICK_SECONDS, proxy_rules=proxy_rules)
    async with mock_server(box, port=None, faults=plan, journal=journal) as server:
        network, clock = Network(server), clock_from(START)
        # What became of an order is looked for around the time at which it was placed.
        today = patch(
            "ctrader_typed.orders.order_manager._now", lambda: round(clock().timestamp() * 1000)
        )
        reached = connect_over(
            network.dial,
            reconnect=Reconnect(first=1.0, ceiling=30.0),
            heartbeat_interval=HEARTBEAT,
            silence_limit=SILENCE,
        )
        with today:
            async with reached as api:
                await api.auth(**KEYS, account_id=HEDGED)
                account = await api.account(HEDGED)
                books = Books(account)
                trader = Trader(api, account, books, clock, random.Random(seed))
                stage = Stage(api, account, books, trader, server, network, plan, clock)
                await books.begin(api, stage.now)
                yield stage


async def test_a_week_and_the_books_agree_to_the_cent(autojump_clock: Any) -> None:
    began = time.process_time()
    async with staged(5) as week:
        await week.trade(7 * DAY)
        compare(week.books, week.account, week.server, week.now)
        # Within the limits, logged in first, and no clientOrderId twice.
        assert {broken.rule for broken in week.server.violations} <= {Rule.HEARTBEAT}
        _enough_has_happened(week)
    assert time.process_time() - began < 60


def test_the_same_seed_is_the_same_morning_to_the_byte() -> None:
    async def morning(written: list[str]) -> None:
        async with staged(6, written.append) as day:
            await day.trade(6 * HOUR)
            compare(day.books, day.account, day.server, day.now)

    def journal() -> list[str]:
        written: list[str] = []
        # Each on a clock of its own: differences of times would not be the same to the last bit.
        trio.run(morning, written, clock=trio.testing.MockClock(autojump_threshold=0))
        return [PREFIX.sub("", line) for line in written]

    first = journal()
    assert len(first) > 1_500
    assert journal() == first


def _enough_has_happened(week: Stage) -> None:
    """Or the test would prove little."""
    done, met, counts = week.trader.done, week.trader.met, week.books.counts
    assert len(week.books.deals) > 350
    assert min(done["opened"], done["pending"]) > 100
    assert min(done["closed in part"], done["amended"], done["cancelled"]) > 10
    assert met["MARKET_CLOSED"] > 10  # on Saturday and Sunday, and in the daily break
    assert min(met["BLOCKED_PAYLOAD_TYPE"], met["outcome unknown"]) > 10
    assert min(met["unknown, then FILLED"], met["no trace of it"]) > 5
    assert counts["OutOfStep"] == counts["InStep"] > 30
    assert counts["ORDER_STATUS_EXPIRED"] > 20
    assert min(counts[f"swap on day {day}"] for day in range(1, 8)) > 0  # Wednesday's is triple
    assert min(counts["deals asked about"], counts["flows asked about"]) > 1
    assert {fault.effect for fault in week.plan.happened} == {f.effect for f in (*FAULTS, HANGS)}
    assert len(week.checked) > 20
    ledger = week.server.broker.account(HEDGED)
    touched = Counter(o.touched for o in ledger.orders.values() if o.protective)
    assert min(touched[Touched.STOP], touched[Touched.LIMIT]) > 20
    traded_on = {weekday(deal.executed_at) for deal in ledger.deals.values()}
    assert traded_on == {1, 2, 3, 4, 5, 6, 7}
