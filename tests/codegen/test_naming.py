"""Spellings, and that the lists of taken names are those of the classes that need them."""

import ast
import keyword

import pytest

from codegen import naming, taken
from codegen.model import Schema
from ctrader_typed.client import Client
from ctrader_typed.enums import Enum
from ctrader_typed.message import Request
from ctrader_typed.proto import Methods


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("ctidTraderAccountId", "ctid_trader_account_id"),
        ("skipSWAPPeriods", "skip_swap_periods"),
        ("grossUnrealizedPnL", "gross_unrealized_pnl"),
        ("utcLastUpdateTimestamp", "utc_last_update_timestamp"),
        ("symbol_id", "symbol_id"),
        ("from", "from_"),
        ("load", "load_"),
        ("list", "list_"),
        ("self", "self_"),
    ],
)
def test_fields(key: str, name: str) -> None:
    assert naming.field_name(key) == name


@pytest.mark.parametrize(
    ("request_name", "method"),
    [
        ("ProtoOANewOrderReq", "new_order"),
        ("ProtoOAAmendPositionSLTPReq", "amend_position_sltp"),
        ("ProtoOAv1PnLChangeSubscribeReq", "v1_pnl_change_subscribe"),
        ("ProtoImportReq", "import_"),
        ("ProtoOAEventsReq", "events_"),
        ("ProtoOA2FactorReq", "proto_oa2_factor"),
        ("ProtoOAReq", "proto_oa"),
        ("PingReq", "ping"),
        ("Req", "req"),
    ],
)
def test_methods(request_name: str, method: str) -> None:
    assert naming.method_name(request_name) == method
    assert method.isidentifier()
    assert not keyword.iskeyword(method)


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("OpenApiMessages.proto", "open_api_messages"),
        ("v2/open-api.proto", "v2_open_api"),
        ("2fa.proto", "proto_2fa"),
        ("import.proto", "import_"),
    ],
)
def test_modules(file: str, module: str) -> None:
    assert naming.module_name(file) == module


@pytest.mark.parametrize(
    ("key", "name"), [("BUY", "BUY"), ("None", "None_"), ("name", "name_"), ("real", "real_")]
)
def test_enum_values(key: str, name: str) -> None:
    assert naming.member_name(key) == name


def public(cls: type) -> set[str]:
    return {name for name in (*dir(cls), *dir(type(cls))) if not name.startswith("_")}


def test_no_field_hides_an_attribute_of_messages() -> None:
    assert public(Request) - taken.FIELDS_TAKEN == {"FromString", "SerializeToString"}  # no snake


def test_no_enum_value_hides_an_attribute_of_enums() -> None:
    class Side(Enum):
        BUY = 1

    instance = {name for name in dir(Side.BUY) if not name.startswith("_")}
    assert (public(Side) | instance) - taken.MEMBERS_TAKEN == {"BUY"}


def test_no_method_hides_an_attribute_of_the_client(ours: Schema) -> None:
    generated = {exchange.method for exchange in ours.exchanges}
    assert generated <= public(Methods)
    missing = public(Client) - taken.METHODS_TAKEN - {"mro"}
    assert not missing, f"add {missing} to METHODS_TAKEN in codegen/taken.py"
    assert not generated & public(Client)


def test_no_class_hides_a_name_that_the_generated_code_uses(
    ours: Schema, our_package: dict[str, str]
) -> None:
    used = {
        node.id
        for path, text in our_package.items()
        if path.endswith(".py")  # in Cython, classes are named with their module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name) and node.id[0].isupper()
    }
    used -= {*ours.message, *ours.enum}
    used -= {value.name for enum in ours.enums for value in enum.values}  # live in their enum
    assert {name for name in used if not naming.class_is_taken(name)} == set()
    assert "Irregular" in used


def test_secrets() -> None:
    assert all(map(naming.is_secret, ("accessToken", "clientSecret", "clientId", "refreshToken")))
    assert not any(map(naming.is_secret, ("clientMsgId", "clientOrderId", "tokenType")))
