"""Frames: on a byte stream a 4-byte big-endian length, then as many bytes; else whole messages."""

from __future__ import annotations

from struct import Struct
from typing import TypeAlias

from ..errors import LocalProtocolError, RemoteProtocolError

MAX_FRAME = 16 * 1024 * 1024
"""Bytes in the largest frame that is taken or sent, its header not counted.

The server's own limit is not published; the largest that a client in the field takes is this one.
"""

HEADER = 4
"""Bytes of the length."""

_size_at = Struct(">I").unpack_from  # half the time of a slice and int.from_bytes

Span: TypeAlias = tuple[int, int]
"""From a position up to another, which is no part of it."""


def frame(payload: bytes) -> bytes:
    """`payload` with its length before it; LocalProtocolError if it is empty or above MAX_FRAME."""
    size = len(payload)
    if not 0 < size <= MAX_FRAME:
        raise LocalProtocolError(f"a frame holds 1 to {MAX_FRAME} bytes, not {size}")
    return size.to_bytes(HEADER, "big") + payload


class Deframer:
    """Takes bytes as they come and gives back whole frames, without their headers."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()
        self._wanted = HEADER  # bytes in the buffer before the next look at it is worth while
        self.broken: RemoteProtocolError | None = None
        """Why no more frames can come; None while they can."""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, in order.

        Raises RemoteProtocolError at an impossible length, as soon as its header is there and
        before anything of that frame is kept. If whole frames precede it in `data`, they are
        returned, `broken` is set, and the next call raises. However the stream is split, the work
        is proportional to its bytes.
        """
        data, spans = self.spans(data)
        return [data[start:end] for start, end in spans]

    def spans(self, data: bytes) -> tuple[bytes, list[Span]]:
        """The same, without a copy of each frame: where they begin and end in the bytes given."""
        if self.broken is not None:
            raise self.broken
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(buffer) < self._wanted:
                return b"", []
            data = bytes(buffer)
            buffer.clear()
        return data, self._split(data)

    def _split(self, data: bytes) -> list[Span]:
        frames: list[Span] = []
        position, body, end = 0, HEADER, len(data)
        while body <= end:
            (size,) = _size_at(data, position)
            if not 0 < size <= self._max_frame:
                self.broken = _impossible(size, self._max_frame)
                if frames:
                    return frames
                raise self.broken
            after = body + size
            if after > end:
                self._wanted = HEADER + size
                break
            frames.append((body, after))
            position, body = after, after + HEADER
        else:
            self._wanted = HEADER
        if position < end:
            self._buffer += data[position:]
        return frames

    def close(self) -> None:
        """The stream ended here; RemoteProtocolError if it did so inside a frame."""
        held = len(self._buffer)
        if held == 0:
            return
        where = f"{held} of {HEADER} header bytes"
        if held >= HEADER:
            where = f"{held - HEADER} of {self._wanted - HEADER} bytes of a frame"
        self._buffer.clear()
        self.broken = RemoteProtocolError(f"the stream ended after {where}")
        raise self.broken


def message(payload: bytes) -> bytes:
    """`payload` as it is, a message of its own; LocalProtocolError if empty or above MAX_FRAME."""
    size = len(payload)
    if not 0 < size <= MAX_FRAME:
        raise LocalProtocolError(f"a message holds 1 to {MAX_FRAME} bytes, not {size}")
    return payload


class Messages:
    """Deframes a transport that keeps messages apart: each `feed` is one of them, whole."""

    def __init__(self, max_message: int = MAX_FRAME) -> None:
        self._max_message = max_message
        self.broken: RemoteProtocolError | None = None
        """Why no more messages can come; None while they can."""

    def feed(self, data: bytes) -> list[bytes]:
        """The message; RemoteProtocolError if it is too long."""
        if self.broken is not None:
            raise self.broken
        if len(data) > self._max_message:
            self.broken = RemoteProtocolError(
                f"expected a message of 1 to {self._max_message} bytes, got {len(data)}"
            )
            raise self.broken
        return [data]

    def spans(self, data: bytes) -> tuple[bytes, list[Span]]:
        """The same as all of `data`."""
        return data, [(0, len(message)) for message in self.feed(data)]

    def close(self) -> None:
        """The end: there are no halves of messages here."""


_ANSWER_IN_HTTP = (
    'an answer in HTTP: this port takes WebSockets, for which there are wire="json" (usually port '
    '5036) and wire="websocket"; wire="protobuf" usually has port 5035'
)
_REQUEST_IN_HTTP = (
    "a request in HTTP: this port takes protobuf over TCP, and another one WebSockets (in "
    'ctrader_typed wire="json" and wire="websocket")'
)
_TLS = "TLS: this port takes it, so leave tls=False out (or the other end leaves TLS out)"
_JSON = 'JSON, which is no protobuf over TCP: there is wire="json" for JSON in a WebSocket'

_FOREIGN = {
    b"HTTP": _ANSWER_IN_HTTP,
    b"GET ": _REQUEST_IN_HTTP,
    b"POST": _REQUEST_IN_HTTP,
    b"\x15\x03": _TLS,
    b"\x16\x03": _TLS,
    b'{"': _JSON,
}
"""How other protocols begin; as the length of a frame all of these are impossible."""


def foreign(data: bytes) -> str | None:
    """Which other protocol the first bytes of a stream are, and what to do; None if unknown."""
    return next((said for start, said in _FOREIGN.items() if data.startswith(start)), None)


def _impossible(size: int, max_frame: int) -> RemoteProtocolError:
    other = foreign(size.to_bytes(HEADER, "big"))
    if other is not None:
        return RemoteProtocolError(f"expected a frame of 1 to {max_frame} bytes, got {other}")
    if size >= 1 << 31:
        size -= 1 << 32  # some senders write a signed length
    return RemoteProtocolError(
        f"expected a frame of 1 to {max_frame} bytes, got a length of {size}"
    )
