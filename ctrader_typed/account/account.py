"""An account in a trader's hands: how it stands, orders and what they would cost, the market.

Puts the parts together; does nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..client import Client
from ..units import checks
from .market_data import MarketData
from .tables import Positions
from .trading import Trading

if TYPE_CHECKING:
    from rich.table import Table


class Account(Trading, MarketData):
    """An account, in step with the server for as long as its client lives. Made by `api.account()`.

    Whatever is read here has seen every event that has come in: after `await order.filled()` the
    position is there. After a gap it is reconciled first; `in_step` says whether it is, and
    `settled()` waits for that. Money is a Decimal in the deposit currency.
    """

    @classmethod
    async def open(cls, client: Client, account_id: int) -> Account:
        """An account in step; `api.account()` says the rest."""
        account = cls(checks.client(client), checks.whole(account_id, "account_id", 0))
        await account._synchroniser.start()
        return account

    def __repr__(self) -> str:
        self._synchroniser.drain()
        state = "" if self._book.in_step else ", out of step"
        if self.price_errors:
            state += f", no prices of {', '.join(self.price_errors)}"
        return (
            f"<Account {self._account_id}: balance {self.balance}, equity {self.equity}, "
            f"{len(self._book.positions)} positions, {len(self._book.orders)} pending{state}>"
        )

    def _shown(self) -> Positions:
        return Positions(self.positions, self._valuation, repr(self))

    def _repr_html_(self) -> str:
        """For notebooks: the account in a line, its positions in a table."""
        return self._shown()._repr_html_()  # pyright: ignore[reportPrivateUsage]  # notebooks' name

    def __rich__(self) -> Table:
        return self._shown().__rich__()
