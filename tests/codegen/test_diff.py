"""What changed between two schemas, and which of it breaks a client."""

from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.diff import Change, differences
from codegen.diff_report import Side, as_text
from codegen.load import Folder, load_declared
from codegen.model import Declared

# One message of each role: sent, received, both by way of others, of the link, of no known use.
BASE = """\
syntax = "proto2";
enum PayloadType { ASK_REQ = 1; ASK_RES = 2; TICK_EVENT = 3; }
enum Side { BUY = 1; SELL = 2; }
message AskReq {
  optional PayloadType payloadType = 1 [default = ASK_REQ];
  required int64 id = 2;
  optional int32 depth = 3 [default = 5];
  repeated int32 levels = 4;
  optional Part part = 5;
}
message AskRes {
  optional PayloadType payloadType = 1 [default = ASK_RES];
  required int64 id = 2;
  optional int32 depth = 3 [default = 5];
  optional Shared shared = 4;
}
message TickEvent {
  optional PayloadType payloadType = 1 [default = TICK_EVENT];
  required double price = 2;
}
message Part { optional Shared shared = 1; }
message Shared { optional Side side = 1; required int32 count = 2; }
message Unused { required int32 a = 1; optional int32 b = 2; }
"""
LINK = """\
syntax = "proto2";
message Envelope {
  required uint32 payloadType = 1;
  optional bytes payload = 2;
  optional string clientMsgId = 3;
}
message BeatEvent { optional int32 a = 1; required int32 b = 2; }
"""


def declare(path: Path, base: str, link: str) -> Declared:
    path.mkdir()
    (path / "base.proto").write_text(base)
    (path / "link.proto").write_text(link)
    return load_declared(Folder(path))[0]


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Declared:
    return declare(tmp_path_factory.mktemp("schema") / "unchanged", BASE, LINK)


@pytest.fixture
def compare(tmp_path: Path, unchanged: Declared) -> Callable[..., list[Change]]:
    """The differences that some replacements in the files make."""
    numbers = iter(range(100))

    def edited(*edits: tuple[str, str]) -> list[Change]:
        base, link = BASE, LINK
        for old, new in edits:
            assert (old in base) != (old in link), old
            base, link = base.replace(old, new), link.replace(old, new)
        return differences(unchanged, declare(tmp_path / str(next(numbers)), base, link))

    return edited


def test_nothing_changed(compare: Callable[..., list[Change]]) -> None:
    assert compare() == []
    assert compare(("message AskReq {", "// Says more.\nmessage AskReq {")) == []
    moved = "  required double price = 2;\n"
    payload = "  optional PayloadType payloadType = 1 [default = TICK_EVENT];\n"
    assert compare((payload + moved, moved + payload)) == []
    assert compare(("message Part {", "message Part { reserved 7;")) == []


CASES = {
    # enums
    "enum added": (("enum Side", "enum New { X = 1; }\nenum Side"), "New: enum added", False),
    "value added": (("SELL = 2;", "SELL = 2; HOLD = 3;"), "Side.HOLD: value added", False),
    "value removed": (("BUY = 1; ", ""), "Side.BUY: value removed", True),
    "value renumbered": (("SELL = 2;", "SELL = 3;"), "Side.SELL: number changed", True),
    "value renamed": (("SELL = 2;", "SHORT = 2;"), "Side.SHORT: value renamed", True),
    "second name": (
        ("BUY = 1;", "option allow_alias = true; BUY = 1; LONG = 1;"),
        "Side.LONG: value added",
        False,
    ),
    "value deprecated": (
        ("BUY = 1;", "BUY = 1 [deprecated = true];"),
        "Side.BUY: deprecated",
        False,
    ),
    # messages
    "message added": (
        ("message Part", "message New {}\nmessage Part"),
        "New: message added",
        False,
    ),
    "message removed": (
        ("message Unused { required int32 a = 1; optional int32 b = 2; }", ""),
        "Unused: message removed",
        True,
    ),
    "message deprecated": (
        ("message Part {", "message Part { option deprecated = true;"),
        "Part: deprecated",
        False,
    ),
    "payload type lost": ((" [default = TICK_EVENT]", ""), "TickEvent: payload type changed", True),
    # fields
    "field removed": (
        ("  required double price = 2;\n", ""),
        "TickEvent.price: field removed",
        True,
    ),
    "field renamed": (("double price", "double bid"), "TickEvent.bid: field renamed", True),
    "field renumbered": (
        ("double price = 2", "double price = 3"),
        "TickEvent.price: number changed",
        True,
    ),
    "type changed": (("double price", "int64 price"), "TickEvent.price: type changed", True),
    "wider for who sends": (
        ("repeated int32 levels", "repeated int64 levels"),
        "AskReq.levels: type changed",
        False,
    ),
    "wider for who receives": (
        (
            "  optional int32 depth = 3 [default = 5];\n  optional Sh",
            "  optional int64 depth = 3 [default = 5];\n  optional Sh",
        ),
        "AskRes.depth: type changed",
        True,
    ),
    "narrower for who sends": (
        ("ASK_REQ];\n  required int64", "ASK_REQ];\n  required int32"),
        "AskReq.id: type changed",
        True,
    ),
    "narrower for who receives": (
        ("ASK_RES];\n  required int64", "ASK_RES];\n  required int32"),
        "AskRes.id: type changed",
        False,
    ),
    "wider for both": (
        ("required int32 count", "required int64 count"),
        "Shared.count: type changed",
        True,
    ),
    "written otherwise": (
        ("required int32 count", "required sint32 count"),
        "Shared.count: type changed",
        True,
    ),
    "became a list": (
        ("optional Side side", "repeated Side side"),
        "Shared.side: label changed",
        True,
    ),
    "no longer a list": (
        ("repeated int32 levels", "optional int32 levels"),
        "AskReq.levels: label changed",
        True,
    ),
    "packed": (
        ("levels = 4", "levels = 4 [packed = true]"),
        "AskReq.levels: packed changed",
        False,
    ),
    "field deprecated": (
        ("levels = 4", "levels = 4 [deprecated = true]"),
        "AskReq.levels: deprecated",
        False,
    ),
    "default declared": (
        ("side = 1;", "side = 1 [default = SELL];"),
        "Shared.side: default changed",
        False,
    ),
    "default of the sent": (
        (
            "  optional int32 depth = 3 [default = 5];\n  repeated",
            "  optional int32 depth = 3;\n  repeated",
        ),
        "AskReq.depth: default changed",
        True,
    ),
    "default of the received": (
        (
            "  optional int32 depth = 3 [default = 5];\n  optional",
            "  optional int32 depth = 3 [default = 6];\n  optional",
        ),
        "AskRes.depth: default changed",
        True,
    ),
    # optional fields may come, wherever they are
    "optional field": (
        (
            "repeated int32 levels = 4;",
            "repeated int32 levels = 4; optional int32 x = 9;",
        ),
        "AskReq.x: field added",
        False,
    ),
    # required ones break those who send the message …
    "required in a request": (
        ("repeated int32", "required int32 x = 9;\n  repeated int32"),
        "AskReq.x: field added",
        True,
    ),
    "required in a part of a request": (
        ("message Part {", "message Part { required int32 x = 9;"),
        "Part.x: field added",
        True,
    ),
    "required in what both carry": (
        ("message Shared {", "message Shared { required int32 x = 9;"),
        "Shared.x: field added",
        True,
    ),
    "required in the link": (
        ("message BeatEvent {", "message BeatEvent { required int32 x = 9;"),
        "BeatEvent.x: field added",
        True,
    ),
    "required in the envelope": (
        ("message Envelope {", "message Envelope { required int32 x = 9;"),
        "Envelope.x: field added",
        True,
    ),
    "required in who knows what": (
        ("message Unused {", "message Unused { required int32 x = 9;"),
        "Unused.x: field added",
        True,
    ),
    # … and nobody who only receives it
    "required in an event": (
        ("double price = 2;", "double price = 2; required int32 x = 9;"),
        "TickEvent.x: field added",
        False,
    ),
    "more is required in a request": (
        ("repeated int32 levels", "required int32 levels"),
        "AskReq.levels: label changed",
        True,
    ),
    "required of the sent": (
        ("optional Part part", "required Part part"),
        "AskReq.part: label changed",
        True,
    ),
    "required of the received": (
        ("optional Shared shared = 4", "required Shared shared = 4"),
        "AskRes.shared: label changed",
        False,
    ),
    "required of the link": (
        ("optional int32 a", "required int32 a"),
        "BeatEvent.a: label changed",
        True,
    ),
    # what may now be absent is refused by those who receive it
    "no longer required of the received": (
        ("required double price", "optional double price"),
        "TickEvent.price: label changed",
        True,
    ),
    "no longer required of both": (
        ("required int32 count", "optional int32 count"),
        "Shared.count: label changed",
        True,
    ),
    "no longer required of the link": (
        ("required int32 b", "optional int32 b"),
        "BeatEvent.b: label changed",
        True,
    ),
    "no longer required of the sent": (
        (
            "  required int64 id = 2;\n  optional int32 depth = 3 [default = 5];\n  repeated",
            "  optional int64 id = 2;\n  optional int32 depth = 3 [default = 5];\n  repeated",
        ),
        "AskReq.id: label changed",
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change(case: str, compare: Callable[..., list[Change]]) -> None:
    edit, expected, breaks = CASES[case]
    (change,) = compare(edit)
    assert f"{change.element}: {change.what}" == expected
    assert (change.breaks is not None) == breaks, change.breaks


def test_a_payload_type_that_moves_breaks_once(compare: Callable[..., list[Change]]) -> None:
    changes = compare(("TICK_EVENT = 3;", "TICK_EVENT = 4;"))
    assert [(c.element, c.what, c.old, c.new) for c in changes] == [
        ("PayloadType.TICK_EVENT", "number changed", 3, 4),
        ("TickEvent", "payload type changed", 3, 4),
    ]
    # Another name for the same number is a matter of the enum alone.
    (change,) = compare(("TICK_EVENT = 3;", "T_EVENT = 3;"), ("= TICK_EVENT]", "= T_EVENT]"))
    assert (change.element, change.old, change.new) == (
        "PayloadType.T_EVENT",
        "TICK_EVENT",
        "T_EVENT",
    )


def test_a_message_that_gets_a_payload_type_breaks_nothing(
    compare: Callable[..., list[Change]],
) -> None:
    changes = compare(
        ("TICK_EVENT = 3;", "TICK_EVENT = 3; UNUSED = 4;"),
        (
            "message Unused {",
            "message Unused { optional PayloadType payloadType = 7 [default = UNUSED];",
        ),
    )
    assert [(c.element, c.what) for c in changes if not c.breaks] == [
        ("PayloadType.UNUSED", "value added"),
        ("Unused", "payload type changed"),
        ("Unused.payloadType", "field added"),
    ]
    assert len(changes) == 3


def test_what_moves_to_another_file_breaks_nothing(tmp_path: Path) -> None:
    for name, text in {"old/a": "enum E { X = 1; }\nmessage M {}", "old/b": ""}.items():
        (tmp_path / "old").mkdir(exist_ok=True)
        (tmp_path / f"{name}.proto").write_text(f'syntax = "proto2";\n{text}')
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "b.proto").write_text((tmp_path / "old" / "a.proto").read_text())
    old, new = (load_declared(Folder(tmp_path / name))[0] for name in ("old", "new"))
    assert differences(old, new) == [
        Change("b.proto", "E", "enum moved", "a.proto", "b.proto"),
        Change("b.proto", "M", "message moved", "a.proto", "b.proto"),
    ]


def test_the_report_groups_by_file_and_owner(compare: Callable[..., list[Change]]) -> None:
    changes = compare(
        ("required int32 b", "required int64 b"),
        ("BUY = 1; SELL = 2;", "BUY = 1; HOLD = 3;"),
        ("double price = 2;", "double price = 2; optional Side side = 3 [default = HOLD];"),
        ("message Part {", "message New {}\nmessage Part {"),
    )
    side = Side("some/folder", Declared(release="9", files=(), enums=(), messages=()), ())
    assert list(as_text(side, side, changes)) == [
        "some/folder (release 9) -> some/folder (release 9)",
        "",
        "base.proto",
        "    Side",
        "        HOLD: value added (3)",
        "  !     SELL: value removed (2) - code that names it no longer runs",
        "    TickEvent",
        "        side: field added (optional Side = 3)",
        "    New",
        "        message added",
        "link.proto",
        "    BeatEvent",
        "  !     b: type changed (int32 -> int64) - clients cut larger values short",
        "",
        "5 changes; 2 (marked !) break a client.",
    ]
