"""Envelopes out of the bytes of one direction, on whatever wire: watched, not taken part in.

The first bytes tell a WebSocket's handshake from a frame's length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.wire.connection import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    PROTOBUF_WEBSOCKET,
    Wire,
)
from ctrader_typed.wire.framing import MAX_FRAME

from ..recordings.session_file import Direction

_BEGINNINGS = (b"GET ", b"HTTP")  # as lengths of frames they would be far too large
_END_OF_HEAD = b"\r\n\r\n"
_LONGEST_HEAD = 64 * 1024

Found = tuple[Wire, bytes]
"""An envelope's bytes, and the wire that says how to read them."""


@dataclass(slots=True)
class Handshake:
    """What both directions of a connection have to know of its beginning."""

    deflate: str | None = None
    """The parameters of the compression that the server has agreed to (RFC 7692)."""


class _Kind(Protocol):
    def feed(self, data: bytes) -> Iterator[Found]: ...


class WireParser:
    """One direction of a connection. Raises RemoteProtocolError for what cannot be followed."""

    def __init__(self, direction: Direction, handshake: Handshake) -> None:
        self._direction = direction
        self._handshake = handshake
        self._first = b""
        self._kind: _Kind | None = None

    def feed(self, data: bytes) -> Iterator[Found]:
        """The envelopes that these bytes complete; those before a break come before the error."""
        if self._kind is None:
            self._first += data
            if len(self._first) < len(_BEGINNINGS[0]):
                return
            greets = self._first.startswith(_BEGINNINGS)
            self._kind = _WebSocket(self._direction, self._handshake) if greets else _Frames()
            data = self._first
        yield from self._kind.feed(data)


class _Frames:
    """Protobuf envelopes after their lengths."""

    def __init__(self) -> None:
        self._deframer = PROTOBUF_TCP.deframer()

    def feed(self, data: bytes) -> Iterator[Found]:
        for envelope in self._deframer.feed(data):
            yield PROTOBUF_TCP, envelope
        if self._deframer.broken is not None:
            raise self._deframer.broken


class _WebSocket:
    """A handshake, then messages, compressed or not: text is JSON, binary protobuf."""

    def __init__(self, direction: Direction, handshake: Handshake) -> None:
        self._direction = direction
        self._handshake = handshake
        self._frames: FrameProtocol | None = None
        self._head: bytes | None = b""
        self._message = b""

    def feed(self, data: bytes) -> Iterator[Found]:
        if self._head is not None:
            self._head += data
            _, end, data = self._head.partition(_END_OF_HEAD)
            if not end:
                if len(self._head) > _LONGEST_HEAD:
                    raise RemoteProtocolError("a WebSocket handshake without an end")
                return
            if self._direction is Direction.SERVER:
                self._handshake.deflate = _agreed(self._head)
            self._head = None
        if not data:
            return
        frames = self._frames = self._frames or self._reader()
        frames.receive_bytes(data)
        try:
            for frame in frames.received_frames():
                if not isinstance(frame.payload, tuple):
                    yield from self._part(frame.opcode, frame.payload, frame.message_finished)
        except ParseFailed as error:
            raise RemoteProtocolError(f"not a WebSocket frame: {error}") from None

    def _reader(self) -> FrameProtocol:
        """Made with the first frame: a client sends none before it has the server's handshake."""
        extensions: list[Extension] = []
        if self._handshake.deflate is not None:
            inflating = PerMessageDeflate()
            inflating.finalize(self._handshake.deflate)
            extensions.append(inflating)
        # The library reads what the other side has sent: as a client it reads a server's frames.
        return FrameProtocol(client=self._direction is Direction.SERVER, extensions=extensions)

    def _part(self, opcode: Opcode, payload: str | bytes, finished: bool) -> Iterator[Found]:
        if opcode not in (Opcode.TEXT, Opcode.BINARY):
            return
        self._message += payload.encode() if isinstance(payload, str) else payload
        if len(self._message) > MAX_FRAME:
            raise RemoteProtocolError(f"a message of a WebSocket is longer than {MAX_FRAME} bytes")
        if finished:
            whole, self._message = self._message, b""
            yield (JSON_WEBSOCKET if opcode is Opcode.TEXT else PROTOBUF_WEBSOCKET), whole


def _agreed(head: bytes) -> str | None:
    """The compression that the head of a server's answer agrees to, with its parameters."""
    for line in head.partition(_END_OF_HEAD)[0].decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        extension = value.strip()
        if name.strip().lower() == "sec-websocket-extensions":
            return extension if extension.startswith(PerMessageDeflate.name) else None
    return None
