"""Tokens of the environment, of a command, and of a read-only file; white space around them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed import InvalidValue, connect_over
from ctrader_typed.errors import TokenStoreError
from ctrader_typed.oauth import code_form, refresh_form
from ctrader_typed.tokens import (
    FileTokenStore,
    Kept,
    SecretTokenStore,
    Tokens,
    save_tokens,
    tokens_in_environment,
    tokens_in_file,
    tokens_of_command,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server

NEXT = Tokens("canary-a2", "canary-r2", 0, 5)
PAIR = {"access_token": " canary-a\n", "refresh_token": "canary-r\r\n"}


def say(text: str) -> tuple[str, ...]:
    return sys.executable, "-c", f"print({text!r})"


async def load(store: Any) -> Kept:
    async with store.hold() as held:
        kept: Kept = await held.load()
        return kept


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CTRADER_ACCESS_TOKEN", "canary-a\n")
    monkeypatch.setenv("CTRADER_REFRESH_TOKEN", "  canary-r ")
    return monkeypatch


async def test_the_first_pair_is_of_the_environment_and_what_follows_of_the_folder(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = SecretTokenStore(tokens_in_environment(), tmp_path / "kept")
    first = (await load(store)).tokens
    assert (first.access_token, first.refresh_token) == ("canary-a", "canary-r")
    assert first.expires_at == pytest.approx(time.time() + 30 * 86_400, abs=60)
    async with store.hold() as held:
        await held.save(Kept(NEXT))
    again = SecretTokenStore(tokens_in_environment(), tmp_path / "kept")  # the next process
    assert await load(again) == Kept(NEXT)
    environment.setenv("CTRADER_REFRESH_TOKEN", "canary-other")  # the user authorised again
    assert (await load(store)).tokens.refresh_token == "canary-other"
    names = [path.name for path in (tmp_path / "kept").iterdir()]
    assert not any("canary" in name for name in names)


async def test_an_end_that_the_environment_tells(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CTRADER_TOKEN_EXPIRES_AT", "12.5")
    assert (await tokens_in_environment()()).expires_at == 12.5
    environment.setenv("CTRADER_TOKEN_EXPIRES_AT", "tomorrow")
    with pytest.raises(TokenStoreError, match="expires_at has to be a number"):
        await tokens_in_environment()()


async def test_an_environment_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "  ")
    with pytest.raises(TokenStoreError, match=r"\(A, B\) has no access_token and no refresh_token"):
        await tokens_in_environment("A", "B")()


@pytest.mark.parametrize(
    "fields", [PAIR, {"accessToken": "canary-a", "refreshToken": "canary-r", "expiresIn": 7}]
)
async def test_a_command_and_a_read_only_file(fields: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(json.dumps(fields))
    path.chmod(0o444)
    for first in (tokens_in_file(path), tokens_of_command(*say(json.dumps(fields)))):
        tokens = (await load(SecretTokenStore(first, tmp_path / "kept"))).tokens
        assert (tokens.access_token, tokens.refresh_token) == ("canary-a", "canary-r")


async def test_the_file_of_a_store_is_a_secret_too(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    await save_tokens(FileTokenStore(path), NEXT)
    path.chmod(0o444)
    assert await load(SecretTokenStore(tokens_in_file(path), tmp_path / "kept")) == Kept(NEXT)


BAD = {
    "no file": (lambda p: tokens_in_file(p / "none"), "cannot read .*: No such file"),
    "no JSON": (lambda p: tokens_of_command(*say("canary")), "is no JSON object"),
    "no pair": (lambda p: tokens_of_command(*say('{"canary":1}')), "has no access_token and no"),
    "fails": (
        lambda p: tokens_of_command(sys.executable, "-c", "import sys; sys.exit('canary')"),
        "ended with status 1",
    ),
    "no command": (lambda p: tokens_of_command("no-such-program", "canary"), "cannot run no-such"),
}


@pytest.mark.parametrize(("first", "text"), BAD.values(), ids=BAD)
async def test_what_gives_no_pair_says_why_and_shows_nothing(
    first: Any, text: str, tmp_path: Path
) -> None:
    with pytest.raises(TokenStoreError, match=text) as caught:
        await load(SecretTokenStore(first(tmp_path), tmp_path / "kept"))
    assert "canary" not in str(caught.value)


def test_no_command_is_no_source() -> None:
    with pytest.raises(TypeError, match="needs a command"):
        tokens_of_command()


async def test_a_secret_that_fails_later_is_the_one_of_before(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = SecretTokenStore(tokens_in_environment(), tmp_path)
    before = (await load(store)).tokens
    environment.delenv("CTRADER_ACCESS_TOKEN")
    assert (await load(store)).tokens == before


# --- white space ---


async def test_tokens_in_a_file_are_trimmed(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    await save_tokens(FileTokenStore(path), NEXT)
    path.write_text(path.read_text().replace("canary-a2", "canary-a2\\n "))
    assert await load(FileTokenStore(path)) == Kept(NEXT)


@pytest.mark.parametrize("wrong", ["canary\n", " canary", "canary\t", ""])
def test_tokens_with_white_space_are_refused_and_not_shown(wrong: str) -> None:
    for access, refresh in ((wrong, "r"), ("a", wrong)):
        with pytest.raises(InvalidValue, match=r"_token (is empty|has white space)") as caught:
            Tokens(access, refresh, 0, 1)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["client_id", "client_secret", "access_token"])
async def test_auth_refuses_white_space_before_a_byte_leaves(name: str, autojump_clock) -> None:
    keys: Any = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "access_token": ACCESS_TOKEN,
    }
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client()) as api,
    ):
        with pytest.raises(InvalidValue, match=f"{name} has white space or a newline"):
            await api.auth(**keys | {name: keys[name] + "\n"}, account_id=HEDGED)
        assert not server.heard
        await api.auth(**keys, account_id=HEDGED)


def test_forms_refuse_white_space() -> None:
    keys = {"client_id": "canary", "client_secret": "canary"}
    for name in ("code", "client_id", "client_secret"):
        given = {"code": "canary", "redirect_uri": "https://x", **keys}
        with pytest.raises(InvalidValue, match=f"{name} has white space") as caught:
            code_form(**given | {name: "canary\n"})
        assert "canary" not in str(caught.value)
    with pytest.raises(InvalidValue, match="client_secret has white space"):
        refresh_form(NEXT, **keys | {"client_secret": " canary"})
