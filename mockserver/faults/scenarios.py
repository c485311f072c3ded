"""What goes wrong most often, by name: data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..handler import ConnectionGreeting
from ..recordings.session_file import Direction
from .effects import (
    Announce,
    Answer,
    CloseDoor,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Hang,
    HangUp,
    Inflate,
    Meet,
    Push,
    Refuse,
    Reorder,
    Reset,
    Strip,
    Throttle,
    Truncate,
)
from .plan import Fault, Plan

CLIENT = Direction.CLIENT
MIB = 1024 * 1024

_FILL = "ProtoOAExecutionEvent"
_FILLED = {"executionType": 3}
_ORDER = "ProtoOANewOrderReq"
_SPOT = "ProtoOASpotEvent"
_ACCOUNT = {"ctidTraderAccountId": "<request:ctidTraderAccountId>"}
_TOKEN = "ProtoOAAccountsTokenInvalidatedEvent"


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """Faults under a name, with a line on what they are."""

    name: str
    note: str
    faults: tuple[Fault, ...]
    seed: int = 0

    def plan(self, seed: int | None = None) -> Plan:
        """The faults, armed; with another seed, chance falls otherwise."""
        return Plan(self.faults, self.seed if seed is None else seed)


def _named(name: str, note: str, *faults: Fault) -> Scenario:
    return Scenario(name, note, faults)


_ALL = (
    # --- orders
    _named("late-fill", "an order is accepted; its fill comes 50 ms later than the broker made it",
           Fault(Delay(0.05), message=_FILL, fields=_FILLED)),
    _named("lost-fill", "an order is accepted and filled, but the client never hears of the fill",
           Fault(Drop(), message=_FILL, fields=_FILLED)),
    _named("lost-order", "the first order never gets to the server, and nothing is said",
           Fault(Drop(), CLIENT, message=_ORDER)),
    _named("order-error", "the first order is answered with ProtoOAOrderErrorEvent",
           Fault(Answer("ProtoOAOrderErrorEvent", {
               **_ACCOUNT, "errorCode": "NOT_ENOUGH_MONEY", "description": "Not enough money"}),
               message=_ORDER)),
    _named("duplicate-fill", "every execution event comes twice",
           Fault(Duplicate(), message=_FILL, times=None)),
    _named("fill-before-acceptance", "the acceptance of an order comes after its fill",
           Fault(Reorder(), message=_FILL, fields={"executionType": 2})),
    _named("absent-defaults", "orders come without the fields whose default is not zero",
           Fault(Strip(("order.timeInForce", "order.stopTriggerMethod")),
                 message=_FILL, times=None)),
    # --- requests and replies
    _named("close-after-request", "the server closes the connection after it has read an order",
           Fault(HangUp(), CLIENT, message=_ORDER)),
    _named("close-after-order", "the server carries an order out and closes instead of answering",
           Fault(HangUp(), message=_FILL)),
    _named("reset-after-request", "the connection is reset after an order was read",
           Fault(Reset(), CLIENT, message=_ORDER)),
    _named("late-reply", "the first reply to ProtoOATraderReq comes 30 s late",
           Fault(Delay(30.0), message="ProtoOATraderRes")),
    _named("lost-reply", "the first reply to ProtoOATraderReq never comes",
           Fault(Drop(), message="ProtoOATraderRes")),
    _named("event-before-reply", "an event that nobody asked for comes before each reply",
           Fault(Push("ProtoOASymbolChangedEvent", {**_ACCOUNT, "symbolId": [1]}),
                 message="ProtoOATraderRes", times=None)),
    _named("proxy-error", "a request is answered by ProtoErrorRes, the proxy's own error",
           Fault(Refuse("UNKNOWN_ERROR", "proxy", proxy=True), message="ProtoOATraderReq")),
    _named("proxy-error-unasked", "a ProtoErrorRes comes that answers no request",
           Fault(Push("ProtoErrorRes", {"errorCode": "UNKNOWN_ERROR"}),
                 message="ProtoOATraderRes")),
    _named("unknown-payload", "messages come whose payload type no schema has",
           Fault(Push(4242), times=None)),
    # --- quotes
    _named("ask-only-spot", "after the first quote, none has a bid",
           Fault(Strip(("bid", "trendbar")), message=_SPOT, nth=2, times=None)),
    _named("flood", "every quote comes a thousand times",
           Fault(Duplicate(1000), message=_SPOT, times=None)),
    # --- bytes
    _named("frame-1-mib", "one frame has 1 MiB",
           Fault(Inflate(MIB), message="ProtoOATraderRes")),
    _named("frame-15-mib", "one frame has 15 MiB",
           Fault(Inflate(15 * MIB), message="ProtoOATraderRes")),
    _named("frame-17-mib", "one frame announces 17 MiB",
           Fault(Announce(17 * MIB), message="ProtoOATraderRes")),
    _named("frame-empty", "one frame has the length 0",
           Fault(Announce(0), message="ProtoOATraderRes")),
    _named("frame-negative", "one frame has the length -1",
           Fault(Announce(-1), message="ProtoOATraderRes")),
    _named("split-header", "every byte comes by itself",
           Fault(Throttle(1), times=1)),
    _named("half-frame", "the connection ends in the middle of a frame",
           Fault(Truncate(), message="ProtoOATraderRes")),
    _named("corrupt-frame", "one byte of a frame is wrong",
           Fault(Corrupt(), message="ProtoOATraderRes")),
    _named("slow-network", "2 KiB a second from the server",
           Fault(Throttle(205, 0.1), times=1)),
    # --- links
    _named("silent-server", "10 s after the start nothing comes any more; the connection stays",
           Fault(Hang(), after=10.0)),
    _named("no-heartbeats", "the server sends no heartbeats",
           Fault(Drop(), message="ProtoHeartbeatEvent", times=None)),
    _named("slow-close", "10 s after the start the server falls silent, 10 s later it closes",
           Fault(HangUp(10.0), after=10.0)),
    _named("refused-reconnect", "the connection closes after 10 s; for 2 s the port is refused",
           Fault(CloseDoor(2.0), after=10.0), Fault(HangUp(), after=10.0)),
    _named("flaky", "one message in a hundred is the server's last on its connection",
           Fault(HangUp(), chance=0.01, times=None)),
    _named("slow-replies", "everything from the server is 200 ms late",
           Fault(Delay(0.2), times=None)),
    # --- limits and maintenance
    _named("blocked", "the third ProtoOATraderReq is blocked for 2 s",
           Fault(Refuse("BLOCKED_PAYLOAD_TYPE", "You are being rate limited", retry_after=2),
                 message="ProtoOATraderReq", nth=3)),
    _named("blocked-for-unknown", "the third ProtoOATraderReq is blocked; it is not said how long",
           Fault(Refuse("BLOCKED_PAYLOAD_TYPE", "You are being rate limited"),
                 message="ProtoOATraderReq", nth=3)),
    _named("too-frequent", "the third ProtoOATraderReq is refused with the older rate-limit error",
           Fault(Refuse("REQUEST_FREQUENCY_EXCEEDED"), message="ProtoOATraderReq", nth=3)),
    _named("maintenance", "for its first three attempts an account cannot be reached",
           Fault(Refuse("CANT_ROUTE_REQUEST"), message="ProtoOAAccountAuthReq", times=3)),
    _named("maintenance-with-end", "account logins are refused once, with the maintenance's end",
           Fault(Refuse("SERVER_IS_UNDER_MAINTENANCE", maintenance_end=1_800_000_000),
                 message="ProtoOAAccountAuthReq")),
    # --- sessions
    _named("already-logged-in", "the second connection is told that its account is logged in",
           Fault(Duplicate(), CLIENT, message="ProtoOAAccountAuthReq", connection=2),
           Fault(Drop(), message="ProtoOAAccountAuthRes", connection=2)),
    _named("client-disconnect", "the server ends the application's session; the connection stays",
           Fault(Push("ProtoOAClientDisconnectEvent", {"reason": "a fault of the plan"}),
                 message="ProtoOATraderRes")),
    _named("account-disconnect", "the server ends the account's session; the connection stays",
           Fault(Push("ProtoOAAccountDisconnectEvent", _ACCOUNT), message="ProtoOATraderRes")),
    _named("token-invalidated", "the account's token is invalidated; the connection stays",
           Fault(Push(_TOKEN, {"ctidTraderAccountIds": ["<request:ctidTraderAccountId>"]}),
                 message="ProtoOATraderRes")),
    _named("lost-refresh", "a token is refreshed, and the reply is lost",
           Fault(Drop(), message="ProtoOARefreshTokenRes")),
    # --- TLS
    *(
        _named(f"tls-{entrance.value.replace('_', '-')}", note,
               Fault(Meet(entrance), connection=1))
        for entrance, note in (
            (ConnectionGreeting.UNTRUSTED, "at first the certificate is of a CA that nobody knows"),
            (ConnectionGreeting.EXPIRED, "at first the certificate has run out"),
            (ConnectionGreeting.WRONG_HOST, "at first the certificate is for another host"),
            (ConnectionGreeting.GARBAGE, "at first the handshake is answered with nonsense"),
            (ConnectionGreeting.HANG_UP, "at first the connection is closed in mid-handshake"),
            (ConnectionGreeting.SILENCE, "at first nobody answers the handshake"),
            (ConnectionGreeting.RESET, "at first the connection is reset as soon as it stands"),
        )
    ),
)  # fmt: skip

SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
"""The scenarios that have a name."""
