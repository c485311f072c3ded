"""`python -m tests.support.diagrams`: draws the state tables in docs/architecture.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ctrader_typed.orders.order_ids import TradingKind
from ctrader_typed.orders.order_states import END_STATES, ORDER_TRANSITIONS
from ctrader_typed.protocol.request_tracker import REQUEST_TRANSITIONS, RequestState

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"

Arrow = tuple[str, str, str]


def diagram(first: str, arrows: Iterable[Arrow], ends: Iterable[str]) -> str:
    """A state diagram in mermaid; arrows between the same two states share their line."""
    labels: dict[tuple[str, str], list[str]] = {}
    for before, label, after in arrows:
        labels.setdefault((before, after), []).append(label)
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {a} --> {b}: {', '.join(each)}" for (a, b), each in labels.items()]
    lines += [f"    {end} --> [*]" for end in ends]
    return "\n".join(lines)


def request_diagram() -> str:
    """The states of a request on one connection."""
    arrows = [(a.name, t.name, b.name) for (a, t), b in REQUEST_TRANSITIONS.items()]
    return diagram(RequestState.QUEUED.name, arrows, [RequestState.DONE.name])


def order_diagram() -> str:
    """The states of an order that opens or closes."""
    table = ORDER_TRANSITIONS[TradingKind.OPEN]
    arrows = [(a.name, t.name, b.name) for a, moves in table.items() for t, b in moves.items()]
    reached = {after for _, _, after in arrows}
    return diagram("WRITING", arrows, sorted(s.name for s in END_STATES if s.name in reached))


def with_diagrams(text: str) -> str:
    """The page with both diagrams behind their marks, whatever stood there."""
    for name, made in (("request", request_diagram()), ("order", order_diagram())):
        mark = f"<!-- {name} transitions: made by tests/support/diagrams.py -->\n"
        assert mark in text, f"the page has no place for the {name} diagram"
        block = f"{mark}\n```mermaid\n{made}\n```\n"
        pattern = re.escape(mark) + r"(\n```mermaid\n.*?```\n)?"
        text = re.sub(pattern, lambda _, block=block: block, text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    PAGE.write_text(with_diagrams(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
