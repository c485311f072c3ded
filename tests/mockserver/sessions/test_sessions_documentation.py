"""The examples in docs/sessions.md, run as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed import connect_over
from ctrader_typed.proto import SCHEMA, ProtoOAOrderType, ProtoOATradeSide
from ctrader_typed.protocol.errors import ServerError
from mockserver.box import Box
from mockserver.composition import mock_server
from mockserver.errors import SessionDiverged, StaleSession
from mockserver.recordings.session_file import header, load_session, read_session
from mockserver.replay.replay import Replay
from mockserver.server.server import MockServer

TEXT = (Path(__file__).parents[3] / "docs" / "sessions.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:<!-- tested: (\w+) -->\n)?```\w*\n(.*?)```", TEXT, re.DOTALL)
VERSION = (
    '{"direction": "client", "message": "ProtoOAVersionReq", "clientMsgId": "1"}\n'
    '{"direction": "server", "message": "ProtoOAVersionRes", "clientMsgId": "1", '
    '"payload": {"version": "91"}}\n'
)


def block(name: str) -> str:
    (found,) = [text for named, text in BLOCKS if named == name]
    return str(found)


def program(name: str) -> Any:
    space: dict[str, Any] = {}
    exec(block(name), space)  # noqa: S102 - that is the point
    return space["test_my_program"]


class Upstream:
    def __init__(self, server: MockServer) -> None:
        self.server = server

    async def connect(self) -> Any:
        return self.server.memory_client()


async def test_a_session_is_recorded_once_and_then_played(tmp_path, monkeypatch, autojump_clock):
    monkeypatch.chdir(tmp_path)
    async with mock_server(Box(), port=None) as server:
        for _ in range(2):
            await program("mock_session")(Upstream(server))
    assert len(list(server.heard)) == 1
    assert len(load_session("my.session.jsonl", SCHEMA).records) == 2


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a session where the program looks for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.session.jsonl").write_text(VERSION)


@pytest.mark.usefixtures("written")
async def test_a_replay_is_played(autojump_clock):
    await program("replay")()


async def test_the_templates_do_what_is_said_of_them(autojump_clock):
    session = read_session(block("templates").splitlines(), SCHEMA)
    for wrong in (0, 1):
        replay = Replay(session, epoch=1_700_000_000)
        async with (
            mock_server(replay, port=None) as server,
            connect_over(server.memory_client()) as api,
        ):
            accepted = await api.new_order(
                ctid_trader_account_id=1,
                symbol_id=7,
                order_type=ProtoOAOrderType.LIMIT,
                trade_side=ProtoOATradeSide.SELL,
                volume=300,
                limit_price=1.5,
            )
            data = accepted.order.trade_data
            assert (data.symbol_id, data.volume, data.open_timestamp) == (7, 300, 1_700_000_000_000)
            assert data.trade_side is ProtoOATradeSide.SELL
            request = {"ctid_trader_account_id": 1, "order_id": accepted.order.order_id + wrong}
            if wrong:
                with pytest.raises(ServerError):
                    await api.cancel_order(**request)
            else:
                await api.cancel_order(**request)
        if wrong:
            with pytest.raises(SessionDiverged, match="orderId"):
                replay.check()
        else:
            replay.check()


def test_every_line_of_a_session_shown_is_one():
    shown = [text for _, text in BLOCKS if text.startswith('{"session"')]
    assert len(shown) == 2
    for text in shown:
        lines = [json.loads(line) for line in text.splitlines()]
        lines[0].pop("schema", None)  # the digest is an example
        read_session(map(json.dumps, lines), SCHEMA)


def test_a_session_of_another_schema_warns_and_plays(tmp_path):
    path = tmp_path / "s.jsonl"
    stale = json.loads(header(SCHEMA))
    stale["schema"]["digest"] = "0" * 16
    path.write_text(json.dumps(stale) + "\n" + VERSION)
    with pytest.warns(StaleSession, match="record it again"):
        assert len(load_session(path, SCHEMA).records) == 2
