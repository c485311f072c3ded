"""A typed client of the cTrader Open API, on trio: `connect()`, errors, and all messages."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .keywords import suggest_all

if TYPE_CHECKING:
    from . import proto
    from .api import Api, connect, connect_over
    from .client import Client
    from .error_codes import Advice
    from .errors import (
        CertificateRefused,
        CodecError,
        ConnectFailed,
        ConnectionLost,
        CTraderError,
        DecodeError,
        EncodeError,
        InvalidOrder,
        InvalidValue,
        LocalProtocolError,
        MissingLibrary,
        OutsideTrio,
        ReconnectAbandoned,
        RefreshLost,
        RemoteProtocolError,
        SlowSubscriber,
        StoreDamaged,
        StoreInUse,
        TokenRefused,
        TokenStoreError,
        UnknownName,
    )
    from .message import Message, Request
    from .message.choice import CodecInfo
    from .message.columns import Columns
    from .net.event_streams import EventStream
    from .orders.errors import DuplicateOrder, JournalInUse, NotFilled, NotSent
    from .orders.journal import Journal, OpenOrder, UsedId
    from .orders.order import Order, OutcomeUnknown
    from .orders.order_manager import OrderManager
    from .orders.order_states import OrderStatus
    from .orders.tracked_order import Fill, OrderEvent
    from .proto import *  # noqa: F403 - all messages, each by its own name
    from .proto import SCHEMA
    from .protocol.backoff import NO_RECONNECT, Reconnect
    from .protocol.errors import (
        AuthError,
        NotRouted,
        OrderError,
        PagingError,
        RateLimited,
        ServerError,
        UnexpectedReply,
    )
    from .protocol.rate_limits import NO_LIMITS, Limits, RateLimits
    from .protocol.statistics import Latency, Statistics, StreamStatistics
    from .protocol.stream_buffers import conflate, conflate_spots
    from .protocol.stream_events import Gap, NotRestored
    from .wire.connection import JSON_WEBSOCKET, PROTOBUF_TCP, PROTOBUF_WEBSOCKET, Wire
    from .wire.envelope import BadPayload, UnknownPayload

if TYPE_CHECKING:  # what is imported later still
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
    "OrderManager",
    "OrderPlaced",
    "OrderStatus",
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

_OWN = tuple(__all__)

if TYPE_CHECKING:
    __all__ += proto.__all__

    def codec_info() -> CodecInfo:
        """Which codec runs, and why."""
        return SCHEMA.codec_info()
else:
    # Everything is imported with the first name that is asked for: pytest, which loads our plugin
    # at each start, need not pay for trio. An account brings the market and the symbols with it,
    # half of what is ours of an import: those come with the first name of theirs.

    _LAYERS = "account", "symbols"
    _HOMES = [
        "api",
        "client",
        "error_codes",
        "errors",
        "message",
        "message.choice",
        "message.columns",
        "net.event_streams",
        "orders.errors",
        "orders.journal",
        "orders.order",
        "orders.order_manager",
        "orders.order_states",
        "orders.tracked_order",
        "proto",
        "protocol.backoff",
        "protocol.errors",
        "protocol.rate_limits",
        "protocol.statistics",
        "protocol.stream_buffers",
        "protocol.stream_events",
        "wire.connection",
        "wire.envelope",
    ]
    globals().pop("__all__")  # it needs the names of all messages

    def __getattr__(name: str) -> Any:
        if name == "__all__" or name in _OWN or name.startswith("Proto"):
            if "__all__" not in globals():
                _load()
            if name in globals():
                return globals()[name]
            for layer in _LAYERS if name in _OWN else ():
                module = import_module(f".{layer}", __name__)
                if name in module.__all__:
                    return getattr(module, name)
        elif not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def _load() -> None:
        names: dict[str, Any] = {}
        for home in reversed(_HOMES):  # the first that has a name is its home
            module = vars(import_module(f".{home}", __name__))
            names |= {name: module[name] for name in _OWN if name in module}
        names |= {"__name__": __name__, "__all__": _OWN}
        suggest_all(names)  # messages and methods name the nearest keyword by themselves
        proto = import_module(".proto", __name__)
        names |= {name: getattr(proto, name) for name in proto.__all__}
        globals().update(names, codec_info=proto.SCHEMA.codec_info, __all__=[*_OWN, *proto.__all__])

    def __dir__() -> list[str]:
        return sorted(["__version__", *__getattr__("__all__")])
