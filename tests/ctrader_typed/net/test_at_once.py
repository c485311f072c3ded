"""A lone request leaves in the task that makes it: no writer has to wake up for it.

Over TLS on a socket, the only transport that can do so.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from ctrader_typed import (
    Api,
    ConnectionLost,
    OutcomeUnknown,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
    ProtoOAVersionRes,
    connect,
)
from ctrader_typed.net.tcp import Data, TcpStream
from ctrader_typed.net.tls import TlsStream
from ctrader_typed.protocol.backoff import NO_RECONNECT
from ctrader_typed.protocol.rate_limits import RateLimits
from tests.ctrader_typed.net.test_tls import TRUSTING, server_context, version_server

ORDER = ProtoOANewOrderReq(
    ctid_trader_account_id=1,
    symbol_id=1,
    order_type=ProtoOAOrderType.MARKET,
    trade_side=ProtoOATradeSide.BUY,
    volume=100,
)


@asynccontextmanager
async def api_over_tls(limits: RateLimits | None = None) -> AsyncGenerator[Api]:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, tls_server, 0)
        port = listeners[0].socket.getsockname()[1]
        async with connect(
            "localhost",
            port,
            ssl_context=TRUSTING,
            reconnect=NO_RECONNECT,
            limits=RateLimits() if limits is None else limits,
        ) as api:
            await trio.testing.wait_all_tasks_blocked()
            yield api
        nursery.cancel_scope.cancel()


async def tls_server(stream: trio.SocketStream) -> None:
    tls = trio.SSLStream(stream, server_context(), server_side=True, https_compatible=True)
    async with tls:
        await version_server(tls)


class Sent:
    """How often each way was taken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_once: list[bytes] = []
        self.by_the_writer: list[bytes] = []
        send_now, send_all = TlsStream.send_now, TlsStream.send_all

        def at_once(stream: TlsStream, data: bytes) -> bool:
            self.at_once.append(data)
            return send_now(stream, data)

        async def by_the_writer(stream: TlsStream, data: Data) -> None:
            self.by_the_writer.append(bytes(data))
            await send_all(stream, data)

        monkeypatch.setattr(TlsStream, "send_now", at_once)
        monkeypatch.setattr(TlsStream, "send_all", by_the_writer)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(monkeypatch)


async def test_one_after_the_other_needs_no_writer(sent: Sent) -> None:
    async with api_over_tls() as api:
        for _ in range(5):
            assert await api.version() == ProtoOAVersionRes(version="91")
    assert (len(sent.at_once), sent.by_the_writer) == (5, [])


async def test_several_are_gathered_behind_the_first(sent: Sent) -> None:
    async with api_over_tls() as api, trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(api.version)
    assert len(sent.at_once) == 1
    assert 1 <= len(sent.by_the_writer) <= 2
    assert sum(map(len, sent.by_the_writer)) >= 9 * len(sent.at_once[0])


async def test_what_its_lane_does_not_let_go_waits_for_the_writer(sent: Sent) -> None:
    async with api_over_tls(RateLimits(ordinary=1)) as api:
        await api.version()
        began = trio.current_time()
        await api.version()
        assert trio.current_time() - began > 0.5
    assert (len(sent.at_once), len(sent.by_the_writer)) == (1, 1)


async def test_cancelled_before_it_nothing_leaves(sent: Sent) -> None:
    async with api_over_tls() as api:
        for call in (api.version, lambda: api.place(ORDER)):
            with trio.CancelScope() as scope:
                scope.cancel()
                await call()
            assert scope.cancelled_caught
        assert api.limits().ordinary.queued == 0
    assert sent.at_once == sent.by_the_writer == []


async def test_what_the_kernel_does_not_take_the_writer_finishes(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_now = TcpStream.send_now
    taken: list[int] = []

    def half_of_it(stream: TcpStream, data: Data) -> int:
        taken.append(send_now(stream, bytes(data)[: len(data) // 2] if not taken else data))
        return taken[-1]

    async with api_over_tls() as api:
        monkeypatch.setattr(TcpStream, "send_now", half_of_it)
        assert await api.version() == ProtoOAVersionRes(version="91")
        assert sent.by_the_writer == [b""]
        assert len(taken) == 2
        assert await api.version() == ProtoOAVersionRes(version="91")
    assert len(sent.at_once) == 2


async def test_one_that_breaks_the_connection_is_as_lost_as_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(stream: TlsStream, data: bytes) -> bool:
        raise trio.BrokenResourceError("snap") from ssl.SSLError("it snapped")

    async with api_over_tls() as api:
        monkeypatch.setattr(TlsStream, "send_now", broken)
        with pytest.raises(ConnectionLost, match=r"the connection broke: .*it snapped") as caught:
            await api.version()
        assert caught.value.maybe_delivered


async def test_an_order_that_broke_the_connection_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(stream: TlsStream, data: bytes) -> bool:
        raise trio.BrokenResourceError("snap")

    async with api_over_tls() as api:
        monkeypatch.setattr(TlsStream, "send_now", broken)
        with pytest.raises(OutcomeUnknown):
            await api.place(ORDER)
