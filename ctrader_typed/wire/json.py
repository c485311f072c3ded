"""Envelopes in JSON ↔ values: `{"clientMsgId": …, "payloadType": …, "payload": {…}}`.

How a message looks as an object is `dialect`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn, cast

from ..errors import DecodeError, LocalProtocolError, RemoteProtocolError
from ..message import Message
from ..message.json_format import Style, new_from_dict, to_dict
from ..schema import Schema
from .envelope import BadPayload, Decode, Envelope, Received, UnknownPayload

_WHOLE = Style(complete=True)
_DIGITS = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_ODD_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN|-?[0-9]{4000,})', re.DOTALL)
_WRONG = re.compile(r"[\w$]+|\\u[0-9A-Fa-f]{0,3}.?|\\.?|.?", re.DOTALL)
_LINE_END = re.compile(r"\r\n?|\n")

_write = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_read = json.JSONDecoder(parse_constant=_no_constant).decode


def encoder(schema: Schema, *, empty: bool = True) -> Callable[[Message, str | None], bytes]:
    """A function from a message and its id to an envelope as a JSON text.

    `empty` is whether a message without fields has an empty payload, as clients write it, or none,
    as the server does (recorded).

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
        payload = to_dict(message, _WHOLE)
        return wrapped(payload_type, payload if payload or empty else None, client_msg_id)

    return encode_envelope


def wrapped(payload_type: int, payload: object, client_msg_id: str | None) -> bytes:
    """The envelope around any JSON value as a payload; None is left out."""
    envelope: dict[str, object] = {} if client_msg_id is None else {"clientMsgId": client_msg_id}
    envelope["payloadType"] = payload_type
    if payload is not None:
        envelope["payload"] = payload
    return _write(envelope).encode("ascii")


def decoder(schema: Schema, lenient: bool = False) -> Decode:
    """A function from a JSON text to what is in the envelope.

    `lenient` takes required fields of the payload that are missing for zero, where there is one. It
    raises RemoteProtocolError when the text is no JSON ("Malformed JSON message at LINE:COLUMN", as
    the server says it: behind what is wrong) or no envelope. A payload that cannot be read is a
    value like any other; its bytes are then the JSON text of it.
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
            return Envelope(new_from_dict(cls, payload, lenient=lenient), client_msg_id)
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
        raise _malformed(text, *_wrong(text, error)) from None
    except RecursionError:
        raise RemoteProtocolError("Malformed JSON message: nested too deep") from None
    except ValueError:
        raise _malformed(text, *_odd_number(text)) from None
    if not isinstance(value, dict):
        raise RemoteProtocolError("a JSON message: expected an object")
    return cast("dict[str, Any]", value)


def _malformed(text: str, start: int, end: int) -> RemoteProtocolError:
    """The server's text about what is wrong from `start` to `end`.

    It counts as Jackson does: the line in which it starts and the column behind it, from 1
    (recorded: `hello` is malformed at 1:6).
    """
    lines = list(_LINE_END.finditer(text, 0, start))
    begun = lines[-1].end() if lines else 0
    where = f"{len(lines) + 1}:{end - begun + 1}"
    return RemoteProtocolError(f"Malformed JSON message at {where}")


def _wrong(text: str, error: json.JSONDecodeError) -> tuple[int, int]:
    """What the parser of Python stumbled over: a word, an escape, one other character, the end."""
    start = error.pos
    if error.msg.startswith("Unterminated string"):
        return start, len(text)
    if error.msg.startswith("Illegal trailing comma"):  # Python 3.13: the comma, not what follows
        start = len(text) - len(text[start + 1 :].lstrip())
    if error.msg.startswith("Invalid \\"):
        start = text.rfind("\\", 0, start + 1)
    found = _WRONG.match(text, start)
    return start, start if found is None else found.end()


def _odd_number(text: str) -> tuple[int, int]:
    """Where a number is that Python reads and JSON does not have, or one with too many digits."""
    odd = (found.span() for found in _ODD_NUMBER.finditer(text) if found[1] is not None)
    return next(odd, (0, len(text)))


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
