"""Session files: what went over one connection, message by message, as JSON Lines.

`docs/sessions.md` describes the format. Reading one checks every line against the schema; a fault
names the line.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ctrader_typed.errors import DecodeError
from ctrader_typed.message import Message
from ctrader_typed.schema import Schema

from ..errors import SessionError, StaleSession, TornSession
from .placeholders import as_list, as_object, example, fill, normal, plain_field, templates
from .templates import fresh_name, request_field, since_now

FORMAT = 1
"""The version of the format that is written, and the newest that is read."""


class Direction(StrEnum):
    """Who sent a message."""

    CLIENT = "client"
    SERVER = "server"


class Order(StrEnum):
    """In which order the client's messages must come."""

    STRICT = "strict"
    """As they are recorded."""
    ANY = "any"
    """Any: each is answered as it was when it was recorded."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message of a session.

    `payload` is in cTrader's JSON, markers included; `wire` the payload's bytes where they were
    recorded. `cls` is None for a payload type that the schema does not have. `t` is in seconds
    since the session began. `ignore` names fields that may differ.
    """

    line: int
    direction: Direction
    payload_type: int
    cls: type[Message] | None
    payload: Mapping[str, Any]
    client_msg_id: str | None
    t: float
    wire: bytes | None
    ignore: frozenset[str]

    @property
    def name(self) -> str:
        """What the message is called."""
        return f"payload type {self.payload_type}" if self.cls is None else self.cls.__name__

    @property
    def by_client(self) -> bool:
        """Whether the client is expected to send it."""
        return self.direction is Direction.CLIENT


@dataclass(frozen=True, slots=True)
class Session:
    """A recorded conversation on one connection; `name` is where it came from."""

    name: str
    schema: Schema
    records: tuple[Record, ...]
    order: Order = Order.STRICT

    @property
    def expects(self) -> bool:
        """Whether a client has anything to say in it."""
        return any(record.by_client for record in self.records)


def load_session(path: str | Path, schema: Schema) -> Session:
    """Read a session file.

    Raises SessionError if it cannot be read or is not one; warns with StaleSession if it was
    recorded with another schema, and with TornSession if its last line breaks off.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SessionError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise SessionError(f"{path} is not UTF-8 text: {error}") from None
    lines = whole_lines(text)
    if any(torn.strip() for torn in text.split("\n")[len(lines) :]):
        torn = f"{path}, line {len(lines) + 1} was not written to its end, and is left out"
        warnings.warn(torn, TornSession, stacklevel=2)
    return read_session(lines, schema, str(path))


def whole_lines(text: str) -> list[str]:
    """The lines of a session file, without a last one that breaks off: its writer was killed."""
    *lines, last = text.split("\n")
    try:
        json.loads(last)
    except ValueError:
        return lines
    return [*lines, last]


def nth_file(path: str | Path, number: int) -> Path:
    """The file for the nth connection: `s.jsonl`, then `s-2.jsonl`, …"""
    first = Path(path)
    if number == 1:
        return first
    suffixes = "".join(first.suffixes)
    return first.with_name(f"{first.name.removesuffix(suffixes)}-{number}{suffixes}")


def read_session(lines: Iterable[str], schema: Schema, name: str = "<session>") -> Session:
    """Read the lines of a session file; raises and warns as `load_session`."""
    reader = _Reader(schema)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            reader.take(number, line)
        except DecodeError as error:
            raise SessionError(f"{name}, line {number}: {error}") from None
    if not reader.records:
        raise SessionError(f"{name} has no messages")
    if reader.stale is not None:
        warnings.warn(f"{name} {reader.stale}", StaleSession, stacklevel=2)
    return Session(name, schema, tuple(reader.records), reader.order)


def header(schema: Schema, **more: Any) -> str:
    """The first line of a session file recorded with this schema."""
    recorded = {"release": schema.release, "digest": schema.digest}
    return json.dumps({"session": FORMAT, "schema": recorded, **more}, ensure_ascii=False)


class _Reader:
    """Reads one line after the other; a DecodeError says what is wrong with the line."""

    def __init__(self, schema: Schema) -> None:
        self.records: list[Record] = []
        self.stale: str | None = None
        self.order = Order.STRICT
        self._schema = schema
        self._ignore: frozenset[str] = frozenset()
        self._requests: dict[str, Record] = {}  # the latest with each clientMsgId
        self._fresh: set[str] = set()  # the names of fresh numbers that the server has sent

    def take(self, number: int, line: str) -> None:
        try:
            entry = as_object(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"not JSON: {error}") from None
        if entry is None:
            raise DecodeError("expected a JSON object")
        entry.pop("note", None)
        if "session" in entry:
            self._header(entry)
        else:
            self._record(number, entry)
        if entry:
            raise DecodeError(f"unknown {_listed(entry)}")

    def _header(self, entry: dict[str, Any]) -> None:
        if self.records:
            raise DecodeError("a header belongs on the first line")
        version = _take(entry, "session", int)
        if version != FORMAT:
            raise DecodeError(f"format {version} is not known; expected {FORMAT}")
        self._ignore = _names(entry)
        order = _take(entry, "order", str, Order.STRICT)
        if order not in tuple(Order):
            raise DecodeError(f"'order': expected 'strict' or 'any', got {order!r}")
        self.order = Order(order)
        recorded = as_object(entry.pop("schema", {}))
        if recorded is None:
            raise DecodeError("'schema': expected an object with 'release' and 'digest'")
        digest = recorded.get("digest", self._schema.digest)
        if digest != self._schema.digest:
            self.stale = (
                f"was recorded with another schema (release {recorded.get('release', '?')}, digest "
                f"{digest}) than this one (release {self._schema.release}, digest "
                f"{self._schema.digest}): record it again if it no longer plays"
            )

    def _record(self, number: int, entry: dict[str, Any]) -> None:
        side = _take(entry, "direction", str)
        if side not in tuple(Direction):
            raise DecodeError(f"'direction': expected 'client' or 'server', got {side!r}")
        payload_type, cls = self._type(entry)
        payload, wire = _payload(cls, entry)
        before = self.records[-1].t if self.records else 0.0
        t = float(_take(entry, "t", (int, float), before))
        if not math.isfinite(t) or t < before:
            raise DecodeError(f"'t': {t:g} is before the message before it, at {before:g} seconds")
        record = Record(
            line=number,
            direction=Direction(side),
            payload_type=payload_type,
            cls=cls,
            payload=payload,
            client_msg_id=_take(entry, "clientMsgId", (str, type(None)), None),
            t=t,
            wire=wire,
            ignore=self._ignore | _names(entry),
        )
        self._check_templates(record)
        self.records.append(record)
        if record.by_client and record.client_msg_id is not None:
            self._requests[record.client_msg_id] = record

    def _type(self, entry: dict[str, Any]) -> tuple[int, type[Message] | None]:
        name = _take(entry, "message", (str, type(None)), None)
        payload_type: int | None = _take(entry, "payloadType", (int, type(None)), None)
        if name is None:
            if payload_type is None:
                raise DecodeError("expected 'message' or 'payloadType'")
            return payload_type, self._schema.by_payload_type.get(payload_type)
        named = self._schema.by_name.get(name)
        number = None if named is None else self._schema.payload_types.get(named)
        if named is None or number is None:
            raise DecodeError(f"release {self._schema.release} has no message {name!r} to send")
        if payload_type not in (None, number):
            raise DecodeError(f"{name} has payload type {number}, not {payload_type}")
        return number, named

    def _check_templates(self, record: Record) -> None:
        """Each must have a value when its time comes, and the messages be possible to make."""
        found = templates(record.payload)
        names = {name for name in map(fresh_name, found) if name is not None}
        paths = [path for path in map(request_field, found) if path is not None]
        if record.by_client:
            if paths:
                raise DecodeError("only what the server sends can quote a request")
            if any(since_now(each) is not None for each in found):
                raise DecodeError('only what the server sends can tell the time; write "<any>"')
            for name in sorted(names - self._fresh):
                raise DecodeError(f"<fresh:{name}>: no message of the server before it has made it")
            return
        self._fresh |= names
        request = self._requests.get(record.client_msg_id or "")
        quoted: list[dict[str, Any]] = [{}]
        for path in paths:
            if request is None or request.cls is None:
                raise DecodeError(f"<request:{path}>: no request before it has this clientMsgId")
            f = plain_field(request.cls, path)
            if f is None:
                raise DecodeError(f"<request:{path}>: {request.name} has no such plain field")
            quoted.append(example(path, f))
        if record.cls is not None and record.wire is None:
            for values in quoted:
                fill(record.cls, record.payload, values)


def _payload(
    cls: type[Message] | None, entry: dict[str, Any]
) -> tuple[Mapping[str, Any], bytes | None]:
    """The payload as written down, and its bytes if they are."""
    text = _take(entry, "wire_b64", (str, type(None)), None)
    try:
        wire = None if text is None else base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise DecodeError(f"'wire_b64' is not base64: {error}") from None
    given = entry.pop("payload", None)
    payload = as_object({} if given is None else given)
    if payload is None:
        raise DecodeError("'payload': expected an object")
    if cls is None:
        if payload:
            raise DecodeError("a payload type that the schema does not have needs 'wire_b64'")
        return payload, wire
    if wire is None:
        return normal(cls, payload), None
    if given is None:
        return _readable(cls, wire), wire
    payload = normal(cls, payload)
    read = cls.FromString(wire).to_dict()
    if payload != read:
        differ = [key for key in {**payload, **read} if payload.get(key) != read.get(key)]
        raise DecodeError(f"'payload' and 'wire_b64' do not agree: {', '.join(differ)}")
    return payload, wire


def _readable(cls: type[Message], wire: bytes) -> Mapping[str, Any]:
    """What these bytes say; nothing, where they are recorded because they say nothing."""
    try:
        return cls.FromString(wire).to_dict()
    except DecodeError:
        return {}


def _names(entry: dict[str, Any]) -> frozenset[str]:
    names = as_list(entry.pop("ignore", []))
    if names is None or not all(isinstance(name, str) for name in names):
        raise DecodeError("'ignore': expected a list of field names")
    return frozenset(names)


_NEEDED: Any = object()


def _take(entry: dict[str, Any], key: str, kinds: Any, default: Any = _NEEDED) -> Any:
    value = entry.pop(key, default)
    if value is _NEEDED:
        raise DecodeError(f"expected {key!r}")
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise DecodeError(f"{key!r}: {json.dumps(value)} is not what belongs there")
    return value


def _listed(entry: Mapping[str, Any]) -> str:
    return ", ".join(repr(key) for key in entry)
