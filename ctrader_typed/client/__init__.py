"""The client: what a program is given, and how it is put together."""

from .client import Client
from .connecting import RATE_LIMITS, RECONNECT, BindingsPackage, Settings, connect, connect_over

__all__ = [
    "RATE_LIMITS",
    "RECONNECT",
    "BindingsPackage",
    "Client",
    "Settings",
    "connect",
    "connect_over",
]


def __dir__() -> list[str]:
    return __all__
