"""The only place that changes a spelling."""

from __future__ import annotations

import builtins
import keyword
import re

from .taken import CLASSES_TAKEN, FIELDS_TAKEN, MEMBERS_TAKEN, METHODS_TAKEN

# Words of the schema that do not split where their capitals do.
ODD_WORDS = {"PnL": "Pnl"}

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SECRET = re.compile(r"(secret|token|clientid)$", re.IGNORECASE)


def snake_case(name: str) -> str:
    """`ctidTraderAccountId` → `ctid_trader_account_id`, `AmendSLTP` → `amend_sltp`."""
    for odd, regular in ODD_WORDS.items():
        name = name.replace(odd, regular)
    return _BOUNDARY.sub("_", name).lower()


def field_name(key: str) -> str:
    """`symbolId` → `symbol_id`, `from` → `from_`."""
    return _free(snake_case(key), FIELDS_TAKEN)


def default_name(name: str) -> str:
    """`time_in_force` → `time_in_force_or_default`, `from_` → `from_or_default`."""
    return f"{name.removesuffix('_')}_or_default"


def module_name(file: str) -> str:
    """`OpenApiMessages.proto` → `open_api_messages`, `v2/open-api.proto` → `v2_open_api`."""
    name = re.sub(r"\W", "_", snake_case(file.removesuffix(".proto")))
    return _free(name if name.isidentifier() else f"proto_{name}", frozenset())


def method_name(request: str) -> str:
    """`ProtoOANewOrderReq` → `new_order`."""
    bare = snake_case(request.removesuffix("Req"))
    short = snake_case(re.sub(r"^Proto(OA)?|Req$", "", request))
    return _free(short if short.isidentifier() else bare or "req", METHODS_TAKEN)


def function_name(message: str) -> str:
    """`ProtoOASpotEvent` → `proto_oa_spot_event`: the end of the names of its codec functions."""
    return snake_case(message)


def member_name(key: str) -> str:
    """An enum value's name: the schema's own, as far as Python allows it."""
    return _free(key, MEMBERS_TAKEN)


def class_is_taken(name: str) -> bool:
    """Whether a message or enum of that name would hide something that the generated code needs."""
    return name in CLASSES_TAKEN or keyword.iskeyword(name) or hasattr(builtins, name)


def _free(name: str, taken: frozenset[str]) -> str:
    return f"{name}_" if keyword.iskeyword(name) or name in taken else name


def is_secret(key: str) -> bool:
    """Whether a text field is a credential that no repr may show."""
    return _SECRET.search(key) is not None
