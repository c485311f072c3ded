"""One connection without its transport: bytes to values and back, the same at both ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol, TypeAlias

from ..errors import InvalidValue, LocalProtocolError, RemoteProtocolError
from ..message import Message
from ..schema import Schema
from . import columnar, json, protobuf
from .envelope import Decode, Received
from .framing import Deframer, Messages, Span, frame, message


class Deframes(Protocol):
    """Cuts what a transport receives into frames. `broken` says why it no longer can."""

    broken: RemoteProtocolError | None

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes."""
        ...

    def spans(self, data: bytes) -> tuple[bytes, list[Span]]:
        """Where in the bytes given the frames are that `data` completes."""
        ...

    def close(self) -> None:
        """The end; RemoteProtocolError inside a frame."""
        ...


class Carrier(Enum):
    """What a transport carries."""

    BYTES = "a stream of bytes"
    BINARY = "binary messages of a WebSocket"
    TEXT = "text messages of a WebSocket"


@dataclass(frozen=True, slots=True, eq=False)
class Wire:
    """A way to put messages on a transport: how they are framed, and how an envelope is written.

    `port` is where the API speaks it.
    """

    name: str
    port: int
    carrier: Carrier
    frame: Callable[[bytes], bytes]
    deframer: Callable[[], Deframes]
    encoder: Callable[[Schema], Callable[[Message, str | None], bytes]]
    decoder: Callable[[Schema, bool], Decode]
    columns: columnar.Reader

    def __repr__(self) -> str:
        return f"<{self.name}>"


PROTOBUF_TCP = Wire(
    "protobuf over TCP",
    5035,
    Carrier.BYTES,
    frame,
    Deframer,
    protobuf.encoder,
    protobuf.decoder,
    columnar.from_protobuf,
)
"""Port 5035: a protobuf envelope after its length as a 4-byte big-endian number."""

PROTOBUF_WEBSOCKET = Wire(
    "protobuf over WebSocket",
    5035,
    Carrier.BINARY,
    message,
    Messages,
    protobuf.encoder,
    protobuf.decoder,
    columnar.from_protobuf,
)
"""Port 5035: each binary message of the WebSocket is a protobuf envelope, without a length."""

JSON_WEBSOCKET = Wire(
    "JSON over WebSocket",
    5036,
    Carrier.TEXT,
    message,
    Messages,
    json.encoder,
    json.decoder,
    columnar.from_messages,
)
"""Port 5036: each text message of the WebSocket is an envelope in JSON."""

WIRES = (PROTOBUF_TCP, PROTOBUF_WEBSOCKET, JSON_WEBSOCKET)
"""All of them. The API speaks JSON over bare TCP too, but its framing is not documented."""

WireName: TypeAlias = Literal["protobuf", "websocket", "json"]
"""What `connect(wire=…)` takes instead of a constant."""

WIRES_BY_NAME: Mapping[str, Wire] = {
    "protobuf": PROTOBUF_TCP,
    "websocket": PROTOBUF_WEBSOCKET,
    "json": JSON_WEBSOCKET,
}


def wire_of(wire: object) -> Wire:
    """The wire that is meant; InvalidValue, with the choices, if there is none."""
    if isinstance(wire, Wire):
        return wire
    found = WIRES_BY_NAME.get(wire) if isinstance(wire, str) else None
    if found is None:
        choices = ", ".join(
            f'"{name}" ({each.name}, port {each.port})' for name, each in WIRES_BY_NAME.items()
        )
        raise InvalidValue(f"wire = {wire!r}: expected one of {choices}")
    return found


MissingRequired: TypeAlias = Literal["error", "default"]
"""What becomes of a message that lacks a required field: it is refused, or the field is zero.

"default" is for servers that leave zero-valued required fields out, as those do that are written
with betterproto 1. A required message, or an enum that has no member with the number 0 (the side of
a trade), has no zero: without it a message is refused either way.
"""


class Connection:
    """Both directions of one connection.

    `lenient` takes required fields that the other end leaves out for zero, as `MissingRequired`
    says.
    """

    def __init__(self, schema: Schema, wire: Wire = PROTOBUF_TCP, *, lenient: bool = False) -> None:
        self._frame = wire.frame
        self._encode = wire.encoder(schema)
        self._decode = wire.decoder(schema, lenient)
        nothing: Mapping[type[Message], int] = {}
        self._with_heads = nothing if wire.carrier is Carrier.TEXT else schema.payload_types
        self._unread: frozenset[bytes] = frozenset()
        self.skipped = 0
        """How many messages were left unread."""
        self._columnar: set[str] = set()
        self._decode_columnar = wire.columns(schema, self._decode, self._columnar, lenient)
        self._deframer = wire.deframer()
        self._ended = False
        self._broken: RemoteProtocolError | None = None

    @property
    def broken(self) -> RemoteProtocolError | None:
        """What the other end did wrong, once it did; nothing can be received after it."""
        return self._deframer.broken if self._broken is None else self._broken

    def send(self, message: Message, client_msg_id: str | None = None) -> bytes:
        """The bytes to transmit for a message, a whole frame.

        Raises EncodeError when it cannot be written (the field is named), LocalProtocolError when
        it has no payload type or is too long.
        """
        return self._frame(self._encode(message, client_msg_id))

    def leave_unread(self, kinds: Iterable[type[Message]]) -> None:
        """From now on do not read messages of these types, but count them in `skipped`.

        In JSON the envelope cannot be read without what is in it: there they come all the same.
        """
        numbers = self._with_heads
        self._unread = frozenset(protobuf.head(numbers[kind]) for kind in kinds if kind in numbers)

    def in_columns(self, client_msg_id: str) -> None:
        """Give the answer to this request as a ColumnsEnvelope, if it is one with rows."""
        self._columnar.add(client_msg_id)

    def receive_data(self, data: bytes) -> list[Received]:
        """What `data` completes, in order; `b""` says that the stream has ended.

        On a WebSocket `data` is one message: no more, no less.

        Raises RemoteProtocolError for a broken frame, an unreadable envelope, or an end inside a
        frame. If something whole precedes the break, it is returned, `broken` is set, and the next
        call raises.
        """
        if (broken := self.broken) is not None:
            raise broken
        if data == b"":
            self._ended = True
            self._deframer.close()
            return []
        if self._ended:
            raise LocalProtocolError("data was received after the end of the stream")
        received: list[Received] = []
        unread = self._unread
        decode = self._decode_columnar if self._columnar else self._decode
        try:
            whole, spans = self._deframer.spans(data)
            for start, end in spans:
                if unread and whole[start : start + protobuf.HEAD] in unread:
                    self.skipped += 1
                    continue
                received.append(
                    decode(whole, start, end)
                )  # one by one: what precedes a break survives it
        except RemoteProtocolError as error:
            self._broken = error
            if not received:
                raise
        return received
