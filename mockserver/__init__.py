"""A simulated cTrader server for tests and demonstrations, over memory or real sockets.

`logged_in_client()` is a client of one, ready to trade; `mock_server()` the server alone, in a trio
program, `ThreadedServer` in any other. `Box` is the simulated broker that they serve, a `Plan` of
`Fault`s what goes wrong. `python -m mockserver` serves clients in any language.

A name is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .box import (
        ACCESS_TOKEN,
        CLIENT_ID,
        CLIENT_SECRET,
        HEDGED,
        LIVE,
        NETTED,
        REFRESH_TOKEN,
        SPREAD_BETTING,
        VIEW_TOKEN,
        Box,
    )
    from .clients import logged_in_client
    from .composition import mock_server
    from .faults.plan import Fault, Plan
    from .server.server import MockServer
    from .threaded import ThreadedServer

__all__ = [
    "ACCESS_TOKEN",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "HEDGED",
    "LIVE",
    "NETTED",
    "REFRESH_TOKEN",
    "SPREAD_BETTING",
    "VIEW_TOKEN",
    "Box",
    "Fault",
    "MockServer",
    "Plan",
    "ThreadedServer",
    "logged_in_client",
    "mock_server",
]

if not TYPE_CHECKING:
    _HOMES = {
        "Fault": "faults.plan",
        "MockServer": "server.server",
        "Plan": "faults.plan",
        "ThreadedServer": "threaded",
        "logged_in_client": "clients",
        "mock_server": "composition",
    }

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOMES.get(name, 'box')}", __name__), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
