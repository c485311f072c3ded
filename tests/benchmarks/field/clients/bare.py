"""What the two bare loops share: frames for google.protobuf, and nothing that a client offers."""

import itertools

from OpenApiCommonMessages_pb2 import ProtoMessage
from OpenApiMessages_pb2 import (
    ProtoOAGetTickDataReq,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOAVersionReq,
)
from scenario import ACCOUNT

SPOT = 2131
numbers = itertools.count(1)


def frame(request):
    """A request with an id of its own, framed."""
    payload = request.SerializeToString()
    data = ProtoMessage(
        payloadType=request.payloadType, payload=payload, clientMsgId=str(next(numbers))
    ).SerializeToString()
    return len(data).to_bytes(4, "big") + data


class Bare:
    """Sends, receives and decodes. `read()` waits for some bytes, `write(data)` sends them all."""

    def __init__(self, read, write):
        self.read = read
        self.write = write
        self.rest = b""

    async def receive(self):
        """The envelopes that the next bytes complete."""
        data = self.rest + await self.read()
        position, envelopes = 0, []
        while len(data) - position >= 4:
            body = position + 4
            after = body + int.from_bytes(data[position:body], "big")
            if after > len(data):
                break
            envelopes.append(ProtoMessage.FromString(data[body:after]))
            position = after
        self.rest = data[position:]
        return envelopes

    async def reply(self, cls, request):
        await self.write(frame(request))
        while True:
            for envelope in await self.receive():
                return cls.FromString(envelope.payload)

    async def ask(self):
        await self.write(frame(ProtoOAVersionReq()))
        while not await self.receive():
            pass

    async def ask_many(self, count, at_once):
        left = count - at_once
        await self.send_together(at_once)
        while count:
            answers = len(await self.receive())
            count -= answers
            more = min(left, answers)
            left -= more
            if more:
                await self.send_together(more)

    async def send_together(self, count):
        await self.write(b"".join([frame(ProtoOAVersionReq()) for _ in range(count)]))

    async def spots(self, count, rate):
        request = ProtoOASubscribeSpotsReq(ctidTraderAccountId=ACCOUNT, symbolId=[count, rate])
        await self.write(frame(request))
        while count:
            for envelope in await self.receive():
                if envelope.payloadType == SPOT:
                    spot = ProtoOASpotEvent.FromString(envelope.payload)
                    _ = spot.symbolId, spot.bid, spot.ask
                    count -= 1

    async def bars(self):
        request = ProtoOAGetTrendbarsReq(ctidTraderAccountId=ACCOUNT, symbolId=1, period=1)
        return closes(await self.reply(ProtoOAGetTrendbarsRes, request))

    async def ticks(self):
        request = ProtoOAGetTickDataReq(ctidTraderAccountId=ACCOUNT, symbolId=1, type=1)
        return prices(await self.reply(ProtoOAGetTickDataRes, request))


def closes(answer):
    """All four prices of each bar, and of them the closes."""
    _ = [bar.low for bar in answer.trendbar]
    _ = [bar.low + bar.deltaOpen for bar in answer.trendbar]
    _ = [bar.low + bar.deltaHigh for bar in answer.trendbar]
    return [bar.low + bar.deltaClose for bar in answer.trendbar]


def prices(answer):
    """Each tick's time and price out of the differences; the prices."""
    _ = list(itertools.accumulate([tick.timestamp for tick in answer.tickData]))
    return list(itertools.accumulate([tick.tick for tick in answer.tickData]))
