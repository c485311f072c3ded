"""Trades through the official Python SDK, and prints every message that it gives, as JSON Lines.

Runs where `ctrader-open-api` is installed, and knows nothing of whose server it talks to. Its one
argument is JSON: where the server is, how to log in, which symbol to trade, until when to ask for
bars and ticks.
"""

import json
import sys

from ctrader_open_api import Client, Protobuf, TcpProtocol
from google.protobuf.json_format import MessageToDict
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.internet.task import react

MARKET, BUY = 1, 1
M1 = 1
BID = 1
MINUTE = 60_000  # ms


class Session:
    """The SDK's client, and what it was given so far."""

    def __init__(self, host, port, account):
        self.client = Client(host, port, TcpProtocol)
        self.client.setMessageReceivedCallback(self.received)
        self.account = account
        self.seen = []
        self.waiting = []

    def received(self, _, message):
        payload = Protobuf.extract(message)
        name = type(payload).__name__
        self.seen.append(name)
        shown = MessageToDict(payload, use_integers_for_enums=True)
        line = {"message": name, "clientMsgId": message.clientMsgId or None, "payload": shown}
        print(json.dumps(line), flush=True)
        for wait in list(self.waiting):
            if self.seen.count(wait[0]) >= wait[1]:
                self.waiting.remove(wait)
                wait[2].callback(None)

    def ask(self, name, **fields):
        """The SDK's own answer: the first message with the request's id."""
        return self.client.send(name, **fields).addCallback(Protobuf.extract)

    def ask_account(self, name, **fields):
        return self.ask(name, ctidTraderAccountId=self.account, **fields)

    def until(self, name, count):
        """Wait until so many messages of this name have come, from the beginning."""
        deferred = Deferred()
        if self.seen.count(name) >= count:
            deferred.callback(None)
        else:
            self.waiting.append((name, count, deferred))
        return deferred


@inlineCallbacks
def trade(_, told):
    account, until = told["account"], told["until"]
    session = Session(told["host"], told["port"], account)
    ask = session.ask_account
    session.client.startService()
    yield session.ask(
        "ApplicationAuthReq", clientId=told["clientId"], clientSecret=told["clientSecret"]
    )
    yield ask("AccountAuthReq", accessToken=told["accessToken"])
    symbols = yield ask("SymbolsListReq")
    (symbol,) = [each.symbolId for each in symbols.symbol if each.symbolName == told["symbol"]]
    window = {"symbolId": symbol, "toTimestamp": until}
    yield gatherResults(
        [
            ask("SymbolByIdReq", symbolId=[symbol]),
            ask("SubscribeSpotsReq", symbolId=[symbol]),
            ask("GetTrendbarsReq", period=M1, fromTimestamp=until - 60 * MINUTE, **window),
            ask("GetTickDataReq", type=BID, fromTimestamp=until - MINUTE, **window),
        ]
    )
    yield session.until("ProtoOASpotEvent", 2)
    yield ask(
        "NewOrderReq",
        symbolId=symbol,
        orderType=MARKET,
        tradeSide=BUY,
        volume=200_000,
        relativeStopLoss=500,
        relativeTakeProfit=900,
        label="conformance",
    )
    yield session.until("ProtoOAExecutionEvent", 3)
    state, _, _ = yield gatherResults(
        [
            ask("ReconcileReq"),
            ask("ClosePositionReq", positionId=1, volume=100_000),  # there is none
            ask("UnsubscribeSpotsReq", symbolId=[symbol + 1]),  # not subscribed to
        ]
    )
    (position,) = state.position
    volume = position.tradeData.volume
    yield ask("ClosePositionReq", positionId=position.positionId, volume=volume)
    yield session.until("ProtoOAExecutionEvent", 6)
    yield ask("ReconcileReq")


if __name__ == "__main__":
    react(trade, [json.loads(sys.argv[1])])
