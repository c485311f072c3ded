"""protos/ says exactly what the facts of release 91 say, and its comments what a user must know.

The facts are `tests/vectors/schema-91.json`; the oracle is protoc with the descriptors of
google.protobuf. This module knows nothing of our generator.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
VECTOR = ROOT / "tests" / "vectors" / "schema-91.json"
SHARED = ROOT.parent / "shared" / "schema" / "openapi-91.json"

FACTS: dict[str, Any] = json.loads(VECTOR.read_text(encoding="utf-8"))
FILES: dict[str, Any] = FACTS["files"]
ENUMS: dict[str, dict[str, int]] = {
    k: v for file in FILES.values() for k, v in file["enums"].items()
}
MESSAGES: dict[str, list[list[Any]]] = {
    k: v for file in FILES.values() for k, v in file["messages"].items()
}
REQUESTS = [name for name in MESSAGES if name.endswith("Req")]
ANSWERED_BY_EVENTS = {
    "ProtoOANewOrderReq",
    "ProtoOACancelOrderReq",
    "ProtoOAAmendOrderReq",
    "ProtoOAAmendPositionSLTPReq",
    "ProtoOAClosePositionReq",
}


def compile_protos(directory: Path, out: Path) -> dict[str, FileDescriptorProto]:
    names = sorted(path.name for path in directory.glob("*.proto"))
    arguments = ["protoc", f"-I{directory}", "--include_source_info", f"--descriptor_set_out={out}"]
    assert protoc.main([*arguments, *names]) == 0, "protoc refused protos/; its message is above"
    return {file.name: file for file in FileDescriptorSet.FromString(out.read_bytes()).file}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileDescriptorProto]:
    return compile_protos(PROTOS, tmp_path_factory.mktemp("protos") / "schema.binpb")


# --- the facts ------------------------------------------------------------------------------------


def expected_field(
    number: int, label: str, kind: str, name: str, options: dict[str, Any] | None = None
) -> FieldDescriptorProto:
    field = FieldDescriptorProto(name=name, number=number, json_name=name)
    field.label = FieldDescriptorProto.Label.Value(f"LABEL_{label.upper()}")
    if kind in MESSAGES or kind in ENUMS:
        field.type_name = f".{kind}"
        kind = "message" if kind in MESSAGES else "enum"
    field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    for option, value in (options or {}).items():
        if option == "default":
            field.default_value = value
        else:
            setattr(field.options, option, value)
    return field


def expected_file(name: str, facts: dict[str, Any]) -> FileDescriptorProto:
    file = FileDescriptorProto(name=name, dependency=facts["imports"])
    for message, fields in facts["messages"].items():
        file.message_type.append(
            DescriptorProto(name=message, field=[expected_field(*field) for field in fields])
        )
    for enum, values in facts["enums"].items():
        added = EnumDescriptorProto(name=enum)
        for value, number in values.items():
            added.value.add(name=value, number=number)
        file.enum_type.append(added)
    return file


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_the_facts_and_nothing_else(
    name: str, compiled: dict[str, FileDescriptorProto]
) -> None:
    actual = FileDescriptorProto()
    actual.CopyFrom(compiled[name])
    actual.ClearField("source_code_info")
    expected = expected_file(name, FILES[name])
    # As text first: pytest then shows the lines that differ. Order, options and surplus all count.
    assert str(actual).splitlines() == str(expected).splitlines()
    assert actual.SerializeToString() == expected.SerializeToString()


def test_the_directory_holds_the_four_files_and_the_release() -> None:
    assert {path.name for path in PROTOS.iterdir()} == {*FILES, "RELEASE"}
    assert (PROTOS / "RELEASE").read_text(encoding="utf-8").strip() == FACTS["release"] == "91"


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_proto2(name: str) -> None:
    # A descriptor cannot tell a proto2 file from one that says nothing.
    assert f'\nsyntax = "{FACTS["syntax"]}";\n' in (PROTOS / name).read_text(encoding="utf-8")
    assert FACTS["syntax"] == "proto2"


def test_counts(compiled: dict[str, FileDescriptorProto]) -> None:
    messages = [message for file in compiled.values() for message in file.message_type]
    assert len(messages) == 124
    assert sum(len(file.enum_type) for file in compiled.values()) == 29
    assert sum(len(message.field) for message in messages) == 587
    assert len(REQUESTS) == 42


def test_a_slip_is_noticed(tmp_path: Path) -> None:
    for path in PROTOS.glob("*.proto"):
        text = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(
            text.replace("double stopLoss = 6;", "double stopLoss = 60;")
        )
    slipped = compile_protos(tmp_path, tmp_path / "schema.binpb")["OpenApiModelMessages.proto"]
    slipped.ClearField("source_code_info")
    assert slipped != expected_file(slipped.name, FILES[slipped.name])


def compact(field: dict[str, Any]) -> list[Any]:
    options = {key: field[key] for key in ("default", "packed", "deprecated") if key in field}
    assert set(field) == {"number", "label", "type", "name", *options}
    head = [field[key] for key in ("number", "label", "type", "name")]
    return [*head, options] if options else head


def test_the_vector_is_the_published_schema() -> None:
    if not SHARED.exists():
        pytest.skip("the schema facts are not beside this checkout (../shared/schema)")
    published = json.loads(SHARED.read_text(encoding="utf-8"))
    for file in published["files"].values():
        file["messages"] = {k: [compact(field) for field in v] for k, v in file["messages"].items()}
    assert json.dumps(FACTS) == json.dumps(published)  # as text, because the order counts


# --- the comments ---------------------------------------------------------------------------------


class Element(NamedTuple):
    """A message, enum, field or enum value; `kind` is a field's proto type, else empty."""

    name: str
    kind: str
    comment: str

    @property
    def last_name(self) -> str:
        return self.name.rpartition(".")[2]


def elements_of(file: FileDescriptorProto) -> Iterator[Element]:
    comments = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
    }
    for i, enum in enumerate(file.enum_type):
        yield Element(enum.name, "", comments[5, i])
        for j, value in enumerate(enum.value):
            yield Element(f"{enum.name}.{value.name}", "", comments[5, i, 2, j])
    for i, message in enumerate(file.message_type):
        yield Element(message.name, "", comments[4, i])
        for j, field in enumerate(message.field):
            scalar = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
            kind = field.type_name.removeprefix(".") or scalar
            yield Element(f"{message.name}.{field.name}", kind, comments[4, i, 2, j])


@pytest.fixture(scope="module")
def elements(compiled: dict[str, FileDescriptorProto]) -> dict[str, Element]:
    return {element.name: element for file in compiled.values() for element in elements_of(file)}


def test_every_element_has_a_leading_comment(elements: dict[str, Element]) -> None:
    assert len(elements) == 124 + 29 + 587 + sum(map(len, ENUMS.values()))
    assert [name for name, element in elements.items() if not element.comment] == []


def test_no_comment_trails_or_floats(compiled: dict[str, FileDescriptorProto]) -> None:
    for file in compiled.values():
        for location in file.source_code_info.location:
            assert not location.trailing_comments, location.trailing_comments
            # Above `syntax`, path (12,), stands what the file is about.
            assert not location.leading_detached_comments or list(location.path) == [12]


def test_comments_fit_the_line() -> None:
    for path in PROTOS.glob("*.proto"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert len(line) <= 100 or not line.lstrip().startswith("//"), line


INTEGERS = frozenset({"int32", "int64", "uint32", "uint64"})
DOUBLE = frozenset({"double"})
NUMBERS = INTEGERS | DOUBLE
INTERVAL = frozenset({"ProtoOAInterval"})


class Rule(NamedTuple):
    """Fields whose name matches `names` and whose type is in `kinds` must say `unit`."""

    names: str
    kinds: frozenset[str]
    unit: str


EPOCH = r"since the Unix epoch \(UTC\)"
MONEY = r"10\^moneyDigits"
UNPUBLISHED = r"(unit|scale) is not published"
RULES = [
    # time
    Rule(r"timestamp$", INTEGERS, rf"\b(ms|seconds) {EPOCH}"),
    Rule(r"inMinutes$", INTEGERS, rf"\bminutes {EPOCH}"),
    Rule(r"(second|expiresIn|retryAfter)$", INTEGERS, r"\bseconds\b"),
    Rule(r"schedule$", INTERVAL, r"\bseconds from Sunday 00:00\b"),
    Rule(r"(date|days)$", INTEGERS, r"\bdays\b"),
    Rule(r"swapTime$", INTEGERS, r"\bminutes after 00:00 UTC\b"),
    Rule(r"swapPeriod$", INTEGERS, r"\bHours\b"),
    Rule(r"swapPeriods$", INTEGERS, r"\bswap periods\b"),
    # prices
    Rule(r"(price|stopLoss|takeProfit)$", DOUBLE, r"\bunscaled\b"),
    Rule(r"^(bid|ask|low|tick|sessionClose)$", INTEGERS, r"\bin 1/100000 of a price unit\b"),
    Rule(r"^delta(open|close|high)$", INTEGERS, r"\bin 1/100000 of a price unit\b"),
    Rule(r"^relative", INTEGERS, r"\bin 1/100000 of a price unit\b"),
    Rule(r"inPoints$", INTEGERS, r"\bin points\b"),
    Rule(r"distance$", INTEGERS, r"\bthe unit that distanceSetIn names\b"),
    # volume
    Rule(r"(volume|lotSize|size)$", INTEGERS, r"\bin 0\.01 of a (unit|US dollar)\b|price changes"),
    Rule(r"exposure$", INTEGERS, UNPUBLISHED),
    # money
    Rule(r"(balance|bonus|delta|equity|margin|grossProfit|pnl|fee)$", INTEGERS, MONEY),
    Rule(r"moneyDigits$", INTEGERS, rf"amount = value / {MONEY}"),
    Rule(r"swap$", INTEGERS, MONEY),
    Rule(r"^swap(long|short)$", DOUBLE, r"\bthe unit that swapCalculationType names\b"),
    Rule(
        r"commission$", INTEGERS, rf"{MONEY}|10\^8|the unit that commissionType names|{UNPUBLISHED}"
    ),
    Rule(r"charge$", INTEGERS, UNPUBLISHED),
    # rates and ratios
    Rule(r"commissionRate$", INTEGERS, r"10\^8 .*10\^5"),
    Rule(r"feeRate$", INTEGERS, r"\bin 0\.01%"),
    Rule(r"^(marginRate|.*conversionRate)$", DOUBLE, r"deposit currency|in US dollars"),
    Rule(r"leverage(InCents)?$", INTEGERS, r"\btimes 100\b|1:100\b"),
    Rule(r"threshold$", DOUBLE, r"\bin percent\b"),
]
# The money whose unit nobody has published: the only ones that may say so in place of a unit.
UNPUBLISHED_UNITS = {
    "ProtoOASymbol.maxExposure",
    "ProtoOASymbol.gslCharge",
    "ProtoOASymbol.minCommission",
    "ProtoOASymbol.rolloverCommission",
    "ProtoOAMarginCall.marginLevelThreshold",
}
# Numbers that measure nothing: ids, counters, decimal places, places in a list.
PLAIN = r"(^id|Ids?|Login|Version|^digits|pipPosition|sortingNumber|^count|maxRows|deletedQuotes)$"


def rules_for(element: Element) -> list[Rule]:
    return [
        rule
        for rule in RULES
        if element.kind in rule.kinds and re.search(rule.names, element.last_name, re.IGNORECASE)
    ]


def lacks_a_unit(element: Element) -> bool:
    return not all(re.search(rule.unit, element.comment) for rule in rules_for(element))


def test_every_price_volume_money_and_time_states_its_unit(elements: dict[str, Element]) -> None:
    measured = [element for element in elements.values() if rules_for(element)]
    assert len(measured) > 150
    assert {element.name: element.comment for element in measured if lacks_a_unit(element)} == {}


def test_the_unit_rule_can_fail(elements: dict[str, Element]) -> None:
    for element in elements.values():
        if rules_for(element):
            assert lacks_a_unit(element._replace(comment=f"The {element.last_name}.")), element.name
    assert lacks_a_unit(Element("Bar.low", "int64", "Lowest price, unscaled."))
    assert lacks_a_unit(Element("Bar.openTimestamp", "int64", "When it opened, in ms."))


def test_every_rule_is_used_and_every_number_is_classified(elements: dict[str, Element]) -> None:
    numbers = [element for element in elements.values() if element.kind in NUMBERS | INTERVAL]
    used = {rule for element in numbers for rule in rules_for(element)}
    assert [rule for rule in RULES if rule not in used] == []
    plain = {element.name for element in numbers if re.search(PLAIN, element.last_name)}
    measured = {element.name for element in numbers if rules_for(element)}
    assert plain | measured == {element.name for element in numbers} - {"ProtoMessage.payloadType"}
    assert plain & measured == set()


def test_only_the_known_gaps_leave_the_unit_open(elements: dict[str, Element]) -> None:
    fields = (element for element in elements.values() if element.kind)
    assert {field.name for field in fields if re.search(UNPUBLISHED, field.comment)} == (
        UNPUBLISHED_UNITS
    )


@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_request_names_its_answer_and_its_terms(
    request_name: str, elements: dict[str, Element]
) -> None:
    comment = elements[request_name].comment
    answer = request_name.removesuffix("Req") + "Res"
    if request_name in ANSWERED_BY_EVENTS:
        assert answer not in MESSAGES
        assert (
            "answered by ProtoOAExecutionEvent, ProtoOAOrderErrorEvent or ProtoOAErrorRes"
        ) in comment
    else:
        assert f"Answered by {answer}, or ProtoOAErrorRes" in comment
    assert re.search(r"Auth: (none|application|account)\b", comment)
    assert re.search(
        r"Rate lane: (ordinary \(50|historical \(5) a second\)|Outside the rate", comment
    )


def test_an_answer_names_its_request(elements: dict[str, Element]) -> None:
    answers = [name for name in MESSAGES if name.endswith("Res")]
    for name in set(answers) - {"ProtoErrorRes", "ProtoOAErrorRes"}:
        assert elements[name].comment.startswith(f"Answers {name.removesuffix('Res')}Req")
    for event in ("ProtoOAExecutionEvent", "ProtoOAOrderErrorEvent"):
        assert {name for name in ANSWERED_BY_EVENTS if name in elements[event].comment} == (
            ANSWERED_BY_EVENTS
        )


def test_an_event_says_what_it_follows_or_that_nobody_asked(elements: dict[str, Element]) -> None:
    for name in MESSAGES:
        if name.endswith("Event") and name != "ProtoHeartbeatEvent":
            assert re.search(r"unsolicited|follows Proto", elements[name].comment, re.IGNORECASE), (
                name
            )


def test_comments_name_only_what_exists(elements: dict[str, Element]) -> None:
    values = {value for enum in ENUMS.values() for value in enum}
    fields = {field[3] for message in MESSAGES.values() for field in message} | {"cTrader"}
    for element in elements.values():
        for name, member in re.findall(r"\b(Proto\w+)(?:\.(\w+))?", element.comment):
            assert name in MESSAGES or name in ENUMS, element
            assert not member or f"{name}.{member}" in elements, element
        assert set(re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", element.comment)) <= values, element
        assert set(re.findall(r"\b[a-z]+(?:[A-Z]\w*)+\b", element.comment)) <= fields, element
