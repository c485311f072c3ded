"""The official SDK, as it comes or (told "interval") with its send timer shortened.

It sends once a second, at most five messages. The shorter timer runs only while requests are
measured: it would burn processor time beside lone events.
"""

from itertools import accumulate

from ctrader_open_api import Client, Protobuf, TcpProtocol
from scenario import ACCOUNT, TOLD, play
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import react

AT_ITS_BEST = TOLD.get("interval") is not None
PATIENCE = 600  # s; it gives up on an answer after five by default


class Official:
    def __init__(self):
        self.connected = Deferred()
        at_most = {"numberOfMessagesToSendPerSecond": 1_000_000} if AT_ITS_BEST else {}
        self.client = Client(TOLD["host"], TOLD["port"], TcpProtocol, **at_most)
        self.client.setConnectedCallback(self.connected.callback)
        self.client.setMessageReceivedCallback(self.received)
        self.client.startService()
        self.left = 0
        self.done = None
        self.spot = Protobuf.get_type("SpotEvent")

    async def hurry(self, interval):
        """Set the send timer, where it may be."""
        if AT_ITS_BEST:
            timer = (await self.client.whenConnected())._send_task
            timer.stop()
            timer.start(interval, now=False)

    def received(self, _, message):
        if message.payloadType == self.spot:
            spot = Protobuf.extract(message)
            _ = spot.symbolId, spot.bid, spot.ask
            self.left -= 1
            if self.left == 0:
                self.done.callback(None)

    def send(self, name, **fields):
        return self.client.send(name, responseTimeoutInSeconds=PATIENCE, **fields)

    async def ask(self):
        Protobuf.extract(await self.send("VersionReq"))

    async def ask_many(self, count, at_once):
        done = Deferred()
        left, to_send = count, count - at_once

        def answered(message):
            nonlocal left, to_send
            Protobuf.extract(message)
            left -= 1
            if to_send:
                to_send -= 1
                self.send("VersionReq").addCallback(answered)
            if left == 0:
                done.callback(None)

        for _ in range(at_once):
            self.send("VersionReq").addCallback(answered)
        await done

    async def spots(self, count, rate):
        if rate:
            await self.hurry(1.0)
        self.left, self.done = count, Deferred()
        await self.send("SubscribeSpotsReq", ctidTraderAccountId=ACCOUNT, symbolId=[count, rate])
        await self.done
        await self.hurry(TOLD.get("interval"))

    async def bars(self):
        answer = Protobuf.extract(
            await self.send(
                "GetTrendbarsReq",
                ctidTraderAccountId=ACCOUNT,
                symbolId=1,
                period=1,
                fromTimestamp=0,
                toTimestamp=1,
            )
        )
        _ = [bar.low for bar in answer.trendbar]
        _ = [bar.low + bar.deltaOpen for bar in answer.trendbar]
        _ = [bar.low + bar.deltaHigh for bar in answer.trendbar]
        return [bar.low + bar.deltaClose for bar in answer.trendbar]

    async def ticks(self):
        answer = Protobuf.extract(
            await self.send(
                "GetTickDataReq",
                ctidTraderAccountId=ACCOUNT,
                symbolId=1,
                type=1,
                fromTimestamp=0,
                toTimestamp=1,
            )
        )
        _ = list(accumulate([tick.timestamp for tick in answer.tickData]))
        return list(accumulate([tick.tick for tick in answer.tickData]))


async def main():
    official = Official()
    await official.connected
    await official.hurry(TOLD.get("interval"))
    await play(official)


react(lambda _: ensureDeferred(main()), [])
