"""Record modes: what is played, what is passed on and appended, in which file, and what fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import ProtoOASpotEvent, connect_over
from ctrader_typed.errors import CTraderError
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAApplicationAuthReq,
    ProtoOAAssetListReq,
    ProtoOANewOrderReq,
    ProtoOASymbolsListReq,
    ProtoOAVersionReq,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from mockserver.errors import SessionDiverged, SessionError, TornSession
from mockserver.handler import Close, SendPayload, SendRaw
from mockserver.recordings.session_file import Order, load_session
from mockserver.replay.cassette import Cassette, NoUpstream, RecordMode, mock_session
from mockserver.replay.upstream import UpstreamFailed
from mockserver.server.server import MockServer

KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}
SECRETS = (CLIENT_ID, CLIENT_SECRET, ACCESS_TOKEN, "3000001")


class Real:
    """The upstream: a server in the same loop. Counts who called."""

    def __init__(self, server: MockServer) -> None:
        self.server = server
        self.calls = 0

    async def connect(self) -> trio.abc.Stream:
        self.calls += 1
        return self.server.memory_client()


class Nobody:
    async def connect(self) -> trio.abc.Stream:
        raise UpstreamFailed("cannot connect to nowhere, port 1: refused")


@pytest.fixture
async def real() -> Any:
    async with mock_server(Box(), port=None) as server:
        yield Real(server)


async def use(path: Path, program: Any, times: int = 1, **options: Any) -> None:
    async with mock_session(path, port=None, **options) as server:
        for _ in range(times):
            async with connect_over(server.memory_client()) as api:
                await program(api)


async def login(api: Any) -> None:
    await api.auth(**KEYS)


async def version(api: Any) -> None:
    assert (await api.version()).version == "91"


async def assets(api: Any) -> None:
    await login(api)
    assert len((await api.asset_list(ctid_trader_account_id=HEDGED)).asset) > 10


async def assets_and_symbols(api: Any) -> None:
    await login(api)
    symbols = await api.symbols_list(ctid_trader_account_id=HEDGED)
    assert len(symbols.symbol) > 10
    assert len((await api.asset_list(ctid_trader_account_id=HEDGED)).asset) > 10


def names(path: Path) -> list[str]:
    return [r.name for r in load_session(path, SCHEMA).records if r.by_client]


LOGIN = ["ProtoOAApplicationAuthReq", "ProtoOAAccountAuthReq"]


async def test_once_records_what_is_not_there_and_then_plays_it(tmp_path, real, autojump_clock):
    path = tmp_path / "s.jsonl"
    await use(path, assets, record_mode="once", upstream=real)
    assert names(path) == [*LOGIN, "ProtoOAAssetListReq"]
    text = path.read_text()
    assert not any(secret in text for secret in SECRETS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert real.calls == 1
    await use(path, assets, record_mode="once", upstream=real)
    await use(path, assets, record_mode="once")  # nobody is needed any more
    await use(path, assets)
    with pytest.raises(CTraderError):
        await use(path, assets_and_symbols, record_mode=RecordMode.ONCE, upstream=real)
    assert path.read_text() == text
    assert real.calls == 1


async def test_none_fails_where_the_session_lacks_something(tmp_path, real, autojump_clock):
    path = tmp_path / "s.jsonl"
    with pytest.raises(SessionError, match="cannot be read: No such file"):
        await use(path, assets, record_mode="none", upstream=real)
    await use(path, assets, record_mode="all", upstream=real)

    async def more(api: Any) -> None:
        await login(api)
        with pytest.raises(CTraderError, match="expected ProtoOAAssetListReq here"):
            await api.symbols_list(ctid_trader_account_id=HEDGED)

    with pytest.raises(
        SessionDiverged, match=r"ProtoOAAssetListReq.*expected, and ProtoOASymbolsL"
    ):
        await use(path, more, upstream=real)
    assert real.calls == 1


async def test_new_episodes_plays_what_is_there_and_appends_what_is_not(
    tmp_path, real, autojump_clock
):
    path = tmp_path / "s.jsonl"
    await use(path, assets, record_mode="new_episodes", upstream=real)
    await use(path, assets, record_mode="new_episodes", upstream=real)
    assert real.calls == 1
    first = path.read_text()
    await use(path, assets_and_symbols, record_mode="new_episodes", upstream=real)
    assert real.calls == 2
    # The upstream was told who is logged in before, and the order of the session was kept.
    assert names(path) == [*LOGIN, "ProtoOAAssetListReq", "ProtoOASymbolsListReq"]
    assert path.read_text().startswith(first)
    heard = [type(each.message) for each in real.server.heard if each.connection == 2]
    assert heard[0] is ProtoOAApplicationAuthReq
    assert heard[-1] is ProtoOASymbolsListReq
    assert ProtoOAAssetListReq not in heard
    await use(path, assets_and_symbols)  # in any order: the header says so
    assert load_session(path, SCHEMA).order is Order.ANY
    assert not any(secret in path.read_text() for secret in SECRETS)


async def test_a_strict_session_that_grows_may_be_played_in_any_order_from_then_on(
    tmp_path, real, autojump_clock
):
    path = tmp_path / "s.jsonl"
    await use(path, assets, record_mode="once", upstream=real)
    assert load_session(path, SCHEMA).order is Order.STRICT
    with path.open("a") as file:
        file.write('{"direction": "cli')  # a recorder was killed here
    with pytest.warns(TornSession, match=r"s\.jsonl, line \d+ was not written to its end"):
        await use(path, assets_and_symbols, record_mode="new_episodes", upstream=real)
    await use(path, assets_and_symbols)
    records = load_session(path, SCHEMA).records
    assert [r.t for r in records] == sorted(r.t for r in records)
    without_header = "\n".join(path.read_text().splitlines()[1:5]) + "\n"
    path.write_text(without_header)
    await use(path, assets_and_symbols, record_mode="new_episodes", upstream=real)
    assert json.loads(path.read_text().splitlines()[0])["order"] == "any"


async def test_all_plays_nothing_and_records_in_place_of_what_was_there(
    tmp_path, real, autojump_clock
):
    path = tmp_path / "s.jsonl"
    await use(path, assets, record_mode="all", upstream=real)
    await use(path, version, record_mode="all", upstream=real)
    assert names(path) == ["ProtoOAVersionReq"]
    assert real.calls == 2
    path.write_text("not a session")
    await use(path, version, record_mode="all", upstream=real)
    assert names(path) == ["ProtoOAVersionReq"]


async def test_each_connection_has_its_file_and_where_nothing_is_recorded_the_first(
    tmp_path, real, autojump_clock
):
    path = tmp_path / "s.session.jsonl"
    programs = iter([version, assets, version, assets, version])

    async def next_one(api: Any) -> None:
        await next(programs)(api)

    await use(path, next_one, times=2, record_mode="once", upstream=real)
    assert names(tmp_path / "s-2.session.jsonl") == [*LOGIN, "ProtoOAAssetListReq"]
    await use(path, next_one, times=3)
    programs = iter([version, assets])
    await use(path, next_one, times=2, record_mode="new_episodes", upstream=real)
    assert real.calls == 2


async def test_events_of_the_upstream_are_recorded_and_heartbeats_are_not(
    tmp_path, real, autojump_clock
):
    async def spots(api: Any) -> None:
        await login(api)
        async with api.events(ProtoOASpotEvent) as events:
            await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[1])
            for _ in range(3):
                await anext(events)
        await trio.sleep(65)
        await version(api)

    path = tmp_path / "s.jsonl"
    await use(path, spots, record_mode="all", upstream=real)
    assert real.calls == 1
    found = [r.name for r in load_session(path, SCHEMA).records]
    assert found.count("ProtoOASpotEvent") >= 3
    assert "ProtoHeartbeatEvent" not in found
    await use(path, spots, pace=1)


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all"])
async def test_who_records_needs_an_upstream(tmp_path, mode):
    with pytest.raises(
        NoUpstream, match=rf"s\.jsonl: record mode {mode} has something to record: name an"
    ):
        Cassette(tmp_path / "s.jsonl", SCHEMA, mode)
    with pytest.raises(ValueError, match="'some' is not a valid RecordMode"):
        Cassette(tmp_path / "s.jsonl", SCHEMA, "some")


async def failing(path: Path, upstream: Any) -> str:
    async def ask(api: Any) -> None:
        with pytest.raises(CTraderError):
            await api.version()

    with pytest.raises(SessionDiverged) as caught:
        await use(path, ask, record_mode="new_episodes", upstream=upstream)
    return str(caught.value)


async def test_an_upstream_that_fails_is_named(tmp_path, autojump_clock):
    path = tmp_path / "s.jsonl"
    assert (
        "the session could not go on, 0 of 0 steps played, 1 message of the client passed on: "
        "cannot connect to nowhere, port 1: refused." in await failing(path, Nobody())
    )


class Odd:
    """A server that says what it is told to, to the first message."""

    def __init__(self, *actions: Any) -> None:
        self.actions = actions

    def opened(self, now: float) -> Any:
        return []

    def received(self, event: Any, now: float) -> Any:
        return self.actions

    def wake_at(self) -> None:
        return None

    def wake(self, now: float) -> Any:
        return []

    def closed(self, now: float) -> None: ...


async def test_an_upstream_that_talks_nonsense_or_hangs_up_ends_the_session(
    tmp_path, autojump_clock
):
    async with mock_server(lambda _: Odd(SendRaw(b"\xff" * 8)), port=None) as server:
        text = await failing(tmp_path / "1.jsonl", Real(server))
        assert "the session could not go on" in text
        assert "frame" in text
    async with mock_server(lambda _: Odd(Close("bye")), port=None) as server:

        async def ask(api: Any) -> None:
            with pytest.raises(CTraderError):
                await api.version()

        path = tmp_path / "2.jsonl"
        await use(path, ask, record_mode="all", upstream=Real(server))
        assert names(path) == ["ProtoOAVersionReq"]


async def test_a_login_that_the_upstream_refuses_ends_the_session(tmp_path, real, autojump_clock):
    path = tmp_path / "s.jsonl"
    await use(path, assets, record_mode="once", upstream=real)
    stranger = Box()
    stranger.credentials.__init__()  # type: ignore[misc]  # knows nobody

    async def more(api: Any) -> None:
        await login(api)
        with pytest.raises(CTraderError):
            await api.symbols_list(ctid_trader_account_id=HEDGED)

    async with mock_server(stranger, port=None) as server:
        with pytest.raises(SessionDiverged, match="the upstream refused the login: CH_CLIENT_AUTH"):
            await use(path, more, record_mode="new_episodes", upstream=Real(server))
    async with mock_server(lambda _: Odd(Close("bye")), port=None) as server:
        with pytest.raises(SessionDiverged, match="the upstream hung up on the login"):
            await use(path, more, record_mode="new_episodes", upstream=Real(server))
    assert names(path) == [*LOGIN, "ProtoOAAssetListReq"]


async def test_unknown_messages_pass_with_their_bytes_in_both_directions(
    tmp_path, talker, autojump_clock
):
    path = tmp_path / "s.jsonl"
    odd = Odd(SendPayload(4243, b"\2", "q"), SendPayload(2105, b"\xff", "q"))
    async with (
        mock_server(lambda _: odd, port=None) as server,
        mock_session(path, record_mode="all", upstream=Real(server), port=None) as session,
    ):
        client = talker(session.memory_client())
        async with client.stream:
            await client.send(ProtoOAVersionReq(), "q")
            answers = [await client.receive() for _ in range(2)]
    assert [(each.payload_type, each.payload) for each in answers] == [
        (4243, b"\2"),
        (2105, b"\xff"),
    ]
    records = load_session(path, SCHEMA).records
    assert [r.wire for r in records] == [None, b"\2", b"\xff"]


async def test_an_exception_of_the_block_comes_out_as_it_is(tmp_path, real):
    class Bug(Exception):
        pass

    with pytest.raises(Bug):
        async with mock_session(tmp_path / "s.jsonl", record_mode="all", upstream=real, port=None):
            raise Bug


async def test_orders_that_were_played_are_not_sent_again(tmp_path, real, autojump_clock):
    """Only the login is: a second order would be a second position."""

    async def trade(api: Any) -> None:
        await login(api)
        await api.request(
            ProtoOANewOrderReq.from_dict(
                {
                    "ctidTraderAccountId": HEDGED,
                    "symbolId": 1,
                    "orderType": 2,
                    "tradeSide": 1,
                    "volume": 100_000,
                    "limitPrice": 0.5,
                }
            )
        )

    async def trade_and_ask(api: Any) -> None:
        await trade(api)
        await api.asset_list(ctid_trader_account_id=HEDGED)

    path = tmp_path / "s.jsonl"
    await use(path, trade, record_mode="once", upstream=real)
    await use(path, trade_and_ask, record_mode="new_episodes", upstream=real)
    real.server.assert_received(ProtoOANewOrderReq, times=1)
