"""Matching: every field of every message counts; markers and ignore lists count as they say."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAAccountAuthReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASubscribeSpotsReq,
    ProtoOATrader,
    ProtoOATraderRes,
    ProtoOATradeSide,
)
from mockserver.recordings.placeholders import fill, normal
from mockserver.replay.matching import Difference, differences

ORDER = ProtoOANewOrderReq(
    ctid_trader_account_id=1,
    symbol_id=1,
    order_type=ProtoOAOrderType.MARKET,
    trade_side=ProtoOATradeSide.BUY,
    volume=100_000,
    stop_loss=0.0,
    label="x",
)


def full(cls: type[Message], depth: int = 0) -> Message:
    """A message in which every field is set; lists have two items. Nesting ends at five."""
    values: dict[str, Any] = {}
    for f in cls.message_fields:
        if f.kind == "message" and depth >= 5 and not f.required:
            continue
        value = sample(cls, f, depth)
        values[f.name] = [value, copy.deepcopy(value)] if f.repeated else value
    return cls(**values)


def sample(cls: type[Message], f: Any, depth: int) -> Any:
    if f.kind == "message":
        return full(cls.class_of(f), depth + 1)
    if f.kind == "enum":
        return next(iter(cls.class_of(f)))
    return {"string": "a", "bytes": b"a", "bool": False, "double": 0.5}.get(f.kind, 7)


def leaves(payload: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a payload that can be changed or taken away."""
    inside = payload.items() if isinstance(payload, dict) else enumerate(payload)
    for key, value in inside:
        if path or key != "payloadType":
            yield (*path, key)
            if isinstance(value, (dict, list)):
                yield from leaves(value, (*path, key))


def holder(payload: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        payload = payload[key]
    return payload


def other(value: Any) -> Any:
    """A value of the same kind that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return "Yg==" if value == "YQ==" else "b"
    return value + 1


def dotted(path: tuple[Any, ...]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


@pytest.mark.parametrize("cls", SCHEMA.payload_types, ids=lambda cls: cls.__name__)
def test_no_field_of_any_message_may_differ_unnoticed(cls):
    message = full(cls)
    expected = normal(cls, message.to_dict())
    assert differences(cls, expected, message) == []
    for path in leaves(expected):
        value = holder(expected, path)[path[-1]]
        for change in ("take it away", "another value"):
            changed = copy.deepcopy(expected)
            if change == "take it away":
                del holder(changed, path)[path[-1]]
            elif isinstance(value, (dict, list)):
                continue
            else:
                holder(changed, path)[path[-1]] = other(value)
            found = differences(cls, changed, message)
            assert found, f"{dotted(path)}: {change}"
            assert dotted(path).startswith(found[0].field) or found[0].field == dotted(path[:-1])


def test_a_field_that_came_although_none_was_expected_differs():
    expected = normal(ProtoOANewOrderReq, ORDER.to_dict())
    del expected["label"]
    assert differences(ProtoOANewOrderReq, expected, ORDER) == [
        Difference("label", "absent", '"x"')
    ]


def test_zero_and_absent_differ():
    expected = normal(ProtoOANewOrderReq, ORDER.to_dict())
    without = ProtoOANewOrderReq.from_dict({k: v for k, v in expected.items() if k != "stopLoss"})
    assert differences(ProtoOANewOrderReq, expected, without) == [
        Difference("stopLoss", "0.0", "absent")
    ]


def test_the_inner_payload_type_may_be_set_or_not():
    expected = normal(ProtoOANewOrderReq, ORDER.to_dict())
    assert differences(ProtoOANewOrderReq, {**expected, "payloadType": 2106}, ORDER) == []


def test_fields_that_the_schema_does_not_have_differ_and_can_be_ignored():
    odd = ProtoOANewOrderReq.FromString(bytes(ORDER) + b"\xf8\x07\x01")
    expected = normal(ProtoOANewOrderReq, ORDER.to_dict())
    found = differences(ProtoOANewOrderReq, expected, odd)
    assert found == [Difference("unknown fields", "absent", "3 bytes")]
    assert differences(ProtoOANewOrderReq, expected, odd, ["unknown fields"]) == []


def test_unknown_fields_of_a_part_count_too():
    trader = bytes(full(ProtoOATrader)) + b"\xb8\x01\x04"
    inner = bytes([0x1A, len(trader)]) + trader
    assert len(trader) < 128
    message = ProtoOATraderRes.FromString(b"\x10\x01" + inner)
    expected = normal(ProtoOATraderRes, message.to_dict())
    assert [d.field for d in differences(ProtoOATraderRes, expected, message)] == ["unknown fields"]


# --- markers and ignore lists --------------------------------------------------------------------


def test_any_matches_whatever_comes_and_nothing_too():
    expected = normal(ProtoOANewOrderReq, {**ORDER.to_dict(), "label": "<any>", "comment": "<any>"})
    assert differences(ProtoOANewOrderReq, expected, ORDER) == []


def test_redacted_matches_whatever_comes_but_not_nothing():
    payload = {**ORDER.to_dict(), "label": "<redacted>", "comment": "<redacted>"}
    expected = normal(ProtoOANewOrderReq, payload)
    assert differences(ProtoOANewOrderReq, expected, ORDER) == [
        Difference("comment", "<redacted>", "absent")
    ]


def test_markers_stand_for_lists_items_and_numbers():
    request = ProtoOASubscribeSpotsReq(ctid_trader_account_id=5, symbol_id=[1, 2])
    for ids in ("<any>", ["<any>", 2], ["<redacted>", "<any>"]):
        payload = {"ctidTraderAccountId": "<redacted>", "symbolId": ids}
        expected = normal(ProtoOASubscribeSpotsReq, payload)
        assert differences(ProtoOASubscribeSpotsReq, expected, request) == []
    expected = {"ctidTraderAccountId": 5, "symbolId": ["<any>"]}
    assert [d.field for d in differences(ProtoOASubscribeSpotsReq, expected, request)] == [
        "symbolId"
    ]


@pytest.mark.parametrize("name", ["label", "ProtoOANewOrderReq.label"])
def test_ignored_fields_do_not_count_and_others_do(name):
    expected = normal(ProtoOANewOrderReq, {**ORDER.to_dict(), "label": "y", "volume": 1})
    found = differences(ProtoOANewOrderReq, expected, ORDER, [name])
    assert [d.field for d in found] == ["volume"]
    other_message = ["ProtoOAAmendOrderReq.label"]
    assert len(differences(ProtoOANewOrderReq, expected, ORDER, other_message)) == 2


def test_ignored_fields_inside_lists_are_named_without_indices():
    cls = SCHEMA.by_name["ProtoOASymbolsListRes"]
    message = full(cls)
    expected = normal(cls, message.to_dict())
    for symbol in expected["symbol"]:
        symbol["symbolName"] = "?"
    assert len(differences(cls, expected, message)) == 2
    assert differences(cls, expected, message, ["symbol.symbolName"]) == []


# --- what is shown -----------------------------------------------------------------------------


def test_values_are_shown_as_a_person_reads_them_and_secrets_never():
    auth = ProtoOAAccountAuthReq(ctid_trader_account_id=1, access_token="tok-came")
    expected = {"ctidTraderAccountId": 1, "accessToken": "tok-expected"}
    assert differences(ProtoOAAccountAuthReq, expected, auth) == [
        Difference("accessToken", "***", "***")
    ]
    changed = {**ORDER.to_dict(), "tradeSide": 2, "orderType": 77, "label": "y" * 100}
    found = differences(ProtoOANewOrderReq, normal(ProtoOANewOrderReq, changed), ORDER)
    assert [(d.field, d.expected) for d in found] == [
        ("orderType", "UNKNOWN_77 (77)"),
        ("tradeSide", "SELL (2)"),
        ("label", '"' + "y" * 46 + "…"),
    ]


def test_a_whole_part_is_shown_without_its_secrets():
    cls = SCHEMA.by_name["ProtoOAGetAccountListByAccessTokenRes"]
    message = full(cls)
    expected = normal(cls, message.to_dict())
    expected["ctidTraderAccount"] = expected["ctidTraderAccount"][:1]
    (found,) = differences(cls, expected, message)
    assert found.field == "ctidTraderAccount"
    assert found.expected.startswith("[{ctidTraderAccountId: 7, ")


# --- what the server sends -----------------------------------------------------------------------


def test_markers_in_what_is_sent_are_filled():
    cls = SCHEMA.by_name["ProtoOAGetAccountListByAccessTokenRes"]
    payload = normal(
        cls,
        {
            "accessToken": "<request:accessToken>",
            "permissionScope": "<redacted>",
            "ctidTraderAccount": [
                {"ctidTraderAccountId": "<redacted>", "traderLogin": "<redacted>", "isLive": True}
            ],
        },
    )
    sent = fill(cls, payload, {"accessToken": "tok"})
    assert sent.to_dict() == {
        "accessToken": "tok",
        "ctidTraderAccount": [{"ctidTraderAccountId": 0, "isLive": True}],
    }
    assert fill(cls, payload, {}).to_dict()["accessToken"] == "<request:accessToken>"


def test_a_request_can_be_quoted_in_lists_and_from_inside():
    cls = SCHEMA.by_name["ProtoOASymbolChangedEvent"]
    payload = normal(cls, {"ctidTraderAccountId": "<request:a.b>", "symbolId": "<request:ids>"})
    assert fill(cls, payload, {"a": {"b": 3}, "ids": [1, 2]}).to_dict() == {
        "ctidTraderAccountId": 3,
        "symbolId": [1, 2],
    }
    payload = normal(cls, {"ctidTraderAccountId": 1, "symbolId": ["<request:a>", 9, "<any>"]})
    assert fill(cls, payload, {"a": 5}).to_dict()["symbolId"] == [5, 9]
