"""Between the protocol gate and the simulated broker: one pure interface, time as an argument.

The gate authenticates, limits and routes; the core answers requests that may pass and pushes what
happens. Neither knows of streams, clocks or tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ctrader_typed.message import Message


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and who gets it.

    `connection` gets it with `client_msg_id`. If `account_id` is set, every other connection
    that is authorised for that account gets it too, without the id: so the requester's answer is
    everybody else's event.
    """

    message: Message
    connection: int | None = None
    client_msg_id: str | None = None
    account_id: int | None = None


class BrokerInterface(Protocol):
    """The broker as the gate sees it: connections are numbers, `now` is the server's clock (s)."""

    def connected(self, connection: int, now: float) -> None:
        """A client has connected; it has no accounts and no subscriptions yet."""
        ...

    def disconnected(self, connection: int, now: float) -> None:
        """A client has gone: its subscriptions end, its orders and positions stay."""
        ...

    def received(
        self, connection: int, request: Message, client_msg_id: str | None, now: float
    ) -> Iterable[Outgoing]:
        """Answer a request of an authorised connection."""
        ...

    def wake_at(self) -> float | None:
        """When the core next wants to act by itself; None for never."""
        ...

    def wake(self, now: float) -> Iterable[Outgoing]:
        """Let everything happen that is due at `now`, in order."""
        ...
