"""How the proxy treats its connections, and what it needs of the broker behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ctrader_typed.keywords import suggest
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOACtidTraderAccount,
    ProtoOADealListReq,
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
)

from ..broker.interface import BrokerInterface
from ..rate_limit import RateRules


class ListedAccount(Protocol):
    """An account, as far as the proxy looks at it."""

    def listed(self) -> ProtoOACtidTraderAccount:
        """The account as the list of a token's accounts shows it."""
        ...


class AccountDirectory(BrokerInterface, Protocol):
    """A broker with accounts: what a proxy stands before."""

    on_change: Callable[[], None]

    @property
    def accounts(self) -> Mapping[int, ListedAccount]:
        """The accounts by id."""
        ...

    def logged_out(self, connection: int, account_id: int) -> None:
        """An account's session on a connection has ended."""
        ...


@suggest
@dataclass(frozen=True, slots=True)
class ProxyRules:
    """How the server treats its connections. Times are in seconds; None switches a rule off.

    - `rates`: how many requests a connection may send.
    - `historical`: the requests that count as historical. The documentation does not name them;
      all clients agree on bars and ticks, one adds the other two.
    - `heartbeat`: after so long without a message the server sends one; 25 to 30 were seen.
    - `silence`: after so long without a message from the client it hangs up. Not published:
      somewhere above 20.
    - `connections`: of one application at a time; 25 in the documentation of 2021.
    - `invented_texts`: whether refusals whose text nobody has seen carry the one that was made up
      here (`broker/refusal_texts.py`), or none.
    - `token_grace`: for so long after a refresh the old access and refresh token stay usable; a
      live server ends them at once (0).
    - `live`: whether this is the endpoint of live accounts (True), of demo accounts (False), or of
      both, as no real one is.
    """

    rates: RateRules | None = field(default_factory=RateRules)
    historical: frozenset[type[Message]] = frozenset(
        {
            ProtoOAGetTrendbarsReq,
            ProtoOAGetTickDataReq,
            ProtoOADealListReq,
            ProtoOACashFlowHistoryListReq,
        }
    )
    heartbeat: float | None = 27.0
    silence: float | None = 30.0
    connections: int | None = 25
    live: bool | None = None
    invented_texts: bool = True
    token_grace: float = 0.0
