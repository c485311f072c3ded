"""What each error code means for whoever meets it: one catalogue, in plain words.

Has all codes of both enums of the schema, and a few that only the wire has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Category(Enum):
    """What kind of refusal it is."""

    RATE_LIMIT = "rate limit"
    AUTHORISATION = "authorisation"
    """The application, the account or the token is not (or no longer) authorised."""
    PERMISSION = "permission"
    """Authorised, but not for this."""
    IN_FORCE = "already in force"
    """What was asked for is so already."""
    UNAVAILABLE = "unavailable"
    """The server, or a part behind it, is away."""
    REQUEST = "request"
    """The request itself is at fault."""
    NOT_FOUND = "not found"
    BUSY = "busy"
    """Something is being changed already."""
    MARKET = "market"
    """The symbol cannot be traded now, or not in this way."""
    MONEY = "money"
    """A limit of the account: margin, exposure, number of positions."""
    UNKNOWN = "unknown"


class Happened(Enum):
    """Whether what the request asks for was done."""

    NO = "no"
    YES = "yes"
    """It is in force, from before this request."""
    UNKNOWN = "unknown"
    """Nobody can tell from the code: look (reconcile, order list) before asking again."""


class Retry(Enum):
    """When the same request has a chance."""

    NEVER = "not as it is"
    """It is refused again until it is changed, or the world is."""
    NEEDLESS = "not needed"
    AT_ONCE = "within a second"
    AFTER_HINT = "after the block"
    """After `retry_after` seconds; without that hint after 1 s, then twice as long each time."""
    AFTER_AUTHORISATION = "once authorised"
    LATER = "in minutes"
    """Seconds at first, minutes in the end; a maintenance may say when it is over."""
    WHEN_OPEN = "when the market is open"


@dataclass(frozen=True, slots=True)
class Advice:
    """What an error code means. `str()` gives `action`."""

    category: Category
    happened: Happened
    retry: Retry
    action: str
    """What to do, in a sentence or two."""

    def __str__(self) -> str:
        return self.action


_MEANINGS: Mapping[tuple[Category, Happened, Retry], Mapping[str, str]] = {
    (Category.RATE_LIMIT, Happened.NO, Retry.AFTER_HINT): {
        "BLOCKED_PAYLOAD_TYPE": (
            "This kind of request is blocked for `retry_after` seconds. If that recurs, wait "
            "longer each time, up to two minutes: history has a longer quota as well."
        ),
        "REQUEST_FREQUENCY_EXCEEDED": (
            "Too many requests in a second: 50 are allowed on a connection, 5 for history. "
            "Does something else send on it, or several programs with the same application?"
        ),
    },
    (Category.AUTHORISATION, Happened.NO, Retry.AFTER_AUTHORISATION): {
        "OA_AUTH_TOKEN_EXPIRED": "Refresh the access token and authorise the account with it.",
        "ACCOUNT_NOT_AUTHORIZED": (
            "The account has no session on this connection: authorise it "
            "(ProtoOAAccountAuthReq). If it had one, its token may have expired, or been refreshed "
            "or revoked: authorise it with the newest."
        ),
        "CH_CLIENT_NOT_AUTHENTICATED": (
            "Authorise the application first (ProtoOAApplicationAuthReq), on each connection anew."
        ),
        "CH_ACCESS_TOKEN_INVALID": (
            "The access token may have expired (it lasts 30 days), been revoked, or been replaced "
            "by a newer one: a refresh ends the old one at once. Or the refresh token was used "
            "before, or one of them is mistyped. Take the newest pair from where tokens are kept, "
            "and refresh it if it is the same; if that is refused, let the user authorise again."
        ),
    },
    (Category.AUTHORISATION, Happened.NO, Retry.NEVER): {
        "RET_NO_SUCH_LOGIN": "The account does not exist any more. Fetch the account list.",
        "RET_ACCOUNT_DISABLED": "The account is disabled. Only its broker can change that.",
        "CH_CLIENT_AUTH_FAILURE": (
            "Check client id and secret; and that the application is active, no longer "
            "submitted, on its page at openapi.ctrader.com."
        ),
        "CH_CTID_TRADER_ACCOUNT_NOT_FOUND": (
            "No such account. Give its ctidTraderAccountId, which the account list has; the "
            "login number that terminals show is another one."
        ),
        "CH_OA_CLIENT_NOT_FOUND": (
            "No application has this client id. Copy it from its page again."
        ),
        "ACCESS_DENIED": (
            "The code or token is wrong, used up or too old: a code lives one minute. Check "
            "client id, secret and redirect address, and let the user authorise again."
        ),
    },
    (Category.PERMISSION, Happened.NO, Retry.NEVER): {
        "CHANNEL_IS_BLOCKED": "Operations are blocked for this account. Ask its broker why.",
        "TRADING_NOT_ALLOWED": (
            "The account may only look. Ask its broker; or authorise with the scope "
            "`trading`, if the token has only `accounts`."
        ),
    },
    (Category.IN_FORCE, Happened.YES, Retry.NEEDLESS): {
        "ALREADY_LOGGED_IN": "The account is authorised on this connection. Go on.",
        "CH_CLIENT_ALREADY_AUTHENTICATED": (
            "The application is authorised on this connection. Go on."
        ),
        "ALREADY_SUBSCRIBED": "The subscription exists on this connection.",
        "NOT_SUBSCRIBED_TO_PNL": "There is no such subscription to end.",
    },
    (Category.UNAVAILABLE, Happened.NO, Retry.LATER): {
        "CANT_ROUTE_REQUEST": (
            "The account lives on the other endpoint (its isLive says which: live or demo), "
            "or its broker is away for maintenance. Check the endpoint first; then try again "
            "in minutes."
        ),
        "CH_SERVER_NOT_REACHABLE": "The trading server is away. Try again in minutes.",
        "SERVER_IS_UNDER_MAINTENANCE": (
            "Wait until the maintenance is over: maintenance_end_timestamp of the reply may "
            "say when, in seconds in ProtoOAErrorRes, in milliseconds in ProtoErrorRes."
        ),
        "CONNECTIONS_LIMIT_EXCEEDED": (
            "The application has too many connections. Close some: one for demo and one for "
            "live serve any number of accounts."
        ),
    },
    (Category.REQUEST, Happened.NO, Retry.NEVER): {
        "UNSUPPORTED_MESSAGE": (
            "The server does not take this kind of request here. Authorise the application first "
            "(ProtoOAApplicationAuthReq); compare the release of the schema with the server's "
            "(ProtoOAVersionReq), and the endpoint with the account's kind."
        ),
        "INVALID_REQUEST": "Read the description: it names what is wrong; mend that.",
        "FRAME_TOO_LONG": "The request is too large. Ask for less, or in several parts.",
        "NOT_SUBSCRIBED_TO_SPOTS": (
            "Subscribe to the symbol's spots first (ProtoOASubscribeSpotsReq)."
        ),
        "INCORRECT_BOUNDARIES": (
            "The time window is empty, reversed or too wide. Times are milliseconds; ticks, "
            "deals and cash flow take a week at a time."
        ),
        "TRADING_BAD_VOLUME": (
            "Keep to the symbol's minVolume, maxVolume and stepVolume, in hundredths of a "
            "unit. The description counts lots."
        ),
        "TRADING_BAD_STOPS": (
            "A stop loss, take profit or stop price is on the wrong side of the market, which "
            "may have moved. Compare it with bid and ask."
        ),
        "TRADING_BAD_PRICES": (
            "A price is impossible. In orders prices are plain numbers, not hundred-thousandths."
        ),
        "TRADING_BAD_STAKE": "The stake of this spread bet is impossible. Change it.",
        "PROTECTION_IS_TOO_CLOSE_TO_MARKET": (
            "Keep the symbol's distance (slDistance, tpDistance) between the market and the level."
        ),
        "TRADING_BAD_EXPIRATION_DATE": (
            "The expiry must lie in the future, in milliseconds since 1970 (UTC)."
        ),
        "WORSE_GSL_NOT_ALLOWED": "A guaranteed stop loss may only be moved towards less risk.",
        "ORDER_REJECTED": (
            "The order was rejected and no reason given. The event's order may show one."
        ),
    },
    (Category.NOT_FOUND, Happened.NO, Retry.AT_ONCE): {
        "POSITION_NOT_FOUND": (
            "No open position has this id: it may be closed. Right after a fill it may not be "
            "ready for a tenth of a second: then ask once more."
        ),
    },
    (Category.NOT_FOUND, Happened.NO, Retry.NEVER): {
        "ENTITY_NOT_FOUND": (
            "Nothing has the id in the request. Fetch the ids anew; it may be gone."
        ),
        "SYMBOL_NOT_FOUND": (
            "The account has no such symbol. Ids differ between brokers: fetch the symbols list."
        ),
        "UNKNOWN_SYMBOL": (
            "The account has no such symbol. Ids differ between brokers: fetch the symbols list."
        ),
        "ORDER_NOT_FOUND": (
            "No such order of this account: it may be filled, cancelled or expired. Look at "
            "its events, or reconcile."
        ),
        "POSITION_NOT_OPEN": "The position is closed already, or not filled yet.",
    },
    (Category.BUSY, Happened.NO, Retry.AT_ONCE): {
        "CONCURRENT_MODIFICATION": (
            "The order is being executed or changed. Wait for its next event, then decide anew."
        ),
        "PENDING_EXECUTION": (
            "An order of this position is being executed. Wait for its event, then decide anew."
        ),
    },
    (Category.BUSY, Happened.NO, Retry.LATER): {
        "POSITION_LOCKED": "The position's state forbids it for now. Wait for its next event.",
    },
    (Category.BUSY, Happened.NO, Retry.NEVER): {
        "UNABLE_TO_CANCEL_ORDER": (
            "The order cannot be cancelled any more: it may be in execution. Wait for its event."
        ),
        "UNABLE_TO_AMEND_ORDER": (
            "The order cannot be changed any more: it may be in execution. Wait for its event."
        ),
        "ORDER_CANCEL_REJECTED": (
            "The order is not cancelled, and no reason was given: it may be in execution. "
            "Wait for its event."
        ),
    },
    (Category.MARKET, Happened.NO, Retry.NEVER): {
        "TRADING_DISABLED": "The symbol is closed for trading: see its tradingMode.",
        "SHORT_SELLING_NOT_ALLOWED": ("This symbol cannot be sold short. Buy, or choose another."),
    },
    (Category.MARKET, Happened.NO, Retry.WHEN_OPEN): {
        "MARKET_CLOSED": (
            "The symbol is outside its hours, though quotes may stream. Look at its schedule "
            "and holidays."
        ),
        "SYMBOL_HAS_HOLIDAY": (
            "The symbol does not trade on this holiday: its list of holidays says until when."
        ),
        "NO_QUOTES": "There is no price to trade at. Wait for the next quote.",
    },
    (Category.MONEY, Happened.NO, Retry.NEVER): {
        "NOT_ENOUGH_MONEY": (
            "The free margin does not suffice. Trade less (ProtoOAExpectedMarginReq tells how "
            "much), or free some."
        ),
        "MAX_EXPOSURE_REACHED": (
            "The limit of exposure on this side of the symbol is reached. Close something first."
        ),
        "TOO_MANY_POSITIONS": (
            "The account's number of positions and orders is reached. Close or cancel some."
        ),
    },
    (Category.UNKNOWN, Happened.UNKNOWN, Retry.LATER): {
        "UNKNOWN_ERROR": (
            "The server failed and does not say how. Look whether the request had an effect "
            "before asking again."
        ),
        "TIMEOUT_ERROR": (
            "The server gave up waiting for the execution, which may have taken place all the "
            "same. Reconcile before asking again."
        ),
    },
}

CATALOGUE: Mapping[str, Advice] = {
    code: Advice(category, happened, retry, action)
    for (category, happened, retry), actions in _MEANINGS.items()
    for code, action in actions.items()
}
"""Code → what it means. Sources: the schema's comments, and what was seen of live servers."""

WIRE_ONLY = frozenset(("ACCESS_DENIED", "ORDER_CANCEL_REJECTED", "ORDER_REJECTED"))
"""Codes that neither enum has: an execution event that rejects without a code, token requests."""

UNHEARD_OF = Advice(
    Category.UNKNOWN,
    Happened.UNKNOWN,
    Retry.NEVER,
    "A code that is not in our catalogue: read the description, and look whether the request had "
    "an effect before asking again.",
)

_TEXTS = (
    (re.compile(r"Trading account is not authorized"), "ACCOUNT_NOT_AUTHORIZED"),
    (re.compile(r"Already subscribed to "), "ALREADY_SUBSCRIBED"),
    (re.compile(r"Impossible to get trendbars before the spot "), "NOT_SUBSCRIBED_TO_SPOTS"),
)
_VAGUE = frozenset(("INVALID_REQUEST", "UNSUPPORTED_MESSAGE"))

_AT_FAULT = Category.REQUEST, Happened.NO, Retry.NEVER
_BY_TEXT = (
    (
        re.compile(r"No subscription for "),
        Advice(
            Category.IN_FORCE,
            Happened.YES,
            Retry.NEEDLESS,
            "There is no such subscription on this connection: nothing has to be ended.",
        ),
    ),
    (
        re.compile(r"Relative (stop loss|take profit) has invalid precision"),
        Advice(
            *_AT_FAULT,
            "Round the distance to the symbol's digits: in hundred-thousandths, a multiple of 10 "
            "to the power of 5 less the digits.",
        ),
    ),
    (
        re.compile(r"SL/TP in absolute values are allowed only"),
        Advice(
            *_AT_FAULT,
            "Orders at the market take levels as distances (relativeStopLoss, relativeTakeProfit); "
            "prices can be set on the position once it is filled.",
        ),
    ),
    (
        re.compile(r"Nothing to amend"),
        Advice(
            *_AT_FAULT,
            "The order or position is as the request asks already, or the request names no change: "
            "there is nothing to send.",
        ),
    ),
    (
        re.compile(r"Message missing required fields"),
        Advice(
            *_AT_FAULT,
            "Set the field that is named. If this kind of request has no such field, the "
            "payloadType of the envelope is that of another message.",
        ),
    ),
    (
        re.compile(r"Malformed JSON"),
        Advice(
            *_AT_FAULT,
            "The text is no JSON from that line and column on, and the server hangs up after it: "
            "send one JSON object in each text message.",
        ),
    ),
)
"""What the server says with INVALID_REQUEST, for which there is no code; the texts are recorded."""

_BY_TOKEN = frozenset(("ProtoOAGetAccountListByAccessTokenReq", "ProtoOAAccountAuthReq"))
NO_ACCESS = Advice(
    Category.AUTHORISATION,
    Happened.NO,
    Retry.AFTER_AUTHORISATION,
    "The access token is not accepted here: authorise the application first, on each connection "
    "anew (ProtoOAApplicationAuthReq); then check that the token is the newest, and of this "
    "application. For an account, check its endpoint, too: its isLive says live or demo.",
)
"""Requests that need no account's session, only a token, are refused as if they needed one."""


def meant(code: str, description: str | None) -> str:
    """The code that the server means: it may write a vague one where a precise one exists.

    So it does for accounts without a session and for live bars before spots, and did for a second
    subscription; the texts are those of live servers.
    """
    if code in _VAGUE and description is not None:
        for pattern, precise in _TEXTS:
            if pattern.match(description):
                return precise
    return code


def advise(code: str, description: str | None = None, request: str | None = None) -> Advice:
    """What a code means, as the refusal of a request of this name if that is given; UNHEARD_OF if
    it is in no catalogue.
    """
    precise = meant(code, description)
    if request in _BY_TOKEN and precise in ("UNSUPPORTED_MESSAGE", "ACCOUNT_NOT_AUTHORIZED"):
        return NO_ACCESS
    if precise == "INVALID_REQUEST" and description is not None:
        for pattern, advice in _BY_TEXT:
            if pattern.match(description):
                return advice
    return CATALOGUE.get(precise, UNHEARD_OF)


def codes(category: Category) -> frozenset[str]:
    """All codes of a category."""
    return frozenset(code for code, advice in CATALOGUE.items() if advice.category is category)
