"""Messages: proto2 semantics on betterproto's base class and API.

`base` is what a message can do, `declaration` how the body of a class becomes its fields,
`reflection` what dataclasses, inspect and betterproto see of it. Generated classes only declare
their fields.
"""

from __future__ import annotations

from .base import Message, Request, listed
from .declaration import MessageType, OrDefault, or_default
from .fields import field

__all__ = ["Message", "MessageType", "OrDefault", "Request", "field", "listed", "or_default"]


def __dir__() -> list[str]:
    return __all__
