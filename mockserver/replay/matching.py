"""Whether a message is the expected one, and if not, in which fields.

Every field counts, absent ones too, except the inner payload type, which servers ignore, and those
that are to be ignored. Values are shown as a person reads them; secrets are not shown at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ctrader_typed.message import Message
from ctrader_typed.message.fields import Field

from ..recordings.placeholders import ANY, REDACTED, Payload, as_list, as_object

ABSENT = "absent"
UNKNOWN_FIELDS = "unknown fields"
"""Stands for the fields that the schema does not have, which may be ignored like any other."""

_WIDEST = 48
_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as expected, its path as in `position.tradeData.volume`."""

    field: str
    expected: str
    came: str


def differences(
    cls: type[Message], expected: Payload, message: Message, ignore: Collection[str] = ()
) -> list[Difference]:
    """What differs between a message of class `cls` and a normal payload, by field number.

    `ignore` has paths, without indices in lists: `symbolId`, `trader.balance`, or, for one message
    only, `ProtoOATraderRes.trader.balance`.
    """
    own = f"{cls.__name__}."
    ignored = {path.removeprefix(own) for path in ignore}
    found = list(_fields(cls, expected, message.to_dict(), ""))
    unknown = unknown_bytes(message)
    if unknown:
        found.append(Difference(UNKNOWN_FIELDS, ABSENT, f"{unknown} bytes"))
    return [each for each in found if _INDEX.sub("", each.field) not in ignored]


def unknown_bytes(message: Message) -> int:
    """How many bytes of fields that the schema does not have are in a message and its parts."""
    count = len(message._unknown_fields)  # pyright: ignore[reportPrivateUsage]  # betterproto's
    count += len(message._unknown_json)  # pyright: ignore[reportPrivateUsage]  # the same in JSON
    for f in type(message).message_fields:
        if f.kind == "message":
            value = getattr(message, f.name)
            parts = as_list(value) or [value]
            count += sum(unknown_bytes(part) for part in parts if part is not None)
    return count


def _fields(
    cls: type[Message], expected: Payload, came: Payload, path: str
) -> Iterator[Difference]:
    for f in cls.message_fields:
        if path == "" and f.key == "payloadType":
            continue
        yield from _field(cls, f, expected.get(f.key), came.get(f.key), f"{path}{f.key}")


def _field(
    cls: type[Message], f: Field, expected: Any, came: Any, path: str
) -> Iterator[Difference]:
    if expected == ANY or (expected == REDACTED and came is not None):
        return
    wanted, got = as_list(expected), as_list(came)
    if wanted is not None and got is not None and len(wanted) == len(got):
        for index, (one, other) in enumerate(zip(wanted, got, strict=True)):
            yield from _field(cls, f, one, other, f"{path}[{index}]")
        return
    inner, other = as_object(expected), as_object(came)
    if inner is not None and other is not None:
        yield from _fields(cls.class_of(f), inner, other, f"{path}.")
    elif expected != came:
        yield Difference(path, shown(cls, f, expected), shown(cls, f, came))


def shown(cls: type[Message], f: Field, value: Any) -> str:
    """A value of this field in cTrader's JSON, as a report shows it: short, and no secret."""
    if value is None:
        return ABSENT
    text = _text(cls, f, value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _text(cls: type[Message], f: Field, value: Any) -> str:
    items = as_list(value)
    if items is not None:
        return f"[{', '.join(_text(cls, f, item) for item in items)}]"
    if value in (ANY, REDACTED):
        return str(value)
    if f.secret:
        return "***"
    if f.kind == "enum":
        member = cls.class_of(f)(value)
        return f"{member} ({value})"
    inner = as_object(value)
    if inner is not None:
        part = cls.class_of(f)
        own = {g.key: g for g in part.message_fields}
        known = (key for key in inner if key in own)
        return f"{{{', '.join(f'{key}: {_text(part, own[key], inner[key])}' for key in known)}}}"
    return json.dumps(value, ensure_ascii=False)
