"""Fixtures for pytest: a cTrader server for a test, in its own thread or in the test's trio loop.

`mock_ctrader` serves synchronous and asyncio clients, and trio ones, over TLS on a free port.
`mock_ctrader_in_loop` (with pytest-trio) lives in the test's loop and so on its clock; it has
memory streams too. A mark says what is served:

    @pytest.mark.mock_ctrader(seed=7, scenario="late-fill")

`session` (a file to play instead of the broker) with `pace`, `order` ("strict" or "any"),
`record_mode` ("once", "new_episodes" or "all") and the `upstream` that is recorded (an `Upstream`);
`scenario` (a name or a file), `faults` (a list), `seed`, `tick_seconds` (how far ticks are apart,
as for Box), `tls`, `wires` (a list of doors: "tls", "wss", "json-wss", …), `etiquette`, and
`check=False`, which lets clients break the rules that are watched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from .behaviour import BehaviourFactory
    from .cassette import Cassette
    from .server import MockServer
    from .threaded import ThreadedServer

_MARK = "mock_ctrader"
_DOORS = ("tls", "wires")
_MARKET = ("tick_seconds", "etiquette")
_PLAYING = ("pace", "order", "record_mode", "upstream")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(session, pace, order, record_mode, upstream, scenario, faults, seed, "
        "tick_seconds, tls, wires, etiquette, check): what the mock cTrader server serves",
    )


@pytest.fixture
def mock_ctrader(request: pytest.FixtureRequest) -> Generator[ThreadedServer, None, None]:
    """A server in a thread. Afterwards, what a client should not have done is an error."""
    from .threaded import ThreadedServer  # noqa: PLC0415 - pytest need not load it at every start

    wish = _Wish.of(request)
    with ThreadedServer(wish.behaviours, **wish.options) as server:
        yield server
    wish.check(server)


async def _in_loop(request: pytest.FixtureRequest) -> AsyncGenerator[MockServer, None]:
    """A server in the test's loop. Afterwards, what a client should not have done is an error."""
    from .cassette import passing_on  # noqa: PLC0415 - pytest need not load it at every start
    from .server import mock_server  # noqa: PLC0415

    wish = _Wish.of(request)
    async with (
        passing_on(wish.behaviours),
        mock_server(wish.behaviours, **wish.options) as server,
    ):
        yield server
    wish.check(server)


if find_spec("pytest_trio") is not None:
    import pytest_trio  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it ships no types

    _fixture = cast("Callable[[Any], Any]", pytest_trio.trio_fixture)  # pyright: ignore[reportUnknownMemberType]  # as above
    mock_ctrader_in_loop = _fixture(_in_loop)


@dataclass(frozen=True)
class _Wish:
    """What a test's mark asks for."""

    behaviours: BehaviourFactory
    options: dict[str, Any]
    rules: bool
    played: Callable[[], None] | None

    @classmethod
    def of(cls, request: pytest.FixtureRequest) -> _Wish:
        from .box import Box  # noqa: PLC0415 - pytest need not load it at every start
        from .faults.files import scenario  # noqa: PLC0415
        from .faults.plan import Plan  # noqa: PLC0415

        mark = request.node.get_closest_marker(_MARK)
        asked: dict[str, Any] = {} if mark is None else dict(mark.kwargs)
        options: dict[str, Any] = {key: asked.pop(key) for key in _DOORS if key in asked}
        seed = asked.pop("seed", 0)
        named, faults = asked.pop("scenario", None), asked.pop("faults", ())
        planned = [] if named is None else list(scenario(named).faults)
        if planned or faults:
            options["faults"] = Plan([*planned, *faults], seed)
        rules = asked.pop("check", True)
        market = {key: asked.pop(key) for key in _MARKET if key in asked}
        session = asked.pop("session", None)
        playing = {key: asked.pop(key) for key in _PLAYING if key in asked}
        if asked:
            raise pytest.UsageError(f"the mark {_MARK} has no {', '.join(asked)}")
        if session is not None:
            cassette = _cassette(session, **playing)
            return cls(cassette, options, rules, cassette.check)
        if playing:
            raise pytest.UsageError(f"{', '.join(playing)}: only a session has that")
        return cls(Box(seed=seed, **market), options, rules, None)

    def check(self, server: MockServer | ThreadedServer) -> None:
        """What is watched without being asked."""
        if self.played is not None:
            self.played()
        if self.rules:
            server.check()


def _cassette(path: str, record_mode: str = "none", **playing: Any) -> Cassette:
    from ctrader_typed.proto import SCHEMA  # noqa: PLC0415 - pytest need not load it at every start

    from .cassette import Cassette  # noqa: PLC0415

    return Cassette(path, SCHEMA, record_mode, **playing)
