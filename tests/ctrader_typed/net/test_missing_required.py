"""`connect(missing_required=…)`: what a client makes of a server that leaves zeros out."""

from __future__ import annotations

import pytest
import trio

from ctrader_typed import (
    DecodeError,
    ProtoOAGetTrendbarsReq,
    ProtoOASymbolByIdReq,
    ProtoOATrendbarPeriod,
)
from tests.ctrader_typed.conftest import Play

WITHOUT_PIP_POSITION = bytes([16, 1, 26, 4, 8, 41, 16, 2])  # symbol 41, digits 2
BARS = bytes([16, 1, 24, 1, 42, 4, 40, 5, 72, 7])  # a bar without a volume


async def test_the_strict_client_refuses_and_the_lenient_one_reads_zero(
    play_tcp: Play, autojump_clock: object
) -> None:
    symbol = ProtoOASymbolByIdReq(ctid_trader_account_id=1, symbol_id=[41])
    for lenient in (False, True):
        chosen = {"missing_required": "default"} if lenient else {}
        async with play_tcp(**chosen) as (api, peer), trio.open_nursery() as nursery:

            async def reply(peer=peer) -> None:  # type: ignore[no-untyped-def]  # bound as it is now
                to = await peer.expect(ProtoOASymbolByIdReq)
                await peer.send_payload(2117, WITHOUT_PIP_POSITION, to)

            nursery.start_soon(reply)
            if lenient:
                answer = await api.request(symbol)
                assert answer.symbol[0].pip_position == 0
            else:
                with pytest.raises(DecodeError, match="pip_position"):
                    await api.request(symbol)


async def test_columns_of_a_lenient_client_have_a_zero_too(
    play_tcp: Play, autojump_clock: object
) -> None:
    request = ProtoOAGetTrendbarsReq(
        ctid_trader_account_id=1, symbol_id=1, period=ProtoOATrendbarPeriod.M1
    )
    async with (
        play_tcp(missing_required="default") as (api, peer),
        trio.open_nursery() as nursery,
    ):

        async def reply() -> None:
            to = await peer.expect(ProtoOAGetTrendbarsReq)
            await peer.send_payload(2138, BARS, to)

        nursery.start_soon(reply)
        columns = await api.columns(request)
        assert (list(columns["low"]), list(columns["volume"])) == ([5], [0])
