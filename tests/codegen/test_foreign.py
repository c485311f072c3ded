"""Packages of bindings from other schemas: they import, type, encode and leave ours alone."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool, message_factory

from codegen.commands import run
from codegen.descriptors import compile_sources
from codegen.options import OUR_PROTOS, ROOT
from codegen.sources import read_sources

Make = Callable[..., Path]
Python = Callable[..., str]

KINDS = """\
syntax = "proto2";
package some.where;
import "small.proto";
import "sides.proto";

enum KindType {
  KIND_EVENT = 20;
  LIST_REQ = 21;
}

// Everything that a field can be.
message Kinds {
  optional double a = 1 [default = -inf];
  optional float b = 2 [default = 0.1];
  optional int32 c = 3 [default = -5];
  optional int64 d = 4;
  optional uint32 e = 5;
  optional uint64 f = 6;
  optional sint32 g = 7;
  optional sint64 h = 8;
  optional fixed32 i = 9;
  optional fixed64 j = 10;
  optional sfixed32 k = 11;
  optional sfixed64 z = 12;
  optional bool m = 13 [default = true];
  optional string n = 14 [default = "\\"quoted\\""];
  optional bytes o = 15 [default = "\\000\\377"];
  optional Side side = 16 [default = None];
  optional Kinds inner = 17;
  repeated double aa = 21 [packed = true];
  repeated float bb = 22 [packed = false];
  repeated int32 cc = 23 [packed = true];
  repeated sint64 hh = 24;
  repeated fixed32 ii = 25 [packed = true];
  repeated bool mm = 26;
  repeated string nn = 27;
  repeated bytes oo = 28;
  repeated Side sides = 29 [packed = true];
  repeated Kinds inners = 30;
  // Names that Python or the base class has already.
  optional int32 from = 31;
  optional int32 parse = 32;
  optional int32 list = 33;
  optional int32 self = 34;
  optional int32 field = 35 [default = 3];
  optional int32 str = 536870911;
}

// Rows that stream: worth a straight-line codec.
message KindEvent {
  optional KindType payloadType = 1 [default = KIND_EVENT];
  repeated Kinds rows = 2;
}

// What answers it stands in a file that imports this one.
message ListReq {
  required KindType payloadType = 1 [default = LIST_REQ];
  // Which.
  repeated int64 list = 2;
  // Any "quote" and \\ backslash.
  required Side from = 3;
}
"""
ANSWERS = """\
syntax = "proto2";
import "kinds.proto";
enum AnswerType { LIST_RES = 30; }
message ListRes {
  option deprecated = true;
  optional AnswerType payloadType = 1 [default = LIST_RES];
  optional some.where.Kinds kinds = 2;
}
"""
SIDES = """\
enum Side {
  option allow_alias = true;
  None = 0;
  BUY = 1;
  LONG = 1;
  name = -2147483648;
}
"""


def generate(protos: Path, out: Path, *more: str, package: str = "bindings") -> str:
    outcome = run(["--protos", str(protos), "--out", str(out), "--package", package, *more])
    assert outcome.status == 0, outcome.err or outcome.out
    return outcome.out


@pytest.fixture
def kinds(folder: Make) -> Path:
    """A schema with every kind of field."""
    return folder(kinds=KINDS, answers=ANSWERS, sides=SIDES)


VALUES = {
    "a": 0.0,
    "b": 1.5,
    "c": -1,
    "d": -(2**63),
    "e": 2**32 - 1,
    "f": 2**64 - 1,
    "g": -(2**31),
    "h": -1,
    "i": 7,
    "j": 2**64 - 1,
    "k": -7,
    "z": -(2**63),
    "m": False,
    "n": "",
    "side": 0,
    "o": b"\x00\xff",
    "aa": [1.0, -0.0],
    "bb": [0.5],
    "cc": [-1, 300],
    "hh": [-1, 1],
    "ii": [1],
    "mm": [True, False],
    "nn": ["a", ""],
    "oo": [b"", b"x"],
    "sides": [1, 0, -(2**31)],
    "from": 1,
    "parse": 2,
    "list": 3,
    "self": 4,
    "field": 5,
    "str": 6,
}


def test_every_kind_of_field_has_the_bytes_of_protobuf(
    kinds: Path, tmp_path: Path, python: Python
) -> None:
    generate(kinds, tmp_path / "out")
    descriptors = compile_sources(read_sources(kinds))
    assert not isinstance(descriptors, list)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)  # type: ignore[no-untyped-call]  # its stub says nothing
    found = pool.FindMessageTypeByName("some.where.KindEvent")  # type: ignore[no-untyped-call]  # likewise
    event = message_factory.GetMessageClass(found)()
    expected = []
    for depth in range(3):
        row = event.rows.add()
        for part in (row, row.inner, row.inners.add())[: depth + 1]:
            for key, value in VALUES.items():
                if isinstance(value, list):
                    getattr(part, key).extend(value)
                else:
                    setattr(part, key, value)
        expected.append(event.SerializeToString().hex())
    program = f"""
import bindings
values = {VALUES!r}
def fill(part):
    for field in bindings.Kinds.message_fields:
        if field.key in values:
            setattr(part, field.name, values[field.key])
    return part
event = bindings.KindEvent()
for depth, data in enumerate(map(bytes.fromhex, {expected!r})):
    row = bindings.Kinds()
    event.rows.append(row)
    if depth > 0:
        row.inner = bindings.Kinds()
    row.inners.append(bindings.Kinds())
    for part in (row, row.inner, row.inners[0])[: depth + 1]:
        fill(part)
    assert bytes(event) == data, depth
    again = bindings.KindEvent.FromString(data)
    assert again == event
    assert bytes(again) == data
    assert bindings.KindEvent.from_json(event.to_json()) == event
kinds = bindings.Kinds()
assert kinds.a_or_default == float("-inf") and kinds.b_or_default != 0.1
assert kinds.n_or_default == '"quoted"' and kinds.o_or_default == bytes([0, 255])
assert kinds.side_or_default is bindings.Side.None_ and kinds.field_or_default == 3
assert bindings.Side.LONG is bindings.Side.BUY and int(bindings.Side.name_) == -(2**31)
assert bindings.SCHEMA.payload_types[bindings.KindEvent] == 20
assert bindings.SCHEMA.by_name["Kinds"] is bindings.Kinds
assert bindings.SCHEMA.responses[bindings.ListReq] is bindings.ListRes
assert bindings.SCHEMA.envelope is bindings.Envelope and bindings.SCHEMA.release == "unknown"
print("done")
"""
    assert python(program, tmp_path / "out") == "done\n"


def test_messages_that_only_a_prefix_tells_apart(
    folder: Make, tmp_path: Path, python: Python
) -> None:
    path = folder(
        ticks="enum T { A = 11; B = 12; }\n"
        "message ProtoTickEvent {\n  optional T payloadType = 1 [default = A];\n"
        "  repeated Row rows = 2;\n}\n"
        "message ProtoOATickEvent {\n  optional T payloadType = 1 [default = B];\n"
        "  repeated ProtoOARow rows = 2;\n}\n"
        "message Row { optional int32 a = 1; }\nmessage ProtoOARow { optional string a = 1; }\n"
    )
    generate(path, tmp_path / "out")
    program = """
import bindings
for event in (
    bindings.ProtoTickEvent(rows=[bindings.Row(a=5)]),
    bindings.ProtoOATickEvent(rows=[bindings.ProtoOARow(a="x")]),
):
    assert type(event).FromString(bytes(event)) == event
"""
    python(program, tmp_path / "out")


def test_the_package_has_a_client_of_its_own(kinds: Path, tmp_path: Path, python: Python) -> None:
    generate(kinds, tmp_path / "out")
    program = """
import sys, inspect
import bindings
assert "bindings.api" not in sys.modules
from ctrader_typed.client import Client
assert issubclass(bindings.Api, Client) and issubclass(bindings.Api, bindings.Methods)
assert not inspect.isabstract(bindings.Api)
assert bindings.Api.request is Client.request
assert str(inspect.signature(bindings.Api.list)) == (
    "(self, *, from_: 'Side', list_: 'Iterable[int]' = ()) -> 'ListRes'"
)
print(inspect.getdoc(bindings.Api.list))
class Recorder(bindings.Methods):
    async def request(self, request):
        self.sent = request
api = Recorder()
for call in (api.list(from_=bindings.Side.BUY, list_=(5, 6)), api.ping(id=7)):
    try:
        call.send(None)
    except StopIteration:
        print(api.sent)
try:
    bindings.Nothing
except AttributeError as error:
    assert "Nothing" in str(error)
else:
    raise AssertionError
"""
    assert python(program, tmp_path / "out").splitlines() == [
        "What answers it stands in a file that imports this one.",
        "",
        "Args:",
        '    from_: Any "quote" and \\ backslash.',
        "    list_: Which.",
        "ListReq(payload_type=<KindType.LIST_REQ: 21>, list_=[5, 6], from_=<Side.BUY: 1>)",
        "PingReq(id=7)",
    ]


def test_linters_are_content(kinds: Path, tmp_path: Path) -> None:
    generate(kinds, tmp_path / "out")
    generate(OUR_PROTOS, tmp_path / "out", package="copy_of_ours")
    config = str(ROOT / "pyproject.toml")
    ignored = "A,C901,PLR09,PLR1702,RET,SIM,N"  # as for our own package; and small.proto's names
    for command in (
        ["ruff", "check", "--config", config, "--no-cache", "--extend-ignore", ignored, "."],
        ["ruff", "format", "--config", config, "--no-cache", "--check", "."],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path / "out",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_the_broken_schema_generates_with_repairs(
    broken: Path, tmp_path: Path, python: Python, lost: list[str]
) -> None:
    generate(broken, tmp_path / "out", "--repair", "--release", "head", package="head")
    program = """
import head, json
from ctrader_typed import proto
assert {c.__name__: n for c, n in head.SCHEMA.payload_types.items()} == {
    c.__name__: n for c, n in proto.SCHEMA.payload_types.items()
}
event = head.ProtoOAv1PnLChangeEvent
print(json.dumps([head.SCHEMA.release, head.SCHEMA.payload_types[event]]))
"""
    assert json.loads(python(program, tmp_path / "out")) == ["head", 2189]


def test_what_has_no_number_stays_a_plain_message(
    broken: Path, tmp_path: Path, python: Python, folder: Make
) -> None:
    more = ["--repair", "--numbers-from", str(folder())]
    generate(broken, tmp_path / "out", *more, package="head")
    program = """
import head
names = [n for n in head.SCHEMA.by_name if n.startswith("ProtoOAv1PnL")]
assert len(names) == 5
for name in names:
    cls = head.SCHEMA.by_name[name]
    assert cls not in head.SCHEMA.payload_types and cls not in head.SCHEMA.responses
    assert cls is getattr(head, name)
assert not hasattr(head.Methods, "v1_pnl_change_subscribe")
event = head.ProtoOAv1PnLChangeSubscribeReq(ctid_trader_account_id=5)
assert head.ProtoOAv1PnLChangeSubscribeReq.FromString(bytes(event)) == event
"""
    python(program, tmp_path / "out")


def test_an_older_release(edited: Make, tmp_path: Path, python: Python) -> None:
    """Messages, and a request with an irregular answer, are not there yet."""
    path = edited("older", "64")
    messages = path / "OpenApiMessages.proto"
    text = messages.read_text(encoding="utf-8")
    for name in ("ProtoOAAmendOrderReq", "ProtoOADealOffsetListReq", "ProtoOADealOffsetListRes"):
        start = text.index(f"message {name} {{")
        text = text[:start] + text[text.index("\n}\n", start) + 3 :]
    messages.write_text(text, encoding="utf-8")
    generate(path, tmp_path / "out", package="older")
    program = """
import older
assert older.SCHEMA.release == "64"
assert not hasattr(older, "ProtoOAAmendOrderReq") and not hasattr(older.Methods, "amend_order")
assert not hasattr(older.Methods, "deal_offset_list")
assert older.SCHEMA.responses[older.ProtoOANewOrderReq] is older.ProtoOAExecutionEvent
"""
    python(program, tmp_path / "out")


def test_a_newer_release(edited: Make, tmp_path: Path, python: Python) -> None:
    """Enum values, messages, a request and a file that nobody told the generator of."""
    path = edited(
        "newer",
        "92",
        OpenApiModelMessages={
            "MARKET = 1;": "MARKET = 1; ICEBERG = 77; PROTO_NEW = 78;",
            "VERSION_RES = 2105;": "PROTO_OA_VERSION_RES = 2105; NEWS_REQ = 23; NEWS_RES = 24;",
        },
    )
    (path / "News.proto").write_text(
        'syntax = "proto2";\nimport "OpenApiModelMessages.proto";\n'
        "message ProtoOANewsReq {\n"
        "  optional ProtoOAPayloadType payloadType = 1 [default = NEWS_REQ];\n"
        "  required ProtoOAOrderType about = 2;\n}\n"
        "message ProtoOANewsRes {\n"
        "  optional ProtoOAPayloadType payloadType = 1 [default = NEWS_RES];\n"
        "  repeated string headline = 2;\n}\n"
    )
    generate(path, tmp_path / "out", package="newer")
    program = """
import inspect, newer
request = newer.ProtoOANewsReq(about=newer.ProtoOAOrderType.ICEBERG)
assert bytes(request) == bytes([16, 77])
assert newer.SCHEMA.payload_types[newer.ProtoOANewsReq] == 23
assert newer.SCHEMA.responses[newer.ProtoOANewsReq] is newer.ProtoOANewsRes
assert inspect.iscoroutinefunction(newer.Api.news)
method = lambda: newer.Api.news(None, abuot=1).send(None)
for misspelt in (method, lambda: newer.ProtoOANewsReq(abuot=1)):
    try:
        misspelt()
    except TypeError as error:
        assert str(error).endswith("'abuot'. Did you mean 'about'?"), error
    else:
        raise AssertionError("taken")
"""
    python(program, tmp_path / "out")


def test_ours_is_left_alone(kinds: Path, tmp_path: Path) -> None:
    package = ROOT / "ctrader_typed" / "proto"
    before = {path: path.read_bytes() for path in package.glob("*.py")}
    generate(kinds, tmp_path / "out")
    assert {path: path.read_bytes() for path in package.glob("*.py")} == before
