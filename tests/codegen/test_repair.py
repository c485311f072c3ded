"""A schema that does not compile: explained so that a person can act, repaired on demand."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.errors import SchemaError, UsageError
from codegen.load import Folder, load_schema
from codegen.model import Schema

Make = Callable[..., Path]
PROTOS = Path(__file__).parents[2] / "protos"

SIDES = """\
enum Side {{
  BUY = 1; {}
}}
message Order {{
  optional Side side = 1 [default = SELL];
  optional Side other = 2 [default = SELL, deprecated = true];
}}
"""


def refusal(path: Path) -> list[str]:
    with pytest.raises(SchemaError) as caught:
        load_schema(Folder(path))
    assert caught.value.folder == str(path)
    return [str(problem) for problem in caught.value.problems]


def test_each_lost_value_is_explained(broken: Path, lost: list[str]) -> None:
    found = refusal(broken)
    messages = (broken / "OpenApiMessages.proto").read_text().splitlines()
    assert len(found) == len(lost)
    for text, line_lost in zip(found, lost, strict=True):
        value = line_lost.split()[0]
        match = re.match(r"OpenApiMessages\.proto:(\d+): (ProtoOAv1PnL\w+)\.payloadType: ", text)
        assert match is not None, text
        line = int(match[1])
        assert f"default = {value}" in messages[line - 1]
        assert any(f"message {match[2]} " in above for above in messages[line - 4 : line])
        assert f"its default {value} is not a value of ProtoOAPayloadType" in text
        assert re.search(r"ProtoOAPayloadType \(OpenApiModelMessages\.proto:\d+\)", text)
        assert "--repair" in text


def test_lost_values_of_several_files_are_explained_together(folder: Make) -> None:
    # protoc itself stops at the first file.
    path = folder(
        a=SIDES.format(""),
        b='import "a.proto";\nmessage B { optional Side b = 1 [default = HOLD]; }',
    )
    assert [text.split(": its")[0] for text in refusal(path)] == [
        "a.proto:6: Order.side",
        "a.proto:7: Order.other",
        "b.proto:3: B.b",
    ]


def test_other_errors_are_in_the_words_of_protoc(folder: Make) -> None:
    assert refusal(folder(a="message A {\n  optional int32 a = 1\n}")) == [
        'a.proto:4: Expected ";".'
    ]


def test_other_errors_are_told_beside_lost_values(folder: Make) -> None:
    path = folder(a=SIDES.format("") + "message A { optional Nope n = 1; }")
    assert [text.split(":")[1] for text in refusal(path)] == ["6", "7", "9"]


def test_what_follows_from_another_error_is_not_told(folder: Make) -> None:
    path = folder(
        a="message A {\n  optional int32 a = ;\n}",
        b='import "a.proto";\nmessage B { optional A a = 1; }',
    )
    assert refusal(path) == ["a.proto:3: Expected field number."]


def test_an_import_that_is_not_there_is_told_where_it_stands(folder: Make) -> None:
    path = folder(b='\n\nimport "a.proto";\nmessage B { optional A a = 1; }')
    assert refusal(path) == ['b.proto:4: Import "a.proto" was not found or had errors.']


def test_an_import_that_climbs_out_of_the_folder_is_refused(folder: Make) -> None:
    path = folder(a='import "../outside.proto";')
    (path.parent / "outside.proto").write_text('syntax = "proto2";')
    (found,) = refusal(path)
    assert "outside.proto" in found


def test_very_many_errors_are_cut(folder: Make) -> None:
    fields = "\n".join(f"optional Nope a{n} = {n};" for n in range(1, 100))
    found = refusal(folder(a=f"message A {{\n{fields}\n}}"))
    assert len(found) == 41
    assert found[-1] == "and: 59 more"


def test_numbers_that_another_schema_tells_are_put_back(
    broken: Path, lost: list[str], ours: Schema
) -> None:
    schema, repairs = load_schema(Folder(broken, repair=True, numbers_from=PROTOS))
    told = [str(repair) for repair in repairs]
    assert len(told) == len(lost)
    for text, value_lost in zip(told, lost, strict=True):
        value, _, number = value_lost.split()
        assert f"ProtoOAPayloadType has no {value}: put back with the number {number}" in text
        assert text.endswith("which it has in release 91")
    assert {m.name: m.payload_type for m in schema.messages} == {
        m.name: m.payload_type for m in ours.messages
    }
    assert schema.exchanges == ours.exchanges


def test_without_a_number_a_message_becomes_a_plain_one(broken: Path, ours: Schema) -> None:
    schema, repairs = load_schema(Folder(broken, repair=True))
    pnl = {m.name for m in ours.messages if m.name.startswith("ProtoOAv1PnL")}
    assert len(pnl) == 5
    assert {m.name for m in schema.messages} == {m.name for m in ours.messages}
    assert {m.name for m in schema.messages if m.payload_type is None} - pnl == {
        m.name for m in ours.messages if m.payload_type is None
    }
    assert len(schema.exchanges) == len(ours.exchanges) - 2
    told = "\n".join(map(str, repairs))
    for name in pnl:
        assert f"{name}.payloadType: ProtoOAPayloadType has no" in told
        assert f"{name}: payloadType has no default that says its payload type" in told
    assert told.count("no method and no place in the registry") == 2
    assert all(m.fields[0].default is None for m in schema.messages if m.name in pnl)


def test_a_request_whose_answer_became_plain_has_no_method(edited: Make, ours: Schema) -> None:
    path = edited(OpenApiModelMessages={"PROTO_OA_VERSION_RES = 2105": ""})
    schema, repairs = load_schema(Folder(path, repair=True))
    assert {e.request for e in ours.exchanges} - {e.request for e in schema.exchanges} == {
        "ProtoOAVersionReq"
    }
    assert any("its answer ProtoOAVersionRes has no payload type" in str(r) for r in repairs)


@pytest.mark.parametrize(
    ("enum", "value", "expected"),
    [
        ("", "", "no other schema was asked"),
        ("", "SELL = 2;", "put back with the number 2"),
        ("", "HOLD = 2;", "has none either"),
        ("HOLD = 2;", "SELL = 2;", "is reserved or in use"),
        ("reserved 2 to 4; HOLD = 9;", "SELL = 2;", "is reserved or in use"),
        ('reserved "SELL";', "SELL = 2;", "is reserved or in use"),
    ],
)
def test_a_number_is_put_back_only_if_it_is_certain(
    enum: str, value: str, expected: str, tmp_path: Path, folder: Make
) -> None:
    path = folder(sides=SIDES.format(enum))
    numbers = None
    if value:
        numbers = tmp_path / "numbers"
        numbers.mkdir()
        (numbers / "sides.proto").write_text(
            f'syntax = "proto2";\nenum Side {{\n  BUY = 1; {value}\n}}\n'
        )
    schema, repairs = load_schema(Folder(path, repair=True, numbers_from=numbers))
    assert [str(r.place) for r in repairs] == ["sides.proto:6", "sides.proto:7"]
    assert all(expected in str(r) for r in repairs)
    put_back = "put back" in expected
    assert ("SELL" in {v.name for v in schema.enum["Side"].values}) == put_back
    defaults = [f.default for f in schema.message["Order"].fields]
    assert defaults == (["Side.SELL"] * 2 if put_back else [None, None])


def test_enum_and_message_in_one_line_of_one_file(tmp_path: Path, folder: Make) -> None:
    text = (
        "enum A { A1 = 1; } enum B { B1 = 1; } "
        "message M { optional A a = 1 [default = A2]; optional B b = 2 [default = B2]; "
        "optional A c = 3 [default = A2]; optional B d = 4 [default = B2]; }"
    )
    numbers = tmp_path / "numbers"
    numbers.mkdir()
    (numbers / "a.proto").write_text('syntax = "proto2";\nenum A { A1 = 1; A2 = 2; }')
    schema, repairs = load_schema(Folder(folder(a=text), repair=True, numbers_from=numbers))
    assert [f.default for f in schema.message["M"].fields] == ["A.A2", None, "A.A2", None]
    assert len(repairs) == 4


def test_other_errors_are_not_repaired(broken: Path) -> None:
    with (broken / "OpenApiMessages.proto").open("a") as proto:
        proto.write("\nmessage A { optional Nope n = 1; }\n")
    with pytest.raises(SchemaError, match='"Nope" is not defined') as caught:
        load_schema(Folder(broken, repair=True, numbers_from=PROTOS))
    assert len(caught.value.problems) == 1


def test_a_payload_type_without_default_is_repaired_too(folder: Make) -> None:
    path = folder(a="enum T { T_A = 9; }\nmessage AskReq {\n  optional T payloadType = 1;\n}")
    schema, repairs = load_schema(Folder(path, repair=True))
    assert schema.message["AskReq"].payload_type is None
    assert [str(r).split(":")[2] for r in repairs] == [" AskReq"]


def test_a_source_of_numbers_has_to_compile(broken: Path, folder: Make) -> None:
    with pytest.raises(UsageError, match="tells no numbers, for it does not compile"):
        load_schema(Folder(folder(), repair=True, numbers_from=broken))
