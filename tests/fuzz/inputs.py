"""Inputs for the fuzz targets: whole messages made by chance, and what chance then does to them.

Everything comes from one `random.Random`, so that a seed tells the whole story.
"""

from __future__ import annotations

import copy
import json
import math
import struct
from collections.abc import Iterator
from random import Random
from typing import Any

from ctrader_typed.message import Message
from ctrader_typed.message.field_values import LIMITS
from ctrader_typed.message.fields import Field
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from tests.fuzz.targets import HEAD, head
from tests.support import oracle

TEXTS = ("", "EURUSD", "naïve", "€", "𝄞", "x" * 130, "\0", '"\\')
FLOATS = (0.0, -0.0, 1.08676, -1e300, 5e-324, math.inf, -math.inf, math.nan)
VARINTS = (b"\0", b"\x80\0", b"\x7f", b"\xff\x01", b"\xff" * 9 + b"\x01", b"\xff" * 10 + b"\x01")
TOKENS = (
    *(
        b"null",
        b"true",
        b'"true"',
        b"[]",
        b"{}",
        b"[null]",
        b"-1",
        b"1e999",
        b"1.0",
        b"0.5",
        b"NaN",
    ),
    *(
        b'"NaN"',
        b'"-Infinity"',
        b'"12"',
        b'"1_0"',
        b'" 1"',
        b'"\xd9\xa3"',
        b"9" * 30,
        b'"%s"' % (b"9" * 30),
    ),
    *(b"18446744073709551616", b"-9223372036854775809", b'"\\ud800"', b"9" * 5000, b"[" * 3000),
    *(b'"MARKET"', b'"="', b'"QUJD"', b",", b":", b"}", b'"', b"\xff", b"\xef\xbb\xbf", b"\0"),
)
VALUES = (
    *(
        None,
        True,
        [],
        {},
        [None],
        {"": 0},
        0,
        -1,
        7,
        1 << 31,
        1 << 63,
        1 << 64,
        -(1 << 63) - 1,
        10**400,
    ),
    *(
        1.0,
        0.5,
        1e300,
        1e39,
        "",
        "true",
        "NaN",
        "Infinity",
        "1e999",
        "12",
        "-0",
        "0x10",
        "1_0",
        " 1",
    ),
    *("9" * 5000, "MARKET", "BUY", "QUJD", "QUJ", "\ud800", "\u0663", "€"),
)


def sample(cls: type[Message], random: Random, depth: int = 0) -> Any:
    """A whole message; every other optional field is there."""
    values: dict[str, Any] = {}
    for field in cls.message_fields:
        deep = field.kind == "message" and depth >= 3
        if not field.required and (deep or random.random() < 0.5):
            continue
        if field.repeated:
            count = random.choice((0, 1, 2, 3)) if depth == 0 else random.choice((0, 1))
            values[field.name] = [_value(cls, field, random, depth) for _ in range(count)]
        else:
            values[field.name] = _value(cls, field, random, depth)
    return cls(**values)


def _value(cls: type[Message], field: Field, random: Random, depth: int) -> Any:
    if field.kind == "message":
        return sample(cls.class_of(field), random, depth + 1)
    if field.kind == "enum":
        enum = cls.class_of(field)
        return random.choice(list(enum)) if random.random() < 0.9 else enum(random.randrange(300))
    if field.kind in LIMITS:
        low, above = LIMITS[field.kind]
        wide = random.randrange(low, above) >> random.randrange(64)
        return random.choice((low, above - 1, 0, 1, wide, random.randrange(1 << 20)))
    if field.kind == "double":
        return random.choice(FLOATS)
    if field.kind == "float":
        return struct.unpack("<f", random.randbytes(4))[0]
    if field.kind == "bool":
        return random.random() < 0.5
    if field.kind == "bytes":
        return random.randbytes(random.randrange(6))
    return random.choice(TEXTS)


def mutated(data: bytes, other: bytes, tokens: tuple[bytes, ...], random: Random) -> bytes:
    """`data` after one to three accidents; `other` is where a splice takes its other half from."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        at, length = random.randrange(len(out) + 1), random.choice((0, 1, 1, 2, 4, 9))
        match random.randrange(8):
            case 0:
                del out[at:]
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[at : at + length] * random.choice((1, 1, 2, 20))
            case 3:
                out[at : at + length] = random.randbytes(length)
            case 4:
                out[at : at + length] = random.choice(tokens)
            case 5:
                out[at:] = other[random.randrange(len(other) + 1) :]
            case 6 if at < len(out):
                out[at] ^= 1 << random.randrange(8)
            case _:
                out[at:at] = random.choice(tokens)
    return bytes(out)


def inputs(target: str, random: Random) -> Iterator[bytes]:
    """Inputs for one of TARGETS, without end: a whole one, then damaged ones, class by class."""
    make = {"JSON": _json, "envelope": _stream}.get(target, _protobuf)
    tokens = TOKENS if target == "JSON" else VARINTS
    while True:
        for cls in random.sample(oracle.MESSAGES, len(oracle.MESSAGES)):
            whole, other = make(cls, random), make(cls, random)
            yield whole
            for _ in range(9):
                if target == "JSON" and random.random() < 0.6:
                    yield _json(cls, random, damaged=True)
                else:
                    yield whole[:HEAD] + mutated(whole[HEAD:], other[HEAD:], tokens, random)


def _protobuf(cls: type[Message], random: Random) -> bytes:
    path = "general" if random.random() < 0.3 else random.choice(oracle.PATHS[1:])
    return head(cls, path) + bytes(sample(cls, random))


def _stream(cls: type[Message], random: Random) -> bytes:
    sendable = cls if cls in SCHEMA.payload_types else random.choice(list(SCHEMA.payload_types))
    connection, msg_id = Connection(SCHEMA), random.choice((None, "", "cm_1"))
    frames = [
        connection.send(sample(sendable, random), msg_id) for _ in range(random.choice((1, 2)))
    ]
    return random.randbytes(HEAD) + b"".join(frames)


def _json(cls: type[Message], random: Random, damaged: bool = False) -> bytes:
    mode, value = random.randrange(2), sample(cls, random).to_dict()
    for _ in range(random.choice((1, 1, 2)) if damaged else 0):
        _change(value, random)
    return head(cls, mode=mode) + json.dumps(value, indent=mode or None).encode()


def _change(value: dict[str, Any], random: Random) -> None:
    """One accident to one value somewhere in an object, which stays JSON."""
    if not value:
        return
    key = random.choice(list(value))
    inner = value[key]
    if isinstance(inner, list) and inner and random.random() < 0.8:
        inner[random.randrange(len(inner))] = copy.copy(random.choice(VALUES))
    elif isinstance(inner, dict) and random.random() < 0.8:
        _change(inner, random)
    else:
        match random.randrange(5):
            case 0:
                del value[key]
            case 1:
                value[random.choice((key.upper(), "nosuchfield", ""))] = inner
            case 2:
                value[key] = str(inner)
            case 3:
                value[key] = [inner]
            case _:
                value[key] = copy.copy(random.choice(VALUES))
