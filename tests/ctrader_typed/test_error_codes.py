"""The catalogue of error codes: none missing, none surplus, and every one says something."""

import json
import pickle
from pathlib import Path

import pytest

from ctrader_typed import (
    ProtoErrorCode,
    ProtoOAErrorCode,
    ProtoOAErrorRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOATraderReq,
    ServerError,
    error_codes,
)
from ctrader_typed.error_codes import (
    CATALOGUE,
    NO_ACCESS,
    UNHEARD_OF,
    WIRE_ONLY,
    Category,
    Happened,
    Retry,
    advise,
    codes,
    meant,
)

IN_THE_SCHEMA = set(ProtoErrorCode.__members__) | set(ProtoOAErrorCode.__members__)


def test_it_has_the_codes_of_both_enums_and_those_of_the_wire() -> None:
    assert set(CATALOGUE) - WIRE_ONLY == IN_THE_SCHEMA
    assert set(CATALOGUE) >= WIRE_ONLY
    assert WIRE_ONLY.isdisjoint(IN_THE_SCHEMA)


def test_no_code_is_in_two_groups() -> None:
    grouped = [code for actions in error_codes._MEANINGS.values() for code in actions]
    assert sorted(grouped) == sorted(CATALOGUE)


def test_every_recorded_code_is_in_it(recordings: Path) -> None:
    lines = (recordings / "errors.jsonl").read_text().splitlines()
    recorded = {json.loads(line)["payload"]["errorCode"] for line in lines}
    assert recorded <= set(CATALOGUE)
    assert len(recorded) >= 8


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_each_says_what_to_do(code: str) -> None:
    entry = CATALOGUE[code]
    assert str(entry) == entry.action
    assert entry.action[0].isupper()
    assert entry.action[-1] in ".?"
    assert len(entry.action) >= 20
    assert code not in entry.action


def test_what_may_have_happened_is_never_recommended_to_be_asked_again_at_once() -> None:
    for entry in (*CATALOGUE.values(), UNHEARD_OF):
        if entry.happened is Happened.UNKNOWN:
            assert entry.retry in {Retry.LATER, Retry.NEVER}
            assert "before asking again" in entry.action


def test_what_is_in_force_needs_no_retry() -> None:
    for entry in CATALOGUE.values():
        assert (entry.category is Category.IN_FORCE) == (entry.happened is Happened.YES)
        assert (entry.category is Category.IN_FORCE) == (entry.retry is Retry.NEEDLESS)
        assert (entry.category is Category.RATE_LIMIT) == (entry.retry is Retry.AFTER_HINT)


def test_the_categories() -> None:
    assert codes(Category.RATE_LIMIT) == {"BLOCKED_PAYLOAD_TYPE", "REQUEST_FREQUENCY_EXCEEDED"}
    every = [codes(category) for category in Category]
    assert all(every)
    assert sum(map(len, every)) == len(CATALOGUE)


def test_an_unknown_code_passes_through() -> None:
    assert advise("INVENTED_YESTERDAY", "no idea") is UNHEARD_OF
    assert meant("INVENTED_YESTERDAY", "Trading account is not authorized") == "INVENTED_YESTERDAY"


@pytest.mark.parametrize(
    ("code", "description", "precise"),
    [
        ("INVALID_REQUEST", "Trading account is not authorized", "ACCOUNT_NOT_AUTHORIZED"),
        ("UNSUPPORTED_MESSAGE", "Trading account is not authorized", "ACCOUNT_NOT_AUTHORIZED"),
        ("INVALID_REQUEST", "Already subscribed to symbol 22396.", "ALREADY_SUBSCRIBED"),
        (
            "INVALID_REQUEST",
            "Impossible to get trendbars before the spot subscribing",
            "NOT_SUBSCRIBED_TO_SPOTS",
        ),
        ("INVALID_REQUEST", "Something else.", "INVALID_REQUEST"),
        ("INVALID_REQUEST", None, "INVALID_REQUEST"),
        ("CANT_ROUTE_REQUEST", "Already subscribed to symbol 1.", "CANT_ROUTE_REQUEST"),
    ],
)
def test_what_a_vague_code_means(code: str, description: str | None, precise: str) -> None:
    assert meant(code, description) == precise
    assert advise(code, description) is CATALOGUE[precise]


def test_every_recorded_text_of_an_invalid_request_has_advice_of_its_own(recordings: Path) -> None:
    lines = (recordings / "errors.jsonl").read_text().splitlines()
    payloads = [json.loads(line)["payload"] for line in lines]
    texts = {each["description"] for each in payloads if each["errorCode"] == "INVALID_REQUEST"}
    assert len(texts) >= 7
    texts |= {"Malformed JSON message at 1:6", "Relative take profit has invalid precision"}
    for text in texts:
        found = advise("INVALID_REQUEST", text)
        assert found is not CATALOGUE["INVALID_REQUEST"], text
        assert found is not UNHEARD_OF
        assert found.action[-1] == "."


def test_nothing_to_unsubscribe_from_is_as_good_as_done() -> None:
    assert advise("INVALID_REQUEST", "No subscription for symbol 22396.").retry is Retry.NEEDLESS


def test_an_invalid_access_token_may_have_expired_or_been_replaced() -> None:
    for text in ("Access token expired", "Invalid access token", None):
        found = advise("CH_ACCESS_TOKEN_INVALID", text).action
        assert "expired" in found
        assert "replaced by a newer one" in found
        assert "refresh it" in found
        assert "let the user authorise again" in found


@pytest.mark.parametrize(
    ("code", "description"),
    [
        ("UNSUPPORTED_MESSAGE", "Trading account is not authorized"),
        ("INVALID_REQUEST", "Trading account is not authorized"),
        ("ACCOUNT_NOT_AUTHORIZED", None),
        ("UNSUPPORTED_MESSAGE", None),
    ],
)
def test_a_refused_account_list_is_not_about_authorising_an_account(
    code: str, description: str | None
) -> None:
    request = ProtoOAGetAccountListByAccessTokenReq(access_token="t")
    error = ServerError(code, description, request, ProtoOAErrorRes(error_code=code))
    assert error.advice is NO_ACCESS
    assert "authorise the application first" in str(error.advice)
    assert "ProtoOAAccountAuthReq" not in str(error.advice)
    other = ProtoOATraderReq(ctid_trader_account_id=1)
    assert ServerError(code, description, other, error.reply).advice is not NO_ACCESS


def test_an_error_carries_its_advice() -> None:
    request = ProtoOATraderReq(ctid_trader_account_id=1)
    reply = ProtoOAErrorRes(error_code="X")
    text = "Trading account is not authorized"
    error = ServerError("INVALID_REQUEST", text, request, reply)
    assert error.advice is CATALOGUE["ACCOUNT_NOT_AUTHORIZED"]
    assert pickle.loads(pickle.dumps(error)).advice == error.advice
    assert ServerError("X", None, request, reply).advice is UNHEARD_OF
