"""The engine: a behaviour for each connection, over sockets and memory; none disturbs another."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

from ctrader_typed.proto import (
    SCHEMA,
    ProtoHeartbeatEvent,
    ProtoOAApplicationAuthReq,
    ProtoOASpotEvent,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader_typed.wire.connection import Connection
from mockserver.composition import mock_server
from mockserver.handler import (
    Action,
    BadPayload,
    ClientConnection,
    Close,
    Envelope,
    Event,
    Send,
    SendPayload,
    SendRaw,
    UnknownPayload,
)
from mockserver.server.server import ConnectionLimits, Ended

SPOT = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=108450)


@dataclass
class Echo:
    """Answers the version, and remembers what it was told and when."""

    heard: list[Event] = field(default_factory=list)
    times: list[tuple[str, float]] = field(default_factory=list)
    alarm: float | None = None
    first: Iterable[Action] = ()
    woken: Callable[[], Iterable[Action]] = lambda: ()

    def opened(self, now: float) -> Iterable[Action]:
        self.times.append(("opened", now))
        return self.first

    def received(self, event: Event, now: float) -> Iterable[Action]:
        self.heard.append(event)
        self.times.append(("received", now))
        if isinstance(event, Envelope) and isinstance(event.message, ProtoOAVersionReq):
            return [Send(ProtoOAVersionRes(version="91"), event.client_msg_id)]
        return []

    def wake_at(self) -> float | None:
        return self.alarm

    def wake(self, now: float) -> Iterable[Action]:
        self.times.append(("wake", now))
        self.alarm = None
        return self.woken()

    def closed(self, now: float) -> None:
        self.times.append(("closed", now))


def always(handler: Any) -> Callable[[ClientConnection], Any]:
    return lambda caller: handler


# --- a conversation ----------------------------------------------------------------------------


async def test_a_request_is_answered_with_its_id_over_memory(talker, autojump_clock):
    async with mock_server(always(Echo()), port=None) as server:
        client = talker(server.memory_client())
        answer = await client.ask(ProtoOAVersionReq(), "a")
    assert answer == ProtoOAVersionRes(version="91")


async def test_a_request_is_answered_over_verified_tls(talker, dial):
    async with mock_server(always(Echo())) as server:
        client = talker(await dial(server, tls=True))
        assert await client.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")
        assert client.stream.cipher() is not None


async def test_a_request_is_answered_over_plain_tcp(talker, dial):
    async with mock_server(always(Echo()), tls=False) as server:
        client = talker(await dial(server))
        assert await client.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")


async def test_an_ipv6_address_can_be_listened_on(talker, dial):
    async with mock_server(always(Echo()), host="::1", tls=False) as server:
        client = talker(await dial(server))
        assert await client.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")


async def test_a_client_that_trusts_nobody_is_told_apart_from_one_that_trusts_our_ca(talker, dial):
    async with mock_server(always(Echo())) as server:
        tcp = await dial(server)
        stranger = trio.SSLStream(tcp, ssl.create_default_context(), server_hostname="localhost")
        with pytest.raises(trio.BrokenResourceError) as broken:
            await stranger.do_handshake()
        assert isinstance(broken.value.__cause__, ssl.SSLCertVerificationError)


async def test_each_connection_has_its_own_behaviour_and_number(talker, autojump_clock):
    callers: list[ClientConnection] = []

    def handlers(caller: ClientConnection) -> Echo:
        callers.append(caller)
        return Echo()

    async with mock_server(handlers, port=None) as server:
        for _ in range(3):
            await talker(server.memory_client()).ask(ProtoOAVersionReq())
    assert [(caller.number, caller.wire) for caller in callers] == [
        (1, "memory"),
        (2, "memory"),
        (3, "memory"),
    ]


async def test_what_the_schema_does_not_know_or_cannot_read_reaches_the_behaviour(
    talker, autojump_clock
):
    echo = Echo()
    connection = Connection(SCHEMA)
    async with mock_server(always(echo), port=None) as server:
        client = talker(server.memory_client())
        envelope = SCHEMA.envelope
        for payload_type, payload in ((4242, b"abc"), (2100, b"\xff")):
            data = bytes(envelope(payload_type=payload_type, payload=payload, client_msg_id="x"))
            await client.stream.send_all(len(data).to_bytes(4, "big") + data)
        await client.ask(ProtoOAVersionReq())
    unknown, bad, _ = echo.heard
    assert unknown == UnknownPayload(4242, b"abc", "x")
    assert isinstance(bad, BadPayload)
    assert (bad.payload_type, bad.client_msg_id) == (2100, "x")
    assert connection.broken is None


# --- actions -----------------------------------------------------------------------------------


async def test_every_action_is_done_in_order_and_nothing_after_close(talker, autojump_clock):
    raw = Connection(SCHEMA).send(SPOT)
    odd = bytes(SPOT)[::-1]
    actions = [
        Send(SPOT),
        SendRaw(raw + raw),
        SendPayload(2131, odd, "x"),
        SendPayload(9999, b""),
        Close("enough"),
        Send(SPOT),
    ]
    async with mock_server(always(Echo(first=actions)), port=None) as server:
        events = await talker(server.memory_client()).rest()
        await server.wait_ended()
    assert events[:3] == [Envelope(SPOT, None)] * 3
    assert isinstance(events[3], BadPayload)
    assert (events[3].payload, events[3].client_msg_id) == (odd, "x")
    assert events[4:] == [UnknownPayload(9999, b"", None)]
    assert list(server.ended) == [Ended(1, "enough")]


async def test_what_was_sent_last_arrives_although_the_client_had_more_to_say(talker, dial):
    """A socket closed with bytes unread is reset, which would swallow the last message."""

    class OneAnswer(Echo):
        def received(self, event: Event, now: float) -> Iterable[Action]:
            return [Send(SPOT), Close("one answer is enough")]

    for tls in (True, False):
        async with mock_server(always(OneAnswer()), tls=tls) as server:
            stream = await dial(server, tls=tls)
            client = talker(stream)
            for _ in range(50):
                await client.send(ProtoHeartbeatEvent())
            assert await client.rest() == [Envelope(SPOT, None)]


@pytest.mark.parametrize("tls", [False, True])
async def test_a_client_that_waits_for_the_end_gets_it_at_once(tls, talker, dial):
    limits = ConnectionLimits(farewell=60.0)
    echo = Echo(first=[Close("at once")])
    async with mock_server(always(echo), tls=tls, limits=limits) as server:
        with trio.fail_after(10):
            assert await talker(await dial(server, tls=tls)).rest() == []


async def test_no_repr_of_an_action_shows_bytes():
    assert repr(SendRaw(b"secret")) == "SendRaw(<6 bytes>)"
    assert repr(SendPayload(2102, b"secret", "a")) == "SendPayload(2102, <6 bytes>, 'a')"
    request = ProtoOAApplicationAuthReq(client_id="id", client_secret="secret")
    assert "secret'" not in repr(Send(request))


# --- time --------------------------------------------------------------------------------------


async def test_a_behaviour_is_woken_when_it_wanted_and_told_the_servers_time(
    talker, autojump_clock
):
    await trio.sleep(1000)  # the server's clock starts with the server, whatever trio's says
    echo = Echo(alarm=2.5, woken=lambda: [Send(SPOT)])
    async with mock_server(always(echo), port=None) as server:
        await trio.sleep(1)
        client = talker(server.memory_client())
        began = trio.current_time()
        assert await client.receive() == Envelope(SPOT, None)
        assert trio.current_time() - began == pytest.approx(1.5)
    assert echo.times == [
        ("opened", pytest.approx(1.0)),
        ("wake", pytest.approx(2.5)),
        ("closed", pytest.approx(2.5)),
    ]


async def test_a_wish_to_be_woken_can_change_with_what_is_received(talker, autojump_clock):
    class Sooner(Echo):
        def received(self, event: Event, now: float) -> Iterable[Action]:
            self.alarm = now + 1
            return []

    echo = Sooner(alarm=100.0, woken=lambda: [Send(SPOT)])
    async with mock_server(always(echo), port=None) as server:
        client = talker(server.memory_client())
        await client.send(ProtoHeartbeatEvent())
        assert await client.receive() == Envelope(SPOT, None)
    assert echo.times[-2] == ("wake", pytest.approx(1.0))


async def test_a_wish_to_be_woken_can_be_withdrawn(talker, autojump_clock):
    class Never(Echo):
        def received(self, event: Event, now: float) -> Iterable[Action]:
            self.alarm = None
            return []

    echo = Never(alarm=10.0)
    async with mock_server(always(echo), port=None) as server:
        await talker(server.memory_client()).send(ProtoHeartbeatEvent())
        await trio.sleep(60)
    assert "wake" not in dict(echo.times)


async def test_times_that_are_not_exact_in_binary_do_not_keep_the_alarm_spinning(
    talker, autojump_clock
):
    await trio.sleep(1 / 3)
    ticks = [0.1 * n for n in range(1, 200)]
    echo = Echo(alarm=ticks[0])

    def next_tick() -> Iterable[Action]:
        woken = sum(kind == "wake" for kind, _ in echo.times)
        echo.alarm = ticks[woken] if woken < len(ticks) else None
        return [Close("done")] if echo.alarm is None else []

    echo.woken = next_tick
    async with mock_server(always(echo), port=None) as server:
        with trio.fail_after(60):
            await talker(server.memory_client()).rest()
    woken = [now for kind, now in echo.times if kind == "wake"]
    assert all(now >= at for now, at in zip(woken, ticks, strict=True))


async def test_a_caller_can_be_told_something_out_of_turn(talker, autojump_clock):
    callers: list[ClientConnection] = []

    def handlers(caller: ClientConnection) -> Echo:
        callers.append(caller)
        return Echo()

    async with mock_server(handlers, port=None) as server:
        client = talker(server.memory_client())
        await trio.sleep(5)
        callers[0].push([Send(SPOT), Send(SPOT, "x"), Close("told")])
        assert await client.rest() == [Envelope(SPOT), Envelope(SPOT, "x")]
        await server.wait_ended()
        callers[0].push([Send(SPOT)])  # to nobody


class Market:
    """A world: it moves by itself, and tells everybody."""

    def __init__(self) -> None:
        self.at: float | None = 1.0
        self.woken: list[float] = []
        self.callers: list[ClientConnection] = []
        self.nudge: Callable[[], None] = lambda: None

    def __call__(self, caller: ClientConnection) -> Echo:
        self.callers.append(caller)
        return Echo()

    def started(self, nudge: Callable[[], None]) -> None:
        self.nudge = nudge

    def wake_at(self) -> float | None:
        return self.at

    def wake(self, now: float) -> None:
        self.woken.append(now)
        self.at = now + 0.1 if len(self.woken) < 50 else None
        for caller in self.callers:
            caller.push([Send(SPOT)])


async def test_a_world_has_turns_of_its_own_and_reaches_everybody(talker, autojump_clock):
    market = Market()
    async with mock_server(market, port=None) as server:
        clients = [talker(server.memory_client()) for _ in range(2)]
        for _ in range(50):
            for client in clients:
                assert await client.receive() == Envelope(SPOT)
        assert trio.current_time() == pytest.approx(5.9)
        await trio.sleep(100)
        assert len(market.woken) == 50
        market.at = server.now() + 1
        market.nudge()
        await trio.sleep(2)
        assert len(market.woken) == 51


async def test_a_bug_in_a_world_ends_the_server_with_that_very_exception(autojump_clock):
    class Bug(Exception):
        pass

    class Buggy(Market):
        def wake(self, now: float) -> None:
            raise Bug

    async def serve() -> None:
        async with mock_server(Buggy(), port=None):
            await trio.sleep_forever()

    with pytest.raises(Bug):
        await serve()


# --- clients that break things -----------------------------------------------------------------


BROKEN = {
    "an oversized frame": (b"\x7f\xff\xff\xff", "got a length of 2147483647"),
    "a negative length": (b"\xff\xff\xff\xff", "got a length of -1"),
    "an empty frame": (b"\0\0\0\0", "got a length of 0"),
    "no envelope": (b"\0\0\0\2\xff\xff", "a frame of 2 bytes"),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", "got a request in HTTP"),
    "half a frame, then the end": (b"\0\0\0\x05ab", "the stream ended after 2 of 5 bytes"),
    "half a header, then the end": (b"\0\0", "the stream ended after 2 of 4 header bytes"),
}


@pytest.mark.parametrize(("data", "reason"), BROKEN.values(), ids=BROKEN)
async def test_a_client_that_breaks_the_protocol_ends_its_own_connection_only(
    data, reason, talker, autojump_clock
):
    echo = Echo()
    async with mock_server(always(echo), port=None) as server:
        good = talker(server.memory_client())
        await good.ask(ProtoOAVersionReq())
        bad = talker(server.memory_client())
        await bad.send(ProtoHeartbeatEvent())
        await bad.stream.send_all(data)
        await bad.stream.send_eof()
        assert await bad.rest() == []
        await server.wait_ended()
        assert server.ended[0].number == 2
        assert server.ended[0].reason.startswith("the client broke the protocol: ")
        assert reason in server.ended[0].reason
        assert await good.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")
    assert Envelope(ProtoHeartbeatEvent()) in echo.heard  # what came before the break counts


async def test_a_failed_handshake_ends_that_connection_only(talker, dial):
    async with mock_server(always(Echo())) as server:
        good = talker(await dial(server, tls=True))
        plain = await dial(server)
        await plain.send_all(b"\0\0\0\x04\x08\x33\x12\x00 this is no TLS")
        assert await drained(plain) != b"impossible"
        gone = await dial(server)
        await gone.aclose()
        tcp = await dial(server)
        stranger = trio.SSLStream(tcp, ssl.create_default_context(), server_hostname="localhost")
        with pytest.raises(trio.BrokenResourceError):
            await stranger.do_handshake()
        await tcp.aclose()
        await server.wait_ended(3)
        assert [ended.number for ended in server.ended] == [None] * 3
        assert all("the TLS handshake failed: " in ended.reason for ended in server.ended)
        assert await good.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")


async def drained(stream: trio.abc.Stream) -> bytes:
    """Everything until the other side hangs up, politely or not."""
    data = b""
    try:
        async for part in stream:
            data += part
    except trio.BrokenResourceError:
        pass
    return data


async def test_a_handshake_that_never_comes_is_given_up(autojump_clock, dial):
    async with mock_server(always(Echo())) as server:
        silent = await dial(server)
        with trio.fail_after(60):
            await drained(silent)
            await server.wait_ended()
        assert server.ended[0] == Ended(None, "no TLS handshake within 10 seconds")


async def test_a_frame_that_never_ends_is_given_up(talker, autojump_clock):
    async with mock_server(always(Echo()), port=None) as server:
        slow = server.memory_client()
        began = trio.current_time()
        for byte in b"\0\0\1\0":  # one byte every nine seconds
            await slow.send_all(bytes([byte]))
            await trio.sleep(9)
        assert await drained(slow) == b""
        assert trio.current_time() - began == pytest.approx(36.0)
        await server.wait_ended()
        assert server.ended[0].reason == "no whole frame within 30 seconds"


async def test_a_slow_but_whole_frame_is_taken_and_silence_between_frames_is_fine(
    talker, autojump_clock
):
    async with mock_server(always(Echo()), port=None) as server:
        client = talker(server.memory_client())
        for _ in range(2):
            for byte in Connection(SCHEMA).send(ProtoOAVersionReq(), "s"):
                await client.stream.send_all(bytes([byte]))
                await trio.sleep(1)
            assert (await client.receive()).client_msg_id == "s"
            await trio.sleep(3600)


async def test_a_client_that_reads_nothing_is_cut_off_with_bounded_memory(dial):
    spots = Connection(SCHEMA).send(SPOT) * 1000

    class Flood(Echo):
        def wake_at(self) -> float | None:
            return 0.0

        def wake(self, now: float) -> Iterable[Action]:
            self.times.append(("wake", now))
            return [SendRaw(spots)]

    flood = Flood()
    limits = ConnectionLimits(stalled=0.2, comfortable=100_000)
    async with mock_server(always(flood), tls=False, limits=limits) as server:
        stream = await dial(server)
        await server.wait_ended()
        woken = sum(kind == "wake" for kind, _ in flood.times)
        assert server.ended[0].reason == "the client does not read what it is sent"
        assert flood.times[-1][0] == "closed"
        received = len(await drained(stream))
    # Whatever the kernel took was read; beyond it, no more than fits comfortably was ever made.
    assert woken * len(spots) <= received + 100_000 + 3 * len(spots)


async def test_one_answer_above_the_limit_cuts_the_client_off(talker, dial):
    limits = ConnectionLimits(unsent=10_000_000)
    echo = Echo(first=[SendRaw(b"x" * 10_000_001)])
    async with mock_server(always(echo), tls=False, limits=limits) as server:
        stream = await dial(server)
        assert len(await drained(stream)) < 10_000_001
        await server.wait_ended()
        assert server.ended[0].reason == "the client does not read what it is sent"


async def test_a_client_that_takes_its_time_gets_everything(talker, dial):
    """Backpressure reaches the behaviour; nothing is lost."""
    frame = Connection(SCHEMA).send(SPOT)

    @dataclass
    class Many(Echo):
        left: int = 300

        def wake_at(self) -> float | None:
            return 0.0 if self.left else None

        def wake(self, now: float) -> Iterable[Action]:
            self.left -= 1
            last = [Close("all sent")] if self.left == 0 else []
            return [SendRaw(frame * 1000), *last]

    async with mock_server(always(Many()), tls=False) as server:
        client = await dial(server)
        await trio.sleep(0.1)
        assert len(await drained(client)) == 300_000 * len(frame)


async def test_requests_of_a_client_that_does_not_read_are_not_taken_on(
    talker, autojump_clock, dial
):
    """A client that asks and asks but never reads must not fill the server with answers."""
    limits = ConnectionLimits(comfortable=5000, stalled=20.0)

    class Big(Echo):
        def received(self, event: Event, now: float) -> Iterable[Action]:
            self.heard.append(event)
            return [SendRaw(b"x" * 1_000_000)]

    big = Big()
    async with mock_server(always(big), tls=False, limits=limits) as server:
        client = talker(await dial(server))
        with trio.move_on_after(60):
            for _ in range(200):
                await client.send(ProtoOAVersionReq())
                await trio.sleep(0.01)
        await server.wait_ended()
    assert len(big.heard) < 30


async def test_more_connections_than_allowed_are_hung_up_on(talker, dial):
    async with mock_server(
        always(Echo()), tls=False, limits=ConnectionLimits(connections=2)
    ) as server:
        clients = [talker(await dial(server)) for _ in range(2)]
        for client in clients:
            await client.ask(ProtoOAVersionReq())
        assert await drained(await dial(server)) == b""
        await clients[0].stream.aclose()
        await server.wait_ended(2)
        again = talker(await dial(server))
        assert await again.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")
    assert Ended(None, "2 connections are open already") in server.ended


async def test_a_system_without_descriptors_is_waited_for(talker, dial, monkeypatch):
    accept = trio.SocketListener.accept
    failures = [OSError(errno.EMFILE, "too many"), OSError(errno.ENOBUFS, "no memory")]

    async def failing(listener: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise failures.pop()
        return await accept(listener)

    monkeypatch.setattr(trio.SocketListener, "accept", failing)
    async with mock_server(always(Echo()), tls=False) as server:
        client = talker(await dial(server))
        assert await client.ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")
    assert not failures


async def test_any_other_error_of_accepting_ends_the_server(monkeypatch):
    async def failing(listener: trio.SocketListener) -> trio.SocketStream:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(trio.SocketListener, "accept", failing)

    async def serve() -> None:
        async with mock_server(always(Echo()), tls=False):
            await trio.sleep_forever()

    with pytest.raises(OSError, match="broken"):
        await serve()


# --- the end -----------------------------------------------------------------------------------


async def test_leaving_the_block_hangs_up_and_tells_the_behaviours(talker, dial):
    echo = Echo()
    with trio.fail_after(5):
        async with mock_server(always(echo)) as server:
            client = talker(await dial(server, tls=True))
            await client.ask(ProtoOAVersionReq())
            address = server.address
        assert [kind for kind, _ in echo.times] == ["opened", "received", "closed"]
        assert list(server.ended) == [Ended(1, "the server was stopped")]
        await drained(client.stream.transport_stream)
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream(*address)


async def test_cancelling_the_block_does_not_hang_on_a_client_that_reads_nothing(dial):
    echo = Echo(first=[SendRaw(b"x" * 50_000_000)])
    with trio.fail_after(5):
        with trio.move_on_after(0.2):
            async with mock_server(always(echo), tls=False) as server:
                await dial(server)
                await trio.sleep_forever()
    assert echo.times[-1][0] == "closed"


async def test_closed_is_told_once_whoever_ends_it(talker, autojump_clock):
    echo = Echo()
    async with mock_server(always(echo), port=None) as server:
        client = talker(server.memory_client())
        await client.ask(ProtoOAVersionReq())
        await client.stream.aclose()
        await server.wait_ended()
    assert [kind for kind, _ in echo.times] == ["opened", "received", "closed"]
    assert list(server.ended) == [Ended(1, "the client closed the connection", client_left=True)]


async def test_a_bug_is_not_lost_when_the_block_ends_at_the_same_moment(dial):
    class Bug(Exception):
        pass

    def handlers(caller: ClientConnection) -> Echo:
        raise Bug

    async def serve() -> None:
        async with mock_server(handlers, tls=False) as server:
            await drained(await dial(server))  # the bug has just happened

    for _ in range(50):
        with pytest.raises(Bug):
            await serve()


async def test_a_bug_in_a_behaviour_ends_the_server_with_that_very_exception(
    talker, autojump_clock
):
    class Bug(Exception):
        pass

    class Buggy(Echo):
        def received(self, event: Event, now: float) -> Iterable[Action]:
            raise Bug

    echo = Buggy()

    async def serve() -> None:
        async with mock_server(always(echo), port=None) as server:
            await talker(server.memory_client()).send(ProtoHeartbeatEvent())
            await trio.sleep_forever()

    with pytest.raises(Bug):
        await serve()
    assert echo.times[-1][0] == "closed"


async def test_an_exception_from_the_block_comes_out_as_it_is():
    with pytest.raises(KeyError, match="mine"):
        async with mock_server(always(Echo()), port=None):
            raise KeyError("mine")


async def test_two_exceptions_at_once_stay_a_group(talker, autojump_clock):
    class Buggy(Echo):
        def received(self, event: Event, now: float) -> Iterable[Action]:
            raise KeyError

    async def serve_and_fail() -> None:
        async with mock_server(always(Buggy()), port=None) as server:
            await talker(server.memory_client()).send(ProtoHeartbeatEvent())
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                raise ValueError from None

    with pytest.RaisesGroup(KeyError, ValueError, flatten_subgroups=True):
        await serve_and_fail()


async def test_what_a_server_does_not_have_it_says():
    async with mock_server(always(Echo()), port=None) as server:
        with pytest.raises(RuntimeError, match="listens nowhere"):
            _ = server.address
        with pytest.raises(RuntimeError, match="without TLS"):
            _ = server.ca
        with pytest.raises(RuntimeError, match="without TLS"):
            server.client_ssl_context()


async def test_a_taken_port_is_an_error_at_once():
    async with mock_server(always(Echo()), tls=False) as server:
        with pytest.raises(OSError, match="in use"):
            async with mock_server(always(Echo()), port=server.address[1], tls=False):
                raise AssertionError("it listens where another does")
