"""Cancelled at each step of a session that is lost and restored: it ends, and nothing stays.

A step is what a task does between two awaits, so this is each await of the client, of the
supervisor and of the server, wherever they happen to stand.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ctrader_typed import (
    CTraderError,
    OutcomeUnknown,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATradeSide,
    Reconnect,
    connect_over,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from mockserver.faults.scenarios import SCENARIOS
from mockserver.server.endpoints import ENDPOINTS
from mockserver.server.server import MockServer

PARTS = 8
KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
BUY: dict[str, Any] = {
    "ctid_trader_account_id": HEDGED,
    "symbol_id": 1,
    "order_type": ProtoOAOrderType.MARKET,
    "trade_side": ProtoOATradeSide.BUY,
    "volume": 100_000,
}


class CancelAt(trio.abc.Instrument):
    """Counts the steps of all tasks, and cancels a scope at one of them."""

    def __init__(self, scope: trio.CancelScope, step: int | None) -> None:
        self.scope = scope
        self.step = step
        self.steps = 0
        self.at: float | None = None
        """When it was cancelled."""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps == self.step:
            trio.lowlevel.current_trio_token().run_sync_soon(self.cancel)

    def cancel(self) -> None:
        self.at = trio.current_time()
        self.scope.cancel()


async def live(server: MockServer, door: str) -> None:
    """Log in, listen, trade, lose the connection with an order under way, and get it all back."""

    async def dial() -> trio.abc.Stream:
        return server.memory_client(door)

    async with (
        connect_over(dial, wire=ENDPOINTS[door].wire, reconnect=Reconnect()) as api,
        api.events(ProtoOASpotEvent) as spots,
    ):
        await api.auth(**KEYS, account_id=HEDGED)
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[1])
        await anext(spots)
        with suppress(OutcomeUnknown):
            await api.place(ProtoOANewOrderReq(**BUY))
        await api.connected()
        with suppress(CTraderError):
            await api.trader(ctid_trader_account_id=HEDGED)
        order = await api.place(ProtoOANewOrderReq(**BUY))
        await order.filled()


async def cancelled_at(door: str, step: int | None) -> CancelAt:
    plan = SCENARIOS["close-after-order"].plan()
    living = trio.lowlevel.current_statistics().tasks_living
    async with mock_server(Box(), port=None, faults=plan) as server:
        await wait_all_tasks_blocked()
        serving = trio.lowlevel.current_statistics().tasks_living
        with trio.CancelScope() as scope:
            watch = CancelAt(scope, step)
            trio.lowlevel.add_instrument(watch)
            try:
                await live(server, door)
            finally:
                trio.lowlevel.remove_instrument(watch)
        if watch.at is not None:
            assert trio.current_time() - watch.at <= 2
        with trio.fail_after(5):  # every connection that there was is hung up, from our end too
            while trio.lowlevel.current_statistics().tasks_living > serving:  # noqa: ASYNC110 - seen from outside
                await trio.sleep(0.1)
    assert trio.lowlevel.current_statistics().tasks_living == living
    return watch


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("door", ["tcp", "ws", "json-ws"])
def test_cancelled_at_each_step(door: str, part: int) -> None:
    def run(step: int | None) -> CancelAt:
        return trio.run(cancelled_at, door, step, clock=MockClock(autojump_threshold=0))

    steps = run(None).steps
    assert steps > 200
    watches = [run(step) for step in range(1 + part, steps, PARTS)]
    # How many steps there are is left to chance, as the pauses before an attempt are.
    assert sum(watch.at is not None for watch in watches) > len(watches) * 0.7
