"""Consent pages, codes, forms and replies of the token address."""

import json
import traceback
from urllib.parse import parse_qs, urlsplit

import pytest

from ctrader_typed.errors import TokenRefused
from ctrader_typed.oauth import (
    CONSENT_PAGE,
    code_form,
    code_from,
    consent_url,
    refresh_form,
    tokens_from,
)
from ctrader_typed.tokens import Tokens

SECRET = "canary-9f2"
REPLY = {  # as the documentation has it: both spellings, and an error code that is null
    "accessToken": "mos8B",
    "tokenType": "bearer",
    "expiresIn": 2628000,
    "refreshToken": "VCuaf",
    "errorCode": None,
    "access_token": "mos8B",
    "refresh_token": "VCuaf",
    "expires_in": 2628000,
}


@pytest.mark.parametrize("scope", ["accounts", "trading"])
def test_the_consent_page(scope) -> None:
    uri = "https://app.example/back?a=1&b=ü"
    url = consent_url(client_id="12_ab", redirect_uri=uri, scope=scope)
    assert url.startswith(CONSENT_PAGE + "?")
    query = parse_qs(urlsplit(url).query)
    assert query == {"client_id": ["12_ab"], "redirect_uri": [uri], "scope": [scope]}
    embedded = consent_url(client_id="12_ab", redirect_uri=uri, scope=scope, embedded=True)
    assert parse_qs(urlsplit(embedded).query)["product"] == ["web"]


def test_the_code_in_the_address() -> None:
    assert code_from("https://app.example/back?code=a%2Bb&x=1") == "a+b"


@pytest.mark.parametrize(
    ("address", "code", "description"),
    [
        (
            "https://a.example/?error=access_denied&error_description=no+way",
            "access_denied",
            "no way",
        ),
        ("https://a.example/?errorCode=X", "X", None),
        ("https://a.example/", "ACCESS_DENIED", "the redirect address has no code"),
        ("https://a.example/?code=", "ACCESS_DENIED", "the redirect address has no code"),
    ],
)
def test_an_address_without_a_code(address, code, description) -> None:
    with pytest.raises(TokenRefused) as caught:
        code_from(address)
    assert (caught.value.code, caught.value.description) == (code, description)


def test_forms() -> None:
    form = code_form(code="c", redirect_uri="https://a", client_id="i", client_secret="s")
    assert form == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": "https://a",
        "client_id": "i",
        "client_secret": "s",
    }
    tokens = Tokens("a", "r", 0, 1)
    assert refresh_form(tokens, client_id="i", client_secret="s") == {
        "grant_type": "refresh_token",
        "refresh_token": "r",
        "client_id": "i",
        "client_secret": "s",
    }


def test_a_form_shows_no_secret() -> None:
    form = code_form(code=SECRET, redirect_uri="u", client_id=SECRET, client_secret=SECRET)
    assert SECRET not in f"{form} {form!r} {[form]}"
    assert "client_secret" in repr(form)


CAMEL = {key: REPLY[key] for key in ("accessToken", "expiresIn", "refreshToken")}
SNAKE = {key: REPLY[key] for key in ("access_token", "expires_in", "refresh_token")}


@pytest.mark.parametrize("reply", [REPLY, CAMEL, SNAKE])
def test_tokens(reply) -> None:
    tokens = tokens_from(json.dumps(reply), now=1000.0, scope="trading")
    assert tokens == Tokens("mos8B", "VCuaf", 1000.0, 2_629_000.0, "trading")
    assert tokens_from(json.dumps(reply).encode(), now=1000.0).scope is None


@pytest.mark.parametrize(
    ("reply", "code", "description"),
    [
        (
            {"errorCode": "ACCESS_DENIED", "description": "Access denied."},
            "ACCESS_DENIED",
            "Access denied.",
        ),
        ({"errorCode": "X", "access_token": SECRET}, "X", None),
        ({"error": "invalid_grant"}, "invalid_grant", None),
        ({"errorCode": None, "access_token": SECRET}, "UNKNOWN_ERROR", "the reply holds neither"),
        ({**REPLY, "accessToken": 5}, "UNKNOWN_ERROR", "the reply holds neither"),
        ([SECRET], "UNKNOWN_ERROR", "the reply is no JSON object"),
    ],
)
def test_a_reply_without_tokens(reply, code, description) -> None:
    with pytest.raises(TokenRefused) as caught:
        tokens_from(json.dumps(reply), now=0)
    assert caught.value.code == code
    assert (caught.value.description or "").startswith(description or "")
    assert str(caught.value).startswith(f"no tokens were given: {code}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("reply", [f'{{"access_token": "{SECRET}"', b"\xff\xfe\xfd", "", "null"])
def test_a_reply_that_is_no_json(reply) -> None:
    with pytest.raises(TokenRefused, match="no JSON object") as caught:
        tokens_from(reply, now=0)
    assert caught.value.__context__ is None


def test_advice() -> None:
    assert "one minute" in TokenRefused("ACCESS_DENIED", None).advice.action
