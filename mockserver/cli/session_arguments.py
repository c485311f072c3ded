"""The arguments that say how a session is played, and which server is recorded.

Shared by the commands. Imports next to nothing.
"""

from __future__ import annotations

import argparse
import math
import ssl
from typing import TYPE_CHECKING

from . import console

if TYPE_CHECKING:
    from ..replay.upstream import Upstream

MODES = ("none", "once", "new_episodes", "all")
_NAMED = {"fast": 0.0, "real": 1.0, "step": math.inf}


def add_upstream(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """--upstream and what belongs to it."""
    add = parser.add_argument
    text = "the server that is recorded"
    add("--upstream", metavar="HOST:PORT", type=_address, required=required, help=text)
    add("--upstream-ca", metavar="FILE", help="the CA that the server's certificate is verified by")
    add("--upstream-plain", action="store_true", help="the server speaks without TLS")


def add_playing(parser: argparse.ArgumentParser) -> None:
    """How a session is played."""
    add = parser.add_argument
    add(
        "--speed",
        type=_pace,
        default=0.0,
        metavar="fast|real|N|step",
        help="how to play a session: fast (the default) waits for nothing, real is as recorded, N "
        "so many times faster, step waits for a line on standard input before each message",
    )
    add(
        "--order",
        choices=("strict", "any"),
        help="the order in which the client's messages must come (default: what the session says)",
    )
    add(
        "--record-mode",
        choices=MODES,
        default="none",
        help="what to do with messages that the session lacks: none (the default) refuses them; "
        "once records a session if there is no file, new_episodes passes them to --upstream and "
        "appends them, all passes everything and begins the file anew",
    )
    add_upstream(parser, required=False)


def upstream(options: argparse.Namespace) -> Upstream | None:
    """The server that is recorded, None if none is named; CannotStart."""
    if options.upstream is None:
        return None
    from ..replay.upstream import Upstream  # noqa: PLC0415 - slow to import

    host, port = options.upstream
    return Upstream(host, port, _trust(options))


def _trust(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.upstream_plain:
        return None
    try:
        return ssl.create_default_context(cafile=options.upstream_ca)
    except (OSError, ssl.SSLError) as error:
        raise console.CannotStart(f"cannot use {options.upstream_ca} as a CA: {error}") from None


def _address(text: str) -> tuple[str, int]:
    host, colon, number = text.rpartition(":")
    if not colon or not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host.strip("[]"), int(number)


def _pace(text: str) -> float:
    """How long a second of the session takes."""
    if text in _NAMED:
        return _NAMED[text]
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < math.inf:
        raise argparse.ArgumentTypeError(
            f"expected fast, real, step or a number above 0, got {text!r}"
        )
    return 1.0 / speed
