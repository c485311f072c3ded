"""Fixtures of the tests of the market."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from tests.support.releases import both_releases, release

__all__ = ["release"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run twice what connects by `fed`: in our release and in a package made from another one."""
    both_releases(metafunc, "fed")


@pytest.fixture
def threads_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual clock would run on, from deadline to deadline, for as long as a thread works."""

    async def at_once(work: Callable[..., Any], *args: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
