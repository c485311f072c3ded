"""The user's consent: where to send the browser, what comes back, what to ask for tokens with.

Pure: builds and reads URLs, forms and replies; who sends them is the caller's business. Sources:
the documentation's page on authentication, and what live servers do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from .errors import InvalidValue, TokenRefused
from .keywords import suggest_all
from .tokens import Tokens
from .tokens.value import check_secret
from .units import checks

CONSENT_PAGE = "https://id.ctrader.com/my/settings/openapi/grantingaccess/"
"""Where the user allows the application to use accounts."""

TOKEN_URL = "https://openapi.ctrader.com/apps/token"
"""Where forms are exchanged for tokens: GET with the form as the query, as documented. POST with
it as the body has been seen to work too, and leaves no secret in the logs of proxies.
"""


class Form(dict[str, str]):
    """What to send to TOKEN_URL. Its repr shows no value, for most of them are secrets."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Form with {', '.join(self)}>"


def consent_url(
    *,
    client_id: str,
    redirect_uri: str,
    scope: Literal["accounts", "trading"],
    embedded: bool = False,
) -> str:
    """The page to open in the user's browser.

    `redirect_uri` is one of those registered for the application, letter by letter, and not the
    first of them, which belongs to the playground. `accounts` allows to look, `trading` everything.
    `embedded` shows the page without its header. There is no `state`: the server does not give it
    back, so tie the answer to the user by other means (a cookie, a redirect address of its own).
    """
    checks.text(client_id, "client_id", "1234_abc")
    checks.text(redirect_uri, "redirect_uri", "https://example.com/back")
    checks.choice(scope, "scope", ("accounts", "trading"))
    checks.flag(embedded, "embedded")
    query = {"client_id": client_id, "redirect_uri": redirect_uri, "scope": scope}
    if embedded:
        query["product"] = "web"
    return f"{CONSENT_PAGE}?{urlencode(query)}"


def code_from(redirected_to: str) -> str:
    """The code in the address that the browser was sent back to; it lives for one minute.

    Raises TokenRefused if the user said no or the address has no code.
    """
    if not isinstance(redirected_to, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        checks.refuse(redirected_to, "redirected_to", "the address as a text")
    query = parse_qs(urlsplit(redirected_to).query)
    if codes := query.get("code"):
        return codes[0]
    for key in ("error", "errorCode"):
        if key in query:
            texts = query.get("error_description", query.get("description", []))
            raise TokenRefused(query[key][0], texts[0] if texts else None)
    raise TokenRefused("ACCESS_DENIED", "the redirect address has no code")


def code_form(*, code: str, redirect_uri: str, client_id: str, client_secret: str) -> Form:
    """What to send for a first pair of tokens, within a minute; `redirect_uri` as before.

    InvalidValue for what is empty or has white space around it.
    """
    check_secret("code", code)
    checks.text(redirect_uri, "redirect_uri", "https://example.com/back")
    _check_keys(client_id, client_secret)
    return Form(
        grant_type="authorization_code",
        code=code,
        redirect_uri=redirect_uri,
        client_id=client_id,
        client_secret=client_secret,
    )


def refresh_form(tokens: Tokens, *, client_id: str, client_secret: str) -> Form:
    """What to send for the next pair, without a connection to the API; it uses this one up.

    InvalidValue as for `code_form`.
    """
    checks.instance(tokens, "tokens", Tokens, "Tokens")
    _check_keys(client_id, client_secret)
    return Form(
        grant_type="refresh_token",
        refresh_token=tokens.refresh_token,
        client_id=client_id,
        client_secret=client_secret,
    )


def _check_keys(client_id: str, client_secret: str) -> None:
    check_secret("client_id", client_id)
    check_secret("client_secret", client_secret)


def tokens_from(reply: str | bytes, *, now: float, scope: str | None = None) -> Tokens:
    """The tokens in the body that TOKEN_URL answers with, whatever the HTTP status.

    `now` is in seconds since 1970. Raises TokenRefused with the server's code and text, or if the
    body is none of its replies; no exception shows what is in it.
    """
    if not isinstance(reply, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        raise InvalidValue(f"reply is of type {type(reply).__name__}: expected str or bytes")
    checks.moment(now, "now")
    fields = _object(reply)
    code = _first(fields, "errorCode", "error")  # null where all is well
    if code is not None:
        text = _first(fields, "description", "error_description")
        raise TokenRefused(str(code), None if text is None else str(text))
    access_token = _first(fields, "accessToken", "access_token")
    refresh_token = _first(fields, "refreshToken", "refresh_token")
    expires_in = _first(fields, "expiresIn", "expires_in")
    if (
        not isinstance(access_token, str)
        or not isinstance(refresh_token, str)
        or not isinstance(expires_in, int | float)
    ):
        raise TokenRefused("UNKNOWN_ERROR", "the reply holds neither tokens nor an error")
    return Tokens.granted(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_in=expires_in,
        now=now,
        scope=scope,
    )


def _object(reply: str | bytes) -> Mapping[str, Any]:
    try:
        value: Any = json.loads(reply)
    except ValueError:
        value = None  # raised below: json's exception would carry the text along
    if not isinstance(value, dict):
        raise TokenRefused("UNKNOWN_ERROR", "the reply is no JSON object")
    return cast("Mapping[str, Any]", value)


def _first(fields: Mapping[str, Any], *names: str) -> Any:
    """The first of these that is there and not null: the server writes both spellings."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)


suggest_all(globals())
