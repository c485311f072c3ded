"""A typed client of the cTrader Open API, on trio: `connect()`, errors, and all messages."""

from . import proto
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
from .journal import Journal, OpenOrder
from .message import Message, Request
from .net.order import Order
from .net.orders import Orders
from .net.subscriptions import EventStream
from .proto import *  # noqa: F403 - all messages, each by its own name
from .proto import SCHEMA
from .symbols import Catalogue, Symbol
from .wire.connection import JSON_WEBSOCKET, PROTOBUF_TCP, PROTOBUF_WEBSOCKET, Wire
from .wire.envelope import BadPayload, UnknownPayload
from .wire.fate import Fill, OrderEvent
from .wire.limits import NO_LIMITS, Limits, RateLimits
from .wire.lives import OrderStatus
from .wire.notices import Gap, NotRestored
from .wire.overflow import conflate, conflate_spots
from .wire.reconnect import NO_RECONNECT, Reconnect
from .wire.statistics import Latency, Statistics, StreamStatistics

__version__ = "0.1.0"  # as in pyproject.toml: a test compares them

__all__ = [
    "JSON_WEBSOCKET",
    "KEEP",
    "NO_LIMITS",
    "NO_RECONNECT",
    "PROTOBUF_TCP",
    "PROTOBUF_WEBSOCKET",
    "SCHEMA",
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
    "Wire",
    "codec_info",
    "conflate",
    "conflate_spots",
    "connect",
    "connect_over",
]
__all__ += proto.__all__

codec_info = SCHEMA.codec_info
