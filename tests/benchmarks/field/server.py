"""The server behind the figures: prepared bytes over TLS, one thread for each connection.

As fast as Python allows, so that it is the clients that are measured. It knows four requests; how
many quotes to send, and how many a second, stands where a subscription names its symbols.
"""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import trustme
from OpenApiCommonMessages_pb2 import ProtoMessage
from OpenApiMessages_pb2 import (
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOAVersionRes,
)

ACCOUNT = 1
BARS, TICKS = 14_000, 10_000
TOGETHER = 1_000
"""Quotes that are sent with one call."""
VERSION, SUBSCRIBE, TRENDBARS, TICK_DATA = 2104, 2127, 2137, 2145
HEARTBEAT = 51


def bars() -> ProtoOAGetTrendbarsRes:
    # Old clients insist on the timestamp.
    answer = ProtoOAGetTrendbarsRes(ctidTraderAccountId=ACCOUNT, period=1, symbolId=1, timestamp=1)
    for n in range(BARS):
        answer.trendbar.add(
            volume=100 + n % 900,
            low=108_000 + n % 2_000,
            deltaOpen=n % 31,
            deltaClose=n % 37,
            deltaHigh=40 + n % 11,
            utcTimestampInMinutes=29_000_000 + n,
        )
    return answer


def ticks() -> ProtoOAGetTickDataRes:
    answer = ProtoOAGetTickDataRes(ctidTraderAccountId=ACCOUNT, hasMore=False)
    answer.tickData.add(timestamp=1_760_000_000_000, tick=108_000)
    for n in range(TICKS - 1):
        answer.tickData.add(timestamp=-(n % 700), tick=n % 7 - 3)
    return answer


def quote(n: int) -> bytes:
    spot = ProtoOASpotEvent(
        ctidTraderAccountId=ACCOUNT,
        symbolId=1 + n % 50,
        bid=108_000 + n,
        ask=108_010 + n,
        timestamp=1_760_000_000_000 + n,
    )
    return frame(ProtoMessage(payloadType=2131, payload=spot.SerializeToString()))


def frame(envelope: ProtoMessage) -> bytes:
    data = envelope.SerializeToString()
    return len(data).to_bytes(4, "big") + data


ANSWERS = {
    request: ProtoMessage(payloadType=number, payload=answer.SerializeToString())
    for request, number, answer in (
        (VERSION, 2105, ProtoOAVersionRes(version="91")),
        (SUBSCRIBE, 2128, ProtoOASubscribeSpotsRes(ctidTraderAccountId=ACCOUNT)),
        (TRENDBARS, 2138, bars()),
        (TICK_DATA, 2146, ticks()),
    )
}
QUOTES = [quote(n) for n in range(TOGETHER)]


class Connection:
    """One client, until it goes."""

    def __init__(self, tcp: socket.socket, context: ssl.SSLContext) -> None:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tcp, self._context = tcp, context

    def serve(self) -> None:
        with suppress(OSError), self._context.wrap_socket(self._tcp, server_side=True) as tls:
            rest = b""
            while data := tls.recv(1 << 16):
                rest = self._answer(tls, rest + data)

    def _answer(self, tls: ssl.SSLSocket, data: bytes) -> bytes:
        """Answer all requests in `data` with one call, and return what is left of it."""
        position, answers, wanted = 0, [], []
        while len(data) - position >= 4:
            body = position + 4
            after = body + int.from_bytes(data[position:body], "big")
            if after > len(data):
                break
            request = ProtoMessage.FromString(data[body:after])
            position = after
            if request.payloadType == HEARTBEAT:
                continue
            answer = ANSWERS[request.payloadType]
            answer = ProtoMessage(
                payloadType=answer.payloadType,
                payload=answer.payload,
                clientMsgId=request.clientMsgId,
            )
            answers.append(frame(answer))
            if request.payloadType == SUBSCRIBE:
                wanted.append(ProtoOASubscribeSpotsReq.FromString(request.payload).symbolId)
        if answers:
            tls.sendall(b"".join(answers))
        for count, rate in wanted:
            push(tls, count, rate)
        return data[position:]


def push(tls: ssl.SSLSocket, count: int, rate: int) -> None:
    """So many quotes: at a rate each is a TLS record by itself, else as fast as they can go."""
    if rate == 0:
        together = b"".join(QUOTES)
        for _ in range(count // TOGETHER):
            tls.sendall(together)
        for each in QUOTES[: count % TOGETHER]:
            tls.sendall(each)
        return
    at = time.perf_counter()
    for each in itertools.islice(itertools.cycle(QUOTES), count):
        at += 1 / rate
        time.sleep(max(0.0, at - time.perf_counter()))
        tls.sendall(each)


def main() -> None:
    """Print where it listens and whom to trust, then serve until standard input ends."""
    ca = trustme.CA()
    pem = Path(sys.argv[1])
    ca.cert_pem.write_to_path(str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1], "ca": str(pem)}), flush=True)

    def accept() -> None:
        while True:
            tcp, _ = listener.accept()
            threading.Thread(target=Connection(tcp, context).serve, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
