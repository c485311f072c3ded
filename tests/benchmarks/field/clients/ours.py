"""This package, with everything switched on: correlation, limits, streams, statistics."""

from itertools import accumulate

import trio
from scenario import ACCOUNT, TOLD, play, ssl_context

from ctrader_typed import connect
from ctrader_typed.proto import (
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
    ProtoOAQuoteType,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOATrendbarPeriod,
    ProtoOAVersionReq,
)
from ctrader_typed.wire.limits import RateLimits

PLENTY = RateLimits(ordinary=1_000_000, historical=1_000_000)
"""The limits are kept, but never reached."""


class Ours:
    def __init__(self, api):
        self.api = api

    async def ask(self):
        await self.api.request(ProtoOAVersionReq())

    async def ask_many(self, count, at_once):
        async def one_after_another():
            for _ in range(count // at_once):
                await self.api.request(ProtoOAVersionReq())

        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(one_after_another)

    async def spots(self, count, rate):
        request = ProtoOASubscribeSpotsReq(ctid_trader_account_id=ACCOUNT, symbol_id=[count, rate])
        async with self.api.events(ProtoOASpotEvent) as stream:
            await self.api.request(request)
            async for spot in stream:
                _ = spot.symbol_id, spot.bid, spot.ask
                count -= 1
                if count == 0:
                    return

    async def bars(self):
        answer = await self.api.request(
            ProtoOAGetTrendbarsReq(
                ctid_trader_account_id=ACCOUNT, symbol_id=1, period=ProtoOATrendbarPeriod.M1
            )
        )
        _ = [bar.low for bar in answer.trendbar]
        _ = [bar.low + bar.delta_open for bar in answer.trendbar]
        _ = [bar.low + bar.delta_high for bar in answer.trendbar]
        return [bar.low + bar.delta_close for bar in answer.trendbar]

    async def ticks(self):
        answer = await self.api.request(
            ProtoOAGetTickDataReq(
                ctid_trader_account_id=ACCOUNT, symbol_id=1, type=ProtoOAQuoteType.BID
            )
        )
        _ = list(accumulate([tick.timestamp for tick in answer.tick_data]))
        return list(accumulate([tick.tick for tick in answer.tick_data]))


async def main():
    async with connect(TOLD["host"], TOLD["port"], ssl_context=ssl_context(), limits=PLENTY) as api:
        await play(Ours(api))


trio.run(main)
