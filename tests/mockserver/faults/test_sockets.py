"""Faults that only a socket shows: resets, refused ports, slices, unfriendly entrances."""

from __future__ import annotations

import errno
import ssl

import pytest
import trio

from ctrader_typed.proto import ProtoOAVersionReq, ProtoOAVersionRes
from mockserver.box import Box
from mockserver.composition import mock_server
from mockserver.faults.effects import CloseDoor, HangUp, Meet, Reset, Throttle
from mockserver.faults.plan import Fault, Plan
from mockserver.handler import ConnectionGreeting

VERSION = ProtoOAVersionRes(version="91")


@pytest.mark.parametrize("tls", [False, True])
async def test_a_reset_is_a_reset(tls, talker, dial):
    async with mock_server(Box(), tls=tls, faults=Plan([Fault(Reset())])) as server:
        client = talker(await dial(server, tls=tls))
        await client.send(ProtoOAVersionReq())
        with pytest.raises(trio.BrokenResourceError) as broken:
            await client.receive()
        error: BaseException | None = broken.value
        while error is not None and not isinstance(error, OSError):
            error = error.__cause__
        assert isinstance(error, OSError)
        assert error.errno == errno.ECONNRESET
        await server.wait_ended()
        assert server.ended[0].reason == "a fault of the plan"


async def test_a_closed_door_refuses_connections_and_opens_again(talker, dial):
    plan = Plan([Fault(CloseDoor(0.2), times=1), Fault(HangUp(), nth=1, connection=1)])
    async with mock_server(Box(), tls=False, faults=plan) as server:
        first = talker(await dial(server))
        assert await first.ask(ProtoOAVersionReq()) == VERSION
        with trio.fail_after(10):
            while True:
                try:
                    other = await trio.open_tcp_stream(*server.address)
                except OSError as error:
                    refusal = error
                    break
                await other.aclose()
        assert isinstance(refusal.__cause__, ExceptionGroup)
        assert isinstance(refusal.__cause__.exceptions[0], ConnectionRefusedError)
        with trio.fail_after(10):
            while True:
                try:
                    second = talker(await dial(server))
                except OSError:
                    continue
                break
            assert await second.ask(ProtoOAVersionReq()) == VERSION


async def test_slices_come_one_by_one_with_their_pause(talker, autojump_clock):
    plan = Plan([Fault(Throttle(1, 1.0))])
    async with mock_server(Box(), port=None, faults=plan) as server:
        stream = server.memory_client()
        client = talker(stream)
        await client.send(ProtoOAVersionReq(), "v")
        began = trio.current_time()
        pieces = []
        while not pieces or sum(map(len, pieces)) < 4 + int.from_bytes(b"".join(pieces)[:4], "big"):
            pieces.append(bytes(await stream.receive_some(100)))
        assert {len(piece) for piece in pieces} == {1}
        assert trio.current_time() - began == pytest.approx(len(pieces) - 1)


TLS_FAILURES = {
    ConnectionGreeting.UNTRUSTED: ssl.SSLCertVerificationError,
    ConnectionGreeting.EXPIRED: ssl.SSLCertVerificationError,
    ConnectionGreeting.WRONG_HOST: ssl.SSLCertVerificationError,
    ConnectionGreeting.GARBAGE: ssl.SSLError,
    ConnectionGreeting.HANG_UP: (ssl.SSLError, OSError),
    ConnectionGreeting.RESET: (ssl.SSLError, OSError),
}
TEXTS = {
    ConnectionGreeting.UNTRUSTED: (
        "self-signed certificate in certificate chain|unable to get local issuer"
    ),
    ConnectionGreeting.EXPIRED: "certificate has expired",
    ConnectionGreeting.WRONG_HOST: "not valid for 'localhost'",
}


@pytest.mark.parametrize("entrance", TLS_FAILURES, ids=lambda entrance: entrance.value)
async def test_an_unfriendly_entrance_is_what_it_says_and_only_once(entrance, talker, dial):
    plan = Plan([Fault(Meet(entrance))])
    async with mock_server(Box(), faults=plan) as server:
        with pytest.raises(trio.BrokenResourceError) as broken:
            await dial(server, tls=True)
        cause = broken.value.__cause__
        assert cause is None or isinstance(cause, TLS_FAILURES[entrance])
        if entrance in TEXTS:
            assert any(text in str(cause) for text in TEXTS[entrance].split("|"))
        client = talker(await dial(server, tls=True))
        assert await client.ask(ProtoOAVersionReq()) == VERSION


async def test_a_silent_entrance_says_nothing(talker, dial):
    async with mock_server(Box(), faults=Plan([Fault(Meet(ConnectionGreeting.SILENCE))])) as server:
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.3):
            await dial(server, tls=True)
        client = talker(await dial(server, tls=True))
        assert await client.ask(ProtoOAVersionReq()) == VERSION
