"""Texts of refusals: each is seen or invented, the docs list the invented ones, and they go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrader_typed.proto import ProtoOAAccountsTokenInvalidatedEvent, ProtoOAErrorRes
from mockserver.broker.refusal_texts import INVENTED, SEEN, invented, matches, without_invented

ROOT = Path(__file__).parents[3]
RAISED = ("Refusal", "TradingRefusal", "bad_stops", "_refusal")


def _texts() -> Iterator[tuple[str, str]]:
    """Every literal text that a refusal is made of, with {} for its values."""
    for path in sorted((ROOT / "mockserver").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                yield from ((path.name, text) for text in _texts_of(function))


def _texts_of(function: ast.FunctionDef) -> Iterator[str]:
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _name(node.func) in RAISED:
            for argument in node.args:
                given = [argument]
                if isinstance(argument, ast.Name):
                    given = assigned.get(argument.id, [])
                yield from (text for each in given if " " in (text := _template(each)))


def _name(func: ast.expr) -> str:
    return getattr(func, "id", getattr(func, "attr", ""))


def _template(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        parts = (str(v.value) if isinstance(v, ast.Constant) else "{}" for v in value.values)
        return "".join(parts).replace("{} is bigger", "Order volume = 1 is bigger")
    return ""


def _listed(text: str) -> bool:
    """Whether a text that is made of others by `{shown}` or whole ends as a listed one does."""
    filled = text.replace("{}", "1")
    templates = (*SEEN, *(each for _, each in INVENTED))
    return any(
        matches(each, filled) or (text.startswith("{}") and each.endswith(text.removeprefix("{}")))
        for each in templates
    )


def test_each_text_of_a_refusal_in_the_source_is_listed_as_seen_or_invented() -> None:
    found = list(_texts())
    assert len(found) > 45
    assert [each for each in found if not _listed(each[1])] == []


def test_no_seen_text_counts_as_invented() -> None:
    assert [text for text in SEEN if invented(text.replace("{}", "1"))] == []


def test_the_docs_list_the_invented_texts() -> None:
    docs = (ROOT / "docs" / "mockserver.md").read_text()
    start = docs.index("| error code | invented text |")
    table = docs[start:].split("\n\n")[0].splitlines()[2:]
    assert table == [f"| `{code}` | `{text.replace('{}', '…')}` |" for code, text in INVENTED]


@pytest.mark.parametrize(
    ("text", "left"),
    [("Market is closed", None), ("Cannot route request", "Cannot route request"), (None, None)],
)
def test_a_refusal_without_invented_texts_keeps_its_code_and_what_was_seen(
    text: str | None, left: str | None
) -> None:
    message = without_invented(ProtoOAErrorRes(error_code="MARKET_CLOSED", description=text))
    assert message == ProtoOAErrorRes(error_code="MARKET_CLOSED", description=left)


def test_an_event_about_a_token_loses_its_invented_reason_and_keeps_one_of_a_test() -> None:
    event = ProtoOAAccountsTokenInvalidatedEvent(
        ctid_trader_account_ids=[1], reason="The access token was revoked"
    )
    assert without_invented(event) == event.__replace__(reason=None)
    own = event.__replace__(reason="because the test says so")
    assert without_invented(own) == own
