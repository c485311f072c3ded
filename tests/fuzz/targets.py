"""One function for each way into the library: it takes any bytes and raises only if we are wrong.

The first three bytes choose the message class, the path and the mode, so that a fuzzer can find
them; the rest is the input. Nothing here knows who makes the inputs.
"""

from __future__ import annotations

from collections.abc import Callable

from ctrader_typed.errors import DecodeError, EncodeError, LocalProtocolError, RemoteProtocolError
from ctrader_typed.message import Message, codec
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import BadPayload, Envelope, UnknownPayload
from tests.support import oracle

Target = Callable[[bytes], None]

HEAD = 3


def head(cls: type[Message], path: str = "general", mode: int = 0) -> bytes:
    """The three bytes that lead an input to a class."""
    return bytes((oracle.MESSAGES.index(cls), oracle.PATHS.index(path), mode))


def _chosen(data: bytes) -> tuple[type[Message], str, int, bytes]:
    which, path, mode = data[:HEAD].ljust(HEAD, b"\0")
    cls = oracle.MESSAGES[which % len(oracle.MESSAGES)]
    return cls, oracle.PATHS[path % len(oracle.PATHS)], mode, data[HEAD:]


def decode(data: bytes) -> None:
    """Any bytes: what google.protobuf reads we read too, as the same values; or DecodeError."""
    cls, path, _, payload = _chosen(data)
    with oracle.path(path, [cls]):
        oracle.agree(cls, payload)


def round_trip(data: bytes) -> None:
    """A message that was read can be written, and read again as the same: as bytes and as JSON."""
    cls, path, _, payload = _chosen(data)
    with oracle.path(path, [cls]):
        try:
            message = codec.decode(cls, payload)
        except DecodeError:
            return
        again = codec.decode(cls, codec.encode(message))
        assert again == message
    assert repr(again) == repr(message)
    through_json = cls.from_json(message.to_json(), strict=True)
    assert through_json.to_dict() == message.to_dict()
    assert cls.from_dict(message.to_pydict()) == through_json


def paths(data: bytes) -> None:
    """Any bytes: every path of the codec gives the same message, or the same words."""
    cls, _, _, payload = _chosen(data)
    message = oracle.one_outcome(cls, lambda: codec.decode(cls, payload))
    if isinstance(message, Message):
        oracle.one_outcome(cls, lambda: codec.encode(message))


def from_json(data: bytes) -> None:
    """Any text: a message or DecodeError, and what strict reads is read alike without it."""
    cls, _, mode, text = _chosen(data)
    strict = bool(mode & 1)
    try:
        message = cls.from_json(text, strict=strict)
    except DecodeError:
        return
    assert cls.from_json(message.to_json()) == message
    crossed = codec.decode(cls, codec.encode(message))  # without keys that no schema has
    assert codec.encode(crossed) == codec.encode(message)
    assert cls.from_json(crossed.to_json(), strict=True) == crossed
    if strict:
        assert cls.from_json(message.to_json(), strict=True) == crossed == message
        assert cls.from_json(text) == message


def envelope(data: bytes) -> None:
    """Bytes from a server, in pieces of any size: events or RemoteProtocolError, the same ones."""
    size = data[0] + 1 if data else 1
    stream = data[HEAD:]
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    whole = _received([stream] if stream else [])
    assert _received(pieces) == whole


def _received(pieces: list[bytes]) -> list[str]:
    connection = Connection(SCHEMA)
    shown: list[str] = []
    try:
        for piece in [*pieces, b""]:
            for event in connection.receive_data(piece):
                assert isinstance(event, Envelope | UnknownPayload | BadPayload)
                shown.append(repr(event))
                if isinstance(event, Envelope):
                    _sent_again(event)
    except RemoteProtocolError:
        shown.append("broken")
    return shown


def _sent_again(event: Envelope) -> None:
    try:
        frame = Connection(SCHEMA).send(event.message, event.client_msg_id)
    except (EncodeError, LocalProtocolError) as error:
        raise AssertionError(f"{event} came in and cannot go out: {error}") from None
    assert Connection(SCHEMA).receive_data(frame) == [event]


TARGETS: dict[str, Target] = {
    "decode": decode,
    "round trip": round_trip,
    "paths": paths,
    "JSON": from_json,
    "envelope": envelope,
}
