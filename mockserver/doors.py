"""The doors of a server: each a wire with TLS or without, by a short name. Knows no socket."""

from __future__ import annotations

from dataclasses import dataclass

from ctrader_typed.wire.connection import JSON_WEBSOCKET, PROTOBUF_TCP, PROTOBUF_WEBSOCKET, Wire


@dataclass(frozen=True, slots=True)
class Door:
    """How clients that come in here speak."""

    name: str
    wire: Wire
    tls: bool


DOORS = {
    door.name: door
    for door in (
        Door("tls", PROTOBUF_TCP, True),
        Door("tcp", PROTOBUF_TCP, False),
        Door("wss", PROTOBUF_WEBSOCKET, True),
        Door("ws", PROTOBUF_WEBSOCKET, False),
        Door("json-wss", JSON_WEBSOCKET, True),
        Door("json-ws", JSON_WEBSOCKET, False),
    )
}
"""By their names."""


def door(name: str) -> Door:
    """The door of this name; ValueError lists what there is."""
    found = DOORS.get(name)
    if found is None:
        raise ValueError(f"expected one of {', '.join(DOORS)} as a wire, got {name!r}")
    return found
