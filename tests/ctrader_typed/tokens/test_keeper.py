"""Tokens kept fresh: when they are refreshed, what is known of a refresh, and who is authorised.

Time of day is the virtual clock, and the server is a function.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from ctrader_typed import (
    AuthError,
    ConnectionLost,
    DecodeError,
    LocalProtocolError,
    Message,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAErrorRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    RefreshLost,
    ServerError,
    TokenStoreError,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.tokens import Kept, TokenKeeper, Tokens, save_tokens
from ctrader_typed.tokens.keeper import PATIENCE, RETRY_INTERVAL

DAY = 86_400.0
MONTH = 30 * DAY
REFRESH = ProtoOARefreshTokenReq(refresh_token="r1")


class MemoryStore:
    """A store for one process; notes what is saved."""

    def __init__(self, kept: Kept | None) -> None:
        self.saved: list[Kept | None] = [kept]
        self._lock = trio.Lock()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[MemoryStore]:
        async with self._lock:
            yield self

    async def load(self) -> Kept | None:
        await trio.lowlevel.checkpoint()
        return self.saved[-1]

    async def save(self, kept: Kept) -> None:
        await trio.lowlevel.checkpoint()
        self.saved.append(kept)


class Server:
    """What the keeper sees of a client: answers requests, and counts the refreshes."""

    schema = SCHEMA

    def __init__(self) -> None:
        self.requests: list[tuple[float, Any]] = []
        self.number = 1
        self.answer: Callable[[Any], Awaitable[Any]] = self.obey
        self.push, self._events = trio.open_memory_channel[Message](100)

    @asynccontextmanager
    async def events(self, *types: type[Any]) -> AsyncIterator[Any]:
        yield self._events

    async def request(self, request: Any, /) -> Any:
        self.requests.append((trio.current_time(), request))
        await trio.sleep(0.1)
        return await self.answer(request)

    async def obey(self, request: Any) -> Any:
        if isinstance(request, ProtoOAAccountAuthReq):
            if request.access_token != f"a{self.number}":
                raise refusal("CH_ACCESS_TOKEN_INVALID", request)
            return ProtoOAAccountAuthRes(ctid_trader_account_id=request.ctid_trader_account_id)
        assert isinstance(request, ProtoOARefreshTokenReq)
        if request.refresh_token != f"r{self.number}":
            raise refusal("CH_ACCESS_TOKEN_INVALID", request)
        self.number += 1
        return ProtoOARefreshTokenRes(
            access_token=f"a{self.number}",
            token_type="bearer",
            expires_in=int(MONTH),
            refresh_token=f"r{self.number}",
        )

    def of(self, kind: type[Message]) -> list[Any]:
        return [request for _, request in self.requests if isinstance(request, kind)]

    def authorised(self) -> list[tuple[int, str]]:
        return [
            (request.ctid_trader_account_id, request.access_token)
            for request in self.of(ProtoOAAccountAuthReq)
        ]


def refusal(code: str, request: Any = REFRESH) -> ServerError:
    kind = AuthError if code == "CH_ACCESS_TOKEN_INVALID" else ServerError
    return kind(code, None, request, ProtoOAErrorRes(error_code=code))


def tokens(lifetime: float = MONTH, age: float = 0.0) -> Tokens:
    issued_at = trio.current_time() - age
    return Tokens("a1", "r1", issued_at, issued_at + lifetime, "trading")


def keeper(server: Server, store: MemoryStore, **options: Any) -> TokenKeeper:
    return TokenKeeper(store, server, now=trio.current_time, **options)


# --- when ---


@pytest.mark.parametrize(
    ("age", "refreshes"), [(0.0, 0), (29 * DAY - 1, 0), (29 * DAY, 1), (MONTH, 1), (2 * MONTH, 1)]
)
async def test_it_is_refreshed_a_day_ahead(age, refreshes, autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens(age=age)))
    got = await keeper(server, store).current()
    assert len(server.of(ProtoOARefreshTokenReq)) == refreshes
    assert got.access_token == f"a{1 + refreshes}"
    assert got.scope == "trading"
    assert store.saved[-1] == Kept(got)


async def test_it_is_refreshed_as_far_ahead_as_one_likes(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens(age=28.5 * DAY)))
    assert (await keeper(server, store, ahead=DAY).current()).access_token == "a1"
    assert (await keeper(server, store, ahead=2 * DAY).current()).access_token == "a2"


async def test_a_short_life_is_not_all_refreshing(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens(lifetime=100)))
    keep = keeper(server, store)
    assert (await keep.current()).access_token == "a1"
    await trio.sleep(89)
    assert (await keep.current()).access_token == "a1"
    await trio.sleep(1.1)
    assert (await keep.current()).access_token == "a2"


async def test_whoever_asks_at_once_one_refreshes(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens(age=MONTH)))
    got: list[str] = []

    async def ask() -> None:
        got.append((await keeper(server, store).current()).access_token)

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(ask)
    assert got == ["a2"] * 50
    assert len(server.requests) == 1


async def test_another_way_to_refresh(autojump_clock):
    async def over_http(old: Tokens) -> Tokens:
        return Tokens("a" + old.refresh_token, "r9", old.expires_at, old.expires_at + MONTH)

    server, store = Server(), MemoryStore(Kept(tokens(age=MONTH)))
    assert (await keeper(server, store, refresh=over_http).current()).access_token == "ar1"
    assert server.requests == []


async def test_an_empty_store(autojump_clock):
    with pytest.raises(TokenStoreError, match="no tokens in the store: let the user authorise"):
        await keeper(Server(), MemoryStore(None)).current()


# --- how far a refresh came ---


async def test_the_store_knows_of_a_refresh_before_it_leaves(autojump_clock):
    store = MemoryStore(Kept(tokens(age=MONTH)))
    server = Server()
    at = trio.current_time()

    async def look(request: Any) -> Any:
        kept = store.saved[-1]
        assert kept is not None
        assert (kept.refresh_sent_at, kept.tokens.refresh_token) == (at, "r1")
        return await server.obey(request)

    server.answer = look
    await keeper(server, store).current()
    assert store.saved[-1].refresh_sent_at is None


LOST = [
    ConnectionLost("cut", maybe_delivered=True),
    DecodeError("cut short"),
    refusal("UNKNOWN_ERROR"),
    refusal("NOBODY_KNOWS"),
    ZeroDivisionError(),
]


@pytest.mark.parametrize("failure", LOST, ids=repr)
async def test_a_lost_reply_is_known_to_be_lost(failure, autojump_clock):
    store = MemoryStore(Kept(tokens(age=29.5 * DAY)))
    server = Server()

    async def fail(request: Any) -> Any:
        raise failure

    server.answer = fail
    with pytest.raises(RefreshLost, match="let the user authorise the application again") as caught:
        await keeper(server, store).current()
    assert caught.value.__cause__ is failure
    for _ in range(3):  # whoever asks, and whenever
        with pytest.raises(RefreshLost) as again:
            await keeper(server, store).current()
        assert str(again.value) == str(caught.value)
    with pytest.raises(RefreshLost):
        await keeper(server, store).renewed(tokens())
    assert len(server.requests) == 1
    await save_tokens(store, tokens())
    assert (await keeper(server, store).current()).access_token == "a1"


NOT_SENT = [
    ConnectionLost("it is down"),
    refusal("SERVER_IS_UNDER_MAINTENANCE"),
    refusal("REQUEST_FREQUENCY_EXCEEDED"),
    LocalProtocolError("no such request"),
]


@pytest.mark.parametrize("failure", NOT_SENT, ids=repr)
async def test_what_did_not_happen_is_not_lost(failure, autojump_clock):
    store = MemoryStore(Kept(tokens(age=MONTH)))
    server = Server()

    async def fail(request: Any) -> Any:
        raise failure

    server.answer = fail
    with pytest.raises(type(failure)) as caught:
        await keeper(server, store).current()
    assert caught.value is failure
    server.answer = server.obey
    assert (await keeper(server, store).current()).access_token == "a2"


@pytest.mark.parametrize("failure", NOT_SENT[:3], ids=repr)
async def test_what_cannot_be_refreshed_yet_is_used_while_it_lasts(failure, autojump_clock, caplog):
    store = MemoryStore(Kept(tokens(age=29.5 * DAY)))
    server = Server()

    async def fail(request: Any) -> Any:
        raise failure

    server.answer = fail
    assert (await keeper(server, store).current()).access_token == "a1"
    assert "cannot refresh the access token, which lasts until" in caplog.text
    await trio.sleep(DAY)
    with pytest.raises(type(failure)):
        await keeper(server, store).current()


async def test_a_refresh_token_that_was_used_is_refused_at_once(autojump_clock):
    store = MemoryStore(Kept(tokens(age=29.5 * DAY)))
    server = Server()
    server.number = 7
    with pytest.raises(AuthError) as caught:
        await keeper(server, store).current()
    assert "let the user authorise" in caught.value.advice.action


async def test_a_reply_that_does_not_come(autojump_clock):
    store = MemoryStore(Kept(tokens(age=MONTH)))
    server, start = Server(), trio.current_time()

    async def hang(request: Any) -> Any:
        await trio.sleep_forever()

    server.answer = hang
    with pytest.raises(RefreshLost):
        await keeper(server, store).current()
    assert trio.current_time() - start == pytest.approx(PATIENCE)


async def test_cancelled_while_it_refreshes_the_reply_is_not_lost(autojump_clock):
    store = MemoryStore(Kept(tokens(age=MONTH)))
    server = Server()

    async def slowly(request: Any) -> Any:
        await trio.sleep(5)
        return await server.obey(request)

    server.answer = slowly
    start = trio.current_time()
    with trio.move_on_after(1) as scope:
        await keeper(server, store).current()
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert trio.current_time() - start == pytest.approx(5.1)
    assert (await keeper(server, store).current()).access_token == "a2"
    assert len(server.requests) == 1


async def test_other_tokens_than_those_that_were_refused(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))
    keep = keeper(server, store)
    first = await keep.current()
    second = await keep.renewed(first)
    assert second.access_token == "a2"
    assert await keep.renewed(first) == second  # somebody else was faster
    assert len(server.requests) == 1


async def test_a_release_without_refreshing(autojump_clock):
    class Odd(Server):
        schema = type("S", (), {"release": "7", "by_name": {}})()  # type: ignore[assignment]  # enough

    with pytest.raises(LocalProtocolError, match="release 7 has no ProtoOARefreshTokenReq"):
        await keeper(Odd(), MemoryStore(Kept(tokens(age=MONTH)))).current()


# --- accounts ---


@asynccontextmanager
async def running(server: Server, store: MemoryStore, *accounts: int) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper(server, store).run, accounts)
        yield
        nursery.cancel_scope.cancel()


def invalidated(*accounts: int) -> Message:
    return ProtoOAAccountsTokenInvalidatedEvent(ctid_trader_account_ids=list(accounts))


def disconnected(account: int) -> Message:
    return ProtoOAAccountDisconnectEvent(ctid_trader_account_id=account)


async def test_it_has_started_when_the_accounts_are_authorised(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))
    async with running(server, store, 5, 4):
        assert server.authorised() == [(4, "a1"), (5, "a1")]


async def test_it_refreshes_ahead_of_the_end_and_authorises_everybody_again(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))
    start = trio.current_time()
    async with running(server, store, 4, 5):
        await trio.sleep(3 * MONTH)
    refreshed = [
        at - start for at, request in server.requests if isinstance(request, ProtoOARefreshTokenReq)
    ]
    assert [round(at / DAY, 1) for at in refreshed] == [29.0, 58.0, 87.0]
    assert server.authorised() == [(n, f"a{k}") for k in (1, 2, 3, 4) for n in (4, 5)]


async def test_already_logged_in_is_fine(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))

    async def already(request: Any) -> Any:
        raise refusal("ALREADY_LOGGED_IN", request)

    server.answer = already
    async with running(server, store, 4):
        assert server.authorised() == [(4, "a1")]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_what_a_refresh_elsewhere_breaks_is_healed(order, autojump_clock):
    """Another process refreshed: both events come, in either order, and the store has the token."""
    server, store = Server(), MemoryStore(Kept(tokens()))
    async with running(server, store, 4, 5):
        await trio.sleep(10 * DAY)
        server.number = 2
        fresh = Tokens("a2", "r2", trio.current_time(), trio.current_time() + MONTH)
        await save_tokens(store, fresh)
        pushed = [invalidated(4, 5, 99), disconnected(4)]
        for n in order:
            server.push.send_nowait(pushed[n])
        await trio.sleep(5)
        assert set(server.authorised()[2:]) == {(4, "a2"), (5, "a2")}
        assert server.of(ProtoOARefreshTokenReq) == []


async def test_it_waits_for_whoever_is_refreshing(autojump_clock):
    """The events of somebody else's refresh are here before its reply is in the store."""
    server, store = Server(), MemoryStore(Kept(tokens()))
    async with running(server, store, 4):
        async with store.hold() as held:
            server.number = 2
            server.push.send_nowait(invalidated(4))
            await trio.sleep(3)
            assert len(server.requests) == 1
            fresh = Tokens("a2", "r2", trio.current_time(), trio.current_time() + MONTH)
            await held.save(Kept(fresh))
        await trio.sleep(1)
        assert server.authorised() == [(4, "a1"), (4, "a2")]


async def test_a_token_that_the_server_refuses_is_replaced_once(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))

    async def dead(request: Any) -> Any:
        if isinstance(request, ProtoOAAccountAuthReq) and request.access_token == "a1":
            raise refusal("CH_ACCESS_TOKEN_INVALID", request)
        return await server.obey(request)

    server.answer = dead
    async with running(server, store, 4, 5):
        assert server.authorised() == [(4, "a1"), (4, "a2"), (5, "a2")]


async def test_a_revoked_token_ends_it(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))
    server.number = 9
    with pytest.raises(AuthError):
        await keeper(server, store).run([4])


async def test_a_logout_stays_one(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))
    async with running(server, store, 4):
        await trio.sleep(DAY)
        server.push.send_nowait(disconnected(4))
        await trio.sleep(DAY)
        assert server.authorised() == [(4, "a1")]


async def test_other_accounts_are_left_alone(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))
    async with running(server, store, 4):
        server.push.send_nowait(invalidated(99))
        server.push.send_nowait(disconnected(99))
        await trio.sleep(5)
        assert server.authorised() == [(4, "a1")]


async def test_what_the_server_cannot_do_now_is_tried_again(autojump_clock, caplog):
    server, store = Server(), MemoryStore(Kept(tokens()))
    async with running(server, store, 4):
        await trio.sleep(DAY)
        failures = [ConnectionLost("it is down"), refusal("CANT_ROUTE_REQUEST")]

        async def later(request: Any) -> Any:
            if failures:
                raise failures.pop(0)
            return await server.obey(request)

        server.answer = later
        start = trio.current_time()
        server.push.send_nowait(invalidated(4))
        await trio.sleep(3 * RETRY_INTERVAL)
        at = [round(at - start) for at, _ in server.requests[1:]]
        assert at == [0, RETRY_INTERVAL, 2 * RETRY_INTERVAL]
        assert "accounts are not authorised for now: it is down" in caplog.text


async def test_an_account_that_is_refused_ends_it(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))

    async def never(request: Any) -> Any:
        raise refusal("CH_CTID_TRADER_ACCOUNT_NOT_FOUND", request)

    server.answer = never
    with pytest.raises(ServerError, match="CH_CTID_TRADER_ACCOUNT_NOT_FOUND"):
        await keeper(server, store).run([4])


async def test_at_the_start_nothing_is_tried_twice(autojump_clock):
    server, store = Server(), MemoryStore(Kept(tokens()))

    async def down(request: Any) -> Any:
        raise ConnectionLost("it is down")

    server.answer = down
    with pytest.raises(ConnectionLost):
        await keeper(server, store).run([4])
    assert len(server.requests) == 1
