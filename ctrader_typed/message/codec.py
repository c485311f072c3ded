"""Protobuf bytes ↔ messages: the entry points, and which of two paths a message takes.

`decode` and `encode` are the general path: driven by the fields of a class, they accept all that
the wire format allows and refuse the rest with an error that says what was expected. Generated
straight-line functions overtake them for the messages that carry the traffic and hand back to them
whatever is not straightforward: in Python, or compiled (`choice` says which).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

from .choice import Codecs
from .declaration import FieldedMessage
from .decode import decode_span, merge_span
from .encode import encode_general

M = TypeVar("M", bound=FieldedMessage)

IRREGULAR = (
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    struct.error,
)
"""What a straight-line function raises where it gives up; the general path then decides."""


def decode(cls: type[M], data: bytes, *, lenient: bool = False) -> M:
    """Read one message of type `cls` from exactly `data`.

    `lenient` takes required fields that are missing for zero, where there is one: such messages are
    irregular to the straight-line codecs. Raises DecodeError, and nothing else, for bytes that are
    not such a message.
    """
    straight = cls.straight_decode
    if straight is not None:
        try:
            message: M = straight(data, 0, len(data))
            return message
        except IRREGULAR:
            pass
    return decode_span(cls, data, 0, len(data), lenient=lenient)


def merge(message: FieldedMessage, data: bytes) -> None:
    """Read `data` into a message that may have fields already, as protobuf merges.

    Raises DecodeError; some of the fields may then have been set.
    """
    merge_span(message, data, 0, len(data))


def encode(message: FieldedMessage) -> bytes:
    """The protobuf bytes of `message`: known fields by number, then the unknown ones as they came.

    Raises EncodeError naming the field that is unset or does not fit.
    """
    straight = type(message).straight_encode
    if straight is not None:
        try:
            data: bytes = straight(message)
            return data
        except IRREGULAR:
            pass
    return encode_general(message, 0)


def defer(prepare: Callable[[], object], classes: Iterable[type[FieldedMessage]]) -> None:
    """Call `prepare`, which attaches straight-line codecs, when the first of `classes` is used.

    They are a third of the package: a program that imports it may never need them.
    """
    for cls in classes:
        if cls.straight_encode is not None:
            continue  # a copy of a schema must not undo what is attached: nothing comes twice
        cls.straight_decode, cls.straight_encode = _deferred(prepare, cls)


def attach(codecs: Codecs, classes: Iterable[type[FieldedMessage]]) -> None:
    """Let these straight-line codecs overtake the general path, and no others."""
    for cls in classes:
        cls.straight_decode, cls.straight_encode = codecs.get(cls, (None, None))


def _deferred(
    prepare: Callable[[], object], cls: type[M]
) -> tuple[Callable[..., M], Callable[[M], bytes]]:
    def decode_prepared(data: bytes, pos: int, end: int) -> M:
        prepare()
        if (straight := cls.straight_decode) is None:
            raise ValueError  # for the general path
        message: M = straight(data, pos, end)
        return message

    def encode_prepared(message: M) -> bytes:
        prepare()
        if (straight := cls.straight_encode) is None:
            raise ValueError  # likewise
        data: bytes = straight(message)
        return data

    return decode_prepared, encode_prepared
