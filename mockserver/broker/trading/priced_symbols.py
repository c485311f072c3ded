"""Which prices concern anybody: those that are heard of, traded at, or say what something is worth.

The others may pass unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from ..market.conversion import NoConversion
from .account import Account
from .state import TradingState


def concerned(state: TradingState, heard: Iterable[int]) -> set[int]:
    """The symbols whose next price may lead to something, besides those that are `heard` of."""
    found = set(heard)
    for account in state.accounts.values():
        found.update(order.symbol_id for order in account.working.values())
        found.update(_valued_at(state, account))
    return found


def _valued_at(state: TradingState, account: Account) -> Iterator[int]:
    """The symbols at whose prices an account's positions are valued."""
    for symbol_id in {position.symbol_id for position in account.positions.values()}:
        yield symbol_id
        _, quote = state.venue.assets(symbol_id)
        with suppress(NoConversion):
            for light in state.venue.conversion.chain(quote, account.terms.deposit_asset_id):
                yield light.symbol_id
