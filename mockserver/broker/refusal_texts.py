"""The texts of refusals: which were seen on live servers, and which are invented here.

A text belongs to one of the two lists; a test finds those that belong to neither. In a template
`{}` stands for a value. With `Etiquette(invented_texts=False)` invented ones are not sent.
"""

from __future__ import annotations

import re
from functools import cache

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAErrorRes,
    ProtoOAOrderErrorEvent,
)

SEEN = (
    "Already subscribed to symbol {}.",
    "Cannot route request",
    "Impossible to get trendbars before the spot subscribing",
    "Incorrect period boundaries or requested period is longer than allowed {}",
    "Invalid access token",
    "Malformed JSON message at {}",
    "Message missing required fields: {}",
    "New {} for {} position should be {} current {} price. current {}: {}, {}: {}",
    "No subscription for symbol {}.",
    "Nothing to amend.",
    "OA client is not in active state",
    "Order not found with id {}",
    "Order volume = {} is bigger than maximum allowed volume = {}.",
    "Order volume = {} is smaller than minimum allowed volume = {}.",
    "Order {} = {} has more digits than symbol allows. Allowed {} digits",
    "Order {} not found or not belong to trader {}",
    "Position not found with id {}",
    "Relative {} has invalid precision",
    "SL/TP in absolute values are allowed only for order types: {}",
    "Stop price for {} order should be {} current {} price. current {}: {}, stop price: {}",
    "Trading account is already authorized in this channel",
    "Trading account is not authorized",
    "You are being rate limited",
    "clientId or clientSecret is incorrect",
)
"""Recorded, or quoted by those who met them."""

INVENTED = (
    ("ALREADY_SUBSCRIBED", "Already subscribed to the PnL of the account"),
    ("(ProtoOAAccountsTokenInvalidatedEvent)", "The access token has expired"),
    ("(ProtoOAAccountsTokenInvalidatedEvent)", "The access token was refreshed"),
    ("(ProtoOAAccountsTokenInvalidatedEvent)", "The access token was revoked"),
    ("ENTITY_NOT_FOUND", "Asset not found: {}"),
    ("ENTITY_NOT_FOUND", "Deal not found with id {}"),
    ("ENTITY_NOT_FOUND", "Dynamic leverage not found: {}"),
    ("ENTITY_NOT_FOUND", "no chain of symbols leads from {} to {}"),
    ("INVALID_REQUEST", "GOOD_TILL_DATE order needs expirationTimestamp"),
    ("INVALID_REQUEST", "Order type {} is not allowed"),
    ("INVALID_REQUEST", "Relative {} should be positive"),
    ("INVALID_REQUEST", "The position is on another symbol"),
    ("INVALID_REQUEST", "The symbol has no guaranteed stop loss"),
    ("INVALID_REQUEST", "Unknown quote type {}"),
    ("INVALID_REQUEST", "Unknown trendbar period {}"),
    ("INVALID_REQUEST", "Volume {} is not positive"),
    ("INVALID_REQUEST", "clientOrderId is in use"),
    ("INVALID_REQUEST", "guaranteedStopLoss needs a stop loss"),
    ("INVALID_REQUEST", "marginCallType or marginLevelThreshold is invalid"),
    ("INVALID_REQUEST", "maxRows {} is not positive"),
    ("INVALID_REQUEST", "tradeSide or timeInForce is unknown"),
    ("INVALID_REQUEST", "trailingStopLoss needs a stop loss"),
    ("INVALID_REQUEST", "{} is given both as a price and as a distance"),
    ("INVALID_REQUEST", "{} is longer than {} characters: {}"),
    ("INVALID_REQUEST", "{} order needs {}"),
    ("MARKET_CLOSED", "Market is closed"),
    ("MAX_EXPOSURE_REACHED", "The exposure limit of the symbol is reached"),
    ("NOT_ENOUGH_MONEY", "Not enough free margin"),
    ("NOT_SUBSCRIBED_TO_PNL", "No subscription to the PnL of the account"),
    ("NO_QUOTES", "There are no quotes for the symbol"),
    ("NO_QUOTES", "no chain of symbols leads from {} to {}"),
    ("NO_QUOTES", "{} has no price yet"),
    ("PENDING_EXECUTION", "Position has an order in execution"),
    ("POSITION_NOT_OPEN", "Position {} is not open"),
    ("PROTECTION_IS_TOO_CLOSE_TO_MARKET", "Protection {} is too close to the market"),
    ("SHORT_SELLING_NOT_ALLOWED", "The symbol cannot be sold short"),
    ("SYMBOL_HAS_HOLIDAY", "The symbol has a holiday"),
    ("SYMBOL_NOT_FOUND", "Symbol not found: {}"),
    ("TOO_MANY_POSITIONS", "The account has {} positions and orders already"),
    ("TRADING_BAD_EXPIRATION_DATE", "Expiration timestamp {} is not in the future"),
    ("TRADING_BAD_PRICES", "Order {} = {} is not positive"),
    ("TRADING_BAD_STOPS", "A limited-risk account needs a guaranteed stop loss"),
    ("TRADING_BAD_STOPS", "{} of {} order is on the wrong side of its price"),
    ("TRADING_BAD_VOLUME", "More than this volume is filled already"),
    ("TRADING_BAD_VOLUME", "Order volume = {} is not a multiple of the volume step = {}."),
    ("TRADING_DISABLED", "Trading is disabled for symbol {}"),
    ("TRADING_NOT_ALLOWED", "Trading is not allowed for this account"),
    ("UNABLE_TO_AMEND_ORDER", "The order cannot be changed"),
    ("UNABLE_TO_CANCEL_ORDER", "A protective order ends with its position or its levels"),
    ("WORSE_GSL_NOT_ALLOWED", "A guaranteed stop loss may not be moved to a greater risk"),
)
"""Error codes and texts that nobody has seen together; the codes are the schema's."""


def matches(template: str, text: str) -> bool:
    """Whether this is the template with some values in it."""
    return _pattern(template).fullmatch(text) is not None


def seen(text: str) -> bool:
    """Whether a live server was seen to send this text."""
    return any(matches(template, text) for template in SEEN)


def invented(text: str) -> bool:
    """Whether nobody has seen this text on a live server."""
    return any(matches(template, text) for _, template in INVENTED)


def without_invented(message: Message) -> Message:
    """The same message, without its text if that is invented."""
    if isinstance(message, ProtoOAErrorRes | ProtoOAOrderErrorEvent):
        if message.description is not None and invented(message.description):
            return message.__replace__(description=None)
    elif isinstance(message, ProtoOAAccountsTokenInvalidatedEvent):
        reason = message.reason
        return message.__replace__(reason=None if reason and invented(reason) else reason)
    return message


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(".+".join(map(re.escape, template.split("{}"))), re.DOTALL)
