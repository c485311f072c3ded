"""hypothesis strategies for messages, built from the table of their fields."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st

from ctrader_typed.message import Message
from ctrader_typed.message.field_values import LIMITS
from ctrader_typed.message.fields import Field

DEEP = 4
"""How deep messages nest; those of the schema go to three."""


def integers(kind: str) -> st.SearchStrategy[int]:
    """All that fit, with a liking for both ends, for what changes a varint's length, for prices."""
    low, above = LIMITS[kind]
    edges = {low, low + 1, -1, 0, 1, above - 2, above - 1}
    edges |= {1 << bits for bits in range(7, 64, 7)} | {(1 << bits) - 1 for bits in range(7, 64, 7)}
    fitting = sorted(edge for edge in edges if low <= edge < above)
    return st.sampled_from(fitting) | st.integers(low, above - 1) | st.integers(0, 200_000)


def scalars(cls: type[Message], field: Field, named: bool) -> st.SearchStrategy[Any]:
    """The values of a field that is no message."""
    if field.kind == "enum":
        enum = cls.class_of(field)
        members = st.sampled_from(list(enum))
        return members if named else members | integers("enum").map(enum)
    if field.kind in LIMITS:
        return integers(field.kind)
    if field.kind == "double":
        return st.floats(allow_nan=True)
    if field.kind == "float":
        return st.floats(allow_nan=True, width=32)
    if field.kind == "bool":
        return st.booleans()
    return st.binary(max_size=40) if field.kind == "bytes" else texts()


def texts() -> st.SearchStrategy[str]:
    """What UTF-8 can write, sometimes longer than a one-byte length."""
    letters = st.characters(exclude_categories=["Cs"])
    return st.text(letters, max_size=20) | st.integers(120, 300).map(lambda n: "x" * n)


@functools.cache
def messages(cls: type[Message], depth: int = 0, named: bool = False) -> st.SearchStrategy[Any]:
    """Messages of a class with every required field; if `named`, every enum number has a name."""
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for field in cls.message_fields:
        if field.kind != "message":
            values = scalars(cls, field, named)
        elif depth < DEEP:
            values = messages(cls.class_of(field), depth + 1, named)
        elif field.required:
            raise AssertionError(f"{cls.__name__} requires itself")
        else:
            continue
        if field.repeated:
            values = st.lists(values, max_size=4 if depth == 0 else 2)
        (required if field.required else optional)[field.name] = values
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: cls(**given))


def unknown_fields(depth: int = 0) -> st.SearchStrategy[bytes]:
    """Whole fields with numbers that no message of ours has: of every wire type, and groups."""
    number = st.integers(1_000_000, (1 << 29) - 1)
    numeric = st.integers(0, (1 << 64) - 1).map(varint)
    length = st.binary(max_size=12).map(lambda body: varint(len(body)) + body)
    kinds = [
        st.builds(lambda n, v: varint(n << 3) + v, number, numeric),
        st.builds(lambda n, v: varint(n << 3 | 1) + v, number, st.binary(min_size=8, max_size=8)),
        st.builds(lambda n, v: varint(n << 3 | 2) + v, number, length),
        st.builds(lambda n, v: varint(n << 3 | 5) + v, number, st.binary(min_size=4, max_size=4)),
    ]
    if depth < 3:
        kinds.append(
            st.builds(
                lambda n, inner: varint(n << 3 | 3) + inner + varint(n << 3 | 4),
                number,
                st.deferred(lambda: unknown_fields(depth + 1)),
            )
        )
    return st.lists(st.one_of(kinds), max_size=3).map(b"".join)


def varint(value: int) -> bytes:
    """The varint of a number that is not negative."""
    # Not the codec's: a strategy must not share a mistake with what it tests.
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
