"""`api.columns(...)`: the rows of an answer as columns, on every wire, and what else may come."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import (
    Columns,
    ConnectionLost,
    LocalProtocolError,
    ProtoOAErrorRes,
    ProtoOAGetTickDataReq,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOAQuoteType,
    ProtoOASymbolsListReq,
    ProtoOATickData,
    ProtoOATrendbarPeriod,
    ServerError,
    connect_over,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from mockserver.server.endpoints import ENDPOINTS

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
TICKS = ProtoOAGetTickDataReq(
    ctid_trader_account_id=1,
    symbol_id=1,
    type=ProtoOAQuoteType.BID,
    from_timestamp=0,
    to_timestamp=10,
)
ANSWER = ProtoOAGetTickDataRes(
    ctid_trader_account_id=1,
    tick_data=[ProtoOATickData(timestamp=9, tick=5), ProtoOATickData(timestamp=-1, tick=-2)],
    has_more=False,
)


@pytest.mark.parametrize("door", ["tcp", "ws", "json-ws"])
async def test_bars_of_the_mock_in_columns(door: str, autojump_clock) -> None:
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client(door), wire=ENDPOINTS[door].wire) as api,
    ):
        await api.auth(**KEYS, account_id=HEDGED)
        asked = ProtoOAGetTrendbarsReq(
            ctid_trader_account_id=HEDGED,
            symbol_id=1,
            period=ProtoOATrendbarPeriod.M1,
            count=700,
            to_timestamp=server.broker.now_ms,
        )
        columns = await api.columns(asked)
        messages = await api.request(asked)
        assert isinstance(columns, Columns)
        assert len(columns) == len(messages.trendbar) > 600
        for name, column in columns.columns.items():
            assert column.tolist() == [getattr(bar, name) or 0 for bar in messages.trendbar]
        rest: Any = columns.reply
        assert isinstance(rest, ProtoOAGetTrendbarsRes)
        assert rest.trendbar == []
        messages.trendbar = []
        assert rest == messages


async def test_an_answer_without_rows_is_refused_unasked(play, autojump_clock) -> None:
    async with play() as (api, _):
        with pytest.raises(LocalProtocolError, match="ProtoOASymbolsListReq has no rows"):
            await api.columns(ProtoOASymbolsListReq(ctid_trader_account_id=1))


async def test_a_refusal_is_an_error_as_always(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ServerError, match="INCORRECT_BOUNDARIES"):
                await api.columns(TICKS)

        nursery.start_soon(ask)
        name = await peer.expect(ProtoOAGetTickDataReq)
        await peer.send(ProtoOAErrorRes(error_code="INCORRECT_BOUNDARIES"), to=name)


async def test_messages_and_columns_side_by_side(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:
        answers: dict[str, Any] = {}

        async def ask(how: str) -> None:
            ask = api.columns if how == "columns" else api.request
            answers[how] = await ask(TICKS)

        nursery.start_soon(ask, "columns")
        first = await peer.expect(ProtoOAGetTickDataReq)
        nursery.start_soon(ask, "messages")
        second = await peer.expect(ProtoOAGetTickDataReq)
        await peer.send(ANSWER, to=second)
        await peer.send(ANSWER, to=first)
        await trio.sleep(1)
        assert answers["messages"] == ANSWER
        assert answers["columns"]["timestamp"].tolist() == [9, -1]
        assert answers["columns"]["tick"].tolist() == [5, -2]


async def test_a_late_answer_to_a_cancelled_one_is_swallowed(play, autojump_clock) -> None:
    async with play() as (api, peer), api.events(ProtoOAGetTickDataRes) as events:
        with trio.move_on_after(1):
            await api.columns(TICKS)
        name = await peer.expect(ProtoOAGetTickDataReq)
        await peer.send(ANSWER, to=name)
        with trio.move_on_after(1) as nothing:
            await anext(events)
        assert nothing.cancelled_caught


async def test_it_fails_when_the_connection_does(play, autojump_clock) -> None:
    async with play() as (api, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ConnectionLost):
                await api.columns(TICKS)
            with pytest.raises(ConnectionLost):
                await api.columns(TICKS)

        nursery.start_soon(ask)
        await peer.expect(ProtoOAGetTickDataReq)
        await peer.stream.aclose()


async def test_a_blocked_one_is_asked_again(autojump_clock) -> None:
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await api.auth(**KEYS, account_id=HEDGED)
        asked = ProtoOAGetTrendbarsReq(
            ctid_trader_account_id=HEDGED,
            symbol_id=1,
            period=ProtoOATrendbarPeriod.M1,
            count=10,
            to_timestamp=server.broker.now_ms,
        )
        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(api.columns, asked)
        server.check()
