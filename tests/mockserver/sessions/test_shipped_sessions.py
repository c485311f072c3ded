"""The shipped sessions: made by our recorder, current, playable, the same if recorded anew."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ctrader_typed import connect_over
from ctrader_typed.proto import SCHEMA
from mockserver.composition import mock_server
from mockserver.recordings.session_file import Order, Session, load_session
from mockserver.replay.replay import Replay
from tests.mockserver.sessions.programs import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, PROGRAMS
from tests.mockserver.sessions.record import HERE, path, recorded

_PREFIX = re.compile(r'"clientMsgId": "[^"]*\.')


@pytest.fixture(params=PROGRAMS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def session(name: str) -> Session:
    """Warnings are errors here: a stale session does not load."""
    return load_session(path(name), SCHEMA)


def same(text: str) -> list[Any]:
    """The lines without the times, and without what our client adds to its ids by chance."""
    lines = [json.loads(line) for line in _PREFIX.sub('"clientMsgId": "', text).splitlines()]
    return [{key: value for key, value in line.items() if key != "t"} for line in lines]


def test_each_file_has_its_program():
    assert {each.name for each in HERE.glob("*.jsonl")} == {path(name).name for name in PROGRAMS}


@pytest.mark.parametrize("pace", [0, 1])
async def test_it_plays_to_the_program_it_was_recorded_from(name, session, pace, autojump_clock):
    replay = Replay(session, pace=pace)
    async with (
        mock_server(replay, port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await PROGRAMS[name](api)
    replay.check()


async def test_it_plays_in_any_order_too(name, session, autojump_clock):
    replay = Replay(session, order=Order.ANY)
    async with (
        mock_server(replay, port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        await PROGRAMS[name](api)
    replay.check()


def test_recorded_anew_it_is_the_same(name):
    assert same(recorded(name)) == same(path(name).read_text(encoding="utf-8"))


def test_it_tells_no_secret(name):
    text = path(name).read_text(encoding="utf-8")
    assert not any(secret in text for secret in (CLIENT_ID, CLIENT_SECRET, ACCESS_TOKEN, "3000001"))
    assert "<redacted>" in text


def test_errors_come_by_each_message_that_carries_one():
    carriers = {
        record.name
        for record in load_session(path("errors"), SCHEMA).records
        if not record.by_client and "errorCode" in record.payload
    }
    assert carriers == {
        "ProtoErrorRes",
        "ProtoOAErrorRes",
        "ProtoOAExecutionEvent",
        "ProtoOAOrderErrorEvent",
    }
