"""What a package says of itself, and copies of it."""

import dataclasses

from ctrader_typed import ProtoHeartbeatEvent, ProtoOASpotEvent
from ctrader_typed.proto import SCHEMA


def test_a_copy_of_a_schema_does_not_detach_the_codecs() -> None:
    spot = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1)
    SCHEMA.prepare()
    codec = ProtoOASpotEvent.straight_encode
    data = bytes(spot)
    copy = dataclasses.replace(SCHEMA, release="7")
    assert copy.by_payload_type[51] is ProtoHeartbeatEvent
    assert ProtoOASpotEvent.straight_encode is codec
    assert bytes(spot) == data
