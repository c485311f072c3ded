"""What is expected of a client in each scenario: data.

All of it assumes that the client does the errand of docs/conformance.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any

from ..faults.effects import Effect, HangUp
from ..faults.plan import Fault
from ..faults.scenarios import SCENARIOS, Scenario
from ..server.endpoints import ENDPOINTS
from .checks import (
    Again,
    Beats,
    Calm,
    Check,
    Distrusts,
    Keeps,
    LooksUp,
    Notices,
    Once,
    Overtakes,
    Waits,
)


class Ending(Enum):
    """How the client's process must end: by itself, in any case, and in time."""

    FINISHES = "does its errand to the end and exits with status 0"
    GIVES_UP = "does its errand, or gives it up in good order, with any status"


_QUOTES = 4.0  # seconds in which some have come

ALWAYS: tuple[Check, ...] = (Beats(), Keeps(), Calm(), Once())
"""What is expected whatever happens."""


@dataclasses.dataclass(frozen=True, slots=True)
class Expectation:
    """A scenario, and what a client must do in it.

    - `checks`: what is expected beside what always is.
    - `stay`: seconds for which the client is told to stay: what goes wrong later needs it there.
    - `history`: how many requests for history the client is told to make at once before its order.
    - `besides`: faults that make the scenario come about.
    - `happens`: whether the scenario's faults must have happened for the trial to mean anything.
    - `always`: what is expected whatever happens.
    """

    scenario: Scenario
    checks: tuple[Check, ...] = ()
    ending: Ending = Ending.FINISHES
    stay: float = 0.0
    history: int = 0
    besides: tuple[Fault, ...] = ()
    happens: bool = True
    always: tuple[Check, ...] = ALWAYS

    @property
    def name(self) -> str:
        """The scenario's."""
        return self.scenario.name

    def stays(self, tempo: float) -> float:
        """Seconds to stay on a clock of that tempo; quotes come at their own."""
        return max(self.stay * tempo, min(self.stay, _QUOTES))

    @property
    def expected(self) -> tuple[Check, ...]:
        """All that is checked, the particular before the general."""
        return (*self.checks, *self.always)


_APPLICATION, _ACCOUNT = "ProtoOAApplicationAuthReq", "ProtoOAAccountAuthReq"
_SPOTS, _TRADER = "ProtoOASubscribeSpotsReq", "ProtoOATraderReq"

_LOGS_IN = Again((_APPLICATION, _ACCOUNT))
_RESTORES = Again((_APPLICATION, _ACCOUNT, _SPOTS))
_GIVES_UP = Ending.GIVES_UP
_LATE = 45.0  # seconds: silence for 30 is dead, by the issue of any client, and some to try
_LONG = 15.0  # seconds: what goes wrong after 10 has gone wrong


def _trial(
    name: str, *checks: Check, ending: Ending = Ending.FINISHES, stay: float = 0.0
) -> Expectation:
    return Expectation(SCENARIOS[name], checks, ending, stay)


_CALM = Scenario("calm", "nothing goes wrong; the client stays for 25 s", ())
_HISTORY = Scenario(
    "history-burst", "12 requests for history are wanted at once, then an order", ()
)

_ALL = (
    Expectation(_CALM, stay=25.0),
    Expectation(_HISTORY, (Overtakes(),), history=12),
    # --- orders
    _trial("late-fill"),
    _trial("lost-fill", LooksUp()),
    _trial("lost-order", LooksUp()),
    _trial("order-error"),
    _trial("duplicate-fill"),
    _trial("fill-before-acceptance"),
    _trial("absent-defaults"),
    # --- requests and replies
    _trial("close-after-request", _RESTORES, LooksUp()),
    _trial("close-after-order", _RESTORES, LooksUp()),
    _trial("reset-after-request", _RESTORES, LooksUp()),
    _trial("late-reply"),
    _trial("lost-reply"),
    _trial("event-before-reply"),
    _trial("proxy-error"),
    _trial("proxy-error-unasked"),
    _trial("unknown-payload"),
    # --- quotes
    _trial("ask-only-spot", stay=10.0),
    dataclasses.replace(
        # It reads late what it is sent, and so the server reads late what it sends.
        _trial("flood", stay=10.0),
        always=(Keeps(), Calm(), Once()),
    ),
    # --- bytes
    _trial("frame-1-mib"),
    _trial("frame-15-mib"),
    _trial("frame-17-mib", _LOGS_IN),
    _trial("frame-empty"),
    _trial("frame-negative", _LOGS_IN),
    _trial("split-header"),
    _trial("half-frame", _LOGS_IN),
    _trial("corrupt-frame"),
    _trial("slow-network"),
    # --- links
    _trial("silent-server", Notices(_LATE), _RESTORES, stay=_LONG),
    _trial("slow-close", _RESTORES, stay=_LONG + 10.0),
    _trial("refused-reconnect", _RESTORES, stay=_LONG),
    _trial("slow-replies"),
    # --- limits and maintenance
    _trial("blocked", Waits(_TRADER, 2.0)),
    _trial("blocked-for-unknown", Waits(_TRADER, 0.5)),
    _trial("too-frequent", Waits(_TRADER, 0.5)),
    _trial("maintenance"),
    # --- sessions
    dataclasses.replace(
        _trial("already-logged-in"), besides=(Fault(HangUp(), message="ProtoOATraderRes"),)
    ),
    _trial("client-disconnect", _LOGS_IN),
    _trial("account-disconnect", Again((_ACCOUNT,))),
    _trial("token-invalidated", ending=_GIVES_UP),
    _trial("lost-refresh", Once("ProtoOARefreshTokenReq", "refresh token"), ending=_GIVES_UP),
    # --- TLS
    _trial("tls-untrusted", Distrusts(), ending=_GIVES_UP),
    _trial("tls-expired", Distrusts(), ending=_GIVES_UP),
    _trial("tls-wrong-host", Distrusts(), ending=_GIVES_UP),
    _trial("tls-garbage", ending=_GIVES_UP),
    _trial("tls-hang-up"),
    _trial("tls-silence", Notices(_LATE)),
    _trial("tls-reset"),
)

EXPECTATIONS: Mapping[str, Expectation] = {expectation.name: expectation for expectation in _ALL}
"""The trials that are held unless others are named."""

LEFT_OUT: Mapping[str, str] = {
    "flaky": "goes wrong by chance, so that surviving it once says little",
    "no-heartbeats": "while there are quotes, the server sends no heartbeats anyway",
    "maintenance-with-end": "a good client waits for the end that it is told, which is far away",
}
"""Scenarios that are run only when they are named, and why."""

_CERTIFICATES = frozenset({"tls-untrusted", "tls-expired", "tls-wrong-host"})


def impossible(expectation: Expectation, wire: str) -> str | None:
    """Why a trial cannot be held on the wire of this name; None if it can."""
    if not ENDPOINTS[wire].tls and expectation.name in _CERTIFICATES:
        return "there are no certificates without TLS"
    return None


def plainly(scenario: Scenario) -> Expectation:
    """A trial of a scenario for which nothing particular is expected, such as one out of a file."""
    return Expectation(scenario, happens=False)


_TIMES = frozenset({"seconds", "pause"})


def shortened_times(fault: Fault, tempo: float) -> Fault:
    """The fault, with `tempo` seconds for each of its own. What it tells the client stays as is."""
    return dataclasses.replace(
        fault, after=fault.after * tempo, effect=_hurried(fault.effect, tempo)
    )


def _hurried(effect: Effect, tempo: float) -> Effect:
    values: dict[str, Any] = {f.name: getattr(effect, f.name) for f in dataclasses.fields(effect)}
    times = {
        name: value * tempo
        for name, value in values.items()
        if name in _TIMES and value is not None
    }
    return dataclasses.replace(effect, **times)
