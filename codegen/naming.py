"""The only place that changes a spelling."""

from __future__ import annotations

import keyword
import re

# Words of the schema that do not split where their capitals do.
ODD_WORDS = {"PnL": "Pnl"}

# Attributes that every message, every enum or the client has already.
RESERVED_FIELDS = frozenset({"parse", "load", "dump", "is_set", "blank", "message_fields"})

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SECRET = re.compile(r"(secret|token|clientid)$", re.IGNORECASE)


def snake_case(name: str) -> str:
    """`ctidTraderAccountId` → `ctid_trader_account_id`, `AmendPositionSLTP` → `amend_position_sltp`."""
    for odd, regular in ODD_WORDS.items():
        name = name.replace(odd, regular)
    snake = _BOUNDARY.sub("_", name).lower()
    return f"{snake}_" if keyword.iskeyword(snake) or snake in RESERVED_FIELDS else snake


def module_name(file: str) -> str:
    """`OpenApiMessages.proto` → `open_api_messages`."""
    return snake_case(file.removesuffix(".proto"))


def method_name(request: str) -> str:
    """`ProtoOANewOrderReq` → `new_order`."""
    return snake_case(re.sub(r"^Proto(OA)?|Req$", "", request))


def function_name(message: str) -> str:
    """`ProtoOASpotEvent` → `spot_event`: the end of the names of its codec functions."""
    return snake_case(re.sub(r"^Proto(OA)?", "", message))


def member_name(value: str) -> str:
    """An enum value's name; a Python keyword gets an underscore."""
    return f"{value}_" if keyword.iskeyword(value) else value


def is_secret(key: str) -> bool:
    """Whether a text field is a credential that no repr may show."""
    return _SECRET.search(key) is not None
