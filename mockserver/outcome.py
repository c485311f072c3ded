"""What became of a session on a connection: values, and no more."""

from __future__ import annotations

from dataclasses import dataclass

from .matching import Difference
from .recording import Order, Record, Session


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
    caller: int
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
