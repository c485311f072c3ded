"""The gate before the broker, without a loop: who gets in, what may pass, who hears what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ctrader_typed.errors import DecodeError
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAAssetListReq,
    ProtoOAAssetListRes,
    ProtoOAClientDisconnectEvent,
    ProtoOAClientPermissionScope,
    ProtoOADealListReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAGetTrendbarsReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOARefreshTokenReq,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOASymbolsListReq,
    ProtoOATraderReq,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from mockserver.box import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    HEDGED,
    LIVE,
    NETTED,
    REFRESH_TOKEN,
    VIEW_TOKEN,
    Box,
)
from mockserver.handler import (
    Action,
    BadPayload,
    ClientConnection,
    Close,
    Envelope,
    Send,
    UnknownPayload,
)
from mockserver.proxy.proxy import Proxy
from mockserver.proxy.rules import ProxyRules
from mockserver.rate_limit import RateLimit, RateRules

UNLIMITED = ProxyRules(rates=None)


class Client:
    """One connection to a gate: what is asked and what is heard, in order."""

    def __init__(self, proxy: Proxy, number: int = 1) -> None:
        self.now = 0.0
        self.heard: list[Any] = []
        self.session = proxy(ClientConnection(number, "memory", self.hear))
        self.hear(self.session.opened(self.now))

    def hear(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.heard.append((action.message, action.client_msg_id))
            else:
                self.heard.append(action)

    def taken(self) -> list[Any]:
        """What was heard since the last time."""
        heard, self.heard = self.heard, []
        return heard

    def ask(self, message: Any, client_msg_id: str | None = "q") -> Any:
        """The answer; what else was heard stays."""
        event = Envelope(message, client_msg_id) if isinstance(message, Message) else message
        actions = list(self.session.received(event, self.now))
        self.hear(actions[1:])
        if not actions:
            return None
        assert isinstance(actions[0], Send)
        assert actions[0].client_msg_id == client_msg_id
        return actions[0].message

    def refused(self, message: Any) -> tuple[str, str | None]:
        """Code and text of the refusal that this gets."""
        error = self.ask(message)
        assert type(error) is ProtoOAErrorRes, error
        return error.error_code, error.description

    def login(self, *accounts: int, token: str = ACCESS_TOKEN) -> Client:
        app = ProtoOAApplicationAuthReq(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        assert self.ask(app) == ProtoOAApplicationAuthRes()
        for account in accounts:
            answer = self.ask(auth(account, token))
            assert answer == ProtoOAAccountAuthRes(ctid_trader_account_id=account), answer
        return self


def auth(account: int, token: str = ACCESS_TOKEN) -> ProtoOAAccountAuthReq:
    return ProtoOAAccountAuthReq(ctid_trader_account_id=account, access_token=token)


def assets(account: int = HEDGED) -> ProtoOAAssetListReq:
    return ProtoOAAssetListReq(ctid_trader_account_id=account)


def order(account: int = HEDGED, **more: Any) -> ProtoOANewOrderReq:
    return ProtoOANewOrderReq(
        ctid_trader_account_id=account,
        symbol_id=1,
        order_type=ProtoOAOrderType.MARKET,
        trade_side=ProtoOATradeSide.BUY,
        volume=100_000,
        **more,
    )


@pytest.fixture
def box() -> Box:
    return Box(proxy_rules=UNLIMITED)


# --- the order of things -------------------------------------------------------------------------


def test_the_version_may_be_asked_before_anything_else(box):
    assert Client(box).ask(ProtoOAVersionReq()) == ProtoOAVersionRes(version="91")


REFUSED_WITHOUT_APPLICATION = [
    auth(HEDGED),
    assets(),
    order(),
    ProtoOAGetAccountListByAccessTokenReq(access_token=ACCESS_TOKEN),
    ProtoOAGetCtidProfileByTokenReq(access_token=ACCESS_TOKEN),
    ProtoOARefreshTokenReq(refresh_token=REFRESH_TOKEN),
]


@pytest.mark.parametrize("request_", REFUSED_WITHOUT_APPLICATION, ids=lambda m: type(m).__name__)
def test_nothing_else_may_be_asked_before_the_application_is_known(box, request_):
    client = Client(box)
    list_of_accounts = isinstance(request_, ProtoOAGetAccountListByAccessTokenReq)
    code = "UNSUPPORTED_MESSAGE" if list_of_accounts else "CH_CLIENT_NOT_AUTHENTICATED"
    assert client.refused(request_) == (code, None)
    client.login()  # and it did no harm


WRONG_APPLICATIONS = {
    "unknown": ("nobody", CLIENT_SECRET, "clientId or clientSecret is incorrect"),
    "wrong secret": (CLIENT_ID, "guess", "clientId or clientSecret is incorrect"),
    "not active": ("new", "new-secret", "OA client is not in active state"),
}


@pytest.mark.parametrize(
    ("client_id", "secret", "text"), WRONG_APPLICATIONS.values(), ids=WRONG_APPLICATIONS
)
def test_a_wrong_application_is_told_the_exact_text(box, client_id, secret, text):
    box.credentials.add_application("new", "new-secret", active=False)
    client = Client(box)
    request = ProtoOAApplicationAuthReq(client_id=client_id, client_secret=secret)
    assert client.refused(request) == ("CH_CLIENT_AUTH_FAILURE", text)
    assert client.refused(auth(HEDGED)) == ("CH_CLIENT_NOT_AUTHENTICATED", None)


def test_an_application_logs_in_once(box):
    client = Client(box).login(HEDGED)
    request = ProtoOAApplicationAuthReq(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    assert client.refused(request) == ("CH_CLIENT_ALREADY_AUTHENTICATED", None)
    assert isinstance(client.ask(assets()), ProtoOAAssetListRes)


def test_account_requests_need_the_account(box):
    client = Client(box).login(HEDGED)
    error = client.ask(assets(NETTED))
    assert error == ProtoOAErrorRes(
        error_code="INVALID_REQUEST",
        description="Trading account is not authorized",
        ctid_trader_account_id=NETTED,
    )
    assert client.ask(auth(NETTED)) == ProtoOAAccountAuthRes(ctid_trader_account_id=NETTED)
    assert isinstance(client.ask(assets(NETTED)), ProtoOAAssetListRes)


def test_another_connection_has_sessions_of_its_own(box):
    Client(box, 1).login(HEDGED)
    other = Client(box, 2).login()
    assert other.refused(assets())[1] == "Trading account is not authorized"


def test_an_account_logs_in_once_on_a_connection_and_on_several_connections(box):
    client = Client(box, 1).login(HEDGED)
    error = client.ask(auth(HEDGED))
    assert error == ProtoOAErrorRes(
        error_code="ALREADY_LOGGED_IN",
        description="Trading account is already authorized in this channel",
    )
    Client(box, 2).login(HEDGED)
    assert client.taken() == []


def test_tokens_and_accounts_that_are_wrong(box):
    box.credentials.add_application("other", "secret")
    box.credentials.add_grant("other", [HEDGED], access_token="of-another-application")
    box.credentials.add_grant(CLIENT_ID, [HEDGED], access_token="old", now=-100, lifetime=99)
    box.credentials.add_grant(CLIENT_ID, [HEDGED], access_token="narrow")
    client = Client(box).login()
    bad_token = ("CH_ACCESS_TOKEN_INVALID", "Invalid access token")
    assert client.refused(auth(HEDGED, "guess")) == bad_token
    assert client.refused(auth(HEDGED, "of-another-application")) == bad_token
    assert client.refused(auth(HEDGED, "old")) == ("OA_AUTH_TOKEN_EXPIRED", None)
    unknown = ("CH_CTID_TRADER_ACCOUNT_NOT_FOUND", None)
    assert client.refused(auth(3_000_001)) == unknown  # its login, not its id
    assert client.refused(auth(NETTED, "narrow")) == unknown
    for request in (
        ProtoOAGetAccountListByAccessTokenReq(access_token="guess"),
        ProtoOAGetCtidProfileByTokenReq(access_token="guess"),
    ):
        assert client.refused(request) == bad_token


@pytest.mark.parametrize(("live", "own", "foreign"), [(True, LIVE, HEDGED), (False, HEDGED, LIVE)])
def test_an_account_is_reached_on_the_endpoint_of_its_kind_only(live, own, foreign):
    client = Client(Box(proxy_rules=ProxyRules(live=live))).login(own)
    assert client.ask(auth(foreign)) == ProtoOAErrorRes(
        error_code="CANT_ROUTE_REQUEST", description="Cannot route request"
    )
    listed = client.ask(ProtoOAGetAccountListByAccessTokenReq(access_token=ACCESS_TOKEN))
    assert {each.is_live for each in listed.ctid_trader_account} == {True, False}


def test_the_account_list_says_what_the_token_is_good_for(box):
    client = Client(box).login()
    listed = client.ask(ProtoOAGetAccountListByAccessTokenReq(access_token=VIEW_TOKEN))
    assert listed.access_token == VIEW_TOKEN
    assert listed.permission_scope is ProtoOAClientPermissionScope.SCOPE_VIEW
    assert [each.ctid_trader_account_id for each in listed.ctid_trader_account] == list(
        box.broker.accounts
    )
    narrow = box.credentials.add_grant(CLIENT_ID, [NETTED], user_id=7)
    listed = client.ask(ProtoOAGetAccountListByAccessTokenReq(access_token=narrow.access_token))
    assert [each.ctid_trader_account_id for each in listed.ctid_trader_account] == [NETTED]
    profile = client.ask(ProtoOAGetCtidProfileByTokenReq(access_token=narrow.access_token))
    assert profile.profile.user_id == 7


TRADES = [cls for cls, answer in SCHEMA.responses.items() if answer is ProtoOAExecutionEvent]


def test_who_may_only_look_may_not_trade(box):
    client = Client(box).login(HEDGED, token=VIEW_TOKEN)
    assert len(TRADES) == 5
    for cls in TRADES:
        values = {f.key: 1 for f in cls.required_fields} | {"ctidTraderAccountId": HEDGED}
        assert client.refused(cls.from_dict(values)) == ("TRADING_NOT_ALLOWED", None)
    assert isinstance(client.ask(assets()), ProtoOAAssetListRes)
    assert client.ask(ProtoOATraderReq(ctid_trader_account_id=HEDGED)).trader.balance == 1_000_000


def test_every_request_of_the_schema_is_answered(box):
    """None is left out: each gets its answer, an order event or a reasoned error, with its id."""
    special = {
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        "accessToken": ACCESS_TOKEN,
        "refreshToken": REFRESH_TOKEN,
        "ctidTraderAccountId": HEDGED,
    }
    assert len(SCHEMA.responses) == 42
    for cls, response in SCHEMA.responses.items():
        client = Client(Box(proxy_rules=UNLIMITED))
        if cls is not ProtoOAApplicationAuthReq:
            client.login(*(() if cls is ProtoOAAccountAuthReq else (HEDGED,)))
        values: dict[str, Any] = {}
        for f in cls.required_fields:
            values[f.key] = special.get(f.key, {"string": "x", "bool": True}.get(f.kind, 1))
            if f.kind == "message":
                part = cls.class_of(f)
                values[f.key] = {g.key: 1 for g in part.required_fields}
        answer = client.ask(cls.from_dict(values))
        assert answer is not None, cls
        if isinstance(answer, ProtoOAErrorRes):
            assert answer.error_code != "UNSUPPORTED_MESSAGE", cls
        else:
            assert type(answer) in (response, SCHEMA.by_name["ProtoOAOrderErrorEvent"]), cls


# --- logging out and being thrown out ------------------------------------------------------------


def test_a_logout_has_two_steps(box):
    client = Client(box).login(HEDGED, NETTED)
    answer = client.ask(ProtoOAAccountLogoutReq(ctid_trader_account_id=HEDGED))
    assert answer == ProtoOAAccountLogoutRes(ctid_trader_account_id=HEDGED)
    assert client.taken() == [(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=HEDGED), None)]
    assert client.refused(assets(HEDGED))[1] == "Trading account is not authorized"
    assert isinstance(client.ask(assets(NETTED)), ProtoOAAssetListRes)
    client.ask(auth(HEDGED))


def subscribe(client: Client, account: int = HEDGED) -> None:
    request = ProtoOASubscribeSpotsReq(ctid_trader_account_id=account, symbol_id=[1])
    assert isinstance(client.ask(request), ProtoOASubscribeSpotsRes)
    client.taken()


def test_subscriptions_end_with_the_session(box):
    client = Client(box).login(HEDGED)
    subscribe(client)
    client.ask(ProtoOAAccountLogoutReq(ctid_trader_account_id=HEDGED))
    client.taken()
    box.broker.set_price("EURUSD", 1.2)
    box.wake(1.0)
    assert client.taken() == []
    client.ask(auth(HEDGED))
    subscribe(client)  # it is not "already subscribed"


def test_a_dropped_account_is_told_on_every_connection_that_has_it(box):
    one, two, three = Client(box, 1), Client(box, 2), Client(box, 3)
    one.login(HEDGED)
    two.login(HEDGED, NETTED)
    three.login(NETTED)
    box.drop_account(HEDGED)
    event = (ProtoOAAccountDisconnectEvent(ctid_trader_account_id=HEDGED), None)
    assert [each.taken() for each in (one, two, three)] == [[event], [event], []]
    assert two.refused(assets(HEDGED))[0] == "INVALID_REQUEST"
    assert isinstance(two.ask(assets(NETTED)), ProtoOAAssetListRes)


def test_a_dropped_application_has_to_log_in_again(box):
    client = Client(box).login(HEDGED)
    box.drop_application(CLIENT_ID, "maintenance")
    assert client.taken() == [(ProtoOAClientDisconnectEvent(reason="maintenance"), None)]
    assert client.refused(assets()) == ("CH_CLIENT_NOT_AUTHENTICATED", None)
    client.login(HEDGED)


# --- tokens --------------------------------------------------------------------------------------


def test_a_refresh_gives_a_new_pair_kills_the_old_one_and_ends_its_sessions(box):
    one, two, other = Client(box, 1), Client(box, 2), Client(box, 3)
    one.login(HEDGED, NETTED)
    two.login(HEDGED)
    other.login(HEDGED, token=VIEW_TOKEN)
    one.now = two.now = other.now = 1000.0
    answer = one.ask(ProtoOARefreshTokenReq(refresh_token=REFRESH_TOKEN))
    assert (answer.token_type, answer.expires_in) == ("bearer", 2_628_000)
    assert answer.access_token not in (ACCESS_TOKEN, answer.refresh_token, VIEW_TOKEN)

    heard = one.taken()
    assert [type(message) for message, _ in heard] == [
        ProtoOAAccountsTokenInvalidatedEvent,
        ProtoOAAccountDisconnectEvent,
        ProtoOAAccountDisconnectEvent,
    ]
    assert heard[0][0].ctid_trader_account_ids == [HEDGED, NETTED]
    assert all(client_msg_id is None for _, client_msg_id in heard)
    invalidated, disconnected = two.taken()
    assert invalidated[0].ctid_trader_account_ids == [HEDGED]
    assert disconnected[0].ctid_trader_account_id == HEDGED
    assert other.taken() == []  # a grant of its own

    assert one.refused(assets())[1] == "Trading account is not authorized"
    assert one.refused(auth(HEDGED)) == ("CH_ACCESS_TOKEN_INVALID", "Invalid access token")
    one.ask(auth(HEDGED, answer.access_token))
    assert isinstance(one.ask(assets()), ProtoOAAssetListRes)


def test_a_refresh_token_is_good_once_and_its_reuse_revokes_nothing(box):
    client = Client(box).login()
    answer = client.ask(ProtoOARefreshTokenReq(refresh_token=REFRESH_TOKEN))
    client.ask(auth(HEDGED, answer.access_token))
    again = client.refused(ProtoOARefreshTokenReq(refresh_token=REFRESH_TOKEN))
    assert again[0] == "CH_ACCESS_TOKEN_INVALID"
    assert client.taken() == []
    assert isinstance(client.ask(assets()), ProtoOAAssetListRes)
    assert client.ask(ProtoOARefreshTokenReq(refresh_token=answer.refresh_token)).access_token


def test_a_refresh_token_is_bound_to_its_application(box):
    box.credentials.add_application("other", "secret")
    client = Client(box)
    client.ask(ProtoOAApplicationAuthReq(client_id="other", client_secret="secret"))
    request = ProtoOARefreshTokenReq(refresh_token=REFRESH_TOKEN)
    assert client.refused(request)[0] == "CH_ACCESS_TOKEN_INVALID"


def test_a_session_ends_when_its_token_runs_out(box):
    box.credentials.add_grant(CLIENT_ID, [HEDGED], access_token="short", lifetime=60)
    client = Client(box).login(HEDGED, token="short")
    for now in (59.9, 60.0):
        box.wake(now)
        types = [type(message) for message, _ in client.taken()]
    assert types == [ProtoOAAccountsTokenInvalidatedEvent, ProtoOAAccountDisconnectEvent]
    client.now = 61.0
    assert client.refused(auth(HEDGED, "short")) == ("OA_AUTH_TOKEN_EXPIRED", None)
    at = Box(proxy_rules=UNLIMITED)
    at.credentials.add_grant(CLIENT_ID, [HEDGED], access_token="short", lifetime=0.01)
    Client(at).login(HEDGED, token="short")
    assert at.wake_at() == pytest.approx(0.01)


def test_a_revoked_token_ends_its_sessions(box):
    client = Client(box).login(HEDGED)
    box.revoke(ACCESS_TOKEN)
    assert len(client.taken()) == 2
    assert client.refused(auth(HEDGED))[0] == "CH_ACCESS_TOKEN_INVALID"
    assert client.refused(ProtoOARefreshTokenReq(refresh_token=REFRESH_TOKEN))[0] == (
        "CH_ACCESS_TOKEN_INVALID"
    )
    with pytest.raises(KeyError):
        box.revoke(ACCESS_TOKEN)


def test_no_repr_shows_a_token(box):
    grant = box.credentials.grant(ACCESS_TOKEN)
    application = box.credentials.applications[CLIENT_ID]
    assert ACCESS_TOKEN not in repr(grant)
    assert REFRESH_TOKEN not in repr(grant)
    assert CLIENT_SECRET not in repr(application)


# --- rates ---------------------------------------------------------------------------------------


def trader() -> ProtoOATraderReq:
    return ProtoOATraderReq(ctid_trader_account_id=HEDGED)


def test_fifty_requests_a_second_may_pass_and_the_next_blocks_its_payload_type():
    client = Client(Box()).login(HEDGED)
    for n in range(50):
        client.now = n / 100
        assert client.ask(trader()).trader is not None
    error = client.ask(trader())
    assert error == ProtoOAErrorRes(
        error_code="BLOCKED_PAYLOAD_TYPE",
        description="You are being rate limited",
        retry_after=1,
        ctid_trader_account_id=None,
    )
    client.now = 1.48  # the window has room again, the payload type is blocked until 1.49
    assert client.ask(assets()).asset
    assert client.refused(trader())[0] == "BLOCKED_PAYLOAD_TYPE"
    client.now = 1.4901
    assert client.ask(trader()).trader is not None


def test_historical_requests_have_a_limit_of_their_own_and_count_for_both():
    client = Client(Box()).login(HEDGED)
    bars = ProtoOAGetTrendbarsReq(
        ctid_trader_account_id=HEDGED, symbol_id=1, period=ProtoOATrendbarPeriod.M1, count=1
    )
    for _ in range(5):
        assert not isinstance(client.ask(bars), ProtoOAErrorRes)
    assert client.refused(bars)[0] == "BLOCKED_PAYLOAD_TYPE"
    deals = ProtoOADealListReq(ctid_trader_account_id=HEDGED)
    assert client.refused(deals)[0] == "BLOCKED_PAYLOAD_TYPE"
    for _ in range(45):
        assert client.ask(trader()).trader is not None
    assert client.refused(trader())[0] == "BLOCKED_PAYLOAD_TYPE"


def test_heartbeats_and_logins_are_not_counted():
    client = Client(Box())
    for _ in range(200):
        client.ask(ProtoHeartbeatEvent(), None)
    client.login(HEDGED)
    for _ in range(100):
        assert client.refused(auth(HEDGED))[0] == "ALREADY_LOGGED_IN"
    assert client.ask(trader()).trader is not None


def test_limits_are_each_connections_own():
    box = Box()
    one, two = Client(box, 1).login(HEDGED), Client(box, 2).login(HEDGED)
    for _ in range(51):
        one.ask(trader())
    assert two.ask(trader()).trader is not None


def test_the_older_error_blocks_nothing():
    client = Client(Box(proxy_rules=ProxyRules(rates=RateRules(ordinary=2, older=True)))).login(
        HEDGED
    )
    for _ in range(2):
        client.ask(trader())
    for _ in range(2):
        assert client.ask(trader()) == ProtoOAErrorRes(error_code="REQUEST_FREQUENCY_EXCEEDED")
    client.now = 1.0001
    assert client.ask(trader()).trader is not None


def test_the_time_to_wait_is_told_in_whole_seconds_that_are_left():
    limit = RateLimit(RateRules(ordinary=1, retry_after=10))
    assert limit.take(1, False, 0.0) is None
    assert limit.take(1, False, 0.5) == 10
    assert limit.take(1, False, 1.6) == 9
    assert limit.take(2, False, 1.6) is None
    assert limit.take(1, False, 10.4) == 1
    assert limit.take(1, False, 10.5) is None


def test_the_window_is_a_second_long():
    limit = RateLimit(RateRules(ordinary=1, older=True))
    assert limit.take(1, False, 5.0) is None
    assert limit.take(1, False, 5.999) == 0
    assert limit.take(1, False, 6.0) is None


# --- what is no request --------------------------------------------------------------------------


def test_what_is_no_request_is_unsupported(box):
    client = Client(box).login(HEDGED)
    unsupported = ("UNSUPPORTED_MESSAGE", None)
    assert client.refused(UnknownPayload(4242, b"", "q")) == unsupported
    assert client.refused(ProtoOAVersionRes(version="1")) == unsupported
    event = ProtoOASpotEvent(ctid_trader_account_id=HEDGED, symbol_id=1)
    assert client.refused(event) == unsupported


def test_what_cannot_be_read_names_the_missing_field(box):
    client = Client(box).login(HEDGED)
    for cls, payload, text in (
        (ProtoOANewOrderReq, b"\x10\x01", "Message missing required fields: symbolId"),
        (ProtoOAAccountAuthReq, b"", "Message missing required fields: ctidTraderAccountId"),
    ):
        with pytest.raises(DecodeError) as error:
            cls.FromString(payload)
        bad = BadPayload(SCHEMA.payload_types[cls], payload, "q", error.value)
        assert client.refused(bad) == ("INVALID_REQUEST", text)
    bad = BadPayload(2106, b"\xff", "q", DecodeError("a varint breaks off"))
    assert client.refused(bad) == ("INVALID_REQUEST", "a varint breaks off")


# --- time ----------------------------------------------------------------------------------------


def test_the_server_sends_a_heartbeat_when_it_has_said_nothing_for_long(box):
    client = Client(box)
    assert client.session.wake_at() == 27.0
    client.now = 10.0
    client.ask(ProtoHeartbeatEvent(), None)
    assert client.session.wake_at() == 27.0  # it does not answer heartbeats
    client.ask(ProtoOAVersionReq())
    assert client.session.wake_at() == 37.0
    client.hear(client.session.wake(37.0))
    assert client.taken() == [(ProtoHeartbeatEvent(), None)]
    assert client.session.wake_at() == 40.0  # when the client has been silent for 30


def test_what_is_pushed_counts_as_a_sign_of_life(box):
    client = Client(box).login(HEDGED)
    subscribe(client)
    box.wake(20.0)
    assert client.taken()
    client.session.received(Envelope(ProtoHeartbeatEvent()), 20.0)
    assert client.session.wake_at() == 47.0


def test_a_client_that_is_silent_for_too_long_is_dropped(box):
    client = Client(box)
    client.now = 10.0
    client.ask(ProtoHeartbeatEvent(), None)
    client.hear(client.session.wake(27.0))
    assert client.session.wake_at() == 40.0
    assert list(client.session.wake(40.0)) == [Close("the client was silent for 30 seconds")]


def test_both_can_be_set_and_switched_off():
    quick = Client(Box(proxy_rules=ProxyRules(heartbeat=1.0, silence=5.0)))
    assert quick.session.wake_at() == 1.0
    assert Client(Box(proxy_rules=ProxyRules(heartbeat=None))).session.wake_at() == 30.0
    patient = Client(Box(proxy_rules=ProxyRules(heartbeat=None, silence=None)))
    assert patient.session.wake_at() is None


def test_an_application_has_only_so_many_connections():
    box = Box(proxy_rules=ProxyRules(connections=2))
    box.credentials.add_application("other", "secret")
    clients = [Client(box, number).login() for number in (1, 2)]
    third = Client(box, 3)
    request = ProtoOAApplicationAuthReq(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    assert third.refused(request) == ("CONNECTIONS_LIMIT_EXCEEDED", None)
    other = ProtoOAApplicationAuthReq(client_id="other", client_secret="secret")
    assert Client(box, 4).ask(other) == ProtoOAApplicationAuthRes()
    clients[0].session.closed(1.0)
    assert third.ask(request) == ProtoOAApplicationAuthRes()


# --- who hears what ------------------------------------------------------------------------------


def test_what_one_client_does_every_other_with_the_account_hears_without_the_id(box):
    one, two, other = Client(box, 1), Client(box, 2), Client(box, 3)
    one.login(HEDGED)
    two.login(HEDGED)
    other.login(NETTED)
    accepted = one.ask(order(), "mine")
    assert accepted.execution_type is ProtoOAExecutionType.ORDER_ACCEPTED
    assert two.taken() == [(accepted, None)]
    box.wake(0.13)
    ((filled, client_msg_id),) = one.taken()
    assert (filled.execution_type, client_msg_id) == (ProtoOAExecutionType.ORDER_FILLED, "mine")
    assert two.taken() == [(filled, None)]
    assert other.taken() == []


def test_quotes_go_to_subscribers_only(box):
    one, two = Client(box, 1).login(HEDGED), Client(box, 2).login(HEDGED)
    subscribe(one)
    box.broker.set_price("EURUSD", 1.2345)
    box.wake(0.0)
    ((spot, _),) = one.taken()
    assert spot.bid == 123_450
    assert two.taken() == []


def test_what_happened_while_nobody_was_connected_is_not_told_afterwards(box):
    box.broker.deposit(HEDGED, 100)
    client = Client(box).login(HEDGED)
    client.ask(ProtoOASymbolsListReq(ctid_trader_account_id=HEDGED))
    box.wake(0.0)
    assert client.taken() == []
    box.broker.deposit(HEDGED, 100)
    box.wake(0.0)
    assert len(client.taken()) == 1


def test_the_engine_is_told_when_what_is_planned_has_changed(box):
    nudges: list[None] = []
    box.started(lambda: nudges.append(None))
    assert box.wake_at() is None  # nobody is connected
    client = Client(box).login(HEDGED)
    assert box.wake_at() is not None
    planned, told = box.wake_at(), len(nudges)
    client.ask(ProtoOASymbolsListReq(ctid_trader_account_id=HEDGED))
    assert (box.wake_at(), len(nudges)) == (planned, told)
    box.broker.set_price("EURUSD", 1.2)
    assert len(nudges) == told + 1


def test_the_engine_is_not_told_of_what_is_due_later_than_planned(box):
    nudges: list[None] = []
    box.started(lambda: nudges.append(None))
    client = Client(box).login(HEDGED)
    client.ask(ProtoOASubscribeSpotsReq(ctid_trader_account_id=HEDGED, symbol_id=[1]))
    planned, told = box.wake_at(), len(nudges)
    client.now = planned + 60.0  # the prices of a minute have passed by then
    request = ProtoOASymbolsListReq(ctid_trader_account_id=HEDGED)
    assert len(list(client.session.received(Envelope(request, "q"), client.now))) > 1
    assert len(nudges) == told
    assert box.wake_at() > planned


@pytest.mark.parametrize("kept", [True, False])
def test_an_invented_text_is_sent_unless_it_is_switched_off(kept):
    box = Box(proxy_rules=ProxyRules(rates=None, invented_texts=kept))
    client = Client(box)
    client.ask(ProtoOAApplicationAuthReq(client_id=CLIENT_ID, client_secret=CLIENT_SECRET))
    client.ask(ProtoOAAccountAuthReq(ctid_trader_account_id=HEDGED, access_token=ACCESS_TOKEN))
    assert client.refused(BadPayload(2137, b"", "q", DecodeError("odd"))) == (
        "INVALID_REQUEST",
        "odd" if kept else None,
    )
    client.taken()
    box.revoke(ACCESS_TOKEN)
    ended = client.taken()[0][0]
    assert ended.reason == ("The access token was revoked" if kept else None)
    assert client.refused(ProtoOAGetCtidProfileByTokenReq(access_token="x"))[1] == (
        "Invalid access token"
    )
