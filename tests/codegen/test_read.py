"""Descriptors → values: every kind of field and default, comments, packages, payload types."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool

from codegen.descriptors import compile_sources
from codegen.load import Folder, load_declared
from codegen.model import Declared, Label, Message
from codegen.sources import read_sources

Make = Callable[..., Path]

KINDS = """
enum Side {
  BUY = 1;
  None = -3;
}
message Kinds {
  optional double a = 1 [default = -1.5e10];
  optional double b = 2 [default = inf];
  optional double c = 3 [default = -inf];
  optional double d = 4 [default = nan];
  optional double e = 5 [default = -0.0];
  optional float f = 6 [default = 0.1];
  optional float g = 7 [default = -inf];
  optional int32 h = 8 [default = -2147483648];
  optional int64 i = 9 [default = -0x7FFFFFFFFFFFFFFF];
  optional uint32 j = 10 [default = 037];
  optional uint64 k = 11 [default = 18446744073709551615];
  optional sint32 l = 12 [default = -1];
  optional sint64 m = 13 [default = 1];
  optional fixed32 n = 14 [default = 4294967295];
  optional fixed64 o = 15 [default = 1];
  optional sfixed32 p = 16 [default = -7];
  optional sfixed64 q = 17 [default = -8];
  optional bool r = 18 [default = true];
  optional bool s = 19 [default = false];
  optional string t = 20 [default = "a\\"b\\'c\\\\d\\n\\000 \\303\\251 €"];
  optional string u = 21 [default = ""];
  optional bytes v = 22 [default = "a\\"b\\'c\\\\d\\n\\r\\t\\000\\377\\x80z"];
  optional bytes w = 23 [default = ""];
  optional Side x = 24 [default = BUY];
  optional Side y = 25 [default = None];
}
"""


def declared(path: Path) -> Declared:
    return load_declared(Folder(path))[0]


@pytest.fixture
def message(folder: Make) -> Callable[[str], Message]:
    """The first message of a text."""

    def first(text: str) -> Message:
        path = folder(other=text)
        return next(m for m in declared(path).messages if m.file == "other.proto")

    return first


def test_defaults_are_those_of_protobuf(folder: Make) -> None:
    path = folder(kinds=KINDS)
    descriptors = compile_sources(read_sources(path))
    assert not isinstance(descriptors, list)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)  # type: ignore[no-untyped-call]  # its stub says nothing
    expected = pool.FindMessageTypeByName("Kinds").fields_by_name  # type: ignore[no-untyped-call]  # likewise

    class Side:
        BUY = 1
        None_ = -3

    fields = declared(path).message["Kinds"].fields
    assert len(fields) == 25
    for field in fields:
        assert field.default is not None
        value: Any = eval(field.default, {"Side": Side})
        default: Any = expected[field.key].default_value
        assert type(value) is type(default), field
        if isinstance(default, float):
            assert math.copysign(1, value) == math.copysign(1, default) or math.isnan(default)
            assert value == default or math.isnan(value) == math.isnan(default) is True
        else:
            assert value == default, field


def test_a_field_without_default_has_none(message: Callable[[str], Message]) -> None:
    (field,) = message("message A {\n  optional string a = 1;\n}").fields
    assert field.default is None


def test_labels_packed_and_deprecated(message: Callable[[str], Message]) -> None:
    fields = message(
        """message A {
          option deprecated = true;
          required int32 a = 1;
          optional int32 b = 2 [deprecated = true];
          repeated int32 c = 3;
          repeated int32 d = 4 [packed = true];
          repeated int32 e = 5 [packed = false];
          reserved 6 to 9, 100;
          reserved "old";
        }"""
    ).fields
    assert [f.label for f in fields] == [Label.REQUIRED, Label.OPTIONAL, *[Label.REPEATED] * 3]
    assert [f.key for f in fields if f.packed] == ["d"]
    assert [f.key for f in fields if f.deprecated] == ["b"]


def test_fields_come_by_number(message: Callable[[str], Message]) -> None:
    fields = message("message A {\n  optional int32 b = 5;\n  optional int32 a = 1;\n}").fields
    assert [f.key for f in fields] == ["a", "b"]


def test_comments_stand_before_or_behind(folder: Make) -> None:
    path = folder(
        other="""
// What the enum says.
enum Side {
  BUY = 1; // Behind the value.
  // Before the value.
  SELL = 2 [deprecated = true];
}
/** What the message says,
 *  in two lines. */
message A {
  optional int32 a = 1; // Behind the field.
  /* Before the field. */
  optional int32 b = 2;
  optional int32 c = 3;
}
"""
    )
    side = declared(path).enum["Side"]
    assert (side.doc, side.line) == ("What the enum says.", 4)
    assert [v.doc for v in side.values] == ["Behind the value.", "Before the value."]
    assert [v.deprecated for v in side.values] == [False, True]
    message = declared(path).message["A"]
    assert message.doc == "What the message says,\nin two lines."
    assert [f.doc for f in message.fields] == ["Behind the field.", "Before the field.", ""]
    assert [f.line for f in message.fields] == [12, 14, 15]


def test_enums_may_have_two_names_for_a_number(folder: Make) -> None:
    path = folder(
        other="enum Side {\n  option allow_alias = true;\n  BUY = 1;\n  LONG = 1;\n  None = 0;\n}"
    )
    values = declared(path).enum["Side"].values
    assert [(v.name, v.key, v.number) for v in values] == [
        ("BUY", "BUY", 1),
        ("LONG", "LONG", 1),
        ("None_", "None", 0),
    ]


def test_packages_do_not_show(folder: Make) -> None:
    path = folder(
        prices='package a.b;\nimport "sides.proto";\nmessage Price {\n'
        "  optional c.Side side = 1 [default = BUY];\n  optional Price better = 2;\n}",
        sides="package c;\nenum Side {\n  BUY = 1;\n}",
        events="package d;\nenum PayloadType {\n  PING_REQ = 77;\n}\nmessage Ev {\n"
        "  optional PayloadType payloadType = 1 [default = PING_REQ];\n}",
    ).parent
    small = (path / "schema" / "small.proto").read_text()
    (path / "schema" / "small.proto").write_text(
        small.replace("message Env", "package s;\nmessage Env")
    )
    (path / "schema" / "events.proto").write_text(
        (path / "schema" / "events.proto")
        .read_text()
        .replace("PayloadType", "EventType", 1)
        .replace("optional PayloadType", "optional EventType")
    )
    found = declared(path / "schema")
    assert [f.type_name for f in found.message["Price"].fields] == ["Side", "Price"]
    # PING_REQ is 1 in one package and 77 in the other.
    assert found.message["PingReq"].payload_type == 1
    assert found.message["Ev"].payload_type == 77


def test_files_import_each_other_in_any_order(folder: Make) -> None:
    path = folder(
        a='import "z.proto";\nimport public "sub/m.proto";\n'
        "message A {\n  optional Z z = 1;\n  optional M m = 2;\n}",
        z="message Z {}",
    )
    (path / "sub").mkdir()
    (path / "sub" / "m.proto").write_text('syntax = "proto2";\nmessage M {}\n')
    (path / "sub" / "unused.proto").write_text("this is not read")
    modules = {f.name: f.module for f in declared(path).files}
    assert modules == {
        "z.proto": "z",
        "sub/m.proto": "sub_m",
        "a.proto": "a",
        "small.proto": "small",
    }


def test_a_payload_type_can_stand_anywhere(message: Callable[[str], Message]) -> None:
    found = message(
        'import "small.proto";\nenum T { T_A = 9; }\n'
        "message A {\n  optional int32 a = 1;\n  required T payloadType = 7 [default = T_A];\n}"
    )
    assert found.payload_type == 9


def test_odd_bytes_in_comments_are_no_reason_to_fail(folder: Make) -> None:
    path = folder()
    text = b"\xef\xbb\xbf" + (path / "small.proto").read_bytes().replace(b"\n", b"\r\n")
    (path / "small.proto").write_bytes(text + b"// na\xefve\r\n")
    assert "PingReq" in declared(path).message
