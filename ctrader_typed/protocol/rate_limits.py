"""The server's rate limits as data: how many requests a second, and which of them count where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from ..schema import Schema
from ..units import checks
from .message_roles import MessageRoles

HISTORICAL = frozenset(
    (
        "ProtoOACashFlowHistoryListReq",
        "ProtoOADealListReq",
        "ProtoOAGetTickDataReq",
        "ProtoOAGetTrendbarsReq",
    )
)
"""Requests in the historical lane.

Nobody publishes the list. Bars and ticks are certain; the other two are here to be safe.
"""

UNCOUNTED = frozenset(("ProtoOAAccountAuthReq", "ProtoOAApplicationAuthReq"))
"""Requests outside the limits, as clients of the field treat them. Heartbeats are no requests."""

HASTY = frozenset(("ProtoOARefreshTokenReq",))
"""Requests that go before all others of the ordinary lane: a token that waits may expire."""

WRITES = frozenset(
    ("ProtoOAAccountLogoutReq", "ProtoOAMarginCallUpdateReq", "ProtoOARefreshTokenReq")
)
"""Requests besides the trading ones that are never sent a second time by themselves."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What the server allows on one connection, in requests a second; None is no limit.

    `margin` is how many seconds more than one a place stays taken: how much later than another a
    request may reach the server without a limit being exceeded there, whenever its seconds begin.
    0.04 uses 96 % of a lane. `historical_requests` are names of messages.
    """

    ordinary: int | None = 50
    historical: int | None = 5
    margin: float = 0.04
    historical_requests: frozenset[str] = HISTORICAL

    def __post_init__(self) -> None:
        for what, limit in (("ordinary", self.ordinary), ("historical", self.historical)):
            if limit is not None:
                checks.whole(limit, what, 1)
        checks.seconds(self.margin, "margin", zero=True)
        checks.instance(
            self.historical_requests,
            "historical_requests",
            (frozenset, set),
            "a set of names of messages",
        )


NO_LIMITS = RateLimits(ordinary=None, historical=None)
"""Everything leaves at once."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane as it stands. Times are those of the clock that drives it (trio's, in a client)."""

    limit: int | None
    """Requests a second; None without a limit."""
    queued: int
    """Requests that wait, blocked ones included."""
    left: int | None
    """Requests that may leave at once, orders that is: reads keep a distance. None: any number."""
    blocked_until: float | None
    """Until when its reads wait because the server had enough; None if they do not."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A snapshot of both lanes, and the requests that the server blocks one by one."""

    ordinary: Lane
    historical: Lane
    blocked: Mapping[str, float]
    """Name of the request → until when."""


class LaneRule(Enum):
    """Who goes first: the order of these, where each may go at all."""

    __hash__ = object.__hash__  # Enum's own is written in Python: 13 times a request

    UNCOUNTED = auto()
    URGENT = auto()
    """The link's own questions, and HASTY: in the ordinary lane, before everything else in it."""
    ORDER = auto()
    """Trading requests: in the ordinary lane, never held back by a block."""
    READ = auto()
    HISTORY = auto()
    """The historical lane."""


def lane_rules(schema: Schema, limits: RateLimits) -> Mapping[type[Any], LaneRule]:
    """Every request of a schema, and where it belongs.

    Raises ValueError for a historical request that the schema lacks, unless it is one of ours.
    """
    unknown = limits.historical_requests - HISTORICAL - set(schema.by_name)
    if unknown:
        raise ValueError(f"release {schema.release} has no {', '.join(sorted(unknown))}")
    execution = MessageRoles(schema).execution
    return {
        kind: _lane_rule(kind.__name__, answer is execution, limits.historical_requests)
        for kind, answer in schema.responses.items()
    }


def _lane_rule(name: str, trading: bool, historical: frozenset[str]) -> LaneRule:
    if trading:
        return LaneRule.ORDER
    if name in historical:
        return LaneRule.HISTORY
    if name in HASTY:
        return LaneRule.URGENT
    return LaneRule.UNCOUNTED if name in UNCOUNTED else LaneRule.READ


def repeatable_requests(schema: Schema) -> frozenset[type[Any]]:
    """Requests that may be sent again when the server refused them for being one too many."""
    execution = MessageRoles(schema).execution
    return frozenset(
        kind
        for kind, answer in schema.responses.items()
        if answer is not execution and kind.__name__ not in WRITES
    )
