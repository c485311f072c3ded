"""Tokens that are refreshed through a client: what the server pushes, and what is healed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from ctrader_typed import (
    ConnectionLost,
    Message,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAErrorRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    RefreshLost,
)
from ctrader_typed.tokens import FileTokenStore, Held, Kept, TokenKeeper, Tokens, save_tokens

DAY = 86_400.0


class MemoryStore:
    """A store for one process, that never touches a disk."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[Held]:
        yield self

    async def load(self) -> Kept | None:
        await trio.lowlevel.checkpoint()
        return self.kept

    async def save(self, kept: Kept) -> None:
        await trio.lowlevel.checkpoint()
        self.kept = kept


class Server:
    """Knows one account and which token is good; a refresh ends the account's session."""

    def __init__(self, peer: Any, *, events_first: bool, answers: bool = True) -> None:
        self.peer = peer
        self.events_first = events_first
        self.answers = answers
        self.good = "a1"
        self.sessions: list[str] = []
        self.is_open = False

    async def run(self) -> None:
        while (event := await self.peer.next()) is not None:
            if not isinstance(event.message, ProtoHeartbeatEvent):
                await self.handle(event.message, event.client_msg_id)

    async def handle(self, request: Message, ident: str) -> None:
        if isinstance(request, ProtoOAVersionReq):
            await self.peer.send(ProtoOAVersionRes(version="91"), to=ident)
        elif isinstance(request, ProtoOAAccountAuthReq):
            self.sessions.append(request.access_token)
            await self.peer.send(self.session(request), to=ident)
        elif isinstance(request, ProtoOARefreshTokenReq):
            await self.refresh(ident)

    def session(self, request: ProtoOAAccountAuthReq) -> Message:
        if request.access_token != self.good:
            return ProtoOAErrorRes(error_code="CH_ACCESS_TOKEN_INVALID")
        if self.is_open:
            return ProtoOAErrorRes(error_code="ALREADY_LOGGED_IN")
        self.is_open = True
        return ProtoOAAccountAuthRes(ctid_trader_account_id=4)

    async def refresh(self, ident: str) -> None:
        self.good, self.is_open = "a2", False
        if not self.answers:
            await self.peer.stream.send_eof()
            return
        pushed = (
            ProtoOAAccountsTokenInvalidatedEvent(ctid_trader_account_ids=[4]),
            ProtoOAAccountDisconnectEvent(ctid_trader_account_id=4),
        )
        if self.events_first:
            await self.peer.send(*pushed)
        reply = ProtoOARefreshTokenRes(
            access_token="a2", token_type="bearer", expires_in=2_628_000, refresh_token="r2"
        )
        await self.peer.send(reply, to=ident)
        if not self.events_first:
            await trio.sleep(1)
            await self.peer.send(*pushed)


def aged(age: float) -> Tokens:
    issued_at = trio.current_time() - age
    return Tokens("a1", "r1", issued_at, issued_at + 30 * DAY)


@pytest.mark.parametrize("events_first", [True, False])
async def test_a_refresh_ends_the_session_and_the_account_is_authorised_again(
    events_first, play, autojump_clock
):
    store = MemoryStore(Kept(aged(29 * DAY - 60)))
    async with play() as (api, peer), trio.open_nursery() as nursery:
        server = Server(peer, events_first=events_first)
        nursery.start_soon(server.run)
        await nursery.start(TokenKeeper(store, api, now=trio.current_time).run, [4])
        assert (server.sessions, server.is_open) == (["a1"], True)
        await trio.sleep(90)
        assert server.is_open
        assert set(server.sessions[1:]) == {"a2"}
        assert len(server.sessions) <= 4
        assert store.kept.tokens.refresh_token == "r2"
        nursery.cancel_scope.cancel()


async def test_a_refresh_whose_reply_is_lost(play, autojump_clock, tmp_path):
    store = FileTokenStore(tmp_path / "tokens")
    await save_tokens(store, aged(29 * DAY))
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(Server(peer, events_first=True, answers=False).run)
        with pytest.raises(RefreshLost) as caught:
            await TokenKeeper(store, api, now=trio.current_time).current()
        assert isinstance(caught.value.__cause__, ConnectionLost)
        nursery.cancel_scope.cancel()
    async with play() as (api, peer):
        with pytest.raises(RefreshLost, match="let the user authorise the application again"):
            await TokenKeeper(store, api, now=trio.current_time).run([4])


async def test_it_ends_with_the_link(play, autojump_clock):
    store = MemoryStore(Kept(aged(0)))
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(Server(peer, events_first=True).run)

        async def hang_up() -> None:
            await trio.sleep(5)
            await peer.stream.send_eof()

        nursery.start_soon(hang_up)
        with pytest.raises(ConnectionLost):
            await TokenKeeper(store, api, now=trio.current_time).run([4])
        nursery.cancel_scope.cancel()
