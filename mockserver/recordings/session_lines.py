"""Messages as lines of a session file, without what is nobody's business.

Credentials and account logins are replaced by `<redacted>`. A payload's bytes are written only
where they say more than its fields do, and never where something was replaced.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from ctrader_typed.message import Message, codec
from ctrader_typed.schema import Schema
from ctrader_typed.wire.envelope import BadPayload, Envelope, UnknownPayload

from .placeholders import REDACTED, as_list, as_object
from .session_file import Direction

_LOGINS = frozenset({"traderLogin"})

Event = Envelope | UnknownPayload | BadPayload


def line(entry: dict[str, Any]) -> str:
    """An entry as a line of JSON, its end included."""
    return json.dumps(entry, ensure_ascii=False, separators=(", ", ": ")) + "\n"


def entry(
    schema: Schema, direction: Direction, event: Event, t: float, payload: bytes | None = None
) -> dict[str, Any]:
    """A message as a session file has it; `payload` are its bytes, where they are known."""
    result: dict[str, Any] = {"direction": str(direction), **_named(schema, event)}
    if event.client_msg_id is not None:
        result["clientMsgId"] = event.client_msg_id
    result["t"] = round(t, 6)
    if not isinstance(event, Envelope):
        cls = schema.by_payload_type.get(event.payload_type)
        if cls is None or not any(f.secret for f in cls.message_fields):
            result["wire_b64"] = base64.b64encode(event.payload).decode("ascii")
        return result
    message: Message = event.message
    shown, replaced = redacted(message)
    if shown:
        result["payload"] = shown
    if payload is not None and not replaced and _says_more(message, payload):
        result["wire_b64"] = base64.b64encode(payload).decode("ascii")
    return result


def _named(schema: Schema, event: Event) -> dict[str, Any]:
    if isinstance(event, Envelope):
        return {"message": type(event.message).__name__}
    cls = schema.by_payload_type.get(event.payload_type)
    return {"payloadType": event.payload_type} if cls is None else {"message": cls.__name__}


def _says_more(message: Message, payload: bytes) -> bool:
    """Whether these bytes are not what the message's fields alone would be written as."""
    return codec.encode(type(message).from_dict(message.to_dict())) != payload


def redacted(message: Message) -> tuple[dict[str, Any], bool]:
    """The fields in cTrader's JSON with secrets and logins replaced; whether any was."""
    shown = message.to_dict()
    return shown, _redact(type(message), shown)


def _redact(cls: type[Message], payload: dict[str, Any]) -> bool:
    replaced = False
    for f in cls.message_fields:
        if f.key not in payload:
            continue
        if f.secret or f.key in _LOGINS:
            payload[f.key] = REDACTED
            replaced = True
        elif f.kind == "message":
            value = payload[f.key]
            for part in as_list(value) or [value]:
                inner = as_object(part)
                replaced = (inner is not None and _redact(cls.class_of(f), inner)) or replaced
    return replaced
