"""An account beside the mock's broker, in memory, and the broker's ledger to compare it with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import trio

from ctrader_typed import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    Api,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
    connect_over,
)
from ctrader_typed.account import Account
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
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
