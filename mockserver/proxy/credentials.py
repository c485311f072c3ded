"""Who may use the server: applications with their secrets, and grants with their tokens.

A grant is what the owner of some accounts gave to an application: an access token that runs out,
and a refresh token that gives a new pair once. Tokens are made without chance, so that a run can be
repeated. Knows no connection; the time is an argument, in seconds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ctrader_typed.keywords import suggest
from ctrader_typed.proto import ProtoOAClientPermissionScope

LIFETIME = 2_628_000.0
"""Seconds that an access token is good for: about thirty days."""


@dataclass(frozen=True, slots=True)
class Application:
    """A registered application. One that is not active yet ("Submitted") cannot log in."""

    client_id: str
    client_secret: str = field(repr=False)
    active: bool = True


@dataclass(slots=True, eq=False)
class Grant:
    """What an access token stands for. Each authorisation is a grant of its own.

    `replaced_at` is when its tokens end because they were refreshed.
    """

    user_id: int
    client_id: str
    accounts: frozenset[int]
    scope: ProtoOAClientPermissionScope
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    replaced_at: float = math.inf

    def replaced(self, now: float) -> bool:
        """Whether a refresh has ended it: its tokens are unknown then."""
        return now >= self.replaced_at

    def expired(self, now: float) -> bool:
        """Whether the access token has run out."""
        return now >= self.expires_at


@suggest
class Credentials:
    """All applications and grants of a server."""

    def __init__(self) -> None:
        self.applications: dict[str, Application] = {}
        self._grants: dict[str, Grant] = {}  # by access token
        self._refreshable: dict[str, Grant] = {}  # by refresh token
        self._made = 0

    def add_application(self, client_id: str, client_secret: str, *, active: bool = True) -> None:
        """Register an application, or change it."""
        self.applications[client_id] = Application(client_id, client_secret, active)

    def add_grant(
        self,
        client_id: str,
        accounts: Iterable[int],
        *,
        scope: ProtoOAClientPermissionScope = ProtoOAClientPermissionScope.SCOPE_TRADE,
        user_id: int = 1,
        access_token: str | None = None,
        refresh_token: str | None = None,
        now: float = 0.0,
        lifetime: float = LIFETIME,
    ) -> Grant:
        """Let an application at these accounts; tokens are made up unless they are given."""
        grant = Grant(
            user_id=user_id,
            client_id=client_id,
            accounts=frozenset(accounts),
            scope=scope,
            access_token=self._token() if access_token is None else access_token,
            refresh_token=self._token() if refresh_token is None else refresh_token,
            expires_at=now + lifetime,
        )
        self._grants[grant.access_token] = grant
        self._refreshable[grant.refresh_token] = grant
        return grant

    def grant(self, access_token: str) -> Grant | None:
        """What a token stands for, run out or not; None if it never was one, or is no more."""
        return self._grants.get(access_token)

    def refresh(
        self, refresh_token: str, client_id: str, now: float, grace: float = 0.0
    ) -> tuple[Grant, Grant] | None:
        """Trade in a refresh token; returns the old grant and the new one.

        Both old tokens stay usable for `grace` seconds, counted from the first refresh. None if the
        token is unknown, used, or another application's: nothing is revoked then.
        """
        old = self._refreshable.get(refresh_token)
        if old is None or old.client_id != client_id or old.replaced(now):
            return None
        old.replaced_at = min(old.replaced_at, now + grace)
        if old.replaced(now):
            self.revoke(old)
        new = self.add_grant(client_id, old.accounts, scope=old.scope, user_id=old.user_id, now=now)
        return old, new

    def revoke(self, grant: Grant) -> None:
        """Neither token of this grant is good for anything any more."""
        self._grants.pop(grant.access_token, None)
        self._refreshable.pop(grant.refresh_token, None)

    def _token(self) -> str:
        self._made += 1
        return hashlib.sha256(f"token {self._made}".encode()).hexdigest()[:43]
