"""What cannot be mapped is refused: file, line, element, what to do; several problems at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.build import build
from codegen.descriptors import compile_sources
from codegen.errors import Problem, SchemaError
from codegen.load import Folder, load_declared, load_schema
from codegen.sources import read_sources

Refused = Callable[..., list[Problem]]

SHAPES = {
    "oneof": (
        "message A {\n  oneof choice {\n    int32 a = 1;\n    int32 b = 2;\n  }\n}",
        ["other.proto:3: A.choice: a oneof has no form here"],
    ),
    "map": (
        "message A {\n  map<string, int32> prices = 1;\n}",
        ["other.proto:3: A.prices: a map has no form here"],
    ),
    "group": (
        "message A {\n  repeated group Leg = 1 {\n    optional int32 a = 1;\n  }\n}",
        ["other.proto:3: A.leg: a group has no form here"],
    ),
    "nested message": (
        "message A {\n  optional int32 a = 1;\n  message Inner {}\n}",
        ["other.proto:4: A.Inner: a nested message has no form here"],
    ),
    "nested enum": (
        "message A {\n  enum Inner { X = 0; }\n}",
        ["other.proto:3: A.Inner: a nested enum has no form here"],
    ),
    "extensions": (
        "message A {\n  extensions 100 to 200;\n}\nextend A {\n  optional int32 b = 100;\n}",
        [
            "other.proto:3: A: extensions have no form here",
            "other.proto:6: extend A by b: extensions have no form",
        ],
    ),
    "extension inside a message": (
        "message A {\n  extensions 1;\n}\nmessage B {\n  extend A {\n    optional B b = 1;\n  }\n}",
        [
            "other.proto:3: A: extensions have no form here",
            "other.proto:7: extend A by b: extensions have no form",
        ],
    ),
    "service": (
        "message A {}\nservice S {\n  rpc Ask(A) returns (A);\n}",
        ["other.proto:3: service S: services have no form here, only requests"],
    ),
    "json_name": (
        'message A {\n  optional int32 a = 1 [json_name = "b"];\n}',
        ['other.proto:3: A.a: json_name = "b" has no form here'],
    ),
    "foreign import": (
        'import "google/protobuf/empty.proto";\nmessage A {}',
        ['other.proto:2: import "google/protobuf/empty.proto": it is not in the schema\'s folder'],
    ),
    "proto3": (
        'syntax = "proto3";\nmessage A {\n  int32 a = 1;\n}',
        ["other.proto: is written in proto3, whose rules of presence are other ones"],
    ),
    "edition": (
        'edition = "2023";\nmessage A {\n  int32 a = 1;\n}',
        ["other.proto: is written in an edition, whose rules of presence are other ones"],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_that_has_no_form_is_refused(
    shape: str, problems: Refused, texts: Callable[[list[Problem]], list[str]]
) -> None:
    source, expected = SHAPES[shape]
    found = problems(other=source)
    assert texts(found) == expected
    assert all(problem.remedy for problem in found)


NAMES = {
    "classes of two packages": (
        {"a": "package x;\nmessage Price {}", "b": "package y;\nenum Price { UP = 0; }"},
        "a.proto:3: Price: a class of that name comes from b.proto:3 already",
    ),
    "classes that only spelling tells apart": (
        {"a": "message SpotEvent {}\nmessage Spot_Event {}"},
        "a.proto:3: Spot_Event: only its spelling tells it from SpotEvent",
    ),
    "a class that the generated code needs": (
        {"a": "message Request {}"},
        "a.proto:2: Request: the generated code needs that name for something else",
    ),
    "a class that Python has": (
        {"a": "message ValueError {}"},
        "a.proto:2: ValueError: the generated code needs that name for something else",
    ),
    "a class that Python cannot name": (
        {"a": "message None {}"},
        "a.proto:2: None: the generated code needs that name for something else",
    ),
    "a class without a capital": (
        {"a": "message price {\n  optional price price = 1;\n}"},
        "a.proto:2: price: without a capital it could hide a variable of the generated code",
    ),
    "a private class": (
        {"a": "enum _Price { UP = 0; }"},
        "a.proto:2: _Price: without a capital it could hide a variable of the generated code",
    ),
    "fields that only capitals tell apart": (
        {"a": "message A {\n  optional int32 symbolId = 1;\n  optional int32 symbol_id = 2;\n}"},
        "a.proto:4: A.symbol_id: in Python it is called symbol_id, as symbolId is",
    ),
    "a field and another's default": (
        {
            "a": "message A {\n  optional int32 a = 1 [default = 5];\n"
            "  optional int32 aOrDefault = 2;\n}"
        },
        "a.proto:4: A.aOrDefault: in Python it is called a_or_default, as a is",
    ),
    "a private field": (
        {"a": "message A {\n  optional int32 _a = 1;\n}"},
        "a.proto:3: A._a: a leading underscore makes it private",
    ),
    "enum values": (
        {"a": "enum E {\n  option allow_alias = true;\n  None = 0;\n  None_ = 0;\n}"},
        "a.proto:5: E.None_: in Python it is called None_, as None is",
    ),
    "a private enum value": (
        {"a": "enum E {\n  __A = 0;\n}"},
        "a.proto:3: E.__A: a leading underscore makes it private",
    ),
    "a module that the package has": (
        {"registry": "message A {}"},
        "registry.proto: its module registry.py would replace a part of the generated package",
    ),
    "modules": (
        {"openApi": "message A {}", "open_api": "message B {}"},
        "open_api.proto: its module open_api.py is also that of openApi.proto",
    ),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_that_would_meet_in_python_are_refused(
    case: str, problems: Refused, texts: Callable[[list[Problem]], list[str]]
) -> None:
    files, expected = NAMES[case]
    assert texts(problems(**files)) == [expected]


REQUESTS = """
import "small.proto";
enum OtherType {{
  A = 11;
  B = 12;
  C = 13;
  D = 14;
}}
{}
"""


def request(name: str, value: str, number: int = 1) -> str:
    return f"message {name} {{ optional OtherType payloadType = {number} [default = {value}]; }}\n"


def test_a_request_without_an_answer_is_refused(problems: Refused) -> None:
    (found,) = problems(other=REQUESTS.format(request("AskReq", "A")))
    assert str(found.place) == "other.proto:10"
    assert found.what == "AskReq has no answer: there is no AskRes"
    assert "codegen/overrides.py" in found.remedy


def test_a_request_whose_answer_cannot_be_recognised_is_refused(problems: Refused) -> None:
    (found,) = problems(other=REQUESTS.format(request("AskReq", "A") + "message AskRes {}"))
    assert found.what == "AskReq: its answer AskRes has no payload type to know it by"


def test_a_payload_type_without_default_is_refused(problems: Refused) -> None:
    (found,) = problems(
        other=REQUESTS.format("message AskEvent { optional OtherType payloadType = 1; }")
    )
    assert found.what == "AskEvent: payloadType has no default that says its payload type"


def test_a_duplicate_payload_type_is_refused(problems: Refused) -> None:
    # The numbers count, not the enums that they come from.
    source = REQUESTS.format(request("AEvent", "A") + request("BEvent", "B")).replace("12", "1")
    found = problems(other=source)
    assert [f"{p.place}: {p.what}" for p in found] == [
        "other.proto:11: BEvent: payload type 1 is already that of PingReq (small.proto:14)"
    ]


def test_a_negative_payload_type_is_refused(problems: Refused) -> None:
    source = REQUESTS.format(request("AEvent", "A")).replace("11", "-11")
    (found,) = problems(other=source)
    assert found.what == "AEvent: payload type -11 is negative; the envelope has no sign"


def test_two_requests_with_one_method_are_refused(problems: Refused) -> None:
    source = REQUESTS.format(
        request("ProtoAskReq", "A")
        + request("ProtoAskRes", "B")
        + request("ProtoOAAskReq", "C")
        + request("ProtoOAAskRes", "D")
    )
    (found,) = problems(other=source)
    assert str(found.place) == "other.proto:12"
    assert found.what == "ProtoOAAskReq: its method would be ask(), as that of ProtoAskReq is"


def test_a_schema_without_envelope_is_refused(problems: Refused) -> None:
    (found,) = problems('syntax = "proto2";\nmessage A {}')
    assert found.what.startswith("no message is the envelope: uint32 payloadType,")


def test_a_second_envelope_is_refused(problems: Refused) -> None:
    (found,) = problems(
        other="message Wrapper {\n  required uint32 payloadType = 1;\n"
        "  optional bytes payload = 2;\n  optional string clientMsgId = 3;\n}"
    )
    assert {"Wrapper", "Envelope"} <= set(found.what.replace(",", "").split())


def test_problems_are_reported_together(problems: Refused) -> None:
    found = problems(
        other=REQUESTS.format(request("AskReq", "A") + "message Row { map<int32, int32> m = 1; }"),
        more="message M { oneof o { int32 a = 1; } }\nmessage Request {}",
    )
    assert len(found) == 4
    assert {p.place.file for p in found} == {"other.proto", "more.proto"}


def test_an_override_that_the_schema_makes_needless_is_refused(
    edited: Callable[..., Path],
) -> None:
    path = edited()
    with (path / "OpenApiMessages.proto").open("a") as proto:
        proto.write("\nmessage ProtoOANewOrderRes {}\n")
    with pytest.raises(SchemaError, match=r"ANSWERED_BY in .* is needless"):
        load_schema(Folder(path))


def test_an_override_that_is_not_used_is_refused_for_our_own_schema_only(
    folder: Callable[..., Path],
) -> None:
    sources = read_sources(folder())
    descriptors = compile_sources(sources)
    assert not isinstance(descriptors, list)
    assert build(descriptors, sources.texts, "x").schema.envelope == "Envelope"
    with pytest.raises(SchemaError) as caught:
        build(descriptors, sources.texts, "x", committed=True)
    text = str(caught.value)
    assert "ANSWERED_BY: the schema has no ProtoOANewOrderReq" in text
    assert "ODD_WORDS: no name of the schema has PnL in it" in text


def test_a_comparison_is_refused_too_but_needs_no_answers(folder: Callable[..., Path]) -> None:
    declared, _ = load_declared(Folder(folder(other=REQUESTS.format(request("AskReq", "A")))))
    assert "AskReq" in declared.message
    with pytest.raises(SchemaError, match="a oneof has no form"):
        load_declared(Folder(folder(more="message M { oneof o { int32 a = 1; } }")))


def test_what_two_problems_in_a_row_ask_for_is_told_once(problems: Refused) -> None:
    found = problems(other="message A {}\nmessage B {\n  enum X { P = 0; }\n  enum Y { Q = 0; }\n}")
    report = str(SchemaError(found))
    assert report.count("Move the enum to the top level") == 1
