"""This package, with everything switched on: correlation, limits, streams, statistics."""

from importlib import import_module

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
from ctrader_typed.protocol.rate_limits import RateLimits

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
        bars = await self.api.columns(
            ProtoOAGetTrendbarsReq(
                ctid_trader_account_id=ACCOUNT, symbol_id=1, period=ProtoOATrendbarPeriod.M1
            )
        )
        numpy = import_module("numpy")  # as a program does that needs history
        low = numpy.frombuffer(bars["low"], numpy.int64)
        _ = low + numpy.frombuffer(bars["delta_open"], numpy.int64)
        _ = low + numpy.frombuffer(bars["delta_high"], numpy.int64)
        return low + numpy.frombuffer(bars["delta_close"], numpy.int64)

    async def ticks(self):
        ticks = await self.api.columns(
            ProtoOAGetTickDataReq(
                ctid_trader_account_id=ACCOUNT, symbol_id=1, type=ProtoOAQuoteType.BID
            )
        )
        numpy = import_module("numpy")  # as a program does that needs history
        _ = numpy.cumsum(ticks["timestamp"])
        return numpy.cumsum(ticks["tick"])


async def main():
    async with connect(TOLD["host"], TOLD["port"], ssl_context=ssl_context(), limits=PLENTY) as api:
        await play(Ours(api))


trio.run(main)
