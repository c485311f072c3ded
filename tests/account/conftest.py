"""Tests with a client run twice: in our release, and in a package made from another one."""

from __future__ import annotations

import pytest

import ctrader_typed
from tests import accounts
from tests.releases import another_release


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever connects does so by `at_work`; what names a release itself runs once."""
    names = {*metafunc.function.__code__.co_names, *metafunc.fixturenames}
    if "at_work" in names and not names & {"another_release", "old_release", "compiled"}:
        metafunc.fixturenames.append("release")
        metafunc.parametrize("release", ["ours", "another"], indirect=True)


@pytest.fixture
def release(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that `at_work` connects with."""
    package = another_release() if request.param == "another" else ctrader_typed
    monkeypatch.setattr(accounts, "PACKAGE", package)
