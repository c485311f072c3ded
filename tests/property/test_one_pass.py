"""An envelope read where it lies, in one pass, gives what its slice gives in two."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire import protobuf
from tests.fuzz.inputs import VARINTS, mutated, sample

IDS = (None, "", "cm_1", "x" * 127, "x" * 128, "€")


def outcome(decode: Any, *span: Any) -> tuple[str, str]:
    """What comes out, or how it is refused."""
    try:
        received = decode(*span)
    except RemoteProtocolError as error:
        return "refused", str(error)
    return repr(received), repr(getattr(received, "client_msg_id", None))


@pytest.mark.parametrize("cls", SCHEMA.payload_types, ids=lambda cls: cls.__name__)
def test_whole_envelopes_and_mutilated_ones(cls: Any) -> None:
    chance = random.Random(cls.__name__)
    decode, in_two = protobuf.decoder(SCHEMA), protobuf._general_decoder(SCHEMA)
    for client_msg_id in IDS:
        whole = protobuf.encoder(SCHEMA)(sample(cls, chance), client_msg_id)
        mutants = [mutated(whole, whole[::-1], VARINTS, chance) for _ in range(30)]
        for data in (whole, whole[:-1], whole[:5], whole[:4], b"", *mutants):
            beside = b"\xff" + data + whole  # what lies behind it must not be looked at
            assert outcome(decode, beside, 1, 1 + len(data)) == outcome(in_two, data)
            assert outcome(decode, data) == outcome(in_two, data)


@pytest.mark.parametrize("length", [127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_payloads_whose_lengths_take_one_byte_more(length: int) -> None:
    cls = SCHEMA.by_payload_type[2142]
    message: Any = cls(error_code="x", description="")
    message.description = "y" * (length - len(bytes(message)))
    while len(bytes(message)) > length:  # the length of the text takes more bytes, too
        message.description = message.description[:-1]
    decode, in_two = protobuf.decoder(SCHEMA), protobuf._general_decoder(SCHEMA)
    for client_msg_id in (None, "cm_1"):
        data = protobuf.encoder(SCHEMA)(message, client_msg_id)
        received: Any = decode(b"\xff" + data + b"\xff", 1, 1 + len(data))
        assert received == in_two(data)
        assert received.message.description == message.description
        assert received.client_msg_id == client_msg_id
