"""One connection's side of the gate: who it is, what it may ask, when it has been silent too long.

Error codes and texts are those that clients saw on live servers; where only the code is known, the
text is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias, cast

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.message import Message, Request
from ctrader_typed.proto import (
    SCHEMA,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAClientDisconnectEvent,
    ProtoOAClientPermissionScope,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAVersionReq,
)

from ..broker.refusal_texts import seen, without_invented
from ..broker.refusals import Refusal
from ..handler import Action, BadPayload, ClientConnection, Close, Envelope, Event, Send
from ..rate_limit import RateLimit
from .credentials import Credentials, Grant
from .rules import AccountDirectory, ProxyRules

_ANYBODY = frozenset({ProtoOAApplicationAuthReq, ProtoOAVersionReq})
"""What needs no application session. Clients probe with the version on a bare connection."""

_BEFORE_LOGIN: Mapping[type[Message], str] = {
    ProtoOAGetAccountListByAccessTokenReq: "UNSUPPORTED_MESSAGE"
}
"""What is refused in another way than the rest where there is none, as seen on a live server."""

_UNCOUNTED = frozenset({ProtoOAApplicationAuthReq, ProtoOAAccountAuthReq})
"""What is outside the rate limits, heartbeats apart."""

_TRADE = ProtoOAClientPermissionScope.SCOPE_TRADE
_MISSING_IN_JSON = re.compile(r"missing required fields: .*")
_MISSING = re.compile(r"required field (\w+) \(\d+\) is missing")


class SharedProxy(Protocol):
    """What a session needs of the proxy that all sessions share."""

    core: AccountDirectory
    credentials: Credentials
    proxy_rules: ProxyRules
    now: float

    def join(self, session: ProxySession) -> None:
        """A client has connected."""
        ...

    def leave(self, session: ProxySession) -> None:
        """A client has gone."""
        ...

    def ask(
        self, session: ProxySession, request: Message, client_msg_id: str | None
    ) -> list[Action]:
        """Put a request to the broker; returns what the session gets."""
        ...

    def replan(self) -> None:
        """Something may be due earlier than was planned."""
        ...

    def connections_of(self, client_id: str) -> int:
        """On how many connections an application is logged in."""
        ...

    def invalidate(
        self, grant: Grant, reason: str, asking: ProxySession | None = None
    ) -> list[Action]:
        """End all account sessions of a token; returns what `asking` gets."""
        ...

    def end_session(self, session: ProxySession, account_id: int) -> Send:
        """An account's session on one connection ends; returns the event that says so."""
        ...


Reply: TypeAlias = tuple[Message, list[Action]]
"""The reply, and the events that follow it on the same connection."""


class ProxySession:
    """The gate's behaviour on one connection.

    `client_id` is the application's, None before it has logged in; `accounts` are the account
    sessions, each with the grant that it stands on.
    """

    def __init__(
        self,
        proxy: SharedProxy,
        client: ClientConnection,
        answers: Mapping[type[Message], Callable[[ProxySession, Any, float], Reply]],
    ) -> None:
        self.number = client.number
        self.client_id: str | None = None
        self.accounts: dict[int, Grant] = {}
        self.proxy = proxy
        self._push = client.push
        self._answers = answers
        rates = proxy.proxy_rules.rates
        self._limit = None if rates is None else RateLimit(rates)
        self._heard = 0.0
        self._spoke = 0.0

    # --- the behaviour ----------------------------------------------------------------------------

    def opened(self, now: float) -> Iterable[Action]:
        """Nothing is said until the client speaks."""
        self._heard = self._spoke = self.proxy.now = now
        self.proxy.join(self)
        return []

    def received(self, event: Event, now: float) -> Iterable[Action]:
        """Answer, or put it to the core."""
        self._heard = self.proxy.now = now
        if isinstance(event, Envelope) and isinstance(event.message, ProtoHeartbeatEvent):
            return []
        actions = self._worded(self._answer(event, now))
        if actions:
            self._spoke = now
        return actions

    def broken(self, error: RemoteProtocolError, now: float) -> Iterable[Action]:
        """Say what is wrong with the JSON, and where."""
        self.proxy.now = now
        return [Send(Refusal("INVALID_REQUEST", self._decoder_text(str(error))).message(None))]

    def announced(self, message: Message) -> None:
        """The client was told that sessions have ended: so they have, on this connection."""
        ended: Iterable[int] = ()
        if isinstance(message, ProtoOAClientDisconnectEvent):
            self.client_id = None
            ended = tuple(self.accounts)
        elif isinstance(message, ProtoOAAccountDisconnectEvent):
            ended = (message.ctid_trader_account_id,)
        elif isinstance(message, ProtoOAAccountsTokenInvalidatedEvent):
            ended = message.ctid_trader_account_ids
        for account_id in ended:
            if account_id in self.accounts:
                self.proxy.end_session(self, account_id)

    def wake_at(self) -> float | None:
        """When it has been silent for too long, on either side."""
        times = [at for at in (self._beat_at(), self._drop_at()) if at is not None]
        return min(times, default=None)

    def wake(self, now: float) -> Iterable[Action]:
        """Say that we are there; hang up on a client that is not."""
        drop_at, beat_at = self._drop_at(), self._beat_at()
        if drop_at is not None and now >= drop_at:
            return [Close(f"the client was silent for {now - self._heard:g} seconds")]
        if beat_at is not None and now >= beat_at:
            self._spoke = now
            return [Send(ProtoHeartbeatEvent())]
        return []

    def closed(self, now: float) -> None:
        """The client has gone."""
        self.proxy.now = now
        self.proxy.leave(self)

    def push(self, actions: Iterable[Action]) -> None:
        """Say something that the client did not ask for."""
        self._spoke = self.proxy.now
        self._push(self._worded(actions))

    def _decoder_text(self, text: str) -> str | None:
        """What our decoder says, which is invented unless a live server says the same."""
        return text if self.proxy.proxy_rules.invented_texts or seen(text) else None

    def _worded(self, actions: Iterable[Action]) -> list[Action]:
        """The same, without the texts that are invented if there shall be none."""
        if self.proxy.proxy_rules.invented_texts:
            return list(actions)
        return [
            replace(each, message=without_invented(each.message))
            if isinstance(each, Send)
            else each
            for each in actions
        ]

    def _beat_at(self) -> float | None:
        interval = self.proxy.proxy_rules.heartbeat
        return None if interval is None else self._spoke + interval

    def _drop_at(self) -> float | None:
        limit = self.proxy.proxy_rules.silence
        return None if limit is None else self._heard + limit

    # --- what may pass ----------------------------------------------------------------------------

    def _answer(self, event: Event, now: float) -> list[Action]:
        client_msg_id = event.client_msg_id
        account_id: int | None = None
        try:
            request = _request(event)
            if not isinstance(request, ProtoOAAccountAuthReq):
                account_id = getattr(request, "ctid_trader_account_id", None)
            self._count(request, now)
            self._admit(request, account_id)
            own = self._answers.get(type(request))
            if own is None:
                return self.proxy.ask(self, request, client_msg_id)
            reply, events = own(self, request, now)
        except _RateExceeded as limited:
            return [Send(limited.message(), client_msg_id)]
        except Refusal as refusal:
            if isinstance(event, BadPayload):
                refusal.description = self._decoder_text(refusal.description or "")
            return [Send(refusal.message(account_id), client_msg_id)]
        self.proxy.replan()
        return [Send(reply, client_msg_id), *events]

    def _count(self, request: Message, now: float) -> None:
        if self._limit is None or type(request) in _UNCOUNTED:
            return
        payload_type = SCHEMA.payload_types[type(request)]
        historical = type(request) in self.proxy.proxy_rules.historical
        wait = self._limit.take(payload_type, historical, now)
        if wait is not None:
            raise _RateExceeded(wait)

    def _admit(self, request: Message, account_id: int | None) -> None:
        """Raise Refusal unless this connection may ask this."""
        if type(request) in _ANYBODY:
            return
        if self.client_id is None:
            raise Refusal(_BEFORE_LOGIN.get(type(request), "CH_CLIENT_NOT_AUTHENTICATED"))
        if account_id is None:
            return
        grant = self.accounts.get(account_id)
        if grant is None:
            raise Refusal("INVALID_REQUEST", "Trading account is not authorized")
        trades = SCHEMA.responses.get(cast("type[Request[Any]]", type(request)))
        if trades is ProtoOAExecutionEvent and grant.scope != _TRADE:
            raise Refusal("TRADING_NOT_ALLOWED")


class _RateExceeded(Exception):
    """A request above the rate limit; the text is of 2026."""

    def __init__(self, wait: int | None) -> None:
        super().__init__(wait)
        self._wait = wait

    def message(self) -> Message:
        if self._wait == 0:
            return ProtoOAErrorRes(error_code="REQUEST_FREQUENCY_EXCEEDED")
        return ProtoOAErrorRes(
            error_code="BLOCKED_PAYLOAD_TYPE",
            description="You are being rate limited",
            retry_after=self._wait,
        )


def _request(event: Event) -> Message:
    """The request in what came; Refusal if it is none that a server takes."""
    if isinstance(event, BadPayload):
        raise Refusal("INVALID_REQUEST", _complaint(event))
    message: Message | None = event.message if isinstance(event, Envelope) else None
    if message is None or not issubclass(type(message), Request):
        raise Refusal("UNSUPPORTED_MESSAGE")
    return message


def _complaint(event: BadPayload) -> str:
    in_json = _MISSING_IN_JSON.search(str(event.error))
    if in_json is not None:
        return f"Message {in_json[0]}"
    missing = _MISSING.search(str(event.error))
    if missing is None:
        return str(event.error)
    first, *rest = missing[1].split("_")
    return f"Message missing required fields: {first}{''.join(map(str.capitalize, rest))}"
