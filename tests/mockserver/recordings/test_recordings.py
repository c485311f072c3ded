"""The recorded server messages, replayed: byte for byte on the wire, as events to our client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from ctrader_typed import Message, ProtoOAExecutionEvent, ProtoOASpotEvent, connect, connect_over
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.envelope import Envelope
from mockserver.composition import mock_server
from mockserver.recordings.session_file import Session, load_session
from mockserver.replay.replay import Replay

NAMES = ("manual_trading", "market_data")


@pytest.fixture(params=NAMES)
def session(request: pytest.FixtureRequest, recordings: Path) -> Session:
    return load_session(recordings / f"{request.param}.jsonl", SCHEMA)


def payloads(data: bytes) -> Iterator[bytes]:
    """The payloads of whole frames, cut out without our code's help."""
    while data:
        size = int.from_bytes(data[:4], "big")
        yield SCHEMA.envelope.FromString(data[4 : 4 + size]).payload
        data = data[4 + size :]


def test_there_are_41_of_them(recordings):
    sessions = [load_session(recordings / f"{name}.jsonl", SCHEMA) for name in NAMES]
    assert [len(session.records) for session in sessions] == [29, 12]


async def test_the_recorded_bytes_are_what_comes_out(session, autojump_clock):
    replay = Replay(session)
    data = b""
    async with mock_server(replay, port=None) as server:
        async for part in server.memory_client():
            data += part
    replay.check()
    assert list(payloads(data)) == [record.wire for record in session.records]


async def test_all_of_them_are_read_and_written_back_the_same(session, talker, dial):
    replay = Replay(session)
    async with mock_server(replay) as server:
        client = talker(await dial(server, tls=True))
        for record in session.records:
            event = await client.receive()
            assert isinstance(event, Envelope)
            assert type(event.message) is record.cls
            assert bytes(event.message) == record.wire
    replay.check()


async def test_our_client_gets_all_of_them_as_typed_events_over_tls(session):
    replay = Replay(session)
    async with mock_server(replay) as server:
        host, port = server.address
        async with connect(host, port, ssl_context=server.client_ssl_context()) as api:
            await compare(api, session)
    replay.check()


async def test_our_client_gets_all_of_them_at_their_time(session, autojump_clock):
    replay = Replay(session, pace=1.0)
    began = trio.current_time()
    async with (
        mock_server(replay, port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await compare(api, session)
    first, last = session.records[0].t, session.records[-1].t
    assert trio.current_time() - began == pytest.approx(last - first, abs=0.01)
    replay.check()


async def compare(api, session):
    async with api.events(Message) as events:
        for record in session.records:
            while type(message := await anext(events)).__name__ == "ProtoHeartbeatEvent":
                pass
            assert type(message) is record.cls
            assert bytes(message) == record.wire


async def test_streams_of_one_type_get_their_own(recordings, autojump_clock):
    session = load_session(recordings / "manual_trading.jsonl", SCHEMA)
    expected = sum(record.cls is ProtoOAExecutionEvent for record in session.records)
    async with (
        mock_server(Replay(session, pace=1.0), port=None) as server,
        connect_over(server.memory_client()) as api,
        api.events(ProtoOAExecutionEvent) as executions,
        api.events(ProtoOASpotEvent) as spots,
    ):
        for _ in range(expected):
            assert isinstance(await anext(executions), ProtoOAExecutionEvent)
        with trio.move_on_after(1):
            await anext(spots)
            raise AssertionError("there is no quote in this session")
