"""The doors of a server: each a wire with TLS or without, by a short name."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from ctrader_typed.wire.connection import JSON_WEBSOCKET, PROTOBUF_TCP, PROTOBUF_WEBSOCKET, Wire


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How clients that come in here speak."""

    name: str
    wire: Wire
    tls: bool


ENDPOINTS = {
    endpoint_named.name: endpoint_named
    for endpoint_named in (
        Endpoint("tls", PROTOBUF_TCP, True),
        Endpoint("tcp", PROTOBUF_TCP, False),
        Endpoint("wss", PROTOBUF_WEBSOCKET, True),
        Endpoint("ws", PROTOBUF_WEBSOCKET, False),
        Endpoint("json-wss", JSON_WEBSOCKET, True),
        Endpoint("json-ws", JSON_WEBSOCKET, False),
    )
}
"""By their names."""


def endpoint_named(name: str) -> Endpoint:
    """The door of this name; ValueError lists what there is."""
    found = ENDPOINTS.get(name)
    if found is None:
        raise ValueError(f"expected one of {', '.join(ENDPOINTS)} as a wire, got {name!r}")
    return found


_BACKLOG = 1024

WIRES = {
    "tls": "protobuf over TLS",
    "tcp": "protobuf over plain TCP",
    "wss": "protobuf over WebSocket, with TLS",
    "ws": "protobuf over WebSocket, plain",
    "json-wss": "JSON over WebSocket, with TLS",
    "json-ws": "JSON over WebSocket, plain",
}
"""The doors that a server can have, by name: for who cannot wait for what knows more of them."""


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket that listens on one address; port 0 takes a free one. OSError if it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
