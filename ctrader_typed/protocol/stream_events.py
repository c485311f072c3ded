"""What streams tell besides the server's events: that something may be missing, or stays away.

Plain values; nobody here finds out when they are due.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CTraderError
from ..message import Message
from .session import SessionPart


@dataclass(frozen=True, slots=True)
class Gap:
    """Events may be missing here: the connection was lost, and there is a new one; or an account's
    session was ended, and there is a new one on the same connection.

    What comes after it is fresh; what was known before may be stale. Both times are ms since the
    Unix epoch by this machine's clock, as the API counts them: what it sent between them can be
    asked for where the API keeps a history (deals, orders, bars, ticks).
    """

    lost_at: int
    """When the last byte came in on the connection that was lost, or the session's end did."""
    restored_at: int
    """When the session was restored, or this stream's first fresh event came in before that."""
    connection: int
    """The number of the connection from here on; the client's first one was 1."""
    reason: str
    """Why the connection, or the account's session, was lost."""


@dataclass(frozen=True, slots=True)
class NotRestored:
    """A part of the session that the server refused after a reconnect, and that is given up.

    `request` is what was asked: an authorisation, or a subscription. An account's subscriptions
    come back when somebody authorises it again; nothing else is tried again by itself.
    """

    request: Message
    error: CTraderError


@dataclass(frozen=True, slots=True)
class GivenUp:
    """One of the parts that a NotRestored is about, or that went with an account which this client
    has logged out: for who has it and cannot mend it.

    Streams that ask for this do not keep a client alive whose accounts are all refused.
    """

    part: SessionPart
    error: CTraderError
    may_be_mended: bool = False
    """It is an account, and a stream of NotRestored is open: its reader may authorise it again."""

    @property
    def ctid_trader_account_id(self) -> int:
        """The account: a stream may be about one alone."""
        return self.part.account
