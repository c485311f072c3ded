"""Which messages carry the traffic, read from the shape of the schema: no list of names to keep."""

from __future__ import annotations

from .model import Label, Message, Schema


def hot_messages(schema: Schema) -> tuple[Message, ...]:
    """The messages worth a straight-line codec, in the order of the schema.

    They are the envelope, events that stream rows (prices, depth), requests that an event answers
    (orders) with that event, answers that come in pages (bars, ticks, deals), and whatever these
    contain.
    """
    roots = {schema.envelope}
    for exchange in schema.exchanges:
        if exchange.response.endswith("Event"):
            roots |= {exchange.request, exchange.response}
    for message in schema.messages:
        streams_rows = message.name.endswith("Event") and any(
            f.kind == "message" and f.label is Label.REPEATED for f in message.fields
        )
        in_pages = any(f.kind == "bool" and f.key == "hasMore" for f in message.fields)
        if streams_rows or in_pages:
            roots.add(message.name)
    names: set[str] = set()
    for root in roots:
        _add_contained(schema, root, names)
    return tuple(m for m in schema.messages if m.name in names)


def _add_contained(schema: Schema, name: str, names: set[str]) -> None:
    if name in names:
        return
    names.add(name)
    for f in schema.message[name].fields:
        if f.kind == "message" and f.type_name is not None:
            _add_contained(schema, f.type_name, names)
