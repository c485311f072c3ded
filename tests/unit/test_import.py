"""What the package gives is there when it is wanted, and is not brought along before."""

from __future__ import annotations

import subprocess
import sys

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
    assert loaded_by("import ctrader_typed").isdisjoint({*LATER, *EXTRAS})


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
