"""Quotes that no stream is open for are left unread, and nothing else is."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

from ctrader_typed import (
    BadPayload,
    Message,
    ProtoOADepthEvent,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOASpotEvent,
    ProtoOASymbolChangedEvent,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import WIRES, Carrier, Connection, Wire
from ctrader_typed.wire.envelope import Envelope


def spot(bid: int, account: int = 1) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctid_trader_account_id=account, symbol_id=1, bid=bid)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[type[Message]]:
    """The types of all messages that connections have read, in order."""
    kinds: list[type[Message]] = []
    receive_data = Connection.receive_data

    def noting(self: Connection, data: bytes) -> Any:
        received = receive_data(self, data)
        kinds.extend(type(each.message) for each in received if isinstance(each, Envelope))
        return received

    monkeypatch.setattr(Connection, "receive_data", noting)
    return kinds


async def test_quotes_are_read_while_a_stream_is_open_and_only_then(
    play, autojump_clock, read: list[type[Message]]
) -> None:
    async with play() as (api, peer):
        for bid in range(3):  # the first one tells that nobody wants them
            await peer.send(spot(bid))
            await trio.sleep(1)
        assert read.count(ProtoOASpotEvent) == (1 if peer.wire._with_heads else 3)
        async with api.events(ProtoOASpotEvent) as spots:
            await peer.send(spot(10))
            assert await anext(spots) == spot(10)
        async with api.events(Message) as everything:
            await peer.send(spot(11))
            assert await anext(everything) == spot(11)
        async with api.events(ProtoOASpotEvent, account=2) as others:
            await peer.send(spot(12), spot(13, account=2))
            assert await anext(others) == spot(13, account=2)
        assert api.statistics().events == 7


async def test_what_else_nobody_wants_is_read(
    play, autojump_clock, read: list[type[Message]]
) -> None:
    changed = ProtoOASymbolChangedEvent(ctid_trader_account_id=1, symbol_id=[1])
    filled = ProtoOAExecutionEvent(
        ctid_trader_account_id=1, execution_type=ProtoOAExecutionType.ORDER_FILLED
    )
    async with play() as (api, peer):
        for _ in range(3):
            await peer.send(changed, filled)
            await trio.sleep(1)
        assert read.count(ProtoOASymbolChangedEvent) == 3
        assert read.count(ProtoOAExecutionEvent) == 3
        assert api.statistics().events == 6


async def test_the_wire_log_gets_every_message(play, autojump_clock, caplog) -> None:
    async with play() as (_, peer):
        for bid in (1, 2):
            await peer.send(spot(bid))
            await trio.sleep(1)
        with caplog.at_level(logging.DEBUG, "ctrader_typed.wire"):
            for bid in (3, 4):
                await peer.send(spot(bid))
                await trio.sleep(1)
        assert [bid for bid in range(5) if f"bid={bid}" in caplog.text] == [3, 4]


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.carrier is not Carrier.TEXT])
def test_only_the_types_named_are_left_unread(wire: Wire) -> None:
    server, client = Connection(SCHEMA, wire), Connection(SCHEMA, wire)
    client.leave_unread([ProtoOASpotEvent])
    depth = ProtoOADepthEvent(ctid_trader_account_id=1, symbol_id=1)
    seen = [each for m in (spot(1), depth, spot(2)) for each in client.receive_data(server.send(m))]
    assert seen == [Envelope(depth)]
    assert client.skipped == 2
    client.leave_unread([])
    assert client.receive_data(server.send(spot(3))) == [Envelope(spot(3))]


def test_a_broken_quote_is_told_only_to_who_reads_quotes() -> None:
    server, client = Connection(SCHEMA), Connection(SCHEMA)
    broken = server.send(spot(1))[:-1] + b"\xff"
    (told,) = client.receive_data(broken)
    assert isinstance(told, BadPayload)
    client.leave_unread([ProtoOASpotEvent])
    assert client.receive_data(broken) == []
