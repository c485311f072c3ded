"""What became of a recorded session, as text for a person. Decides nothing; shows no secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..recordings.session_file import Order, Record, Session
from .matching import Difference

_LISTED = 8


def report(outcome: Outcome, ended: str = "") -> str:
    """How the session went, and where it did not go well, what to do.

    `ended` says why the connection did, if it is known.
    """
    return "\n".join(_lines(outcome, ended))


def _lines(outcome: Outcome, ended: str) -> Iterator[str]:
    name = outcome.session.name
    played = f"{outcome.played} of {_count(outcome.steps, 'step')} played"
    if outcome.added:
        played += f", {_count(outcome.added, 'message')} of the client passed on"
    divergence = outcome.divergence
    if divergence is not None:
        yield f"{name}: the client diverged from the session, {played}."
        yield ""
        yield from _divergence(divergence)
        if outcome.unplayed:
            yield ""
    elif outcome.failed is not None:
        yield f"{name}: the session could not go on, {played}: {outcome.failed}."
    elif outcome.added is not None:
        yield f"{name}: {played}."
        return
    elif outcome.unplayed:
        why = f" ({ended})" if ended else ""
        yield f"{name}: the session broke off{why}, {played}."
        yield ""
        yield from _waited_for(outcome.unplayed[0], outcome.stepwise)
        yield ""
    else:
        yield f"{name}: {played}."
    if outcome.unplayed:
        yield "Not played:"
        yield from _unplayed(outcome.unplayed)


def _divergence(divergence: Divergence) -> Iterator[str]:
    yield from (_unexpected if divergence.order is Order.STRICT else _unmatched)(divergence)
    if divergence.candidates:
        yield ""
        yield f"Other steps of the session with {divergence.candidates[0].record.name}:"
        yield from map(_candidate, divergence.candidates)
    yield ""
    yield "What to do:"
    yield from _advice(divergence)


def _unexpected(divergence: Divergence) -> Iterator[str]:
    """In a strict session one step can come, and it did not."""
    expected = divergence.expected
    if expected is None:
        yield f"Nothing more was expected, and {divergence.came} came."
    elif divergence.differences:
        fields = _count(len(divergence.differences), "field")
        yield f"{_where(expected)} was expected, and one came that differs in {fields}:"
        yield ""
        yield from _table(divergence.differences)
    else:
        yield f"{_where(expected)} was expected, and {divergence.came} came."


def _unmatched(divergence: Divergence) -> Iterator[str]:
    """In any order each step that is still to come can, and none did."""
    nearest = divergence.expected
    if nearest is not None:
        fields = _count(len(divergence.differences), "field")
        yield f"{divergence.came} came, and fits no step that is still to come."
        yield f"The nearest, line {nearest.line}, differs in {fields}:"
        yield ""
        yield from _table(divergence.differences)
    elif divergence.waiting:
        waiting = ", ".join(dict.fromkeys(divergence.waiting))
        yield f"{divergence.came} came, and only this is still to come: {waiting}."
    else:
        yield f"Nothing more was expected, and {divergence.came} came."


def _table(differences: Sequence[Difference]) -> Iterator[str]:
    rows = [("field", "expected", "came")]
    rows += [(each.field, each.expected, each.came) for each in differences]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for field, expected, came in rows:
        yield f"  {field:<{first}}  {expected:<{second}}  {came}"


def _candidate(candidate: Candidate) -> str:
    when = "played before" if candidate.played else "still to come"
    names = ", ".join(each.field for each in candidate.differences)
    fit = f"differs in {names}" if names else "is exactly what came"
    return f"  line {candidate.record.line}, {when}: {fit}"


def _advice(divergence: Divergence) -> Iterator[str]:
    expected = divergence.expected
    same = next((each for each in divergence.candidates if not each.differences), None)
    if divergence.order is Order.ANY and same is None:
        if expected is not None:
            yield f"  If the client is right, correct line {expected.line}: for a field that is"
            yield '  different every time write "<any>" as its value, or name it in "ignore".'
        yield "  What is new can be added to the session: play it with --record-mode new_episodes"
        yield "  and an --upstream that answers it."
    elif same is not None and not same.played and expected is not None:
        yield f"  The client went on to line {same.record.line} and left out line {expected.line}:"
        yield "  let it send that first, or take it out of the session."
    elif same is not None:
        yield f"  The client sent line {same.record.line} twice: let it send it once, or write it"
        yield "  into the session a second time."
    elif expected is None:
        yield "  Let the client stop here, or record the session again with what it now does."
    elif divergence.differences:
        yield f"  If the client is right, correct line {expected.line} or record the session again."
        yield '  A field that is different every time: write "<any>" as its value, or name it in'
        yield '  "ignore", on that line or in the header.'
    else:
        yield f"  Let the client send line {expected.line} first, or record the session again"
        yield "  with what it now does."


def _waited_for(record: Record, stepwise: bool) -> Iterator[str]:
    if record.by_client:
        yield f"{_where(record)} was expected, and nothing came."
    elif stepwise:
        yield f"{_where(record)} was not released before the connection ended."
    else:
        yield f"{_where(record)} was not due yet when the connection ended. If the client"
        yield "need not wait for it, play the session faster or end it earlier."


def _unplayed(records: Sequence[Record]) -> Iterator[str]:
    for record in records[:_LISTED]:
        yield f"  line {record.line}, {record.direction}: {record.name}"
    if len(records) > _LISTED:
        yield f"  and {len(records) - _LISTED} more"


def _where(record: Record) -> str:
    return f"{record.name} (line {record.line})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step that what came may have been meant for."""

    record: Record
    played: bool
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where a client left the session: what was expected, None for nothing more, and what came.

    In any order `expected` is the nearest of the steps of the kind that came and were still to
    come, None if there was none; `waiting` are the names of all that were still to come.
    """

    expected: Record | None
    came: str
    differences: tuple[Difference, ...]
    candidates: tuple[Candidate, ...]
    order: Order = Order.STRICT
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a session was played on one connection, and what went wrong, if anything did.

    `added` counts the client's messages that the session lacked and that went on to the upstream;
    None if there is none. `failed` says why they could not. `stepwise`: each message of the server
    waits until it is released.
    """

    session: Session
    client: int
    played: int
    steps: int
    heard: int
    divergence: Divergence | None
    unplayed: tuple[Record, ...]
    ended: bool
    added: int | None = None
    stepwise: bool = False
    failed: str | None = None

    @property
    def begun(self) -> bool:
        """Whether the client said anything that is to the point, or need not say anything."""
        said = self.heard > 0 or self.added or self.failed or self.divergence
        return bool(said) or not self.session.expects

    @property
    def good(self) -> bool:
        """Whether the client did all that the session says, and nothing else.

        Where the session grows it need not do all, and may do what the upstream answers.
        """
        complete = self.added is not None or not self.unplayed
        return self.divergence is None and self.failed is None and complete
