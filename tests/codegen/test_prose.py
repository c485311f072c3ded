"""Comments become docstrings: wrapped anew, but not where the writer meant a line to end."""

import ast
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.prose import wrap, wrap_docstring
from codegen.writer import WIDTH, Writer


def test_a_wrapped_comment_is_wrapped_anew() -> None:
    comment = "\n".join(["word " * 18 + "word", "and the rest of it."])
    assert wrap(comment, 60) == [
        "word word word word word word word word word word word word",
        "word word word word word word word and the rest of it.",
    ]


def test_a_sentence_that_ends_early_ends_its_line() -> None:
    assert wrap("Answers it.\nAuth: none.", 60) == ["Answers it.", "Auth: none."]


def test_a_sentence_that_fills_its_line_does_not() -> None:
    full = "x" * 92 + "."
    assert wrap(f"{full}\nMore words.", 200) == [f"{full} More words."]


def test_lists_and_blank_lines_stay() -> None:
    comment = "Units:\n- prices are doubles, which is said at some length here;\n- rest.\n\nEnd."
    assert wrap(comment, 40) == [
        "Units:",
        "- prices are doubles, which is said at",
        "  some length here;",
        "- rest.",
        "",
        "End.",
    ]


def test_a_first_line_that_says_it_all_stands_alone() -> None:
    assert wrap_docstring("Places an order.\nAuth: account.\nMore.", 60) == [
        "Places an order.",
        "",
        "Auth: account.",
        "More.",
    ]
    assert wrap_docstring("One.\n\nTwo.", 60) == ["One.", "", "Two."]
    assert wrap_docstring("One.", 60) == ["One."]
    assert wrap_docstring("Some words here.\nMore.", 10) == ["Some words", "here.", "More."]


def test_an_argument_hangs() -> None:
    assert wrap("symbol_id: which one, by its number", 24, hang=4) == [
        "symbol_id: which one, by",
        "    its number",
    ]


def docstring_of(writer: Writer) -> str:
    (module,) = ast.parse(writer.text("banner")).body[2:]
    assert isinstance(module, ast.ClassDef)
    doc = ast.get_docstring(module)
    assert doc is not None
    return doc


def emitted(text: str) -> Writer:
    writer = Writer("A module.")
    with writer.block("class A:"):
        writer.docstring(text)
    return writer


@pytest.mark.parametrize(
    "text",
    [
        "Plain.",
        'Ends with "quotes"',
        "Ends with a backslash \\",
        r"A \d in the middle and \N{nothing}.",
        'Says """three quotes""" at once.',
        "x" * 90,
        "x" * 91 + " y.",
        "word " * 18 + "word w.",
        "Naïve → “quoted”.",
    ],
)
def test_any_text_can_be_a_docstring(text: str) -> None:
    writer = emitted(text)
    said = " ".join(docstring_of(writer).split())
    assert said == " ".join(text.replace('"""', "'''").split())
    assert all(len(line) <= WIDTH for line in writer.text("banner").splitlines())


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_whatever_the_comment_says_the_module_compiles(text: str) -> None:
    writer = emitted(f"{text}.")
    compile(writer.text("banner"), "generated", "exec")


@given(st.lists(st.text("ab.-:\n ", max_size=30)), st.integers(20, 100))
def test_no_word_is_lost(lines: list[str], width: int) -> None:
    comment = "\n".join(lines)
    wrapped = wrap(comment, width)
    assert " ".join(wrapped).split() == comment.split()
    assert all(len(line) <= width for line in wrapped if " " in line.strip())


def test_imports_are_sorted_as_linters_want_them() -> None:
    writer = Writer("A module.")
    for module, name in itertools.product(
        ["typing", "ctrader_typed.message", ".b", ".a"], ["b2", "b10", "Some", "someThing", "XY"]
    ):
        writer.use(module, name)
    writer.use_type(".b", "Later")
    writer.use_type(".b", "Some")  # is imported already
    lines = writer.text("banner").splitlines()
    names = "XY, Some, b2, b10, someThing"
    assert lines[2:] == [
        "",
        "from __future__ import annotations",
        "",
        "from typing import TYPE_CHECKING, XY, Some, b2, b10, someThing",
        "",
        f"from ctrader_typed.message import {names}",
        "",
        f"from .a import {names}",
        f"from .b import {names}",
        "",
        "if TYPE_CHECKING:",
        "    from .b import Later",
        "",
    ]
