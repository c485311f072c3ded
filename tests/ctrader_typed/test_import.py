"""What the package gives is there when it is wanted, and is not brought along before."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ctrader_typed

LATER = ("ctrader_typed.account", "ctrader_typed.market", "ctrader_typed.symbols")
EXTRAS = ("numpy", "pandas", "polars", "pyarrow", "nanoarrow", "google.protobuf", "grpc_tools")


def loaded_by(program: str) -> set[str]:
    program += "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_an_import_brings_no_account_and_no_extra() -> None:
    assert loaded_by("from ctrader_typed import Message").isdisjoint({*LATER, *EXTRAS})


def test_the_package_alone_brings_neither_trio_nor_messages() -> None:
    loaded = loaded_by("import ctrader_typed")
    assert loaded.isdisjoint({"trio", "betterproto", "ctrader_typed.proto", "ctrader_typed.api"})


def test_each_name_is_the_one_that_type_checkers_see() -> None:
    tree = ast.parse(Path(ctrader_typed.__file__).read_text(encoding="utf-8"))
    (seen, *_) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in seen.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) > 20
    for node in imports:
        module = import_module(f"ctrader_typed.{node.module}" if node.module else "ctrader_typed")
        for name in (each.name for each in node.names if each.name != "*"):
            mine, theirs = getattr(ctrader_typed, name), getattr(module, name)
            assert inspect.unwrap(mine) is inspect.unwrap(theirs), name


def test_a_part_of_the_package_is_there_without_an_import_of_its_own() -> None:
    assert "ctrader_typed.units" in loaded_by("import ctrader_typed; ctrader_typed.units.lots")


def test_a_star_brings_all_names() -> None:
    program = "from ctrader_typed import *\nconnect, Account, ProtoOASpotEvent, codec_info()"
    assert "ctrader_typed.account" in loaded_by(program)


def test_an_account_brings_what_it_needs_and_no_extra() -> None:
    loaded = loaded_by("from ctrader_typed import Account")
    assert loaded.issuperset(LATER)
    assert loaded.isdisjoint(EXTRAS)


def test_every_name_that_is_promised_is_there() -> None:
    assert set(ctrader_typed.__all__) <= set(dir(ctrader_typed))
    for name in ctrader_typed.__all__:
        assert getattr(ctrader_typed, name) is not None
    assert ctrader_typed.Account is ctrader_typed.account.Account


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="module 'ctrader_typed' has no attribute 'Acount'"):
        ctrader_typed.Acount  # type: ignore[attr-defined]  # noqa: B018  # misspelt on purpose
    assert not hasattr(ctrader_typed, "quotes")  # it is in `market`
