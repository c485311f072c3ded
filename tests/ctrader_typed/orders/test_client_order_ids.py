"""The same client_order_id twice: refused where there is a journal, and two orders where not."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from ctrader_typed import (
    DuplicateOrder,
    Journal,
    LocalProtocolError,
    NotSent,
    OpenOrder,
    OrderStatus,
    UsedId,
)
from mockserver.box import HEDGED
from tests.ctrader_typed.orders.test_place import KEYS, broker, limit, order, served, traded

__all__ = ["broker"]  # a fixture


async def test_with_a_journal_a_known_id_is_refused_before_it_is_sent(
    broker, tmp_path: Path, autojump_clock
) -> None:
    path = tmp_path / "orders"
    async with served(broker) as server:
        async with traded(server, journal=path) as api:
            await api.auth(**KEYS)
            first = await api.place(order(client_order_id="mine"))
            await first.filled()
            with pytest.raises(DuplicateOrder) as caught:
                await api.place(order(client_order_id="mine"))
            assert caught.value.order is first
            assert isinstance(caught.value, LocalProtocolError)
        async with traded(server, journal=path) as api:  # the next process
            await api.auth(**KEYS)
            with pytest.raises(DuplicateOrder) as caught:
                await api.place(order(client_order_id="mine"))
            error = caught.value
            assert (error.status, error.order) == ("FILLED", None)
            assert (error.order_id, error.position_id) == (first.order_id, first.position_id)
            assert f"'mine' belongs to order {first.order_id} (FILLED, position" in str(error)
            other = await api.place(order(client_order_id="other"))
            await other.filled()
    assert len(broker.account(HEDGED).positions) == 2


async def test_the_id_of_an_order_that_waits_is_refused_in_the_next_process_too(
    broker, tmp_path: Path, autojump_clock
) -> None:
    path = tmp_path / "orders"
    async with served(broker) as server:
        async with traded(server, journal=path) as api:
            await api.auth(**KEYS)
            await api.place(limit(client_order_id="mine"))
        async with traded(server, journal=path) as api:
            await api.auth(**KEYS)
            with pytest.raises(DuplicateOrder) as caught:
                await api.place(limit(client_order_id="mine"))
            assert caught.value.order in list(api.orders)


async def test_without_a_journal_an_id_does_not_keep_an_order_from_being_doubled(
    broker, autojump_clock
) -> None:
    async with served(broker) as server, traded(server) as api:
        await api.auth(**KEYS)
        for _ in range(2):
            placed = await api.place(order(client_order_id="mine"))
            async for _event in placed.events:
                pass
    assert len(broker.account(HEDGED).positions) == 2


async def test_an_order_that_never_left_is_not_sent_in_the_next_process_and_its_id_free(
    broker, tmp_path: Path, autojump_clock
) -> None:
    path = tmp_path / "orders"
    with Journal(path) as journal:  # and then the process was killed
        journal.opened(OpenOrder("k", order(client_order_id="mine"), 1_772_400_000_000, None))
    async with served(broker) as server, traded(server, journal=path) as api:
        await api.auth(**KEYS)
        (left,) = api.orders
        with trio.fail_after(70):  # of a minute its bytes might still be on their way
            assert await left.resolved() is OrderStatus.NOT_SENT
        with pytest.raises(NotSent, match="an earlier process ended before it was sent"):
            await left.filled()
        assert list(api.orders) == [left]  # for a while
        await (await api.place(order(client_order_id="mine"))).filled()
    assert len(broker.account(HEDGED).positions) == 1
    with Journal(path) as journal:
        assert journal.open_orders() == []


def test_a_journal_keeps_the_ids_that_programs_gave_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "orders"
    with Journal(path) as journal:
        for key, status in (("k1", "FILLED"), ("k2", "NOT_SENT"), ("k3", "REJECTED")):
            journal.opened(OpenOrder(key, order(client_order_id=f"of {key}"), 0, None))
            journal.known(key, 7, 5)
            journal.ended(key, status)
        journal.opened(OpenOrder("k4", order(client_order_id="k4"), 0, None))
        journal.ended("k4", "FILLED")
    for _ in range(3):  # as it was, after it was made smaller too
        with Journal(path) as journal:
            assert journal.used(HEDGED, "of k1") == UsedId("FILLED", 7, 5)
            assert journal.used(HEDGED, "of k3") == UsedId("REJECTED", 7, 5)
            assert journal.used(HEDGED, "of k2") is None
            assert journal.used(HEDGED, "k4") is None
            assert journal.used(HEDGED + 1, "of k1") is None
        assert path.read_bytes().count(b"\n") == 3


def test_a_journal_keeps_the_last_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrader_typed.orders.journal.KEPT", 2)
    path = tmp_path / "orders"
    with Journal(path) as journal:
        for number in range(4):
            journal.opened(OpenOrder(f"k{number}", order(client_order_id=f"n{number}"), 0, None))
            journal.ended(f"k{number}", "FILLED")
    with Journal(path) as journal:
        kept = [n for n in range(4) if journal.used(HEDGED, f"n{n}") is not None]
        assert kept == [2, 3]
