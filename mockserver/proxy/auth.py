"""Letting clients in: the requests that the gate answers itself, about sessions and tokens.

Error codes and texts are those that clients saw on live servers; where only the code is known, the
text is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOACtidProfile,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAGetCtidProfileByTokenRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
)

from ..broker.refusals import Refusal
from .credentials import Grant
from .session import ProxySession, Reply

_BAD_TOKEN = "Invalid access token"


def _application_auth(
    session: ProxySession, request: ProtoOAApplicationAuthReq, _now: float
) -> Reply:
    application = session.proxy.credentials.applications.get(request.client_id)
    if application is None or application.client_secret != request.client_secret:
        raise Refusal("CH_CLIENT_AUTH_FAILURE", "clientId or clientSecret is incorrect")
    if not application.active:
        raise Refusal("CH_CLIENT_AUTH_FAILURE", "OA client is not in active state")
    if session.client_id is not None:
        raise Refusal("CH_CLIENT_ALREADY_AUTHENTICATED")
    limit = session.proxy.proxy_rules.connections
    if limit is not None and session.proxy.connections_of(application.client_id) >= limit:
        raise Refusal("CONNECTIONS_LIMIT_EXCEEDED")
    session.client_id = application.client_id
    return ProtoOAApplicationAuthRes(), []


def _account_auth(session: ProxySession, request: ProtoOAAccountAuthReq, now: float) -> Reply:
    account_id = request.ctid_trader_account_id
    grant = _grant(session, request.access_token, now)
    if account_id in session.accounts:
        text = "Trading account is already authorized in this channel"
        raise Refusal("ALREADY_LOGGED_IN", text)
    account = session.proxy.core.accounts.get(account_id)
    if account is None or account_id not in grant.accounts:
        raise Refusal("CH_CTID_TRADER_ACCOUNT_NOT_FOUND")
    live = session.proxy.proxy_rules.live
    if live is not None and bool(account.listed().is_live) is not live:
        raise Refusal("CANT_ROUTE_REQUEST", "Cannot route request")
    session.accounts[account_id] = grant
    return ProtoOAAccountAuthRes(ctid_trader_account_id=account_id), []


def _account_logout(session: ProxySession, request: ProtoOAAccountLogoutReq, _now: float) -> Reply:
    account_id = request.ctid_trader_account_id
    event = session.proxy.end_session(session, account_id)
    return ProtoOAAccountLogoutRes(ctid_trader_account_id=account_id), [event]


def _account_list(
    session: ProxySession, request: ProtoOAGetAccountListByAccessTokenReq, now: float
) -> Reply:
    grant = _grant(session, request.access_token, now)
    accounts = session.proxy.core.accounts.items()
    reply = ProtoOAGetAccountListByAccessTokenRes(
        access_token=request.access_token,
        permission_scope=grant.scope,
        ctid_trader_account=[
            account.listed() for number, account in accounts if number in grant.accounts
        ],
    )
    return reply, []


def _profile(session: ProxySession, request: ProtoOAGetCtidProfileByTokenReq, now: float) -> Reply:
    profile = ProtoOACtidProfile(user_id=_grant(session, request.access_token, now).user_id)
    return ProtoOAGetCtidProfileByTokenRes(profile=profile), []


def _refresh_token(session: ProxySession, request: ProtoOARefreshTokenReq, now: float) -> Reply:
    proxy = session.proxy
    grace = proxy.proxy_rules.token_grace
    traded = proxy.credentials.refresh(request.refresh_token, session.client_id or "", now, grace)
    if traded is None:
        raise Refusal("CH_ACCESS_TOKEN_INVALID", _BAD_TOKEN)
    old, new = traded
    reply = ProtoOARefreshTokenRes(
        access_token=new.access_token,
        token_type="bearer",
        expires_in=round(new.expires_at - now),
        refresh_token=new.refresh_token,
    )
    if old.replaced(now):
        return reply, proxy.invalidate(old, "The access token was refreshed", session)
    proxy.replan()  # the sessions of the old token end with its grace
    return reply, []


def _grant(session: ProxySession, access_token: str, now: float) -> Grant:
    grant = session.proxy.credentials.grant(access_token)
    if grant is None or grant.client_id != session.client_id or grant.replaced(now):
        raise Refusal("CH_ACCESS_TOKEN_INVALID", _BAD_TOKEN)
    if grant.expired(now):
        raise Refusal("OA_AUTH_TOKEN_EXPIRED")
    return grant


ANSWERS: Mapping[type[Message], Callable[[ProxySession, Any, float], Reply]] = {
    ProtoOAApplicationAuthReq: _application_auth,
    ProtoOAAccountAuthReq: _account_auth,
    ProtoOAAccountLogoutReq: _account_logout,
    ProtoOAGetAccountListByAccessTokenReq: _account_list,
    ProtoOAGetCtidProfileByTokenReq: _profile,
    ProtoOARefreshTokenReq: _refresh_token,
}
"""What the proxy answers itself; the broker gets the rest. Each raises Refusal."""
