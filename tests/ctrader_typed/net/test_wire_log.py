"""The wire log: who asks for it gets it, one line a message, nothing secret in it."""

from __future__ import annotations

import logging
import re

import pytest
import trio

from ctrader_typed import (
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOASpotEvent,
    ProtoOATraderReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    UnknownPayload,
)
from ctrader_typed.net.wire_log import LONGEST
from ctrader_typed.wire.framing import frame

WIRE = "ctrader_typed.wire"
ANSWER = ProtoOAVersionRes(version="91")


def wire_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.name == WIRE]
    assert {record.levelno for record in records} <= {logging.DEBUG}
    return [re.sub(r"\[\S+\.", "[", record.getMessage()) for record in records]


async def test_each_message_in_one_line(play_tcp, autojump_clock, caplog):
    caplog.set_level(logging.DEBUG, WIRE)
    async with play_tcp() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, ProtoOAVersionReq, ANSWER)
        await api.version()
        await peer.send(ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=3))
        await peer.stream.send_all(frame(b"\x08\xb7\x17\x12\x03abc"))
        await trio.sleep(10)
    assert wire_lines(caplog) == [
        "→ [1] 0 bytes ProtoOAVersionReq()",
        "← [1] 4 bytes ProtoOAVersionRes(version='91')",
        "← [-] 6 bytes ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=3)",
        "← [-] 3 bytes UnknownPayload(payload_type=2999, <3 bytes>)",
        "→ [-] 0 bytes ProtoHeartbeatEvent()",
    ]


@pytest.mark.parametrize("logger", [None, "ctrader_typed"])
async def test_only_who_asks_gets_it(logger, play, autojump_clock, caplog):
    caplog.set_level(logging.DEBUG, logger)
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, ProtoOAVersionReq, ANSWER)
        await api.version()
    assert wire_lines(caplog) == []
    assert "link ended: the connection was closed by this client" in caplog.text


async def test_secrets_are_masked(play, autojump_clock, caplog):
    caplog.set_level(logging.DEBUG, WIRE)
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())
        await api.application_auth(client_id="canary-1", client_secret="canary-2")
    assert wire_lines(caplog) == [
        "→ [1] 20 bytes ProtoOAApplicationAuthReq(client_id='***', client_secret='***')",
        "← [1] 0 bytes ProtoOAApplicationAuthRes()",
    ]


async def test_a_message_without_end_is_cut(play, autojump_clock, caplog):
    caplog.set_level(logging.DEBUG, WIRE)
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, ProtoOAVersionReq, ProtoOAVersionRes(version="9" * 10_000))
        await api.version()
    (_, line) = wire_lines(caplog)
    assert len(line) < LONGEST + 100
    assert line.endswith("999… (10029 characters)")


async def test_what_was_never_sent_is_not_in_it(play, autojump_clock, caplog):
    caplog.set_level(logging.DEBUG, WIRE)
    async with play() as (api, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            await api.request(ProtoOATraderReq(ctid_trader_account_id=1))
        await trio.sleep(1)
    assert wire_lines(caplog) == []


def test_the_unknown_is_shown_by_its_number() -> None:
    assert repr(UnknownPayload(2999, b"abc")) == "UnknownPayload(payload_type=2999, <3 bytes>)"
