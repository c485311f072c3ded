"""Fixtures for pytest: a cTrader server for a test, in its own thread or in the test's trio loop.

`mock_ctrader` serves synchronous and asyncio clients, and trio ones, over TLS on a free port.
`mock_ctrader_in_loop` (with pytest-trio) lives in the test's loop and so on its clock; it has
memory streams too. A mark says what is served:

@pytest.mark.mock_ctrader(seed=7, scenario="late-fill")

`mockserver.pytest_plugin` lists what it takes. pytest loads this module at every start, so it
imports nothing before a fixture is asked for; and by a name of ours, for `mockserver` may be the
name of somebody's own module.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

import pytest

from .companions import load

if TYPE_CHECKING:
    from mockserver.server.server import MockServer
    from mockserver.threaded import ThreadedServer

_MARK = "mock_ctrader"


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(session, pace, order, record_mode, upstream, scenario, faults, seed, "
        "tick_seconds, start, tls, wires, proxy_rules, check): what the mock cTrader server serves",
    )


@pytest.fixture
def mock_ctrader(request: pytest.FixtureRequest) -> Generator[ThreadedServer, None, None]:
    """A server in a thread. Afterwards, what a client should not have done is an error."""
    yield from _fixtures().in_thread(request)


async def mock_ctrader_in_loop(
    request: pytest.FixtureRequest,
) -> AsyncGenerator[MockServer, None]:
    """A server in the test's loop. Afterwards, what a client should not have done is an error."""
    async with _fixtures().in_loop(request) as server:
        yield server


# What pytest_trio.trio_fixture does: to import it here would import trio.
mock_ctrader_in_loop._force_trio_fixture = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]  # as it does
mock_ctrader_in_loop = pytest.fixture(mock_ctrader_in_loop)


def _fixtures() -> Any:
    return load("mockserver.pytest_plugin")
