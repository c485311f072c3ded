"""What a generated package says of itself: the one object by which the wire layer knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .codec import attach, defer
from .codec.choice import CodecInfo, load, may_be_compiled
from .message import Message, Request


@dataclass(frozen=True, eq=False)
class Schema:
    """A release of the API: its messages, their payload types, and what answers what.

    `digest` fingerprints the facts (not the comments), so that a recorded session can tell that it
    is stale. `codecs` is the module with the straight-line codecs of the `hot` messages, `compiled`
    that with those of all messages, which may not be built, or None.

    With CTRADER_TYPED_CODEC=compiled, ImportError if `compiled` is named and not built.
    """

    release: str
    digest: str
    envelope: type[Message]
    codecs: str
    hot: tuple[type[Message], ...]
    messages: tuple[type[Message], ...]
    by_payload_type: Mapping[int, type[Message]]
    responses: Mapping[type[Request[Any]], type[Message]]
    compiled: str | None = None
    payload_types: Mapping[type[Message], int] = field(init=False, repr=False)
    by_name: Mapping[str, type[Message]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        defer(self.codec_info, self.messages if may_be_compiled(self.compiled) else self.hot)
        object.__setattr__(self, "payload_types", {c: n for n, c in self.by_payload_type.items()})
        object.__setattr__(self, "by_name", {c.__name__: c for c in self.messages})

    def codec_info(self) -> CodecInfo:
        """Which codec runs, `compiled` or `python`, and why that one.

        The compiled codec runs where it was built, unless the environment variable
        CTRADER_TYPED_CODEC says `python`. What it says is looked at once, with the first message.
        """
        return self._loaded

    def prepare(self) -> None:
        """Import what else comes with the first message: call it before time matters."""
        self.codec_info()

    @cached_property
    def _loaded(self) -> CodecInfo:
        codecs, info = load(self.compiled, self.codecs, self.digest)
        attach(codecs, self.messages)
        return info

    def __repr__(self) -> str:
        return f"<Schema of release {self.release}, {len(self.messages)} messages>"
