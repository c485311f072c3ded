"""Writes down what passes between a client and a server, from the bytes alone. Pure.

What cannot be understood is passed over from there on, in its direction; it is none of the scribe's
business to stop it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.schema import Schema
from ctrader_typed.wire.connection import WIRES, Carrier, Wire

from .recording import Direction, header
from .sniffing import Handshake, Tap
from .writing import entry, line


class Scribe:
    """One connection's session, line by line. `lost` says why a direction is no longer followed."""

    def __init__(self, schema: Schema) -> None:
        self.lost: dict[Direction, RemoteProtocolError] = {}
        self._schema = schema
        self._decode = {wire: wire.decoder(schema, False) for wire in WIRES}
        handshake = Handshake()
        self._taps = {direction: Tap(direction, handshake) for direction in Direction}
        self._begun: float | None = None
        self._last = 0.0

    def header(self, note: str) -> str:
        """The first line."""
        return header(self._schema, note=note) + "\n"

    def passes(self, direction: Direction, data: bytes, now: float) -> Iterator[str]:
        """The lines for what these bytes complete."""
        if direction in self.lost:
            return
        try:
            for wire, envelope in self._taps[direction].feed(data):
                yield self._line(direction, wire, envelope, now)
        except RemoteProtocolError as error:
            self.lost[direction] = error

    def _line(self, direction: Direction, wire: Wire, envelope: bytes, now: float) -> str:
        if self._begun is None:
            self._begun = now
        self._last = max(self._last, now - self._begun)
        event = self._decode[wire](envelope)
        payload = None
        if wire.carrier is not Carrier.TEXT:
            payload = getattr(self._schema.envelope.FromString(envelope), "payload", None) or b""
        return line(entry(self._schema, direction, event, self._last, payload))
