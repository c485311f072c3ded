"""What a generated package says of itself: the one object by which the wire layer knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any, TypeAlias, TypeVar, cast

from typing_extensions import TypeIs

from .errors import LocalProtocolError
from .message import Message, Request
from .message.choice import CodecInfo, load, may_be_compiled
from .message.codec import attach, defer

M = TypeVar("M", bound=Message)

ReadEnvelope: TypeAlias = Callable[[bytes, int, int], Any]
"""From bytes, where an envelope begins and where it ends to the message and its id."""

WriteEnvelope: TypeAlias = Callable[[int, Message, str | None], bytes]
"""From a payload type, its message and the id to the bytes of an envelope."""


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

    # --- messages of another release ---

    def find(self, cls: type[M]) -> type[M] | None:
        """The message of this release that is called as `cls`, typed as that; None without one."""
        return cast("type[M] | None", self.by_name.get(cls.__name__))

    def message(self, cls: type[M]) -> type[M]:
        """`find`, or LocalProtocolError with the names of the message and of this release."""
        found = self.find(cls)
        if found is None:
            raise LocalProtocolError(f"release {self.release} has no {cls.__name__}")
        return found

    def is_a(self, message: object, cls: type[M]) -> TypeIs[M]:
        """Whether a message of this release is the one that is called as `cls`."""
        return type(message) is self.by_name.get(cls.__name__)

    def has(self, cls: type[Message], field: str) -> bool:
        """Whether the message of this release that is called as `cls` has a field of this name."""
        found = self.find(cls)
        return found is not None and any(f.name == field for f in found.message_fields)

    # --- its codec ---

    def codec_info(self) -> CodecInfo:
        """Which codec runs, `compiled` or `python`, and why that one.

        The compiled codec runs where it was built, unless the environment variable
        CTRADER_TYPED_CODEC says `python`. What it says is looked at once, with the first message.
        """
        return self._loaded

    def envelopes(self, made: type[Any]) -> tuple[ReadEnvelope, WriteEnvelope] | None:
        """What reads and writes an envelope and its payload in one pass; None in plain Python.

        `made` is the class of what is read: its slots `message` and `client_msg_id` are filled, and
        its constructor is not called. Both functions raise one of `codec.IRREGULAR`, without words,
        for what they were not made for (unknown payload types and broken bytes among it): the way
        by `codec.decode` and `codec.encode` then decides.
        """
        if self.compiled is None or self._loaded.codec == "python":
            return None
        envelopes = import_module(self.compiled).Envelopes(made, self.by_payload_type)
        return envelopes.read, envelopes.write

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
