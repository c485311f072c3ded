"""A second bookkeeper, simpler than the broker's, for its books to be compared with.

It knows nothing of positions as the broker keeps them: it reads the events that a client gets, and
reckons in plain fractions of a cent what the account must be worth.
"""

from __future__ import annotations

from collections import deque
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from ctrader_typed.proto import ProtoOADeal, ProtoOAExecutionEvent
from tests.mockserver.broker.trading.harness import BUY, KIND

CENT = Decimal(1)


def cents(value: Fraction) -> int:
    """To the cent, halves away from zero: by another road than the broker's."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return int(exact.quantize(CENT, ROUND_HALF_UP))


class Bookkeeper:
    """Keeps an account's books from its execution events alone."""

    def __init__(self) -> None:
        self.cash = 0
        self.realised = 0
        self.known_orders: set[int] = set()
        self.lots: dict[int, deque[list[Any]]] = {}
        self.sides: dict[int, int] = {}
        self.commission: dict[int, int] = {}
        self.swap: dict[int, int] = {}
        self.balance = 0

    def read(self, event: ProtoOAExecutionEvent) -> None:
        flow = event.deposit_withdraw
        if flow is not None:
            self.cash += flow.delta
            assert flow.balance == self.cash + self.realised
        if event.order is not None:
            if event.execution_type == KIND.ORDER_ACCEPTED:
                assert event.order.order_id not in self.known_orders
                self.known_orders.add(event.order.order_id)
            assert event.order.order_id in self.known_orders
            executed = event.order.executed_volume
            assert executed is not None
            assert 0 <= executed <= event.order.trade_data.volume
        if event.execution_type == KIND.SWAP:
            assert event.position is not None
            self.swap[event.position.position_id] = event.position.swap
        if event.deal is not None:
            self._deal(event.deal)
            assert event.position is not None
            lots = self.lots[event.deal.position_id]
            assert event.position.trade_data.volume == sum(lot[0] for lot in lots)
            assert event.position.commission == self.commission[event.deal.position_id]

    def _deal(self, deal: ProtoOADeal) -> None:
        number, side = deal.position_id, int(deal.trade_side)
        lots = self.lots.setdefault(number, deque())
        self.sides.setdefault(number, side)
        self.commission.setdefault(number, 0)
        self.swap.setdefault(number, 0)
        assert 0 < deal.filled_volume <= deal.volume
        assert deal.commission is not None
        assert deal.commission <= 0
        closed = 0
        if lots and self.sides[number] != side:
            closed = self._closing(deal, number, lots)
        else:
            assert deal.close_position_detail is None
        if not lots:
            self.sides[number] = side
        if deal.filled_volume > closed:
            whole = Fraction(abs(deal.commission) * closed, deal.filled_volume)
            fee = deal.commission + cents(whole)
            lots.append([deal.filled_volume - closed, deal.execution_price, fee])
            self.commission[number] += fee

    def _closing(self, deal: ProtoOADeal, number: int, lots: deque[list[Any]]) -> int:
        detail = deal.close_position_detail
        assert detail is not None
        open_volume = sum(lot[0] for lot in lots)
        closed = detail.closed_volume
        assert closed is not None
        assert closed == min(deal.filled_volume, open_volume)
        way = 1 if self.sides[number] == BUY else -1
        left, value, fee = closed, Fraction(0), 0
        while left:
            lot = lots[0]
            part = min(left, lot[0])
            value += part * Fraction(str(lot[1]))
            share = -cents(Fraction(abs(lot[2]) * part, lot[0]))
            fee += share
            lot[0] -= part
            lot[2] -= share
            left -= part
            if lot[0] == 0:
                lots.popleft()
        exit_value = closed * Fraction(str(deal.execution_price))
        rate = Fraction(detail.quote_to_deposit_conversion_rate or 0)
        gross = cents((exit_value - value) * way * rate)  # volumes are in hundredths, as cents are
        assert abs(detail.gross_profit - gross) <= (0 if rate == 1 else 1)
        assert abs(Fraction(str(detail.entry_price)) - value / closed) < Fraction(1, 10**9)
        self.commission[number] -= fee
        side_fee = -cents(Fraction(abs(deal.commission or 0) * closed, deal.filled_volume))
        assert detail.commission == fee + side_fee
        swap = self.swap[number]
        gone = cents(Fraction(abs(swap) * closed, open_volume)) * (1 if swap >= 0 else -1)
        assert detail.swap == gone
        self.swap[number] -= gone
        assert (detail.pnl_conversion_fee or 0) <= 0
        fee_of_conversion = detail.pnl_conversion_fee or 0
        self.realised += detail.gross_profit + detail.swap + detail.commission + fee_of_conversion
        assert detail.balance == self.cash + self.realised
        return closed
