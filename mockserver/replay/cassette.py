"""A session file that grows: played as far as it goes, and recorded where it ends.

The modes are those that users of vcrpy know. Decides what is played and what is recorded; how, it
leaves to the script and the passage.
"""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from ctrader_typed.keywords import suggest
from ctrader_typed.schema import Schema

from ..composition import mock_server
from ..errors import MockServerError, bare
from ..handler import ClientConnection
from ..recordings.session_file import Order, Session, header, load_session, nth_file, whole_lines
from ..server.server import MockServer
from .forwarder import CallableServer, Forwarder
from .replay import Replay, ReplayHandler

if TYPE_CHECKING:
    from ..faults.plan import Plan
    from ..server.certificates import Certificates
    from ..server.connection import ConnectionLimits

_PATIENCE = 1.0  # seconds in which what clients sent last is passed on after they have gone


class RecordMode(StrEnum):
    """What happens to a message of the client that the session does not have."""

    NONE = "none"
    """Nothing is recorded: it is a divergence."""
    ONCE = "once"
    """A session is recorded if there is none; one that is there is played as with `NONE`."""
    NEW_EPISODES = "new_episodes"
    """What the session has is played, what it lacks is passed to the upstream and appended."""
    ALL = "all"
    """Nothing is played: all is passed to the upstream and recorded in place of what was there."""


class NoUpstream(MockServerError):
    """There is something to record, and nobody to record; the text names the file."""


@suggest
class Cassette(Replay):
    """Plays and records the file at `path`: give it to `mock_server`, inside `passing_on`.

    The nth connection is recorded in the nth file (`s.jsonl`, `s-2.jsonl`, …), and played from it;
    where nothing is recorded and it has no file of its own, from the first. `order` is the
    session's, or any with `NEW_EPISODES`, unless it is given. Raises SessionError for a file that
    is needed and missing, or no session; NoUpstream.
    """

    def __init__(
        self,
        path: str | Path,
        schema: Schema,
        mode: RecordMode | str = RecordMode.NONE,
        *,
        upstream: CallableServer | None = None,
        order: Order | str | None = None,
        pace: float = 0.0,
        epoch: float | None = None,
    ) -> None:
        mode = RecordMode(mode)
        self._path = Path(path)
        if mode is RecordMode.ONCE and self._path.exists():
            mode = RecordMode.NONE
        if mode is not RecordMode.NONE and upstream is None:
            raise NoUpstream(
                f"{path}: record mode {mode} has something to record: name an upstream"
            )
        self._mode = mode
        self._schema = schema
        self._upstream = upstream
        self._sessions = self._load()
        if mode is RecordMode.NEW_EPISODES and order is None:
            order = Order.ANY
        first = self._sessions[0] if self._sessions else self._empty(self._path)
        super().__init__(first, pace=pace, order=order, epoch=epoch)
        self._passages, self._to_run = trio.open_memory_channel[Forwarder](math.inf)

    def _load(self) -> list[Session]:
        if self._mode is RecordMode.NONE or (
            self._mode is RecordMode.NEW_EPISODES and self._path.exists()
        ):
            sessions = [load_session(self._path, self._schema)]
        else:
            return []
        while (path := nth_file(self._path, len(sessions) + 1)).exists():
            sessions.append(load_session(path, self._schema))
        return sessions

    def _empty(self, path: Path) -> Session:
        return Session(str(path), self._schema, ())

    def __call__(self, client: ClientConnection) -> ReplayHandler:
        """The behaviour of a connection."""
        number = client.number
        there = number <= len(self._sessions)
        if self._mode is RecordMode.NONE or self._upstream is None:
            session = self._sessions[number - 1] if there else self.session
            return self.play(client, session, self.order)
        path = nth_file(self._path, number)
        session = self._sessions[number - 1] if there else self._empty(path)
        writer = _Writer(path, self._schema, self.order, grows=there)
        forwarder = Forwarder(self._schema, self._upstream, client, writer.write)
        if session.records:
            forwarder.last_t = session.records[-1].t
        self._passages.send_nowait(forwarder)
        return self.play(client, session, self.order, forwarder)

    async def serve(self) -> None:
        """Pass on what has to be, until `finish` and everybody's end."""
        async with trio.open_nursery() as nursery:
            async for forwarder in self._to_run:
                nursery.start_soon(forwarder.run)

    def finish(self) -> None:
        """Nobody calls any more."""
        self._passages.close()


@asynccontextmanager
async def passing_on(handlers: object) -> AsyncGenerator[None, None]:
    """Let a cassette pass on what it has to while the block runs, and a little longer.

    Other behaviours have nothing to pass on.
    """
    if not isinstance(handlers, Cassette):
        yield
        return
    error: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handlers.serve)
            yield
            handlers.finish()
            nursery.cancel_scope.deadline = trio.current_time() + _PATIENCE
    except BaseExceptionGroup as group:
        error = bare(group)
    if error is not None:
        raise error


class _Writer:
    """Appends lines to a session file, each at once to the system. It is opened by the first."""

    def __init__(self, path: Path, schema: Schema, order: Order, *, grows: bool) -> None:
        self._path = path
        self._schema = schema
        self._order = order
        self._grows = grows
        self._begun = False

    def write(self, line: str) -> None:
        """Write a line; what was written outlives the process."""
        if not self._begun:
            self._begin()
            self._begun = True
        _append(self._path, line)

    def _begin(self) -> None:
        """Put the file in its place as a whole: its header says how it can be played."""
        lines = whole_lines(self._path.read_text(encoding="utf-8")) if self._grows else []
        told: dict[str, Any] = json.loads(lines[0]) if lines else {}
        if "session" in told:
            del lines[0]
        else:
            told = json.loads(header(self._schema))
        told["order"] = str(self._order)
        text = "".join(f"{each}\n" for each in [json.dumps(told, ensure_ascii=False), *lines])
        new = self._path.with_name(f"{self._path.name}.new")
        new.unlink(missing_ok=True)
        _append(new, text)
        new.replace(self._path)


def _append(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        data = text.encode()
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


@suggest
@asynccontextmanager
async def mock_session(
    path: str | Path,
    *,
    record_mode: RecordMode | str = RecordMode.NONE,
    upstream: CallableServer | None = None,
    order: Order | str | None = None,
    pace: float = 0.0,
    schema: Schema | None = None,
    host: str = "127.0.0.1",
    port: int | None = 0,
    tls: bool = True,
    wires: Iterable[str] | None = None,
    limits: ConnectionLimits | None = None,
    certificates: Certificates | None = None,
    listening: socket.socket | Mapping[str, socket.socket] | None = None,
    faults: Plan | None = None,
    journal: Callable[[str], object] | None = None,
) -> AsyncGenerator[MockServer, None]:
    """A server that plays the session file while the block runs, and records what the mode says.

    `upstream` is the server that is recorded, such as `Upstream("demo.ctraderapi.com", 5035,
    ssl.create_default_context())`. The other arguments are those of `Replay` and `mock_server`.
    Leaving the block raises SessionDiverged, with the report, unless somebody played and all played
    well; a session that is being recorded need not be played to its end.
    """
    if schema is None:
        from ctrader_typed.proto import SCHEMA  # noqa: PLC0415 - who brings another need not pay

        schema = SCHEMA
    cassette = Cassette(path, schema, record_mode, upstream=upstream, order=order, pace=pace)
    served = mock_server(
        cassette,
        schema=schema,
        host=host,
        port=port,
        tls=tls,
        wires=wires,
        limits=limits,
        certificates=certificates,
        listening=listening,
        faults=faults,
        journal=journal,
    )
    async with passing_on(cassette), served as server:
        yield server
    cassette.check()
