"""The tolerant look at a file: what it finds in a well-formed one, and that nothing upsets it."""

from hypothesis import example, given
from hypothesis import strategies as st

from codegen.scan import scan

TEXT = """\
syntax = "proto2"; // default = WRONG;
package some . where;
import "a.proto"; import public 'b/c.proto';
/* message Not { optional E a = 1 [default = WRONG]; } */
option (custom) = { default: WRONG };
enum E {
  option allow_alias = true;
  A = 0x10; B = -3 [deprecated = true];
  reserved 5, 7 to 9, 100 to max;
  reserved "OLD", 'OLDER';
}
message Outer {
  optional string default = 1;
  optional string text = 2 [default = "; } default = WRONG"];
  message Inner {
    optional E e = 3 [deprecated = true,
      default =
        LOST];
  }
  optional E f = 4 [ default = GONE , (opt) = { a: 1 } ];
  oneof o {
    E g = 5 [default=A];
  }
}
"""


def without(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def test_imports_and_enums() -> None:
    found = scan(TEXT)
    assert found.imports == ["a.proto", "b/c.proto"]
    (enum,) = found.enums.values()
    assert (enum.name, enum.line) == ("some.where.E", 6)
    assert enum.values == {"A": 16, "B": -3}
    assert enum.end is not None
    assert TEXT[enum.end] == "}"


def test_what_an_enum_allows() -> None:
    enum = scan(TEXT).enums["some.where.E"]
    assert enum.allows("C", 4)
    for name, number in [("OLD", 4), ("OLDER", 4), ("C", 16), ("C", 5), ("C", 8), ("C", 10**6)]:
        assert not enum.allows(name, number), (name, number)


def test_defaults_with_their_message_field_and_line() -> None:
    found = [(d.message, d.field, d.value, d.line) for d in scan(TEXT).defaults]
    assert found == [
        ("some.where.Outer", "text", '"; } default = WRONG"', 14),
        ("some.where.Outer.Inner", "e", "LOST", 18),
        ("some.where.Outer", "f", "GONE", 20),
        ("some.where.Outer", "g", "A", 22),
    ]


def test_a_default_can_be_taken_out() -> None:
    _, inner, f, g = scan(TEXT).defaults
    for default in (inner, f, g):
        shorter = without(TEXT, default.spans)
        assert len(shorter.splitlines()) == len(TEXT.splitlines())
        assert len(scan(shorter).defaults) == 3
    lines = without(TEXT, f.spans).splitlines()
    assert "".join(lines[19].split()) == "optionalEf=4[(opt)={a:1}];"
    lines = without(TEXT, inner.spans).splitlines()
    assert "".join("".join(lines[15:18]).split()) == "optionalEe=3[deprecated=true];"
    lines = without(TEXT, g.spans).splitlines()
    assert "".join(lines[21].split()) == "Eg=5;"


@given(
    st.text("{}[];=,'\"/*-\n\\ ")
    | st.lists(st.sampled_from(TEXT.split())).map(" ".join)
    | st.text()
)
@example("enum { A = ; reserved to; }")
@example("message A { optional E e = 1 [default = ")
@example("} } ] ; package ; import ; enum ;")
def test_whatever_a_file_holds_the_scan_ends(text: str) -> None:
    found = scan(text)
    for default in found.defaults:
        assert all(0 <= start < end <= len(text) for start, end in default.spans)
