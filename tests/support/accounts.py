"""An account beside the mock's broker, in memory, and the broker's ledger to compare it with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import trio
import trio.testing

from ctrader_typed import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    Api,
    ProtoOAAccountType,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATradeSide,
    connect_over,
)
from ctrader_typed.account import Account
from mockserver.box import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    HEDGED,
    NETTED,
    Box,
    standard_credentials,
)
from mockserver.broker.broker import Broker
from mockserver.broker.market.prices import TickList
from mockserver.broker.trading import margin
from mockserver.broker.trading.account import Terms
from mockserver.composition import mock_server
from tests.mockserver.broker.trading.harness import QUOTES
from tests.support import releases
from tests.support.releases import as_ours

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
WIRES = {"tcp": PROTOBUF_TCP, "json-ws": JSON_WEBSOCKET}


@asynccontextmanager
async def at_work(
    account_id: int = HEDGED, endpoint: str = "tcp", box: Box | None = None, **settings: Any
) -> AsyncGenerator[tuple[Api, Account, Any], None]:
    """An account in step with a broker of the box, in memory."""
    async with mock_server(Box() if box is None else box, port=None) as started:
        server: Any = started
        links: list[trio.abc.Stream] = []
        server.links = links  # to cut them

        async def dial() -> trio.abc.Stream:
            links.append(server.memory_client(endpoint))
            return links[-1]

        settings = {"schema": releases.PACKAGE, "wire": WIRES[endpoint]} | settings
        async with connect_over(dial, **settings) as api:
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


def still_box(**broker: Any) -> Box:
    """The accounts of the box, in a market that stands still until a test moves it."""
    still = TickList.still((number, bid, ask) for number, (bid, ask) in QUOTES.items())
    house, kinds = Broker(prices=still, **broker), ProtoOAAccountType
    for account_id, kind in {HEDGED: kinds.HEDGED, NETTED: kinds.NETTED}.items():
        house.open_account(account_id, Terms(account_type=kind), deposit=10_000)
    return Box(house, standard_credentials(house))


async def cut(server: Any) -> None:
    """The link is gone, and everybody knows."""
    await trio.aclose_forcefully(server.links[-1])
    await trio.testing.wait_all_tasks_blocked()


async def same_as_server(api: Api, account: Account) -> None:
    """What the account has is what a fresh question of everything finds."""
    number = account.account_id
    state, trader, again = None, None, None
    while state is None or state != again:  # a request may wait for its place: time passes
        state = await api.request(ProtoOAReconcileReq(ctid_trader_account_id=number))
        trader = await api.request(ProtoOATraderReq(ctid_trader_account_id=number))
        again = await api.request(ProtoOAReconcileReq(ctid_trader_account_id=number))
    assert trader is not None
    assert account.in_step
    assert {n: as_ours(p.message) for n, p in account.positions.items()} == {
        position.position_id: as_ours(position) for position in state.position
    }
    assert dict(account.pending) == {order.order_id: order for order in state.order}
    ours, theirs = without_bonus(account.trader), without_bonus(trader.trader)
    assert ours == theirs, f"{ours} is not {theirs}"
    assert (account.trader.manager_bonus or 0) == (trader.trader.manager_bonus or 0)


def without_bonus(trader: ProtoOATrader) -> ProtoOATrader:
    """A bonus of 0 is as good as none."""
    return trader.__replace__(manager_bonus=None, ib_bonus=None)


def agrees(account: Account, server: Any) -> None:
    """The account says what the broker's ledger says, to the last digit, at this instant."""
    theirs = server.broker.account(account.account_id)
    desk = server.broker._state  # the books themselves are the oracle
    assert account.balance == Decimal(theirs.balance) / 100
    assert {p.position_id: as_ours(p.message) for p in account.positions.values()} == {
        number: position.message() for number, position in theirs.positions.items()
    }
    assert account.used_margin == Decimal(margin.used_margin(theirs)) / 100
    profit = account.profit
    assert profit is not None
    gross, net = margin.total_unrealised(desk, theirs)
    assert (profit.gross, profit.net) == (Decimal(gross) / 100, Decimal(net) / 100)
    assert account.equity == Decimal(margin.equity(desk, theirs)) / 100
    assert account.free_margin == Decimal(margin.free_margin(desk, theirs)) / 100
