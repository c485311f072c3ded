"""The server's front, shared by all connections: lets clients in, tells them what concerns them.

Behind it stands a core, such as the simulated broker, which answers what is let through. A
`ProxySession` is one connection's side of it. Time is an argument; what has to be said on another
connection goes through its client's `push`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAClientDisconnectEvent,
)

from ..broker.interface import Outgoing
from ..handler import Action, ClientConnection, Send
from .auth import ANSWERS
from .credentials import Credentials, Grant
from .rules import AccountDirectory, ProxyRules
from .session import ProxySession


class Proxy:
    """Give it to `mock_server`: it makes a channel for each connection, and is their world.

    `now` is the time of the latest call.
    """

    def __init__(
        self,
        core: AccountDirectory,
        credentials: Credentials,
        proxy_rules: ProxyRules | None = None,
    ) -> None:
        self.core = core
        self.credentials = credentials
        self.proxy_rules = ProxyRules() if proxy_rules is None else proxy_rules
        self.sessions: dict[int, ProxySession] = {}
        self.now = 0.0
        self._nudge: Callable[[], None] = _nobody
        self._planned: float | None = None

    def __call__(self, client: ClientConnection) -> ProxySession:
        """The behaviour of a connection."""
        return ProxySession(self, client, ANSWERS)

    # --- the world --------------------------------------------------------------------------------

    def started(self, nudge: Callable[[], None]) -> None:
        """The server runs: what a test does to the core is heard at once."""
        self._nudge = self.core.on_change = nudge

    def wake_at(self) -> float | None:
        """When the core is due, or a token runs out; nothing happens while nobody is connected."""
        self._planned = self._due()
        return self._planned

    def wake(self, now: float) -> None:
        """Let happen what is due, and tell everybody whom it concerns."""
        self.now = now
        self.deliver(self.core.wake(now))
        for grant in {id(grant): grant for grant in self._grants()}.values():
            if grant.replaced(now):
                self.credentials.revoke(grant)
                self.invalidate(grant, "The access token was refreshed")
            elif grant.expired(now):
                self.invalidate(grant, "The access token has expired")

    def _due(self) -> float | None:
        times = [min(grant.expires_at, grant.replaced_at) for grant in self._grants()]
        core = self.core.wake_at() if self.sessions else None
        if core is not None:
            times.append(core)
        return min(times, default=None)

    def _grants(self) -> Iterator[Grant]:
        for session in self.sessions.values():
            yield from session.accounts.values()

    # --- connections and the core -----------------------------------------------------------------

    def join(self, session: ProxySession) -> None:
        """A client has connected. Of what was before it hears nothing, however soon it logs in."""
        self.deliver(self.core.wake(self.now))
        self.sessions[session.number] = session
        self.core.connected(session.number, self.now)
        self.replan()

    def leave(self, session: ProxySession) -> None:
        """A client has gone."""
        del self.sessions[session.number]
        self.core.disconnected(session.number, self.now)

    def ask(
        self, session: ProxySession, request: Message, client_msg_id: str | None
    ) -> list[Action]:
        """Put a request to the core; returns what the channel gets. Others are told theirs."""
        outgoing = self.core.received(session.number, request, client_msg_id, self.now)
        own = self.deliver(outgoing, session)
        self._wanted_by(self.core.wake_at())
        return own

    def replan(self) -> None:
        """Something may be due earlier than was planned."""
        self._wanted_by(self._due())

    def _wanted_by(self, at: float | None) -> None:
        """The engine asks again by itself when the time comes that it was told last."""
        if at is not None and (self._planned is None or at < self._planned):
            self._nudge()

    def deliver(
        self, outgoing: Iterable[Outgoing], asking: ProxySession | None = None
    ) -> list[Action]:
        """Send each message to whom it concerns; returns what `asking` gets, which sends it."""
        actions: defaultdict[int, list[Action]] = defaultdict(list)
        for each in outgoing:
            if each.connection is not None:
                actions[each.connection].append(Send(each.message, each.client_msg_id))
            if each.account_id is not None:
                for number, session in self.sessions.items():
                    if number != each.connection and each.account_id in session.accounts:
                        actions[number].append(Send(each.message))
        own = [] if asking is None else actions.pop(asking.number, [])
        for number, theirs in actions.items():
            if number in self.sessions:
                self.sessions[number].push(theirs)
        return own

    def connections_of(self, client_id: str) -> int:
        """On how many connections an application is logged in."""
        return sum(session.client_id == client_id for session in self.sessions.values())

    # --- sessions that end -----------------------------------------------------------------------

    def invalidate(
        self, grant: Grant, reason: str, asking: ProxySession | None = None
    ) -> list[Action]:
        """End all account sessions of a token: both events, as a live server sends them.

        Returns what `asking` gets, it sends that itself.
        """
        own: list[Action] = []
        for session in self.sessions.values():
            ids = [number for number, held in session.accounts.items() if held is grant]
            if not ids:
                continue
            event = ProtoOAAccountsTokenInvalidatedEvent(ctid_trader_account_ids=ids, reason=reason)
            actions = [Send(event), *(self.end_session(session, number) for number in ids)]
            if session is asking:
                own.extend(actions)
            else:
                session.push(actions)
        return own

    def end_session(self, session: ProxySession, account_id: int) -> Send:
        """An account's session on one connection ends; returns the event that says so."""
        del session.accounts[account_id]
        self.core.logged_out(session.number, account_id)
        return Send(ProtoOAAccountDisconnectEvent(ctid_trader_account_id=account_id))

    def revoke(self, access_token: str, reason: str = "The access token was revoked") -> None:
        """The owner takes a grant back; KeyError if there is none with that token."""
        grant = self.credentials.grant(access_token)
        if grant is None:
            raise KeyError("no grant has this access token")
        self.credentials.revoke(grant)
        self.invalidate(grant, reason)

    def drop_account(self, account_id: int) -> None:
        """End an account's sessions on all connections; the connections stay."""
        for session in self.sessions.values():
            if account_id in session.accounts:
                session.push([self.end_session(session, account_id)])

    def drop_application(self, client_id: str, reason: str | None = None) -> None:
        """End an application's session on all its connections, and those of all accounts on them.

        The connections stay; the application can log in again.
        """
        for session in self.sessions.values():
            if session.client_id == client_id:
                session.client_id = None
                for account_id in list(session.accounts):
                    self.end_session(session, account_id)
                session.push([Send(ProtoOAClientDisconnectEvent(reason=reason))])


def _nobody() -> None:
    """No server runs yet."""
