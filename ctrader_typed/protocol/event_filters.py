"""Which account and which symbol an event is about.

An event that names none is about all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from ..units import checks

Filter = Callable[[Any], bool]

_HOLDERS = ("order", "position", "deal")


def filtering(account: int | Iterable[int] | None, symbol: int | Iterable[int] | None) -> Filter:
    """Whether an event is about one of these accounts and one of these symbols; None is any."""
    accounts = None if account is None else numbers(account, "account")
    symbols = None if symbol is None else numbers(symbol, "symbol")

    def passes(event: Any) -> bool:
        return _meets(accounts, accounts_of, event) and _meets(symbols, _symbols, event)

    return passes


def numbers(given: int | Iterable[int], what: str) -> frozenset[int]:
    """One id or several, as a set; InvalidValue, with `what` they are, for anything else."""
    return frozenset(checks.ids(given, what))


def _meets(
    wanted: Collection[int] | None, named: Callable[[Any], Collection[int]], event: Any
) -> bool:
    if wanted is None:
        return True
    names = named(event)
    return not names or any(name in wanted for name in names)


def accounts_of(event: Any) -> Collection[int]:
    """The accounts that it names; none if it is about all of them."""
    one: int | None = getattr(event, "ctid_trader_account_id", None)
    if one is not None:
        return (one,)
    several: Collection[int] = getattr(event, "ctid_trader_account_ids", ())
    return several


def _symbols(event: Any) -> Collection[int]:
    """A quote names its symbol, and so does what an execution event holds."""
    named: int | list[int] | None = getattr(event, "symbol_id", None)
    if named is not None:
        return (named,) if isinstance(named, int) else named
    for holder in _HOLDERS:
        part = getattr(event, holder, None)
        part = getattr(part, "trade_data", part)
        symbol: int | None = getattr(part, "symbol_id", None)
        if symbol is not None:
            return (symbol,)
    return ()
