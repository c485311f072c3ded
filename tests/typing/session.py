"""What type checkers know of limits, advice and tokens. Checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

import trio

from ctrader_typed import NO_LIMITS, Advice, Api, Limits, RateLimits, ServerError, connect
from ctrader_typed.error_codes import Category, Happened, Retry
from ctrader_typed.oauth import Form, code_form, consent_url, tokens_from
from ctrader_typed.tokens import FileTokenStore, TokenKeeper, Tokens, TokenStore, save_tokens


async def limits(api: Api) -> None:
    view = api.limits()
    assert_type(view, Limits)
    assert_type(view.ordinary.left, int | None)
    assert_type(view.historical.blocked_until, float | None)
    async with connect("demo", limits=RateLimits(ordinary=20)) as slower:
        assert_type(slower, Api)
    async with connect("demo", limits=NO_LIMITS) as other:
        assert_type(other, Api)
    connect("demo", limits=50)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def advice(error: ServerError) -> None:
    assert_type(error.advice, Advice)
    assert_type(error.advice.category, Category)
    assert_type(error.advice.happened, Happened)
    assert_type(error.advice.retry, Retry)
    assert_type(error.advice.action, str)


async def tokens(api: Api) -> None:
    store: TokenStore = FileTokenStore("tokens.json")
    keeper = TokenKeeper(store, api)
    assert_type(await keeper.current(), Tokens)
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run, [1, 2])
    await save_tokens(store, tokens_from(b"{}", now=0.0))


def consent() -> None:
    url = consent_url(client_id="1", redirect_uri="https://a.example/", scope="trading")
    assert_type(url, str)
    form = code_form(code="c", redirect_uri=url, client_id="1", client_secret="2")
    assert_type(form, Form)
    consent_url(
        client_id="1",
        redirect_uri=url,
        scope="all",  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    )
