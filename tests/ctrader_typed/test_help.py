"""`help()` and `dir()` of everything public: they work, and show what is meant to be used."""

from __future__ import annotations

import inspect
import pydoc
from importlib import import_module
from typing import Any

import pytest

import ctrader_typed
from ctrader_typed import Message, ProtoOANewOrderReq

PACKAGES = [
    "ctrader_typed",
    "ctrader_typed.account",
    "ctrader_typed.client",
    "ctrader_typed.market",
    "ctrader_typed.message",
    "ctrader_typed.symbols",
    "ctrader_typed.tokens",
    "ctrader_typed.units",
]
MODULES = [*PACKAGES, "ctrader_typed.errors", "ctrader_typed.oauth", "ctrader_typed.proto"]


def documented(thing: Any) -> str:
    return pydoc.render_doc(thing, renderer=pydoc.plaintext)


@pytest.mark.parametrize("name", MODULES)
def test_help_of_a_module_shows_its_names(name: str) -> None:
    module = import_module(name)
    text = documented(module)
    for each in getattr(module, "__all__", ()):
        assert each in text


@pytest.mark.parametrize("package", PACKAGES)
def test_help_of_each_public_name_is_a_page(package: str) -> None:
    module = import_module(package)
    for name in module.__all__:
        thing = getattr(module, name)
        if not isinstance(thing, str):  # of a text, pydoc shows what has that name
            assert len(documented(thing)) > 40, name


def test_help_of_a_message_shows_its_constructor_and_its_fields() -> None:
    text = documented(ProtoOANewOrderReq)
    joined = " ".join(text.replace("|", " ").split()).replace("( ", "(")  # 3.13 breaks the lines
    assert "ProtoOANewOrderReq(*, payload_type: " in joined
    assert "relative_stop_loss: 'int | None' = None" in text
    assert "\n |  client_order_id\n" in text


def test_help_of_an_instance_and_of_the_base_class_is_a_page() -> None:
    assert "Places an order" in documented(ProtoOANewOrderReq())
    assert "The base of every generated message" in documented(Message)


def test_inspect_walks_through_a_message_class() -> None:
    names = {name for name, *_ in inspect.classify_class_attrs(ProtoOANewOrderReq)}
    assert {"_betterproto", "symbol_id", "to_dict"} <= names


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_shows_public_names_only(package: str) -> None:
    module = import_module(package)
    assert set(dir(module)) - {"__version__"} == set(module.__all__)


def test_the_version_is_in_dir() -> None:
    assert "__version__" in dir(ctrader_typed)
