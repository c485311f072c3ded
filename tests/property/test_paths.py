"""Whatever is put into a message or into its bytes, every path of the codec says the same of it."""

from __future__ import annotations

import contextlib
import decimal
import enum
import gc
import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrader_typed.message import Message, codec
from ctrader_typed.message.straight import Irregular
from ctrader_typed.proto import (
    SCHEMA,
    ProtoHeartbeatEvent,
    ProtoOADepthEvent,
    ProtoOADepthQuote,
    ProtoOATradeSide,
)
from tests.fuzz.inputs import VARINTS, mutated, sample
from tests.property.strategies import messages, unknown_fields
from tests.support import oracle

SHARE = settings(max_examples=max(10, settings.default.max_examples // 10))


class Number(int):
    """An int whose class somebody else wrote."""

    def __index__(self) -> int:
        raise AssertionError("nobody asks an int for an int")


class Text(str):
    """A text whose class somebody else wrote."""

    __slots__ = ()


class Colour(enum.StrEnum):
    """A text that is an enum."""

    RED = "red"


class Numbers(list[int]):
    """A list whose class somebody else wrote."""


LIMITS = [low << bits for bits in (7, 31, 32, 62, 63, 64, 65) for low in (-1, 1)]
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        0.5,
        -0.0,
        1e39,
        float("nan"),
        10**400,
        1j,
        "",
        "x" * 200,
        "\ud800",
    ),
    *(number + step for number in LIMITS for step in (-1, 0, 1)),
    *(b"", b"x", bytearray(b"ab"), memoryview(b"ab"), decimal.Decimal("1.5"), object, ..., {}),
    *(Number(5), Text("x"), Colour.RED, Numbers([1]), ProtoOATradeSide(99), ProtoHeartbeatEvent()),
    *([], (), [None], [1, "x"], [1 << 64], [b""], (1, 2), [[]], {1}),
]

classes = pytest.mark.parametrize("cls", SCHEMA.messages, ids=lambda cls: cls.__name__)


@classes
@SHARE
@given(data=st.data())
def test_odd_values_are_written_or_refused_alike(cls: type[Message], data: st.DataObject) -> None:
    """Values of another type, out of range, deleted; attributes that are no fields."""
    message = data.draw(messages(cls))
    holder, names = message, [f.name for f in cls.message_fields] + ["_unknown_fields", "stray"]
    parts = [f.name for f in cls.message_fields if f.kind == "message"]
    if parts and data.draw(st.booleans(), label="inside"):
        inner = getattr(message, data.draw(st.sampled_from(parts)))
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(inner, Message):
            holder, names = inner, [f.name for f in type(inner).message_fields]
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
        odd = data.draw(st.sampled_from([*ODD, "deleted"]), label=name)
        if name == "_unknown_fields":
            odd = data.draw(unknown_fields())
        if odd == "deleted" and name != "stray":
            delattr(holder, name)
        else:
            setattr(holder, name, odd)
    outcome = oracle.one_outcome(cls, lambda: codec.encode(message))
    assert isinstance(outcome, bytes) or "Error" in outcome[0].__name__


@pytest.mark.parametrize("path", oracle.codecs())
def test_a_codec_takes_its_own_class_and_real_bytes_only(path: str) -> None:
    """Called directly, with what `codec.decode` and `codec.encode` never give."""
    for decode, encode in oracle.codecs()[path].values():
        for wrong in (None, 5, "x", object()):
            with pytest.raises((ValueError, TypeError, AttributeError)):
                encode(wrong)  # type: ignore[arg-type]
            with pytest.raises((ValueError, TypeError, IndexError)):
                decode(wrong, 0, 5)  # type: ignore[arg-type]


needs_compiled = pytest.mark.skipif(
    "compiled" not in oracle.codecs(), reason="the compiled codec is not built"
)


@needs_compiled
def test_the_compiled_codec_keeps_within_the_bytes_and_to_its_class() -> None:
    data = b"\x10\x01\x18\x02" * 3
    for cls, (decode, encode) in oracle.codecs()["compiled"].items():
        for pos, end in ((-1, 4), (0, 13), (5, 4), (13, 13), (-(1 << 62), 1 << 62)):
            with pytest.raises(Irregular):
                decode(data, pos, end)
        for other in SCHEMA.messages:
            if other is not cls:
                with pytest.raises(Irregular):
                    encode(other.blank())
        subclass = type(cls)("Sub", (cls,), {"__module__": __name__})
        with pytest.raises(Irregular):
            encode(subclass.blank())


@needs_compiled
def test_nothing_stays_behind_of_what_gave_up() -> None:
    """A message that is lost on the way would hold its class; a value, its enum member."""
    chance = random.Random(9)
    work: list[tuple[Any, list[bytes], Any]] = []
    for cls in SCHEMA.messages:
        whole, other = bytes(sample(cls, chance)), bytes(sample(cls, chance))
        damaged = [mutated(whole, other, VARINTS, chance) for _ in range(9)]
        work.append((cls, [whole, *damaged], sample(cls, chance)))

    def counts() -> list[int]:
        members = [ProtoOATradeSide.BUY, *ProtoOATradeSide]
        return [sys.getrefcount(one) for one in (*SCHEMA.messages, *members)]

    def run() -> None:
        for cls, inputs, message in work:
            decode, encode = oracle.codecs()["compiled"][cls]
            for data in inputs:
                with contextlib.suppress(Irregular):
                    decode(data, 0, len(data))
            with contextlib.suppress(Irregular):
                encode(message)

    run()
    gc.collect()
    before = counts()
    for _ in range(3):
        run()
    gc.collect()
    assert counts() == before


class Saboteur:
    """When the garbage collector comes for it, it empties the message that is being written."""

    def __init__(self, victim: ProtoOADepthEvent) -> None:
        self.me, self.victim = self, victim

    def __del__(self) -> None:
        self.victim.new_quotes.clear()
        self.victim.deleted_quotes.clear()
        self.victim.symbol_id = 1 << 62


@pytest.fixture
def eager_collector() -> Iterator[None]:
    """The garbage collector comes at every chance that it has."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("eager_collector")
@pytest.mark.parametrize("path", oracle.PATHS)
def test_whoever_changes_a_message_meanwhile_gets_some_state_of_it(path: str) -> None:
    with oracle.path(path, SCHEMA.messages):
        for _ in range(100):
            message = ProtoOADepthEvent(
                ctid_trader_account_id=1,
                symbol_id=1,
                new_quotes=[ProtoOADepthQuote(id=1 << 40, size=n) for n in range(20)],
                deleted_quotes=[1 << 50] * 5,
            )
            Saboteur(message)
            again = ProtoOADepthEvent.FromString(bytes(message))
            assert again.symbol_id in (1, 1 << 62)
            assert len(again.new_quotes) <= 20
