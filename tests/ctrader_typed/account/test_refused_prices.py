"""Refused prices cost only what needs them: the account opens, says which, and trades."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import pytest
import trio
import trio.testing

from ctrader_typed import (
    Account,
    Message,
    ProtoOAErrorRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolByIdReq,
    ProtoOASymbolsForConversionReq,
    ServerError,
    UnknownName,
    connect_over,
)
from mockserver.box import HEDGED, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.market.prices import TickList
from mockserver.broker.trading.account import Terms
from tests.mockserver.broker.trading.harness import QUOTES
from tests.support.accounts import BUY, KEYS, agrees, at_work, still_box

EURUSD, GBPUSD, USDJPY = 1, 2, 4

Refused = Callable[[Message], bool]


def spots_of(*symbols: int) -> Refused:
    def refused(message: Message) -> bool:
        return isinstance(message, ProtoOASubscribeSpotsReq) and any(
            each in message.symbol_id for each in symbols
        )

    return refused


def chains(message: Message) -> bool:
    return isinstance(message, ProtoOASymbolsForConversionReq)


class Refusing:
    """A server that refuses some requests of a client, for as long as it is told to."""

    def __init__(self, api: Any, refused: Refused, code: str) -> None:
        self._request = api.request
        self.refused, self.code = refused, code
        self.asked = 0
        api.request = self.request

    async def request(self, message: Message) -> Any:
        if self.refused(message):
            self.asked += 1
            await trio.lowlevel.checkpoint()
            reply = ProtoOAErrorRes(error_code=self.code)
            raise ServerError(self.code, "not for you", message, reply)  # type: ignore[arg-type]
        return await self._request(message)


@asynccontextmanager
async def opened(
    refused: Refused, code: str = "INVALID_REQUEST"
) -> AsyncGenerator[tuple[Account, Refusing, Any], None]:
    """An account that had a position in each of three symbols when a second client came to it."""
    async with at_work(box=still_box()) as (_, first, server):
        for name in ("EURUSD", "GBPUSD", "USDJPY"):
            await (await first.buy(name, lots="0.10")).filled()

        async def dial() -> trio.abc.Stream:
            return server.memory_client("tcp")

        async with connect_over(dial) as api:
            await api.auth(**KEYS, account_id=HEDGED)
            refusing = Refusing(api, refused, code)
            with trio.fail_after(1):
                account = await api.account(HEDGED)
            yield account, refusing, server


@pytest.mark.parametrize(
    "code", ["SYMBOL_NOT_FOUND", "INVALID_REQUEST", "UNKNOWN_ERROR", "CANT_ROUTE_REQUEST", "NEW"]
)
async def test_refused_spots_of_one_symbol_leave_an_account_that_trades(
    code: str, autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with opened(spots_of(GBPUSD), code) as (account, _, server):
            assert account.in_step
            (name, error), *others = account.price_errors.items()
            assert (name, others) == ("GBPUSD", [])
            assert isinstance(error, ServerError)
            assert error.code == code
            assert "no prices of GBPUSD" in repr(account)
            profits = {p.symbol_id: account.profit_of(p) for p in account.positions.values()}
            assert profits[GBPUSD] is None
            assert profits[EURUSD] is not None
            assert profits[USDJPY] is not None
            assert (account.equity, account.free_margin, account.profit) == (None, None, None)
            with pytest.raises(ServerError, match="not for you"):
                await account.settled()
            await (await account.buy("GBPUSD", lots="0.01")).filled()
            for closing in await account.close_all():
                assert closing.error is None
                await closing.filled()
            await account.settled()
            assert account.price_errors == {}
            agrees(account, server)
    assert len([r for r in caplog.records if "has no prices of GBPUSD" in r.getMessage()]) == 1


async def test_a_refused_conversion_chain_costs_only_what_is_converted(autojump_clock: Any) -> None:
    async with opened(chains, "UNKNOWN_ERROR") as (account, _, _server):
        assert set(account.price_errors) <= {"EURUSD", "GBPUSD", "USDJPY"}
        assert "USDJPY" in account.price_errors
        position = next(p for p in account.positions.values() if p.symbol_id == USDJPY)
        await (await account.close(position)).filled()
        assert position.position_id not in account.positions


async def test_a_position_in_a_symbol_without_details_is_told_and_can_be_closed(
    autojump_clock: Any,
) -> None:
    def details(message: Message) -> bool:
        return isinstance(message, ProtoOASymbolByIdReq) and GBPUSD in message.symbol_id

    async with opened(details) as (account, _, server):
        assert list(account.price_errors) == [str(GBPUSD)]
        assert isinstance(account.price_errors[str(GBPUSD)], UnknownName)
        with trio.fail_after(5), pytest.raises(UnknownName, match="no details"):
            await account.settled()
        for closing in await account.close_all():
            await closing.filled()
        await account.settled()
        agrees(account, server)


async def test_a_refused_chain_leaves_estimates_that_do_not_need_it(autojump_clock: Any) -> None:
    """In euros: GER40.cash is charged nothing, but its leverage goes by US dollars."""
    euros = Terms(deposit_asset_id=5)
    house = Broker(prices=TickList.still((n, bid, ask) for n, (bid, ask) in QUOTES.items()))
    house.open_account(HEDGED, euros, deposit=10_000)
    box = Box(house, standard_credentials(house))
    async with at_work(box=box) as (api, account, _):
        allowed = await account.commission_for("GER40.cash", BUY, lots=1)
        Refusing(api, chains, "SYMBOL_NOT_FOUND")
        other = await api.account(HEDGED)
        with trio.fail_after(5):
            assert await other.commission_for("GER40.cash", BUY, lots=1) == allowed
            with pytest.raises(ServerError, match="not for you"):
                await other.commission_for("EURGBP", BUY, lots=1)
            with pytest.raises(ServerError, match="not for you"):
                await other.margin_for("GER40.cash", lots=1)


async def test_an_amendment_is_not_refused_for_the_prices_of_another_symbol(
    autojump_clock: Any,
) -> None:
    async with opened(spots_of(GBPUSD)) as (account, _, _server):
        order = await account.buy("EURUSD", lots="0.10", stop_loss_pips=20)
        fill = await order.filled()
        await account.amend(order.position_id or 0, take_profit_pips=30)
        assert fill is not None
        money = await account.sell("EURUSD", lots="0.10", stop_loss_money=20)
        await money.filled()


async def test_refused_prices_are_asked_for_again_and_come_back(autojump_clock: Any) -> None:
    async with opened(spots_of(GBPUSD)) as (account, refusing, server):
        await trio.sleep(20)
        assert 3 <= refusing.asked <= 12
        assert list(account.price_errors) == ["GBPUSD"]
        refusing.refused = lambda _: False
        await trio.sleep(12)
        assert account.price_errors == {}
        await account.settled()
        agrees(account, server)


async def test_a_new_position_has_its_prices_at_once_while_another_symbol_is_refused(
    autojump_clock: Any,
) -> None:
    async with opened(spots_of(GBPUSD)) as (account, _, _server):
        await trio.sleep(10)  # the pauses between attempts are long by now
        order = await account.buy("EURJPY", lots="0.01")
        await order.filled()
        await trio.sleep(0.5)
        assert account.profit_of(order.position_id or 0) is not None


async def test_a_lone_quote_does_not_wake_the_task_that_keeps_the_account_in_step(
    autojump_clock: Any,
) -> None:
    async with at_work(box=still_box()) as (_, account, server):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        await account.settled()
        async with account.quotes("EURUSD") as quotes:
            await anext(quotes)
            await trio.testing.wait_all_tasks_blocked()
            calls: list[str] = []
            of_client: list[str] = []

            def profile(frame: FrameType, event: str, _: object) -> None:
                code = frame.f_code
                if event == "call" and "/ctrader_typed/" in code.co_filename:
                    calls.append(code.co_qualname)
                    called = frame.f_locals.get("function")
                    if not getattr(called, "__module__", "mockserver").startswith("mockserver"):
                        of_client.append(code.co_qualname)

            before = sys.getprofile()
            sys.setprofile(profile)
            try:
                server.broker.set_price(EURUSD, "1.0850")
                await trio.testing.wait_all_tasks_blocked()
            finally:
                sys.setprofile(before)
            assert (await anext(quotes)).is_known
        assert [call for call in calls if call.startswith("Synchroniser.")] == [
            "Synchroniser._hear"
        ]
        assert "_suggesting.<locals>.call" not in of_client
        assert len(calls) < 130  # 171 were counted when it woke that task
