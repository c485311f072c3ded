"""`api.auth(tokens=...)`: tokens kept fresh beside the client, against the whole mock server."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    NO_RECONNECT,
    AuthError,
    ConnectFailed,
    NotRestored,
    ProtoOASpotEvent,
    ReconnectAbandoned,
    RefreshLost,
    TokenRefused,
    TokenStoreError,
    connect_over,
)
from ctrader_typed.protocol.backoff import Reconnect
from ctrader_typed.tokens import FileTokenStore, Kept, TokenKeeper, Tokens, save_tokens
from mockserver.box import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    HEDGED,
    NETTED,
    REFRESH_TOKEN,
    Box,
)
from mockserver.composition import mock_server
from mockserver.faults.scenarios import SCENARIOS
from mockserver.server.endpoints import ENDPOINTS
from mockserver.server.server import MockServer

DAY = 86_400.0
KEYS: dict[str, Any] = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "account_id": [HEDGED, NETTED],
}


class Place:
    """A server that can be away, and a store of tokens for all clients that come from here."""

    def __init__(self, server: MockServer, box: Box, path: Path, door: str) -> None:
        self.server = server
        self.box = box
        self.store = FileTokenStore(path)
        self.door = door
        self.away = False
        self.streams: list[Any] = []

    async def dial(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise ConnectFailed("the port is closed")
        self.streams.append(self.server.memory_client(self.door))
        return self.streams[-1]

    def client(self, reconnect: Reconnect | None = None) -> Any:
        reconnect = Reconnect() if reconnect is None else reconnect
        return connect_over(self.dial, wire=ENDPOINTS[self.door].wire, reconnect=reconnect)

    def keeper(self, api: Any, **options: Any) -> TokenKeeper:
        return TokenKeeper(self.store, api, now=trio.current_time, **options)

    async def save(self, due_in: float, refresh_token: str = REFRESH_TOKEN) -> None:
        """Tokens that are to be refreshed in so many seconds."""
        expires_at = trio.current_time() + due_in + DAY
        tokens = Tokens(ACCESS_TOKEN, refresh_token, expires_at - 30 * DAY, expires_at)
        await save_tokens(self.store, tokens)

    async def tokens(self) -> Tokens:
        async with self.store.hold() as held:
            kept = await held.load()
        assert kept is not None
        assert kept.refresh_sent_at is None
        return kept.tokens

    async def refreshed_elsewhere(self) -> None:
        """Another process has done it."""
        old = (await self.tokens()).refresh_token
        traded = self.box.credentials.refresh(old, CLIENT_ID, trio.current_time())
        assert traded is not None
        expires_at = trio.current_time() + 30 * DAY
        new = traded[1]
        fresh = Tokens(new.access_token, new.refresh_token, expires_at - 30 * DAY, expires_at)
        await save_tokens(self.store, fresh)


@asynccontextmanager
async def placed(
    path: Path, door: str = "tcp", scenario: str | None = None
) -> AsyncIterator[Place]:
    box = Box()
    faults = None if scenario is None else SCENARIOS[scenario].plan()
    async with mock_server(box, port=None, faults=faults) as server:
        yield Place(server, box, path / "tokens", door)


async def works(api: Any) -> None:
    """Both accounts do, and quotes come in."""
    for account in (HEDGED, NETTED):
        await api.trader(ctid_trader_account_id=account)


@pytest.mark.parametrize("door", ["tcp", "ws", "json-ws"])
async def test_a_refresh_in_time_disturbs_nobody(door: str, tmp_path: Path, autojump_clock) -> None:
    async with (
        placed(tmp_path, door) as place,
        place.client() as api,
        api.events(ProtoOASpotEvent, overflow="drop_oldest", buffer=1),
    ):
        await place.save(due_in=100)
        await api.auth(**KEYS, tokens=place.keeper(api))
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[1])
        assert (await place.tokens()).refresh_token == REFRESH_TOKEN
        await trio.sleep(200)
        fresh = await place.tokens()
        assert fresh.refresh_token != REFRESH_TOKEN
        assert place.box.credentials.grant(ACCESS_TOKEN) is None
        await works(api)
        quoted = api.statistics().streams[0].received
        await trio.sleep(60)
        assert api.statistics().streams[0].received > quoted
        assert api.statistics().connections == 1


async def test_a_store_will_do(tmp_path: Path, autojump_clock) -> None:
    """With the clock on the wall, by which these tokens are good for a month."""
    async with placed(tmp_path) as place, place.client() as api:
        tokens = Tokens.granted(
            access_token=ACCESS_TOKEN,
            refresh_token=REFRESH_TOKEN,
            expires_in=30 * DAY,
            now=time.time(),
        )
        await save_tokens(place.store, tokens)
        await api.auth(**KEYS, tokens=place.store)
        await works(api)
        assert await place.tokens() == tokens


async def test_clients_that_share_a_store_refresh_once(tmp_path: Path, autojump_clock) -> None:
    async with placed(tmp_path) as place, place.client() as one, place.client() as other:
        await place.save(due_in=100)
        for api in (one, other):
            await api.auth(**KEYS, tokens=place.keeper(api))
        first = await place.tokens()
        await trio.sleep(400)
        second = await place.tokens()
        assert second != first
        await trio.sleep(4000)  # everybody has looked at the store again
        assert await place.tokens() == second
        await works(one)
        await works(other)


async def test_a_reconnect_uses_the_token_of_the_moment(tmp_path: Path, autojump_clock) -> None:
    """Refreshed by somebody else while the link was down: no account is refused."""
    async with placed(tmp_path) as place, place.client() as api, api.events(NotRestored) as lost:
        await place.save(due_in=10 * DAY)
        await api.auth(**KEYS, tokens=place.keeper(api))
        place.away = True
        await trio.aclose_forcefully(place.streams[-1])
        await trio.sleep(5)
        await place.refreshed_elsewhere()
        place.away = False
        await api.connected()
        await works(api)
        assert api.statistics().connections == 2
        await anext(lost)  # the gap
        with pytest.raises(trio.WouldBlock):
            lost.take()


async def test_a_store_that_says_nothing_holds_no_reconnect_up(
    tmp_path: Path, autojump_clock
) -> None:
    async with placed(tmp_path) as place, place.client() as api:
        await place.save(due_in=10 * DAY)
        await api.auth(**KEYS, tokens=place.keeper(api))
        async with place.store.hold():
            await trio.aclose_forcefully(place.streams[-1])
            with trio.fail_after(40):
                await wait_all_tasks_blocked()
                await api.connected()
            await works(api)


# --- when tokens cannot be kept ---

SECRETS = (CLIENT_SECRET, ACCESS_TOKEN, REFRESH_TOKEN, "canary-used-up")


async def ended(api: Any, stream: Any) -> ReconnectAbandoned:
    """What everybody is told, soon."""
    with trio.fail_after(200), pytest.raises(ReconnectAbandoned) as caught:
        async for _ in stream:
            pass
    for ask in (api.connected, api.version):
        with pytest.raises(ReconnectAbandoned) as again:
            await ask()
        assert str(again.value) == str(caught.value)
    return caught.value


def shown(error: BaseException, *more: object) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + "".join(map(repr, more))


@pytest.mark.parametrize("reconnect", [Reconnect(), NO_RECONNECT], ids=["reconnects", "does not"])
async def test_a_lost_refresh_ends_the_client(
    reconnect: Reconnect, tmp_path: Path, autojump_clock, caplog
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        placed(tmp_path, scenario="lost-refresh") as place,
        place.client(reconnect) as api,
        api.events(ProtoOASpotEvent) as spots,
    ):
        await place.save(due_in=100)
        keeper = place.keeper(api)
        await api.auth(**KEYS, tokens=keeper)
        end = await ended(api, spots)
        assert "let the user authorise the application again" in str(end)
        assert isinstance(end.__cause__, RefreshLost)
        assert trio.current_time() < 150
        await trio.sleep(300)
        assert len(place.streams) == 1
        text = shown(end, api, keeper, spots) + caplog.text
        assert not [secret for secret in SECRETS if secret in text]
        assert caplog.text.count("tokens cannot be kept") >= 1


async def test_a_refused_refresh_ends_the_client(tmp_path: Path, autojump_clock, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        placed(tmp_path) as place,
        place.client() as api,
        api.events(ProtoOASpotEvent) as spots,
    ):
        await place.save(due_in=100, refresh_token="canary-used-up")
        await api.auth(**KEYS, tokens=place.keeper(api))
        end = await ended(api, spots)
        assert isinstance(end.__cause__, AuthError)
        assert end.__cause__.code == "CH_ACCESS_TOKEN_INVALID"
        assert end.__cause__.advice.action in str(end)
        assert (await place.tokens()).refresh_token == "canary-used-up"  # refused is not lost
        text = shown(end, end.__cause__, api, spots) + caplog.text
        assert not [secret for secret in SECRETS if secret in text]


async def test_a_refresh_that_the_page_refuses_ends_the_client(
    tmp_path: Path, autojump_clock
) -> None:
    async def refuse(tokens: Tokens) -> Tokens:
        await trio.lowlevel.checkpoint()
        raise TokenRefused("ACCESS_DENIED", "Access denied")

    async with (
        placed(tmp_path) as place,
        place.client() as api,
        api.events(ProtoOASpotEvent) as spots,
    ):
        await place.save(due_in=100)
        await api.auth(**KEYS, tokens=place.keeper(api, refresh=refuse))
        end = await ended(api, spots)
        assert isinstance(end.__cause__, TokenRefused)
        assert "let the user authorise again" in str(end)
        await place.tokens()


async def test_a_refresh_that_is_lost_with_the_connection_ends_the_client(
    tmp_path: Path, autojump_clock
) -> None:
    async def cut(tokens: Tokens) -> Tokens:
        place.away = True
        await trio.aclose_forcefully(place.streams[-1])
        await trio.sleep(5)
        raise OSError("the page hung up, too")

    async with (
        placed(tmp_path) as place,
        place.client(Reconnect(first=1000.0, ceiling=1000.0)) as api,
        api.events(ProtoOASpotEvent) as spots,
    ):
        await place.save(due_in=100)
        await api.auth(**KEYS, tokens=place.keeper(api, refresh=cut))
        assert isinstance((await ended(api, spots)).__cause__, RefreshLost)
        assert len(place.streams) == 1
        assert trio.current_time() < 150  # not after the pause


# --- at the start ---


async def test_what_is_wrong_at_once_is_raised_bare(tmp_path: Path, autojump_clock) -> None:
    async with placed(tmp_path) as place, place.client() as api:
        with pytest.raises(TokenStoreError, match="no tokens in the store"):
            await api.auth(**KEYS, tokens=place.store)
        await place.save(due_in=-2 * DAY, refresh_token="canary-used-up")
        with pytest.raises(AuthError):
            await api.auth(**KEYS, tokens=place.keeper(api))
        async with place.store.hold() as held:
            await held.save(Kept(await place_tokens(held), refresh_sent_at=1.0))
        with pytest.raises(RefreshLost):
            await api.auth(**KEYS, tokens=place.store)
        assert api.statistics().streams == ()
        assert (await api.version()).version  # the client lives


async def place_tokens(held: Any) -> Tokens:
    kept = await held.load()
    tokens: Tokens = kept.tokens
    return tokens


@pytest.mark.parametrize("steps", range(12))
async def test_cancelled_at_the_start_nothing_stays(
    steps: int, tmp_path: Path, autojump_clock
) -> None:
    async with placed(tmp_path) as place, place.client() as api:
        await place.save(due_in=10 * DAY)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def stop() -> None:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                nursery.start_soon(stop)
                await api.auth(**KEYS, tokens=place.keeper(api))
                await trio.sleep_forever()
        begun = len(api.statistics().streams)
        await api.auth(**KEYS, tokens=place.keeper(api))
        assert len(api.statistics().streams) == begun + 1
        await works(api)


async def test_either_a_token_or_a_store(tmp_path: Path, autojump_clock) -> None:
    async with placed(tmp_path) as place, place.client() as api:
        with pytest.raises(TypeError, match="either an access_token or tokens"):
            await api.auth(**KEYS)
        with pytest.raises(TypeError, match="either an access_token or tokens"):
            await api.auth(**KEYS, access_token=ACCESS_TOKEN, tokens=place.store)
