"""Any trades, closes, moves and nights, hedged and netted: what is reckoned here is what is booked.

Profit, swap, commission, fee and margin of each step are compared with the server's, to the last
digit; the openings that a close takes are kept here, from the deals alone.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    Message,
    ProtoOAAccountType,
    ProtoOAClosePositionReq,
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
    units,
)
from ctrader_typed.account import costs
from ctrader_typed.account.costs import Opening
from mockserver.broker.trading.account import Terms
from tests.ctrader_typed.account.reckoned import Reckoned
from tests.ctrader_typed.account.test_margin import agrees
from tests.mockserver.broker.trading.harness import QUOTES

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
DAY = 86_400_000  # ms
CHOSEN = (1, 4, 9, 41, 275, 324)  # EURUSD, USDJPY, EURGBP, gold, an index, bitcoin
SYMBOLS = st.sampled_from(CHOSEN)

terms = st.builds(
    Terms,
    account_type=st.sampled_from(list(ProtoOAAccountType)),
    total_margin=st.sampled_from(list(ProtoOATotalMarginCalculationType)),
    deposit_asset_id=st.sampled_from((5, 6, 7, 15)),
    money_digits=st.sampled_from((0, 2, 8)),
    swap_free=st.booleans(),
)
trade = st.tuples(
    st.just("trade"), SYMBOLS, st.sampled_from((BUY, SELL)), st.integers(1, 60), st.booleans()
)
close = st.tuples(st.just("close"), st.integers(0, 5), st.integers(1, 10))
move = st.tuples(st.just("move"), SYMBOLS, st.integers(-700, 700))
night = st.tuples(st.just("night"))
steps = st.lists(st.one_of(trade, trade, close, close, move, night), min_size=2, max_size=14)


class Walk:
    """An account, and the openings that are left of each position's deals."""

    def __init__(self, terms: Terms) -> None:
        self.account = Reckoned(terms, deposit=10**9)
        self.openings: dict[int, list[Opening]] = {}
        self.nights = 0

    # --- steps ---

    def trade(self, symbol_id: int, side: ProtoOATradeSide, tenths: int, raises: bool) -> None:
        """A tenth of a lot and more; on top of a position of that side if there is one."""
        account = self.account
        same = [
            p.position_id
            for p in account.book.positions.values()
            if (p.symbol_id, p.side) == (symbol_id, side)
        ]
        volume = account.symbol(symbol_id).lot_size * tenths // 10
        number = same[0] if raises and same else None
        self._do(
            account.session.order(
                symbol_id=symbol_id, trade_side=side, volume=volume, position_id=number
            )
        )

    def close(self, which: int, tenths: int) -> None:
        """So many tenths of a position, in steps of its symbol."""
        positions = list(self.account.book.positions.values())
        if not positions:
            return
        position = positions[which % len(positions)]
        details = self.account.symbol(position.symbol_id).details
        step = details.step_volume or 1
        volume = max(position.volume * tenths // 10 // step * step, details.min_volume or 1)
        self._do(
            ProtoOAClosePositionReq(
                ctid_trader_account_id=self.account.session.account_id,
                position_id=position.position_id,
                volume=min(volume, position.volume),
            )
        )

    def move(self, symbol_id: int, ticks: int) -> None:
        """A price, by so many ticks from where it began."""
        by = 10 ** (5 - self.account.symbol(symbol_id).digits) * ticks
        bid, ask = QUOTES[symbol_id]
        self.account.price(symbol_id, bid + by, ask + by)

    def night(self) -> None:
        """Swap is charged; three times on Wednesday. There are four before the weekend."""
        self.nights += 1
        if self.nights <= 4:
            self.account.see(self.account.session.wait(DAY))

    # --- what comes of it ---

    def _do(self, request: Message) -> None:
        swaps = {n: (p.message.swap, p.volume) for n, p in self.account.book.positions.items()}
        balance = self.account.book.balance
        for event in self.account.do(request):
            if isinstance(event, ProtoOAExecutionEvent) and event.deal is not None:
                balance += self._booked(event.deal, swaps)
        assert self.account.book.balance == balance

    def _booked(self, deal: ProtoOADeal, swaps: dict[int, tuple[int, int]]) -> int:
        """What a deal adds to the balance, reckoned here."""
        openings = self.openings.setdefault(deal.position_id, [])
        price = units.raw_price(units.from_double(deal.execution_price or 0.0))
        detail, total, closed, fee = deal.close_position_detail, 0, 0, deal.commission or 0
        if detail is not None:
            closed = detail.closed_volume or 0
            fee = units.share(deal.commission or 0, closed, deal.filled_volume)
            swap, volume = swaps[deal.position_id]
            booked, openings = self._closed(deal, openings, price, fee, (swap, volume))
            assert (detail.gross_profit, detail.swap) == (booked.gross, booked.swap)
            assert detail.commission == booked.commission
            assert (detail.pnl_conversion_fee or 0) == booked.conversion_fee
            total, fee = booked.total, (deal.commission or 0) - fee
        if deal.filled_volume > closed:
            openings = [*openings, Opening(deal.filled_volume - closed, price, fee)]
        self.openings[deal.position_id] = openings
        return total

    def _closed(
        self,
        deal: ProtoOADeal,
        openings: list[Opening],
        price: int,
        fee: int,
        swap: tuple[int, int],
    ) -> tuple[costs.ClosingResult, list[Opening]]:
        valuation, symbol = self.account.valuation, self.account.symbol(deal.symbol_id)
        detail, ways = deal.close_position_detail, valuation.conversion(symbol.id)
        assert detail is not None
        assert ways is not None
        rate = valuation.rate(*ways)
        assert rate is not None
        closed = detail.closed_volume or 0
        taken, left = costs.take(openings, closed)
        booked = costs.closing(
            BUY if deal.trade_side == SELL else SELL,
            taken,
            price,
            rate,
            self.account.book.money_digits,
            swap=units.share(swap[0], closed, swap[1]),
            commission=fee,
            fee_of=symbol.details if ways[0] != ways[1] else None,
        )
        return booked, left

    def check(self) -> None:
        """As the server has it, and as the deals say."""
        agrees(self.account)
        for number, position in self.account.book.positions.items():
            left = self.openings[number]
            assert position.volume == sum(opening.volume for opening in left)
            assert (position.message.commission or 0) == sum(o.commission for o in left)


@given(terms, steps)
def test_whatever_is_done_is_booked_as_reckoned(terms: Terms, steps: list[tuple[Any, ...]]) -> None:
    walk = Walk(terms)
    for name, *how in steps:
        getattr(walk, name)(*how)
        walk.check()
