"""What trading costs: commissions of all kinds, conversion, swaps, spread bets. By hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.proto import (
    ProtoOAAccountType,
    ProtoOACommissionType,
    ProtoOADayOfWeek,
    ProtoOADeal,
    ProtoOAMinCommissionType,
    ProtoOASwapCalculationType,
)
from mockserver.broker.money import amount, half_away, profit, share, value_of
from mockserver.broker.trading import fees, rollover
from mockserver.broker.trading.account import Terms
from tests.mockserver.broker.trading.harness import (
    EUR,
    EURUSD,
    GER40,
    LOT,
    SELL,
    USDJPY,
    Session,
    error,
    executions,
    kinds,
)
from tests.mockserver.broker.trading.test_closing import close

TYPE = ProtoOACommissionType
DAY = 86_400_000
IN_EUROS = Terms(deposit_asset_id=EUR)


def deal(session: Session, **fields: Any) -> ProtoOADeal:
    filled = executions(session.do(session.order(**fields)))[-1]
    assert filled.deal is not None
    return filled.deal


@pytest.mark.parametrize(
    ("value", "nearest"),
    [(Fraction(1, 2), 1), (Fraction(-1, 2), -1), (Fraction(15, 2), 8), (Fraction(-15, 2), -8),
     (Fraction(49, 100), 0), (Fraction(-249, 100), -2), (Fraction(5, 2), 3), (Fraction(7), 7)],
)  # fmt: skip
def test_halves_go_away_from_zero(value: Fraction, nearest: int) -> None:
    assert half_away(value) == nearest


def test_shares_of_the_recordings() -> None:
    assert (share(5, 100_000, 200_000), 5 - share(5, 100_000, 200_000)) == (3, 2)
    assert share(-2772, 1, 100) == -28


# --- commission -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volume", "cents"), [(200_000, -5), (300_000, -8), (100_000, -3), (LOT, -250)]
)
def test_dollars_per_lot(volume: int, cents: int) -> None:
    assert deal(Session(), volume=volume).commission == cents


@pytest.mark.parametrize(
    ("fields", "cents"),
    [
        # 108,460 dollars at 45 a million.
        ({"commission_type": TYPE.USD_PER_MILLION_USD,
          "precise_trading_commission_rate": 4_500_000_000}, -488),
        # 0.01 % of 108,460 dollars.
        ({"commission_type": TYPE.PERCENTAGE_OF_VALUE, "precise_trading_commission_rate": 1000},
         -1085),
        ({"commission_type": TYPE.QUOTE_CCY_PER_LOT,
          "precise_trading_commission_rate": 375_000_000}, -375),
        ({"precise_trading_commission_rate": None, "commission": 250}, -250),
        ({"commission_type": TYPE.PERCENTAGE_OF_VALUE, "precise_trading_commission_rate": None,
          "commission": 70}, -76),
        ({"precise_trading_commission_rate": 0}, 0),
        ({"precise_min_commission": 400_000_000}, -400),
        ({"precise_min_commission": 300_000_000, "min_commission_asset": "EUR"}, -325),
        ({"precise_min_commission": 300_000_000,
          "min_commission_type": ProtoOAMinCommissionType.QUOTE_CURRENCY}, -300),
    ],
)  # fmt: skip
def test_of_every_kind(fields: dict[str, Any], cents: int) -> None:
    session = Session()
    session.change(EURUSD, **fields)
    assert deal(session, volume=LOT).commission == cents


def test_in_another_deposit_currency() -> None:
    """2.50 dollars are 2.30 euros at 1.08455, the middle."""
    assert deal(Session(IN_EUROS), volume=LOT).commission == -231


def test_quote_currency_per_lot_is_converted() -> None:
    """GER40 takes 2 euros a contract of 1; at 1.08455 that is 2.17 dollars."""
    session = Session()
    session.change(
        GER40, commission_type=TYPE.QUOTE_CCY_PER_LOT, precise_trading_commission_rate=200_000_000
    )
    assert deal(session, symbol_id=GER40, volume=100).commission == -217


# --- rates and conversion -------------------------------------------------------------------------


def test_the_rates_of_a_pair_with_a_foreign_quote() -> None:
    """USDJPY on a dollar account: the base is the deposit currency, the quote is converted."""
    session = Session()
    opened = deal(session, symbol_id=USDJPY, volume=LOT)
    assert opened.margin_rate == 1.0
    assert opened.base_to_usd_conversion_rate == 1.0
    session.price(USDJPY, 15_000_000, 15_002_000)
    (position,) = session.account.positions
    closing = deal_of_close(session, position)
    # 98 pips less the spread: 0.98 yen x 100,000 at 1/150.01, which is 653.29 dollars.
    assert closing.gross_profit == 65_329
    assert closing.quote_to_deposit_conversion_rate == pytest.approx(1 / 150.01)
    assert closing.pnl_conversion_fee == -458  # 0.70 % are 457.303
    before = session.account.cash_flow[0].balance
    fees = closing.swap + closing.commission + closing.pnl_conversion_fee
    assert closing.balance == before + 65_329 + fees == session.account.balance


def deal_of_close(session: Session, position: int, volume: int = LOT) -> Any:
    filled = executions(session.do(close(session, position, volume)))[-1]
    assert filled.deal is not None
    assert filled.deal.close_position_detail is not None
    return filled.deal.close_position_detail


def test_a_loss_costs_the_fee_too() -> None:
    session = Session()
    position = session.opened(symbol_id=USDJPY, volume=LOT)
    closing = deal_of_close(session, position)
    assert closing.gross_profit == -1342  # 0.02 yen x 100,000 at 1/149.01
    assert closing.pnl_conversion_fee == -10  # 9.394


@pytest.mark.parametrize(
    ("gross", "fee"), [(-2621, -19), (2621, -19), (-10_000, -70), (1, -1), (0, 0)]
)
def test_the_conversion_fee_is_rounded_against_the_trader(gross: int, fee: int) -> None:
    """Recorded: gross -2621 at a rate of 70 was booked as -19 (18.347), the balance confirms it."""
    session = Session()
    state, account = session.broker._state, session.account
    assert fees.conversion_fee(state, account, USDJPY, gross) == fee


def test_fees_without_a_recorded_booking_are_rounded_against_the_trader_too() -> None:
    session = Session()
    session.change(EURUSD, gsl_charge=250)
    state, account = session.broker._state, session.account
    assert fees.guaranteed_stop_charge(state, account, EURUSD, 101_000) == -3  # 2.525 cents


def test_the_margin_rate_of_a_cross_goes_through_its_own_price() -> None:
    """EURUSD on a euro account is worth exactly one; GER40 costs its price."""
    session = Session(IN_EUROS)
    assert deal(session).margin_rate == 1.0
    assert deal(session, symbol_id=GER40, volume=100).margin_rate == 17801.0


def test_money_digits_are_the_accounts_own() -> None:
    session = Session(Terms(money_digits=8), deposit=1000)
    opened = deal(session, volume=100_000)
    assert opened.money_digits == 8
    assert opened.commission == -2_500_000
    (position,) = session.account.positions.values()
    assert position.message().used_margin == 1_084_600_000


# --- spread bets ----------------------------------------------------------------------------------


def test_a_spread_bet_is_reckoned_in_the_deposit_currency() -> None:
    session = Session(Terms(account_type=ProtoOAAccountType.SPREAD_BETTING, deposit_asset_id=6))
    session.change(EURUSD, precise_trading_commission_rate=0)
    position = session.opened(volume=LOT)
    assert session.account.positions[position].margin_rate == Fraction(108_460, 100_000)
    session.price(EURUSD, 108_560, 108_570)
    closing = deal_of_close(session, position)
    assert closing.gross_profit == 10_000  # 0.001 x 100,000 pounds
    assert closing.quote_to_deposit_conversion_rate == 1.0
    assert closing.pnl_conversion_fee == 0


def test_a_bad_stake() -> None:
    session = Session(Terms(account_type=ProtoOAAccountType.SPREAD_BETTING))
    assert error(session.send(session.order(volume=5)))[0] == "TRADING_BAD_STAKE"


# --- swaps ----------------------------------------------------------------------------------------


def swaps(session: Session, days: int, **order: Any) -> list[int]:
    """What a lot that was opened on Monday gathers by each of the next nights."""
    session.opened(**({"volume": LOT} | order))
    gathered: list[int] = []
    for _ in range(days):
        session.wait(DAY)
        (position,) = session.account.positions.values()
        gathered.append(position.swap)
    return gathered


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # -1.106 pips for 100,000 units is -11.06; three times on Wednesday, none at weekends.
        ({}, [-1106, -2212, -5530, -6636, -7742, -7742, -7742, -8848]),
        ({"charge_swap_at_weekends": True},
         [-1106, -2212, -5530, -6636, -7742, -8848, -9954, -11060]),
        ({"swap_rollover3_days": ProtoOADayOfWeek.FRIDAY},
         [-1106, -2212, -3318, -4424, -7742, -7742, -7742, -8848]),
        ({"swap_rollover3_days": ProtoOADayOfWeek.NONE}, [-1106, -2212, -3318]),
        ({"swap_calculation_type": ProtoOASwapCalculationType.POINTS}, [-111, -222, -554]),
        # 3.6 % a year of 108,460 dollars is 10.846 a day.
        ({"swap_calculation_type": ProtoOASwapCalculationType.PERCENTAGE, "swap_long": -3.6},
         [-1085, -2170, -5424]),
        ({"skip_swap_periods": 2}, [0, 0, -3318]),
        ({"swap_period": 12, "swap_time": 60}, [-2212, -6636]),
    ],
)  # fmt: skip
def test_swap(fields: dict[str, Any], expected: list[int]) -> None:
    session = Session()
    session.change(EURUSD, **fields)
    assert swaps(session, len(expected)) == expected


def test_a_short_position_has_its_own_rate() -> None:
    assert swaps(Session(), 1, trade_side=SELL) == [59]


def test_swap_is_an_event_without_an_order_and_realised_at_the_close() -> None:
    session = Session()
    position = session.opened(volume=LOT)
    before = session.account.balance
    sent = session.wait(DAY)
    assert kinds(sent) == ["SWAP*"]
    (event,) = executions(sent)
    assert event.order is None
    assert event.deal is None
    assert event.position is not None
    assert event.position.swap == -1106
    assert session.account.balance == before
    half = deal_of_close(session, position, LOT // 2)
    assert half.swap == -553
    rest = deal_of_close(session, position, LOT // 2)
    assert rest.swap == -553


def test_no_swap_no_event_and_none_for_what_is_closed() -> None:
    session = Session()
    session.change(EURUSD, swap_long=0.0)
    position = session.opened()
    assert session.wait(DAY) == []
    session.change(EURUSD, swap_long=-1.0)
    session.do(close(session, position))
    assert session.wait(2 * DAY) == []


def test_a_swap_free_account_pays_a_fee_after_some_days() -> None:
    session = Session(Terms(swap_free=True))
    session.change(EURUSD, rollover_commission=500, skip_rollover_days=1)
    session.opened(volume=LOT)
    sent = [kinds(session.wait(DAY)) for _ in range(3)]
    assert sent == [[], ["DEPOSIT_WITHDRAW*"], ["DEPOSIT_WITHDRAW*"]]
    flows = [(f.operation_type, f.delta) for f in session.account.cash_flow[1:]]
    assert flows == [(18, -500), (18, -1500)]  # threefold on Wednesday
    (position,) = session.account.positions.values()
    assert position.swap == 0


@pytest.mark.parametrize(
    ("after", "hours", "minutes", "expected"),
    [
        (0, 24, 1259, 1259 * 60_000),
        (1259 * 60_000, 24, 1259, DAY + 1259 * 60_000),
        (0, 8, 60, 3_600_000),
        (3_600_000, 8, 60, 9 * 3_600_000),
        (20 * 3_600_000, 8, 60, DAY + 3_600_000),
    ],
)
def test_when_swap_is_due(after: int, hours: int, minutes: int, expected: int) -> None:
    symbol = Session().change(EURUSD, swap_period=hours, swap_time=minutes)
    assert rollover.next_rollover(symbol, after) == expected


def test_the_epoch_was_a_thursday() -> None:
    days = [rollover.weekday(day * DAY) for day in range(7)]
    assert days == [4, 5, 6, 7, 1, 2, 3]


@given(
    st.integers(-(10**18), 10**18),
    st.fractions(min_value=Fraction(1, 10**6), max_value=10**6),
    st.integers(0, 8),
)
def test_a_profit_is_the_amount_of_what_it_is_worth(cost: int, rate: Fraction, digits: int) -> None:
    assert profit(cost, rate, digits) == amount(value_of(cost, 1) * rate, digits)
