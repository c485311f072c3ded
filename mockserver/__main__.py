"""`python -m mockserver`: a mock server as a process of its own, for clients in any language.

Reads the command line, starts, reports, and picks the exit status. Imports little before it
listens: the socket is there first, so that clients may call while the rest is being loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from .sockets import listen

if TYPE_CHECKING:
    import socket

_CANNOT_START = 2  # as argparse has it
_STOPPED = 128  # plus the signal's number, as shells have it

_DESCRIPTION = (
    "Serve a recorded session to a cTrader client, over TLS, and check what the client does."
)
_EPILOG = """\
when it listens, one line of JSON says where:
  {"host": "127.0.0.1", "port": 40123, "tls": true, "ca": "ca.pem", "session": "demo.session.jsonl"}

exit status:
  0    every client played the session to its end
  1    a client diverged from it, or left steps unplayed; the report is on standard error
  2    the server could not start
  128+ stopped by that signal before the session was over

examples:
  python -m mockserver --session demo.session.jsonl --ca ca.pem
      serve it once, on a free port; clients trust ca.pem
  python -m mockserver --session demo.session.jsonl --port 5035 --sessions 0 --speed real
      serve it to everybody, as fast as it was recorded, until stopped
"""


class _CannotStart(Exception):
    """The text says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return _run(options)
    except _CannotStart as error:
        _tell(f"mockserver: {error}")
        return _CANNOT_START
    except KeyboardInterrupt:
        return _STOPPED + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mockserver",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--session", metavar="FILE", required=True, help="the session to play (docs/sessions.md)")
    add("--host", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    add("--port", type=_port, default=0, help="the port to listen on; 0, the default, a free one")
    add("--ca", metavar="FILE", help="where to write the CA certificate that clients must trust")
    add(
        "--speed",
        type=_pace,
        default=0.0,
        metavar="fast|real|N",
        help="fast (the default) waits for nothing; real as recorded; N times as fast as recorded",
    )
    times = parser.add_mutually_exclusive_group()
    times.add_argument(
        "--sessions",
        type=_count,
        default=1,
        metavar="N",
        help="end when N clients have played (default: 1); 0: serve until stopped",
    )
    times.add_argument(
        "--once", dest="sessions", action="store_const", const=1, help="the same as --sessions 1"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port, 0 to 65535, got {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number, 0 for no end, got {text!r}")
    return int(text)


def _pace(text: str) -> float:
    """How long a second of the session takes."""
    if text in ("fast", "real"):
        return 0.0 if text == "fast" else 1.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"expected fast, real or a number above 0, got {text!r}")
    return 1.0 / speed


def _run(options: argparse.Namespace) -> int:
    with _listen(options.host, options.port) as listening:
        # All that is slow to import comes with this: clients may call meanwhile.
        from . import running  # noqa: PLC0415

        host, port = listening.getsockname()[:2]
        where = {"host": host, "port": port, "tls": True, "ca": options.ca}
        ready = json.dumps({**where, "session": options.session})
        try:
            session = running.load(options.session, _tell)
            certificates = running.certificates(options.host)
        except running.MockServerError as error:
            raise _CannotStart(str(error)) from None
        if options.ca is not None:
            _write(options.ca, certificates.ca)
        return running.play(
            session,
            pace=options.speed,
            sessions=options.sessions,
            listening=listening,
            certificates=certificates,
            ready=lambda: _announce(ready),
            tell=_tell,
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        why = error.strerror or error
        raise _CannotStart(f"cannot listen on {host}, port {port}: {why}") from None


def _write(path: str, ca: bytes) -> None:
    try:
        Path(path).write_bytes(ca)
    except OSError as error:
        why = error.strerror or error
        raise _CannotStart(f"cannot write the CA certificate to {path}: {why}") from None


def _announce(ready: str) -> None:
    try:
        print(ready, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or exiting fails again
        raise _CannotStart(f"nobody reads where it listens: {error.strerror}") from None


def _tell(text: str) -> None:
    """To whoever reads standard error; nobody may."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _terminated(number: int, _: object) -> NoReturn:
    """SIGTERM before there is a loop to hear it."""
    sys.exit(_STOPPED + number)


if __name__ == "__main__":
    sys.exit(main())
