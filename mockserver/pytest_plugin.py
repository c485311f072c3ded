"""What the fixtures of `ctrader_typed.pytest_plugin` serve, and what their mark may say.

`session` (a file to play instead of the broker) with `pace`, `order` ("strict" or "any"),
`record_mode` ("once", "new_episodes" or "all") and the `upstream` that is recorded (an `Upstream`);
`scenario` (a name or a file), `faults` (a list), `seed`, `tick_seconds` (how far ticks are apart,
as for Box), `tls`, `wires` (a list of doors: "tls", "wss", "json-wss", …), `proxy_rules`, and
`check=False`, which lets clients break the rules that are watched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ctrader_typed.proto import SCHEMA

from .box import Box
from .composition import mock_server
from .faults.plan import Plan
from .faults.scenario_files import scenario
from .handler import HandlerFactory
from .replay.cassette import Cassette, passing_on
from .server.server import MockServer
from .threaded import ThreadedServer

_MARK = "mock_ctrader"
_DOORS = ("tls", "wires")
_MARKET = ("tick_seconds", "start", "proxy_rules")
_PLAYING = ("pace", "order", "record_mode", "upstream")


def in_thread(request: pytest.FixtureRequest) -> Generator[ThreadedServer, None, None]:
    """A server in a thread. Afterwards, what a client should not have done is an error."""
    wish = _Wish.of(request)
    with ThreadedServer(wish.handlers, **wish.options) as server:
        yield server
    wish.check(server)


@asynccontextmanager
async def in_loop(request: pytest.FixtureRequest) -> AsyncGenerator[MockServer, None]:
    """A server in the test's loop. Afterwards, what a client should not have done is an error."""
    wish = _Wish.of(request)
    async with (
        passing_on(wish.handlers),
        mock_server(wish.handlers, **wish.options) as server,
    ):
        yield server
    wish.check(server)


@dataclass(frozen=True)
class _Wish:
    """What a test's mark asks for."""

    handlers: HandlerFactory
    options: dict[str, Any]
    rules: bool
    played: Callable[[], None] | None

    @classmethod
    def of(cls, request: pytest.FixtureRequest) -> _Wish:
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
    return Cassette(path, SCHEMA, record_mode, **playing)
