"""`python -m mockserver --session FILE` or `--broker`: a mock server as a process of its own.

Reads the command line and starts. Imports little before it listens: the socket is there first, so
that clients may call while the rest is being loaded.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from ..server.endpoints import WIRES, listen
from . import console, environment, session_arguments

if TYPE_CHECKING:
    import socket

_DESCRIPTION = """\
Serve a recorded session, or a simulated broker, to cTrader clients: over TLS, unless --wire says
otherwise."""
_EPILOG = """\
when it listens, one line of JSON says where (and with --broker, who may log in):
  {"host": "127.0.0.1", "port": 40123, "tls": true, "ca": "ca.pem", "session": "demo.session.jsonl"}

exit status:
  0    every client played the session to its end; the broker was stopped
  1    a client diverged from the session, or left steps unplayed, or, with --strict, broke a rule
       that all clients keep to; the report is on standard error
  2    the server could not start
  128+ stopped by that signal before the session was over

examples:
  python -m mockserver --session demo.session.jsonl --ca ca.pem
      serve it once, on a free port; clients trust ca.pem
  python -m mockserver --session demo.session.jsonl --port 5035 --sessions 0 --speed real
      serve it to everybody, as fast as it was recorded, until stopped
  python -m mockserver --session s.jsonl --record-mode new_episodes --upstream localhost:5035
      serve it, and let that server answer what it lacks: this is appended
  python -m mockserver --broker --port 5035 --ca ca.pem --seed 7
      a broker with four accounts and prices of its own, until stopped
  python -m mockserver --broker --wire tls:5035 --wire json-wss:5036 --wire tcp
      the same on three wires at once; the ready line has the address of each in "wires"
  python -m mockserver --broker --scenario close-after-request
      the same, but it hangs up on the first order; --scenario list shows what else can go wrong
  python -m mockserver --broker --strict --ca ca.pem --env mock.env
      for CI: mock.env has CTRADER_HOST, CTRADER_PORT, CTRADER_ACCESS_TOKEN and so on
  python -m mockserver record --to my.session.jsonl --upstream demo.ctraderapi.com:5035
      record a session: see python -m mockserver record --help
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mockserver",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--session", metavar="FILE", help="play this session (docs/sessions.md)")
    add("--broker", action="store_true", help="simulate a broker")
    add(
        "--scenario",
        metavar="NAME|FILE|list",
        help="let something go wrong; list shows the names. Implies --broker without --session",
    )
    add("--seed", type=int, default=0, help="the seed of prices and of chance (default: 0)")
    add(
        "--tick-seconds",
        type=float,
        metavar="N",
        help="one tick a symbol in about N seconds, 1 to 900 (default: as in lively markets)",
    )
    add(
        "--start",
        metavar="now|TIME",
        help="what the broker's clock shows at first: now (at a weekend the last minute in which "
        "EURUSD traded), or an ISO 8601 time, taken as it is: 2026-03-02T09:00Z (default: now; "
        "with --prices the first time in the file)",
    )
    add(
        "--prices",
        metavar="FILE",
        help="these ticks are the market (.csv or .parquet with the columns time, symbol, bid and "
        "ask), at their own times; --start now lets the first come now",
    )
    add("--host", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    add(
        "--port",
        type=console.port,
        default=0,
        help="the port to listen on; 0, the default, a free one",
    )
    add(
        "--wire",
        dest="wires",
        action="append",
        type=_wire,
        metavar="NAME[:PORT]",
        help="how clients may speak, several times for several at once: "
        + ", ".join(f"{name} ({what})" for name, what in WIRES.items())
        + "; the first is on --port, others on free ones unless said here (default: tls)",
    )
    add("--ca", metavar="FILE", help="where to write the CA certificate that clients must trust")
    add(
        "--name",
        dest="names",
        action="append",
        default=[],
        metavar="HOST",
        help="a further name that the certificate is for, such as demo.ctraderapi.com; repeatable",
    )
    add(
        "--ca-dir",
        metavar="DIR",
        help="keep the CA in this folder (ca.pem, ca-key.pem), so that clients need trust it once",
    )
    add("--cert", metavar="FILE", help="show this certificate (PEM, with its chain); needs --key")
    add("--key", metavar="FILE", help="the private key of --cert (PEM)")
    add(
        "--env",
        metavar="FILE",
        help="when it listens, write what clients need as environment variables (CTRADER_HOST, "
        "CTRADER_PORT, CTRADER_CA, …) to this file, for sh and for CI systems",
    )
    add(
        "--strict",
        action="store_true",
        help="exit with 1 if a client broke a rule: heartbeats, rates, logins, order ids",
    )
    add(
        "--control",
        type=console.port,
        metavar="PORT",
        help="take commands there, on this machine only, as lines of JSON (docs/mockserver.md); "
        "0: on a free port, which the ready line tells",
    )
    add("--journal", metavar="FILE", help="append all that happens to this file, as JSON Lines")
    add(
        "--endpoint",
        choices=("demo", "live", "both"),
        default="both",
        help="the accounts that the broker serves (default: both)",
    )
    add(
        "--no-invented-texts",
        dest="invented_texts",
        action="store_false",
        help="refuse without a text where nobody has seen the live server's (docs/mockserver.md)",
    )
    add(
        "--token-grace",
        type=console.seconds,
        default=0.0,
        metavar="SECONDS",
        help="after a refresh the old access and refresh token stay usable for so long; by default "
        "the printed tokens are dead after a refresh, as on the live API",
    )
    session_arguments.add_playing(parser)
    times = parser.add_mutually_exclusive_group()
    times.add_argument(
        "--sessions",
        type=console.count,
        default=1,
        metavar="N",
        help="end when N clients have played the session (default: 1); 0: serve until stopped",
    )
    times.add_argument(
        "--once", dest="sessions", action="store_const", const=1, help="the same as --sessions 1"
    )
    return parser


def _wire(text: str) -> tuple[str, int | None]:
    """The name of a wire, and the port for it if there is one."""
    name, colon, number = text.partition(":")
    if name not in WIRES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(WIRES)}, got {name!r}")
    return name, console.port(number) if colon else None


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Raises CannotStart."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.scenario == "list":
        return _list_scenarios()
    if options.session is not None and options.broker:
        parser.error("argument --broker: not allowed with argument --session")
    if options.session is None and not options.broker and options.scenario is None:
        parser.error("one of the arguments --session --broker --scenario is required")
    if (options.cert is None) != (options.key is None):
        parser.error("--cert and --key go together")
    if options.prices is not None and options.session is not None:
        parser.error("argument --prices: not allowed with argument --session")
    if options.names and options.cert is not None:
        parser.error("--name is for the certificate that is made: it does nothing beside --cert")
    if options.control is not None and options.session is not None:
        parser.error("argument --control: not allowed with argument --session")
    with ExitStack() as stack:
        listening = _listen_all(options, parser, stack)
        # All that is slow to import comes with this: clients may call meanwhile.
        from . import run_server  # noqa: PLC0415

        try:
            return _serve(options, listening, run_server, stack)
        except run_server.MockServerError as error:
            raise console.CannotStart(str(error)) from None


def _serve(
    options: argparse.Namespace,
    listening: dict[str, socket.socket],
    running: Any,
    stack: ExitStack,
) -> int:
    wires = {name: _address(each) for name, each in listening.items()}
    first = next(iter(wires))
    secure = any(name in _SECURE for name in wires)
    where = {**wires[first], "tls": first in _SECURE, "ca": options.ca}
    if options.wires is not None:
        where["wires"] = wires
    certificates = running.certificates(options) if secure else None
    ca = _ca_file(options) if secure else None
    served = running.ServerProcess(listening, certificates, console.tell, strict=options.strict)
    if options.scenario is not None:
        served.plan = running.scenario(options.scenario).plan(options.seed or None)
        where["scenario"] = options.scenario
    if options.journal is not None:
        descriptor = console.append_to(options.journal, "the journal")
        stack.callback(os.close, descriptor)
        served.journal = partial(_write, descriptor)
    replay = None
    if options.session is not None:
        replay = running.cassette(options, session_arguments.upstream(options), console.tell)
    if options.ca is not None and served.certificates is not None:
        console.write(options.ca, served.certificates.ca, "the CA certificate")
    if replay is not None:
        where["session"] = options.session
        served.ready = partial(_ready, options, where, ca)
        return int(running.play(served, replay, options.sessions))
    live = {"demo": False, "live": True, "both": None}[options.endpoint]
    market = (options.seed, options.tick_seconds, options.start)
    proxy_rules = running.ProxyRules(
        live=live, invented_texts=options.invented_texts, token_grace=options.token_grace
    )
    box = running.box(*market, proxy_rules, options.prices)
    where["broker"] = running.keys(box)
    where["broker"]["afterRefresh"] = _after_refresh(options.token_grace)
    if options.control is not None:
        served.control = stack.enter_context(_listen("127.0.0.1", options.control))
        where["control"] = _address(served.control)
    served.ready = partial(_ready, options, where, ca)
    return int(running.trade(served, box))


def _after_refresh(grace: float) -> str:
    """What a refresh does to the tokens of the ready line."""
    when = f"{grace:g} seconds after a refresh" if grace else "after a refresh"
    return f"accessToken and refreshToken are dead {when}: use the pair of the reply"


def _ready(options: argparse.Namespace, where: dict[str, Any], ca: str | None) -> None:
    """Say where it listens: the variables first, so that they are there when the line is."""
    if options.env is not None:
        environment.write(options.env, environment.variables(where, ca, options.endpoint))
    console.announce(where)


def _ca_file(options: argparse.Namespace) -> str | None:
    """The file with the CA that clients must trust; None if they know it by themselves."""
    if options.ca is not None:
        return str(options.ca)
    if options.ca_dir is not None:
        return os.path.join(options.ca_dir, "ca.pem")  # noqa: PTH118 - as sh would write it
    if options.env is not None and options.cert is None:
        raise console.CannotStart("--env needs --ca FILE or --ca-dir DIR, for CTRADER_CA to name")
    return None


def _write(descriptor: int, line: str) -> None:
    """At once to the system: what was written outlives the process."""
    os.write(descriptor, line.encode())


_SECURE = ("tls", "wss", "json-wss")


def _address(listening: socket.socket) -> dict[str, Any]:
    host, port = listening.getsockname()[:2]
    return {"host": host, "port": port}


def _listen_all(
    options: argparse.Namespace, parser: argparse.ArgumentParser, stack: ExitStack
) -> dict[str, socket.socket]:
    """A socket for each wire, the first on --port unless it has a port of its own."""
    listening: dict[str, socket.socket] = {}
    usual = options.port
    for name, port in options.wires or [("tls", None)]:
        if name in listening:
            parser.error(f"argument --wire: {name} twice")
        chosen = usual if port is None else port
        listening[name] = stack.enter_context(_listen(options.host, chosen))
        usual = 0
    return listening


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        why = error.strerror or error
        raise console.CannotStart(f"cannot listen on {host}, port {port}: {why}") from None


def _list_scenarios() -> int:
    from ..faults.scenarios import SCENARIOS  # noqa: PLC0415 - slow to import

    width = max(map(len, SCENARIOS))
    for name, scenario in SCENARIOS.items():
        console.say(f"{name:<{width}}  {scenario.note}")
    return 0
