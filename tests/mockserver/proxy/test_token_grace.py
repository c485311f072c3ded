"""How long the tokens of a grant stay usable after they were refreshed."""

from __future__ import annotations

import pytest

from ctrader_typed.proto import (
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOARefreshTokenReq,
)
from mockserver.box import ACCESS_TOKEN, HEDGED, REFRESH_TOKEN, Box
from mockserver.proxy.rules import ProxyRules

from .test_proxy import Client

REFRESH = ProtoOARefreshTokenReq(refresh_token=REFRESH_TOKEN)
LIST = ProtoOAGetAccountListByAccessTokenReq(access_token=ACCESS_TOKEN)
DEAD = ("CH_ACCESS_TOKEN_INVALID", "Invalid access token")


def test_with_a_grace_both_old_tokens_stay_usable_and_sessions_go_on() -> None:
    box = Box(proxy_rules=ProxyRules(token_grace=60.0))
    client = Client(box)
    client.login(HEDGED)
    first = client.ask(REFRESH)
    client.now = 59.0
    second = client.ask(REFRESH)
    assert len({ACCESS_TOKEN, first.access_token, second.access_token}) == 3
    assert client.ask(LIST).access_token == ACCESS_TOKEN
    assert HEDGED in client.session.accounts
    assert client.taken() == []


def test_after_the_grace_the_sessions_end_and_the_tokens_are_unknown() -> None:
    box = Box(proxy_rules=ProxyRules(token_grace=60.0))
    client = Client(box)
    client.login(HEDGED)
    new = client.ask(REFRESH)
    client.now = 30.0
    client.ask(REFRESH)  # which does not lengthen it
    box.wake(60.0)
    client.now = 60.0
    assert [type(message) for message, _ in client.taken()] == [
        ProtoOAAccountsTokenInvalidatedEvent,
        ProtoOAAccountDisconnectEvent,
    ]
    assert client.refused(LIST) == DEAD
    assert client.refused(REFRESH) == DEAD
    assert client.ask(ProtoOAGetAccountListByAccessTokenReq(access_token=new.access_token))


@pytest.mark.parametrize("now", [60.0, 10_000_000.0])
def test_a_token_whose_grace_is_over_is_unknown_and_not_expired(now: float) -> None:
    client = Client(Box(proxy_rules=ProxyRules(token_grace=60.0)))
    client.login()
    client.ask(REFRESH)
    client.now = now
    assert client.refused(LIST) == DEAD


def test_without_a_grace_the_old_tokens_are_dead_at_once() -> None:
    client = Client(Box())
    client.login()
    client.ask(REFRESH)
    assert client.refused(LIST) == DEAD
    assert client.refused(REFRESH) == DEAD
