"""What every well-behaved client keeps to, whatever it does: watched on all connections, always.

A pure function of what was heard and when. Messages are known by name, so that it works with any
release.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ctrader_typed.message import Message, Request

from ..rate_limit import RateLimit, RateRules

HEARTBEAT_GAP = 10.0
"""Seconds between two messages of a client: the documentation's rule."""

_SLACK = 0.5  # seconds; a message that was sent in time may be on its way for some
_HISTORICAL = frozenset(
    {
        "ProtoOAGetTrendbarsReq",
        "ProtoOAGetTickDataReq",
        "ProtoOADealListReq",
        "ProtoOACashFlowHistoryListReq",
    }
)
_UNCOUNTED = frozenset({"ProtoOAApplicationAuthReq", "ProtoOAAccountAuthReq"})
_ANYBODY = frozenset({"ProtoOAApplicationAuthReq", "ProtoOAVersionReq"})


class Rule(StrEnum):
    """The rules, in a few words each."""

    HEARTBEAT = "a message at least every 10 seconds"
    RATE = "at most 50 requests a second, 5 of them historical"
    AUTH_FIRST = "the application logs in first, an account before it is used"
    ORDER_ID = "no clientOrderId twice"
    LOGGED_OUT = "nothing for an account after its logout"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken, on which connection, when on the server's clock, and how."""

    rule: Rule
    connection: int
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.at:.3f} s, connection {self.connection}: {self.text} ({self.rule})"


@dataclass(slots=True)
class _Client:
    """What is known of a connection."""

    last: float
    limit: RateLimit = field(default_factory=lambda: RateLimit(RateRules(older=True)))
    application: bool = False
    accounts: set[int] = field(default_factory=set[int])
    logged_out: set[int] = field(default_factory=set[int])


def summary(violations: Iterable[Violation]) -> list[str]:
    """A line for each rule that was broken: how often, and the first time."""
    found: defaultdict[Rule, list[Violation]] = defaultdict(list)
    for violation in violations:
        found[violation.rule].append(violation)
    return [
        f"broken {_times(len(each))}: {rule}; first at {each[0].at:.3f} s on connection "
        f"{each[0].connection}: {each[0].text}"
        for rule, each in found.items()
    ]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


class ClientRules:
    """Hears everything that clients send; `violations` is what was wrong with it, in order."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._clients: dict[int, _Client] = {}
        self._order_ids: defaultdict[str, int] = defaultdict(int)

    def opened(self, connection: int, now: float) -> None:
        """A connection stands."""
        self._clients[connection] = _Client(now)

    def closed(self, connection: int, now: float) -> None:
        """A connection is gone."""
        client = self._clients.pop(connection)
        self._gap(client, connection, now)

    def heard(self, connection: int, message: Message | None, now: float) -> None:
        """A client has sent a message; None for one that could not be read."""
        client = self._clients[connection]
        self._gap(client, connection, now)
        client.last = now
        if isinstance(message, Request):
            for rule, text in self._wrong(client, message, now):
                self.violations.append(Violation(rule, connection, now, text))

    def _gap(self, client: _Client, connection: int, now: float) -> None:
        gap = now - client.last
        if gap > HEARTBEAT_GAP + _SLACK:
            text = f"nothing for {gap:.1f} seconds"
            self.violations.append(Violation(Rule.HEARTBEAT, connection, now, text))

    def _wrong(self, client: _Client, message: Any, now: float) -> Iterable[tuple[Rule, str]]:
        name = type(message).__name__
        if name not in _UNCOUNTED:
            historical = name in _HISTORICAL
            if client.limit.take(0, historical, now) is not None:
                yield Rule.RATE, f"{name} is one too many"
        if name == "ProtoOANewOrderReq" and message.client_order_id is not None:
            self._order_ids[message.client_order_id] += 1
            if self._order_ids[message.client_order_id] == 2:
                yield Rule.ORDER_ID, f"clientOrderId {message.client_order_id!r} again"
        yield from _sessions(client, name, getattr(message, "ctid_trader_account_id", None))


def _sessions(client: _Client, name: str, account: int | None) -> Iterable[tuple[Rule, str]]:
    """Whether the application and the account have logged in, as far as the client has asked."""
    if name == "ProtoOAApplicationAuthReq":
        client.application = True
    elif name not in _ANYBODY and not client.application:
        yield Rule.AUTH_FIRST, f"{name} before the application has logged in"
    elif account is None:
        return
    elif name == "ProtoOAAccountAuthReq":
        client.accounts.add(account)
        client.logged_out.discard(account)
    elif account in client.logged_out:
        yield Rule.LOGGED_OUT, f"{name} for account {account} after its logout"
    elif account not in client.accounts:
        yield Rule.AUTH_FIRST, f"{name} before account {account} has logged in"
    elif name == "ProtoOAAccountLogoutReq":
        client.logged_out.add(account)
