"""The control port: move a running mock server from any language, with lines of JSON over loopback.

A request is an object with a `command`, its parameters and, if wanted, an `id`, which comes back
in the reply: `{"ok": true, …}` or `{"ok": false, "error": "…"}`. What a client sends wrong is
answered so, and never ends the server.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import trio

from ctrader_typed.keywords import suggest
from ctrader_typed.proto import SCHEMA

from .box import Box
from .broker import requests
from .errors import MockServerError
from .faults.plan import Plan
from .faults.scenario_files import read_scenario
from .handler import TimedFactory
from .recordings.placeholders import as_object
from .server.server import MockServer

LINE, CONNECTIONS = 64 * 1024, 16
"""Bytes of a request, and connections at a time."""
_MOST = 1_000_000_000
"""The highest price and amount: what follows from them must fit into the schema's integers."""
_WEEK, _HOUR = 7 * 86_400.0, 3_600.0

Reply = dict[str, Any]


@suggest
@dataclass(frozen=True)
class Control:
    """What commands work on."""

    server: MockServer
    box: Box
    plan: Plan

    def catch_up(self) -> None:
        """Let happen what is due by now, and be told; also while no client is connected."""
        world: object = self.server.handlers
        if isinstance(world, TimedFactory):
            world.wake(self.server.now())


# --- the commands ---------------------------------------------------------------------------------


async def _state(control: Control) -> Reply:
    broker = control.box.broker
    accounts = [
        {
            "id": account.account_id,
            "balance": account.balance / 10**account.terms.money_digits,
            "positions": [
                {"id": p.position_id, "symbolId": p.symbol_id, "side": p.side.name}
                | {"volume": p.volume}
                for p in account.positions.values()
            ],
            "orders": [
                {"id": o.order_id, "symbolId": o.symbol_id, "side": o.side.name}
                | {"volume": o.remaining, "type": o.order_type.name}
                for o in account.orders.values()
                if o.working
            ],
        }
        for account in broker.accounts.values()
    ]
    return {
        "now": broker.now_ms,
        "connections": len(control.box.sessions),
        "violations": [str(each) for each in control.server.violations[-100:]],
        "faults": len(control.plan.happened),
        "accounts": accounts,
    }


async def _set_price(
    control: Control, symbol: str | int, bid: float, ask: float | None = None
) -> Reply:
    for price in (bid, ask):
        if price is not None and not 0 < price <= _MOST / 100:
            raise ValueError(f"expected a price above 0 and up to {_MOST // 100}, got {price}")
    control.box.broker.set_price(symbol, bid, ask)
    return {}


async def _advance(control: Control, seconds: float) -> Reply:
    if not 0 < seconds <= _WEEK:
        raise ValueError(f"expected seconds above 0 and up to {_WEEK:g}, got {seconds:g}")
    left = seconds
    while left > 0:  # in steps, so that clients are sent what happens, and others have their turn
        control.box.broker.advance(min(left, _HOUR))
        control.catch_up()
        left -= _HOUR
        await trio.lowlevel.checkpoint()
    return {"now": control.box.broker.now_ms}


async def _add_fault(control: Control, fault: dict[str, Any]) -> Reply:
    control.plan.add(*read_scenario({"faults": [fault]}, "control").faults)
    return {}


async def _clear_faults(control: Control) -> Reply:
    control.plan.clear()
    return {}


async def _reject_next(
    control: Control,
    error_code: str,
    description: str | None = None,
    request: str = "ProtoOANewOrderReq",
) -> Reply:
    cls = SCHEMA.by_name.get(request)
    if cls is None or cls not in requests.TRADES:
        names = ", ".join(each.__name__ for each in requests.TRADES)
        raise ValueError(f"expected request to be one of {names}, got {request!r}")
    control.box.broker.reject_next(error_code, description, request=cls)
    return {}


async def _deposit(control: Control, account_id: int, amount: float) -> Reply:
    control.box.broker.deposit(account_id, _amount(amount))
    return {}


async def _withdraw(control: Control, account_id: int, amount: float) -> Reply:
    control.box.broker.withdraw(account_id, _amount(amount))
    return {}


def _amount(amount: float) -> str:
    if not 0 < amount <= _MOST:
        raise ValueError(f"expected an amount above 0 and up to {_MOST}, got {amount:g}")
    return str(amount)


COMMANDS: Mapping[str, Callable[..., Awaitable[Reply]]] = {
    "state": _state,
    "set_price": _set_price,
    "advance": _advance,
    "add_fault": _add_fault,
    "clear_faults": _clear_faults,
    "reject_next": _reject_next,
    "deposit": _deposit,
    "withdraw": _withdraw,
}
"""The commands by name: their parameters, with their types, are those of the functions."""

# --- a request and its reply ----------------------------------------------------------------------

_KINDS: Mapping[str, tuple[type[Any], ...]] = {
    "float": (int, float),
    "int": (int,),
    "str": (str,),
    "dict[str, Any]": (dict,),
    "None": (type(None),),
}


async def reply(control: Control, request: Mapping[str, Any]) -> Reply:
    """Do what a request asks for; the reply says how that went."""
    number = {"id": request["id"]} if "id" in request else {}
    try:
        handler, parameters = _call(request)
        control.catch_up()
        return {"ok": True, **number, **await handler(control, **parameters)}
    except KeyError as error:
        return {"ok": False, **number, "error": f"there is no {error.args[0]!r}"}
    except (MockServerError, ValueError, TypeError, ArithmeticError) as error:
        return {"ok": False, **number, "error": str(error)}


def _call(request: Mapping[str, Any]) -> tuple[Callable[..., Awaitable[Reply]], dict[str, Any]]:
    """The handler and its parameters; ValueError says what is wrong with them."""
    name = request.get("command")
    handler = COMMANDS.get(name) if isinstance(name, str) else None
    if handler is None:
        raise ValueError(f"expected a command of {', '.join(COMMANDS)}, got {name!r}")
    declared = dict(list(inspect.signature(handler).parameters.items())[1:])
    given = {key: value for key, value in request.items() if key not in ("command", "id")}
    for key in given:
        if key not in declared:
            known = ", ".join(declared) or "none"
            raise ValueError(f"{name} has no parameter {key!r}; there are: {known}")
    for key, parameter in declared.items():
        if key in given:
            _check(f"{name}.{key}", str(parameter.annotation), given[key])
        elif parameter.default is parameter.empty:
            raise ValueError(f"{name} needs the parameter {key!r} ({parameter.annotation})")
    return handler, given


def _check(what: str, declared: str, value: Any) -> None:
    kinds = tuple(kind for part in declared.split(" | ") for kind in _KINDS[part])
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValueError(f"{what}: expected {declared}, got {value!r}")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"{what}: expected a number below 2^63")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what}: expected a finite number, got {value}")


# --- connections ----------------------------------------------------------------------------------


async def serve(control: Control, listener: trio.SocketListener) -> None:
    """Answer control clients until cancelled."""
    slots = trio.CapacityLimiter(CONNECTIONS)

    async def attend(stream: trio.SocketStream) -> None:
        try:
            slots.acquire_on_behalf_of_nowait(stream)
        except trio.WouldBlock:
            await _part(stream, f"{CONNECTIONS} clients are connected, as many as may be")
            return
        try:
            await _talk(control, stream)
        finally:
            slots.release_on_behalf_of(stream)

    async def guarded(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await attend(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    await trio.serve_listeners(guarded, [listener])


async def _talk(control: Control, stream: trio.SocketStream) -> None:
    """Answer line after line. Who sends what is no line of JSON (a browser, say) is hung up on."""
    buffer = b""
    while data := bytes(await stream.receive_some(4096)):
        buffer += data
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            request = _parsed(line)
            if request is None:
                await _part(stream, "expected a line with a JSON object")
                return
            await _tell(stream, await reply(control, request))
        if len(buffer) > LINE:
            await _part(stream, f"expected a line of at most {LINE} bytes")
            return


def _parsed(line: bytes) -> dict[str, Any] | None:
    if len(line) > LINE:
        return None
    try:
        return as_object(cast("object", json.loads(line)))
    except (ValueError, RecursionError):
        return None


async def _part(stream: trio.SocketStream, error: str) -> None:
    """Say why and hang up. What still comes is read, or the system would discard the reply."""
    await _tell(stream, {"ok": False, "error": error})
    await stream.send_eof()
    with trio.move_on_after(1.0):
        while await stream.receive_some(LINE):
            pass


async def _tell(stream: trio.SocketStream, said: Reply) -> None:
    await stream.send_all(json.dumps(said).encode() + b"\n")
