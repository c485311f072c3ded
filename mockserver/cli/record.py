"""`python -m mockserver record`: writes down what clients and a real server say to each other.

Reads the command line, starts the proxy, and picks the exit status.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from ctrader_typed.proto import SCHEMA

from ..errors import MissingExtra
from ..recordings.session_file import nth_file
from ..replay.recording_proxy import recording_proxy
from ..replay.upstream import Upstream, UpstreamFailed
from ..server.certificates import Certificates
from ..server.connection import ConnectionLimits
from ..server.endpoints import listen
from ..server.listener import Listener
from . import console, session_arguments

_DESCRIPTION = """\
Pass everything between clients and a server on, unchanged, and write it down as sessions.
Credentials and account logins are replaced by "<redacted>" as they are written."""
_EPILOG = """\
The first connection is written to FILE, the next ones to FILE-2, FILE-3, ... before its suffix.
A file that is there already is not touched. Each message is written before it is passed on, so
that even a process that is killed has lost none.

examples:
  python -m mockserver record --to my.session.jsonl --upstream demo.ctraderapi.com:5035 --ca ca.pem
      the client connects to this machine, on the port that the ready line names, and trusts ca.pem
  python -m mockserver record --to s.jsonl --upstream localhost:40123 --upstream-ca ca.pem --once
      record a mock server, and stop after the first connection
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mockserver record",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--to", metavar="FILE", required=True, help="the session file to write")
    session_arguments.add_upstream(parser, required=True)
    add("--host", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    add("--port", type=console.port, default=0, help="the port to listen on; 0, the default: free")
    add("--plain", action="store_true", help="serve clients without TLS")
    add("--ca", metavar="FILE", help="where to write the CA certificate that clients must trust")
    add("--once", action="store_true", help="stop after the first connection")
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Raises CannotStart."""
    options = _parser().parse_args(arguments)
    if Path(options.to).exists():
        raise console.CannotStart(f"{options.to} is there already: record to another file")
    upstream = session_arguments.upstream(options)
    assert upstream is not None  # argparse has seen to it
    try:
        listening = listen(options.host, options.port)
    except OSError as error:
        where = f"{options.host}, port {options.port}"
        why = error.strerror or error
        raise console.CannotStart(f"cannot listen on {where}: {why}") from None
    with listening:
        try:
            certificates = None if options.plain else Certificates([options.host])
        except MissingExtra as error:
            raise console.CannotStart(str(error)) from None
        if options.ca is not None and certificates is not None:
            console.write(options.ca, certificates.ca, "the CA certificate")
        return trio.run(_record, options, listening, certificates, upstream)


async def _record(
    options: argparse.Namespace,
    listening: socket.socket,
    certificates: Certificates | None,
    upstream: Upstream,
) -> int:
    status = 0
    number = 0
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                await anext(signals)
                nursery.cancel_scope.cancel()

            async def attend(client: trio.abc.Stream, _wire: str) -> None:
                nonlocal number, status
                number += 1
                try:
                    await _attend(client, nth_file(options.to, number), upstream)
                except (UpstreamFailed, OSError) as error:
                    console.tell(f"mockserver: {error}")
                    status = 1
                if options.once:
                    nursery.cancel_scope.cancel()

            def refused(reason: str, _left: bool) -> None:
                console.tell(f"mockserver: a client could not connect: {reason}")

            listener = Listener(listening, certificates, None, ConnectionLimits(), refused)
            host, port = listener.address
            tls = certificates is not None
            where = {"host": host, "port": port, "tls": tls, "ca": options.ca}
            console.announce({**where, "session": options.to})
            nursery.start_soon(stop)
            nursery.start_soon(listener.receive, attend)
    return status


async def _attend(client: trio.abc.Stream, path: Path, upstream: Upstream) -> None:
    """Record one connection to a file of its own."""
    server = await upstream.connect()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    try:
        note = f"recorded from {upstream.host}:{upstream.port}"
        write = partial(_write, descriptor)
        recorder = await recording_proxy(client, server, SCHEMA, write, note)
    finally:
        os.close(descriptor)
    for direction, error in recorder.lost.items():
        console.tell(f"mockserver: {path}: not followed to its end, the {direction} sent: {error}")


def _write(descriptor: int, line: str) -> None:
    """At once to the system: what was written outlives the process."""
    os.write(descriptor, line.encode())
