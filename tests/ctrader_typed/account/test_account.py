"""An account beside the mock's broker: in step after each order, and to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio

from ctrader_typed import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAOrderType,
    Reconnect,
    ServerError,
)
from ctrader_typed.account import (
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
    HEDGED,
    NETTED,
    SPREAD_BETTING,
)
from tests.support.accounts import BUY, SELL, WIRES, agrees, at_work, order, symbol_id


@pytest.mark.parametrize("endpoint", list(WIRES))
@pytest.mark.parametrize("account_id", [HEDGED, NETTED, SPREAD_BETTING])
async def test_what_is_filled_is_there_and_worth_what_the_server_says(
    account_id: int, endpoint: str, autojump_clock
) -> None:
    async with at_work(account_id, endpoint) as (api, account, server):
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


@pytest.mark.parametrize("endpoint", list(WIRES))
async def test_after_a_gap_it_is_reconciled_before_it_is_in_step(
    endpoint: str, autojump_clock
) -> None:
    fast = Reconnect(first=0.1, ceiling=0.2)
    async with at_work(endpoint=endpoint, reconnect=fast) as (api, account, server):
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
