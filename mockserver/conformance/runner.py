"""Holds a trial: a fresh server, a client, and a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import trio

from ..box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, REFRESH_TOKEN, Box
from ..composition import mock_server
from ..faults.plan import Plan
from ..proxy.rules import ProxyRules
from ..server.certificates import Certificates
from .expectations import Expectation, shortened_times
from .observer import ObservedFactory
from .record import Exit, Record
from .verdict import Verdict, judge

_LAST_WORDS = 0.1  # seconds in which the server reads what the client has sent last
_PATIENCE = 2.0  # seconds between asking a process to end and ending it
_KEPT = 16 * 1024  # bytes of its output

Told = Mapping[str, str]
"""What a client is told, by the names of the placeholders."""

Client = Callable[[Told, float], Awaitable[tuple[int | None, str]]]
"""Does the errand within so many seconds; returns an exit status and its output.

The status is None if it was stopped because its time was over.
"""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Where trials are held: on the wire of that name; `limit` is in seconds.

    `ca` is the file that has the certificate of `certificates`; a wire without TLS needs neither.
    """

    certificates: Certificates | None
    ca: str = ""
    wire: str = "tls"
    host: str = "127.0.0.1"
    limit: float = 90.0
    tempo: float = 1.0


async def run_scenario(expectation: Expectation, client: Client, setting: RunSettings) -> Verdict:
    """Let a client through one trial; returns what it has shown. Raises what the client raises."""
    tempo = setting.tempo
    record = Record(tempo=tempo)
    plan = Plan(
        [shortened_times(fault, tempo) for fault in expectation.scenario.faults],
        expectation.scenario.seed,
    )
    plan.add(*(shortened_times(fault, tempo) for fault in expectation.besides))
    proxy_rules = ProxyRules(heartbeat=27.0 * tempo, silence=30.0 * tempo)

    def clock() -> float:
        return server.now()

    watched = ObservedFactory(Box(proxy_rules=proxy_rules), plan, record, clock)
    async with mock_server(
        watched, host=setting.host, wires=[setting.wire], certificates=setting.certificates
    ) as server:
        told = _told(expectation, setting, server.address[1])
        status, output = await client(told, setting.limit)
        record.exit = Exit(status, clock(), output)
        await trio.sleep(_LAST_WORDS)
    record.violations = server.violations
    return judge(expectation, record)


def _told(expectation: Expectation, setting: RunSettings, port: int) -> Told:
    return {
        "host": setting.host,
        "port": str(port),
        "ca": setting.ca,
        "wire": setting.wire,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "access_token": ACCESS_TOKEN,
        "refresh_token": REFRESH_TOKEN,
        "account_id": str(HEDGED),
        "symbol_id": "1",
        "stay": f"{expectation.stays(setting.tempo):g}",
        "history": str(expectation.history),
        "tempo": f"{setting.tempo:g}",
    }


def process(command: Sequence[str]) -> Client:
    """A client that is a process: it is told by its arguments and by its environment.

    The client raises OSError if there is no such command.
    """

    async def run(told: Told, limit: float) -> tuple[int | None, str]:
        arguments = [_filled(argument, told) for argument in command]
        status: int | None = None
        with tempfile.TemporaryFile() as output:
            with trio.move_on_after(limit):
                done = await trio.run_process(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                    env={**os.environ, **_environment(told)},
                    start_new_session=True,
                    deliver_cancel=_stop,
                )
                status = done.returncode
            return status, _tail(output)

    return run


def _filled(argument: str, told: Told) -> str:
    """Only these placeholders: other braces may be JSON."""
    for name, value in told.items():
        argument = argument.replace(f"{{{name}}}", value)
    return argument


def _environment(told: Told) -> dict[str, str]:
    ours = {f"CTRADER_{name.upper()}": value for name, value in told.items()}
    if told["ca"]:  # for clients that trust what their system trusts
        ours |= {"SSL_CERT_FILE": told["ca"], "NODE_EXTRA_CA_CERTS": told["ca"]}
    return ours


def _tail(output: BinaryIO) -> str:
    output.seek(max(0, output.seek(0, os.SEEK_END) - _KEPT))
    return output.read().decode("utf-8", "replace")


async def _stop(process: trio.Process) -> None:
    """End a process and those that it has started: politely, and then for good."""
    _signal(process, signal.SIGTERM)
    await trio.sleep(_PATIENCE)
    _signal(process, signal.SIGKILL)


def _signal(process: trio.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


async def run_scenarios(
    expectations: Iterable[Expectation],
    client: Client,
    setting: RunSettings,
    *,
    jobs: int = 1,
    tell: Callable[[Verdict], None] = lambda _: None,
) -> tuple[list[Verdict], int | None]:
    """The verdicts, as far as no SIGINT or SIGTERM came; and the number of that signal.

    An OSError, such as a command that cannot be run, comes out in a group.
    """
    held: dict[int, Verdict] = {}
    told: list[Verdict] = []
    stopped: list[int] = []
    waiting = iter(enumerate(expectations))

    async def work() -> None:
        for number, expectation in waiting:
            held[number] = await run_scenario(expectation, client, setting)
            while len(told) in held:
                told.append(held[len(told)])
                tell(told[-1])

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                stopped.append(await anext(signals))
                nursery.cancel_scope.cancel()

            nursery.start_soon(stop)
            async with trio.open_nursery() as workers:
                for _ in range(jobs):
                    workers.start_soon(work)
            nursery.cancel_scope.cancel()
    return told, stopped[0] if stopped else None
