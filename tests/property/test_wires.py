"""Every message says the same on each wire, however what carries it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrader_typed.message import Message
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import PROTOBUF_TCP, WIRES, Connection, Wire
from ctrader_typed.wire.envelope import Envelope
from tests.property.strategies import messages

SHARE = settings(max_examples=max(10, settings.default.max_examples // 10))
IDS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)

sendable = pytest.mark.parametrize(
    "cls", SCHEMA.by_payload_type.values(), ids=lambda cls: cls.__name__
)
wires = pytest.mark.parametrize("wire", WIRES, ids=str)


@sendable
@SHARE
@given(data=st.data())
def test_what_goes_out_on_a_wire_comes_in_alike(cls: type[Message], data: st.DataObject) -> None:
    message, client_msg_id = data.draw(messages(cls)), data.draw(IDS)
    for wire in WIRES:
        connection = Connection(SCHEMA, wire)
        (event,) = connection.receive_data(connection.send(message, client_msg_id))
        assert event == Envelope(message, client_msg_id), wire


LETTERS = st.lists(
    st.tuples(
        st.sampled_from(list(SCHEMA.by_payload_type.values())).flatmap(messages),
        IDS,
    ),
    min_size=1,
    max_size=5,
)


@settings(parent=SHARE)
@given(LETTERS, st.data())
def test_any_split_of_the_stream_gives_the_same_events(
    letters: list[tuple[Message, str | None]], data: st.DataObject
) -> None:
    stream = b"".join(Connection(SCHEMA).send(*letter) for letter in letters)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    connection = Connection(SCHEMA, PROTOBUF_TCP)
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if start < end:
            events += connection.receive_data(stream[start:end])
    assert events == [Envelope(*letter) for letter in letters]
    assert connection.receive_data(b"") == []


@wires
def test_the_port_and_the_name_of_a_wire(wire: Wire) -> None:
    assert wire.port == (5036 if "JSON" in wire.name else 5035)
    assert repr(wire) == f"<{wire.name}>"
