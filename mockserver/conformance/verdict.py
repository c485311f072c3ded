"""What a trial has shown: survived, failed, or never tried, and why in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from signal import Signals
from typing import Any

from ..faults.plan import Fault
from ..recordings.session_file import Direction
from .expectations import EXPECTATIONS, LEFT_OUT, Ending, Expectation, shortened_times
from .record import ConnectionAttempt, Exit, FaultApplied, Record


class Result(Enum):
    """How it went."""

    SURVIVED = "survived"
    FAILED = "FAILED"
    NOT_TRIED = "not tried"
    """What was to go wrong never did, because of what the client left undone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one trial. `reasons` are sentences; the record is there for who wants more."""

    expectation: Expectation
    result: Result
    reasons: tuple[str, ...]
    record: Record


def judge(expectation: Expectation, record: Record) -> Verdict:
    """What is to be said of a client that left this record in this trial."""
    reasons = list(_wrong(expectation, record))
    if reasons:
        return Verdict(expectation, Result.FAILED, tuple(reasons), record)
    undone = tuple(_undone(expectation, record))
    return Verdict(expectation, Result.NOT_TRIED if undone else Result.SURVIVED, undone, record)


def _wrong(expectation: Expectation, record: Record) -> Iterator[str]:
    if not any(isinstance(each, ConnectionAttempt) for each in record.entries):
        yield "it never connected"
    yield from _ended(expectation.ending, record.exit)
    for check in expectation.expected:
        yield from check(record)


_CRASHES = (
    "Traceback (most recent call last)",
    "Exception Group Traceback",
    "Unhandled exception",
    "Exception in thread",
    "UnhandledPromiseRejection",
    "Uncaught ",
    "panic:",
    "panicked at",
    "terminate called",
    "Segmentation fault",
)
"""What programs write when they die of something that they did not expect."""


def _ended(ending: Ending, end: Exit) -> Iterator[str]:
    last = next((line.strip() for line in reversed(end.output.splitlines()) if line.strip()), "")
    quoted = f": {last[:120]}" if last else ""
    if end.status is None:
        yield f"it hung: it was still running after {end.at:.0f} s{quoted}"
    elif end.status < 0:
        yield f"it was killed by {_signal(-end.status)}{quoted}"
    elif end.status and any(mark in end.output for mark in _CRASHES):
        yield f"it died of an error that it did not handle{quoted}"
    elif end.status and ending is Ending.FINISHES:
        yield f"it exited with status {end.status}{quoted}"


def _signal(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def _undone(expectation: Expectation, record: Record) -> Iterator[str]:
    struck = [each.fault for each in record.entries if isinstance(each, FaultApplied)]
    if expectation.happens:
        planned = (shortened_times(fault, record.tempo) for fault in expectation.scenario.faults)
        missing = [fault for fault in planned if fault not in struck]
        yield from (_why_not(fault) for fault in missing[:1])
    asked = len(record.said("ProtoOAGetTrendbarsReq"))
    if asked < expectation.history:
        told = expectation.history
        yield f"it asked for history {asked} times, and was told to do so {told} times"
    stay = expectation.stays(record.tempo)
    if not expectation.scenario.faults and record.exit.at < stay:
        yield f"it was told to stay for {stay:g} s, and left after {record.exit.at:.1f} s"


def _why_not(fault: Fault) -> str:
    if fault.connection is not None and fault.connection > 1:
        return f"nothing went wrong: connection {fault.connection} never came so far"
    if fault.after:
        return f"nothing went wrong: no connection stood for {fault.after:g} s"
    if fault.message is None:
        return "nothing went wrong: nothing was sent"
    if fault.sender is Direction.CLIENT:
        return f"nothing went wrong: it sent no {_counted(fault)}"
    return f"nothing went wrong: it did nothing that brings it a {_counted(fault)}"


def _counted(fault: Fault) -> str:
    return f"{fault.message}" if fault.nth == 1 else f"{fault.message} number {fault.nth}"


_RESULT = max(len(result.value) for result in Result)
_INDENT = "\n    also: "


def row(verdict: Verdict, width: int) -> str:
    """A line for the table, and one more for each further reason."""
    head = f"{verdict.expectation.name:<{width}}  {verdict.result.value:<{_RESULT}}"
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
        "scenario": verdict.expectation.name,
        "verdict": verdict.result.value.lower(),
        "reasons": list(verdict.reasons),
        "seconds": round(record.exit.at, 3),
        "status": record.exit.status,
        "connects": sum(isinstance(each, ConnectionAttempt) for each in record.entries),
        "messages": len(record.said()),
        "output": record.exit.output,
    }


def listing(expectations: Iterable[Expectation]) -> str:
    """What goes wrong in each trial, and what is expected then."""
    always = "\n".join(f"  {check.text}" for check in next(iter(EXPECTATIONS.values())).always)
    blocks = [f"Whatever happens, the client\n{always}"]
    for expectation in expectations:
        expected = [expectation.ending.value, *(check.text for check in expectation.checks)]
        lines = "".join(f"\n  the client {text}" for text in expected)
        blocks.append(f"{expectation.name}: {expectation.scenario.note}{lines}")
    left_out = "".join(f"\n  {name}: {why}" for name, why in LEFT_OUT.items())
    blocks.append(f"Only when named:{left_out}")
    return "\n\n".join(blocks)
