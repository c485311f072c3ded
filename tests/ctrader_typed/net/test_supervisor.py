"""Connections lost and replaced: what is restored, what is told, and when it is given up."""

from __future__ import annotations

import logging
import pickle
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ctrader_typed import (
    AuthError,
    ConnectFailed,
    ConnectionLost,
    Gap,
    NotRestored,
    ProtoErrorRes,
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAClientDisconnectEvent,
    ProtoOADepthEvent,
    ProtoOAErrorRes,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsListReq,
    ProtoOATrendbarPeriod,
    ProtoOAVersionReq,
    Reconnect,
    ReconnectAbandoned,
    Wire,
    connect_over,
)
from ctrader_typed.tokens import Kept, TokenKeeper, Tokens
from tests.ctrader_typed.net.servers import Server, Session

M1, H1 = ProtoOATrendbarPeriod.M1, ProtoOATrendbarPeriod.H1
KEYS = {"client_id": "an id", "client_secret": "a secret", "access_token": "a token"}
AWAY = ConnectFailed("the port is closed")


def spot(bid: int, account: int = 1) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctid_trader_account_id=account, symbol_id=1, bid=bid)


@pytest.fixture
def playing(wire: Wire) -> Any:
    """`async with playing() as (api, server)`: a client that reconnects, on each wire in turn."""

    @asynccontextmanager
    async def play(reconnect: Reconnect | None = None) -> Any:
        async with trio.open_nursery() as nursery:
            server = Server(nursery, wire)
            reconnect = Reconnect() if reconnect is None else reconnect
            async with connect_over(server.open, reconnect=reconnect, wire=wire) as api:
                yield api, server
            nursery.cancel_scope.cancel()

    return play


async def subscribe(api: Any) -> None:
    """Accounts 1 and 2, quotes of both, bars and depth of the first."""
    await api.auth(**KEYS, account_id=[1, 2])
    await api.subscribe_spots(
        ctid_trader_account_id=1, symbol_id=[1, 2], subscribe_to_spot_timestamp=True
    )
    await api.subscribe_spots(ctid_trader_account_id=1, symbol_id=[3])
    await api.subscribe_spots(ctid_trader_account_id=2, symbol_id=[1])
    await api.subscribe_live_trendbar(ctid_trader_account_id=1, symbol_id=1, period=M1)
    await api.subscribe_live_trendbar(ctid_trader_account_id=1, symbol_id=1, period=H1)
    await api.subscribe_depth_quotes(ctid_trader_account_id=1, symbol_id=[1, 2])


async def test_all_is_restored_in_the_servers_order(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        before = server.now
        await before.hang_up()
        await trio.sleep(1)
        after = server.now
        assert after is not before
        assert (after.accounts, after.subscribed) == (before.accounts, before.subscribed)
        auth = ProtoOAApplicationAuthReq(client_id="an id", client_secret="a secret")
        assert after.got[0] == auth
        kinds = [type(request) for request in after.got]
        assert kinds[1:3] == [ProtoOAAccountAuthReq] * 2
        assert kinds[3:6] == [ProtoOASubscribeSpotsReq] * 3
        assert kinds[6:].count(ProtoOASubscribeLiveTrendbarReq) == 2
        assert kinds[6:].count(ProtoOASubscribeDepthQuotesReq) == 1
        assert len(kinds) == 9
        flagged = ProtoOASubscribeSpotsReq(
            ctid_trader_account_id=1, symbol_id=[1, 2], subscribe_to_spot_timestamp=True
        )
        assert flagged in after.got[3:6]
        assert (await api.version()).version == "91"


async def test_what_was_ended_is_not_restored(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        await api.unsubscribe_spots(ctid_trader_account_id=1, symbol_id=[1])
        await api.account_logout(ctid_trader_account_id=2)
        await server.now.send(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=2))
        await trio.sleep(1)
        assert type(server.now.got[-1]) is ProtoOAAccountLogoutReq
        await server.now.hang_up()
        await trio.sleep(1)
        assert server.now.accounts == {1}
        symbols = {key[0] + str(key[2]) for key in server.now.subscribed}
        assert symbols == {"Spots2", "Spots3", "DepthQuotes2"}


async def test_a_subscription_whose_answer_nobody_awaited_is_restored(
    playing, autojump_clock
) -> None:
    async with playing() as (api, server):
        await api.auth(**KEYS, account_id=1)
        server.slow = 1.0
        with trio.move_on_after(0.5) as scope:
            await api.subscribe_spots(ctid_trader_account_id=1, symbol_id=[7])
        assert scope.cancelled_caught
        await trio.sleep(1)
        server.slow = 0.0
        await server.now.hang_up()
        await trio.sleep(1)
        assert server.now.subscribed == {("Spots", 1, 7, None)}


async def test_while_it_is_down_requests_fail_at_once(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        await api.auth(**KEYS, account_id=1)
        server.refusing = AWAY
        await server.now.hang_up()
        await wait_all_tasks_blocked()
        began = trio.current_time()
        with pytest.raises(ConnectionLost, match="the server closed the connection") as caught:
            await api.version()
        assert not caught.value.maybe_delivered
        assert trio.current_time() == began
        with trio.move_on_after(100) as patience:
            await api.connected()
        assert patience.cancelled_caught
        server.refusing = None
        await api.connected()
        assert (await api.version()).version == "91"
        await api.connected()


async def test_requests_wait_for_no_session_that_is_being_restored(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        await api.auth(**KEYS, account_id=1)
        server.refusal = lambda session, request: session.stop()
        await server.now.hang_up()
        await trio.sleep(1)
        assert len(server.sessions) == 2
        with pytest.raises(ConnectionLost) as caught:
            await api.version()
        assert not caught.value.maybe_delivered


async def test_what_was_sent_may_have_been_delivered_and_is_never_sent_again(
    playing,
    autojump_clock,
) -> None:
    async with playing() as (api, server), trio.open_nursery() as nursery:
        await api.auth(**KEYS, account_id=1)
        server.now.deaf = True

        async def ask() -> None:
            with pytest.raises(ConnectionLost) as caught:
                await api.symbols_list(ctid_trader_account_id=1)
            assert caught.value.maybe_delivered

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        await server.now.hang_up()
        await trio.sleep(5)
        await api.connected()
        kinds = {type(request) for session in server.sessions for request in session.got}
        assert ProtoOASymbolsListReq not in kinds


# --- streams ---


async def test_a_gap_precedes_the_first_fresh_event_in_every_stream(
    playing, autojump_clock
) -> None:
    async with (
        playing() as (api, server),
        api.events(ProtoOASpotEvent) as spots,
        api.events(ProtoOADepthEvent, ProtoOASpotEvent) as both,
        api.events(ProtoOADepthEvent) as silent,
    ):
        await subscribe(api)
        await server.now.send(spot(1))
        server.refusing = AWAY
        await trio.sleep(10)
        await server.now.hang_up()
        await trio.sleep(50)
        server.refusing = None
        await api.connected()
        await server.now.send(spot(2))
        for stream in (spots, both):
            assert await anext(stream) == spot(1)
            gap = await anext(stream)
            assert isinstance(gap, Gap)
            assert gap.connection == 2
            assert gap.reason == "the server closed the connection"
            assert 50_000 <= gap.restored_at - gap.lost_at <= 80_000
            assert await anext(stream) == spot(2)
        assert isinstance(await anext(silent), Gap)


async def test_what_comes_during_the_restoration_is_fresh(playing, autojump_clock) -> None:
    async with playing() as (api, server), api.events(ProtoOASpotEvent) as spots:
        await subscribe(api)
        await server.now.send(spot(1))

        def quote(session: Session, request: Any) -> None:
            if isinstance(request, ProtoOASubscribeSpotsReq):
                server.nursery.start_soon(session.send, spot(2))

        server.refusal = quote
        await server.now.hang_up()
        await trio.sleep(1)
        got = [await anext(spots) for _ in range(5)]
        assert [type(event) for event in got] == [ProtoOASpotEvent, Gap] + [ProtoOASpotEvent] * 3


async def test_a_stream_that_was_opened_while_it_was_down_has_no_gap(
    playing, autojump_clock
) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        await server.now.hang_up()
        await wait_all_tasks_blocked()
        async with api.events(ProtoOASpotEvent) as spots:
            await api.connected()
            await server.now.send(spot(2))
            assert await anext(spots) == spot(2)


async def test_two_losses_before_anything_fresh_are_one_gap(playing, autojump_clock) -> None:
    async with playing() as (api, server), api.events(ProtoOASpotEvent) as spots:
        await subscribe(api)
        server.refusal = lambda session, request: session.stop()
        await server.now.hang_up()
        await trio.sleep(1)
        server.refusal = lambda session, request: None
        await server.now.hang_up()  # before it was restored
        await trio.sleep(5)
        gap = await anext(spots)
        assert isinstance(gap, Gap)
        assert gap.connection == 3
        await server.now.send(spot(1))
        assert await anext(spots) == spot(1)


# --- refusals ---


async def test_what_is_in_force_already_counts(playing, autojump_clock) -> None:
    codes = {
        ProtoOAApplicationAuthReq: ("CH_CLIENT_ALREADY_AUTHENTICATED", None),
        ProtoOAAccountAuthReq: ("ALREADY_LOGGED_IN", None),
        ProtoOASubscribeSpotsReq: ("INVALID_REQUEST", "Already subscribed to symbol 1."),
        ProtoOASubscribeLiveTrendbarReq: ("ALREADY_SUBSCRIBED", None),
        ProtoOASubscribeDepthQuotesReq: ("ALREADY_SUBSCRIBED", None),
    }

    def already(_: Session, request: Any) -> Any:
        code, text = codes.get(type(request), (None, None))
        return None if code is None else ProtoOAErrorRes(error_code=code, description=text)

    async with playing() as (api, server), api.events(NotRestored) as given_up:
        await subscribe(api)
        server.refusal = already
        await server.now.hang_up()
        await api.connected()
        await trio.sleep(100)
        assert len(server.sessions) == 2
        assert isinstance(await anext(given_up), Gap)
        with trio.move_on_after(1) as nothing:
            await anext(given_up)
        assert nothing.cancelled_caught


async def test_a_subscription_that_is_refused_is_reported_and_given_up(
    playing, autojump_clock, caplog
) -> None:
    def gone(_: Session, request: Any) -> Any:
        if isinstance(request, ProtoOASubscribeSpotsReq) and 2 in request.symbol_id:
            return ProtoOAErrorRes(error_code="SYMBOL_NOT_FOUND")
        return None

    async with playing() as (api, server), api.events(NotRestored) as given_up:
        await subscribe(api)
        server.refusal = gone
        await server.now.hang_up()
        await api.connected()
        assert isinstance(await anext(given_up), Gap)
        refused = await anext(given_up)
        assert refused.request.symbol_id == [2]
        assert refused.error.code == "SYMBOL_NOT_FOUND"
        assert "spots of symbol 2, account 1 is given up" in caplog.text
        spots = {key[1:3] for key in server.now.subscribed if key[0] == "Spots"}
        assert spots == {(1, 1), (1, 3), (2, 1)}
        asked = len(server.now.got)
        await trio.sleep(1000)
        assert len(server.now.got) == asked
        await server.now.hang_up()
        await trio.sleep(1)
        assert not any(2 in getattr(request, "symbol_id", ()) for request in bulk(server.now))


def bulk(session: Session) -> list[Any]:
    """Requests for several symbols."""
    kinds = (ProtoOASubscribeSpotsReq, ProtoOASubscribeDepthQuotesReq)
    return [request for request in session.got if isinstance(request, kinds)]


async def test_a_wrong_client_secret_ends_it_at_once(playing, autojump_clock) -> None:
    refusal = ProtoOAErrorRes(
        error_code="CH_CLIENT_AUTH_FAILURE", description="clientId or clientSecret is incorrect"
    )
    async with playing() as (api, server), api.events(ProtoOASpotEvent) as spots:
        await subscribe(api)
        server.refusal = lambda _, __: refusal
        await server.now.hang_up()
        for ending in (lambda: anext(spots), api.connected, api.version):
            with pytest.raises(ReconnectAbandoned, match="clientSecret is incorrect") as caught:
                await ending()
            assert isinstance(caught.value.__cause__, AuthError)
            assert "a secret" not in repr(caught.value) + str(caught.value)
        await trio.sleep(100)
        assert len(server.sessions) == 2
        assert trio.current_time() < 102


async def test_a_revoked_token_ends_it_at_once(playing, autojump_clock) -> None:
    def revoked(_: Session, request: Any) -> Any:
        if isinstance(request, ProtoOAAccountAuthReq):
            return ProtoOAErrorRes(error_code="CH_ACCESS_TOKEN_INVALID")
        return None

    async with playing() as (api, server):
        await subscribe(api)
        server.refusal = revoked
        await server.now.hang_up()
        with pytest.raises(ReconnectAbandoned, match="CH_ACCESS_TOKEN_INVALID"):
            await api.connected()


async def test_who_listens_may_mend_a_refused_account(playing, autojump_clock) -> None:
    def revoked(_: Session, request: Any) -> Any:
        if isinstance(request, ProtoOAAccountAuthReq) and request.access_token == "a token":
            return ProtoOAErrorRes(error_code="CH_ACCESS_TOKEN_INVALID")
        return None

    async with playing() as (api, server), api.events(NotRestored) as given_up:
        await subscribe(api)
        before = server.now.subscribed
        server.refusal = revoked
        await server.now.hang_up()
        await api.connected()
        assert isinstance(await anext(given_up), Gap)
        for _ in range(2):
            account = (await anext(given_up)).request.ctid_trader_account_id
            await api.request(
                ProtoOAAccountAuthReq(ctid_trader_account_id=account, access_token="new")
            )
        await trio.sleep(1)
        assert server.now.subscribed == before


class Store:
    """Tokens of one process, that another one may replace."""

    def __init__(self, access_token: str) -> None:
        self.replace(access_token)

    def replace(self, access_token: str) -> None:
        now = trio.current_time()
        self.kept = Kept(Tokens(access_token, "r", now, now + 2_600_000))

    @asynccontextmanager
    async def hold(self) -> Any:
        yield self

    async def load(self) -> Kept:
        await trio.lowlevel.checkpoint()
        return self.kept

    async def save(self, kept: Kept) -> None:
        raise AssertionError


async def test_a_token_replaced_while_it_was_down_is_taken_from_the_store(
    playing, autojump_clock
) -> None:
    good = "old"

    def check(_: Session, request: Any) -> Any:
        if isinstance(request, ProtoOAAccountAuthReq) and request.access_token != good:
            return ProtoOAErrorRes(error_code="CH_ACCESS_TOKEN_INVALID")
        return None

    async with playing() as (api, server), trio.open_nursery() as nursery:
        server.refusal = check
        store = Store("old")
        await api.application_auth(client_id="i", client_secret="s")
        keeper = TokenKeeper(store, api, now=trio.current_time)
        await nursery.start(keeper.run, [1])
        await api.subscribe_spots(ctid_trader_account_id=1, symbol_id=[1])
        good = "new"
        store.replace("new")
        await server.now.hang_up()
        await trio.sleep(2)
        assert server.now.accounts == {1}
        assert server.now.subscribed == {("Spots", 1, 1, None)}
        nursery.cancel_scope.cancel()


async def test_one_account_of_two_that_is_refused_leaves_the_other(playing, autojump_clock) -> None:
    def disabled(_: Session, request: Any) -> Any:
        if isinstance(request, ProtoOAAccountAuthReq) and request.ctid_trader_account_id == 2:
            return ProtoOAErrorRes(error_code="RET_ACCOUNT_DISABLED")
        return None

    async with playing() as (api, server):
        await subscribe(api)
        server.refusal = disabled
        await server.now.hang_up()
        await api.connected()
        assert {key[1] for key in server.now.subscribed} == {1}


async def test_an_account_whose_broker_is_away_is_asked_for_until_it_is_back(
    playing,
    autojump_clock,
) -> None:
    def away(_: Session, request: Any) -> Any:
        if isinstance(request, ProtoOAAccountAuthReq) and request.ctid_trader_account_id == 2:
            return ProtoErrorRes(error_code="CANT_ROUTE_REQUEST")
        return None

    async with playing() as (api, server):
        await subscribe(api)
        before = server.now.subscribed
        server.refusal = away
        await server.now.hang_up()
        await api.connected()
        await trio.sleep(200)
        assert len(server.sessions) == 2
        assert len(server.now.got) < 40
        server.refusal = lambda session, request: None
        await trio.sleep(60)
        assert server.now.subscribed == before


async def test_an_application_that_cannot_be_authorised_for_now_is_tried_again(
    playing,
    autojump_clock,
) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        server.refusal = lambda _, __: ProtoErrorRes(error_code="SERVER_IS_UNDER_MAINTENANCE")
        await server.now.hang_up()
        await trio.sleep(100)
        assert 4 <= len(server.sessions) <= 30
        server.refusal = lambda session, request: None
        await api.connected()
        assert server.now.accounts == {1, 2}


async def test_a_server_that_answers_nothing_is_left(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        server.refusal = lambda session, request: session.stop()
        await server.now.hang_up()
        await trio.sleep(32)
        server.refusal = lambda session, request: None
        await api.connected()
        assert server.now.accounts == {1, 2}


# --- attempts ---


async def test_pauses_double_up_to_the_ceiling(playing, autojump_clock, monkeypatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    async with playing() as (api, server):
        server.refusing = AWAY
        await server.now.hang_up()
        await trio.sleep(200)
        times = server.attempts
        pauses = [round(b - a, 6) for a, b in zip([0.0, *times[1:]], times[1:], strict=False)]
        assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
        assert api.statistics().failed_attempts == 11


async def test_a_server_that_cuts_each_connection_as_soon_as_it_is_restored(
    playing, autojump_clock, monkeypatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    async with playing(Reconnect(attempts=1)) as (api, server):
        await api.auth(**KEYS, account_id=1)

        def cut(session: Session, request: Any) -> None:
            if isinstance(request, ProtoOAAccountAuthReq):
                server.nursery.start_soon(soon, session)

        async def soon(session: Session) -> None:
            await trio.sleep(0.01)
            await session.hang_up()

        server.refusal = cut
        await server.now.hang_up()
        await trio.sleep(200)
        pauses = [
            round(b - a) for a, b in zip(server.attempts[1:], server.attempts[2:], strict=False)
        ]
        assert set(pauses) == {1}  # the longest, as chance has it here
        assert api.statistics().failed_attempts == 0
        server.refusal = lambda session, request: None
        await trio.sleep(70)  # this one stands
        tried = len(server.attempts)
        await server.now.hang_up()
        await trio.sleep(0.6)
        assert len(server.attempts) == tried + 1
        await api.connected()


async def test_a_limit_of_attempts(playing, autojump_clock) -> None:
    three = Reconnect(attempts=3)
    async with playing(three) as (api, server), api.events(ProtoOASpotEvent) as spots:
        server.refusing = AWAY
        await server.now.hang_up()
        with pytest.raises(ReconnectAbandoned, match=r"after 3 failed attempts.*closed") as end:
            await anext(spots)
        assert end.value.__cause__ is AWAY
        assert len(server.attempts) == 4
        with pytest.raises(ReconnectAbandoned):
            await api.connected()
        other = pickle.loads(pickle.dumps(end.value))
        assert str(other) == str(end.value)


async def test_the_first_attempt_is_the_callers(autojump_clock) -> None:
    async def refuse() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise AWAY

    with pytest.raises(ConnectFailed, match="the port is closed"):
        async with connect_over(refuse, reconnect=Reconnect()):
            pass


async def test_an_attempt_that_hangs_is_given_up(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        server.stalled = True
        await server.now.hang_up()
        await trio.sleep(5)
        server.stalled = False
        await trio.sleep(8)
        await api.connected()
        assert len(server.attempts) == 3


async def test_a_half_open_connection_is_replaced(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        server.now.deaf = True
        await trio.sleep(31)
        await api.connected()
        assert len(server.sessions) == 2
        assert server.now.accounts == {1, 2}


async def test_a_stream_can_be_used_once(autojump_clock) -> None:
    ours, _ = trio.testing.memory_stream_pair()
    with pytest.raises(ValueError, match="needs a function"):
        connect_over(ours, reconnect=Reconnect())


def test_settings_that_make_no_sense() -> None:
    for wrong in ({"attempts": -1}, {"first": 0}, {"first": 2, "ceiling": 1}):
        with pytest.raises(ValueError, match=r"first|attempts"):
            Reconnect(**wrong)
    assert Reconnect().pause(10_000, 1.0) == 30


# --- sessions that end on a connection that stands ---


@pytest.mark.parametrize(
    ("event", "account"),
    [
        (ProtoOAClientDisconnectEvent(reason="maintenance"), None),
        (ProtoOAAccountDisconnectEvent(ctid_trader_account_id=1), 1),
        (ProtoOAAccountsTokenInvalidatedEvent(ctid_trader_account_ids=[1]), 1),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_each_disconnect_heals_what_it_broke_and_nothing_more(
    playing, event, account, autojump_clock
) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        subscribed = set(server.now.subscribed)
        asked = len(server.now.got)
        server.forget(account)
        await server.now.send(event)
        await trio.sleep(1)
        assert (server.now.accounts, server.now.subscribed) == ({1, 2}, subscribed)
        again = server.now.got[asked:]
        assert len(server.sessions) == 1
        if account is not None:
            assert {request.ctid_trader_account_id for request in again} == {1}
            assert len(again) == 6
        else:
            assert len(again) == 9
        await trio.sleep(100)
        assert len(server.now.got) == asked + len(again)


async def test_a_session_that_is_taken_away_again_and_again_makes_no_storm(
    playing, autojump_clock
) -> None:
    async with playing() as (api, server):
        await subscribe(api)

        def take_away(session: Session, request: Any) -> None:
            if isinstance(request, ProtoOAAccountAuthReq):
                event = ProtoOAAccountDisconnectEvent(
                    ctid_trader_account_id=request.ctid_trader_account_id
                )
                server.nursery.start_soon(later, session, event)

        async def later(session: Session, event: Any) -> None:
            await trio.sleep(0.01)
            await session.send(event)

        server.refusal = take_away
        await server.now.send(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=2))
        await trio.sleep(300)
        asked = [r for r in server.now.got if isinstance(r, ProtoOAAccountAuthReq)]
        assert 5 < len(asked) < 40


async def test_an_account_that_is_refused_for_now_keeps_no_other_one_waiting(
    playing,
    autojump_clock,
) -> None:
    async with playing() as (api, server):
        await subscribe(api)

        def refusal(session: Session, request: Any) -> Any:
            away = (
                isinstance(request, ProtoOAAccountAuthReq) and request.ctid_trader_account_id == 2
            )
            return ProtoErrorRes(error_code="CANT_ROUTE_REQUEST") if away else None

        server.refusal = refusal
        server.forget(2)
        await server.now.send(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=2))
        await trio.sleep(100)  # pauses are long by now
        for _ in range(5):
            server.forget(1)
            await server.now.send(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=1))
            await trio.sleep(0.1)
            assert server.now.accounts == {1}
            await trio.sleep(31)
        asked = [r for r in server.now.got if isinstance(r, ProtoOAAccountAuthReq)]
        assert len(asked) < 60
        server.refusal = lambda _, __: None
        await trio.sleep(31)
        assert server.now.accounts == {1, 2}


async def test_an_account_whose_answer_is_late_delays_no_other(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        of_the_first = {key for key in server.now.subscribed if key[1] == 1}
        server.refusal = lambda session, request: session.stop()
        server.forget(2)
        await server.now.send(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=2))
        await trio.sleep(1)  # asked for it, and got no answer yet
        server.refusal = lambda session, request: None
        server.now.deaf = False
        server.forget(1)
        await server.now.send(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=1))
        await trio.sleep(1)
        assert server.now.subscribed == of_the_first


# --- the end ---


@pytest.mark.parametrize("state", ["up", "down", "dialling", "restoring", "refused"])
async def test_leaving_ends_everything_whatever_it_is_doing(playing, state, autojump_clock) -> None:
    async with playing() as (api, server):
        await subscribe(api)
        if state == "down":
            server.refusing = AWAY
        elif state == "dialling":
            server.stalled = True
        elif state == "restoring":
            server.refusal = lambda session, request: session.stop()
        elif state == "refused":
            server.refusal = lambda _, __: ProtoErrorRes(error_code="CANT_ROUTE_REQUEST")
        if state != "up":
            await server.now.hang_up()
            await trio.sleep(3)
        began = trio.current_time()
    assert trio.current_time() - began <= 2


@pytest.mark.parametrize("moment", range(40))
async def test_cancelled_at_any_moment(playing, moment, autojump_clock, caplog) -> None:
    """A connection is lost and replaced; wherever that is interrupted, it ends at once."""
    caplog.set_level(logging.CRITICAL)
    with trio.move_on_after(0.05 * moment) as scope:
        async with playing() as (api, server), api.events(ProtoOASpotEvent) as spots:
            await subscribe(api)
            server.nursery.start_soon(trouble, server)
            async for _ in spots:
                pass
    assert scope.cancelled_caught
    assert trio.current_time() <= 0.05 * moment + 2


async def trouble(server: Server) -> None:
    while True:
        await trio.sleep(0.13)
        server.refusing = AWAY
        await server.now.hang_up()
        await trio.sleep(0.4)
        server.refusing = None
        await trio.sleep(0.3)


async def test_statistics(playing, autojump_clock) -> None:
    async with playing() as (api, server), api.events(ProtoOASpotEvent, buffer=2) as spots:
        await subscribe(api)
        await server.now.send(*map(spot, range(5)))
        await trio.sleep(1)
        seen = api.statistics()
        assert (seen.connections, seen.reconnects, seen.failed_attempts) == (1, 0, 0)
        assert (seen.answered, seen.refused, seen.events) == (9, 0, 5)
        assert seen.latency is not None
        assert 0 <= seen.latency.median <= seen.latency.p99 <= seen.latency.longest < 1
        (stream,) = seen.streams
        assert stream.types == ("ProtoOASpotEvent",)
        assert (stream.received, stream.waiting, stream.most_waiting, stream.dropped) == (
            5,
            2,
            2,
            3,
        )
        await server.now.hang_up()
        await trio.sleep(1)
        assert api.statistics().reconnects == 1
        assert await anext(spots) == spot(0)


async def test_no_session_is_needed(playing, autojump_clock) -> None:
    async with playing() as (api, server):
        await server.now.hang_up()
        await trio.sleep(1)
        await api.connected()
        assert await api.request(ProtoOAVersionReq())
