"""What a generated package says of itself: the one object that the wire layer needs to know it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .message import Message, Request


@dataclass(frozen=True, eq=False)
class Schema:
    """A release of the API: its messages, their payload types, and what answers what.

    `digest` fingerprints the facts (not the comments), so that a recorded session can tell that it is stale.
    """

    release: str
    digest: str
    envelope: type[Message]
    messages: tuple[type[Message], ...]
    by_payload_type: Mapping[int, type[Message]]
    responses: Mapping[type[Request[Any]], type[Message]]
    payload_types: Mapping[type[Message], int] = field(init=False, repr=False)
    by_name: Mapping[str, type[Message]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "payload_types", {c: n for n, c in self.by_payload_type.items()})
        object.__setattr__(self, "by_name", {c.__name__: c for c in self.messages})

    def __repr__(self) -> str:
        return f"<Schema of release {self.release}, {len(self.messages)} messages>"
