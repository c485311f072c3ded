"""An account beside the mock's broker: in step after each order, and to the last digit."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio

from ctrader_typed import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    Api,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
    Reconnect,
    ServerError,
    connect_over,
)
from ctrader_typed.account import (
    Account,
    BalanceChanged,
    InStep,
    OrderEnded,
    OrderPlaced,
    OutOfStep,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from mockserver.box import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    HEDGED,
    NETTED,
    SPREAD_BETTING,
    Box,
)
from mockserver.broker import margin
from mockserver.server import mock_server

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
WIRES = {"tcp": PROTOBUF_TCP, "json-ws": JSON_WEBSOCKET}


@asynccontextmanager
async def at_work(
    account_id: int = HEDGED, door: str = "tcp", **settings: Any
) -> AsyncGenerator[tuple[Api, Account, Any], None]:
    """An account in step with a broker of the box, in memory."""
    async with mock_server(Box(), port=None) as started:
        server: Any = started
        links: list[trio.abc.Stream] = []
        server.links = links  # to cut them

        async def dial() -> trio.abc.Stream:
            links.append(server.memory_client(door))
            return links[-1]

        async with connect_over(dial, wire=WIRES[door], **settings) as api:
            await api.auth(**KEYS, account_id=account_id)
            yield api, await api.account(account_id), server


def symbol_id(server: Any, name: str) -> int:
    found: int = next(
        light.symbol_id
        for light in server.broker.catalogue.light_symbols
        if light.symbol_name == name
    )
    return found


def order(account: Account, symbol: int, side: ProtoOATradeSide, volume: int, **f: Any) -> Any:
    given: dict[str, Any] = {"order_type": ProtoOAOrderType.MARKET} | f
    return ProtoOANewOrderReq(
        ctid_trader_account_id=account.account_id,
        symbol_id=symbol,
        trade_side=side,
        volume=volume,
        **given,
    )


def agrees(account: Account, server: Any) -> None:
    """The account says what the broker's ledger says, to the last digit, at this instant."""
    theirs = server.broker.account(account.account_id)
    desk = server.broker._desk  # the books themselves are the oracle
    assert account.balance == Decimal(theirs.balance) / 100
    assert {p.position_id: p.message for p in account.positions.values()} == {
        number: position.message() for number, position in theirs.positions.items()
    }
    assert account.used_margin == Decimal(margin.used_margin(theirs)) / 100
    profit = account.profit
    assert profit is not None
    gross, net = margin.total_unrealised(desk, theirs)
    assert (profit.gross, profit.net) == (Decimal(gross) / 100, Decimal(net) / 100)
    assert account.equity == Decimal(margin.equity(desk, theirs)) / 100
    assert account.free_margin == Decimal(margin.free_margin(desk, theirs)) / 100


@pytest.mark.parametrize("door", list(WIRES))
@pytest.mark.parametrize("account_id", [HEDGED, NETTED, SPREAD_BETTING])
async def test_what_is_filled_is_there_and_worth_what_the_server_says(
    account_id: int, door: str, autojump_clock
) -> None:
    async with at_work(account_id, door) as (api, account, server):
        for name, side in [("EURUSD", BUY), ("USDJPY", SELL), ("EURGBP", BUY), ("EURUSD", BUY)]:
            number = symbol_id(server, name)
            placed = await api.place(order(account, number, side, 300_000))
            fill = await placed.filled()
            assert placed.position_id in account.positions
            assert fill.volume == 300_000
        await account.settled()
        await trio.sleep(3)
        for _ in range(20):
            await trio.sleep(1)
            profits = await api.request(
                ProtoOAGetPositionUnrealizedPnLReq(ctid_trader_account_id=account_id)
            )
            for theirs in profits.position_unrealized_pnl:
                ours = account.profit_of(theirs.position_id)
                assert ours is not None
                assert ours.gross == Decimal(theirs.gross_unrealized_pnl) / 100
                assert ours.net == Decimal(theirs.net_unrealized_pnl) / 100
            agrees(account, server)
        for position in list(account.positions.values()):
            part = position.volume // 3
            for volume in (part, position.volume - part):
                closing = await api.place(
                    ProtoOAClosePositionReq(
                        ctid_trader_account_id=account_id,
                        position_id=position.position_id,
                        volume=volume,
                    )
                )
                await closing.filled()
        assert not account.positions
        assert account.equity == account.balance
        agrees(account, server)


async def test_changes_tell_of_everything_once(autojump_clock) -> None:
    async with at_work() as (api, account, server), account.changes() as changes:
        eurusd = symbol_id(server, "EURUSD")
        await (
            await api.place(
                order(
                    account,
                    eurusd,
                    BUY,
                    200_000,
                    relative_stop_loss=20_000,
                    relative_take_profit=20_000,
                )
            )
        ).filled()
        await trio.sleep(1)
        (position,) = account.positions.values()
        assert position.stop_loss is not None
        assert position.take_profit is not None
        await api.place(
            ProtoOAAmendPositionSLTPReq(
                ctid_trader_account_id=HEDGED,
                position_id=position.position_id,
                stop_loss=float(position.stop_loss),
            )
        )
        assert account.positions[position.position_id].take_profit is None
        limit = await api.place(
            order(account, eurusd, BUY, 100_000, order_type=ProtoOAOrderType.LIMIT, limit_price=0.5)
        )
        assert limit.order_id in account.pending
        await api.place(
            ProtoOACancelOrderReq(ctid_trader_account_id=HEDGED, order_id=limit.order_id or 0)
        )
        assert not account.pending
        closing = await api.place(
            ProtoOAClosePositionReq(
                ctid_trader_account_id=HEDGED, position_id=position.position_id, volume=200_000
            )
        )
        await closing.filled()
        assert not account.positions
        await trio.sleep(1)
        agrees(account, server)
        kinds = []
        while True:
            try:
                kinds.append(type(changes.receive_nowait()))
            except trio.WouldBlock:
                break
        assert kinds == [
            PositionOpened,
            PositionChanged,
            PositionChanged,
            OrderPlaced,
            OrderEnded,
            PositionClosed,
            BalanceChanged,
        ]


@pytest.mark.parametrize("door", list(WIRES))
async def test_after_a_gap_it_is_reconciled_before_it_is_in_step(door: str, autojump_clock) -> None:
    fast = Reconnect(first=0.1, ceiling=0.2)
    async with at_work(door=door, reconnect=fast) as (api, account, server):
        eurusd = symbol_id(server, "EURUSD")
        kept = await api.place(order(account, eurusd, BUY, 100_000))
        await kept.filled()
        async with account.changes() as changes:
            await trio.aclose_forcefully(server.links[-1])
            server.broker.deposit(HEDGED, 500)
            assert isinstance(await changes.receive(), OutOfStep)
            seen = [await changes.receive()]
            while not isinstance(seen[-1], InStep):
                seen.append(await changes.receive())
            assert BalanceChanged in map(type, seen)
        await account.settled()
        assert account.in_step
        await trio.sleep(1)
        agrees(account, server)


async def test_an_account_without_a_session_is_refused(autojump_clock) -> None:
    async with at_work() as (api, _, _):
        with pytest.raises(ServerError):
            await api.account(NETTED)


async def test_shown_in_a_notebook(autojump_clock) -> None:
    async with at_work() as (api, account, server):
        await (await api.place(order(account, symbol_id(server, "EURUSD"), BUY, 100_000))).filled()
        await account.settled()
        shown = account._repr_html_()
        assert "<table>" in shown
        assert "EURUSD" in shown
        assert ACCESS_TOKEN not in shown + repr(account)
