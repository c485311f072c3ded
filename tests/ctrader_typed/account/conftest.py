"""Tests with a client run twice: in our release, and in a package made from another one."""

from __future__ import annotations

import pytest

from tests.support.releases import both_releases, release

__all__ = ["release"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever connects does so by `at_work`."""
    both_releases(metafunc, "at_work")
