"""Orders with a fault at every stage: none is doubled, lost, or told wrongly.

As many orders as the profile has examples, so `make fuzz` places 10,000. Each is followed over as
many connections as it takes, and what its handle says in the end is compared with the books of the
simulated broker. So is what the next process is told when the first was killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import settings

from ctrader_typed import (
    NO_LIMITS,
    ConnectFailed,
    NotSent,
    OrderStatus,
    OutcomeUnknown,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
    Reconnect,
    Request,
    connect_over,
)
from ctrader_typed.orders.order import Order
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.market.prices import TickList
from mockserver.composition import mock_server
from mockserver.proxy.rules import ProxyRules
from mockserver.server.client_rules import Rule
from mockserver.server.server import MockServer

ACCOUNT, EURUSD, STEP = 1_000_001, 1, 100_000
KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": ACCOUNT,
}
TOLD = {
    "ORDER_STATUS_ACCEPTED": OrderStatus.ACCEPTED,
    "ORDER_STATUS_FILLED": OrderStatus.FILLED,
    "ORDER_STATUS_CANCELLED": OrderStatus.CANCELLED,
}
STAGES = (
    "no fault",
    "down",
    "within the frame",
    "after the write",
    "after the answer",
    "during the reconnect",
    "killed",
)
PARTS = 10  # of the whole number, side by side
EACH = 150  # orders on one account: it may not have more than a thousand positions


class Wire(trio.abc.Stream):
    """A stream that breaks when it is told to.

    Of what is sent next, `cut` says how many bytes get through, given its size; or `left` does.
    What got through arrives, and nothing comes back any more.
    """

    def __init__(self, stream: trio.abc.Stream, left: int | None) -> None:
        self._stream = stream
        self._left = left
        self.cut: Callable[[int], int] | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        data = bytes(data)
        if self.cut is not None:
            self._left = self.cut(len(data))
        if self._left is None:
            await self._stream.send_all(data)
            return
        through, self._left = data[: self._left], self._left - len(data)
        if through:
            await self._stream.send_all(through)
        if self._left <= 0:
            await self.snap()
        if self._left < 0:
            raise trio.BrokenResourceError

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._stream.receive_some(max_bytes))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def snap(self) -> None:
        await trio.aclose_forcefully(self._stream)


@dataclass
class Placed:
    """An order, and where the fault was."""

    stage: str
    request: Request[Any]
    order: Order | None  # none if it was not sent


class Trader:
    """A program that places orders over connections that break; its next start has its journal."""

    def __init__(self, server: MockServer, broker: Broker, journal: Path) -> None:
        self.server = server
        self.broker = broker
        self.path = journal
        self.wires: list[Wire] = []
        self.away = False
        self.budgets: list[int] = []  # of the next connections, in bytes
        self.placed: list[Placed] = []
        self.killed: list[tuple[str, Request[Any]]] = []

    async def dial(self) -> Wire:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise ConnectFailed("the server is away")
        left = self.budgets.pop(0) if self.budgets else None
        self.wires.append(Wire(self.server.memory_client(), left))
        return self.wires[-1]

    async def run(self, numbers: Iterator[int], outcomes: Counter[str]) -> bool:
        """Trade until the process is killed; whether it was."""
        client = connect_over(self.dial, reconnect=Reconnect(), limits=NO_LIMITS, journal=self.path)
        requests = Requests(self.broker)
        async with client as self.api:
            await self.api.auth(**KEYS)
            await self.find_out(outcomes)
            for number in numbers:
                stage = STAGES[number % len(STAGES)]
                await self.place(stage, number // len(STAGES), requests.next(number))
                if stage == "killed":
                    self.api.orders._journal = None  # whatever happens now, nobody notes it
                    return True
                await self.find_out(outcomes)
        return False

    async def place(self, stage: str, turn: int, request: Request[Any]) -> None:
        """Place an order with a fault at this stage of its life."""
        wire = self.wires[-1]
        if stage == "down":
            await self.place_nowhere(wire, request)
            return
        if stage == "within the frame":
            wire.cut = lambda size: turn % size  # every byte in its turn
        elif stage in {"after the write", "during the reconnect", "killed"}:
            wire.cut = lambda size: size
        if stage == "during the reconnect":
            self.budgets = [
                0,
                40,
                250,
                330,
                400,
            ]  # before, within and after the session's restoration
        try:
            order = await self.api.place(request)
        except OutcomeUnknown as error:
            order = error.order
        if stage == "killed":
            self.killed.append((order.key, order.request))
        else:
            self.placed.append(Placed(stage, order.request, order))
        if stage == "after the answer":
            await wire.snap()
        elif stage == "no fault":
            await trio.sleep(0.5)  # the fill, and the protective order

    async def place_nowhere(self, wire: Wire, request: Request[Any]) -> None:
        self.away = True
        await wire.snap()
        await trio.sleep(0.1)
        before = len(self.broker.account(ACCOUNT).orders)
        with pytest.raises(NotSent):
            await self.api.place(request)
        self.placed.append(Placed("down", request, None))
        self.away = False
        await self.api.connected()
        assert len(self.broker.account(ACCOUNT).orders) == before

    async def find_out(self, outcomes: Counter[str]) -> None:
        """Wait until all is known that can be known, and compare it."""
        for order in self.api.orders:
            with suppress(OutcomeUnknown):
                await order.resolved()
        await trio.sleep(1)
        self.check(outcomes)

    def check(self, outcomes: Counter[str]) -> None:
        """Compare what every handle says with the broker's books."""
        orders = self.api.orders
        for placed in self.placed:
            self.compare(placed.stage, placed.request, placed.order, outcomes)
        for key, request in self.killed:
            self.compare("killed", request, orders.find(key), outcomes)
        self.placed.clear()
        self.killed.clear()

    def compare(
        self, stage: str, request: Any, order: Order | None, outcomes: Counter[str]
    ) -> None:
        truth = self.truth(request)
        if isinstance(request, ProtoOACancelOrderReq) and truth.working:
            truth = None  # it did nothing
        status = OrderStatus.NOT_SENT if order is None else order.status
        outcomes[f"{stage}: {status.name}"] += 1
        if truth is None:
            assert status in {OrderStatus.NOT_SENT, OrderStatus.UNKNOWN}, (stage, order)
            return
        assert order is not None, f"{stage}: what was not sent is at the broker"
        if isinstance(request, ProtoOACancelOrderReq):
            assert status is OrderStatus.CANCELLED
            return
        assert status is TOLD[truth.status.name], (stage, order)
        assert order.order_id == truth.order_id
        books = self.broker.account(ACCOUNT).deals.values()
        deals = sorted(deal.deal_id for deal in books if deal.order_id == truth.order_id)
        assert [deal.deal_id for deal in order.deals] == deals
        assert order.filled_volume == truth.executed_volume

    def truth(self, request: Any) -> Any:
        """The broker's order that a request made, or would have cancelled."""
        orders = self.broker.account(ACCOUNT).orders
        if isinstance(request, ProtoOACancelOrderReq):
            return orders[request.order_id]
        if isinstance(request, ProtoOAClosePositionReq):
            made = [
                order
                for order in orders.values()
                if order.closing
                and not order.protective
                and order.position_id == request.position_id
                and order.volume == request.volume
            ]
        else:
            made = [o for o in orders.values() if o.client_order_id == request.client_order_id]
        assert len(made) <= 1, "an order was doubled"
        return made[0] if made else None


class Requests:
    """What to place next: orders at the market and waiting, and what ends those of before."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.used: set[int] = set()

    def next(self, number: int) -> Request[Any]:
        kind = number // len(STAGES) % 5
        account = self.broker.account(ACCOUNT)
        if kind == 3:
            for position in account.positions.values():
                if position.position_id not in self.used:
                    self.used.add(position.position_id)
                    return ProtoOAClosePositionReq(
                        ctid_trader_account_id=ACCOUNT,
                        position_id=position.position_id,
                        volume=position.volume,
                    )
        if kind == 4:
            for order in account.working.values():
                if order.pending and order.order_id not in self.used:
                    self.used.add(order.order_id)
                    return ProtoOACancelOrderReq(
                        ctid_trader_account_id=ACCOUNT, order_id=order.order_id
                    )
        return ProtoOANewOrderReq(
            ctid_trader_account_id=ACCOUNT,
            symbol_id=EURUSD,
            order_type=ProtoOAOrderType.LIMIT if kind == 2 else ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=STEP * 2,
            limit_price=1.0 if kind == 2 else None,
            relative_stop_loss=20_000 if kind == 1 else None,
        )


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual time would run on while a thread writes the journal."""

    async def at_once(do: Callable[..., None], *args: Any, limiter: object) -> None:
        await trio.lowlevel.checkpoint()
        do(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)


@pytest.mark.fuzz
@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("part", range(PARTS))
async def test_none_is_doubled_lost_or_misreported(
    part: int, tmp_path: Path, autojump_clock: Any
) -> None:
    size = max(settings().max_examples // PARTS, len(STAGES))
    numbers = range(part * size, (part + 1) * size)
    outcomes: Counter[str] = Counter()
    for start in numbers[::EACH]:
        broker = Broker(prices=TickList.still([(EURUSD, 108_450, 108_460)]))
        broker.open_account(ACCOUNT, deposit=10_000_000)
        box = Box(broker, standard_credentials(broker), proxy_rules=ProxyRules(rates=None))
        async with mock_server(box, port=None) as server:
            trader = Trader(server, broker, tmp_path / f"journal-{start}")
            some = iter(range(start, min(start + EACH, numbers.stop)))
            while await trader.run(some, outcomes):
                pass
            assert not [v for v in server.violations if v.rule is Rule.ORDER_ID]
    print(  # noqa: T201 - the figures are what is asked for
        f"\n{sum(outcomes.values())} orders: 0 doubled, 0 lost, 0 wrong",
        *(f"{count:6} {outcome}" for outcome, count in sorted(outcomes.items())),
        sep="\n",
    )
    assert sum(outcomes.values()) == size
    assert {name.split(":")[0] for name in outcomes} == set(STAGES)
    for stage in ("no fault", "after the write", "after the answer", "killed"):
        assert not outcomes[f"{stage}: UNKNOWN"], "an order that arrived was lost"
