"""A typed client of the cTrader Open API, on trio: `connect()`, errors, and all messages."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import proto
from .advice import Advice
from .api import Api, connect, connect_over
from .client import Client
from .codec.choice import CodecInfo
from .codec.columns import Columns
from .errors import (
    AuthError,
    CertificateRefused,
    CodecError,
    ConnectFailed,
    ConnectionLost,
    CTraderError,
    DecodeError,
    DuplicateOrder,
    EncodeError,
    InvalidOrder,
    InvalidValue,
    JournalInUse,
    LocalProtocolError,
    MissingLibrary,
    NotFilled,
    NotRouted,
    NotSent,
    OrderError,
    OutcomeUnknown,
    OutsideTrio,
    PagingError,
    RateLimited,
    ReconnectAbandoned,
    RefreshLost,
    RemoteProtocolError,
    ServerError,
    SlowSubscriber,
    StoreDamaged,
    StoreInUse,
    TokenRefused,
    TokenStoreError,
    UnexpectedReply,
    UnknownName,
)
from .journal import Journal, OpenOrder, UsedId
from .keywords import suggest_all
from .message import Message, Request
from .net.order import Order
from .net.orders import Orders
from .net.subscriptions import EventStream
from .proto import *  # noqa: F403 - all messages, each by its own name
from .proto import SCHEMA
from .wire.connection import JSON_WEBSOCKET, PROTOBUF_TCP, PROTOBUF_WEBSOCKET, Wire
from .wire.envelope import BadPayload, UnknownPayload
from .wire.fate import Fill, OrderEvent
from .wire.limits import NO_LIMITS, Limits, RateLimits
from .wire.lives import OrderStatus
from .wire.notices import Gap, NotRestored
from .wire.overflow import conflate, conflate_spots
from .wire.reconnect import NO_RECONNECT, Reconnect
from .wire.statistics import Latency, Statistics, StreamStatistics

if TYPE_CHECKING:
    from .account import (
        KEEP,
        Account,
        BalanceChanged,
        BonusChanged,
        Change,
        Closing,
        ExpectedMargin,
        InStep,
        OrderChanged,
        OrderEnded,
        OrderPlaced,
        OutOfStep,
        Position,
        PositionChanged,
        PositionClosed,
        PositionOpened,
        Positions,
        Profit,
    )
    from .symbols import Catalogue, Symbol

__version__ = "0.1.0"  # as in pyproject.toml: a test compares them

__all__ = [
    "JSON_WEBSOCKET",
    "KEEP",
    "NO_LIMITS",
    "NO_RECONNECT",
    "PROTOBUF_TCP",
    "PROTOBUF_WEBSOCKET",
    "SCHEMA",  # in `proto.__all__` too: mypy looks for what a module has in this list alone
    "Account",
    "Advice",
    "Api",
    "AuthError",
    "BadPayload",
    "BalanceChanged",
    "BonusChanged",
    "CTraderError",
    "Catalogue",
    "CertificateRefused",
    "Change",
    "Client",
    "Closing",
    "CodecError",
    "CodecInfo",
    "Columns",
    "ConnectFailed",
    "ConnectionLost",
    "DecodeError",
    "DuplicateOrder",
    "EncodeError",
    "EventStream",
    "ExpectedMargin",
    "Fill",
    "Gap",
    "InStep",
    "InvalidOrder",
    "InvalidValue",
    "Journal",
    "JournalInUse",
    "Latency",
    "Limits",
    "LocalProtocolError",
    "Message",
    "MissingLibrary",
    "NotFilled",
    "NotRestored",
    "NotRouted",
    "NotSent",
    "OpenOrder",
    "Order",
    "OrderChanged",
    "OrderEnded",
    "OrderError",
    "OrderEvent",
    "OrderPlaced",
    "OrderStatus",
    "Orders",
    "OutOfStep",
    "OutcomeUnknown",
    "OutsideTrio",
    "PagingError",
    "Position",
    "PositionChanged",
    "PositionClosed",
    "PositionOpened",
    "Positions",
    "Profit",
    "RateLimited",
    "RateLimits",
    "Reconnect",
    "ReconnectAbandoned",
    "RefreshLost",
    "RemoteProtocolError",
    "Request",
    "ServerError",
    "SlowSubscriber",
    "Statistics",
    "StoreDamaged",
    "StoreInUse",
    "StreamStatistics",
    "Symbol",
    "TokenRefused",
    "TokenStoreError",
    "UnexpectedReply",
    "UnknownName",
    "UnknownPayload",
    "UsedId",
    "Wire",
    "codec_info",
    "conflate",
    "conflate_spots",
    "connect",
    "connect_over",
]
suggest_all(globals())
__all__ += proto.__all__  # its messages and methods name the nearest keyword by themselves

codec_info = SCHEMA.codec_info

if not TYPE_CHECKING:  # which would take any name then
    # An account brings the market and the symbols with it: half of what is ours of an import.

    def __getattr__(name: str) -> Any:
        for layer in ("account", "symbols") if name in __all__ else ():
            module = import_module(f".{layer}", __name__)
            if name in module.__all__:
                return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(["__version__", *__all__])
