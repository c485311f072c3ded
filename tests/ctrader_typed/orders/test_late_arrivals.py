"""Bytes of a killed process may arrive while the next one asks: none of its orders is doubled."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from ctrader_typed import DuplicateOrder, Journal, OpenOrder, OrderStatus
from ctrader_typed.orders import order_manager
from ctrader_typed.orders.tracked_order import LAST_ARRIVAL
from mockserver.box import HEDGED
from tests.ctrader_typed.orders.test_place import KEYS, broker, order, served, traded

__all__ = ["broker"]  # a fixture

HOUR = 3_600_000
OFFSETS = (-30 * 24 * HOUR, -HOUR, -60_000, -1, 0, 1, 59_999, 60_000, HOUR, 30 * 24 * HOUR)
"""By how much a wall clock is ahead, in ms."""


def left_behind(path: Path, placed_at: int) -> None:
    with Journal(path) as journal:  # and then the process was killed
        journal.opened(OpenOrder("k", order(client_order_id="mine"), placed_at, None))


@pytest.mark.parametrize("changed", OFFSETS)
@pytest.mark.parametrize("ahead", OFFSETS)
async def test_not_sent_is_said_after_a_minute_whatever_wall_clocks_say(
    broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ahead: int,
    changed: int,
    autojump_clock,
) -> None:
    now = order_manager._now()
    clock = [now]
    monkeypatch.setattr(order_manager, "_now", lambda: clock[0])
    left_behind(tmp_path / "orders", now + ahead)
    async with served(broker) as server:
        started = trio.current_time()
        async with traded(server, journal=tmp_path / "orders") as api:
            await api.auth(**KEYS)
            (left,) = api.orders
            await trio.sleep(20)
            clock[0] += changed
            assert left.status is OrderStatus.UNKNOWN
            assert await left.resolved() is OrderStatus.NOT_SENT
            took = trio.current_time() - started
    assert LAST_ARRIVAL <= took <= LAST_ARRIVAL + order_manager.PAUSES[-1] + 1


@pytest.mark.parametrize("seconds", [5, 20, 59])
@pytest.mark.parametrize("age", [0, HOUR])
async def test_what_arrives_within_a_minute_is_found_and_refused_a_second_time(
    broker, tmp_path: Path, seconds: float, age: int, autojump_clock
) -> None:
    left_behind(tmp_path / "orders", order_manager._now() - age)
    async with (
        served(broker) as server,
        traded(server, journal=tmp_path / "orders") as api,
        traded(server) as dead,
    ):
        await dead.auth(**KEYS)
        await api.auth(**KEYS)
        (left,) = api.orders
        await trio.sleep(seconds)
        with pytest.raises(DuplicateOrder):
            await api.place(order(client_order_id="mine"))
        await (await dead.place(order(client_order_id="mine"))).filled()
        assert await left.resolved() is OrderStatus.FILLED
        assert len((await left.filled()).deals) == 1
        with pytest.raises(DuplicateOrder):
            await api.place(order(client_order_id="mine"))
    assert len(broker.account(HEDGED).positions) == 1
