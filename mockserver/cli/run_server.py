"""A mock server that runs until its session has been played, or a signal comes.

The part of `python -m mockserver` that needs a loop. Prints nothing itself.
"""

from __future__ import annotations

import os
import signal
import socket
import warnings
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio

from ctrader_typed.proto import SCHEMA

from .. import control
from ..box import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    VIEW_TOKEN,
    Box,
    standard_broker,
)
from ..broker.market.instruments import Instruments
from ..broker.market.prices import TickList
from ..broker.market.tick_files import TickFileError, read_csv, read_parquet
from ..broker.start_time import shown
from ..broker.trading.account import Account
from ..composition import mock_server
from ..errors import MockServerError
from ..faults.plan import Plan
from ..faults.scenario_files import scenario
from ..handler import HandlerFactory
from ..proxy.rules import ProxyRules
from ..replay.cassette import Cassette, passing_on
from ..replay.forwarder import CallableServer
from ..replay.replay import STEP, Replay
from ..replay.report import report
from ..server.certificates import Certificates
from ..server.client_rules import Violation, summary
from ..server.server import MockServer

__all__ = [
    "MockServerError",
    "ProxyRules",
    "ServerProcess",
    "box",
    "cassette",
    "certificates",
    "keys",
    "play",
    "scenario",
    "trade",
]

_GOOD, _DIVERGED, _BROKEN, _STOPPED = 0, 1, 1, 128


@dataclass
class ServerProcess:
    """What serves whatever is served, at a socket for each wire.

    `ready` is called when it does, `tell` with news of it. `strict`: the exit status is 1 when a
    client broke a rule of `invariants`.
    """

    listening: Mapping[str, socket.socket]
    certificates: Certificates | None
    tell: Callable[[str], None]
    ready: Callable[[], None] = lambda: None
    plan: Plan | None = None
    journal: Callable[[str], object] | None = None
    strict: bool = False
    control: socket.socket | None = None


def cassette(
    options: Any, upstream: CallableServer | None, tell: Callable[[str], None]
) -> Cassette:
    """What plays the session that the arguments name; what is doubtful about it goes to `tell`.

    Raises SessionError, NoUpstream.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = Cassette(
            options.session,
            SCHEMA,
            options.record_mode,
            upstream=upstream,
            order=options.order,
            pace=options.speed,
        )
    for warning in caught:
        tell(f"mockserver: warning: {warning.message}")
    return found


def certificates(options: Any) -> Certificates:
    """For the host and the names, or one's own; raises CertificateError."""
    own = None if options.cert is None else (options.cert, options.key)
    return Certificates([options.host, *options.names], folder=options.ca_dir, own=own)


def box(
    seed: int,
    tick_seconds: float | None,
    start: str | None,
    proxy_rules: ProxyRules,
    prices: str | None = None,
) -> Box:
    """The broker, and how it treats its connections; its prices made up or out of a file.

    It starts now, or with the first of the file's prices, which `start="now"` moves to now. Raises
    MockServerError for a pace or a start that there cannot be, and for a file that is none.
    """
    try:
        if prices is None:
            start = "now" if start is None else start
            return Box(seed=seed, tick_seconds=tick_seconds, start=start, proxy_rules=proxy_rules)
        return Box(standard_broker(start=start, prices=_ticks(prices)), proxy_rules=proxy_rules)
    except ValueError as error:
        raise MockServerError(str(error)) from None


def _ticks(path: str) -> TickList:
    """The ticks of a file; its name says what it is. Raises TickFileError."""
    catalogue = Instruments.standard()
    read = {".csv": read_csv, ".parquet": read_parquet}.get(Path(path).suffix.lower())
    if read is None:
        raise TickFileError(f"{path}: expected a file called .csv or .parquet")
    return read(path, catalogue)


def keys(box: Box) -> dict[str, Any]:
    """What a client needs in order to log in: these keys open nothing else."""
    return {
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        "accessToken": ACCESS_TOKEN,
        "refreshToken": REFRESH_TOKEN,
        "viewToken": VIEW_TOKEN,
        "clock": shown(box.broker.now_ms),
        "accounts": list(box.broker.accounts),
        "details": [_account(box, account) for account in box.broker.accounts.values()],
    }


def _account(box: Box, account: Account) -> dict[str, Any]:
    """What a person wants to know of an account before choosing one."""
    terms = account.terms
    return {
        "id": account.account_id,
        "type": terms.account_type.name,
        "currency": box.broker.catalogue.asset(terms.deposit_asset_id).name,
        "environment": "live" if terms.is_live else "demo",
        "balance": account.balance / 10**terms.money_digits,
        "brokerName": terms.broker_name,
        "brokerTitleShort": terms.broker_title_short,
        "tokens": {"trade": ACCESS_TOKEN, "view": VIEW_TOKEN},
    }


def play(served: ServerProcess, cassette: Cassette, sessions: int) -> int:
    """Serve until `sessions` clients have played, 0 for no end; returns the exit status."""
    return trio.run(_play, served, cassette, sessions)


def trade(served: ServerProcess, box: Box) -> int:
    """Serve the broker until a signal comes; returns the exit status."""
    return trio.run(_trade, served, box)


async def _play(served: ServerProcess, cassette: Cassette, sessions: int) -> int:
    tally = _Tally(cassette, served.tell)
    async with (
        passing_on(cassette),
        _running(served, cassette) as (server, stopped),
        trio.open_nursery() as nursery,
    ):
        if cassette.pace == STEP:
            nursery.start_soon(_release, cassette)
        while sessions == 0 or tally.played < sessions:
            await server.wait_ended(tally.over + 1)
            tally.take(server)
        nursery.cancel_scope.cancel()
    tally.take(server)
    if served.strict and _broken(served, server.violations):
        return _BROKEN
    if stopped and sessions:
        return _STOPPED + stopped[0]
    return _GOOD if tally.good else _DIVERGED


async def _release(cassette: Cassette) -> None:
    """Let a message go for each line on standard input, until there are no more."""
    # Not through sys.stdin: a thread that waits in it would hold up the end of the process.
    read = partial(os.read, 0, 4096)
    while lines := await trio.to_thread.run_sync(read, abandon_on_cancel=True):
        cassette.release(lines.count(b"\n"))


async def _trade(served: ServerProcess, box: Box) -> int:
    if served.control is not None and served.plan is None:
        served.plan = Plan()  # for faults to be added to
    endings = _Endings(served.tell)
    async with _running(served, box) as (server, _), trio.open_nursery() as nursery:
        nursery.start_soon(endings.follow, server)
        if served.control is not None and served.plan is not None:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(served.control))
            await control.serve(control.Control(server, box, served.plan), listener)
        await trio.Event().wait()  # for a signal
    endings.take(server)
    return _BROKEN if _broken(served, server.violations) and served.strict else _GOOD


def _broken(served: ServerProcess, violations: list[Violation]) -> bool:
    """Tell which rules were broken; whether any was."""
    for line in summary(violations):
        served.tell(f"mockserver: {line}")
    return bool(violations)


@asynccontextmanager
async def _running(
    served: ServerProcess, handlers: HandlerFactory
) -> AsyncGenerator[tuple[MockServer, list[int]], None]:
    """A server for as long as the block runs; a signal ends the block, and is put in the list."""
    stopped: list[int] = []
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with mock_server(
            handlers,
            schema=SCHEMA,
            listening=served.listening,
            certificates=served.certificates,
            faults=served.plan,
            journal=served.journal,
        ) as server:
            served.ready()
            async with trio.open_nursery() as nursery:

                async def stop() -> None:
                    stopped.append(await anext(signals))
                    nursery.cancel_scope.cancel()

                nursery.start_soon(stop)
                yield server, stopped
                nursery.cancel_scope.cancel()


class _Endings:
    """Tells, a line each, why the server ended or refused connections."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._over = 0  # connections that were looked at

    async def follow(self, server: MockServer) -> None:
        """Tell while the server runs, until cancelled."""
        while True:
            await server.wait_ended(self._over + 1)
            self.take(server)

    def take(self, server: MockServer) -> None:
        """Tell of the connections that ended since the last time."""
        ended = server.ended_since(self._over)
        self._over += len(ended)
        for each in ended:
            if each.hung_up:
                what = "was refused" if each.number is None else f"{each.number} was ended"
                self._tell(f"mockserver: connection {what}: {' '.join(each.reason.split())}")


class _Tally:
    """Who has played, and how it went."""

    def __init__(self, replay: Replay, tell: Callable[[str], None]) -> None:
        self._replay = replay
        self._tell = tell
        self.over = 0  # connections that were looked at
        self.played = 0  # those on which something was played
        self.good = True

    def take(self, server: MockServer) -> None:
        """Look at the connections that ended since the last time."""
        for ended in server.ended_since(self.over):
            self.over += 1
            outcome = None if ended.number is None else self._replay.outcome(ended.number)
            if outcome is None or not outcome.begun:
                self._tell(f"mockserver: a client called and played nothing: {ended.reason}")
                continue
            self.played += 1
            self.good = self.good and outcome.good
            self._tell(report(outcome, ended.reason))
