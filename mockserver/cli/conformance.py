"""`python -m mockserver conformance -- COMMAND`: runs any client through the named scenarios.

Reads the command line, holds the trials, prints the table and picks the exit status.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from ..conformance.expectations import EXPECTATIONS, Expectation, impossible, plainly
from ..conformance.runner import RunSettings, process, run_scenarios
from ..conformance.verdict import Result, Verdict, as_json, listing, row, total
from ..errors import MissingExtra, ScenarioError
from ..faults.scenario_files import scenario
from ..server.certificates import Certificates
from ..server.endpoints import ENDPOINTS
from . import console

_DESCRIPTION = """\
Run a client through scenarios in which something goes wrong, one fresh server for each, and print
what it has survived. The client does the errand of docs/conformance.md, whatever happens."""
_EPILOG = """\
The client is told where the server is, and what it needs to log in, by placeholders in its
arguments, and by environment variables:
  {host} {port}                 CTRADER_HOST, CTRADER_PORT
  {wire}                        CTRADER_WIRE: what --wire says
  {ca}                          CTRADER_CA: a file, the CA certificate to trust (and SSL_CERT_FILE)
  {client_id} {client_secret}   CTRADER_CLIENT_ID, CTRADER_CLIENT_SECRET
  {access_token}                CTRADER_ACCESS_TOKEN
  {refresh_token}               CTRADER_REFRESH_TOKEN
  {account_id} {symbol_id}      CTRADER_ACCOUNT_ID, CTRADER_SYMBOL_ID
  {stay}                        CTRADER_STAY: seconds for which to stay connected
  {history}                     CTRADER_HISTORY: requests for history to make before the order
  {tempo}                       CTRADER_TEMPO: what --tempo says

exit status:
  0    the client has survived everything
  1    it has not, or did not do what makes the scenario happen
  2    the command could not be run

examples:
  python -m mockserver conformance -- python my_client.py
      all scenarios, one after the other, over TLS; takes some minutes
  python -m mockserver conformance --jobs 8 -- ./client --host {host} --port {port} --ca {ca}
      eight at a time, for a client that wants arguments
  python -m mockserver conformance --scenario close-after-order --scenario mine.json -- ./client
      these alone, one of them out of a file
  python -m mockserver conformance --json --tempo 0.1 -- ./client > results.json
      for a client whose heartbeats and patience are shorter when CTRADER_TEMPO says so
  python -m mockserver conformance --list
      what goes wrong in each scenario, and what is expected of the client then
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mockserver conformance",
        usage="%(prog)s [options] -- COMMAND ...",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("command", metavar="COMMAND", nargs="*", help="the client, and its arguments")
    add(
        "--scenario",
        metavar="NAME|FILE",
        action="append",
        help="this one alone; may be given several times (default: all of --list)",
    )
    add("--list", action="store_true", help="say what is expected in each scenario, and run none")
    add("--json", action="store_true", help="print a list of JSON objects instead of the table")
    add(
        "--timeout",
        type=_seconds,
        default=90.0,
        metavar="SECONDS",
        help="what still runs after so long has hung (default: 90)",
    )
    add(
        "--tempo",
        type=_seconds,
        default=1.0,
        metavar="N",
        help="seconds that a second of the scenarios and of the rules on time takes (default: 1)",
    )
    add("--jobs", type=_jobs, default=1, metavar="N", help="run N at a time (default: 1)")
    add(
        "--wire",
        choices=tuple(ENDPOINTS),
        default="tls",
        help="how to serve; without the scenarios that cannot happen there (default: tls)",
    )
    add("--host", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Raises CannotStart."""
    parser = _parser()
    options = parser.parse_args(arguments)
    expectations = _trials(options.scenario, options.wire)
    if options.list:
        console.say(listing(expectations))
        return 0
    if not options.command:
        parser.error("no client: what runs it comes after --, as in `-- python my_client.py`")
    if shutil.which(options.command[0]) is None:
        raise console.CannotStart(f"there is no command {options.command[0]}")
    with tempfile.TemporaryDirectory() as folder:
        failed: BaseException | None = None
        try:
            return _hold(expectations, options, _setting(options, Path(folder)))
        except* (MissingExtra, OSError) as errors:
            failed = errors.exceptions[0]
    raise console.CannotStart(f"the trials cannot be held: {failed}")


def _hold(
    expectations: Sequence[Expectation], options: argparse.Namespace, setting: RunSettings
) -> int:
    width = max(len(expectation.name) for expectation in expectations)

    def tell(verdict: Verdict) -> None:
        if not options.json:
            console.say(row(verdict, width))

    held = partial(run_scenarios, jobs=options.jobs, tell=tell)
    verdicts, stopped = trio.run(held, expectations, process(options.command), setting)
    if options.json:
        console.say(json.dumps([as_json(verdict) for verdict in verdicts], indent=2))
    else:
        console.say(total(verdicts))
    if stopped is not None:
        return console.STOPPED + stopped
    return int(any(verdict.result is not Result.SURVIVED for verdict in verdicts))


def _trials(names: Sequence[str] | None, wire: str) -> list[Expectation]:
    if names is None:
        return [
            expectation
            for expectation in EXPECTATIONS.values()
            if impossible(expectation, wire) is None
        ]
    try:
        expectations = [
            EXPECTATIONS[name] if name in EXPECTATIONS else plainly(scenario(name))
            for name in names
        ]
    except ScenarioError as error:
        raise console.CannotStart(str(error)) from None
    for expectation in expectations:
        if (why := impossible(expectation, wire)) is not None:
            raise console.CannotStart(f"{expectation.name} cannot happen on {wire}: {why}")
    return expectations


def _setting(options: argparse.Namespace, folder: Path) -> RunSettings:
    certificates = Certificates([options.host]) if ENDPOINTS[options.wire].tls else None
    ca = ""
    if certificates is not None:
        ca = str(folder / "ca.pem")
        console.write(ca, certificates.ca, "the CA certificate")
    return RunSettings(certificates, ca, options.wire, options.host, options.timeout, options.tempo)
