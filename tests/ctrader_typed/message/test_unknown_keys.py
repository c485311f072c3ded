"""Keys that no schema has: kept by every message that came in JSON, as unknown fields are."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from ctrader_typed import (
    JSON_WEBSOCKET,
    DecodeError,
    Message,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOATraderReq,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope

ONE = {"symbolId": 1, "digits": 5, "pipPosition": 4, "gslScheduleId": 7}
TWO = {"symbolId": 2, "digits": 2, "pipPosition": 0}
ANSWER: dict[str, Any] = {
    "ctidTraderAccountId": 1,
    "symbol": [ONE, TWO],
    "later": {"a": [1, None, "ä\ud800", {"b": 1.5}]},
}


def answer() -> ProtoOASymbolByIdRes:
    return ProtoOASymbolByIdRes.from_dict(ANSWER)


def test_they_are_written_again_where_they_stood() -> None:
    assert answer().to_dict() == ANSWER
    assert json.loads(answer().to_json()) == ANSWER
    assert answer().symbol[0].to_dict() == ONE
    assert answer().symbol[1].to_dict() == TWO
    assert answer().to_pydict()["later"] == ANSWER["later"]
    assert ProtoOASymbolByIdRes.from_json(json.dumps(ANSWER)) == answer()


def test_through_the_wire_and_back() -> None:
    ours, theirs = (Connection(SCHEMA, JSON_WEBSOCKET) for _ in range(2))
    text = json.dumps({"payloadType": 2117, "payload": ANSWER, "clientMsgId": "a"}).encode()
    (came,) = ours.receive_data(text)
    assert isinstance(came, Envelope)
    written = ours.send(came.message, "a")
    assert json.loads(written) == json.loads(text)
    assert theirs.receive_data(written) == [came]


def test_protobuf_has_no_number_for_them() -> None:
    """They stay with the message and are not in its bytes, as unknown fields are not in JSON."""
    crossed = ProtoOASymbolByIdRes.FromString(bytes(answer()))
    assert crossed.to_dict() == {
        "ctidTraderAccountId": 1,
        "symbol": [{key: ONE[key] for key in TWO}, TWO],
    }
    assert answer().to_dict() == ANSWER


@pytest.mark.parametrize(
    "twin",
    [
        copy.copy,
        copy.deepcopy,
        lambda m: pickle.loads(pickle.dumps(m)),
        lambda m: m.__replace__(),
        dataclasses.replace,
    ],
    ids=["copy", "deepcopy", "pickle", "__replace__", "dataclasses.replace"],
)
def test_copies_have_them_too(twin: Callable[[Message], Message]) -> None:
    made = twin(answer())
    assert made == answer()
    assert made.to_dict() == ANSWER


def test_pickling_keeps_those_of_inner_messages_alone() -> None:
    message = ProtoOASymbolByIdRes.from_dict({"ctidTraderAccountId": 1, "symbol": [ONE]})
    assert pickle.loads(pickle.dumps(message)).symbol[0].to_dict() == ONE


def test_they_count_when_messages_are_compared() -> None:
    assert answer() != ProtoOASymbolByIdRes.from_dict({**ANSWER, "later": 1})
    assert answer() != ProtoOASymbolByIdRes.from_dict({**ANSWER, "symbol": [TWO, TWO]})
    swapped = ProtoOASymbol.from_dict({"b": 1, "a": 2, **TWO})
    assert swapped == ProtoOASymbol.from_dict({"a": 2, "b": 1, **TWO})


def test_an_update_adds_its_own() -> None:
    message = ProtoOASymbol.from_dict({**TWO, "a": 1, "b": 2})
    message.from_dict({"b": 3, "c": None})
    assert message.to_dict() == {**TWO, "a": 1, "b": 3, "c": None}
    with pytest.raises(DecodeError):
        message.from_dict({"d": 1, "digits": "x"})
    assert "d" not in message.to_dict()


def test_what_was_given_can_be_changed_afterwards() -> None:
    given = {**TWO, "a": [1]}
    message = ProtoOASymbol.from_dict(given)
    given["a"].append(2)  # type: ignore[attr-defined]
    message.to_dict()["a"].append(3)
    assert message.to_dict()["a"] == [1]


def test_a_repr_tells_no_value_of_them() -> None:
    assert repr(ProtoOATraderReq.from_dict({"ctidTraderAccountId": 7, "token": "secret"})) == (
        "ProtoOATraderReq(ctid_trader_account_id=7, <18 characters of unknown keys>)"
    )


def test_strict_refuses_them() -> None:
    with pytest.raises(DecodeError, match=r"symbol\[0\]: no field 'gslScheduleId'"):
        ProtoOASymbolByIdRes.from_dict(ANSWER, strict=True)


@pytest.mark.parametrize("value", [float("inf"), object(), {1, 2}, b"x", {object(): 1}])
def test_what_json_does_not_have_is_not_kept(value: object) -> None:
    message = ProtoOASymbol.from_dict({**TWO, "bad": value, "good": 1})
    assert message.to_dict() == {**TWO, "good": 1}
    assert ProtoOASymbol.from_dict({**TWO, "bad": value}).to_dict() == TWO


@pytest.mark.parametrize("levels", [99, 900])
def test_what_is_nested_deeper_than_messages_may_be_is_not_kept(levels: int) -> None:
    text = json.dumps(TWO)[:-1] + ', "deep": ' + "[" * levels + "]" * levels + "}"
    message = ProtoOASymbol.from_json(text)
    assert ("deep" in json.loads(message.to_json())) is (levels == 99)
    assert ProtoOASymbol.from_json(message.to_json()) == message


def test_a_message_without_any_has_no_dictionary_of_them() -> None:
    assert not ProtoOASymbol.from_dict(TWO).__dict__


def test_they_take_no_more_room_than_they_came_in() -> None:
    """As one text: a list of small lists would take ten times as much."""
    text = json.dumps({**TWO, "x": [[n] for n in range(100_000)]}, separators=(",", ":"))
    kept = ProtoOASymbol.from_json(text).__dict__["_unknown_json"]
    assert len(kept) <= len(text)
