"""A listening socket, ready before anything heavier is: clients that call early wait in the kernel.

Knows no loop, and must not import one.
"""

from __future__ import annotations

import socket

_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket that listens on one address; port 0 takes a free one. OSError if it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
