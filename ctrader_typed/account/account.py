"""An account in a trader's hands: how it stands, orders and what they would cost, the market.

Puts the parts together; does nothing itself.
"""

from __future__ import annotations

from ..client import Client
from .feeds import Feeds
from .shown import table
from .trading import Trading


class Account(Trading, Feeds):
    """An account, in step with the server for as long as its client lives. Made by `api.account()`.

    Whatever is read here has seen every event that has come in: after `await order.filled()` the
    position is there. After a gap it is reconciled first; `in_step` says whether it is, and
    `settled()` waits for that. Money is a Decimal in the deposit currency.
    """

    @classmethod
    async def open(cls, client: Client, account_id: int) -> Account:
        """An account in step; `api.account()` says the rest."""
        account = cls(client, account_id)
        await account._upkeep.start()
        return account

    def __repr__(self) -> str:
        self._upkeep.drain()
        state = "" if self._book.in_step else ", out of step"
        return (
            f"<Account {self._account_id}: balance {self.balance}, equity {self.equity}, "
            f"{len(self._book.positions)} positions, {len(self._book.orders)} pending{state}>"
        )

    def _repr_html_(self) -> str:
        """For notebooks: the account in a line, its positions in a table."""
        rows = [(p, self.profit_of(p)) for p in self.positions.values()]
        return table(repr(self), rows, self.symbols)
