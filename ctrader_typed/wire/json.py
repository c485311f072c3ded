"""Envelopes in JSON ↔ values: `{"clientMsgId": …, "payloadType": …, "payload": {…}}`.

Knows neither framing nor what any message means. How a message looks as an object is `dialect`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn, cast

from ..dialect import Style, new_from_dict, to_dict
from ..errors import DecodeError, LocalProtocolError, RemoteProtocolError
from ..message import Message
from ..schema import Schema
from .envelope import BadPayload, Decode, Envelope, Received, UnknownPayload

_WHOLE = Style(complete=True)
_DIGITS = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)', re.DOTALL)

_write = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_read = json.JSONDecoder(parse_constant=_no_constant).decode


def encoder(schema: Schema) -> Callable[[Message, str | None], bytes]:
    """A function from a message and its id to an envelope as a JSON text.

    It raises EncodeError when the message cannot be written, and LocalProtocolError when it has no
    payload type in this schema. Fields that the schema does not know are not written.
    """
    payload_types = schema.payload_types

    def encode_envelope(message: Message, client_msg_id: str | None) -> bytes:
        payload_type = payload_types.get(type(message))
        if payload_type is None:
            raise LocalProtocolError(
                f"{type(message).__name__} has no payload type in release {schema.release}: "
                "it cannot be sent by itself, or is a message of another package"
            )
        return wrapped(payload_type, to_dict(message, _WHOLE), client_msg_id)

    return encode_envelope


def wrapped(payload_type: int, payload: object, client_msg_id: str | None) -> bytes:
    """The envelope around any JSON value as a payload."""
    envelope: dict[str, object] = {} if client_msg_id is None else {"clientMsgId": client_msg_id}
    envelope["payloadType"] = payload_type
    envelope["payload"] = payload
    return _write(envelope).encode("ascii")


def decoder(schema: Schema) -> Decode:
    """A function from a JSON text to what is in the envelope.

    It raises RemoteProtocolError when the text is no JSON ("Malformed JSON message at
    LINE:COLUMN", as the server says it) or no envelope. A payload that cannot be read is a value
    like any other; its bytes are then the JSON text of it.
    """
    by_payload_type = schema.by_payload_type

    def decode_envelope(data: bytes, start: int = 0, end: int | None = None, /) -> Received:
        outer = _object(data[start:end])
        payload_type = _payload_type(outer.get("payloadType"))
        client_msg_id = _client_msg_id(outer.get("clientMsgId"))
        given = outer.get("payload")
        payload: Any = {} if given is None else given  # a heartbeat may do without
        cls = by_payload_type.get(payload_type)
        if cls is None:
            return UnknownPayload(payload_type, _bytes(payload), client_msg_id)
        try:
            return Envelope(new_from_dict(cls, payload), client_msg_id)
        except DecodeError as error:
            return BadPayload(payload_type, _bytes(payload), client_msg_id, error)

    return decode_envelope


def _object(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"Malformed JSON message: {error.reason} in UTF-8") from None
    try:
        value = _read(text)
    except json.JSONDecodeError as error:
        raise _malformed(error.lineno, error.colno) from None
    except RecursionError:
        raise RemoteProtocolError("Malformed JSON message: nested too deep") from None
    except ValueError:
        raise _malformed(*_odd_number(text)) from None
    if not isinstance(value, dict):
        raise RemoteProtocolError("a JSON message: expected an object")
    return cast("dict[str, Any]", value)


def _malformed(line: int, column: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"Malformed JSON message at {line}:{column}")


def _odd_number(text: str) -> tuple[int, int]:
    """Where a number is that Python reads and JSON does not have, or one with too many digits."""
    odd = (found.start() for found in _CONSTANT.finditer(text) if found[1] is not None)
    at = next(odd, 0)
    before = text[:at]
    return before.count("\n") + 1, at - before.rfind("\n")


def _payload_type(given: object) -> int:
    if isinstance(given, str) and _DIGITS.fullmatch(given):
        return int(given)
    if not isinstance(given, int) or isinstance(given, bool):
        raise RemoteProtocolError("a JSON message: expected an integer as payloadType")
    return given


def _client_msg_id(given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given
    raise RemoteProtocolError("a JSON message: expected a string as clientMsgId")


def _bytes(payload: object) -> bytes:
    try:
        return _write(payload).encode("ascii")
    except ValueError:  # a number that is too large for a double
        return b"null"
