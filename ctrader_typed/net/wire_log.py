"""The wire log: each message in one line, in and out, without its secrets. Only if asked for.

`logging.getLogger("ctrader_typed.wire").setLevel(logging.DEBUG)` asks for it; DEBUG on the root or
on `ctrader_typed` does not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..wire.connection import Connection
from ..wire.envelope import Envelope, Received

log = logging.getLogger("ctrader_typed.wire")
if log.level == logging.NOTSET:
    log.setLevel(logging.INFO)  # a line for each of 10,000 events a second is for who wants it

LONGEST = 2_000
"""Characters of a message that are shown."""


class WireLog:
    """The log of one link. `reader` is a connection like the link's, to read what it sends."""

    def __init__(self, reader: Connection) -> None:
        self._reader = reader

    def listens(self) -> bool:
        """Whether it was asked for, and wants every message."""
        return log.isEnabledFor(logging.DEBUG)

    def sent(self, frame: bytes) -> None:
        """A whole frame goes out, or tries to."""
        if self.listens():
            for value in self._reader.receive_data(frame):
                log.debug("→ %s", _line(value))

    def received(self, values: Iterable[Received]) -> None:
        """These came in."""
        if self.listens():
            for value in values:
                log.debug("← %s", _line(value))


def _line(value: Received) -> str:
    """Id, size of the payload, and the message with its fields; its repr masks what is secret."""
    what = value.message if isinstance(value, Envelope) else value
    size = len(value.message) if isinstance(value, Envelope) else len(value.payload)
    text = repr(what)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text)} characters)"
    return f"[{value.client_msg_id or '-'}] {size} bytes {text}"
