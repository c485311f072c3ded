"""Who listens to an account's changes: slow, gone or late, it harms neither the account nor others.

And what each of them hears around a gap: every deal once.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing

from ctrader_typed import (
    Api,
    BalanceChanged,
    Change,
    ConnectFailed,
    InStep,
    Message,
    OutOfStep,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    ProtoOAErrorRes,
    ProtoOAReconcileReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsForConversionRes,
    Reconnect,
    ServerError,
    UnexpectedReply,
)
from ctrader_typed.account import listeners
from mockserver.box import HEDGED
from tests.support.accounts import BUY, agrees, at_work, cut, order, still_box

EURUSD, USDJPY, BTCUSD = 1, 4, 324


def waiting(changes: listeners.Changes) -> list[Change]:
    """All that can be had at once."""
    found: list[Change] = []
    while True:
        try:
            found.append(changes.receive_nowait())
        except trio.WouldBlock:
            return found


async def test_a_listener_that_closes_its_end_harms_nobody(autojump_clock) -> None:
    async with (
        at_work(box=still_box()) as (_, account, server),
        account.changes() as gone,
        account.changes() as stays,
    ):
        await gone.aclose()
        server.broker.deposit(HEDGED, 5)
        assert isinstance(await stays.receive(), BalanceChanged)
        await (await account.buy("EURUSD", lots="0.1")).filled()
        await account.settled()
        assert account.in_step
        agrees(account, server)


async def test_a_slow_listener_misses_nothing_and_is_complained_of(
    autojump_clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listeners, "CROWDED", 20)
    async with at_work(box=still_box()) as (_, account, server), account.changes() as changes:
        with caplog.at_level(logging.WARNING):
            for _ in range(50):
                server.broker.deposit(HEDGED, 1)
                await trio.testing.wait_all_tasks_blocked()
        complaints = [r.getMessage() for r in caplog.records if "wait to be fetched" in r.message]
        assert complaints == [
            "20 changes of an account wait to be fetched",
            "40 changes of an account wait to be fetched",
        ]
        told = waiting(changes)
        assert [type(change) for change in told] == [BalanceChanged] * 50
        assert account.balance == Decimal(10_050)


async def test_changes_end_with_the_client_and_there_are_none_after_it(autojump_clock) -> None:
    async with trio.open_nursery() as nursery:
        heard: list[Change] = []

        async def listen(account: Any, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
            async with account.changes() as changes:
                task_status.started()
                heard.extend([change async for change in changes])

        async with at_work(box=still_box()) as (_, account, _server):
            await nursery.start(listen, account)
    assert [type(change) for change in heard] == [OutOfStep]
    async with account.changes() as changes:
        with pytest.raises(trio.EndOfChannel):
            await changes.receive()


class Slow:
    """Holds back what the server says to a reconciliation, until it is let go."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self._request: Any = api.request
        self.asked, self.go_on = trio.Event(), trio.Event()
        monkeypatch.setattr(api, "request", self.request)

    async def request(self, message: Message) -> Any:
        answer = await self._request(message)
        if isinstance(message, ProtoOAReconcileReq):
            self.asked.set()
            await self.go_on.wait()
        return answer


async def test_deals_that_race_with_a_reconciliation_are_told_once(
    autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = Reconnect(first=0.1, ceiling=0.2)
    async with at_work(box=still_box(), reconnect=fast) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.30")).filled()
        (number,) = account.positions
        slow = Slow(api, monkeypatch)
        async with account.changes() as changes:
            await cut(server)
            await slow.asked.wait()
            assert not account.in_step
            await (await api.place(order(account, EURUSD, BUY, 100_000))).filled()
            await (await account.close(number, lots="0.10")).filled()
            slow.go_on.set()
            await account.settled()
            told = waiting(changes)
        assert [type(change) for change in told] == [
            OutOfStep,
            PositionOpened,
            PositionChanged,
            BalanceChanged,
            InStep,
        ]
        assert account.positions[number].volume == 2_000_000
        agrees(account, server)


async def test_what_was_closed_while_nobody_listened_is_told_before_it_is_in_step(
    autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = Reconnect(first=0.1, ceiling=0.2)
    async with at_work(box=still_box(), reconnect=fast) as (_, account, server):
        await (await account.buy("EURUSD", lots="0.10", stop_loss_pips=20)).filled()
        await trio.sleep(1)
        (position,) = account.positions.values()
        async with account.changes() as changes:
            with monkeypatch.context() as away:
                away.setattr(server, "memory_client", unreachable)
                await cut(server)
                server.broker.set_price(EURUSD, "1.0700")
                await trio.sleep(1)
                assert position.position_id in account.positions  # as far as is known
            await account.settled()
            lost, *found, back = waiting(changes)
        assert (type(lost), back) == (OutOfStep, InStep())
        assert [type(change) for change in found] == [BalanceChanged, PositionClosed]
        closed = found[1]
        assert isinstance(closed, PositionClosed)
        assert (closed.position, closed.deal) == (position, None)
        assert not account.positions
        agrees(account, server)


def unreachable(door: str) -> trio.abc.Stream:
    """There is no way to the server."""
    raise ConnectFailed(f"no way to {door}")


async def test_an_answer_that_makes_no_sense_is_asked_for_again(
    autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain of symbols that leads elsewhere: told to who waits, and no end of the account."""
    async with at_work(box=still_box()) as (api, account, server):
        request: Any = api.request
        nonsense = True

        async def answered(message: Message) -> Any:
            answer = await request(message)
            if nonsense and isinstance(answer, ProtoOASymbolsForConversionRes):
                return answer.__replace__(symbol=[])
            return answer

        monkeypatch.setattr(api, "request", answered)
        await (await api.place(order(account, USDJPY, BUY, 100_000))).filled()
        bitcoin = await api.place(order(account, BTCUSD, BUY, 1))
        await bitcoin.filled()
        with pytest.raises(UnexpectedReply, match="expected a chain of symbols"):
            await account.settled()
        assert account.in_step
        # It keeps neither others from their prices, nor symbols from being loaded again.
        changed = account.symbol("EURUSD").details.__replace__(max_volume=700_000)
        server.broker.change_symbol(changed)
        await trio.sleep(60)
        assert account.symbol("EURUSD").max_volume == 700_000
        assert account.profit_of(bitcoin.position_id or 0) is not None
        assert account.equity is None
        nonsense = False
        await trio.sleep(60)
        await account.settled()
        agrees(account, server)


async def test_prices_that_are_refused_are_of_no_concern_without_a_position(
    autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        request: Any = api.request

        async def refused(message: Message) -> Any:
            if isinstance(message, ProtoOASubscribeSpotsReq) and BTCUSD in message.symbol_id:
                reply = ProtoOAErrorRes(error_code="SYMBOL_NOT_FOUND")
                raise ServerError("SYMBOL_NOT_FOUND", "no prices of it", message, reply)
            return await request(message)

        monkeypatch.setattr(api, "request", refused)
        waits = await account.limit("BTCUSD", BUY, "100", volume=1)
        with pytest.raises(ServerError, match="no prices of it"):
            await account.settled()
        await account.cancel(waits.order_id or 0)
        await trio.sleep(60)
        await account.settled()
        agrees(account, server)
