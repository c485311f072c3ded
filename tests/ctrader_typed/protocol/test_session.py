"""What a session learns by watching, against a model of the server; and what it then asks for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ctrader_typed import (
    SCHEMA,
    Message,
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOATrendbarPeriod,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAVersionReq,
    ServerError,
)
from ctrader_typed.protocol.request_tracker import AnsweredRequest
from ctrader_typed.protocol.session import APPLICATION, Session, SessionPart, SessionPartKind

M1 = ProtoOATrendbarPeriod.M1
APP = ProtoOAApplicationAuthReq(client_id="i", client_secret="s")
BEGIN = (ProtoOASubscribeSpotsReq, ProtoOASubscribeDepthQuotesReq)


def account(number: int, token: str = "t") -> ProtoOAAccountAuthReq:
    return ProtoOAAccountAuthReq(ctid_trader_account_id=number, access_token=token)


def spots(number: int, *symbols: int, flag: bool | None = None) -> ProtoOASubscribeSpotsReq:
    return ProtoOASubscribeSpotsReq(
        ctid_trader_account_id=number, symbol_id=list(symbols), subscribe_to_spot_timestamp=flag
    )


def depth(number: int, *symbols: int) -> ProtoOASubscribeDepthQuotesReq:
    return ProtoOASubscribeDepthQuotesReq(ctid_trader_account_id=number, symbol_id=list(symbols))


def bars(number: int, symbol: int) -> ProtoOASubscribeLiveTrendbarReq:
    return ProtoOASubscribeLiveTrendbarReq(
        ctid_trader_account_id=number, symbol_id=symbol, period=M1
    )


def done(session: Session, *requests: Any) -> None:
    """The server granted these."""
    for request in requests:
        session.observe([AnsweredRequest(request, ProtoOAApplicationAuthReq, 0.0, 0)], [])  # type: ignore[arg-type]  # any message will do


def refused(request: Any, code: str, text: str | None = None) -> AnsweredRequest:
    error = ServerError(code, text, request, ProtoOAErrorRes(error_code=code))
    return AnsweredRequest(request, error, 0.0, 0)


def built() -> Session:
    session = Session(SCHEMA)
    done(session, APP, account(1), account(2), spots(1, 1, 2), depth(1, 1), bars(1, 1), spots(2, 1))
    return session


def test_the_stages_of_a_restoration() -> None:
    session = built()
    assert session.missing() == []
    session.link_lost()
    stages = []
    while stage := session.missing():
        stages.append(stage)
        done(session, *stage)
    assert stages == [
        [APP],
        [account(1), account(2)],
        [spots(1, 1, 2), spots(2, 1)],
        [bars(1, 1), depth(1, 1)],
    ]


def test_flags_are_kept_and_never_mixed() -> None:
    session = Session(SCHEMA)
    done(session, APP, account(1))
    done(
        session,
        spots(1, 1, flag=True),
        spots(1, 2, flag=False),
        spots(1, 3),
        spots(1, 4, flag=True),
    )
    session.link_lost()
    done(session, APP, account(1))
    wanted = [spots(1, 1, 4, flag=True), spots(1, 2, flag=False), spots(1, 3)]
    assert session.missing() == wanted


def test_answers_and_events_count_in_their_order() -> None:
    lost = ProtoOAAccountDisconnectEvent(ctid_trader_account_id=1)
    reply = ProtoOAErrorRes(error_code="x")
    for before, there in ((0, False), (1, True)):
        session = Session(SCHEMA)
        done(session, APP)
        assert session.observe([AnsweredRequest(account(1), reply, 0.0, before)], [lost])
        assert (SessionPart(SessionPartKind.ACCOUNT, 1) in session.in_force) is there


def test_a_refused_request_teaches_nothing() -> None:
    session = Session(SCHEMA)
    assert not session.observe([refused(APP, "CH_CLIENT_AUTH_FAILURE")], [])
    assert not session.observe([AnsweredRequest(ProtoOAVersionReq(), APP, 0.0, 0)], [])
    assert session.wanted == frozenset()


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (account(1), "ALREADY_LOGGED_IN", None),
        (APP, "CH_CLIENT_ALREADY_AUTHENTICATED", None),
        (spots(1, 1), "INVALID_REQUEST", "Already subscribed to symbol 1."),
        (depth(1, 1), "ALREADY_SUBSCRIBED", None),
    ],
)
def test_what_is_in_force_already_is_as_good_as_granted(request_, code, text) -> None:
    session = Session(SCHEMA)
    session.observe([refused(request_, code, text)], [])
    assert session.in_force == session.wanted == set(session.parts(request_))


def test_a_batch_that_is_refused_is_asked_for_one_by_one() -> None:
    session = built()
    session.link_lost()
    done(session, APP, account(1), account(2))
    batch = session.missing()[0]
    assert session.give_up(batch) == []
    assert session.missing() == [spots(1, 1), spots(1, 2), spots(2, 1)]
    gone = session.give_up(spots(1, 1))
    assert {part.kind for part in gone} == {
        SessionPartKind.SPOTS,
        SessionPartKind.TRENDBARS,
        SessionPartKind.DEPTH,
    }
    done(session, *session.missing())
    assert session.missing() == []


def test_an_account_that_is_refused_waits_for_somebody() -> None:
    session = built()
    session.link_lost()
    done(session, APP, account(2))
    assert session.give_up(account(1)) == [SessionPart(SessionPartKind.ACCOUNT, 1)]
    assert not session.is_hopeless()
    assert session.missing() == [spots(2, 1)]
    done(session, account(1, "new"))
    assert spots(1, 1, 2) in session.missing()
    session.link_lost()
    done(session, APP)
    assert account(1, "new") in session.missing()


def test_without_any_account_there_is_no_hope() -> None:
    session = built()
    session.link_lost()
    session.give_up(account(1))
    session.give_up(account(2))
    assert session.is_hopeless()
    assert not Session(SCHEMA).is_hopeless()


def test_a_refresh_replaces_the_token_if_there_is_only_one() -> None:
    fresh = ProtoOARefreshTokenRes(
        access_token="new", token_type="b", expires_in=1, refresh_token="r"
    )
    answer = AnsweredRequest(ProtoOARefreshTokenReq(refresh_token="r"), fresh, 0.0, 0)
    session = built()
    session.give_up(account(1))
    assert session.observe([answer], [])
    session.link_lost()
    done(session, APP)
    assert session.missing() == [account(1, "new"), account(2, "new")]
    done(session, account(1, "another"))
    assert not session.observe([answer], [])


def test_parts_have_names_for_logs() -> None:
    assert str(APPLICATION) == "the application"
    assert str(SessionPart(SessionPartKind.ACCOUNT, 5)) == "account 5"
    assert (
        str(SessionPart(SessionPartKind.TRENDBARS, 5, 7, 1)) == "trendbars of symbol 7, account 5"
    )


ACCOUNTS = st.integers(1, 3)
SYMBOLS = st.integers(1, 3)


class SessionMachine(RuleBasedStateMachine):
    """A server that keeps its own books, and a session that watches what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(SCHEMA)
        self.there: set[tuple] = set()  # what the server has
        self.wish: set[tuple] = set()  # what the user was granted and did not end

    def serve(self, request: Any) -> bool:
        """The server's decision, and its books."""
        keys = names(request)
        needs = {key for each in keys for key in needed(each)}
        if not needs <= self.there:
            return False
        self.there |= keys
        return True

    def ask(self, request: Any) -> bool:
        granted = self.serve(request)
        outcome = APP if granted else refused(request, "INVALID_REQUEST").outcome
        self.session.observe([AnsweredRequest(request, outcome, 0.0, 0)], [])
        return granted

    @rule()
    def authorise_the_application(self) -> None:
        if self.ask(APP):
            self.wish |= names(APP)

    @rule(number=ACCOUNTS)
    def authorise(self, number: int) -> None:
        if self.ask(account(number)):
            self.wish |= names(account(number))

    @rule(
        kind=st.sampled_from([spots, depth]), number=ACCOUNTS, symbols=st.sets(SYMBOLS, min_size=1)
    )
    def subscribe(self, kind: Any, number: int, symbols: set[int]) -> None:
        request = kind(number, *sorted(symbols))
        if self.ask(request):
            self.wish |= names(request)

    @rule(number=ACCOUNTS, symbol=SYMBOLS)
    def subscribe_to_bars(self, number: int, symbol: int) -> None:
        if self.ask(bars(number, symbol)):
            self.wish |= names(bars(number, symbol))

    @rule(begun=st.sampled_from([spots, depth, bars]), number=ACCOUNTS, symbol=SYMBOLS)
    def unsubscribe(self, begun: Any, number: int, symbol: int) -> None:
        (key,) = names(begun(number, symbol))
        ends = {
            spots: ProtoOAUnsubscribeSpotsReq(ctid_trader_account_id=number, symbol_id=[symbol]),
            depth: ProtoOAUnsubscribeDepthQuotesReq(
                ctid_trader_account_id=number, symbol_id=[symbol]
            ),
            bars: ProtoOAUnsubscribeLiveTrendbarReq(
                ctid_trader_account_id=number, symbol_id=symbol, period=M1
            ),
        }
        if key in self.there:
            self.end(key)
            self.session.observe([AnsweredRequest(ends[begun], APP, 0.0, 0)], [])

    @rule(number=ACCOUNTS)
    def log_out(self, number: int) -> None:
        if ("account", number) in self.there:
            self.end(("account", number))
            out = ProtoOAAccountLogoutReq(ctid_trader_account_id=number)
            event = ProtoOAAccountDisconnectEvent(ctid_trader_account_id=number)
            before = {part for part in self.session.wanted if part.kind > SessionPartKind.ACCOUNT}
            self.session.observe([AnsweredRequest(out, APP, 0.0, 0)], [event])
            gone, self.session.logged_out = self.session.logged_out, []
            assert set(gone) == before - self.session.wanted
            assert {part.account for part in gone} <= {number}
            assert self.session.taken[number] == "ProtoOAAccountLogoutReq"

    def end(self, key: tuple) -> None:
        """Gone at the server and from the wishes, with what needs it."""
        self.there = {each for each in self.there if each != key and key not in needed(each)}
        self.wish = {each for each in self.wish if each != key and key not in needed(each)}

    @rule(numbers=st.sets(ACCOUNTS, min_size=1), token=st.booleans())
    def lose_accounts(self, numbers: set[int], token: bool) -> None:
        events: list[Message] = [ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1)]
        if token:
            events.append(
                ProtoOAAccountsTokenInvalidatedEvent(ctid_trader_account_ids=list(numbers))
            )
        else:
            events += (ProtoOAAccountDisconnectEvent(ctid_trader_account_id=n) for n in numbers)
        gone = {("account", number) for number in numbers}
        self.there = {key for key in self.there if not gone & {key, *needed(key)}}
        self.session.observe([], events)

    @rule()
    def lose_the_application(self) -> None:
        self.there.clear()
        self.session.observe([], [ProtoOAClientDisconnectEvent()])

    @rule()
    def lose_the_link(self) -> None:
        self.there.clear()
        self.session.link_lost()

    @rule()
    def restore(self) -> None:
        """Whatever was lost: one pass, no refusal, and the server has just what is wished for."""
        for _ in range(5):
            for request in self.session.missing():
                assert not names(request) <= self.there, "it was asked for what was there"
                assert self.ask(request), f"{request} came too early"
        assert self.session.missing() == []
        assert self.there == self.wish

    @invariant()
    def the_books_agree(self) -> None:
        assert {key_of(part) for part in self.session.in_force} == self.there
        assert {key_of(part) for part in self.session.wanted} == self.wish


KINDS = {
    SessionPartKind.SPOTS: "spots",
    SessionPartKind.TRENDBARS: "bars",
    SessionPartKind.DEPTH: "depth",
}


def key_of(part: SessionPart) -> tuple:
    if part.kind is SessionPartKind.APPLICATION:
        return ("application",)
    if part.kind is SessionPartKind.ACCOUNT:
        return ("account", part.account)
    return (KINDS[part.kind], part.account, part.symbol)


def names(request: Any) -> set[tuple]:
    if isinstance(request, ProtoOAApplicationAuthReq):
        return {("application",)}
    number = request.ctid_trader_account_id
    if isinstance(request, ProtoOAAccountAuthReq):
        return {("account", number)}
    if isinstance(request, ProtoOASubscribeLiveTrendbarReq):
        return {("bars", number, request.symbol_id)}
    kind = "spots" if isinstance(request, ProtoOASubscribeSpotsReq) else "depth"
    return {(kind, number, symbol) for symbol in request.symbol_id}


def needed(key: tuple) -> set[tuple]:
    if key[0] == "application":
        return set()
    needs = {("application",)}
    if key[0] != "account":
        needs.add(("account", key[1]))
    if key[0] in {"bars", "depth"}:
        needs.add(("spots", *key[1:]))
    return needs


TestSessionAgainstAModel = SessionMachine.TestCase
