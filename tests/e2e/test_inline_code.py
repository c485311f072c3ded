"""What README and docs show within sentences: calls of `connect`, wires, methods that exist."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import pytest

import ctrader_typed
from ctrader_typed import Account, Api, connect

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROSE = {
    page.name: re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for page in PAGES
}
SPANS = [
    (name, " ".join(span.split()))
    for name, text in PROSE.items()
    for span in re.findall(r"`([^`]+)`", text)
]
CALLS = [(name, span) for name, span in SPANS if re.fullmatch(r"connect\([^…]+\)", span)]
WIRES = [(name, span) for name, span in SPANS if re.fullmatch(r'wire="\w+"', span)]
METHODS = [
    (name, *match.groups())
    for name, span in SPANS
    if (match := re.match(r"(?:await )?(api|account)\.(\w+)", span))
]


def test_there_is_something_to_try() -> None:
    assert len(CALLS) >= 4
    assert {span for _, span in WIRES} >= {'wire="websocket"', 'wire="json"'}
    assert len(METHODS) > 20


@pytest.mark.parametrize(("page", "call"), CALLS)
def test_a_call_of_connect_is_taken_as_it_is_shown(page: str, call: str) -> None:
    names: dict[str, Any] = {
        "connect": connect,
        "context": ssl.create_default_context(),
        "bindings": ctrader_typed,
    }
    assert hasattr(eval(call, names), "__aenter__")


@pytest.mark.parametrize(("page", "wire"), WIRES)
def test_a_wire_is_taken_as_it_is_shown(page: str, wire: str) -> None:
    assert hasattr(eval(f'connect("demo", {wire})', {"connect": connect}), "__aenter__")


@pytest.mark.parametrize(("page", "of", "method"), METHODS)
def test_a_method_that_is_shown_exists(page: str, of: str, method: str) -> None:
    assert hasattr({"api": Api, "account": Account}[of], method)
