"""A mock server in a thread, under the name "demo": what the README's programs connect to."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed.net import endpoints
from ctrader_typed.proto import SCHEMA
from mockserver.composition import mock_server
from mockserver.handler import HandlerFactory
from mockserver.recordings.session_file import load_session
from mockserver.replay.replay import Replay

HEADER = {"session": 1, "schema": {"release": SCHEMA.release, "digest": SCHEMA.digest}}

Play = Callable[[list[dict[str, Any]]], Any]
Serve = Callable[[HandlerFactory], Any]


@pytest.fixture
def play(tmp_path: Path, serve_as_demo: Serve) -> Play:
    """`with play(records):` makes "demo" a server that plays these, trusted as any other."""

    @contextmanager
    def playing(records: list[dict[str, Any]]) -> Iterator[None]:
        path = tmp_path / "session.jsonl"
        path.write_text("\n".join(json.dumps(record) for record in [HEADER, *records]))
        replay = Replay(load_session(path, SCHEMA))
        with serve_as_demo(replay):
            yield
        replay.check()

    return playing


@pytest.fixture
def serve_as_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """`with serve_as_demo(Box()):` makes "demo" a server of this, trusted as any other."""

    @contextmanager
    def serving(handlers: HandlerFactory) -> Iterator[None]:
        with _serving(handlers) as (host, port, ca):
            (tmp_path / "ca.pem").write_bytes(ca)
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            monkeypatch.setitem(endpoints.SHORT, "demo", (host, port))
            yield

    return serving


@contextmanager
def _serving(handlers: HandlerFactory) -> Iterator[tuple[str, int, bytes]]:
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def serve() -> None:
        async with mock_server(handlers, host="127.0.0.1") as server:
            stop = trio.Event()
            ready.put((server.address, server.ca, stop, trio.lowlevel.current_trio_token()))
            await stop.wait()

    thread = threading.Thread(target=trio.run, args=(serve,), daemon=True)
    thread.start()
    (host, port), ca, stop, token = ready.get(timeout=10)
    try:
        yield host, port, ca
    finally:
        token.run_sync_soon(stop.set)
        thread.join(timeout=10)
        assert not thread.is_alive()
