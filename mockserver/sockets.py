"""A listening socket, ready before anything heavier is: clients that call early wait in the kernel.

Knows no loop, and must not import one.
"""

from __future__ import annotations

import socket

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
