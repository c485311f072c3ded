"""A mock server that runs until its session has been played, or a signal comes.

The part of `python -m mockserver` that needs a loop. Prints nothing itself.
"""

from __future__ import annotations

import signal
import socket
import warnings
from collections.abc import Callable

import trio

from ctrader_typed.proto import SCHEMA

from .certificates import Certificates
from .errors import MockServerError
from .recording import Session, load_session
from .report import report
from .script import Replay
from .server import MockServer, mock_server

__all__ = ["MockServerError", "certificates", "load", "play"]

_PLAYED, _DIVERGED, _STOPPED = 0, 1, 128


def certificates(host: str) -> Certificates:
    """Certificates for a server on this host. Raises MissingExtra."""
    return Certificates([host])


def load(path: str, tell: Callable[[str], None]) -> Session:
    """The session in this file; what is doubtful about it goes to `tell`. Raises SessionError."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        session = load_session(path, SCHEMA)
    for warning in caught:
        tell(f"mockserver: warning: {warning.message}")
    return session


def play(
    session: Session,
    *,
    pace: float,
    sessions: int,
    listening: socket.socket,
    certificates: Certificates,
    ready: Callable[[], None],
    tell: Callable[[str], None],
) -> int:
    """Serve until `sessions` clients have played, 0 for no end; returns the exit status.

    Calls `ready` when it serves, and `tell` with what became of each client.
    """
    replay = Replay(session, pace=pace)
    return trio.run(_play, replay, sessions, listening, certificates, ready, tell)


async def _play(
    replay: Replay,
    sessions: int,
    listening: socket.socket,
    certificates: Certificates,
    ready: Callable[[], None],
    tell: Callable[[str], None],
) -> int:
    tally = _Tally(replay, tell)
    stopped = 0
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with mock_server(
            replay, schema=replay.session.schema, listening=listening, certificates=certificates
        ) as server:
            ready()
            async with trio.open_nursery() as nursery:

                async def stop() -> None:
                    nonlocal stopped
                    stopped = await anext(signals)
                    nursery.cancel_scope.cancel()

                nursery.start_soon(stop)
                while sessions == 0 or tally.played < sessions:
                    await server.wait_ended(tally.over + 1)
                    tally.take(server)
                nursery.cancel_scope.cancel()
        tally.take(server)
    if stopped and sessions:
        return _STOPPED + stopped
    return _PLAYED if tally.good else _DIVERGED


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
