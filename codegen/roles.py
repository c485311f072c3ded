"""Who sends a message: what the names of a schema tell of it, and what its fields carry along."""

from __future__ import annotations

from dataclasses import dataclass

from .build import is_envelope
from .exchanges import is_request
from .model import Declared, Message


@dataclass(frozen=True, slots=True)
class Roles:
    """The messages that clients send, and those that they receive; many are both."""

    sent: frozenset[str]
    received: frozenset[str]


def roles(*schemas: Declared) -> Roles:
    """The roles that messages have in any of the schemas.

    Clients send requests and receive everything else that has a payload type. What is declared
    beside the envelope belongs to the link (errors, heartbeats): both ends may send it, and so they
    may what nothing refers to.
    """
    sent: set[str] = set()
    received: set[str] = set()
    for declared in schemas:
        link = {m.file for m in declared.messages if is_envelope(m)}
        for message in declared.messages:
            both = message.file in link
            if both or is_request(message):
                _add_with_parts(declared, message, sent)
            if both or (message.payload_type is not None and not is_request(message)):
                _add_with_parts(declared, message, received)
    unreferred = {m.name for d in schemas for m in d.messages} - sent - received
    return Roles(frozenset(sent | unreferred), frozenset(received | unreferred))


def _add_with_parts(declared: Declared, message: Message, names: set[str]) -> None:
    if message.name in names:
        return
    names.add(message.name)
    for f in message.fields:
        if f.kind == "message" and f.type_name in declared.message:
            _add_with_parts(declared, declared.message[f.type_name], names)
