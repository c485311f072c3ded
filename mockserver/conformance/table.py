"""Verdicts for a person and for a program. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from .record import Knock
from .trials import LEFT_OUT, TRIALS, Trial
from .verdict import Result, Verdict

_RESULT = max(len(result.value) for result in Result)
_INDENT = "\n    also: "


def row(verdict: Verdict, width: int) -> str:
    """A line for the table, and one more for each further reason."""
    head = f"{verdict.trial.name:<{width}}  {verdict.result.value:<{_RESULT}}"
    head += f"  {verdict.record.exit.at:6.1f} s"
    return f"{head}  {_INDENT.join(verdict.reasons)}".rstrip()


def total(verdicts: Sequence[Verdict]) -> str:
    """The last line of the table."""
    count = Counter(verdict.result for verdict in verdicts)
    parts = [f"{count[Result.SURVIVED]} of {len(verdicts)} survived"]
    parts += [
        f"{count[each]} {each.value.lower()}"
        for each in (Result.FAILED, Result.NOT_TRIED)
        if count[each]
    ]
    return ", ".join(parts)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """The same, and what the client wrote last."""
    record = verdict.record
    return {
        "scenario": verdict.trial.name,
        "verdict": verdict.result.value.lower(),
        "reasons": list(verdict.reasons),
        "seconds": round(record.exit.at, 3),
        "status": record.exit.status,
        "connects": sum(isinstance(each, Knock) for each in record.entries),
        "messages": len(record.said()),
        "output": record.exit.output,
    }


def listing(trials: Iterable[Trial]) -> str:
    """What goes wrong in each trial, and what is expected then."""
    always = "\n".join(f"  {check.text}" for check in next(iter(TRIALS.values())).always)
    blocks = [f"Whatever happens, the client\n{always}"]
    for trial in trials:
        expected = [trial.ending.value, *(check.text for check in trial.checks)]
        lines = "".join(f"\n  the client {text}" for text in expected)
        blocks.append(f"{trial.name}: {trial.scenario.note}{lines}")
    left_out = "".join(f"\n  {name}: {why}" for name, why in LEFT_OUT.items())
    blocks.append(f"Only when named:{left_out}")
    return "\n\n".join(blocks)
