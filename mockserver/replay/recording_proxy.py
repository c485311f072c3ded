"""A proxy between clients and a server: passes every byte on unchanged and has it written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import trio

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.schema import Schema
from ctrader_typed.wire.connection import WIRES, Carrier, Wire

from ..recordings.session_file import Direction, header
from ..recordings.session_lines import entry, line
from .wire_parser import Handshake, WireParser

_CHUNK = 64 * 1024

Write = Callable[[str], object]


async def recording_proxy(
    client: trio.abc.Stream, server: trio.abc.Stream, schema: Schema, write: Write, note: str
) -> SessionRecorder:
    """Pass everything on until one side ends the connection; returns what wrote it down.

    Each message is written before it is passed on. Closes both streams, cancelled or not.
    """
    recorder = SessionRecorder(schema)
    write(recorder.header(note))
    async with client, server, trio.open_nursery() as nursery:

        async def pass_on(source: trio.abc.Stream, to: trio.abc.Stream, sender: Direction) -> None:
            try:
                while data := await source.receive_some(_CHUNK):
                    for line in recorder.passes(sender, bytes(data), trio.current_time()):
                        write(line)
                    await to.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # an end like any other: the other side is closed too
            nursery.cancel_scope.cancel()

        nursery.start_soon(pass_on, client, server, Direction.CLIENT)
        nursery.start_soon(pass_on, server, client, Direction.SERVER)
    return recorder


class SessionRecorder:
    """One connection's session, line by line. `lost` says why a direction is no longer followed."""

    def __init__(self, schema: Schema) -> None:
        self.lost: dict[Direction, RemoteProtocolError] = {}
        self._schema = schema
        self._decode = {wire: wire.decoder(schema, False) for wire in WIRES}
        handshake = Handshake()
        self._taps = {direction: WireParser(direction, handshake) for direction in Direction}
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
