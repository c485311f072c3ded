"""Session files: what is read out of them, and that each fault is named by its line."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed.proto import SCHEMA, ProtoOAAccountAuthReq, ProtoOANewOrderReq, ProtoOATraderRes
from mockserver.errors import SessionError, StaleSession
from mockserver.recordings.session_file import Direction, header, load_session, read_session

VERSION = {"direction": "client", "message": "ProtoOAVersionReq"}


def lines(*entries: dict[str, Any] | str) -> list[str]:
    return [each if isinstance(each, str) else json.dumps(each) for each in entries]


def read(*entries: dict[str, Any] | str) -> Any:
    return read_session(lines(*entries), SCHEMA, "s.jsonl")


def test_a_record_is_read_with_everything_it_says():
    session = read(
        header(SCHEMA, ignore=["label"]),
        "",
        {
            "direction": "client",
            "message": "ProtoOANewOrderReq",
            "clientMsgId": "7",
            "t": 1.5,
            "note": "a person's remark",
            "ignore": ["comment"],
            "payload": {
                "ctidTraderAccountId": "1",
                "symbol_id": 1,
                "orderType": "MARKET",
                "tradeSide": 2,
                "volume": "<any>",
                "label": "<redacted>",
            },
        },
    )
    (record,) = session.records
    assert record.line == 3
    assert record.direction is Direction.CLIENT
    assert (record.payload_type, record.cls) == (2106, ProtoOANewOrderReq)
    assert (record.client_msg_id, record.t) == ("7", 1.5)
    assert record.ignore == {"label", "comment"}
    assert record.payload == {
        "ctidTraderAccountId": 1,
        "symbolId": 1,
        "orderType": 1,
        "tradeSide": 2,
        "volume": "<any>",
        "label": "<redacted>",
    }
    assert session.expects


def test_a_message_can_be_named_by_its_number_or_by_both():
    session = read(
        {"direction": "client", "payloadType": 2104},
        {"direction": "client", "payloadType": 2104, "message": "ProtoOAVersionReq"},
    )
    assert [record.name for record in session.records] == ["ProtoOAVersionReq"] * 2


def test_a_payload_type_that_the_schema_does_not_have_is_kept_with_its_bytes():
    session = read({"direction": "server", "payloadType": 4242, "wire_b64": "AQI="})
    (record,) = session.records
    assert (record.name, record.cls, record.wire) == ("payload type 4242", None, b"\1\2")
    assert not session.expects


def test_bytes_that_are_no_such_message_may_be_recorded_if_nothing_is_said_about_them():
    (record,) = read(
        {"direction": "server", "message": "ProtoOAVersionRes", "wire_b64": "/w=="}
    ).records
    assert record.wire == b"\xff"


def test_time_stands_still_where_it_is_not_given():
    session = read({**VERSION, "t": 2}, VERSION, {**VERSION, "t": 2.0})
    assert [record.t for record in session.records] == [2.0, 2.0, 2.0]


def test_a_line_separator_inside_a_string_does_not_end_the_line(tmp_path):
    auth = {"direction": "client", "message": "ProtoOAAccountAuthReq"}
    payload = {"ctidTraderAccountId": 1, "accessToken": "a\u2028b"}
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({**auth, "payload": payload}, ensure_ascii=False) + "\r\n")
    (record,) = load_session(path, SCHEMA).records
    assert record.cls is ProtoOAAccountAuthReq
    assert record.payload["accessToken"] == "a\u2028b"


def test_a_current_header_is_no_warning_and_another_digest_is_one():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(header(SCHEMA), VERSION)
        read({"session": 1}, VERSION)
    stale = {"session": 1, "schema": {"release": "90", "digest": "0123"}}
    with pytest.warns(StaleSession, match=r"s\.jsonl was recorded .* \(release 90, digest 0123\)"):
        read(stale, VERSION)


TRADER = {"direction": "server", "message": "ProtoOATraderRes"}
ORDER = {"ctidTraderAccountId": 1, "symbolId": 1, "orderType": 1, "tradeSide": 1, "volume": 1}

BAD = {
    "not JSON": ('{"direction": "client",', "not JSON: "),
    "not an object": ("[1]", "expected a JSON object"),
    "no direction": ({"message": "ProtoOAVersionReq"}, "expected 'direction'"),
    "another direction": (
        {**VERSION, "direction": "both"},
        "'direction': expected 'client' or 'server', got 'both'",
    ),
    "no message": ({"direction": "client"}, "expected 'message' or 'payloadType'"),
    "an unknown message": (
        {"direction": "client", "message": "ProtoOANewOrder"},
        "release 91 has no message 'ProtoOANewOrder' to send",
    ),
    "a message that is only a part": (
        {"direction": "client", "message": "ProtoOAOrder"},
        "release 91 has no message 'ProtoOAOrder' to send",
    ),
    "a number that is another message's": (
        {**VERSION, "payloadType": 2106},
        "ProtoOAVersionReq has payload type 2104, not 2106",
    ),
    "an unknown key": ({**VERSION, "ignroe": []}, "unknown 'ignroe'"),
    "a misspelt field": (
        {**VERSION, "message": "ProtoOANewOrderReq", "payload": {**ORDER, "volumes": 1}},
        "ProtoOANewOrderReq has no field 'volumes'; did you mean 'volume'?",
    ),
    "a value that does not fit": (
        {**VERSION, "message": "ProtoOANewOrderReq", "payload": {**ORDER, "volume": "much"}},
        "ProtoOANewOrderReq.volume: ",
    ),
    "an enum name that does not exist": (
        {**VERSION, "message": "ProtoOANewOrderReq", "payload": {**ORDER, "tradeSide": "LONG"}},
        "ProtoOANewOrderReq.tradeSide: ",
    ),
    "a required field that is missing": (
        {**VERSION, "message": "ProtoOANewOrderReq", "payload": {"symbolId": 1}},
        "ProtoOANewOrderReq: missing required fields: ctidTraderAccountId, orderType, ",
    ),
    "null": (
        {**VERSION, "message": "ProtoOANewOrderReq", "payload": {**ORDER, "volume": None}},
        "ProtoOANewOrderReq.volume: null; leave out what is absent",
    ),
    "a list that is none": (
        {**TRADER, "message": "ProtoOASymbolsListRes", "payload": {"symbol": 1}},
        "ProtoOASymbolsListRes.symbol: expected a list",
    ),
    "a part that is none": (
        {**TRADER, "payload": {"ctidTraderAccountId": 1, "trader": 1}},
        "ProtoOATraderRes.trader: expected an object",
    ),
    "a payload that is none": ({**VERSION, "payload": []}, "'payload': expected an object"),
    "an id that is no text": ({**VERSION, "clientMsgId": 1}, "'clientMsgId': 1 is not "),
    "a time that is none": ({**VERSION, "t": "now"}, "'t': \"now\" is not "),
    "a time that goes back": ({**VERSION, "t": -1}, "'t': -1 is before "),
    "an endless time": ('{"direction":"client","payloadType":2104,"t":NaN}', "'t': nan is "),
    "bytes that are not base64": ({**VERSION, "wire_b64": "?"}, "'wire_b64' is not base64: "),
    "bytes and words that disagree": (
        {**TRADER, "message": "ProtoOAVersionRes", "payload": {"version": "1"}, "wire_b64": "EgEy"},
        "'payload' and 'wire_b64' do not agree: version",
    ),
    "words for bytes that are no message": (
        {**TRADER, "message": "ProtoOAVersionRes", "payload": {"version": "1"}, "wire_b64": "/w=="},
        "ProtoOAVersionRes: ",
    ),
    "words for an unknown message": (
        {"direction": "client", "payloadType": 4242, "payload": {"a": 1}},
        "a payload type that the schema does not have needs 'wire_b64'",
    ),
    "a header too late": ({"session": 1}, "a header belongs on the first line"),
    "ignore that is no list": ({**VERSION, "ignore": "label"}, "'ignore': expected a list"),
    "ignore of no names": ({**VERSION, "ignore": [1]}, "'ignore': expected a list"),
    "a client that quotes a request": (
        {**VERSION, "message": "ProtoOANewOrderReq", "payload": {**ORDER, "label": "<request:a>"}},
        "only what the server sends can quote a request",
    ),
    "a quote of no request": (
        {**TRADER, "message": "ProtoOAVersionRes", "payload": {"version": "<request:a>"}},
        "<request:a>: no request before it has this clientMsgId",
    ),
    "a quote of a field that does not exist": (
        {
            **TRADER,
            "message": "ProtoOAVersionRes",
            "clientMsgId": "first",
            "payload": {"version": "<request:a>"},
        },
        "<request:a>: ProtoOAVersionReq has no such plain field",
    ),
    "a quote of another kind": (
        {
            **TRADER,
            "message": "ProtoOAVersionRes",
            "clientMsgId": "first",
            "payload": {"version": "<request:payloadType>"},
        },
        "ProtoOAVersionRes.version: expected a string",
    ),
    "a part that cannot be left out": (
        {**TRADER, "payload": {"ctidTraderAccountId": 1, "trader": "<redacted>"}},
        "ProtoOATraderRes",
    ),
}


@pytest.mark.parametrize(("entry", "text"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_with_what_is_wrong(entry, text):
    first = {**VERSION, "clientMsgId": "first"}
    with pytest.raises(SessionError) as refused:
        read(first, "", entry)
    assert str(refused.value).startswith(f"s.jsonl, line 3: {text}")


BAD_HEADERS = {
    "another format": ({"session": 2}, "format 2 is not known; expected 1"),
    "a format that is no number": ({"session": "1"}, "'session': \"1\" is not "),
    "a schema that is none": ({"session": 1, "schema": 91}, "'schema': expected an object"),
    "an unknown key": ({"session": 1, "speed": 1}, "unknown 'speed'"),
}


@pytest.mark.parametrize(("entry", "text"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_bad_header_is_named_with_what_is_wrong(entry, text):
    with pytest.raises(SessionError) as refused:
        read(entry, VERSION)
    assert str(refused.value).startswith(f"s.jsonl, line 1: {text}")


@pytest.mark.parametrize("text", ["", "\n\n", '{"session": 1}\n'])
def test_a_session_without_messages_is_refused(text, tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text(text)
    with pytest.raises(SessionError, match=r"s\.jsonl has no messages"):
        load_session(path, SCHEMA)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(SessionError, match=r"nowhere\.jsonl cannot be read: No such file"):
        load_session(tmp_path / "nowhere.jsonl", SCHEMA)
    with pytest.raises(SessionError, match="cannot be read: Is a directory"):
        load_session(tmp_path, SCHEMA)
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(SessionError, match=r"bytes\.jsonl is not UTF-8 text"):
        load_session(tmp_path / "bytes.jsonl", SCHEMA)


@pytest.mark.parametrize("name", ["manual_trading", "market_data", "errors"])
def test_recorded_server_messages_are_sessions_as_they_are(name, recordings: Path):
    path = recordings / f"{name}.jsonl"
    session = load_session(path, SCHEMA)
    assert len(session.records) == len(path.read_text().splitlines())
    assert not session.expects


def test_a_recorded_field_that_no_schema_has_is_no_disagreement(recordings: Path):
    session = load_session(recordings / "market_data.jsonl", SCHEMA)
    trader = next(record for record in session.records if record.cls is ProtoOATraderRes)
    assert trader.wire is not None
    assert ProtoOATraderRes.FromString(trader.wire).to_dict() == trader.payload
