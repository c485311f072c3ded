"""Every public callable refuses what an argument cannot be, by name, and before anything is sent.

The walk calls each with one argument that is wrong and all others as they should be.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from ctrader_typed import CTraderError
from ctrader_typed.only_async import AsyncBlock
from tests.ctrader_typed.test_misspelt_keywords import CALLABLES
from tests.support.accounts import at_work
from tests.support.arguments import Session, for_programs

NAN = math.nan
A_LIST, A_DICT = ["list"], dict[str, int]()
WRONG: list[Any] = [object(), b"bytes", A_LIST, A_DICT, NAN, -1, 1.5, True, "", "text", None]
LEGAL: dict[str, list[Any]] = {
    "str": ["text", ""],
    "SymbolLike": [-1],
    "float": [1.5, -1],
    "bool": [True],
    "None": [None],
    "Number": [-1],
    "int": [-1],
    "SymbolRef": ["text", "", -1],
    "Iterable": [A_LIST, A_DICT],
    "Symbols": [A_LIST, A_DICT, -1],
    "Place": ["text"],
}
"""Of the wrong values what a type allows: to be taken or refused as what is meant demands."""

WALK = for_programs(CALLABLES)


def legal(annotation: str) -> list[Any]:
    words = re.findall(r"\w+", annotation)
    return [value for word in words for value in LEGAL.get(word, [])]


def names(error: BaseException, parameter: str) -> bool:
    said = str(error)
    return re.search(rf"\b{parameter}\b", said) is not None or any(
        words in said for words in ("expected", "there are ", "there is no ")
    )


def is_connection(result: object) -> bool:
    return isinstance(result, AsyncBlock)


async def outcome(call: Callable[[], Any]) -> None:
    """Call it; of a stream or a block, take the first step. Nothing is connected to."""
    result: Any = call()
    if inspect.iscoroutine(result):
        result = await result
    async with AsyncExitStack() as stack:
        if hasattr(result, "__aenter__") and not is_connection(result):
            result = await stack.enter_async_context(result)
        if hasattr(result, "__anext__"):
            await anext(result, None)
        elif hasattr(result, "__next__"):
            next(result, None)


def called(function: Callable[..., Any], here: Mapping[str, Any]) -> dict[str, Any]:
    """Its arguments as they should be: those that it has to get, and what `also` names."""
    also = here.get("also", ())
    parameters = inspect.signature(function).parameters.values()
    wanted = [each for each in parameters if each.default is each.empty or each.name in also]
    return {each.name: here[each.name] for each in wanted if each.kind is not each.VAR_POSITIONAL}


def parameters(function: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    for each in inspect.signature(function).parameters.values():
        label = each.name in ("what", "whose") and each.annotation == "str"
        variable = each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        if not (label or variable or each.name.startswith("_") or each.name == "task_status"):
            yield each


async def refusal(call: Callable[[], Any]) -> Exception | None:
    try:
        with trio.fail_after(3):
            await outcome(call)
    except Exception as error:  # noqa: BLE001 - it is judged
        return error
    return None


async def walk(session: Session, server: Any) -> AsyncIterator[str]:
    """What is wrong with what happens, a line each."""
    owners = await session.owners()
    for where, function in WALK.items():
        owner, name = where.split(".")[-2:]
        bound = function
        if "self" in inspect.signature(function).parameters:
            bound = getattr(owners[owner], name)
        for parameter in parameters(bound):
            await session.trade()
            here = session.good() | session.special(owner, name)
            usual = called(bound, here)
            may = legal(str(parameter.annotation))
            for value in WRONG:
                before = server.heard[-1]
                error = await refusal(
                    partial(bound, *here.get("types", ()), **usual | {parameter.name: value})
                )
                sent = server.heard[-1] is not before
                is_legal = any(value is each for each in may)
                problem = judged(error, parameter.name, sent, is_legal=is_legal)
                if problem is not None:
                    yield f"{where}({parameter.name}={value!r}): {problem}"


def judged(error: Exception | None, parameter: str, sent: bool, *, is_legal: bool) -> str | None:
    """What is wrong with it; None if nothing is."""
    if is_legal and (error is None or isinstance(error, (OSError, trio.TooSlowError))):
        return None
    if error is None:
        return "taken"
    if not isinstance(error, (CTraderError, TypeError)):
        return repr(error)
    if is_legal or (names(error, parameter) and not sent):
        return None
    return f"{type(error).__name__}: {error}{', and something was sent' if sent else ''}"


def test_the_walk_comes_by_what_programs_call() -> None:
    there = "\n".join(WALK)
    for name in ("Account.buy", "Account.amend", "Client.auth", "api.connect", "Store.sync"):
        assert name in there
    for name in ("TokenKeeper", "history.bars", "prices.pips", "oauth.consent_url", "Reconnect"):
        assert name in there
    assert sum(len(list(parameters(each))) for each in WALK.values()) > 300


async def test_a_wrong_argument_is_refused_by_name_before_anything_is_sent(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # "text" is the name of a file to some
    async with at_work() as (api, account, server):
        problems = [each async for each in walk(Session(api, account, tmp_path), server)]
    assert not problems, "\n".join(problems)
