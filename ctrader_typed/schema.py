"""What a generated package says of itself: the one object by which the wire layer knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from .codec import defer
from .message import Message, Request


@dataclass(frozen=True, eq=False)
class Schema:
    """A release of the API: its messages, their payload types, and what answers what.

    `digest` fingerprints the facts (not the comments), so that a recorded session can tell that it
    is stale. `codecs` is the module with the straight-line codecs of the `hot` messages.
    """

    release: str
    digest: str
    envelope: type[Message]
    codecs: str
    hot: tuple[type[Message], ...]
    messages: tuple[type[Message], ...]
    by_payload_type: Mapping[int, type[Message]]
    responses: Mapping[type[Request[Any]], type[Message]]
    payload_types: Mapping[type[Message], int] = field(init=False, repr=False)
    by_name: Mapping[str, type[Message]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        defer(self.codecs, self.hot)
        object.__setattr__(self, "payload_types", {c: n for n, c in self.by_payload_type.items()})
        object.__setattr__(self, "by_name", {c.__name__: c for c in self.messages})

    def prepare(self) -> None:
        """Import what else comes with the first hot message: call it before time matters."""
        import_module(self.codecs)

    def __repr__(self) -> str:
        return f"<Schema of release {self.release}, {len(self.messages)} messages>"
