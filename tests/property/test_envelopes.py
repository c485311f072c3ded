"""An envelope and its payload in one pass: the same as one after the other, or nothing at all."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from ctrader_typed.errors import DecodeError, EncodeError
from ctrader_typed.message import codec
from ctrader_typed.proto import SCHEMA, ProtoMessage, ProtoOASpotEvent
from ctrader_typed.wire.envelope import Envelope
from tests.fuzz.inputs import VARINTS, mutated, sample
from tests.support import oracle

pytestmark = pytest.mark.skipif(
    "compiled" not in oracle.codecs() or SCHEMA.codec_info().codec == "python",
    reason="the compiled codec does not run",
)
IDS = (None, "", "cm_1", "x" * 300, "€")
SPOT = b"\x10\x01\x18\x02"


@pytest.fixture(scope="module")
def one_pass() -> tuple[Callable[[bytes, int, int], Any], Callable[..., bytes]]:
    found = SCHEMA.envelopes(Envelope)
    assert found is not None
    return found


def written_in_two(message: Any, client_msg_id: str | None) -> bytes:
    with oracle.path("general"):
        return bytes(
            ProtoMessage(
                payload_type=SCHEMA.payload_types[type(message)],
                payload=bytes(message),
                client_msg_id=client_msg_id,
            )
        )


def read_in_two(data: bytes) -> Envelope:
    with oracle.path("general"):
        outer = ProtoMessage.FromString(data)
        cls = SCHEMA.by_payload_type[outer.payload_type]
        return Envelope(cls.FromString(outer.payload or b""), outer.client_msg_id)


@pytest.mark.parametrize("cls", SCHEMA.payload_types, ids=lambda cls: cls.__name__)
def test_one_pass_gives_what_two_steps_give(cls: Any, one_pass: Any) -> None:
    read, write = one_pass
    chance, taken = random.Random(cls.__name__), 0
    for client_msg_id in itertools.islice(itertools.cycle(IDS), 50):
        message = sample(cls, chance)
        whole = written_in_two(message, client_msg_id)
        assert write(SCHEMA.payload_types[cls], message, client_msg_id) == whole
        for data in (whole, *(mutated(whole, whole[::-1], VARINTS, chance) for _ in range(9))):
            try:
                received = read(b"\xff" + data + b"\xff", 1, 1 + len(data))
            except codec.IRREGULAR:
                continue
            taken += 1
            expected = read_in_two(data)
            assert received == expected
            assert repr(received) == repr(expected)
    assert taken >= 20


ENVELOPES: dict[str, bytes] = {
    "nothing": b"",
    "no payload": bytes(ProtoMessage(payload_type=51)),
    "an unknown payload type": bytes(ProtoMessage(payload_type=60_000, payload=b"")),
    "a payload type of 64 bits": b"\x08" + b"\xff" * 9 + b"\x01\x12\x00",
    "a broken payload": bytes(ProtoMessage(payload_type=2131, payload=b"\x10")),
    "a payload cut short": bytes(ProtoMessage(payload_type=2131, payload=SPOT))[:-1],
    "an unknown field": bytes(ProtoMessage(payload_type=2131, payload=SPOT)) + b"\x20\x01",
    "the payload twice": bytes(ProtoMessage(payload_type=2131, payload=SPOT)) + b"\x12\x00",
    "an enum without a name": bytes(ProtoMessage(payload_type=2131, payload=b"\x08\x01" + SPOT)),
    "an id that is no text": b"\x08\x33\x12\x00\x1a\x01\xff",
    "the id first": b"\x1a\x01a\x08\x33\x12\x00",
}
READABLE = [
    ENVELOPES[name]
    for name in ("no payload", "an unknown field", "an enum without a name", "the id first")
]
"""What two steps read all the same."""


@pytest.mark.parametrize("data", ENVELOPES.values(), ids=ENVELOPES)
def test_what_is_irregular_is_left_to_the_two_steps(data: bytes, one_pass: Any) -> None:
    with pytest.raises(codec.IRREGULAR):
        one_pass[0](data, 0, len(data))
    if data in READABLE:
        assert read_in_two(data).message
    else:
        with pytest.raises((DecodeError, KeyError)):
            read_in_two(data)


def test_nothing_outside_the_bytes_is_read(one_pass: Any) -> None:
    data = written_in_two(ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2), "id")
    assert one_pass[0](data, 0, len(data)).client_msg_id == "id"
    for pos, end in ((-1, 4), (0, len(data) + 1), (5, 4), (0, 1 << 62), (len(data), len(data))):
        with pytest.raises(codec.IRREGULAR):
            one_pass[0](data, pos, end)
    for wrong in (None, "x", bytearray(data), memoryview(data)):
        with pytest.raises(codec.IRREGULAR):
            one_pass[0](wrong, 0, 4)


def test_what_cannot_be_written_is_left_to_the_two_steps(one_pass: Any) -> None:
    spot = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2)
    number = SCHEMA.payload_types[ProtoOASpotEvent]
    cases: list[tuple[int, Any, Any]] = [
        (number, ProtoOASpotEvent(), None),
        (number, None, None),
        (number, ProtoMessage(payload_type=1), None),
        (51, spot, None),
        (60_000, spot, None),
        (-1, spot, None),
        (1 << 40, spot, None),
        (number, spot, b"id"),
        (number, spot, "\ud800"),
    ]
    for payload_type, message, client_msg_id in cases:
        with pytest.raises(codec.IRREGULAR):
            one_pass[1](payload_type, message, client_msg_id)
    with pytest.raises(EncodeError):
        written_in_two(spot, "\ud800")


def test_a_class_without_the_two_slots_is_refused() -> None:
    class Without:
        message = None

    with pytest.raises(ImportError, match=r"Without\.message is not a slot"):
        SCHEMA.envelopes(Without)
