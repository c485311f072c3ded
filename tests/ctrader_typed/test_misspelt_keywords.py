"""Every public callable refuses a misspelt keyword with a TypeError that names the nearest one.

None of them is entered: they get objects that have nothing of what they would use.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from types import FunctionType, ModuleType
from typing import Any

import pytest

import ctrader_typed
from ctrader_typed import account, market, oauth, symbols, tokens, units
from ctrader_typed.keywords import ALIASES, nearest, suggest
from ctrader_typed.market import history
from ctrader_typed.net.event_streams import EventStream
from ctrader_typed.orders.order_manager import OrderManager
from mockserver import box, composition, threaded
from mockserver.broker import broker
from mockserver.broker.trading import account as broker_account
from mockserver.faults import plan
from mockserver.proxy import credentials
from mockserver.proxy import rules as proxy_rules
from mockserver.replay import cassette
from mockserver.server import certificates, connection, server

PUBLIC: list[ModuleType] = [ctrader_typed, account, market, symbols, tokens, units]
FUNCTIONS: list[ModuleType] = [history, oauth]
MOCKED: list[Any] = [
    box.Box,
    box.standard_broker,
    broker.Broker,
    broker_account.Terms,
    cassette.Cassette,
    cassette.mock_session,
    certificates.Certificates,
    credentials.Credentials,
    proxy_rules.ProxyRules,
    connection.ConnectionLimits,
    plan.Fault,
    plan.Plan,
    server.MockServer,
    composition.mock_server,
    threaded.ThreadedServer,
]

HOT = {"FromString", "parse", "is_set"}
"""Methods of messages with one parameter, which name no other: they are what decoding costs."""

INTERNAL = {
    EventStream.take,
    EventStream.wants,
    EventStream.concerns,
    EventStream.put,
    EventStream.put_gap,
    EventStream.wake,
    OrderManager.receive,
    market.Quote.__init__,
}
"""What the client itself calls for each quote or message: Python's own TypeError has to do."""


def things() -> Iterator[Any]:
    for module in PUBLIC:
        for name in module.__all__:
            yield getattr(module, name)
    for module in FUNCTIONS:
        for value in vars(module).values():
            ours = getattr(value, "__module__", None) == module.__name__
            if ours and not value.__name__.startswith("_"):
                yield value
    yield from MOCKED


def methods(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        if isinstance(value, classmethod):
            yield name, getattr(cls, name)
        elif isinstance(value, staticmethod):
            yield name, value.__func__
        elif isinstance(value, FunctionType):
            yield name, value


def callables() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for thing in things():
        if isinstance(thing, FunctionType):
            found[f"{thing.__module__}.{thing.__name__}"] = thing
        if not isinstance(thing, type) or issubclass(thing, Enum):
            continue
        whose = f"{thing.__module__}.{thing.__qualname__}"
        made = isinstance(thing.__init__, FunctionType) and thing.__init__ not in INTERNAL
        if not getattr(thing, "_is_protocol", False) and made:
            found[whose] = thing
        message = issubclass(thing, ctrader_typed.Message)
        if message and thing is not ctrader_typed.Message:
            continue
        for name, method in methods(thing):
            ours = method.__module__.startswith(("ctrader_typed", "mockserver"))
            hot = (message and name in HOT) or method in INTERNAL
            if ours and not name.startswith("_") and not hot:
                found[f"{whose}.{name}"] = method
    return found


def misspellings(name: str) -> set[str]:
    head, *rest = name.split("_")
    camel = head + "".join(part.capitalize() for part in rest)
    return {name[:-1], name[:-2] + name[-1] + name[-2], camel, f"{name}s"} - {name, ""}


def keywords(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        assert function.__name__ in TAKES_FIELDS, function
        return []
    named = (each.name for each in parameters if each.kind in kinds)
    return [name for name in named if name != "self" and not name.startswith("_")]


TAKES_FIELDS = {"received", "assert_received", "never", "wait_for"}
"""Take any field of a message, and refuse what is none."""

CALLABLES = callables()
SPELT = [
    (f"{where}({wrong}=)", function, right, wrong)
    for where, function in CALLABLES.items()
    for right in keywords(function)
    for wrong in sorted(misspellings(right) - set(keywords(function)))
    if wrong not in ALIASES
]


def call(function: Callable[..., Any], wrong: str) -> None:
    bound = isinstance(function, type) or inspect.ismethod(function)
    first = inspect.signature(function).parameters
    arguments = [object()] if not bound and "self" in first else []
    result = function(*arguments, **{wrong: 1})
    if inspect.iscoroutine(result):
        result.send(None)


@pytest.mark.parametrize("function", INTERNAL, ids=lambda function: function.__qualname__)
def test_what_is_called_for_each_quote_has_no_wrapper_and_refuses_an_unknown_keyword(
    function: Callable[..., Any],
) -> None:
    assert not hasattr(function, "__wrapped__")
    with pytest.raises(TypeError, match="unexpected keyword argument 'kep'"):
        function(object(), kep=1)


def test_the_walk_comes_by_everything() -> None:
    there = "\n".join(CALLABLES)
    for name in ("Account.buy", "Account.amend_order", "Api.new_order", "Api.auth", "api.connect"):
        assert name in there
    for name in ("ProtoOANewOrderReq", "Symbol.volume", "ThreadedServer", "history.bars"):
        assert name in there
    assert len(CALLABLES) > 400
    assert len(SPELT) > 3000


def test_a_misspelt_keyword_names_the_nearest_and_nothing_runs() -> None:
    failures: list[str] = []
    for where, function, right, wrong in SPELT:
        try:
            call(function, wrong)
        except TypeError as error:
            said = f"() got an unexpected keyword argument '{wrong}'. Did you mean '{right}'?"
            if str(error).endswith(said) and error.__cause__ is None:
                continue
            failures.append(f"{where}: {error}")
        except BaseException as error:  # noqa: BLE001 - the body was entered
            failures.append(f"{where}: {error!r}")
        else:
            failures.append(f"{where}: taken")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize(
    ("keyword", "names", "meant"),
    [
        ("stop_loss_pip", ["stop_loss_money", "stop_loss", "stop_loss_pips"], "stop_loss_pips"),
        ("stoploss_pips", ["stop_loss", "stop_loss_pips"], "stop_loss_pips"),
        ("sl", ["volume", "stop_loss", "stop_loss_pips"], "stop_loss_pips"),
        ("sl", ["volume", "relative_stop_loss"], "relative_stop_loss"),
        ("TP", ["take_profit"], "take_profit"),
        ("trailing_stop", ["trailing", "guaranteed", "stop_loss"], "trailing"),
        ("clientOrderId", ["label", "client_order_id"], "client_order_id"),
        ("expiry", ["price", "expires"], "expires"),
        ("prize", ["price", "expires"], "price"),
        ("lost", ["lots", "most"], "lots"),
        ("colour", ["price", "expires"], None),
        ("colour", [], None),
    ],
)
def test_the_nearest_name(keyword: str, names: list[str], meant: str | None) -> None:
    assert nearest(keyword, names) == meant


def test_every_alias_is_spelt_as_it_is_looked_up_and_means_a_parameter_that_there_is() -> None:
    there = {name for function in CALLABLES.values() for name in keywords(function)}
    for alias, means in ALIASES.items():
        assert alias == alias.replace("_", "").lower()
        assert there.intersection(means), alias


def test_a_keyword_like_none_gets_the_list_of_what_there_is() -> None:
    with pytest.raises(
        TypeError, match=r"price\(\) got an unexpected .*'zzz': it takes raw, digits$"
    ):
        units.price(1, zzz=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # that is the test


def test_a_type_error_of_the_body_is_left_alone() -> None:
    @suggest
    def fails(*, lots: int) -> None:
        raise TypeError("mine") from ValueError("why")

    with pytest.raises(TypeError, match=r"^mine$") as caught:
        fails(lots=1)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'lots'"):
        fails()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # that is the test


def test_what_is_wrapped_shows_itself_as_before() -> None:
    buy = account.Account.buy
    assert inspect.iscoroutinefunction(buy)
    assert inspect.iscoroutinefunction(ctrader_typed.Api.new_order)
    assert buy.__qualname__ == "Placing.buy"
    parameters = inspect.signature(buy).parameters
    assert list(parameters)[:3] == ["self", "symbol", "lots"]
    assert parameters["stop_loss_pips"].default is None
    assert "stop_loss_pips, take_profit_pips: Distances from the fill, in pips." in str(buy.__doc__)
    assert suggest(buy) is buy


def test_no_public_callable_takes_any_keyword() -> None:
    """But for those that take the fields of a message: `keywords` asserts that."""
    for function in CALLABLES.values():
        keywords(function)


@pytest.mark.parametrize("name", ["buy", "sell", "limit", "stop", "stop_limit", "market_range"])
def test_each_docstring_says_every_parameter_and_its_unit(name: str) -> None:
    method = getattr(account.Account, name)
    doc = inspect.getdoc(method) or ""
    said = set(re.findall(r"\w+", doc.partition("Args:")[2]))
    assert set(keywords(method)) - {"symbol", "side"} <= said
    for unit in ("0.01 of a unit", "in pips", "in the deposit currency"):
        assert unit in doc
